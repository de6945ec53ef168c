"""Take out of text what could do more than be read.

In: a supporter's values, and text bound for a header. Out: one line without control, override or
broken characters, or a plain "no". The characters are those of STANDARDS F11: C0 and C1, the line
and paragraph separators, and the ones that turn the direction of text around (RFC 5322 §2.2,
RFC 5321 §2.3.8).
"""

from __future__ import annotations

import re

_BREAKS = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
_OVERRIDES = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SURROGATES = range(0xD800, 0xE000)
_CLEANING: dict[int, str | None] = {
    **dict.fromkeys(_BREAKS, " "),
    **dict.fromkeys((*_OVERRIDES, *_SURROGATES), None),
}
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean_value(value: str) -> str:
    """Return a supporter's value on one line, as it goes into a mail.

    Line ends and other controls become blanks; characters that turn the direction of the text
    around, and halves of characters, are taken out.
    """
    if value.isascii() and value.isprintable():
        return value
    return value.translate(_CLEANING)


def has_unwanted_characters(text: str) -> bool:
    """Tell whether text holds what may stand in no header."""
    return _UNWANTED.search(text) is not None
