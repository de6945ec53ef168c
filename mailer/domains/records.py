"""Write the DNS records that a sender's domains want, as lines to paste into a zone.

In: a sender, the relay that takes its mails, the public halves of its DKIM keys. Out: `Wanted`
records and their lines. Standards: RFC 1035 §3.3.14 and §5.1 (strings of at most 255 octets),
RFC 7208 (SPF), RFC 6376 §3.6.1 and RFC 8463 §4 (keys), RFC 9989 (DMARC; there is no `pct` any more).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from mailer.model.mailing import Sender
from mailer.model.relays import ReturnPath

# RFC 1035 §3.3: a character string has at most 255 octets.
LONGEST_STRING = 255
_RSA_BITS = 2048


class RecordType(StrEnum):
    """Types of DNS records."""

    TXT = "TXT"
    MX = "MX"


@dataclass(frozen=True)
class Wanted:
    """One record that a zone should hold."""

    name: str
    type: RecordType
    #: Of a TXT record its text, in one piece; of an MX record preference and host.
    value: str
    #: What it is for, for the comment above it.
    purpose: str
    #: Words that a person has to fill in stand in it, in angle brackets.
    to_fill_in: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the record as a zone file has it, its comment before it."""
        shown = self.value if self.type is RecordType.MX else quoted(self.value)
        return f"; {self.purpose}", f"{self.name}. 3600 IN {self.type} {shown}"


@dataclass(frozen=True)
class RelayFacts:
    """What of a relay decides about records."""

    return_path: ReturnPath
    #: "" where the relay's own domain is in the return path, or the server is one's own.
    spf_include: str
    #: The provider makes the keys, and its page shows the records for them.
    signs: bool
    #: A server of one's own, whose name or addresses SPF has to name.
    own: bool
    #: With the return path "relay": the From address stays the return path.
    keeps_from: bool = False
    #: The name it greets other servers with; "" when it is not known.
    greets_as: str = ""


def quoted(text: str) -> str:
    """Return a text as quoted strings of at most 255 octets each (RFC 1035 §5.1)."""
    octets = text.encode("ascii")
    pieces = [
        octets[start : start + LONGEST_STRING].decode("ascii")
        for start in range(0, len(octets), LONGEST_STRING)
    ]
    escaped = [piece.replace("\\", "\\\\").replace('"', '\\"') for piece in pieces]
    return " ".join(f'"{piece}"' for piece in escaped)


def key_record(pem: bytes) -> str:
    """Return the text of the DKIM record that belongs to a private key.

    Raises:
        ValueError: when it is neither an RSA nor an Ed25519 key in PEM.
    """
    key = load_pem_private_key(pem, password=None)
    if isinstance(key, RSAPrivateKey):
        # RFC 6376 §3.6.1: the SubjectPublicKeyInfo in DER.
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode('ascii')}"
    if isinstance(key, Ed25519PrivateKey):
        # RFC 8463 §4: the 32 octets of the key alone.
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode('ascii')}"
    raise ValueError("is neither an RSA nor an Ed25519 key")


def new_key(*, ed25519: bool) -> bytes:
    """Return a new private key in PEM, without a passphrase."""
    key = (
        Ed25519PrivateKey.generate()
        if ed25519
        else generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _spf_term(facts: RelayFacts) -> str:
    if facts.spf_include:
        return f"include:{facts.spf_include}"
    if facts.greets_as:
        return f"a:{facts.greets_as}"
    return "a:<name of your mail server>" if facts.own else "<what your relay says>"


def spf_text(relays: Iterable[RelayFacts]) -> str:
    """Return the SPF record for the domain of a return path, by all relays that send with it."""
    # RFC 7208 §4.5: a name has one record, however many send for it.
    return f"v=spf1 {' '.join(dict.fromkeys(_spf_term(one) for one in relays))} -all"


def author_domain(sender: Sender) -> str:
    """Return the domain of the From address."""
    return sender.address.rpartition("@")[2].lower()


def bounce_domain(sender: Sender, facts: RelayFacts) -> str:
    """Return the domain of MAIL FROM; "" where the relay uses its own."""
    match facts.return_path:
        case ReturnPath.VERP:
            return sender.return_path_domain
        case ReturnPath.FIXED:
            address = sender.return_path_address
            return address.rpartition("@")[2].lower() if address else sender.return_path_domain
        case ReturnPath.RELAY:
            return author_domain(sender) if facts.keeps_from else ""


def wanted_records(
    sender: Sender,
    facts: RelayFacts,
    keys: Sequence[tuple[str, str]],
    sharing: Sequence[RelayFacts] = (),
) -> list[Wanted]:
    """Return the records a sender's zone should hold.

    Args:
        sender: Its domains.
        facts: Of the relay that takes its mails.
        keys: Full name and text of the record of each DKIM key of ours.
        sharing: Of all relays by which mails go with that return path's domain, if by several.
    """
    author, bounces = author_domain(sender), bounce_domain(sender, facts)
    found: list[Wanted] = []
    if bounces:
        text = spf_text(sharing or [facts])
        purpose = f"SPF: which servers may send with the return path at {bounces}"
        if bounces == author:
            purpose += "; join it with the record that is there"
        found.append(Wanted(bounces, RecordType.TXT, text, purpose, "<" in text))
        if bounces != author:
            host = facts.greets_as or "<name of the server that takes your bounces>"
            purpose = "MX: where bounces go"
            found.append(Wanted(bounces, RecordType.MX, f"10 {host}.", purpose, "<" in host))
    if not facts.signs:
        found += [
            Wanted(name, RecordType.TXT, text, "DKIM: the public half of your key")
            for name, text in keys
        ]
    report = f"mailto:dmarc@{author}"
    found.append(
        Wanted(
            f"_dmarc.{author}",
            RecordType.TXT,
            f"v=DMARC1; p=none; rua={report}",
            f"DMARC: reports go to {report}, a mailbox of your own",
        )
    )
    return found
