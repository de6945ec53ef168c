"""Characters that may stand in no line that people read and machines parse.

In: text. Out: whether it holds any of them, or the text with a mark in their places. They are C0 and C1 controls, tabs and line ends
included, the line and paragraph separators, those that turn the direction of text around, halves of
characters, and the two that no XML may hold.
"""

from __future__ import annotations

import re

_UNWANTED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def unwanted_character(text: str) -> str:
    """Return the first character of `text` that may not stand in one line, as "U+0009"; else ""."""
    found = _UNWANTED.search(text)
    return f"U+{ord(found[0]):04X}" if found else ""


def printable(text: str) -> str:
    """Return `text` with U+FFFD for each character that may not stand in one line."""
    return _UNWANTED.sub("\ufffd", text)
