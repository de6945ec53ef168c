"""Tokens in links and return paths: they say nothing and cannot be guessed.

In: ids of deliveries and supporters. Out: short ASCII tokens, and the ids again. A token is a key
id followed by AES-SIV (RFC 5297) over the ids with the purpose as associated data, so that one
made for a purpose never passes for another. There is no table of tokens: they survive restore and
retention.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from mailer.keys import KeyFileError, ServiceKeys, derive, load_service_keys

_TAG_BYTES = 16
_FEEDBACK_BYTES = 8
_PERSON_ID_BYTES = 6
#: 1 + base64url of 24 bytes.
FEEDBACK_TOKEN_CHARACTERS = 33
#: 1 + base64url of 28 bytes, without padding.
UNSUBSCRIBE_TOKEN_CHARACTERS = 39
#: 1 + base32 of 24 bytes, without padding.
RETURN_PATH_TOKEN_CHARACTERS = 40


class Purpose(StrEnum):
    """What a token is good for, and nothing else."""

    #: Finds the delivery a bounce or report is about.
    FEEDBACK = "feedback"
    #: Leaves the lists a delivery came through.
    UNSUBSCRIBE = "unsubscribe"
    #: Takes an unsubscription back for half an hour.
    UNDO = "undo"
    #: Opens the preferences of one supporter.
    PREFERENCES = "preferences"
    #: The part of a Message-ID that is ours to recognise.
    MESSAGE_ID = "message-id"
    #: Finds the service mail a bounce is about.
    SERVICE = "service"
    #: The part of a service mail's Message-ID that is ours to recognise.
    SERVICE_MESSAGE_ID = "service-message-id"


_BOUND = {purpose: purpose.value.encode() for purpose in Purpose}


class BadToken(Exception):
    """Not a token of ours for this purpose; says no more than that."""


@dataclass(frozen=True)
class PersonToken:
    """What an unsubscribe, undo or preferences token holds."""

    delivery_id: int
    supporter_id: int


class Tokens:
    """Makes and reads tokens with the service keys."""

    def __init__(self, keys: ServiceKeys) -> None:
        self._current = keys.current_token
        self._keys = keys
        self._ciphers = _ciphers(keys)
        self._file_changed_at = self._changed_at()
        #: What was sealed last: purpose, plain and sealed.
        self._last: tuple[Purpose | None, bytes, bytes] = (None, b"", b"")

    def _changed_at(self) -> int:
        try:
            return self._keys.path.stat().st_mtime_ns if self._keys.path else 0
        except OSError:
            return 0

    def _reread(self) -> None:
        """Take up keys that another process added to the file; a stranger's token costs a look."""
        changed_at = self._changed_at()
        if self._keys.path is None or changed_at == self._file_changed_at:
            return
        self._file_changed_at = changed_at
        try:
            fresh = load_service_keys(self._keys.path)
        except KeyFileError:
            return
        if fresh.fingerprint == self._keys.fingerprint:
            self._ciphers = _ciphers(fresh)

    def _seal(self, purpose: Purpose, plain: bytes) -> bytes:
        # A mail's return path and its ENVID are the same seal, one after the other.
        last = self._last
        if last[0] is purpose and last[1] == plain:
            return last[2]
        cipher = self._ciphers[self._current, purpose]
        sealed = cipher.encrypt(plain, [_BOUND[purpose]])
        self._last = (purpose, plain, sealed)
        return sealed

    def _open(self, key_id: str, purpose: Purpose, sealed: bytes, plain_bytes: int) -> bytes:
        cipher = self._ciphers.get((key_id, purpose))
        if cipher is None:
            self._reread()
            cipher = self._ciphers.get((key_id, purpose))
        if cipher is None or len(sealed) != plain_bytes + _TAG_BYTES:
            raise BadToken
        try:
            return cipher.decrypt(sealed, [purpose.value.encode()])
        except InvalidTag as error:
            raise BadToken from error

    def feedback(self, delivery_id: int) -> str:
        """Return the 33-character base64url token of a delivery, for ENVID and Message-ID."""
        sealed = self._seal(Purpose.FEEDBACK, delivery_id.to_bytes(_FEEDBACK_BYTES, "big"))
        return self._current + base64.urlsafe_b64encode(sealed).decode()

    def return_path(self, delivery_id: int) -> str:
        """Return the 40-character lower-case base32 token of a delivery, for mail addresses.

        Mail systems may change the case of a local part; this alphabet does not mind.
        """
        return self._base32(Purpose.FEEDBACK, delivery_id)

    def message_id(self, delivery_id: int) -> str:
        """Return the left side of a delivery's Message-ID: the same at every attempt."""
        return self._base32(Purpose.MESSAGE_ID, delivery_id)

    def _base32(self, purpose: Purpose, row_id: int) -> str:
        sealed = self._seal(purpose, row_id.to_bytes(_FEEDBACK_BYTES, "big"))
        return self._current + _to_base32(sealed)

    def read_feedback(self, token: str) -> int:
        """Return the delivery's id of a token made by `feedback` or `return_path`.

        Raises:
            BadToken: for anything else.
        """
        return self._read(Purpose.FEEDBACK, token)

    def _read(self, purpose: Purpose, token: str) -> int:
        if len(token) == FEEDBACK_TOKEN_CHARACTERS:
            sealed = _from_base64url(token[1:])
            key_id = token[0]
        else:
            key_id, sealed = _split_base32(token)
        return int.from_bytes(self._open(key_id, purpose, sealed, _FEEDBACK_BYTES), "big")

    def read_message_id(self, left_side: str) -> int:
        """Return the delivery's id of a Message-ID's left side.

        Raises:
            BadToken: when it is not one of ours.
        """
        key_id, sealed = _split_base32(left_side)
        plain = self._open(key_id, Purpose.MESSAGE_ID, sealed, _FEEDBACK_BYTES)
        return int.from_bytes(plain, "big")

    def person(self, purpose: Purpose, delivery_id: int, supporter_id: int) -> str:
        """Return the 39-character token of a delivery and supporter for `purpose`."""
        plain = delivery_id.to_bytes(_PERSON_ID_BYTES, "big") + supporter_id.to_bytes(
            _PERSON_ID_BYTES, "big"
        )
        encoded = base64.urlsafe_b64encode(self._seal(purpose, plain)).decode().rstrip("=")
        return self._current + encoded

    def read_person(self, purpose: Purpose, token: str) -> PersonToken:
        """Return what a token made by `person` for the same purpose holds.

        Raises:
            BadToken: for anything else.
        """
        if len(token) != UNSUBSCRIBE_TOKEN_CHARACTERS:
            raise BadToken
        sealed = _from_base64url(token[1:] + "==")
        plain = self._open(token[0], purpose, sealed, 2 * _PERSON_ID_BYTES)
        return PersonToken(
            delivery_id=int.from_bytes(plain[:_PERSON_ID_BYTES], "big"),
            supporter_id=int.from_bytes(plain[_PERSON_ID_BYTES:], "big"),
        )


