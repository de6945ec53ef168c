"""Find out what a file of people is written in, without keeping it in memory.

In: a file. Out: the name of its encoding: UTF-8, UTF-16, Windows-1251, or what charset-normalizer
takes it for. What is no text at all, a workbook, an archive, is refused with what to do.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from mailer.model.faults import Fault, FaultsFound
from mailer.model.worded import worded

#: UTF-8, with or without a byte order mark.
UTF_8 = "utf-8-sig"
WINDOWS_1251 = "cp1251"
#: Bytes that are looked at where the file is no UTF-8.
_SAMPLE_BYTES = 200_000
_PIECE_BYTES = 1 << 16
#: What the last judge may choose from.
_OTHERS = ["cp1250", "cp1252", "koi8_r", "koi8_u", "cp866"]
# In Windows-1251 the letters of Russian, Ukrainian and Belarusian stand here.
_CYRILLIC = re.compile(rb"[\xc0-\xff\xa8\xb8\xaa\xba\xaf\xbf\xb2\xb3\xa5\xb4\xa1\xa2]")
_HIGH = re.compile(rb"[\x80-\xff]")
# A word of Western Europe has one such letter among plain ones, a Cyrillic word has no plain ones.
_MIXED_WORD = re.compile(rb"[A-Za-z][\x80-\xff]|[\x80-\xff][A-Za-z]")
_UTF_8_LETTER = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")


class CsvFile(Protocol):
    """A file of people, wherever it lies."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def open(self) -> BinaryIO:
        """Open it from its start, as bytes.

        Raises:
            OSError: when it cannot be opened.
        """
        ...


@dataclass(frozen=True)
class DiskFile:
    """A file of people on the disk."""

    path: Path

    @property
    def name(self) -> str:
        """What people call it."""
        return self.path.name

    def open(self) -> BinaryIO:
        """Open it from its start, as bytes."""
        return self.path.open("rb")


def detect_encoding(path: CsvFile) -> str:
    """Return what a file is written in; "utf-8-sig" where the end will show whether it is.

    Raises:
        FaultsFound: when it is no text.
        OSError: when it cannot be read.
    """
    with path.open() as file:
        start = file.read(4096)
        for magic, what in (
            (b"PK\x03\x04", worded("a workbook or an archive")),
            (b"\xd0\xcf\x11\xe0", worded("an old workbook")),
            (b"%PDF", worded("a PDF")),
        ):
            if start.startswith(magic):
                raise _refused(
                    path,
                    worded("is %(what)s, not a CSV file", what=what),
                    "Open it and save it as CSV",
                )
        if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            return "utf-32"
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if b"\0" in start:
            wide = _wide(start)
            if wide:
                return wide
        file.seek(0)
        # Only ASCII before the sample: whatever it is, the lines up to it read the same.
        sample, broken = _first_broken(file.read, _SAMPLE_BYTES)
    return _judge(sample) if broken else UTF_8


def broken_line(path: CsvFile, encoding: str) -> int:
    """Return the line of a file at which it is not what it is said to be written in."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with path.open() as file:
        while True:
            piece = file.read(_PIECE_BYTES)
            try:
                line += _breaks(decoder.decode(piece, final=not piece))
            except UnicodeDecodeError as error:
                return line + _breaks(error.object[: error.start].decode(encoding, "ignore"))
            if not piece:
                return line


def _breaks(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _wide(start: bytes) -> str:
    """Return the UTF-16 without a mark that this is, or "": every other byte is then zero."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) * 3 > len(start) // 2 and min(even, odd) * 20 < max(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    return ""


def _first_broken(read: Callable[[int], bytes], size: int) -> tuple[bytes, bool]:
    """Read to the end; return a sample of what is not ASCII, and whether it is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    sample = bytearray()
    broken = False
    while piece := read(_PIECE_BYTES):
        if len(sample) < size and not piece.isascii():
            sample += piece
        if not broken:
            try:
                decoder.decode(piece)
            except UnicodeDecodeError:
                broken = True
        elif len(sample) >= size:
            break
    if not broken:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            broken = True
    return bytes(sample), broken


def _judge(sample: bytes) -> str:
    """Return what bytes that are no UTF-8 are; UTF-8 where they nearly are, so that it is said."""
    high = len(_HIGH.findall(sample))
    if len(b"".join(_UTF_8_LETTER.findall(sample))) * 2 > high:
        return UTF_8
    cyrillic = len(_CYRILLIC.findall(sample))
    if cyrillic * 10 >= high * 9 and len(_MIXED_WORD.findall(sample)) * 10 < high:
        return WINDOWS_1251
    # It takes a tenth of a second to import, and hardly any file needs it.
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=[*_OTHERS, WINDOWS_1251]).best()
    return best.encoding if best else UTF_8


def _refused(path: CsvFile, problem: str, remedy: str) -> FaultsFound:
    return FaultsFound([Fault(path.name, 0, "", problem, remedy)])
