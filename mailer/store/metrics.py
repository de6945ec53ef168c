"""What a monitor wants to know of all mailings at once, cheap at a million deliveries.

In: the time. Out: figures from the counts that are kept where outcomes are recorded, and from the
index of the queue. They stand in the database, so that however many processes send, all agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from mailer.model.breaker import Ending, RefusalReason
from mailer.model.feedback import FeedbackClass, FeedbackReason
from mailer.model.states import OPEN_STATES, DeliveryState, MailingState
from mailer.store.breaker import full_canaries
from mailer.store.feedback import CameBack, came_back, feedback_counts
from mailer.store.shares import open_lanes
from mailer.store.tables import delivery, mailing, outcome_count

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class OutcomeFigure:
    """How many deliveries came to an end of one kind, since the database was made."""

    relay: str
    domain_class: str
    ending: Ending
    reason: RefusalReason
    deliveries: int


@dataclass(frozen=True)
class Metrics:
    """All of it at one instant."""

    outcomes: Sequence[OutcomeFigure]
    #: Deliveries that have no end yet, of whatever mailing.
    waiting: dict[DeliveryState, int]
    in_doubt: int
    mailings: dict[MailingState, int]
    #: Class and reason of what came back → deliveries, since the database was made.
    feedback: dict[tuple[FeedbackClass, FeedbackReason], int]
    #: What came back in the last day.
    came_back: CameBack
    #: How long the one has waited that could go for the longest time, in seconds; 0 without any.
    oldest_due_s: float


def metrics(connection: Connection, now: datetime) -> Metrics:
    """Return the figures as they are now."""
    states = (*OPEN_STATES, DeliveryState.IN_DOUBT)
    by_state = dict.fromkeys(states, 0)
    for state, count in connection.execute(
        select(delivery.c.state, func.count())
        .where(delivery.c.state.in_(states))
        .group_by(delivery.c.state)
    ):
        by_state[state] = count
    in_doubt = by_state.pop(DeliveryState.IN_DOUBT)
    mailings = connection.execute(
        select(mailing.c.state, func.count().label("mailings")).group_by(mailing.c.state)
    ).all()
    return Metrics(
        outcomes=_outcomes(connection),
        waiting=by_state,
        in_doubt=in_doubt,
        mailings=dict.fromkeys(MailingState, 0) | {row.state: row.mailings for row in mailings},
        feedback=feedback_counts(connection),
        came_back=came_back(connection, now - _DAY),
        oldest_due_s=_oldest_due_s(connection, now),
    )


def _outcomes(connection: Connection) -> list[OutcomeFigure]:
    key = (
        outcome_count.c.relay,
        outcome_count.c.domain_class,
        outcome_count.c.ending,
        outcome_count.c.reason,
    )
    rows = connection.execute(
        select(*key, func.sum(outcome_count.c.deliveries)).group_by(*key).order_by(*key)
    )
    return [OutcomeFigure(*row) for row in rows]


def _oldest_due_s(connection: Connection, now: datetime) -> float:
    """Return how long the oldest has waited of those that a sender could take now."""
    lanes = open_lanes(connection, now)
    held_back = full_canaries(connection, {one.mailing_id for one in lanes})
    oldest = now
    for lane in lanes:
        for state in (DeliveryState.DUE, DeliveryState.DEFERRED):
            if state is DeliveryState.DUE and lane.mailing_id in held_back:
                # They wait for the canary, and nobody is late with them.
                continue
            found = connection.execute(
                select(delivery.c.next_attempt_at)
                .where(
                    delivery.c.state == state,
                    delivery.c.mailing_id == lane.mailing_id,
                    delivery.c.share_id == lane.share_id,
                    delivery.c.next_attempt_at < oldest,
                )
                .order_by(delivery.c.next_attempt_at)
                .limit(1)
            ).scalar_one_or_none()
            oldest = min(oldest, found or oldest)
    return (now - oldest).total_seconds()
