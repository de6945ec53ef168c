"""Tokens in links and return paths: they say nothing and cannot be guessed.

In: ids of deliveries and supporters. Out: short ASCII tokens, and the ids again. A token is a key
id followed by AES-SIV (RFC 5297) over the ids with the purpose as associated data, so that one
made for a purpose never passes for another. There is no table of tokens: they survive restore and
retention.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.cmac import CMAC

from mailer.keys import KeyFileError, ServiceKeys, derive, load_service_keys

_TAG_BYTES = 16
_FEEDBACK_BYTES = 8
_PERSON_ID_BYTES = 6
_PERSON_BYTES = 2 * _PERSON_ID_BYTES
#: 1 + base64url of 24 bytes.
FEEDBACK_TOKEN_CHARACTERS = 33
#: 1 + base64url of 28 bytes, without padding.
UNSUBSCRIBE_TOKEN_CHARACTERS = 39
#: 1 + base32 of 24 bytes, without padding.
RETURN_PATH_TOKEN_CHARACTERS = 40
#: 1 + base32 of 28 bytes, without padding.
UNSUBSCRIBE_IN_MAIL_CHARACTERS = 46


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
    #: Shows, erases or moves what is held of one supporter, within the hour.
    FRESH_LINK = "fresh-link"
    #: Moves a supporter to a new address, from there.
    ADDRESS_CHANGE = "address-change"
    #: Confirms a wish to be on lists.
    SIGN_UP = "sign-up"
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
        root = keys.token_roots[self._current]
        self._sealers = {one: _Sealer(_siv_key(root, one), _BOUND[one]) for one in Purpose}

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
        return self.envelope(delivery_id)[0]

    def envelope(self, delivery_id: int) -> tuple[str, str]:
        """Return what `feedback` and `return_path` do: both are one seal, written in two ways."""
        return self._envelope(Purpose.FEEDBACK, delivery_id)

    def _envelope(self, purpose: Purpose, row_id: int) -> tuple[str, str]:
        sealed = self._sealers[purpose].seal(row_id, _FEEDBACK_BYTES)
        written = _to_base64url(sealed, _TAG_BYTES + _FEEDBACK_BYTES)
        return self._current + written, self._current + _to_base32(sealed)

    def return_path(self, delivery_id: int) -> str:
        """Return the 40-character lower-case base32 token of a delivery, for mail addresses.

        Mail systems may change the case of a local part; this alphabet does not mind.
        """
        return self.envelope(delivery_id)[1]

    def message_id(self, delivery_id: int) -> str:
        """Return the left side of a delivery's Message-ID: the same at every attempt."""
        return self._base32(Purpose.MESSAGE_ID, delivery_id)

    def _base32(self, purpose: Purpose, row_id: int) -> str:
        return self._current + _to_base32(self._sealers[purpose].seal(row_id, _FEEDBACK_BYTES))

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

    def link(self, purpose: Purpose, row_id: int) -> str:
        """Return the 39-character base64url token of one row for `purpose`, for a link.

        It ends as a person's does, in a letter: mail programs take a hyphen at the end of an address
        for one of the sentence.
        """
        return self._person_in_base64url(self._seal_person(purpose, row_id, NOBODY))

    def read_link(self, purpose: Purpose, token: str) -> int:
        """Return the row's id of a token made by `link` for the same purpose.

        Raises:
            BadToken: for anything else.
        """
        if len(token) == FEEDBACK_TOKEN_CHARACTERS:
            # So they were made before, and mails that are on their way hold some.
            return self._read(purpose, token)
        return self.read_person(purpose, token).delivery_id

    def person(self, purpose: Purpose, delivery_id: int, supporter_id: int) -> str:
        """Return the 39-character token of a delivery and supporter for `purpose`."""
        return self._person_in_base64url(self._seal_person(purpose, delivery_id, supporter_id))

    def unsubscribe_in_mail(self, delivery_id: int, supporter_id: int) -> str:
        """Return the 46-character lower-case base32 form of an unsubscribe token.

        It stands in a mail address, whose case mail systems may change.
        """
        return self.unsubscribe(delivery_id, supporter_id)[1]

    def unsubscribe(self, delivery_id: int, supporter_id: int) -> tuple[str, str]:
        """Return what `person` and `unsubscribe_in_mail` do: one seal, written in two ways."""
        sealed = self._seal_person(Purpose.UNSUBSCRIBE, delivery_id, supporter_id)
        in_mail = _to_base32_of_person(sealed)
        return self._person_in_base64url(sealed), self._current + in_mail

    def _person_in_base64url(self, sealed: int) -> str:
        return self._current + _to_base64url(sealed, _TAG_BYTES + _PERSON_BYTES)

    def _seal_person(self, purpose: Purpose, delivery_id: int, supporter_id: int) -> int:
        if not 0 <= supporter_id < 1 << 8 * _PERSON_ID_BYTES:
            raise OverflowError("the id of a supporter does not fit")
        plain = delivery_id << 8 * _PERSON_ID_BYTES | supporter_id
        return self._sealers[purpose].seal(plain, _PERSON_BYTES)

    def read_person(self, purpose: Purpose, token: str) -> PersonToken:
        """Return what a token made by `person` for the same purpose holds.

        Raises:
            BadToken: for anything else.
        """
        if len(token) != UNSUBSCRIBE_TOKEN_CHARACTERS:
            raise BadToken
        return self._open_person(token[0], purpose, _from_base64url(token[1:] + "=="))

    def read_unsubscribe_in_mail(self, token: str) -> PersonToken:
        """Return what a token made by `unsubscribe_in_mail` holds, in small or capital letters.

        Raises:
            BadToken: for anything else.
        """
        key_id, sealed = _split_base32(token, UNSUBSCRIBE_IN_MAIL_CHARACTERS)
        return self._open_person(key_id, Purpose.UNSUBSCRIBE, sealed)

    def _open_person(self, key_id: str, purpose: Purpose, sealed: bytes) -> PersonToken:
        plain = self._open(key_id, purpose, sealed, _PERSON_BYTES)
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

    def envelope(self, delivery_id: int) -> tuple[str, str]:
        """Return the tokens of a service mail for ENVID and for its return path."""
        return self._envelope(Purpose.SERVICE, delivery_id)

    def message_id(self, delivery_id: int) -> str:
        """Return the left side of a service mail's Message-ID."""
        return self._base32(Purpose.SERVICE_MESSAGE_ID, delivery_id)

    def person(self, purpose: Purpose, delivery_id: int, supporter_id: int) -> str:
        """Return a token like those of supporters that names no delivery and no supporter."""
        del delivery_id, supporter_id
        return super().person(purpose, NOBODY, NOBODY)

    def unsubscribe(self, delivery_id: int, supporter_id: int) -> tuple[str, str]:
        """Return unsubscribe tokens that name no delivery and no supporter."""
        del delivery_id, supporter_id
        return super().unsubscribe(NOBODY, NOBODY)

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
        (key_id, purpose): AESSIV(_siv_key(root, purpose))
        for key_id, root in keys.token_roots.items()
        for purpose in Purpose
    }


