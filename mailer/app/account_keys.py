"""What accounts keep of tokens, codes and secrets: keyed digests and boxes, by `service.key`.

In: the service keys. Out: tokens, codes, their digests, sealed secrets of second factors. Each kind
of digest has a key of its own, drawn by HKDF (RFC 5869), so that none passes for another. These keys
come from the part of the file that never changes: no rotation signs anybody out or locks them out.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from hashlib import sha256

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailer.keys import DIGEST_BYTES, SealKeys, ServiceKeys, derive

#: 256 bits of a token; nobody guesses one.
_TOKEN_BYTES = 32
#: RFC 4226 §4: the shared secret is of 160 bits.
_SECRET_BYTES = 20
#: 80 bits of a recovery code, 16 letters and digits.
_CODE_BYTES = 10
_CODE_GROUP = 4
RECOVERY_CODES = 10
_ONLY_KEY = 1


def new_token() -> str:
    """Return a new token for a cookie or a link: 43 characters of base64url."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def new_secret() -> str:
    """Return a new secret of a second factor: 32 characters of base32."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")


def new_recovery_codes() -> tuple[str, ...]:
    """Return ten new recovery codes, in groups of four: "abcd-efgh-ijkl-mnop"."""
    return tuple(_new_recovery_code() for _ in range(RECOVERY_CODES))


def _new_recovery_code() -> str:
    letters = base64.b32encode(secrets.token_bytes(_CODE_BYTES)).decode("ascii").lower()
    return "-".join(letters[at : at + _CODE_GROUP] for at in range(0, len(letters), _CODE_GROUP))


class AccountKeys:
    """Makes digests and boxes for accounts."""

    def __init__(self, keys: ServiceKeys) -> None:
        root = keys.accounts
        self._session = derive(root, "session")
        self._form = derive(root, "form")
        self._invitation = derive(root, "invitation")
        self._code = derive(root, "recovery-code")
        self._login = derive(root, "login")
        self._api_token = derive(root, "api-token")
        self._api_request = derive(root, "api-request")
        # Whoever has the database and the keys cannot tell from which networks anybody came.
        self._network = secrets.token_bytes(32)
        self._boxes = SealKeys({_ONLY_KEY: AESGCM(derive(root, "totp"))}, _ONLY_KEY, "")

    def session_digest(self, token: str) -> bytes:
        """Return what is on record of a session's token."""
        return _digest(self._session, token)

    def form_token(self, token: str) -> str:
        """Return what the forms of a session carry; only its browser can have it."""
        return base64.urlsafe_b64encode(_digest(self._form, token)).decode("ascii").rstrip("=")

    def invitation_digest(self, token: str) -> bytes:
        """Return what is on record of the token in a link."""
        return _digest(self._invitation, token)

    def code_digest(self, user_id: int, code: str) -> bytes:
        """Return what is on record of a recovery code, however it was typed."""
        letters = "".join(one for one in code.lower() if one.isalnum())
        return _digest(self._code, f"{user_id}|{letters}")

    def api_token_digest(self, token: str) -> bytes:
        """Return what is on record of a token of the API."""
        return _digest(self._api_token, token)

    def api_request_digest(self, *parts: bytes) -> bytes:
        """Return by what a request to the API is known again; nobody can tell what it said."""
        # Each with its length: no two requests are the same characters in a row.
        joined = b"".join(len(one).to_bytes(8, "big") + one for one in parts)
        return hmac.digest(self._api_request, joined, sha256)

    def login_digest(self, login: str) -> bytes:
        """Return by what tries of a login are counted."""
        return _digest(self._login, login)[:DIGEST_BYTES]

    def network_digest(self, network: str) -> bytes:
        """Return by what tries from a network are counted, until this process ends."""
        return _digest(self._network, network)[:DIGEST_BYTES]

    def seal_secret(self, secret: str, table: str, row_id: int) -> bytes:
        """Return the secret of a second factor in a box, bound to its row."""
        return self._boxes.seal(secret, table, "totp_box", row_id)

    def open_secret(self, box: bytes, table: str, row_id: int) -> str:
        """Return what `seal_secret` was given.

        Raises:
            WrongSealKey: when it was sealed for another row, or is damaged.
        """
        return self._boxes.unseal(box, table, "totp_box", row_id)


def _digest(key: bytes, text: str) -> bytes:
    # What comes from a browser may hold halves of characters, which no text of ours does.
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), sha256)
