"""Write the header fields of a message, folded by ourselves.

In: names, addresses, texts. Out: `Header`s, each with its bytes for the wire and the relaxed form
that DKIM signs. Python's `EmailMessage` turns any token that does not fit its line into
encoded-words, a List-Unsubscribe address with it; here nothing is encoded but what must be.
Standards: RFC 5322 §2.1.1 (line lengths), §2.2.3 (folding), §3.3 (dates), RFC 2047 (encoded-words),
RFC 2369 and RFC 2919 (List fields), RFC 6376 §3.4.2 (relaxed), RFC 6532 (UTF-8 in headers).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from mailer.model.characters import unwanted_character

# RFC 5322 §2.1.1: lines SHOULD be no more than 78 characters, without the CRLF.
_LINE_CHARACTERS = 78
# RFC 2047 §2: an encoded-word has at most 75 characters, a line with one at most 76.
_ENCODED_WORD_CHARACTERS = 75
_ENCODED_LINE_CHARACTERS = 76
#: A longer word is encoded: it would leave no room for the name of its field.
_LONGEST_WORD = 60
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
# RFC 5322 §3.2.3: atext.
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
# RFC 2047 §5 (3): in a phrase only these stand for themselves in a Q encoded-word.
_Q_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_WHITE_SPACE = re.compile(rb"[ \t\r\n]+")
# RFC 5321 §4.1.2: a path without quoted strings and literals; RFC 6531 §3.3 adds what is not ASCII.
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u00a1-\U0010ffff-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
)


_WEB_ADDRESS = re.compile(r"https?://[!-;=?-~]+")


class UnfitForHeader(ValueError):
    """A text or address that may stand in no header; says which field, never the value."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


class Header(NamedTuple):
    """One header field."""

    name: str
    #: Value, folded: CRLF and a blank inside, no CRLF at its end.
    value: bytes

    @property
    def wire(self) -> bytes:
        """The whole field with its CRLF."""
        return b"%s: %s\r\n" % (self.name.encode("ascii"), self.value)

    @property
    def relaxed(self) -> bytes:
        """The field as RFC 6376 §3.4.2 signs it, CRLF included."""
        value = _WHITE_SPACE.sub(b" ", self.value).strip()
        return b"%s:%s\r\n" % (self.name.lower().encode("ascii"), value)


def text_header(name: str, text: str, *, utf8: bool = False) -> Header:
    """Return an unstructured field: Subject.

    Args:
        name: Of the field.
        text: Its text.
        utf8: The message goes by SMTPUTF8, so that the text stands as it is (RFC 6532 §3.6).

    Raises:
        UnfitForHeader: when the text holds control or override characters.
    """
    _refuse_unwanted(name, text)
    if _stands_as_it_is(text, utf8=utf8):
        return Header(name, _folded(text.split(" "), len(name) + 2))
    words = list(_encoded_words(text, len(name) + 2))
    return Header(name, b"\r\n ".join(words))


def mailbox_header(name: str, phrase: str, address: str, *, utf8: bool = False) -> Header:
    """Return a field with one mailbox and its display name: From.

    Args:
        name: Of the field.
        phrase: The display name; "" for none.
        address: In ASCII, its domain in A-labels.
        utf8: The message goes by SMTPUTF8.

    Raises:
        UnfitForHeader: when one of them cannot stand in a header.
    """
    check_address(name, address, utf8=False)
    _refuse_unwanted(name, phrase)
    if not phrase:
        return Header(name, address.encode("ascii"))
    if _stands_as_it_is(phrase, utf8=utf8):
        words = phrase.split(" ")
        if not all(_ATOM.fullmatch(word) for word in words):
            escaped = phrase.replace("\\", "\\\\").replace('"', '\\"')
            words = f'"{escaped}"'.split(" ")
        return Header(name, _folded([*words, f"<{address}>"], len(name) + 2))
    encoded = [word.decode("ascii") for word in _encoded_words(phrase, len(name) + 2)]
    # RFC 2047 §5 (3): in a phrase, an encoded-word is parted by white space from what follows.
    last = encoded[-1]
    first_column = len(name) + 2 if len(encoded) == 1 else 1
    fits = first_column + len(last) + 3 + len(address) <= _ENCODED_LINE_CHARACTERS
    joint = " " if fits else "\r\n "
    return Header(name, ("\r\n ".join(encoded) + f"{joint}<{address}>").encode("ascii"))


def address_header(name: str, address: str, *, utf8: bool) -> Header:
    """Return a field with one bare address: To, Reply-To. It names nobody beside.

    Raises:
        UnfitForHeader: when it is not exactly one address, or not ASCII without `utf8`.
    """
    check_address(name, address, utf8=utf8)
    encoded = address.encode()
    room = _LINE_CHARACTERS - len(name) - 2
    return Header(name, encoded if len(encoded) <= room else b"\r\n " + encoded)


def list_id_header(phrase: str, list_id: str, *, utf8: bool = False) -> Header:
    """Return List-Id: an optional phrase that people read, and the identifier (RFC 2919 §3).

    Raises:
        UnfitForHeader: when one of them cannot stand in a header.
    """
    # RFC 2919 §2: at most 255 characters, in the form of a host name.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,253}[A-Za-z0-9]", list_id):
        raise UnfitForHeader("List-Id", "is not an identifier like news.example.org")
    named = mailbox_header("List-Id", phrase, f"list@{list_id}", utf8=utf8)
    value = named.value.replace(f"<list@{list_id}>".encode(), f"<{list_id}>".encode())
    return Header("List-Id", value if phrase else f"<{list_id}>".encode("ascii"))


