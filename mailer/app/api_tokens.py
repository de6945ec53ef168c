"""Tokens of the API: make them, take them back, and tell whose a token is that comes with a request.

In: a workspace; in whose name. Out: tokens, each shown once. On record is a digest, keyed by
`service.key`: whoever has the database alone can use none of them. Standards: RFC 6750.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

from mailer.app.account_keys import AccountKeys, new_token
from mailer.app.workspace import Workspace
from mailer.model.api_token import USED_EVERY, ApiToken, Purpose, check_token
from mailer.model.audit import AuditAction
from mailer.model.staff import Actor
from mailer.store import api_tokens as rows
from mailer.store.audit import write_audit

#: What every token begins with, so that whoever finds one in a file knows what it is.
PREFIX = "mailer_"


@dataclass(frozen=True, repr=False)
class MadeToken:
    """A token that was just made; its `repr` shows nothing of it."""

    #: Shown once, and kept nowhere.
    secret: str
    token: ApiToken


class ApiTokens:
    """The tokens of a workspace; threads may share it."""

    def __init__(self, workspace: Workspace, keys: AccountKeys | None = None) -> None:
        """Begin with the digests of a workspace.

        Raises:
            KeyFileError: when `service.key` cannot be used.
            WrongKeys: when it belongs to another database.
        """
        self._store = workspace.store
        self._clock = workspace.clock
        self._keys = keys or AccountKeys(workspace.service_keys)

    def make(
        self, actor: Actor, name: str, purposes: frozenset[Purpose], expires_at: datetime
    ) -> MadeToken:
        """Make a token.

        Raises:
            MalformedToken: when it may not be made so.
            TokenNameTaken: when one of that name is or was there.
        """
        now = self._clock.now()
        check_token(name, purposes, now, expires_at)
        secret = PREFIX + new_token()
        new = rows.NewToken(
            name=name,
            purposes=purposes,
            digest=self._keys.api_token_digest(secret),
            made_by=str(actor),
            made_at=now,
            expires_at=expires_at,
        )
        with self._store.write() as connection:
            made = rows.add_token(connection, new)
            write_audit(
                connection, actor, AuditAction.TOKEN_MADE, name, now,
                purposes=sorted(one.value for one in purposes), expires_at=expires_at.isoformat(),
            )  # fmt: skip
        return MadeToken(secret, made)

    def list(self) -> list[ApiToken]:
        """Return all tokens by name, those that are over included."""
        with self._store.read() as connection:
            return rows.list_tokens(connection)

    def revoke(self, actor: Actor, name: str) -> bool:
        """Let a token open nothing any more; return whether it opened anything before.

        Raises:
            TokenNotFound: when there is none.
        """
        now = self._clock.now()
        with self._store.write() as connection:
            was_good = rows.revoke_token(connection, name, now)
            if was_good:
                write_audit(connection, actor, AuditAction.TOKEN_ENDED, name, now)
        return was_good

    def whose(self, secret: str) -> ApiToken | None:
        """Return the token that a request came with; None when it opens nothing."""
        digest = self._keys.api_token_digest(secret)
        now = self._clock.now()
        with self._store.read() as connection:
            found = rows.token_of(connection, digest)
        # Found by its digest, which is compared again so that it does not matter how it was found.
        if found is None or not hmac.compare_digest(found[1], digest):
            return None
        token = found[0]
        if not token.is_good_at(now):
            return None
        if token.last_used_at is None or now - token.last_used_at >= USED_EVERY:
            with self._store.write() as connection:
                rows.note_used(connection, token.token_id, now)
        return token
