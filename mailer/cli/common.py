"""What every command needs: the workspace, the console, errors in plain words, exit statuses.

In: options. Out: an open workspace, or a message on standard error and an honest status: 0 done,
1 not done or faults found, 2 wrong use.
"""

from __future__ import annotations

import errno
import functools
import getpass
import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from mailer.app.failures import BackupFailed, PreflightBlocks, ProcessesRun, RestoreRefused
from mailer.app.stopping import ShareIsOver
from mailer.app.workspace import Workspace
from mailer.box import BoxError
from mailer.delivery.journal import JournalFull
from mailer.keys import KeyFileError, WrongSealKey
from mailer.model.api_token import TokenNameTaken, TokenNotFound
from mailer.model.faults import Fault, FaultsFound, Severity
from mailer.model.sign_in import AccountError, MalformedAccount
from mailer.model.staff import Actor, ActorKind
from mailer.model.states import ForbiddenTransition
from mailer.store.copying import CopyFailed
from mailer.store.doubts import CannotResend, NotInDoubt
from mailer.store.engine import StoreUnavailable, WrongKeys
from mailer.store.mailings import MailingNotFound
from mailer.store.retention import DeliveriesGone
from mailer.store.shares import ShareNotFound
from mailer.store.stopping import PausedByItself
from mailer.store.suppression_log import LogNotRead, LogNotWritten

P = ParamSpec("P")
T = TypeVar("T")

#: Goes before any question.
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")]

NOT_DONE = 1
WRONG_USE = 2

#: Results go to standard output, everything else to standard error.
console = Console(highlight=False, soft_wrap=True, emoji=False)
errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

#: What the system says no file could be read or written for → what to do.
_REMEDIES = {
    errno.ENOSPC: "Make room on that disk, then try again.",
    errno.EDQUOT: "Make room on that disk, then try again.",
    errno.EROFS: "Choose a folder that can be written.",
    errno.EACCES: "Check who owns it, or choose a folder of your own.",
    errno.EPERM: "Check who owns it, or choose a folder of your own.",
}

_workspace_folder = Path()


@dataclass(frozen=True)
class Command:
    """A command as its module offers it; `mailer.cli.main` finds it by name."""

    name: str
    function: Callable[..., None]
    #: Without any argument it prints its help.
    needs_arguments: bool = False


def set_workspace_folder(folder: Path) -> None:
    """Remember the folder that `--workspace` named."""
    global _workspace_folder
    _workspace_folder = folder


def workspace_folder() -> Path:
    """Return the folder of the workspace commands work on."""
    return _workspace_folder


def open_workspace() -> Workspace:
    """Open the workspace that `--workspace` names, or the folder one is in.

    Raises:
        FaultsFound: with everything wrong in its config.toml.
    """
    return Workspace.open(_workspace_folder)


#: Kind of folder → one that ships with mailer.
_EXAMPLES = {
    "statements": "templates/statements/her-rights",
    "newsletters": "templates/newsletters/harbor-letters",
}


def folder_meant(workspace: Workspace, kind: str, named: Path) -> Path:
    """Return the folder a person means: from here, from the workspace, or by its slug alone.

    Args:
        workspace: where it is.
        kind: "statements" or "newsletters".
        named: what they wrote.
    """
    root = workspace.config.root
    candidates = (named, root / named, workspace.config.templates_dir / kind / named)
    found = next((candidate for candidate in candidates if candidate.is_dir()), None)
    if found is None:
        fail(f'There is no folder "{named}".', f"Name one, like {_EXAMPLES[kind]}")
    return found


def fail(problem: str, remedy: str = "", status: int = NOT_DONE) -> NoReturn:
    """Say what is wrong and what to do, and end with `status`."""
    errors.print(problem, markup=False, style="red")
    if remedy:
        errors.print(remedy, markup=False)
    raise typer.Exit(status)


def meant(question: str, *, yes: bool) -> None:
    """Go on when a person types yes, or said so before."""
    if yes:
        return
    if not sys.stdin.isatty():
        fail("Nothing was changed: nobody is there to confirm it.", "Say it with --yes.")
    typed = typer.prompt(f'{question} Type "yes" to go on', err=True, default="no")
    if typed.strip().lower() != "yes":
        fail("Nothing was changed.")


def terminal_actor() -> Actor:
    """Return who types: whoever became the program's user by sudo, else that user."""
    with suppress(OSError, KeyError):
        return Actor(ActorKind.TERMINAL, os.environ.get("SUDO_USER") or getpass.getuser())
    return Actor(ActorKind.TERMINAL, f"uid {os.getuid()}")


def report_faults(faults: Iterable[Fault]) -> None:
    """Print faults one a line on standard error, errors first."""
    for fault in sorted(faults, key=lambda one: (one.severity is not Severity.ERROR, one)):
        style = "red" if fault.severity is Severity.ERROR else "yellow"
        errors.print(str(fault), markup=False, style=style)


def plain_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Turn the errors a person can act on into their words and an exit status of 1."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except FaultsFound as error:
            report_faults(error.faults)
            # Faults of options and arguments only: the command was used wrongly, and nothing else
            # is amiss.
            wrong_use = all(
                fault.field.startswith("--") or (not fault.file and fault.field.isupper())
                for fault in error.faults
            )
            raise typer.Exit(WRONG_USE if wrong_use else NOT_DONE) from None
        except MalformedAccount as error:
            fail(str(error), status=WRONG_USE)
        except (
            AccountError,
            BackupFailed,
            BoxError,
            CannotResend,
            CopyFailed,
            DeliveriesGone,
            ForbiddenTransition,
            KeyFileError,
            LogNotRead,
            LogNotWritten,
            MailingNotFound,
            NotInDoubt,
            PausedByItself,
            PreflightBlocks,
            ProcessesRun,
            RestoreRefused,
            ShareIsOver,
            ShareNotFound,
            StoreUnavailable,
            TokenNameTaken,
            TokenNotFound,
            WrongKeys,
            WrongSealKey,
        ) as error:
            fail(str(error))
        except JournalFull as error:
            fail(f"Nothing more is sent: {error}.", "Make room on the disk of the data folder.")
        except OSError as error:
            # A reader that went away, as `head` does, is no failure.
            if error.errno == errno.EPIPE:
                raise
            path = error.filename2 or error.filename
            named = f"{path}: " if path else ""
            fail(f"{named}{error.strerror or error}.", _REMEDIES.get(error.errno or 0, ""))

    return wrapped


def _jsonable(value: Any) -> Any:  # noqa: ANN401  (JSON has no type of its own.)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_json(value: object) -> None:
    """Print a value as JSON on standard output, for other programs."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=_jsonable) + "\n")


def shown(moment: datetime, zone: str) -> str:
    """Return an instant as people of that zone write it: "2026-12-01 09:00 Europe/Chisinau"."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"
