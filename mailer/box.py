"""Encrypt a stream so that the machine that writes it cannot read it, and read it with its key.

In: bytes of any length and `backup.pub`. Out: a file that only `backup.key` opens. Each box has an
ephemeral X25519 key pair (RFC 7748); the shared secret goes through HKDF-SHA-256 (RFC 5869) into an
AES-256-GCM key for chunks, each with its number and whether it is the last in its nonce: a chunk
changed, moved, left out or cut off does not open. Memory holds one chunk.
"""

from __future__ import annotations

import base64
import stat
import struct
from io import BytesIO
from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailer.durable import write_private
from mailer.keys import KEY_BYTES, KeyFileError, derive

#: What every box begins with, its version in the last byte.
MAGIC = b"mailer-box\x01"
CHUNK_BYTES = 256 * 1024
_TAG_BYTES = 16
#: The chunk's number and whether it is the last, filling AES-GCM's 12 bytes.
_NONCE = struct.Struct(">xxxQB")
#: Tells whose key opens a box, before anything is decrypted.
_KEY_ID_BYTES = 8
_HEADER_BYTES = len(MAGIC) + _KEY_ID_BYTES + KEY_BYTES

_PRIVATE_HEADER = """\
# Opens the backups of this workspace; nothing on the machine needs it until a backup is restored.
# Move it away from this machine, to two places: without it no backup can ever be opened.
"""


class BoxError(Exception):
    """A box cannot be opened: not one of ours, another key, damaged or cut off."""

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        self.name = name
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{name}: {problem}. {remedy}.")


def create_backup_keys(private: Path, public: Path) -> None:
    """Write a new pair: `private` opens boxes, `public` closes them.

    Raises:
        FileExistsError: when one of them is there; nothing is written then.
    """
    for path in (private, public):
        if path.exists():
            raise FileExistsError(path)
    key = X25519PrivateKey.generate()
    secret = base64.b64encode(key.private_bytes_raw()).decode()
    shown = base64.b64encode(_raw(key.public_key())).decode()
    write_private(private, f"{_PRIVATE_HEADER}{secret}\n".encode())
    write_private(public, f"# Closes backups; it cannot open them.\n{shown}\n".encode())


