"""Read the JSON of a webhook, whatever a stranger put into it.

In: octets. Out: an object of bounded size and depth, and its values in the type that is wanted;
what has another type counts as missing. Standards: RFC 8259.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import NoReturn

#: A longer body is refused unread. Providers promise far less: Amazon SNS 256 KiB.
MOST_BYTES = 1_000_000
#: The deepest document of a provider that is known has seven levels.
_DEEPEST = 20
#: Each object and list costs us a hundred times its two octets.
_MOST_BRACKETS = 20_000
#: Longest text that is looked at, in characters.
_LONGEST_TEXT = 2_000
_MOST_ROWS = 100
# What has no end matches as well, or looking for it again from each quote would take for ever.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


class NotADocument(Exception):
    """Not JSON, not an object, or more than a provider sends."""


def parse(body: bytes) -> dict[str, object]:
    """Return the object that a body holds.

    Raises:
        NotADocument: for anything else.
    """
    if len(body) > MOST_BYTES or not _is_shallow(body):
        raise NotADocument
    try:
        found = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise NotADocument from error
    if not isinstance(found, dict):
        raise NotADocument
    return found


def _is_shallow(body: bytes) -> bool:
    """Tell whether a body may be handed to the parser; no bracket inside a string counts."""
    brackets = _BRACKET.findall(_STRING.sub(b"", body))
    if len(brackets) > _MOST_BRACKETS:
        return False
    depth = 0
    for one in brackets:
        depth += 1 if one in b"[{" else -1
        if depth > _DEEPEST:
            return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    # RFC 8259 §6: NaN and Infinity are no numbers of JSON, though Python takes them.
    raise ValueError(name)


def at(node: object, *path: str) -> object:
    """Return what stands at a path of keys; None where there is nothing."""
    for key in path:
        if not isinstance(node, dict):
            return None
        node = node.get(key)
    return node


def text(node: object, *path: str) -> str:
    """Return the text at a path of keys, cut; "" where there is none."""
    found = at(node, *path)
    return found[:_LONGEST_TEXT] if isinstance(found, str) else ""


def number(node: object, *path: str) -> int:
    """Return the whole number at a path of keys; 0 where there is none."""
    found = at(node, *path)
    # To Python, true is a number too.
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def texts(node: object, *path: str) -> tuple[str, ...]:
    """Return all texts in the values of the object at a path of keys, one level of lists included."""
    found = at(node, *path)
    values = list(found.values())[:_MOST_ROWS] if isinstance(found, dict) else []
    flat = [one for value in values for one in (value if isinstance(value, list) else [value])]
    return tuple(one for one in flat[:_MOST_ROWS] if isinstance(one, str))


def rows(node: object, *path: str) -> list[object]:
    """Return the first items of the list at a path of keys; none where there is no list."""
    found = at(node, *path)
    return found[:_MOST_ROWS] if isinstance(found, list) else []


def moment(found: object, now: datetime) -> datetime:
    """Return the instant that a date in the form of ISO 8601, or seconds since 1970, stand for.

    It is `now` where neither stands there, and where it has not come yet.
    """
    try:
        if isinstance(found, str):
            told = datetime.fromisoformat(found)
            told = told.replace(tzinfo=told.tzinfo or UTC).astimezone(UTC)
        elif isinstance(found, int | float):
            told = datetime.fromtimestamp(found, UTC)
        else:
            return now
    except (ValueError, OverflowError, OSError):
        return now
    return min(told, now)
