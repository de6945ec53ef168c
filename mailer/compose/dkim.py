"""Sign messages with DKIM: RSA, Ed25519, or both at once.

In: a sender's private keys, the header fields of a message, the hash of its body. Out: DKIM-
Signature fields. The body is written so that it is its own relaxed form, and is hashed once for
both. From, To, Subject, the two List-Unsubscribe fields and others are signed once more than they
occur, so that none can be added. Standards: RFC 6376 (`l=` is never used, §8.2), RFC 8301 (keys),
RFC 8463 (Ed25519), RFC 8058 §4 (which fields must be signed).
"""

from __future__ import annotations

import hashlib
import stat
from binascii import b2a_base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mailer.compose.headers import Header
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import DkimKey, Sender

#: A signature is good for longer than relays queue a message, and not much longer (x=).
VALID_FOR = timedelta(days=6)
# RFC 8301 §3.2: signers SHOULD use 2048 bits at least.
_LEAST_RSA_BITS = 2048
#: Signed once more than they occur, so that adding one breaks the signature (RFC 6376 §8.15).
_OVERSIGNED = (
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Reply-To",
    "Sender",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
)
#: Signed as often as they occur (RFC 6376 §5.4.1).
_SIGNED = (
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Language",
    "List-Id",
    "Auto-Submitted",
)
_LINE_CHARACTERS = 72
#: Key files kept read: two for each of more senders than anybody has.
_KEYS_KEPT = 64


class Signing(Protocol):
    """Makes the DKIM-Signature fields of messages that differ in some fields only."""

    def sign(self, varying: Mapping[str, Header], body_hash: bytes, now: datetime) -> Header:
        """Return the DKIM-Signature field of a message.

        Args:
            varying: The fields that differ, by name.
            body_hash: SHA-256 over the body in its relaxed form.
            now: This instant.
        """
        ...


class Signer(Protocol):
    """Signs with one key."""

    @property
    def is_slow(self) -> bool:
        """Whether a signature takes so long that it is made in another thread."""
        ...

    def prepared(self, headers: Sequence[Header], varying: Collection[str] = ()) -> Signing:
        """Return what signs all messages with these fields but those that vary.

        Args:
            headers: All fields of a message.
            varying: Names of those that differ from one message to the next.
        """
        ...

    def sign(self, headers: Sequence[Header], body_hash: bytes, now: datetime) -> Header:
        """Return the DKIM-Signature field of one message with these fields."""
        ...


@dataclass(frozen=True, repr=False)
class KeySigner:
    """Signs with one private key."""

    domain: str
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey

    @property
    def is_slow(self) -> bool:
        """Whether a signature takes so long that it is made in another thread."""
        return isinstance(self.key, RSAPrivateKey)

    def prepared(self, headers: Sequence[Header], varying: Collection[str] = ()) -> Signing:
        """Return what signs all messages with these fields but those that vary."""
        return _KeySigning(self, headers, varying)

    def sign(self, headers: Sequence[Header], body_hash: bytes, now: datetime) -> Header:
        """Return the DKIM-Signature field of one message with these fields."""
        return self.prepared(headers).sign({}, body_hash, now)

    def signature(self, canonical: bytes) -> bytes:
        """Return the bare signature of canonical header fields."""
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(canonical, _PADDING, _SHA256)
        # RFC 8463 §3: Ed25519 signs the SHA-256 hash of the data, not the data.
        return self.key.sign(hashlib.sha256(canonical).digest())


_PADDING, _SHA256 = PKCS1v15(), hashes.SHA256()


class _KeySigning:
    """The canonical form of what stays the same, and a place for each field that does not."""

    def __init__(
        self, signer: KeySigner, headers: Sequence[Header], varying: Collection[str]
    ) -> None:
        self._signer = signer
        names, fields = _signed_fields(headers)
        #: Bytes, or the name of a field that varies.
        self._fields: list[bytes | str] = []
        run: list[bytes] = []
        for one in fields:
            if one.name not in varying:
                run.append(one.relaxed)
                continue
            self._fields += [b"".join(run), one.name]
            run = []
        self._fields.append(b"".join(run))
        algorithm = "rsa" if signer.is_slow else "ed25519"
        self._before = (
            f"v=1; a={algorithm}-sha256; c=relaxed/relaxed; d={signer.domain}; s={signer.selector};"
        )
        self._names = "\r\n ".join(_wrapped(f"h={':'.join(names)};", ":"))
        self._written = _Written(-1, b"", b"", b"", b"")

    def sign(self, varying: Mapping[str, Header], body_hash: bytes, now: datetime) -> Header:
        """Return the DKIM-Signature field of a message (RFC 6376 §3.5)."""
        # Cut to the minute, as Date is: nothing tells the second in which it was sent.
        signed_at = int(now.timestamp()) // 60 * 60
        # Several threads may be here: each has one state or the other, never half of both.
        written = self._written
        if written.signed_at != signed_at:
            written = self._written = self._write(signed_at)
        encoded_hash = b2a_base64(body_hash, newline=False)
        canonical = [
            one if isinstance(one, bytes) else varying[one].relaxed for one in self._fields
        ]
        # RFC 6376 §3.7: the field itself comes last, without its signature and its CRLF.
        canonical += [written.relaxed_before, encoded_hash, written.relaxed_after]
        signature = b2a_base64(self._signer.signature(b"".join(canonical)), newline=False)
        value = (written.before, encoded_hash, written.after, _cut(signature))
        return Header("DKIM-Signature", b"".join(value))

    def _write(self, signed_at: int) -> _Written:
        """Write the field for messages of this minute, with a place for the body's hash."""
        tags = (
            self._before,
            f"t={signed_at}; x={signed_at + int(VALID_FOR.total_seconds())};",
            self._names,
            "bh=;",
            "b=",
        )
        field = Header("DKIM-Signature", "\r\n ".join(tags).encode("ascii"))
        before, mark, after = field.value.rpartition(b"bh=")
        relaxed_before, _, relaxed_after = field.relaxed.removesuffix(b"\r\n").rpartition(mark)
        return _Written(signed_at, before + mark, after, relaxed_before + mark, relaxed_after)


