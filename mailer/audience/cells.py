"""Cells of CSV files that spreadsheets open: what they would run, and lists within a cell.

In: a cell. Out: the same, disarmed or as it was before; the tags it holds. Disarming and taking
that back are exact opposites, so that an export comes in again as it went out. In much of Europe a
spreadsheet parts cells at semicolons: what follows one, or ends a line, begins a cell too.
Standards: RFC 4180 for the quotes of a list within a cell.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# What a spreadsheet takes for the beginning of a formula, full-width forms included. Apostrophes
# before it are counted too: one more is put before them, and that one is taken off again.
_ARMED = "'*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]"
# Where it parts at semicolons the quotes of a cell count for nothing, unless they stand at its
# beginning: a line end within ends the row, and the two quotes that are written for one are empty.
_BEGINS = '(?<![^;\r\n])("*)'
_TO_DISARM = re.compile(f"{_BEGINS}(?={_ARMED})")
_TO_REARM = re.compile(f"{_BEGINS}'(?={_ARMED})")
#: Most cells are settled by a glance: they begin with a letter, and nothing in them begins a cell.
_HARMLESS = re.compile(r"[^\W_][^;\r\n]*|")
_TAG = re.compile(r'\s*"((?:[^"]|"")*)"\s*(?=[;,|]|$)|[^;,|]+')


def cleaned(text: str) -> str:
    """Return text on one line, without control and invisible characters, blanks at the ends gone."""
    if text.isprintable():
        # Python prints none of those characters: there is nothing to take out.
        return " ".join(unicodedata.normalize("NFC", text).split())
    kept = (
        " " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character
        for character in text
        # Persian and Kurdish words need the two joiners; every other format character goes.
        if unicodedata.category(character) not in ("Cf", "Cs") or character in "\u200c\u200d"
    )
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


def disarmed(cell: str) -> str:
    """Return a cell that no spreadsheet runs."""
    return cell if _HARMLESS.fullmatch(cell) else _TO_DISARM.sub(r"\1'", cell)


def rearmed(cell: str) -> str:
    """Return a cell as it was before `disarmed`."""
    return _TO_REARM.sub(r"\1", cell) if "'" in cell else cell


def split_tags(text: str) -> list[str]:
    """Return the tags of a cell; one in quotes may hold commas: `"choir, sings",press`."""
    tags = (
        found[0].strip() if found[1] is None else " ".join(found[1].replace('""', '"').split())
        for found in _TAG.finditer(text)
    )
    return [tag for tag in tags if tag]


def joined_tags(tags: Iterable[str]) -> str:
    """Return tags as one cell that `split_tags` takes apart again."""
    return ";".join(
        '"{}"'.format(tag.replace('"', '""')) if re.search(r'[;,|"]', tag) else tag
        for tag in sorted(tags)
    )