def list_unsubscribe_headers(address: str, mailbox: str = "") -> tuple[Header, Header]:
    """Return List-Unsubscribe, each address whole on its line, and List-Unsubscribe-Post.

    Args:
        address: of the web, ASCII; POST to it unsubscribes at once (RFC 8058 §3.1).
        mailbox: a mail to it does so too; "" for none.

    Raises:
        UnfitForHeader: when one of them is not a plain address.
    """
    # RFC 2369 §2: no white space inside the angle brackets.
    if not _WEB_ADDRESS.fullmatch(address):
        raise UnfitForHeader("List-Unsubscribe", "is not a web address")
    value = f"<{address}>".encode("ascii")
    if len("List-Unsubscribe: ") + len(value) > _LINE_CHARACTERS:
        value = b"\r\n " + value
    if mailbox:
        check_address("List-Unsubscribe", mailbox, utf8=False)
        # RFC 2369 §2: what stands first is preferred. RFC 6068 §5: a plus sign is one.
        value += f",\r\n <mailto:{mailbox}?subject=unsubscribe>".encode("ascii")
    return (
        Header("List-Unsubscribe", value),
        ONE_CLICK,
    )


#: RFC 8058 §3.1.
ONE_CLICK = Header("List-Unsubscribe-Post", b"List-Unsubscribe=One-Click")


def date_header(moment: datetime) -> Header:
    """Return Date in UTC, cut to the minute: it tells no more than it must (RFC 5322 §3.3)."""
    at = moment.astimezone(UTC)
    # strftime would write day and month in the language of the process.
    value = (
        f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[3 * at.month - 3 : 3 * at.month]} {at.year:04d} "
        f"{at.hour:02d}:{at.minute:02d}:00 +0000"
    )
    return Header("Date", value.encode("ascii"))


def plain_header(name: str, value: str) -> Header:
    """Return a structured field whose value we make ourselves, in ASCII.

    Raises:
        UnfitForHeader: when it holds control characters or is not ASCII.
    """
    _refuse_unwanted(name, value)
    if not value.isascii():
        raise UnfitForHeader(name, "is not ASCII")
    return Header(name, _folded(value.split(" "), len(name) + 2))


def check_address(field: str, address: str, *, utf8: bool) -> None:
    """Refuse what is not exactly one address in its plainest form.

    Raises:
        UnfitForHeader: when it holds blanks, quotes, commas, brackets, controls, or letters beyond
            ASCII where those are not allowed.
    """
    _refuse_unwanted(field, address)
    # RFC 5321 §4.5.3.1: 64 octets before the at sign, 254 in all (erratum 1690).
    local = address.rpartition("@")[0]
    too_long = len(local.encode()) > 64 or len(address.encode()) > 254
    if too_long or not _ADDRESS.fullmatch(address) or len(address.split()) != 1:
        raise UnfitForHeader(field, "is not one plain mail address")
    if not utf8 and not address.isascii():
        raise UnfitForHeader(field, "has letters that need SMTPUTF8")


def _refuse_unwanted(field: str, text: str) -> None:
    unwanted = unwanted_character(text)
    if unwanted:
        raise UnfitForHeader(field, f"holds {unwanted}, which may stand in no header")


def _stands_as_it_is(text: str, *, utf8: bool) -> bool:
    """Tell whether text can be written without encoded-words and read back the same."""
    if not text.isascii() and not utf8:
        return False
    # Folding eats a second blank, "=?" would be decoded, and a long word cannot be folded.
    return (
        "=?" not in text
        and "  " not in text
        and text == text.strip()
        and all(len(word.encode()) <= _LONGEST_WORD for word in text.split(" "))
    )


def _folded(words: Sequence[str], column: int) -> bytes:
    """Return words with a CRLF before every blank where the line would get too long."""
    lines = [words[0]]
    for word in words[1:]:
        if column + len(lines[-1].encode()) + 1 + len(word.encode()) <= _LINE_CHARACTERS:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
            column = 1
    return "\r\n ".join(lines).encode()


def _encoded_words(text: str, column: int) -> Iterator[bytes]:
    """Yield text as encoded-words, each fit to begin a line but the first, which is at `column`."""
    use_q = sum(character in _Q_PLAIN or character == " " for character in text) * 2 > len(text)
    head = "=?utf-8?q?" if use_q else "=?utf-8?b?"
    room = min(_ENCODED_LINE_CHARACTERS - column, _ENCODED_WORD_CHARACTERS) - len(head) - 2
    octets = b""
    for character in text:
        # RFC 2047 §5 (3): every encoded-word holds whole characters.
        longer = octets + character.encode()
        if octets and _encoded_length(longer, use_q=use_q) > room:
            yield f"{head}{_encode(octets, use_q=use_q)}?=".encode("ascii")
            octets = character.encode()
            room = _ENCODED_WORD_CHARACTERS - len(head) - 2
        else:
            octets = longer
    yield f"{head}{_encode(octets, use_q=use_q)}?=".encode("ascii")


def _encode(octets: bytes, *, use_q: bool) -> str:
    if not use_q:
        return base64.b64encode(octets).decode("ascii")
    return "".join(
        "_" if octet == 0x20 else chr(octet) if chr(octet) in _Q_PLAIN else f"={octet:02X}"
        for octet in octets
    )


def _encoded_length(octets: bytes, *, use_q: bool) -> int:
    return len(_encode(octets, use_q=use_q))
