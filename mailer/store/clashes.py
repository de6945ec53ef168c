"""Mailings that go to the same lists on the same day: who is on both gets two.

In: lists and a day as two instants. Out: what was scheduled to any of them for that day, or went out
on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mailer.model.states import MailingState
from mailer.store.tables import mailing, mailing_list, mailing_target

#: In these a mailing has no hour yet, or reaches nobody.
_REACHES_NOBODY = (
    MailingState.DRAFT,
    MailingState.IN_REVIEW,
    MailingState.APPROVED,
    MailingState.CANCELLED,
)


@dataclass(frozen=True)
class Clash:
    """A mailing of the same day, and the list it shares."""

    mailing: str
    list_key: str
    due_at: datetime
    time_zone: str


def clashing_mailings(
    connection: Connection,
    lists: Sequence[str],
    since: datetime,
    until: datetime,
    *,
    rehearsal: bool,
    but_for: str = "",
) -> list[Clash]:
    """Return the mailings to these lists that fall due from `since` up to `until`.

    Args:
        connection: a connection in a transaction.
        lists: keys.
        since: the day's beginning.
        until: its end.
        rehearsal: those that never leave the sandbox; else those for people.
        but_for: key of the mailing that is looked at itself.
    """
    query = (
        select(mailing.c.key, mailing_list.c.key, mailing.c.due_at, mailing.c.time_zone)
        .join(mailing_target, mailing_target.c.mailing_id == mailing.c.id)
        .join(mailing_list, mailing_list.c.id == mailing_target.c.list_id)
        .where(
            mailing_list.c.key.in_(list(lists)),
            mailing.c.due_at >= since,
            mailing.c.due_at < until,
            mailing.c.state.not_in(_REACHES_NOBODY),
            mailing.c.rehearsal.is_(rehearsal),
            mailing.c.key != but_for,
        )
        .order_by(mailing.c.due_at, mailing.c.id, mailing_list.c.key)
    )
    return [Clash(*row) for row in connection.execute(query)]
