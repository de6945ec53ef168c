"""Requests that came with a key, so that each is done once however often it is sent.

In: a token, digests of the key and of the request. Out: whether to do it, or what was answered. It is
written before anything is done: of two that come together one is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, delete, select, update

from mailer.store.audience import insert_or_ignore
from mailer.store.tables_api import api_request

#: After that a key is as good as new.
KEPT = timedelta(hours=24)
#: Old ones that one new one clears away.
_FORGOTTEN_AT_ONCE = 50


class Turn(StrEnum):
    """What is to become of a request with a key."""

    #: It is new: do it.
    NEW = "new"
    #: It was done: say the same again.
    DONE = "done"
    #: It only reads, and what it read was not kept: do it again.
    AGAIN = "again"
    #: It is being done, or the process that did it died before it had answered.
    OPEN = "open"
    #: Another request came with that key.
    OTHER = "other"


@dataclass(frozen=True, repr=False)
class Taken:
    """A request, taken in."""

    turn: Turn
    request_id: int
    status: int = 0
    #: JSON.
    answer: str = ""


def take_request(
    connection: Connection, token_id: int, key: bytes, request: bytes, now: datetime
) -> Taken:
    """Write that a request is begun, unless it was before.

    Args:
        connection: one that may write.
        token_id: whose.
        key: digest of its key.
        request: digest of its method, path and body.
        now: this instant.
    """
    _forget_old(connection, token_id, key, now)
    added = connection.execute(
        insert_or_ignore(connection, api_request)
        .values(token_id=token_id, key_digest=key, request_digest=request, begun_at=now)
        .returning(api_request.c.id)
    ).scalar_one_or_none()
    if added is not None:
        return Taken(Turn.NEW, added)
    # Locked on PostgreSQL, where two may find the same row to be done again.
    row = connection.execute(
        select(api_request)
        .where(api_request.c.token_id == token_id, api_request.c.key_digest == key)
        .with_for_update()
    ).one()
    if bytes(row.request_digest) != request:
        return Taken(Turn.OTHER, row.id)
    if row.status is None:
        return Taken(Turn.OPEN, row.id)
    if row.answer is None:
        connection.execute(
            update(api_request).where(api_request.c.id == row.id).values(status=None)
        )
        return Taken(Turn.AGAIN, row.id)
    return Taken(Turn.DONE, row.id, row.status, row.answer)


def _forget_old(connection: Connection, token_id: int, key: bytes, now: datetime) -> None:
    too_old = api_request.c.begun_at <= now - KEPT
    own = (api_request.c.token_id == token_id) & (api_request.c.key_digest == key)
    connection.execute(delete(api_request).where(own, too_old))
    old = select(api_request.c.id).where(too_old).limit(_FORGOTTEN_AT_ONCE)
    connection.execute(delete(api_request).where(api_request.c.id.in_(old)))


def end_request(connection: Connection, request_id: int, status: int, answer: str | None) -> None:
    """Write what a request was answered; None for what is not kept."""
    connection.execute(
        update(api_request)
        .where(api_request.c.id == request_id)
        .values(status=status, answer=answer)
    )


def drop_request(connection: Connection, request_id: int) -> None:
    """Forget a request that was refused: nothing was done, and it may be sent again."""
    connection.execute(delete(api_request).where(api_request.c.id == request_id))
