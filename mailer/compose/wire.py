"""Look at a finished message once more, as bytes, before it may leave.

In: the bytes of a message and what is expected of them. Out: nothing, or `MalformedMail`. Whatever
the parts before have done, no message passes with a field it should not have, a second recipient,
a bare CR or LF, an eighth bit or an endless line. Standards: RFC 5321 §2.3.8 (line ends), RFC 5322
§2.1.1 (lengths), §3.6 (fields that occur once), RFC 2047 §5 (3) (no encoded-word in an address).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Every field a mail may have; nothing else leaves (STANDARDS 3.3).
ALLOWED_HEADERS = frozenset(
    {
        b"Auto-Submitted",
        b"Content-Language",
        b"Content-Transfer-Encoding",
        b"Content-Type",
        b"DKIM-Signature",
        b"Date",
        b"From",
        b"List-Id",
        b"List-Unsubscribe",
        b"List-Unsubscribe-Post",
        b"MIME-Version",
        b"Message-ID",
        b"Reply-To",
        b"Subject",
        b"To",
    }
)
#: A message without one of these is not sent.
_REQUIRED = frozenset(
    ALLOWED_HEADERS - {b"DKIM-Signature", b"Reply-To", b"Content-Transfer-Encoding"}
)
#: What a mail outside any mailing is without: it came by no list.
_OF_A_LIST = frozenset({b"List-Id", b"List-Unsubscribe", b"List-Unsubscribe-Post"})
# RFC 5322 §2.1.1: MUST be no more than 998 characters, without the CRLF.
LONGEST_LINE = 998
_FIELD = re.compile(rb"([!-9;-~]+):[ \t\r\n]")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ENCODED_WORD_IN_ADDRESS = re.compile(rb"<[^>]*=\?[^>]*>")


class MalformedMail(Exception):
    """A composed message that must not leave; says what is wrong, never whose it is."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


def check_message(
    content: bytes,
    recipient: str,
    *,
    utf8: bool,
    listed: bool = True,
    also: frozenset[bytes] = frozenset(),
) -> None:
    """Refuse a message that is not as every message of ours must be.

    Args:
        content: The whole message, CRLF, not dot-stuffed.
        recipient: The one address that To must hold.
        utf8: The message goes by SMTPUTF8: its header may hold UTF-8.
        listed: It came by a list and must say how to leave it.
        also: Header fields that the relay in use asks for, and no other relay gets.

    Raises:
        MalformedMail: with the first thing that is wrong.
    """
    head, separator, body = content.partition(b"\r\n\r\n")
    if not separator:
        raise MalformedMail("it has no body")
    # RFC 5321 §2.3.8: CR and LF only ever stand together.
    if not content.count(b"\r\n") == content.count(b"\r") == content.count(b"\n"):
        raise MalformedMail("a CR or LF stands by itself")
    if not body.isascii() or not (utf8 or head.isascii()):
        raise MalformedMail("an octet has its eighth bit set")
    check_header(head, recipient, also, listed=listed)


def check_lines(content: bytes) -> None:
    """Refuse a message of which a line would have to be changed in transit.

    Raises:
        MalformedMail: when a line begins with a period, or the last one has no end.
    """
    # RFC 5321 §4.5.2: such a line gets a second period on its way.
    if content.startswith(b".") or b"\r\n." in content:
        raise MalformedMail("a line begins with a period")
    if not content.endswith(b"\r\n"):
        raise MalformedMail("the last line has no end")


def check_pieces(pieces: Sequence[bytes]) -> None:
    """Refuse the constant pieces of a body that are not sound for every value between them.

    Raises:
        MalformedMail: when a piece is not of whole lines in 7-bit ASCII, none beginning with a
            period: values are whole lines too.
    """
    for piece in pieces:
        if piece:
            check_lines(piece)
            if not piece.count(b"\r\n") == piece.count(b"\r") == piece.count(b"\n"):
                raise MalformedMail("a CR or LF stands by itself")
            if not piece.isascii() or b"\0" in piece:
                raise MalformedMail("an octet has its eighth bit set, or is NUL")


def check_header(
    head: bytes, recipient: str, also: frozenset[bytes] = frozenset(), *, listed: bool = True
) -> None:
    """Refuse a header with other fields, more recipients or longer lines than it may have.

    Args:
        head: The header, its lines joined by CRLF, without the empty line after it.
        recipient: The one address that To must hold.
        also: Header fields that may stand beside those every mail may have.
        listed: The mail came by a list and must say how to leave it.

    Raises:
        MalformedMail: with the first thing that is wrong.
    """
    if _CONTROL.search(head):
        raise MalformedMail("the header holds a control character")
    fields: dict[bytes, bytes] = {}
    name = b""
    for line in head.split(b"\r\n"):
        if len(line) > LONGEST_LINE:
            raise MalformedMail("a line of the header is longer than 998 octets")
        if line[:1] in (b" ", b"\t"):
            if not name or not line.strip():
                raise MalformedMail("a line of the header belongs to no field")
            fields[name] += line
            continue
        found = _FIELD.match(line)
        if found is None and not line.endswith(b":"):
            raise MalformedMail("a line of the header is no field")
        name = found[1] if found is not None else line[:-1]
        if name not in ALLOWED_HEADERS and name not in also:
            raise MalformedMail("it has a header field that is not allowed")
        # RFC 5322 §3.6: at most one of each; of signatories there may be two.
        if name in fields and name != b"DKIM-Signature":
            raise MalformedMail(f"it has {name.decode('ascii')} twice")
        fields[name] = line.partition(b":")[2]
    missing = (_REQUIRED if listed else _REQUIRED - _OF_A_LIST) - fields.keys()
    if missing:
        raise MalformedMail(f"it has no {min(missing).decode('ascii')}")
    if fields[b"To"].strip() != recipient.encode():
        raise MalformedMail("To is not exactly the recipient")
    for one in (b"From", b"List-Id", b"List-Unsubscribe", b"Message-ID"):
        if one in fields and _ENCODED_WORD_IN_ADDRESS.search(fields[one]):
            raise MalformedMail(f"an address in {one.decode('ascii')} is encoded")
