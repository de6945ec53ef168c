"""Take a CSV file apart into records, whatever is broken in it, with bounded memory.

In: a file opened as text. Out: records with the line they begin on, or what is wrong with one. A
quotation mark that is never closed costs its own line and not the rest of the file. Standards:
RFC 4180, with the separator taken from the header, since spreadsheets of many countries write `;`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TextIO

from mailer.audience.decoding import UTF_8, CsvFile, DiskFile, broken_line, detect_encoding
from mailer.model.faults import Fault, FaultsFound
from mailer.model.worded import worded

#: Characters of one line; what is longer is no row of people.
LONGEST_LINE = 64_000
#: Lines of one record: a cell may hold line breaks, though hardly this many.
MOST_LINES = 50
_SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True, repr=False)
class Record:
    """One record; its `repr` shows nothing of it."""

    #: Counted from 1; the header is on line 1.
    line: int
    cells: tuple[str, ...]
    #: Why it cannot be read; "" when it can. Its text is then the only cell.
    problem: str = ""


@dataclass(frozen=True)
class Survey:
    """What a first reading of the whole file found."""

    #: A name that Python knows.
    encoding: str
    separator: str
    header: tuple[str, ...]
    #: Lines of the file, to show progress by.
    lines: int


def open_csv(path: CsvFile, encoding: str) -> TextIO:
    """Open a CSV file, with or without a byte order mark, line breaks as they are."""
    return io.TextIOWrapper(path.open(), encoding=encoding, newline="")


def survey(path: CsvFile, encoding: str = "", separator: str = "") -> Survey:
    """Read the whole file once, so that what makes it unusable is known before anything is done.

    Args:
        path: the file.
        encoding: what it is written in; "" to find out.
        separator: what stands between cells; "" to find out.

    Raises:
        FaultsFound: when it cannot be read, is in no encoding known, has no header or endless lines.
    """
    lines = 0
    first = ""
    if isinstance(path, DiskFile) and path.path.exists() and not path.path.is_file():
        problem = "cannot be read twice: it is a folder, a pipe or a device"
        raise _refused(path.name, 0, problem, "Save it as a CSV file, and import that")
    try:
        encoding = encoding or detect_encoding(path)
        with open_csv(path, encoding) as file:
            for line in _limited_lines(file, path.name):
                lines += 1
                first = first or line
    except UnicodeError as error:
        name = "UTF-8" if encoding == UTF_8 else encoding
        raise _refused(
            path.name,
            broken_line(path, encoding),
            worded("is not %(name)s near this line", name=name),
            'Save it as "CSV UTF-8", or say what it is with --encoding',
        ) from error
    except OSError as error:
        raise _refused(
            path.name,
            0,
            worded("cannot be read: %(reason)s", reason=error.strerror),
            "Check its path and owner",
        ) from error
    if not first.strip():
        raise _refused(path.name, 1, "has no header", "Name the columns in its first line")
    # What stands in quotes separates nothing.
    bare = re.sub(r'"[^"]*"', "", first)
    separator = separator or max(_SEPARATORS, key=bare.count)
    header = _read(_Source(iter([first])), separator)
    if header.problem:
        raise _refused(
            path.name,
            1,
            worded("the header is no CSV: %(problem)s", problem=worded(header.problem)),
            "Mend that line",
        )
    return Survey(encoding, separator, header.cells, lines)


def records(file: TextIO, found: Survey, name: str) -> Iterator[Record]:
    """Yield the records after the header; lines without anything in them are left out."""
    source = _Source(_the_same_lines(file, name))
    _read(source, found.separator)
    while source.more():
        record = _read(source, found.separator)
        if record.cells == found.header:
            record = Record(record.line, record.cells, "this is the header again")
        if record.problem or any(cell.strip() for cell in record.cells):
            yield record


class _Source:
    """Lines that can be put back, and the number of the next one."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._waiting: list[str] = []
        self.number = 1

    def more(self) -> bool:
        """Tell whether a line is left."""
        if not self._waiting:
            self._waiting.extend(islice(self._lines, 1))
        return bool(self._waiting)

    def take(self) -> str:
        """Return the next line."""
        self.number += 1
        return self._waiting.pop(0)

    def put_back(self, lines: list[str]) -> None:
        """Let these lines come again."""
        self.number -= len(lines)
        self._waiting[:0] = lines


def _read(source: _Source, separator: str) -> Record:
    begun = source.number
    taken: list[str] = []

    def feed() -> Iterator[str]:
        while len(taken) < MOST_LINES and source.more():
            taken.append(source.take())
            yield taken[-1]

    try:
        cells = next(csv.reader(feed(), delimiter=separator, strict=True))
    except csv.Error as error:
        # Only this line is given up: what follows it is read again by itself.
        source.put_back(taken[1:])
        unclosed = "unexpected end" in str(error) or "field limit" in str(error)
        problem = "a quotation mark is not closed" if unclosed else "a quotation mark is misplaced"
        return Record(begun, (taken[0].rstrip("\r\n"),), problem)
    return Record(begun, tuple(cells))


def _limited_lines(file: TextIO, name: str) -> Iterator[str]:
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise _refused(
                name,
                number,
                worded("is longer than %(longest)s characters", longest=LONGEST_LINE),
                "Is it a CSV file?",
            )
        yield line


def _the_same_lines(file: TextIO, name: str) -> Iterator[str]:
    """Yield lines that were read before: what is amiss now was not then."""
    try:
        yield from _limited_lines(file, name)
    except (OSError, UnicodeError) as error:
        problem = worded(
            "cannot be read any more: %(reason)s",
            reason=getattr(error, "strerror", "") or worded("it was changed"),
        )
        raise _refused(
            name, 0, problem, "Import it again; nobody it brought is on the list"
        ) from error


def _refused(name: str, line: int, problem: str, remedy: str) -> FaultsFound:
    return FaultsFound([Fault(name, line, "", problem, remedy)])
