"""The file that outlives a database put back from a copy: who left, was suppressed or erased.

In: digest, scope, reason and instant of each. Out: a line each, on the disk before the person is
answered; and the lines again, for a restore. A line ends in its CRC-32, so that a torn or damaged
one is left out. Several processes append safely: under a lock, at the end.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from mailer.durable import sync_folder
from mailer.events import failed

#: Its name in the folder of the database.
FILE_NAME = "suppressions.log"
_VERSION = "1"
_FIELDS = 7


class Mark(StrEnum):
    """What a line says."""

    #: From now on not to be mailed within the scope.
    BARRED = "barred"
    #: An earlier line of the same digest and scope holds no more.
    LIFTED = "lifted"


@dataclass(frozen=True)
class LogEntry:
    """One line."""

    at: datetime
    address_digest: bytes
    #: "all", "organisation:KEY", or "list:ORGANISATION/KEY" for one list that was left.
    scope: str
    #: One word: "unsubscribed", "complaint", "erased", "staff".
    reason: str
    mark: Mark = Mark.BARRED


def left_list(
    at: datetime, address_digest: bytes, owner: str, list_key: str, mark: Mark = Mark.BARRED
) -> LogEntry:
    """Return the line of somebody who left a list of an organisation, or came back to it."""
    return LogEntry(at, address_digest, f"list:{owner}/{list_key}", "unsubscribed", mark)


class LogNotWritten(Exception):
    """The file could not be written or synced."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"{FILE_NAME} cannot be written: {reason}. Make room or check its owner, then try again."
        )


class SuppressionLog:
    """The file of one workspace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entries: Sequence[LogEntry]) -> None:
        """Write lines and wait until they are on the disk; call it before anyone is answered.

        Raises:
            LogNotWritten: when they are not.
        """
        if not entries:
            return
        lines = b"".join(_line(one) for one in entries)
        try:
            self._write(lines)
        except OSError as error:
            raise LogNotWritten(error.strerror or "input or output error") from error

    def append_or_tell(self, entries: Sequence[LogEntry]) -> str:
        """Write lines; return why they cannot be, which staff are told in the log; "" when they are."""
        try:
            self.append(entries)
        except LogNotWritten as error:
            failed("suppressions.log cannot be written: mend it now", reason=error.reason)
            return error.reason
        return ""

    def check(self) -> None:
        """See that lines can be written here, as far as that shows without writing one.

        Raises:
            LogNotWritten: when they cannot.
        """
        try:
            if self.path.exists():
                os.close(os.open(self.path, os.O_WRONLY | os.O_APPEND))
        except OSError as error:
            raise LogNotWritten(error.strerror or "input or output error") from error

    def _open(self, flags: int) -> int:
        descriptor = os.open(self.path, flags | os.O_APPEND | os.O_CREAT, 0o600)
        if os.geteuid() == 0:
            # A command that root runs once must not keep the pages from writing here.
            owner = self.path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    def _write(self, lines: bytes) -> None:
        is_new = not self.path.exists()
        descriptor = self._open(os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            # What another process tore off must not spoil our first line.
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            content = (b"\n" if torn else b"") + lines
            if os.write(descriptor, content) != len(content):
                raise OSError(None, "the disk took part of a line")
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self.path.parent)

    def make(self) -> None:
        """Make the file where there is none yet.

        Raises:
            OSError: when it cannot be made.
        """
        # One that cannot be written is backed up all the same.
        if not self.path.exists():
            os.close(self._open(os.O_WRONLY))

    def size(self) -> int:
        """Return how many bytes it has; 0 when there is none."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def read(self) -> Iterator[tuple[int, LogEntry]]:
        """Yield each sound line with the offset it begins at; none when there is no file.

        Raises:
            LogNotRead: when the file is there and cannot be read.
        """
        offset = 0
        try:
            with self.path.open("rb") as file:
                for raw in file:
                    entry = _entry(raw)
                    if entry is not None:
                        yield offset, entry
                    offset += len(raw)
        except FileNotFoundError:
            return
        except OSError as error:
            raise LogNotRead(self.path, error.strerror or "input or output error") from error


class LogNotRead(Exception):
    """The file is there and cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"{path.name} cannot be read: {reason}. Check the file and its owner; "
            "nothing was changed."
        )


def _line(entry: LogEntry) -> bytes:
    at = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    digest = entry.address_digest.hex() or "-"
    words = (_VERSION, at, entry.mark.value, digest, entry.scope, entry.reason)
    if any(not word or word.split() != [word] for word in words):
        raise ValueError("a field of the suppression log is one word")
    body = " ".join(words)
    return f"{body} {zlib.crc32(body.encode()):08x}\n".encode()


def _entry(raw: bytes) -> LogEntry | None:
    text = raw.decode("utf-8", "replace").rstrip("\n")
    body, _, crc = text.rpartition(" ")
    words = text.split(" ")
    if len(words) != _FIELDS or f"{zlib.crc32(body.encode()):08x}" != crc or words[0] != _VERSION:
        return None
    _, at, mark, digest, scope, reason, _ = words
    try:
        return LogEntry(
            datetime.fromisoformat(at),
            b"" if digest == "-" else bytes.fromhex(digest),
            scope,
            reason,
            Mark(mark),
        )
    except ValueError:
        return None
