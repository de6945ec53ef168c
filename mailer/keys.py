"""The two key files of a workspace, and a key per purpose drawn from them.

In: `seal.key` and `service.key` (TOML, mode 0600). Out: `SealKeys` for addresses and names,
`ServiceKeys` for digests and tokens. Keys are derived by HKDF-SHA-256 (RFC 5869), one per purpose,
so that no key is used for two things. Neither file is ever in the database.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mailer.durable import write_private

KEY_BYTES = 32
NONCE_BYTES = 12
#: Of the 32 bytes of HMAC-SHA-256, what the blind index keeps.
DIGEST_BYTES = 16

SEAL_HEADER = """\
# Seals supporters' addresses and names. Whoever has this file and the database can read them;
# without it nobody can, the organisation included. Keep a copy away from this machine.
"""
SERVICE_HEADER = """\
# Makes address digests and the tokens in links. Losing it breaks every unsubscribe link that was
# ever sent and every match with the suppression list. Keep a copy away from this machine.
"""


class KeyFileError(Exception):
    """A key file is missing, unreadable, open to others, damaged or the wrong one."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        self.path = path
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{path.name}: {problem}. {remedy}.")


class WrongSealKey(Exception):
    """A sealed value does not open: another key, another row, or damaged bytes."""

    def __init__(self, table: str, column: str, row_id: int) -> None:
        self.table = table
        self.column = column
        self.row_id = row_id
        super().__init__(
            f"{table}.{column} of row {row_id} does not open with this seal.key. "
            "Put back the seal.key that was in use when the data was written."
        )


def derive(root: bytes, purpose: str) -> bytes:
    """Return the 32-byte key for `purpose`, drawn from `root` by HKDF-SHA-256."""
    hkdf = HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode())
    return hkdf.derive(root)


@dataclass(frozen=True, repr=False)
class SealKeys:
    """Seals and opens values, each bound to its table, column and row."""

    #: Key id (one byte) → cipher; all may open, one seals. It grows with the file.
    ciphers: dict[int, AESGCM]
    current: int
    #: Tells whether a database was sealed with these keys, without opening anything.
    fingerprint: str
    #: Of every key in the file, by its id: a database is tied to one of them.
    fingerprint_of: Mapping[int, str] = field(default_factory=dict)
    #: The file, looked at again when a key is missing: another process may have added one.
    path: Path | None = None
    #: Of every key, what opens the boxes that processes without this file close.
    box_secret_of: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def fingerprints(self) -> frozenset[str]:
        """Return the fingerprints of all keys."""
        return frozenset(self.fingerprint_of.values())

    def reread(self) -> SealKeys:
        """Return the keys as their file has them now; these, when it is gone or another's."""
        if self.path is None:
            return self
        try:
            fresh = load_seal_keys(self.path)
        except KeyFileError:
            return self
        return fresh if fresh.fingerprints & self.fingerprints else self

    def seal(self, value: str, table: str, column: str, row_id: int) -> bytes:
        """Return key id, nonce and AES-256-GCM cipher text of `value`."""
        nonce = os.urandom(NONCE_BYTES)
        bound = f"{table}|{column}|{row_id}".encode()
        sealed = self.ciphers[self.current].encrypt(nonce, value.encode(), bound)
        return bytes([self.current]) + nonce + sealed

    def unseal(self, sealed: bytes, table: str, column: str, row_id: int) -> str:
        """Return what `seal` was given.

        Raises:
            WrongSealKey: when the key, the row or the bytes are not the ones it was sealed with.
        """
        cipher = self.ciphers.get(sealed[0]) if sealed else None
        if cipher is None and sealed:
            # Sealed with a key that was added after we began: it is in the file now.
            fresh = self.reread()
            self.ciphers.update(fresh.ciphers)
            cipher = self.ciphers.get(sealed[0])
        if cipher is None:
            raise WrongSealKey(table, column, row_id)
        nonce, body = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            opened = cipher.decrypt(nonce, body, f"{table}|{column}|{row_id}".encode())
        except (InvalidTag, ValueError) as error:
            raise WrongSealKey(table, column, row_id) from error
        return opened.decode()


