"""Compose service mails: plain text to one address, outside any mailing.

In: a sender, a subject, lines of text, maybe a letter that is passed on. Out: `ComposedMail`, signed, as it goes over the wire. It has
the return path and the Message-ID of a service mail, and nothing of a list. Standards: RFC 5322,
RFC 3834 §5 (Auto-Submitted), RFC 2045 (quoted-printable), RFC 6376 (DKIM).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailer.compose.dkim import Signer
from mailer.compose.encoding import Flavor, quoted_printable
from mailer.compose.headers import (
    Header,
    address_header,
    date_header,
    mailbox_header,
    plain_header,
    text_header,
)
from mailer.compose.ledger import Ledger
from mailer.compose.mime import TEXT_FIELDS, text_and_letter
from mailer.compose.return_path import return_path
from mailer.compose.wire import check_message
from mailer.model.mailing import ComposedMail, Envelope, Sender
from mailer.model.relays import AS_IT_IS, RelayHandling
from mailer.model.statement import localized
from mailer.tokens import ServiceTokens


@dataclass(frozen=True)
class ServiceText:
    """What a service mail says."""

    subject: str
    #: Lines ending in line feeds.
    text: str
    #: Tag of the language it is in.
    language: str = "en"
    #: Where an answer goes; "" for the From address.
    reply_to: str = ""
    #: A letter that is passed on, its octets as they came; empty for none.
    letter: bytes = b""


def compose_service_mail(
    said: ServiceText,
    sender: Sender,
    address: str,
    service_id: int,
    tokens: ServiceTokens,
    signers: Sequence[Signer],
    now: datetime,
    handling: RelayHandling = AS_IT_IS,
) -> ComposedMail:
    """Return a service mail.

    Args:
        said: What it says.
        sender: Who it comes from.
        address: To whom, domain in A-labels.
        service_id: Of its row; the Message-ID and the return path hold it.
        tokens: Make them.
        signers: Make the DKIM signatures; none when the relay signs.
        now: This instant.
        handling: What the relay asks of the mails it is handed.

    Raises:
        UnfitForHeader: when a text or address cannot stand in a header.
        MalformedMail: when it comes out otherwise than every mail of ours must.
    """
    utf8 = not address.isascii()
    message_id = tokens.message_id(service_id)
    body, form = _body(said)
    headers = (
        mailbox_header("From", localized(sender.name, said.language, "en"), sender.address),
        text_header("Subject", said.subject),
        address_header("To", address, utf8=utf8),
        *([address_header("Reply-To", said.reply_to, utf8=utf8)] if said.reply_to else []),
        date_header(now),
        Header("Message-ID", f"<{message_id}@{sender.return_path_domain}>".encode()),
        plain_header("Auto-Submitted", "auto-generated"),
        plain_header("MIME-Version", "1.0"),
        plain_header("Content-Language", said.language),
        *(plain_header(*one) for one in form),
    )
    body_hash = hashlib.sha256(body).digest()
    signatures = tuple(signer.sign(headers, body_hash, now) for signer in signers)
    asked = tuple(plain_header(*one) for one in handling.headers)
    content = b"".join([*(one.wire for one in (*signatures, *headers, *asked)), b"\r\n", body])
    also = frozenset(one.name.encode("ascii") for one in asked)
    check_message(content, address, utf8=utf8, listed=False, also=also)
    mail_from = return_path(sender, handling.return_path, lambda: tokens.return_path(service_id))
    return ComposedMail.whole(Envelope(mail_from, address), content)


def _body(said: ServiceText) -> tuple[bytes, list[tuple[str, str]]]:
    """Return the body, which is its own relaxed form (RFC 6376 §3.4.4), and the fields that tell it."""
    lines = quoted_printable(said.text.rstrip("\n") + "\n", Ledger(), Flavor.TEXT)
    text = b"".join(one for one in lines if isinstance(one, bytes))
    if not said.letter:
        return text, list(TEXT_FIELDS)
    kind, body = text_and_letter(text, said.letter)
    return body, [("Content-Type", kind)]
