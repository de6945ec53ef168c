"""Read the head of an edition: `key: value` lines between two lines of `---`.

In: the text of `<language>.md`. Out: the values with the lines they stand on, the body and the line
it begins on, and every fault. A value is everything after the colon, in quotes or without; it
stands on one line. A line that begins with `#` is a note to oneself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailer.model.worded import worded
from mailer.statements.collecting import FaultCollector

#: The fields there are, in the order they are best written in.
FIELDS = (
    "title",
    "subject",
    "preheader",
    "discreet_subject",
    "discreet_preheader",
    "translated_from",
)
_LIST = ", ".join(FIELDS)
_FENCE = re.compile(r"-{3,}\s*")
_LINE = re.compile(r"([A-Za-z_][\w-]*)\s*:(?:\s+(.*)|\s*)")


@dataclass(frozen=True)
class FrontMatter:
    """An edition's file taken apart."""

    #: Field → its value.
    values: dict[str, str]
    #: Field → its line, counted from 1; the first line for a field that is missing.
    lines: dict[str, int]
    #: Everything below the head, without blank lines around it.
    body: str
    #: The line of the file the body begins on.
    body_line: int

    def line_of(self, field: str) -> int:
        """Return the line of a field, or 1 when it is missing."""
        return self.lines.get(field, 1)


def unquote(text: str) -> str:
    """Take one pair of quotes off a value, when they enclose all of it."""
    text = text.strip()
    for mark in ('"', "'"):
        if len(text) > 1 and text[0] == text[-1] == mark and mark not in text[1:-1]:
            return text[1:-1].strip()
    return text


def parse_front_matter(text: str, found: FaultCollector) -> FrontMatter | None:
    """Take an edition's text apart; what is wrong goes into `found`.

    Args:
        text: The whole file, lines ending in a line feed only.
        found: Takes the faults.

    Returns:
        None when there is no head, so that nothing else can be told.
    """
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if line.strip()), 0)
    remedy = "Begin the file with a line ---, then title: …, subject: …, then a line ---"
    if not _FENCE.fullmatch(lines[start]):
        found.error(start + 1, "", "does not begin with front matter", remedy)
        return None
    end = next(
        (number for number in range(start + 1, len(lines)) if _FENCE.fullmatch(lines[number])), 0
    )
    if not end:
        found.error(start + 1, "", "the front matter has no end", "Close it with a line ---")
        return None
    values: dict[str, str] = {}
    places: dict[str, int] = {}
    for number in range(start + 1, end):
        _read_line(lines[number], number + 1, values, places, found)
    body_start = next(
        (number for number in range(end + 1, len(lines)) if lines[number].strip()), end + 1
    )
    body = "\n".join(lines[body_start:]).rstrip()
    return FrontMatter(values, places, body, body_start + 1)


def _read_line(
    line: str, number: int, values: dict[str, str], places: dict[str, int], found: FaultCollector
) -> None:
    if not line.strip() or line.lstrip().startswith("#"):
        return
    parts = _LINE.fullmatch(line)
    if parts is None:
        problem = (
            "the line goes on from the line above"
            if line[0].isspace()
            else "the line is not `field: value`"
        )
        found.error(
            number,
            "",
            problem,
            "Write each field on one line: subject: …",
        )
        return
    key = parts[1]
    if key not in FIELDS:
        found.error(
            number, key, "is not a field known here", worded("There are: %(known)s", known=_LIST)
        )
    elif key in values:
        found.error(
            number,
            key,
            "is given twice",
            worded("Line %(line)s has it already", line=places[key]),
        )
    else:
        values[key] = unquote(parts[2] or "")
        places[key] = number
        if "\t" in values[key]:
            found.error(number, key, "holds a tab", "Write a blank in its place")