@dataclass(frozen=True, repr=False)
class ServiceKeys:
    """Keys of the digests and tokens."""

    #: Drawn once and fixed for ever: every digest on record depends on it.
    address_index: bytes
    domain_index: bytes
    #: Key id (one character of base32) → root for tokens; all are read, one writes.
    token_roots: Mapping[str, bytes]
    current_token: str
    #: Tells whether a database belongs to these keys.
    fingerprint: str
    #: What accounts of staff draw their keys from, see `mailer.app.account_keys`; fixed for ever.
    accounts: bytes
    #: The file, looked at again when a token names a key that is not here.
    path: Path | None = None

    def address_digest(self, normal_form: str) -> bytes:
        """Return the 16-byte blind index of an address in its normal form."""
        return hmac.digest(self.address_index, normal_form.encode(), sha256)[:DIGEST_BYTES]

    def domain_digest(self, ascii_domain: str) -> bytes:
        """Return the 16-byte keyed digest of a lower-case A-label domain."""
        return hmac.digest(self.domain_index, ascii_domain.encode(), sha256)[:DIGEST_BYTES]


def _fresh() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def create_seal_key(path: Path) -> None:
    """Write a new `seal.key`, readable by its owner only.

    Raises:
        FileExistsError: when there is one; it is never overwritten.
    """
    write_private(path, f'{SEAL_HEADER}current = 1\n\n[keys]\n1 = "{_fresh()}"\n'.encode())


def create_service_key(path: Path) -> None:
    """Write a new `service.key`, readable by its owner only.

    Raises:
        FileExistsError: when there is one; it is never overwritten.
    """
    text = f'index = "{_fresh()}"\ncurrent_token = "a"\n\n[tokens]\na = "{_fresh()}"\n'
    write_private(path, (SERVICE_HEADER + text).encode())


def read_key_file(path: Path) -> dict[str, object]:
    """Return a key file's tables as they stand.

    Raises:
        KeyFileError: when it is missing, unreadable, open to others or no TOML.
    """
    restore = "Put it back from your copy; `mailer init` makes one for a new workspace only"
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise KeyFileError(path, "is missing", restore) from error
    except OSError as error:
        raise KeyFileError(path, "cannot be read", f"Check its owner; {restore}") from error
    except UnicodeDecodeError as error:
        raise KeyFileError(path, "is damaged", restore) from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyFileError(path, "is open to other users", f"Run: chmod 600 {path.name}")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise KeyFileError(path, "is damaged", restore) from error


def _key(path: Path, value: object) -> bytes:
    try:
        if isinstance(value, str):
            key = base64.b64decode(value, validate=True)
            if len(key) == KEY_BYTES:
                return key
    except ValueError:
        pass
    raise KeyFileError(path, "is damaged: a key is not 32 bytes", "Put it back from your copy")


def _table(path: Path, value: object) -> dict[str, object]:
    if not isinstance(value, dict) or not value:
        raise KeyFileError(path, "is damaged: it holds no keys", "Put it back from your copy")
    return value


def _fingerprint(key: bytes) -> str:
    return derive(key, "mailer/fingerprint/v1").hex()[:16]


def load_seal_keys(path: Path) -> SealKeys:
    """Read `seal.key`.

    Raises:
        KeyFileError: when it is missing, unreadable, open to others or damaged.
    """
    data = read_key_file(path)
    keys = _table(path, data.get("keys"))
    roots: dict[int, bytes] = {}
    for name, value in keys.items():
        if not name.isdigit() or not 1 <= int(name) <= 255:
            raise KeyFileError(path, "is damaged: a key id is not 1..255", "Put it back")
        roots[int(name)] = _key(path, value)
    current = data.get("current")
    if not isinstance(current, int) or current not in roots:
        raise KeyFileError(path, "is damaged: current names no key", "Put it back from your copy")
    ciphers = {number: AESGCM(derive(root, "mailer/seal/v1")) for number, root in roots.items()}
    return SealKeys(
        ciphers,
        current,
        _fingerprint(roots[min(roots)]),
        {number: _fingerprint(root) for number, root in roots.items()},
        path,
        {number: derive(root, "mailer/feedback-box/v1") for number, root in roots.items()},
    )


def load_service_keys(path: Path) -> ServiceKeys:
    """Read `service.key`.

    Raises:
        KeyFileError: when it is missing, unreadable, open to others or damaged.
    """
    data = read_key_file(path)
    index = _key(path, data.get("index"))
    tokens = _table(path, data.get("tokens"))
    roots = {name: _key(path, value) for name, value in tokens.items()}
    current = data.get("current_token")
    if (
        not isinstance(current, str)
        or current not in roots
        or any(len(name) != 1 for name in roots)
    ):
        raise KeyFileError(path, "is damaged: current_token names no key", "Put it back")
    return ServiceKeys(
        address_index=derive(index, "mailer/digest/address/v1"),
        domain_index=derive(index, "mailer/digest/domain/v1"),
        token_roots=roots,
        current_token=current,
        fingerprint=_fingerprint(index),
        accounts=derive(index, "mailer/accounts/v1"),
        path=path,
    )
