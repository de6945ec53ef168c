"""The journal of one sender process: what it was about to do, and what it was told.

In: marks and replies, each in the file before anything else happens. Out: after a death, what each
claimed delivery came to. The rule it exists for: the end of DATA is never written to a relay unless
its mark was written here. One append-only file per process, locked while the process lives, so that
a free lock means a dead owner.

A file is a header line of JSON and records of 32 bytes: kind, delivery id, attempt number, reply
code, enhanced code, CRC-32. A torn last record is left out. Its room is taken on the disk when it is
begun, and it is written through memory that the kernel shares with it: what was written is in the
file when this process is killed in the next instant, and no record can meet a full disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import secrets
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from mailer.durable import sync_folder

_RECORD = struct.Struct("<BxHHHQ12s")
_CRC = struct.Struct("<I")
RECORD_BYTES = _RECORD.size + _CRC.size
SUFFIX = ".journal"
#: A journal, or a part of one, that is all in the database: kept for a restore to read.
KEPT_SUFFIX = ".kept"
#: The room of a journal. When it is nearly used up, the file is written anew with only what is not
#: in the database yet.
ROOM_BYTES = 4_000_000


class Kind(IntEnum):
    """What a record says."""

    #: The end of DATA is about to be written.
    MARK = 1
    #: The relay replied to the end of DATA.
    REPLY = 2
    #: The transaction ended before the end of DATA was written.
    ENDED = 3
    #: Nothing that belongs before this is missing: it was synced after everything else.
    CLOSED = 4


class Fate(IntEnum):
    """What a journal knows of a delivery that was claimed."""

    #: No mark: the end of DATA was never written, so it may be sent.
    NEVER_ENDED = 1
    #: A mark and no reply: nobody can know.
    IN_DOUBT = 2
    #: The relay replied.
    REPLIED = 3


class JournalFull(Exception):
    """The journal cannot be written: nothing may be sent."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the journal cannot be written: {reason}")

    @classmethod
    def of(cls, error: OSError) -> JournalFull:
        """Return it for what the system said."""
        return cls(error.strerror or "input or output error")


@dataclass(frozen=True)
class JournalReply:
    """A reply as the journal keeps it."""

    code: int
    enhanced_code: str


@dataclass(frozen=True)
class Header:
    """Whose journal it is."""

    worker: str
    pid: int
    #: The kernel's boot id; another one means that the power was cut.
    boot_id: str


@dataclass
class Replay:
    """What a dead process's journal says."""

    header: Header
    #: (delivery id, attempt number) → reply; None for a mark without one.
    marked: dict[tuple[int, int], JournalReply | None] = field(default_factory=dict)
    #: The last record says that nothing is missing.
    closed: bool = False
    #: Where the last sound record ends.
    sound_bytes: int = 0

    def fate(self, delivery_id: int, attempt_number: int) -> tuple[Fate, JournalReply | None]:
        """Return what is known of one attempt."""
        key = (delivery_id, attempt_number)
        if key not in self.marked:
            return Fate.NEVER_ENDED, None
        reply = self.marked[key]
        return (Fate.IN_DOUBT, None) if reply is None else (Fate.REPLIED, reply)


def boot_id() -> str:
    """Return the kernel's boot id; "" where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


class Journal:
    """An open journal; one process writes it."""

    def __init__(self, folder: Path, worker: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.path = folder / f"{worker}{SUFFIX}"
        header = {"worker": worker, "pid": os.getpid(), "boot_id": boot_id()}
        self._header = json.dumps(header).encode() + b"\n"
        #: Records of attempts whose outcome is not in the database yet.
        self._unread: dict[tuple[int, int], bytes] = {}
        self._descriptor, self._room, self._size = self._begin(self.path)

    def mark(self, delivery_id: int, attempt_number: int) -> None:
        """Say that the end of DATA is about to be written.

        Raises:
            JournalFull: when there is no room for it; the end of DATA must not be written then.
        """
        self._record(Kind.MARK, delivery_id, attempt_number)

    def reply(self, delivery_id: int, attempt_number: int, code: int, enhanced_code: str) -> None:
        """Say what the relay replied to the end of DATA."""
        self._record(Kind.REPLY, delivery_id, attempt_number, code, enhanced_code)

    def ended(self, delivery_id: int, attempt_number: int) -> None:
        """Say that a marked transaction ended although the end of DATA was not written."""
        self._record(Kind.ENDED, delivery_id, attempt_number)

    def read(self, attempts: Iterable[tuple[int, int]]) -> None:
        """Forget attempts whose outcomes were committed; write the file anew when it is large.

        Raises:
            JournalFull: when it could not be written anew.
        """
        for key in attempts:
            self._unread.pop(key, None)
        if self._size > ROOM_BYTES * 9 // 10:
            self._write_anew()

    def sync(self) -> None:
        """Wait until everything so far is on the disk.

        Raises:
            JournalFull: when it did not get there.
        """
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise JournalFull.of(error) from error

    def close(self) -> None:
        """Give the lock back; the file stays for whoever settles by it what is still claimed."""
        with contextlib.suppress(OSError):
            self._close_part()
        self._let_go()

    def _close_part(self) -> None:
        """Say that nothing is missing of what was written so far, and give back the room left."""
        end = self._size + RECORD_BYTES
        self._room[self._size : end] = _record_of(Kind.CLOSED, 0, 0)
        os.ftruncate(self._descriptor, end)
        os.fdatasync(self._descriptor)

    def _let_go(self) -> None:
        self._room.close()
        os.close(self._descriptor)

    def _begin(self, path: Path) -> tuple[int, mmap.mmap, int]:
        """Make a journal with its room and what is not in the database; return also its size."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise
        except OSError as error:
            raise JournalFull.of(error) from error
        content = self._header + b"".join(self._unread.values())
        try:
            # The lock is taken before the file has its final name or any record.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Room that is promised is not taken yet: a write through memory would find it missing.
            os.posix_fallocate(descriptor, 0, ROOM_BYTES + len(content))
            room = mmap.mmap(descriptor, ROOM_BYTES + len(content))
            room[: len(content)] = content
            os.fdatasync(descriptor)
        except BaseException as error:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise JournalFull.of(error) from error
            raise
        sync_folder(self._folder)
        return descriptor, room, len(content)

    def _write_anew(self) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        descriptor, room, size = self._begin(fresh)
        # What is in the database already is kept under another name, for a restore to read.
        with contextlib.suppress(OSError):
            self._close_part()
            os.link(self.path, _kept_name(self.path))
        # A reader that opened the old file finds it locked until the new one has its name.
        fresh.replace(self.path)
        sync_folder(self._folder)
        self._let_go()
        self._descriptor, self._room, self._size = descriptor, room, size

    def _record(
        self,
        kind: Kind,
        delivery_id: int,
        attempt_number: int,
        code: int = 0,
        enhanced_code: str = "",
    ) -> None:
        record = _record_of(kind, delivery_id, attempt_number, code, enhanced_code)
        size = self._size
        if size + 2 * RECORD_BYTES > len(self._room):
            # Outcomes have been kept back for long: the room is for what is still open.
            self._write_anew()
            size = self._size
        self._unread[delivery_id, attempt_number] = record
        self._room[size : size + RECORD_BYTES] = record
        self._size = size + RECORD_BYTES


