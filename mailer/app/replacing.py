"""Put what was made ready in the place of what is there, so that a stop half-way can be undone.

In: a folder, and in it a folder of our own where everything is made ready. Out: every file under
its name, and what was there moved aside. Which names change is on the disk before the first one
does. config.toml goes first and comes last: without it nothing of ours runs, and where it has come
everything else has.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mailer.app.failures import RestoreRefused
from mailer.config import CONFIG_FILE, RESTORING
from mailer.durable import sync_folder, write_private

_PLAN = "names.json"


@dataclass(frozen=True)
class _Plan:
    """Which names change."""

    #: Name of the folder that takes what was there.
    aside: str
    #: Paths that were there, below the folder or absolute.
    there: list[str]
    #: Paths that are new, in the order they come.
    new: list[str]


@contextlib.contextmanager
def staging_in(folder: Path) -> Iterator[Path]:
    """Give a folder for what is made ready; it is gone at the end, and names half given are undone.

    What an earlier one left that was killed is undone first.

    Raises:
        OSError: when the folder cannot be written.
        RestoreRefused: when another one is at work in this folder.
    """
    made_folder = not folder.exists()
    _undo_killed(folder)
    staging = folder / f"{RESTORING}{secrets.token_hex(4)}"
    try:
        staging.mkdir(mode=0o700, parents=True)
        # Held open and locked as long as we live: whoever can lock it knows that we died.
        descriptor = os.open(staging, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield staging
        finally:
            _undo(folder, staging)
            os.close(descriptor)
    finally:
        if made_folder:
            with contextlib.suppress(OSError):
                folder.rmdir()


def put_in_place(
    folder: Path,
    staging: Path,
    new: Sequence[tuple[Path, Path]],
    there: Sequence[Path],
    aside: Path,
) -> None:
    """Move what is there to `aside` and each first path of `new` to its second; config.toml last.

    Raises:
        OSError: when a name cannot be given; `staging_in` undoes what was.
        RestoreRefused: when something that is there is on another disk.
    """
    if aside.exists():
        raise FileExistsError(errno.EEXIST, "is there already", str(aside))
    targets = [str(target) for _, target in new]
    plan = _Plan(aside.name, [str(path) for path in there], targets)
    write_private(staging / _PLAN, json.dumps(asdict(plan)).encode())
    sync_folder(staging)
    if there:
        aside.mkdir(mode=0o700)
    for path in sorted(there, key=lambda one: one != folder / CONFIG_FILE):
        try:
            path.rename(aside / path.name)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EBUSY):
                raise
            raise RestoreRefused(
                f"{path} is on a disk of its own",
                "Move what is in it away yourself, and name what survived with --journals and "
                "--suppressions",
            ) from error
    for source, target in sorted(new, key=lambda one: one[1] == folder / CONFIG_FILE):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.move(source, target)
        # Before config.toml comes, what was only copied is on the disk; a file is synced as folders are.
        for path in (target, *target.rglob("*")):
            sync_folder(path)
        sync_folder(target.parent)


def _undo_killed(folder: Path) -> None:
    """Undo what a killed one left in a folder.

    Raises:
        RestoreRefused: when it is alive.
    """
    for staging in folder.glob(f"{RESTORING}*"):
        descriptor = os.open(staging, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _undo(folder, staging)
        except BlockingIOError as error:
            raise RestoreRefused(
                "Another restore into that folder is at work", "Wait for it"
            ) from error
        finally:
            os.close(descriptor)


def _undo(folder: Path, staging: Path) -> None:
    """Put back what was there unless everything new has come, and delete the staging folder.

    It can be stopped too: the next one goes on with it.
    """
    plan_file = staging / _PLAN
    # The new config.toml was the last to leave the staging folder.
    if plan_file.exists() and (staging / CONFIG_FILE).exists():
        _put_back(folder, _Plan(**json.loads(plan_file.read_bytes())))
    shutil.rmtree(staging, ignore_errors=True)


def _put_back(folder: Path, plan: _Plan) -> None:
    aside = folder / plan.aside
    for name in plan.new:
        target = Path(name)
        # What was there and is not aside has never been moved.
        if name not in plan.there or (aside / target.name).exists():
            _remove(target)
    for name in sorted(plan.there, key=lambda one: Path(one) == folder / CONFIG_FILE):
        was = aside / Path(name).name
        if was.exists():
            was.rename(name)
    with contextlib.suppress(OSError):
        aside.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
