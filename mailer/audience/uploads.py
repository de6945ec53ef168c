"""An uploaded file of people, sealed in the database, as imports read any file.

In: bytes. Out: sealed chunks; and a `CsvFile` that opens them one after the other. In clear nothing of
it is ever on the disk.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from mailer.keys import SealKeys
from mailer.store.engine import Store
from mailer.store.uploads import read_chunk

TABLE = "import_upload"
NAME = "name_sealed"
_CHUNKS = "import_upload_chunk"
#: Octets of a file in one chunk.
CHUNK_OCTETS = 64 * 1024


def sealed_chunks(keys: SealKeys, content: bytes, upload_id: int) -> Iterator[bytes]:
    """Yield a file in sealed pieces, in their order."""
    for number, begin in enumerate(range(0, len(content), CHUNK_OCTETS)):
        packed = zlib.compress(content[begin : begin + CHUNK_OCTETS], 1)
        # Texts are sealed; each octet is a character of one.
        yield keys.seal(packed.decode("latin-1"), _CHUNKS, _column(number), upload_id)


def _column(number: int) -> str:
    return f"content_sealed.{number}"


@dataclass(frozen=True)
class SealedFile:
    """A file that was uploaded."""

    store: Store
    keys: SealKeys
    upload_id: int
    #: What it was called where it came from.
    name: str

    def open(self) -> BinaryIO:
        """Open it from its start, as bytes."""
        return io.BufferedReader(_Chunks(self))

    def chunk(self, number: int) -> bytes:
        """Return a piece of it; b"" behind the last.

        Raises:
            WrongSealKey: when it was sealed with another key.
            StoreUnavailable: when the database does not answer.
        """
        with self.store.read() as connection:
            sealed = read_chunk(connection, self.upload_id, number)
        if sealed is None:
            return b""
        packed = self.keys.unseal(sealed, _CHUNKS, _column(number), self.upload_id)
        return zlib.decompress(packed.encode("latin-1"))


class _Chunks(io.RawIOBase):
    """Reads the pieces of a file one after the other."""

    def __init__(self, file: SealedFile) -> None:
        self._file = file
        self._next = 0
        self._waiting = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._waiting:
            self._waiting = memoryview(self._file.chunk(self._next))
            self._next += 1
        size = min(len(buffer), len(self._waiting))
        buffer[:size] = self._waiting[:size]
        self._waiting = self._waiting[size:]
        return size


@dataclass(frozen=True, repr=False)
class FileInMemory:
    """A file as it just came; its `repr` shows nothing of it."""

    name: str
    content: bytes

    def open(self) -> BinaryIO:
        """Open it from its start, as bytes."""
        return io.BytesIO(self.content)
