"""Encode the text of a part for the wire so that slots stay findable and every line is plain.

In: text with markers, or bytes. Out: quoted-printable lines with each slot on lines of its own, or
base64; always 7-bit, never a line over 76 characters, and already in the form that DKIM's relaxed
canonicalization makes of a body, so that it is hashed as it is. No line begins with a period or
with "From ": relays that stuff dots or mark mailboxes change nothing. Standards: RFC 2045 §6.7
(quoted-printable), §6.8 (base64); RFC 6376 §3.4.4 (relaxed), §5.3 (7-bit).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from html import escape
from typing import NamedTuple

from mailer.compose.ledger import Ledger, Slot

# RFC 2045 §6.7 (5): lines of at most 76 characters, the soft break's equals sign counted.
_LINE_CHARACTERS = 75
_SOFT_BREAK = "=\r\n"
#: A value that needs no encoding and fits one line, as most names and all addresses of ours do.
_PLAIN_VALUE = re.compile(r"(?!\.|From )[!-<>-~]+(?: [!-<>-~]+)*")
#: Characters that stand for themselves, without a blank.
_UNBROKEN = re.compile(r"[!-<>-~]+")
_BASE64_CHARACTERS = 76


class Flavor(Enum):
    """How a slot's value is written into a part."""

    #: As it is.
    TEXT = "text"
    #: With everything escaped that means something in HTML.
    HTML = "html"


class SlotUse(NamedTuple):
    """A slot in one of the parts."""

    slot: Slot
    flavor: Flavor


#: Encoded lines with slots between them.
Segment = bytes | SlotUse


def quoted_printable(text: str, ledger: Ledger, flavor: Flavor) -> list[Segment]:
    """Return text as quoted-printable lines, each slot between two soft breaks.

    Args:
        text: Text with markers, lines ending in a line feed; the last line too.
        ledger: Knows the markers.
        flavor: How the slots' values are to be written.
    """
    segments: list[Segment] = []
    written: list[str] = []
    for line in text.removesuffix("\n").split("\n"):
        current = ""
        pieces = list(ledger.split(line))
        for number, piece in enumerate(pieces):
            if isinstance(piece, Slot):
                if current:
                    written.append(current + _SOFT_BREAK)
                if written:
                    segments.append("".join(written).encode("ascii"))
                    written = []
                segments.append(SlotUse(piece, flavor))
                current = ""
            else:
                *full, current = _lines(piece, ends_line=number == len(pieces) - 1)
                written.extend(one + _SOFT_BREAK for one in full)
        written.append(current + "\r\n")
    segments.append("".join(written).encode("ascii"))
    return segments


def encode_value(value: str, flavor: Flavor) -> bytes:
    """Return a slot's value as whole quoted-printable lines, the last one ending softly."""
    text = escape(value) if flavor is Flavor.HTML else value
    if len(text) > _LINE_CHARACTERS and _UNBROKEN.fullmatch(text):
        # A web address with a token: each is another, and none is worth remembering.
        lines = [text[at : at + _LINE_CHARACTERS] for at in range(0, len(text), _LINE_CHARACTERS)]
        if not any(line.startswith(".") for line in lines):
            return "".join([line + _SOFT_BREAK for line in lines]).encode("ascii")
    if len(text) <= _LINE_CHARACTERS and _PLAIN_VALUE.fullmatch(text):
        return text.encode("ascii") + b"=\r\n"
    return _encode_value(text)


@lru_cache(maxsize=1024)
def _encode_value(text: str) -> bytes:
    return "".join(line + _SOFT_BREAK for line in _lines(text, ends_line=False)).encode("ascii")


def _lines(text: str, *, ends_line: bool) -> Iterator[str]:
    """Yield encoded lines of text that begins one; all are full but the last.

    Args:
        text: One line of text, or the part of it between two slots.
        ends_line: A hard line end follows, and no slot.
    """
    current = ""
    last = len(text) - 1
    for position, character in enumerate(text):
        octets = _encoded(character)
        if character == " ":
            # RFC 2045 §6.7 (3): a blank at the end of a line must be encoded; RFC 6376 §3.4.4
            # makes several blanks one, so only the first of them stands for itself.
            if current.endswith(" ") or (ends_line and position == last):
                octets = "=20"
            elif current == "From":
                # RFC 4155 appendix A: some mailboxes would write a ">" before it.
                current = "=46rom"
        elif octets == "." and not current:
            # RFC 5321 §4.5.2: the line would get a second period in transit.
            octets = "=2E"
        if len(current) + len(octets) > _LINE_CHARACTERS:
            yield current
            # What begins a line is looked at anew.
            current = ""
            octets = "=2E" if octets == "." else octets
        current += octets
    yield current


@lru_cache(maxsize=4096)
def _encoded(character: str) -> str:
    # RFC 2045 §6.7 (2): printable ASCII stands for itself, all but the equals sign.
    if " " <= character <= "~" and character != "=":
        return character
    # Characters stay whole on their line, for programs that decode line by line.
    return "".join(f"={octet:02X}" for octet in character.encode())


def base64_lines(content: bytes) -> bytes:
    """Return content in base64, in lines of 76 characters."""
    encoded = base64.b64encode(content)
    return b"".join(
        encoded[start : start + _BASE64_CHARACTERS] + b"\r\n"
        for start in range(0, len(encoded), _BASE64_CHARACTERS)
    )


@dataclass(frozen=True)
class EncodedText:
    """A text part, encoded."""

    #: "quoted-printable" or "base64".
    encoding: str
    segments: tuple[Segment, ...]


def encode_text(text: str, ledger: Ledger, flavor: Flavor) -> EncodedText:
    """Encode a part: with slots quoted-printable, without them whichever is shorter."""
    quoted = tuple(quoted_printable(text, ledger, flavor))
    if any(isinstance(segment, SlotUse) for segment in quoted):
        return EncodedText("quoted-printable", quoted)
    # RFC 2046 §4.1.1: the line ends of text are CRLF, whatever encodes them.
    plain = base64_lines(text.replace("\n", "\r\n").encode())
    if len(plain) < _length(quoted):
        return EncodedText("base64", (plain,))
    return EncodedText("quoted-printable", quoted)


def _length(segments: Iterable[Segment]) -> int:
    return sum(len(segment) for segment in segments if isinstance(segment, bytes))
