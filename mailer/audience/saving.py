"""Write a saved segment into `lists/segments.toml`, and leave all else in it as people wrote it.

In: the text of the file, a key, a name and an expression. Out: the new text. What this cannot do
without touching more is refused: a person then edits the file.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from mailer.audience.lists import SEGMENTS_FILE
from mailer.audience.segments import SEGMENT_KEY
from mailer.model.characters import unwanted_character
from mailer.model.faults import Fault, FaultsFound
from mailer.model.toml_lines import not_toml
from mailer.model.worded import worded

#: Longest key and name.
_LONGEST = 80
_HEADER = re.compile(
    r"[ \t]*\[[ \t]*(?:\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+))[ \t]*\][ \t]*(?:#.*)?$"
)
_LINE_BREAKS = re.compile(r"[ \t]*[\r\n]+[ \t]*")


def with_segment(text: str, key: str, name: str, expression: str, file: str) -> str:
    """Return the text of the file with a segment written into it, in place of one of that key.

    Args:
        text: of the file.
        key: of the segment.
        name: what people call it; "" for nothing.
        expression: one that was read.
        file: what faults call the file.

    Raises:
        FaultsFound: when key or name cannot be written, or the file cannot be changed by a program.
    """
    expression = _LINE_BREAKS.sub(" ", expression).strip()
    name = " ".join(name.split())
    _check(key, name, file)
    block = f"[{key}]\n" + (f"name = {_toml(name)}\n" if name else "")
    block += f"expression = {_toml(expression)}\n"
    wanted: dict[str, Any] = {"name": name} if name else {}
    wanted["expression"] = expression
    return _checked(text, _replaced(text, key, block), {key: wanted}, set(), file)


def without_segment(text: str, key: str, file: str) -> str:
    """Return the text of the file without the segment of that key.

    Raises:
        FaultsFound: when there is none, or the file cannot be changed by a program.
    """
    if key not in _parsed(text, file):
        raise FaultsFound([Fault(file, 0, key, "is not there")])
    return _checked(text, _replaced(text, key, ""), {}, {key}, file)


def _check(key: str, name: str, file: str) -> None:
    if not SEGMENT_KEY.fullmatch(key) or len(key) > _LONGEST:
        remedy = "Use letters, digits and single hyphens: active-volunteers"
        raise FaultsFound([Fault(file, 0, "key", "cannot be a segment's key", remedy)])
    unwanted = unwanted_character(name)
    if unwanted or len(name) > _LONGEST:
        problem = (
            worded("holds %(unwanted)s", unwanted=unwanted)
            if unwanted
            else worded("is longer than %(longest)s characters", longest=_LONGEST)
        )
        raise FaultsFound([Fault(file, 0, "name", problem)])


def _toml(text: str) -> str:
    # Without escapes, faults point at the column in the file.
    if "'" not in text and text.isprintable():
        return f"'{text}'" if '"' in text else f'"{text}"' if "\\" not in text else f"'{text}'"
    return json.dumps(text, ensure_ascii=False)


def _replaced(text: str, key: str, block: str) -> str:
    lines = text.splitlines(keepends=True)
    found = _table(lines, key)
    if found is None:
        return f"{text.rstrip()}\n\n{block}".lstrip() if block else text
    begin, end = found
    # Comments and blank lines right before the next table are the next table's.
    while end > begin + 1 and _is_aside(lines[end - 1]):
        end -= 1
    return "".join([*lines[:begin], block, *lines[end:]])


def _is_aside(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _table(lines: list[str], key: str) -> tuple[int, int] | None:
    """Return the first line of a table and the one after its last; None where it is not there."""
    headers = list(_headers(lines))
    for number, (begin, name) in enumerate(headers):
        if name == key:
            return begin, headers[number + 1][0] if number + 1 < len(headers) else len(lines)
    return None


def _headers(lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines):
        found = _HEADER.match(line.rstrip("\r\n"))
        if found:
            yield number, next(one for one in found.groups() if one is not None)


def _parsed(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FaultsFound([not_toml(file, text, error)]) from error


def _checked(before: str, after: str, changed: dict[str, Any], gone: set[str], file: str) -> str:
    """Return the new text, if it says what it is to say and nothing else was touched."""
    wanted = {
        key: one for key, one in {**_parsed(before, file), **changed}.items() if key not in gone
    }
    try:
        found = tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        found = {}
    if found != wanted:
        problem = "is written in a way that cannot be changed from here"
        remedy = worded("Edit lists/%(file)s by hand", file=SEGMENTS_FILE)
        raise FaultsFound([Fault(file, 0, "", problem, remedy)])
    return after