#: No delivery and no supporter has this id.
NOBODY = 0


class ServiceTokens(Tokens):
    """Tokens for mails outside any mailing: an id in them is a service mail's, never a delivery's.

    What composes and hands over the mail of a delivery does the same for a service mail with these;
    a link to unsubscribe names nobody, and so unsubscribes nobody.
    """

    def feedback(self, delivery_id: int) -> str:
        """Return the 33-character base64url token of a service mail, for ENVID."""
        sealed = self._seal(Purpose.SERVICE, delivery_id.to_bytes(_FEEDBACK_BYTES, "big"))
        return self._current + base64.urlsafe_b64encode(sealed).decode()

    def return_path(self, delivery_id: int) -> str:
        """Return the 40-character token of a service mail, for mail addresses."""
        return self._base32(Purpose.SERVICE, delivery_id)

    def message_id(self, delivery_id: int) -> str:
        """Return the left side of a service mail's Message-ID."""
        return self._base32(Purpose.SERVICE_MESSAGE_ID, delivery_id)

    def person(self, purpose: Purpose, delivery_id: int, supporter_id: int) -> str:
        """Return a token like those of supporters that names no delivery and no supporter."""
        del delivery_id, supporter_id
        return super().person(purpose, NOBODY, NOBODY)

    def read_feedback(self, token: str) -> int:
        """Return the service mail's id of a token made by `feedback` or `return_path`.

        Raises:
            BadToken: for anything else, a delivery's token included.
        """
        return self._read(Purpose.SERVICE, token)

    def read_message_id(self, left_side: str) -> int:
        """Return the service mail's id of a Message-ID's left side.

        Raises:
            BadToken: when it is not one of ours.
        """
        return self._read(Purpose.SERVICE_MESSAGE_ID, left_side)


def _ciphers(keys: ServiceKeys) -> Mapping[tuple[str, Purpose], AESSIV]:
    return {
        (key_id, purpose): AESSIV(
            derive(root, f"mailer/token/{purpose.value}/v1/a")
            + derive(root, f"mailer/token/{purpose.value}/v1/b")
        )
        for key_id, root in keys.token_roots.items()
        for purpose in Purpose
    }


def _from_base64url(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise BadToken from error
    # Two spellings of one token would be two tokens: only the canonical one is ours.
    if base64.urlsafe_b64encode(decoded).decode() != text:
        raise BadToken
    return decoded


def _to_base32(sealed: bytes) -> str:
    """Return 24 bytes as 39 characters of lower-case base32; the library's takes ten times as long."""
    number = int.from_bytes(sealed, "big") << 8
    return "".join([_PAIRS[number >> shift & 0x3FF] for shift in _SHIFTS])[:-1]


_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]
_SHIFTS = range(190, -1, -10)


def _split_base32(token: str) -> tuple[str, bytes]:
    if len(token) != RETURN_PATH_TOKEN_CHARACTERS or not token.isascii():
        raise BadToken
    body = token[1:].upper()
    try:
        decoded = base64.b32decode(body + "=" * (-len(body) % 8))
    except binascii.Error as error:
        raise BadToken from error
    if base64.b32encode(decoded).decode().rstrip("=") != body:
        raise BadToken
    return token[0].lower(), decoded