def _siv_key(root: bytes, purpose: Purpose) -> bytes:
    return derive(root, f"mailer/token/{purpose.value}/v1/a") + derive(
        root, f"mailer/token/{purpose.value}/v1/b"
    )


class _Sealer:
    """AES-SIV (RFC 5297) of plain text shorter than a block, with one associated datum.

    What it makes is octet for octet what the library's AESSIV makes, which looks its cipher up anew
    for each message: a mail needs three, and they took an eighth of its time. Whatever comes from
    outside is opened by the library.
    """

    def __init__(self, key: bytes, bound: bytes) -> None:
        """Prepare what is the same for all.

        Args:
            key: for the synthetic IV and for the counter mode, half of it each.
            bound: the associated datum.
        """
        half = len(key) // 2
        authentic, counted = AES(key[:half]), AES(key[half:])
        # RFC 5297 §2.4, S2V: all of it before the plain text is the same for each message.
        so_far = _doubled(_doubled(_cmac(authentic, bytes(_BLOCK))) ^ _cmac(authentic, bound))
        # RFC 4493 §2.4: the one block that is left is a whole one, for which the first subkey is.
        self._authenticate = Cipher(authentic, ECB()).encryptor().update  # noqa: S305  (Single blocks.)
        self._count = Cipher(counted, ECB()).encryptor().update  # noqa: S305
        subkey = _doubled(int.from_bytes(self._authenticate(bytes(_BLOCK)), "big"))
        self._before = so_far ^ subkey
        # What enciphers is one object, which threads may not use at the same time.
        self._lock = threading.Lock()

    def seal(self, plain: int, plain_bytes: int) -> int:
        """Return a number sealed: the synthetic IV of 16 bytes, and the sealed bytes behind it.

        Args:
            plain: what is sealed, without sign.
            plain_bytes: how many bytes that is, fewer than a block.

        Raises:
            OverflowError: when it has more.
        """
        if plain >> 8 * plain_bytes:
            raise OverflowError("what is sealed does not fit")
        # RFC 5297 §2.4: xor of what is there with the text, one 1 bit, and zeros.
        block = self._before ^ ((plain << 8) | 0x80) << 8 * (_BLOCK - 1 - plain_bytes)
        with self._lock:
            iv = int.from_bytes(self._authenticate(block.to_bytes(_BLOCK, "big")), "big")
            # RFC 5297 §2.5: two bits of the IV are cleared for the counter.
            stream = self._count((iv & _COUNTER_MASK).to_bytes(_BLOCK, "big"))
        key_stream = int.from_bytes(stream, "big") >> 8 * (_BLOCK - plain_bytes)
        return iv << 8 * plain_bytes | (plain ^ key_stream)