def _raw(key: X25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _read(path: Path, missing: str) -> bytes:
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise KeyFileError(path, "is missing", missing) from error
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(path, "cannot be read", "Check the file and its owner") from error
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    try:
        key = base64.b64decode("".join(lines), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyFileError(
            path, "holds no key of a backup", "Name another file, or put it back from your copy"
        )
    return key


def load_public_key(path: Path) -> X25519PublicKey:
    """Read `backup.pub`.

    Raises:
        KeyFileError: when it is missing or damaged.
    """
    return X25519PublicKey.from_public_bytes(_read(path, "Make it with: mailer keys make backup"))


def load_private_key(path: Path) -> X25519PrivateKey:
    """Read `backup.key`.

    Raises:
        KeyFileError: when it is missing, damaged or open to others.
    """
    key = _read(path, "Name the file that you keep away from this machine with --key")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise KeyFileError(path, "is open to other users", f"Run: chmod 600 {path.name}")
    return X25519PrivateKey.from_private_bytes(key)


def _key_id(public: bytes) -> bytes:
    return derive(public, "mailer/backup/key-id/v1")[:_KEY_ID_BYTES]


def _cipher(shared: bytes, ephemeral: bytes, recipient: bytes) -> AESGCM:
    # Both public keys are bound in, so that no other pair gives the same key.
    hkdf = HKDF(
        algorithm=hashes.SHA256(),
        length=KEY_BYTES,
        salt=ephemeral + recipient,
        info=b"mailer/backup/v1",
    )
    return AESGCM(hkdf.derive(shared))


class BoxWriter:
    """Writes a box; nothing of it counts before `close`."""

    def __init__(self, file: IO[bytes], recipient: X25519PublicKey) -> None:
        ephemeral = X25519PrivateKey.generate()
        public, to = _raw(ephemeral.public_key()), _raw(recipient)
        self._file = file
        self._header = MAGIC + _key_id(to) + public
        self._cipher = _cipher(ephemeral.exchange(recipient), public, to)
        self._number = 0
        self._waiting = bytearray()
        file.write(self._header)

    def write(self, content: bytes) -> int:
        """Take bytes; full chunks go to the file, the rest waits."""
        self._waiting += content
        # The last chunk is told by its nonce: a full one waits until it is known not to be it.
        while len(self._waiting) > CHUNK_BYTES:
            self._chunk(bytes(self._waiting[:CHUNK_BYTES]), last=False)
            del self._waiting[:CHUNK_BYTES]
        return len(content)

    def close(self) -> None:
        """Write the last chunk."""
        self._chunk(bytes(self._waiting), last=True)

    def _chunk(self, content: bytes, *, last: bool) -> None:
        nonce = _NONCE.pack(self._number, last)
        self._file.write(self._cipher.encrypt(nonce, content, self._header))
        self._number += 1


class BoxReader:
    """Reads a box from its beginning; what it returns has been authenticated."""

    def __init__(self, file: IO[bytes], key: X25519PrivateKey, name: str) -> None:
        """Read the header.

        Raises:
            BoxError: when it is not a box of this version, or another key's.
        """
        self._file = file
        self._name = name
        header = file.read(_HEADER_BYTES)
        if header[: len(MAGIC) - 1] != MAGIC[:-1] or len(header) < _HEADER_BYTES:
            raise BoxError(name, "is not a backup of this program", "Name another file")
        if header[: len(MAGIC)] != MAGIC:
            raise BoxError(name, "was written by a newer program", "Install the newer program")
        to = _raw(key.public_key())
        if header[len(MAGIC) : len(MAGIC) + _KEY_ID_BYTES] != _key_id(to):
            raise BoxError(
                name,
                "was written for another backup.key",
                "Name the backup.key that was made with this workspace's backup.pub",
            )
        ephemeral = header[-KEY_BYTES:]
        shared = key.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        self._header = header
        self._cipher = _cipher(shared, ephemeral, to)
        self._number = 0
        self._ahead = file.read(CHUNK_BYTES + _TAG_BYTES)
        self._opened = b""
        self._ended = False

    def read(self, count: int = -1) -> bytes:
        """Return up to `count` bytes, all that are left when negative; b"" at the end.

        Raises:
            BoxError: when the box is damaged or cut off.
        """
        parts: list[bytes] = []
        wanted = count
        while wanted:
            if not self._opened and not self._next():
                break
            part = self._opened if wanted < 0 else self._opened[:wanted]
            self._opened = self._opened[len(part) :]
            wanted -= len(part) if wanted > 0 else 0
            parts.append(part)
        return b"".join(parts)

    def _next(self) -> bool:
        if self._ended:
            return False
        chunk, self._ahead = self._ahead, self._file.read(CHUNK_BYTES + _TAG_BYTES)
        self._ended = not self._ahead
        nonce = _NONCE.pack(self._number, self._ended)
        try:
            self._opened = self._cipher.decrypt(nonce, chunk, self._header)
        except (InvalidTag, ValueError) as error:
            raise BoxError(
                self._name, "is damaged or was cut off", "Take another backup; nothing was changed"
            ) from error
        self._number += 1
        return bool(self._opened)


#: Where in a box the id stands of the key that opens it, counted from 1 as SQL does.
KEY_ID_AT = len(MAGIC) + 1
KEY_ID_BYTES = _KEY_ID_BYTES


class SmallBoxes:
    """Closes and opens boxes in memory with one key pair, whose private half may be elsewhere."""

    def __init__(self, public: X25519PublicKey, private: X25519PrivateKey | None = None) -> None:
        self._public = public
        self._private = private

    @classmethod
    def of_secret(cls, secret: bytes) -> SmallBoxes:
        """Return what opens and closes boxes with a private key of 32 bytes."""
        private = X25519PrivateKey.from_private_bytes(secret)
        return cls(private.public_key(), private)

    @classmethod
    def of_public(cls, text: str) -> SmallBoxes:
        """Return what closes boxes with a key as `public` gives it.

        Raises:
            ValueError: when it is none.
        """
        return cls(X25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True)))

    @property
    def public(self) -> str:
        """Return the public key as text."""
        return base64.b64encode(_raw(self._public)).decode()

    @property
    def key_id(self) -> bytes:
        """Return what the boxes of this key say of it."""
        return _key_id(_raw(self._public))

    def close(self, content: bytes) -> bytes:
        """Return octets in a box."""
        file = BytesIO()
        box = BoxWriter(file, self._public)
        box.write(content)
        box.close()
        return file.getvalue()

    def open(self, box: bytes, name: str) -> bytes:
        """Return what is in a box; `name` says in errors which one it is.

        Raises:
            BoxError: when it is another key's, or damaged.
        """
        if self._private is None:
            raise BoxError(name, "cannot be opened here", "It takes seal.key")
        return BoxReader(BytesIO(box), self._private, name).read()