def _record_of(
    kind: Kind, delivery_id: int, attempt_number: int, code: int = 0, enhanced_code: str = ""
) -> bytes:
    body = _RECORD.pack(
        kind, attempt_number & 0xFFFF, code, 0, delivery_id, enhanced_code.encode()[:12]
    )
    return body + _CRC.pack(zlib.crc32(body))


def _kept_name(path: Path) -> Path:
    return path.with_name(f"{path.stem}-{secrets.token_hex(4)}{KEPT_SUFFIX}")


@dataclass
class DeadJournal:
    """A journal whose owner is gone, locked by us while we read it."""

    path: Path
    replay: Replay
    _descriptor: int

    def done(self, *, whole: bool) -> None:
        """Put it aside: everything it says is in the database now, and a restore may read it.

        Args:
            whole: nothing of it can be missing, since its owner wrote it in this boot.
        """
        with contextlib.suppress(OSError):
            if whole and not self.replay.closed:
                # A torn tail would hide what is said behind it.
                os.truncate(self.path, self.replay.sound_bytes)
                with self.path.open("ab") as file:
                    file.write(_record_of(Kind.CLOSED, 0, 0))
                    file.flush()
                    os.fdatasync(file.fileno())
            self.path.replace(_kept_name(self.path))
        os.close(self._descriptor)

    def put_back(self) -> None:
        """Leave it for another try."""
        os.close(self._descriptor)


def dead_journals(folder: Path) -> Iterator[DeadJournal]:
    """Yield every journal whose owner is gone, locked for us."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        taken = take_dead_journal(path)
        if taken is not None:
            yield taken


def is_owned(path: Path) -> bool:
    """Tell whether the process that writes a journal lives; False where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        # Shared, and given back at once: who takes over dead journals is not kept from it.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def take_dead_journal(path: Path) -> DeadJournal | None:
    """Lock and read one journal; None while its owner lives or when it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino != path.stat().st_ino:
            # Written anew between our opening and our lock: the name is another file's now.
            os.close(descriptor)
            return None
        content = path.read_bytes()
    except OSError:
        os.close(descriptor)
        return None
    return DeadJournal(path, replay(content, path.name.removesuffix(SUFFIX)), descriptor)


def replay(content: bytes, worker: str) -> Replay:
    """Return what the bytes of a journal say; a torn or damaged tail is left out.

    Args:
        content: the file.
        worker: the name it goes by when even its header was torn.
    """
    line, separator, records = content.partition(b"\n")
    try:
        header = Header(**json.loads(line)) if separator else Header(worker, 0, "")
    except (ValueError, TypeError):
        header = Header(worker, 0, "")
    found = Replay(header, sound_bytes=len(line) + len(separator))
    for start in range(0, len(records) - RECORD_BYTES + 1, RECORD_BYTES):
        body = records[start : start + _RECORD.size]
        (crc,) = _CRC.unpack_from(records, start + _RECORD.size)
        if zlib.crc32(body) != crc:
            break
        kind, attempt_number, code, _, delivery_id, enhanced = _RECORD.unpack(body)
        found.sound_bytes = len(line) + 1 + start + RECORD_BYTES
        found.closed = kind == Kind.CLOSED
        key = (delivery_id, attempt_number)
        if kind == Kind.MARK:
            found.marked[key] = None
        elif kind == Kind.REPLY:
            found.marked[key] = JournalReply(code, enhanced.rstrip(b"\0").decode("ascii"))
        elif kind == Kind.ENDED:
            found.marked.pop(key, None)
    return found
