"""Tokens of the API as they are on record.

In: names, purposes, keyed digests. Out: `ApiToken`s. What a digest is made of is nothing to this module.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from mailer.model.api_token import (
    USED_EVERY,
    ApiToken,
    Purpose,
    TokenNameTaken,
    TokenNotFound,
)
from mailer.store.audience import insert_or_ignore
from mailer.store.tables_api import api_request, api_token


@dataclass(frozen=True, repr=False)
class NewToken:
    """A token about to be written."""

    name: str
    purposes: frozenset[Purpose]
    digest: bytes
    made_by: str
    made_at: datetime
    expires_at: datetime


def _token_from(row: Any) -> ApiToken:  # noqa: ANN401  (A row.)
    return ApiToken(
        token_id=row.id,
        name=row.name,
        # A purpose that this program does not know any more opens nothing.
        purposes=frozenset(Purpose(one) for one in row.purposes if one in set(Purpose)),
        made_by=row.made_by,
        made_at=row.made_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def _names(purposes: Iterable[Purpose]) -> list[str]:
    return sorted(one.value for one in purposes)


def add_token(connection: Connection, new: NewToken) -> ApiToken:
    """Write a token.

    Raises:
        TokenNameTaken: when one of that name is or was there.
    """
    added = connection.execute(
        insert_or_ignore(connection, api_token)
        .values(
            name=new.name,
            purposes=_names(new.purposes),
            token_digest=new.digest,
            made_by=new.made_by,
            made_at=new.made_at,
            expires_at=new.expires_at,
        )
        .returning(api_token.c.id)
    ).scalar_one_or_none()
    if added is None:
        raise TokenNameTaken(new.name)
    return find_token(connection, new.name)


def find_token(connection: Connection, name: str) -> ApiToken:
    """Return a token by its name.

    Raises:
        TokenNotFound: when there is none.
    """
    row = connection.execute(select(api_token).where(api_token.c.name == name)).one_or_none()
    if row is None:
        raise TokenNotFound(name)
    return _token_from(row)


def token_of(connection: Connection, digest: bytes) -> tuple[ApiToken, bytes] | None:
    """Return the token of a digest, with the digest on record; None when there is none."""
    query = select(api_token).where(api_token.c.token_digest == digest)
    row = connection.execute(query).one_or_none()
    return None if row is None else (_token_from(row), bytes(row.token_digest))


def list_tokens(connection: Connection) -> list[ApiToken]:
    """Return all tokens by name, those that are over included."""
    return [_token_from(row) for row in connection.execute(select(api_token).order_by("name"))]


def note_used(connection: Connection, token_id: int, now: datetime) -> None:
    """Write that a token was used, unless that was written within the hour."""
    connection.execute(
        update(api_token)
        .where(
            api_token.c.id == token_id,
            or_(
                api_token.c.last_used_at.is_(None),
                api_token.c.last_used_at <= now - USED_EVERY,
            ),
        )
        .values(last_used_at=now)
    )


def revoke_token(connection: Connection, name: str, now: datetime) -> bool:
    """Let a token open nothing any more; return whether it opened anything before.

    Raises:
        TokenNotFound: when there is none.
    """
    was_good = find_token(connection, name).is_good_at(now)
    connection.execute(
        update(api_token)
        .where(api_token.c.name == name, api_token.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return was_good


def end_all_tokens(connection: Connection, now: datetime) -> None:
    """End every token: a copy that is put back may hold some that were revoked since.

    What was answered under a key is forgotten, too: it may have been undone by going back.
    """
    connection.execute(
        update(api_token).where(api_token.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    connection.execute(delete(api_request))
