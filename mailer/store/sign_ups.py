"""Wishes to be on lists that wait for their confirmation, and how many confirmations were sent.

In: address digests, wishes, sealed addresses. Out: rows, and whether one more confirmation may go to
an address. The count outlives the wishes and belongs to the database, so that neither a restart nor
a second process sends one more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, case, delete, literal, select, update

from mailer.model.audience import MembershipState
from mailer.model.service import ServicePurpose
from mailer.store.audience import insert_or_ignore
from mailer.store.forgetting import forget_mails_for
from mailer.store.tables import membership, signup, signup_count, supporter
from mailer.store.types import Instant

#: Confirmations that an address is sent unless one of them is used.
MOST_CONFIRMATIONS = 3
#: From one confirmation to the next.
BETWEEN_CONFIRMATIONS = timedelta(days=1)
#: How long a wish waits for its confirmation.
CONFIRM_WITHIN = timedelta(hours=72)


@dataclass(frozen=True, repr=False)
class SignUp:
    """A wish, with the address sealed; its `repr` shows nothing of the person."""

    sign_up_id: int
    address_digest: bytes
    address_sealed: bytes
    #: See `mailer.audience.joining`.
    wish: Mapping[str, Any]
    consent_version: str
    asked_at: datetime
    confirmed: bool = False


def request_of(sign_up_id: int) -> str:
    """Return what the mail that asks for a confirmation is sent for."""
    return f"sign-up-{sign_up_id}"


def may_send(connection: Connection, address_digest: bytes, now: datetime) -> bool:
    """Tell whether one more confirmation may go to an address; takes no lock."""
    row = connection.execute(
        select(signup_count).where(signup_count.c.address_digest == address_digest)
    ).one_or_none()
    return row is None or (
        row.sent < MOST_CONFIRMATIONS and row.last_sent_at <= now - BETWEEN_CONFIRMATIONS
    )


def count_confirmation(connection: Connection, address_digest: bytes, now: datetime) -> bool:
    """Count one more confirmation to an address; False, and nothing counted, where none may go."""
    first = connection.execute(
        insert_or_ignore(connection, signup_count)
        .values(address_digest=address_digest, sent=1, last_sent_at=now)
        .returning(signup_count.c.sent)
    )
    if first.scalar_one_or_none() is not None:
        return True
    again = connection.execute(
        update(signup_count)
        .where(
            signup_count.c.address_digest == address_digest,
            signup_count.c.sent < MOST_CONFIRMATIONS,
            signup_count.c.last_sent_at <= now - BETWEEN_CONFIRMATIONS,
        )
        .values(sent=signup_count.c.sent + 1, last_sent_at=now)
    )
    return again.rowcount == 1


def allow_again(connection: Connection, address_digest: bytes) -> bool:
    """Forget how many confirmations an address was sent; return whether any was on record."""
    gone = delete(signup_count).where(signup_count.c.address_digest == address_digest)
    return connection.execute(gone).rowcount > 0


def write_sign_up(connection: Connection, one: SignUp) -> None:
    """Write a wish; its id was taken before, since sealing and its token hold it."""
    connection.execute(
        signup.insert().values(
            id=one.sign_up_id,
            address_digest=one.address_digest,
            address_sealed=one.address_sealed,
            wish=dict(one.wish),
            consent_version=one.consent_version,
            asked_at=one.asked_at,
        )
    )


def find_sign_up(connection: Connection, sign_up_id: int, now: datetime) -> SignUp | None:
    """Return a wish that can be confirmed, or was; None when it is gone or too old. Takes no lock."""
    row = connection.execute(
        select(signup).where(signup.c.id == sign_up_id, signup.c.asked_at > now - CONFIRM_WITHIN)
    ).one_or_none()
    return None if row is None else _sign_up(row)


def confirm_sign_up(connection: Connection, sign_up_id: int, now: datetime) -> SignUp | None:
    """Mark a wish as confirmed and return it; None when it is gone, too old or was confirmed before.

    Of two at once one is given it. Whoever confirmed proved that they read what is sent there: their
    address may be sent as many confirmations again, though not on the same day.
    """
    row = connection.execute(
        update(signup)
        .where(
            signup.c.id == sign_up_id,
            signup.c.confirmed_at.is_(None),
            signup.c.asked_at > now - CONFIRM_WITHIN,
        )
        .values(confirmed_at=now)
        .returning(signup)
    ).one_or_none()
    if row is None:
        return None
    connection.execute(
        update(signup_count)
        .where(signup_count.c.address_digest == row.address_digest)
        .values(sent=0)
    )
    return _sign_up(row)


def _sign_up(row: Row[Any]) -> SignUp:
    return SignUp(
        row.id,
        row.address_digest,
        row.address_sealed,
        row.wish,
        row.consent_version,
        row.asked_at,
        row.confirmed_at is not None,
    )


def come_back(connection: Connection, list_id: int, supporter_id: int, now: datetime) -> None:
    """Put a supporter who is known to a list on it by their own wish, whatever brought them first.

    Undoing an import takes neither them nor what they said away.
    """
    connection.execute(
        update(membership)
        .where(membership.c.list_id == list_id, membership.c.supporter_id == supporter_id)
        .values(
            added_at=case(
                (membership.c.state == MembershipState.LEFT, literal(now, Instant)),
                else_=membership.c.added_at,
            ),
            state=MembershipState.SUBSCRIBED,
            left_at=None,
            batch_id=None,
        )
    )
    connection.execute(
        update(supporter).where(supporter.c.id == supporter_id).values(updated_at=now)
    )


def clear_sign_ups(connection: Connection, now: datetime, limit: int) -> int:
    """Delete wishes that nobody can confirm any more, and counts that bar nothing; return how many."""
    old = select(signup.c.id, signup.c.address_digest).where(
        signup.c.asked_at <= now - CONFIRM_WITHIN
    )
    gone = {row.id: row.address_digest for row in connection.execute(old.limit(limit))}
    connection.execute(delete(signup).where(signup.c.id.in_(list(gone))))
    # The mail that asked holds the address as well.
    requests = {request_of(sign_up_id): digest for sign_up_id, digest in gone.items()}
    forget_mails_for(connection, ServicePurpose.CONFIRMATION, requests)
    idle = (
        select(signup_count.c.address_digest)
        .where(signup_count.c.sent == 0, signup_count.c.last_sent_at <= now - BETWEEN_CONFIRMATIONS)
        .limit(limit)
    )
    digests = list(connection.execute(idle).scalars())
    connection.execute(delete(signup_count).where(signup_count.c.address_digest.in_(digests)))
    return len(gone) + len(digests)
