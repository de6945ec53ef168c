"""Read `config.toml` of a workspace, all its problems at once.

In: a workspace folder. Out: a `Config`, or every fault of the file, each with key, line and reason;
no fault quotes a value that may be a secret.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mailer.config.checks import Kept, cross_checks, keep
from mailer.config.sections import CONFIG_FILE, Config
from mailer.config.wording import SEE_EXAMPLE, UNKNOWN_KEY, dotted, in_words
from mailer.model.faults import Fault, FaultsFound
from mailer.model.toml_lines import TomlLines, not_toml, not_utf8

#: Begins the name of the folder in which a restore makes everything ready.
RESTORING = ".restoring-"
_GO_THERE = "Go to a workspace, name one with --workspace, or make one with `mailer init`"


def load_config(root: Path) -> Config:
    """Read `config.toml` of the workspace at `root`.

    Raises:
        FaultsFound: with every problem, each with key, line where known, and reason.
    """
    data, lines = _read(root)
    faults: list[Fault] = []
    # The workspace's folder is no key of the file, though it is a field of what is read from it.
    if "root" in data:
        del data["root"]
        faults.append(Fault(CONFIG_FILE, lines.of("root"), "root", UNKNOWN_KEY, SEE_EXAMPLE))
    kept = _validated(data, root.resolve(), lines, faults)
    if kept is not None:
        faults += cross_checks(kept, lines)
    if faults or kept is None:
        raise FaultsFound(faults)
    return kept.config


def _read(root: Path) -> tuple[dict[str, Any], TomlLines]:
    try:
        text = (root / CONFIG_FILE).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        problem, remedy = f"is not in {root.absolute()}", _GO_THERE
        if any(root.glob(f"{RESTORING}*")):
            problem = f"{problem} yet: a restore into it was stopped, or is at work"
            remedy = "Wait for it, or run the same `mailer restore` again"
        raise FaultsFound([Fault(CONFIG_FILE, 0, "", problem, remedy)]) from error
    except OSError as error:
        problem = f"cannot be read in {root.absolute()}: {error.strerror}"
        remedy = "Check who owns it: commands are run by the user the workspace belongs to"
        raise FaultsFound([Fault(CONFIG_FILE, 0, "", problem, remedy)]) from error
    except UnicodeDecodeError as error:
        raise FaultsFound([not_utf8(CONFIG_FILE, error)]) from error
    try:
        return tomllib.loads(text), TomlLines(text)
    except tomllib.TOMLDecodeError as error:
        raise FaultsFound([not_toml(CONFIG_FILE, text, error)]) from error


def _validated(
    data: dict[str, Any], root: Path, lines: TomlLines, faults: list[Fault]
) -> Kept | None:
    """Return what of the file is sound, and note what is not."""
    try:
        return keep(data, root, ())
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
    faults += (
        Fault(CONFIG_FILE, lines.of(*item["loc"]), dotted(item["loc"]), *in_words(item))
        for item in found
    )
    return keep(data, root, (item["loc"] for item in found))


def share_dir() -> Path:
    """Return where the templates, example lists and example config that ship with us are.

    In a wheel they lie inside the package; in a source tree beside it.
    """
    package = Path(__file__).parent.parent
    installed = package / "share"
    return installed if installed.is_dir() else package.parent