class _Written(NamedTuple):
    """A DKIM-Signature field of one minute, around the body's hash; it ends with b=."""

    signed_at: int
    before: bytes
    after: bytes
    relaxed_before: bytes
    relaxed_after: bytes


def _signed_fields(headers: Sequence[Header]) -> tuple[list[str], list[Header]]:
    """Return the names for h= and the fields to be signed, in the same order.

    A name that is listed more often than its field occurs binds the absence of another.
    """
    # RFC 5322 §3.6: no field of ours occurs twice but DKIM-Signature, which is not signed.
    present = {header.name: header for header in headers}
    names: list[str] = []
    fields: list[Header] = []
    for name in (*_OVERSIGNED, *_SIGNED):
        if name in present:
            fields.append(present[name])
            names.append(name)
        if name in _OVERSIGNED:
            names.append(name)
    return names, fields


def _wrapped(text: str, separator: str) -> list[str]:
    """Break a tag of many parts into lines after its separators."""
    lines = [""]
    for number, part in enumerate(text.split(separator)):
        piece = part if number == 0 else separator + part
        if len(lines[-1]) + len(piece) > _LINE_CHARACTERS:
            lines.append("")
        lines[-1] += piece
    return lines


def _cut(encoded: bytes) -> bytes:
    return b"\r\n ".join(
        [
            encoded[start : start + _LINE_CHARACTERS]
            for start in range(0, len(encoded), _LINE_CHARACTERS)
        ]
    )


def load_signers(sender: Sender) -> tuple[Signer, ...]:
    """Read the private keys that a sender's mails are signed with.

    Args:
        sender: Names the key files; it may have none, when its relay signs.

    Raises:
        FaultsFound: for every key file that is missing, unreadable, open to others, locked by a
            passphrase, damaged, or of a kind that cannot be used.
    """
    faults: list[Fault] = []
    signers: list[Signer] = []
    for key in sender.dkim:
        try:
            signers.append(KeySigner(key.domain, key.selector, _load_key(sender, key)))
        except FaultsFound as error:
            faults.extend(error.faults)
    if faults:
        raise FaultsFound(faults)
    return tuple(signers)


#: Of a key file that stays as it is: seeing that its primes are primes takes 60 ms, which would stand
#: in the time of every mail to one person, and in how long its transaction keeps others waiting.
_read_pem = lru_cache(maxsize=_KEYS_KEPT)(partial(load_pem_private_key, password=None))


def _load_key(sender: Sender, key: DkimKey) -> RSAPrivateKey | Ed25519PrivateKey:
    path = Path(key.key_file)

    def fault(problem: str, remedy: str) -> FaultsFound:
        field = f"senders.{sender.key}.dkim.{key.selector}"
        return FaultsFound([Fault(path.name, 0, field, problem, remedy)])

    # Never a command that writes over a file: this one may be another key, named by mistake.
    make = f"Make one: mailer domain key {sender.key} --selector NAME"
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise fault("is missing", make) from error
    except OSError as error:
        raise fault("cannot be read", "Check its owner") from error
    if stat.S_IMODE(mode) & 0o077:
        raise fault("is open to other users", f"Run: chmod 600 {path.name}")
    try:
        loaded = _read_pem(content)
    except TypeError as error:
        raise fault("is locked by a passphrase", "Write it without one, mode 0600") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise fault("is not a private key in PEM", make) from error
    if isinstance(loaded, RSAPrivateKey):
        if loaded.key_size < _LEAST_RSA_BITS:
            raise fault(f"has only {loaded.key_size} bits", make)
        return loaded
    if isinstance(loaded, Ed25519PrivateKey):
        return loaded
    raise fault("is neither an RSA nor an Ed25519 key", make)