_BLOCK = 16
_COUNTER_MASK = (1 << 128) - 1 ^ (1 << 63) ^ (1 << 31)


def _doubled(block: int) -> int:
    """Double in the field of 128 bits (RFC 5297 §2.3)."""
    doubled = block << 1
    return doubled ^ (1 << 128 | 0x87) if doubled >> 128 else doubled


def _cmac(cipher: AES, message: bytes) -> int:
    mac = CMAC(cipher)
    mac.update(message)
    return int.from_bytes(mac.finalize(), "big")


def _from_base64url(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise BadToken from error
    # Two spellings of one token would be two tokens: only the canonical one is ours.
    if base64.urlsafe_b64encode(decoded).decode() != text:
        raise BadToken
    return decoded


def _to_base64url(sealed: int, octets: int) -> str:
    return base64.urlsafe_b64encode(sealed.to_bytes(octets, "big")).decode("ascii").rstrip("=")


def _to_base32(sealed: int) -> str:
    """Return 24 bytes as 39 characters of lower-case base32; the library's takes ten times as long."""
    return _forty_digits(sealed << 8)[:39]


def _to_base32_of_person(sealed: int) -> str:
    """Return 28 bytes as 45 characters of lower-case base32."""
    rest = sealed << 1 & (1 << 25) - 1
    last = bytes((rest >> 20, rest >> 15 & 31, rest >> 10 & 31, rest >> 5 & 31, rest & 31))
    return _forty_digits(sealed >> 24) + last.translate(_DIGITS).decode("ascii")


def _forty_digits(spread: int) -> str:
    """Return 25 bytes as 40 characters of lower-case base32."""
    # 40 groups of five bits are moved to a byte each, half of them at a time.
    for low, high, shift in _HALVES:
        spread = spread & low | (spread & high) << shift
    fifth, fourth, third, second, first = _GROUPS
    spread = (
        spread & fifth
        | (spread & fourth) << 3
        | (spread & third) << 6
        | (spread & second) << 9
        | (spread & first) << 12
    )
    return spread.to_bytes(40, "big").translate(_DIGITS).decode("ascii")


_DIGITS = b"abcdefghijklmnopqrstuvwxyz234567" + bytes(224)


def _repeated(bits: int, times: int, apart: int) -> int:
    return sum(((1 << bits) - 1) << apart * one for one in range(times))


#: For halves of 100, 50 and 25 bits: the lower ones, the upper ones, and how far those move.
_HALVES = tuple(
    (
        _repeated(bits, times, bits * 16 // 5),
        _repeated(bits, times, bits * 16 // 5) << bits,
        bits * 3 // 5,
    )
    for bits, times in ((100, 1), (50, 2), (25, 4))
)
#: The groups in each 25 bits, from the lowest on.
_GROUPS = tuple(_repeated(5, 8, 40) << 5 * one for one in range(5))


def _split_base32(token: str, characters: int = RETURN_PATH_TOKEN_CHARACTERS) -> tuple[str, bytes]:
    if len(token) != characters or not token.isascii():
        raise BadToken
    body = token[1:].upper()
    try:
        decoded = base64.b32decode(body + "=" * (-len(body) % 8))
    except binascii.Error as error:
        raise BadToken from error
    if base64.b32encode(decoded).decode().rstrip("=") != body:
        raise BadToken
    return token[0].lower(), decoded
