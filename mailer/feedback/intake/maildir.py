"""Take messages from a Maildir, and put each away into a folder beside it.

In: a folder with `new`, `cur` and `tmp`, into which a mail server delivers. Out: every message is
handed on once and then moved: to `.Processed`, or to `.Unread` when nobody can tell what it says,
both Maildirs of their own as Maildir++ has them. A message is moved by renaming it, so it is never
in two places nor in none. One process at a time looks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

from mailer.clock import Clock
from mailer.feedback.intake.handling import (
    OCTETS_FETCHED,
    Handle,
    Handled,
    IntakeFailed,
    IsStopped,
    Looked,
    NotNow,
    Postponed,
)

PROCESSED, UNREAD = ".Processed", ".Unread"
_PARTS = ("new", "cur", "tmp")
#: The two of them in which messages are.
_FULL = ("new", "cur")
#: So many names are read at once: more of them wait for the next look.
_MOST_AT_ONCE = 1_000
#: A folder that changed within this may change again without its time of change telling.
_UNSETTLED_S = 2.0
#: What a name ends in once a program has seen the message: a mark and the flag S.
_MARK, _SEEN = ":2,", ":2,S"


class Maildir:
    """A Maildir that is emptied."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._clock = clock
        self._postponed = Postponed()
        #: When `new` and `cur` last changed, at the last look that found nothing left to do.
        self._settled: tuple[int, ...] = ()

    def look(self, handle: Handle, is_stopped: IsStopped) -> Looked:
        """Deal with what has come in; when nothing has, no folder is read.

        Raises:
            IntakeFailed: when it is no Maildir, or cannot be read.
        """
        try:
            with self._alone() as is_mine:
                return self._look(handle, is_stopped) if is_mine else self._looked(0)
        except OSError as error:
            raise IntakeFailed(_reason(error), lasts=True) from error

    def tidy(self, before: datetime) -> int:
        """Take away what came before an instant and was dealt with; return how many.

        Raises:
            OSError: when a file cannot be taken away.
        """
        gone = 0
        with (
            contextlib.suppress(FileNotFoundError),
            os.scandir(self.folder / PROCESSED / "cur") as all_,
        ):
            for one in all_:
                if one.stat(follow_symlinks=False).st_mtime < before.timestamp():
                    Path(one.path).unlink()
                    gone += 1
        return gone

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Hold the folder, unless another process does; the system lets go of it with the process."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)

    def _look(self, handle: Handle, is_stopped: IsStopped) -> Looked:
        now = self._clock.now().timestamp()
        changed = tuple((self.folder / one).stat().st_mtime_ns for one in _FULL)
        if changed == self._settled and not self._postponed.is_one_due(self._clock.monotonic()):
            return self._looked(0)
        found = self._found()
        self._postponed.keep_only({path.name for path in found})
        done = 0
        for path in found:
            if is_stopped():
                break
            if not self._postponed.is_waiting(path.name, self._clock.monotonic()):
                done += self._deal_with(path, handle)
        else:
            is_settled = not done and len(found) < _MOST_AT_ONCE
            is_old = max(changed) < (now - _UNSETTLED_S) * 1e9
            self._settled = changed if is_settled and is_old else ()
        return self._looked(done)

    def _found(self) -> list[Path]:
        """Return the messages that are there, a bounded number, the oldest of these first."""
        found: list[Path] = []
        for part in _FULL:
            with os.scandir(self.folder / part) as entries:
                # RFC 5322 knows no names, but Maildir does: one that begins with a dot is no message.
                files = (Path(one.path) for one in entries if not one.name.startswith("."))
                found += islice(files, _MOST_AT_ONCE - len(found))
        return sorted(found, key=lambda path: path.name)

    def _deal_with(self, path: Path, handle: Handle) -> int:
        raw = _read(path)
        if raw is None:
            return 0
        try:
            handled = handle(raw, ())
        except NotNow:
            self._postponed.note(path.name, self._clock.monotonic())
            return 0
        self._move(path, UNREAD if handled is Handled.UNREAD else PROCESSED)
        self._postponed.forget(path.name)
        return 1

    def _move(self, path: Path, name: str) -> None:
        """Put a message away; nothing is written over."""
        folder = self.folder / name
        if not (folder / "cur").is_dir():
            for part in _PARTS:
                (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
            # Maildir++: it is a folder of the Maildir above it.
            (folder / "maildirfolder").touch()
        unique, mark, flags = path.name.partition(_MARK)
        info = f"{mark}{flags}" if mark else _SEEN
        target, number = folder / "cur" / f"{unique}{info}", 0
        while target.exists():
            number += 1
            target = folder / "cur" / f"{unique}.{number}{info}"
        # Another program may have moved it meanwhile; then it comes again under its new name.
        with contextlib.suppress(FileNotFoundError):
            path.rename(target)

    def _looked(self, done: int) -> Looked:
        return Looked(done, len(self._postponed), count_unread(self.folder))


def count_unread(folder: Path) -> int:
    """Return how many messages of a Maildir could not be read."""
    try:
        return sum(1 for _ in (folder / UNREAD / "cur").iterdir())
    except FileNotFoundError:
        return 0


def why_no_maildir(folder: Path) -> str:
    """Return why a folder is no Maildir that can be used; "" when it is one."""
    if not folder.is_dir():
        return "there is no such folder"
    missing = [one for one in _PARTS if not (folder / one).is_dir()]
    if missing:
        return f"it is no Maildir: it has no folder {', '.join(missing)}"
    if not os.access(folder, os.W_OK | os.X_OK) or not all(
        os.access(folder / one, os.R_OK | os.W_OK | os.X_OK) for one in _FULL
    ):
        return "this user may not read it and move what is in it"
    return ""


def _read(path: Path) -> bytes | None:
    """Return the beginning of a message; None for what is no file, or no longer there."""
    try:
        # Whoever may write into the folder could put a link or a pipe there.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        if path.is_symlink():
            return None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(OCTETS_FETCHED)


def _reason(error: OSError) -> str:
    name = Path(str(error.filename)).name if error.filename else ""
    why = error.strerror or "it cannot be read"
    return f"{name}: {why}" if name in _PARTS else why
