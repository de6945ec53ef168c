"""Take out of text what could do more than be read.

In: a supporter's values. Out: one line without control, override or broken characters, see
`mailer.model.characters` (RFC 5322 §2.2, RFC 5321 §2.3.8).
"""

from __future__ import annotations

_BREAKS = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
_OVERRIDES = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_BROKEN = (*range(0xD800, 0xE000), 0xFFFE, 0xFFFF)
_CLEANING: dict[int, str | None] = {
    **dict.fromkeys(_BREAKS, " "),
    **dict.fromkeys((*_OVERRIDES, *_BROKEN), None),
}


def clean_value(value: str) -> str:
    """Return a supporter's value on one line, as it goes into a mail.

    Line ends and other controls become blanks; characters that turn the direction of the text
    around, and halves of characters, are taken out.
    """
    if value.isascii() and value.isprintable():
        return value
    return value.translate(_CLEANING)
