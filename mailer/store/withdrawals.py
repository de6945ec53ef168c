"""Who left and which mailings run: what senders look at several times a second.

In: the last ids that were seen. Out: the addresses withdrawn since, and the running mailings.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select, true

from mailer.model.relays import EVERY_SENDER, SenderChoice
from mailer.model.states import MailingState
from mailer.store.tables import mailing, suppression, unsubscription


def sent_by(senders: SenderChoice) -> ColumnElement[bool]:
    """Return the condition that a mailing comes from one of these senders."""
    if senders.others:
        return mailing.c.sender_key.not_in(senders.keys) if senders.keys else true()
    return mailing.c.sender_key.in_(senders.keys)


def running_mailings(
    connection: Connection, senders: SenderChoice = EVERY_SENDER
) -> frozenset[int]:
    """Return the ids of the mailings of these senders that are being sent."""
    rows = connection.execute(
        select(mailing.c.id).where(mailing.c.state == MailingState.RUNNING, sent_by(senders))
    )
    return frozenset(rows.scalars())


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
