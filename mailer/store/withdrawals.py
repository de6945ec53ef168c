"""Who left: what senders look at several times a second.

In: the last ids that were seen. Out: the addresses withdrawn since.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from mailer.store.tables import suppression, unsubscription


@dataclass(frozen=True)
class Withdrawals:
    """Who unsubscribed or was suppressed after the marks given."""

    digests: frozenset[bytes]
    last_unsubscription: int
    last_suppression: int


def withdrawals_since(
    connection: Connection, last_unsubscription: int, last_suppression: int
) -> Withdrawals:
    """Return the addresses withdrawn since; asked several times a second while sending."""
    left = connection.execute(
        select(unsubscription.c.id, unsubscription.c.address_digest).where(
            unsubscription.c.id > last_unsubscription
        )
    ).all()
    barred = connection.execute(
        select(suppression.c.id, suppression.c.address_digest).where(
            suppression.c.id > last_suppression
        )
    ).all()
    return Withdrawals(
        frozenset(row.address_digest for row in (*left, *barred)),
        max((row.id for row in left), default=last_unsubscription),
        max((row.id for row in barred), default=last_suppression),
    )


def last_withdrawals(connection: Connection) -> tuple[int, int]:
    """Return the last ids of unsubscriptions and suppressions, from where to look for new ones."""
    left = connection.execute(select(func.max(unsubscription.c.id))).scalar()
    barred = connection.execute(select(func.max(suppression.c.id))).scalar()
    return left or 0, barred or 0
