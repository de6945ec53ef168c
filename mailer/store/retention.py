"""Clear away what is older than it needs to be; what a report tells of it is counted already.

In: an instant before which things are old. Out: chunks deleted. The counts of `delivery_tally` and
`outcome_count` stay as they are. Nothing of a mailing that has not ended is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, exists, select, update

from mailer.model.states import MailingState
from mailer.store.tables import (
    attempt,
    delivery,
    delivery_list,
    feedback_event,
    feedback_finding,
    mailing,
    service_mail,
    worker,
)

_ENDED = (MailingState.FINISHED, MailingState.CANCELLED)


class DeliveriesGone(Exception):
    """What was asked for stood in deliveries that were cleared away."""

    def __init__(self, key: str, since: datetime) -> None:
        self.key = key
        self.since = since
        super().__init__(
            f"The deliveries of {key} were cleared away on {since:%Y-%m-%d}; only counts are "
            f"left. See: mailer report {key}"
        )


def check_deliveries_there(connection: Connection, mailing_id: int) -> None:
    """Refuse to ask about deliveries that are gone.

    Raises:
        DeliveriesGone: when they are: an empty answer would be a wrong one.
    """
    row = connection.execute(
        select(mailing.c.key, mailing.c.deliveries_gone_at).where(mailing.c.id == mailing_id)
    ).one()
    if row.deliveries_gone_at is not None:
        raise DeliveriesGone(row.key, row.deliveries_gone_at)


def deliveries_gone_at(connection: Connection, mailing_id: int) -> datetime | None:
    """Return from when on a mailing's deliveries are cleared away; None while they are there."""
    query = select(mailing.c.deliveries_gone_at).where(mailing.c.id == mailing_id)
    gone_at: datetime | None = connection.execute(query).scalar_one()
    return gone_at


@dataclass(frozen=True)
class Cleared:
    """What one chunk came to."""

    rows: int
    #: From where to go on; None when nothing old is left behind it.
    position: int | None


def clear_attempts(connection: Connection, after: int, before: datetime, limit: int) -> Cleared:
    """Delete old attempts of mailings that have ended, in order of their ids.

    Ids and instants go up together, so that the first young attempt is the end.
    """
    rows = connection.execute(
        select(attempt.c.id, attempt.c.started_at, mailing.c.state)
        .join(delivery, delivery.c.id == attempt.c.delivery_id)
        .join(mailing, mailing.c.id == delivery.c.mailing_id)
        .where(attempt.c.id > after)
        .order_by(attempt.c.id)
        .limit(limit)
    ).all()
    old = [row for row in rows if row.started_at < before]
    gone = [row.id for row in old if row.state in _ENDED]
    connection.execute(delete(attempt).where(attempt.c.id.in_(gone)))
    is_over = len(rows) < limit or len(old) < len(rows)
    return Cleared(len(gone), None if is_over else rows[-1].id)


def clear_deliveries(connection: Connection, before: datetime, limit: int, now: datetime) -> int:
    """Delete deliveries of a mailing that ended before; return how many, 0 when none is old."""
    found = connection.execute(
        select(mailing.c.id)
        .where(
            mailing.c.state.in_(_ENDED),
            mailing.c.finished_at < before,
            # Of one that was cancelled before it was frozen nothing goes, and all stays known.
            exists().where(delivery.c.mailing_id == mailing.c.id),
        )
        .order_by(mailing.c.id)
        .limit(1)
    ).scalar_one_or_none()
    if found is None:
        return 0
    # Said before the first is gone: from here on an answer by those left would be a wrong one.
    connection.execute(
        update(mailing)
        .where(mailing.c.id == found, mailing.c.deliveries_gone_at.is_(None))
        .values(deliveries_gone_at=now)
    )
    rows = select(delivery.c.id).where(delivery.c.mailing_id == found).limit(limit)
    ids = list(connection.execute(rows).scalars())
    connection.execute(delete(attempt).where(attempt.c.delivery_id.in_(ids)))
    connection.execute(delete(delivery_list).where(delivery_list.c.delivery_id.in_(ids)))
    connection.execute(delete(delivery).where(delivery.c.id.in_(ids)))
    return len(ids)


def clear_service_mails(connection: Connection, before: datetime, limit: int) -> int:
    """Delete service mails that were over before; return how many."""
    old = select(service_mail.c.id).where(service_mail.c.finished_at < before).limit(limit)
    ids = list(connection.execute(old).scalars())
    connection.execute(delete(service_mail).where(service_mail.c.id.in_(ids)))
    return len(ids)


def drop_raw_feedback(connection: Connection, before: datetime, limit: int) -> int:
    """Drop what came back before, as it came; return of how many events. What it says stays."""
    old = (
        select(feedback_event.c.id)
        .where(feedback_event.c.received_at < before, feedback_event.c.raw_box.is_not(None))
        .limit(limit)
    )
    ids = list(connection.execute(old).scalars())
    connection.execute(
        update(feedback_event).where(feedback_event.c.id.in_(ids)).values(raw_box=None)
    )
    return len(ids)


def clear_feedback(connection: Connection, before: datetime, limit: int) -> int:
    """Delete events of before with what they say of whom; return how many. Suppressions stay."""
    old = select(feedback_event.c.id).where(feedback_event.c.received_at < before).limit(limit)
    ids = list(connection.execute(old).scalars())
    connection.execute(delete(feedback_finding).where(feedback_finding.c.event_id.in_(ids)))
    connection.execute(delete(feedback_event).where(feedback_event.c.id.in_(ids)))
    return len(ids)


def clear_workers(connection: Connection, before: datetime) -> int:
    """Delete the rows of sender processes that ended before; return how many."""
    return connection.execute(delete(worker).where(worker.c.ended_at < before)).rowcount
