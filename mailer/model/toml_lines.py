"""Find the lines that keys of a TOML file stand on, since the parser does not keep them.

In: the text of a file that is valid TOML. Out: the line of a key by its path. It is meant for
sending a person to the right place, so a key inside an inline table is found on its table's line.
What is no TOML at all becomes a fault with the line and column where the parser gave up.
"""

from __future__ import annotations

import re
import tomllib

from mailer.model.faults import Fault
from mailer.model.worded import worded

Path = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_LONG_QUOTES = ('"""', "'''")
_IN_QUOTES = "'([^']*)'"
# The parser names a table as Python writes it: ('feedback', 'imap').
_NAME = re.compile(rf"\((?:{_IN_QUOTES},? ?)+\)")
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(text))


class TomlLines:
    """The lines of a file's keys."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}
        table: Path = ()
        inside = ""
        # Not `splitlines`: TOML knows one line end, and a text may hold what Unicode counts as more.
        for number, line in enumerate(text.split("\n"), 1):
            if inside:
                inside = "" if inside in line else inside
                continue
            header = _HEADER.match(line)
            if header:
                table = self._open_table(_parts(header[2]), repeated=header[1] == "[[")
                self._lines.setdefault(table, number)
                continue
            key = _KEY.match(line)
            if key:
                self._note((*table, *_parts(key[1])), number)
                rest = line[key.end() :].strip()
                inside = next((mark for mark in _LONG_QUOTES if rest.count(mark) == 1), "")

    def _open_table(self, parts: tuple[str, ...], *, repeated: bool) -> Path:
        path: Path = ()
        for position, part in enumerate(parts):
            path = (*path, part)
            last = position == len(parts) - 1
            if last and repeated:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = (*path, self._counts[path])
        return path

    def _note(self, path: Path, number: int) -> None:
        # Dotted keys: name.en = "…" also tells where "name" is.
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], number)

    def of(self, *path: str | int) -> int:
        """Return the line of a key, else of the table it belongs to, else 0."""
        for length in range(len(path), 0, -1):
            line = self._lines.get(path[:length])
            if line is not None:
                return line
        return 0


def _bracketed(name: re.Match[str]) -> str:
    return f"[{'.'.join(re.findall(_IN_QUOTES, name[0]))}]"


def not_toml(file: str, text: str, error: tomllib.TOMLDecodeError) -> Fault:
    """Return the fault of a text that is no TOML, at the place where the parser gave up.

    Args:
        file: the file as the person named it.
        text: what stands in it.
        error: what the parser said.
    """
    said = str(error)
    found = _PLACE.search(said)
    # A parser that came to the end says so, and not on which line that is.
    line, column = (text.rstrip().count("\n") + 1, 0) if found else (0, 0)
    if found and found[1]:
        line, column = int(found[1]), int(found[2])
    said = _NAME.sub(_bracketed, _PLACE.sub("", said))
    problem = worded("is not TOML: %(problem)s", problem=f"{said[:1].lower()}{said[1:]}")
    return Fault(file, line, "", problem, "Mend that line", column)


def not_utf8(file: str, error: UnicodeDecodeError) -> Fault:
    """Return the fault of a file that is not UTF-8, at the line of the first byte that is not."""
    line = error.object.count(b"\n", 0, error.start) + 1
    return Fault(file, line, "", "is not UTF-8", "Save it so")
