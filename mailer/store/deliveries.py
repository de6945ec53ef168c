"""Write what became of claimed deliveries.

In: outcomes, skips and claims given back, by the worker that holds them. Out: rows written.
Recording twice is recording once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Update, bindparam, case, select, update

from mailer.model.audience import SuppressionReason
from mailer.model.breaker import RefusalReason
from mailer.model.feedback import FeedbackReason
from mailer.model.feedback_policy import SoftLimits
from mailer.model.mailing import AttemptResult
from mailer.model.states import DeliveryState, Outcome, SkipReason, states_before
from mailer.model.tallies import HourEvent
from mailer.store.batches import fetch, ids_for, insert, these
from mailer.store.ordering import Ids, keep_ids_in_order
from mailer.store.outcomes import ENDINGS, NO_MAILING, Counted, count_endings
from mailer.store.pacing import give_back_of_day
from mailer.store.refusals import RefusedAddress, note_refusals
from mailer.store.suppressions import Suppressed
from mailer.store.tables import attempt, delivery
from mailer.store.tallies import (
    OPEN,
    Cell,
    Standing,
    add_events,
    change,
    lock_counted,
    move_deliveries,
    standing,
)


def skip(connection: Connection, delivery_id: int, reason: SkipReason, now: datetime) -> None:
    """Write that a delivery will not go, and why; one that has its outcome stays as it is."""
    skip_all(connection, [delivery_id], reason, now)


def skip_all(
    connection: Connection, ids: Collection[int], reason: SkipReason, now: datetime
) -> None:
    """Write that deliveries will not go, and why, as `skip` does for one."""
    may_skip = states_before(DeliveryState.SKIPPED)
    counted = lock_counted(connection, ids).values()
    change(connection, (one for one in counted if one.state in may_skip), _skipped(reason))
    connection.execute(
        _skipping(connection.dialect.name),
        {"reason": reason, "now": now, **ids_for(connection, ids)},
    )


def _skipped(reason: SkipReason) -> Standing:
    return standing(DeliveryState.SKIPPED, reason)


@cache
def _skipping(dialect: str) -> Update:
    return (
        update(delivery)
        .where(
            delivery.c.id.in_(these(dialect)),
            # As a plain condition SQLite would go through all that are due for a few of them.
            case((delivery.c.state.in_(states_before(DeliveryState.SKIPPED)), True), else_=False),
        )
        .values(
            state=DeliveryState.SKIPPED,
            skip_reason=bindparam("reason"),
            next_attempt_at=None,
            claimed_by=None,
            finished_at=bindparam("now"),
        )
    )


def give_back(connection: Connection, name: str, ids: Collection[int], _now: datetime) -> None:
    """Make claimed deliveries due again that were never ended; the attempt does not count.

    They are due as they were, so that a clock that is set back does not keep them waiting.
    """
    if ids:
        given = connection.execute(
            update(delivery)
            .where(
                delivery.c.id.in_(these(connection.dialect.name)),
                delivery.c.claimed_by == name,
                delivery.c.state == DeliveryState.SENDING,
            )
            .values(
                state=DeliveryState.DUE,
                attempts=delivery.c.attempts - 1,
                claimed_by=None,
            ),
            ids_for(connection, ids),
        )
        give_back_of_day(connection, name, given.rowcount)


class Recorded(NamedTuple):
    """An attempt that is over, with what the delivery becomes."""

    result: AttemptResult
    attempt_number: int
    state: DeliveryState
    #: When it is tried again; None unless deferred.
    next_attempt_at: datetime | None
    suppress: SuppressionReason | None = None
    #: What it is counted under, with relay and state.
    mailing_id: int = NO_MAILING
    domain_class: str = ""
    reason: RefusalReason = RefusalReason.NONE
    #: What a refusal holds against the address.
    trouble: FeedbackReason = FeedbackReason.NONE
    #: Beyond which trouble that may pass suppresses it.
    soft_limits: SoftLimits = SoftLimits()


_STATE_OF = {
    Outcome.ACCEPTED: DeliveryState.ACCEPTED,
    Outcome.DEFERRED: DeliveryState.DEFERRED,
    Outcome.REFUSED: DeliveryState.REFUSED,
    Outcome.IN_DOUBT: DeliveryState.IN_DOUBT,
}


def state_of(outcome: Outcome) -> DeliveryState:
    """Return the state a delivery takes with the outcome of its last attempt."""
    return _STATE_OF[outcome]


class Written(NamedTuple):
    """What a batch of outcomes came to."""

    #: Those of the batch that were not on record.
    ended: list[Recorded]
    #: Whom they suppressed, for `suppressions.log`.
    barred: list[Suppressed]


def record(connection: Connection, name: str, batch: Sequence[Recorded], now: datetime) -> Written:
    """Write attempts and what the deliveries become, and count them; what is on record stays."""
    if not batch:
        return Written([], [])
    if any(map(_is_trouble, batch)):
        keep_ids_in_order(connection, Ids.SUPPRESSIONS)
    held = _held(connection, name, {one.result.delivery_id for one in batch})
    ended: list[Recorded] = []
    cells: list[Cell] = []
    for one in batch:
        # Not by an earlier attempt that comes late: a person may have had it sent again.
        of_it = held.get(one.result.delivery_id)
        if of_it is not None and of_it.attempts == one.attempt_number:
            del held[one.result.delivery_id]
            ended.append(one)
            cells.append(of_it.cell)
    if not ended:
        return Written([], [])
    alike: dict[tuple[object, ...], list[int]] = {}
    for one in ended:
        result, reply = one.result, one.result.reply
        values = (one.state, one.next_attempt_at, result.relay, reply.code, reply.enhanced_code)
        alike.setdefault(values, []).append(result.delivery_id)
    for (state, next_attempt_at, relay, code, enhanced_code), ids in alike.items():
        connection.execute(
            _ending(connection.dialect.name),
            {
                "becomes": state,
                "again_at": next_attempt_at,
                "by": relay,
                "said": code,
                "said_more": enhanced_code,
                "over_at": None if next_attempt_at else now,
                **ids_for(connection, ids),
            },
        )
    insert(
        connection,
        attempt,
        [
            {
                "delivery_id": one.result.delivery_id,
                "number": one.attempt_number,
                "relay": one.result.relay,
                "started_at": one.result.started_at,
                "duration_ms": one.result.duration_ms,
                "outcome": one.result.outcome,
                "code": one.result.reply.code,
                "enhanced_code": one.result.reply.enhanced_code,
                "reply": one.result.reply.text,
            }
            for one in ended
        ],
    )
    barred = _note_troubles(connection, ended, now)
    count_endings(connection, Counter(map(_counted, ended)))
    _tally(connection, cells, ended, now)
    return Written(ended, barred)


def _tally(
    connection: Connection, cells: Sequence[Cell], ended: Sequence[Recorded], now: datetime
) -> None:
    """Count what claimed deliveries became."""
    became = Counter(
        (cell, one.state, one.result.reply.code, one.result.reply.enhanced_code)
        for cell, one in zip(cells, ended, strict=True)
    )
    events: Counter[tuple[int, HourEvent]] = Counter()
    for (cell, state, code, enhanced_code), count in became.items():
        after = standing(state, code=code, enhanced_code=enhanced_code)
        move_deliveries(connection, cell, OPEN, after, count)
        event = _EVENTS.get(state)
        if event is not None:
            events[cell.mailing_id, event] += count
    for (mailing_id, event), count in events.items():
        add_events(connection, mailing_id, event, now, count)


#: State that an attempt ends in → what happened in that hour.
_EVENTS = {
    DeliveryState.ACCEPTED: HourEvent.ACCEPTED,
    DeliveryState.REFUSED: HourEvent.REFUSED,
}


@cache
def _ending(dialect: str) -> Update:
    """Return the statement that ends attempts; it is kept: building it takes longer than it."""
    columns = delivery.c
    return (
        update(delivery)
        .where(columns.id.in_(these(dialect)))
        .values(
            state=bindparam("becomes", type_=columns.state.type),
            next_attempt_at=bindparam("again_at", type_=columns.next_attempt_at.type),
            claimed_by=None,
            relay=bindparam("by"),
            code=bindparam("said"),
            enhanced_code=bindparam("said_more"),
            finished_at=bindparam("over_at", type_=columns.finished_at.type),
        )
    )


def _counted(one: Recorded) -> Counted:
    ending = ENDINGS[one.state]
    return Counted(one.mailing_id, one.result.relay, one.domain_class, ending, one.reason)


class _Held(NamedTuple):
    """A delivery that a worker holds."""

    attempts: int
    cell: Cell


def _held(connection: Connection, name: str, ids: Collection[int]) -> dict[int, _Held]:
    """Return which of these a worker holds, for which attempt; they stay so in this transaction."""
    values = {"holder": name, **ids_for(connection, ids)}
    rows = fetch(connection, _holding(connection.dialect.name), values)
    return {
        key: _Held(attempts, Cell(mailing_id, list_id, language or ""))
        for key, attempts, mailing_id, list_id, language in rows
    }


@cache
def _holding(dialect: str) -> Select[Any]:
    columns = delivery.c
    query = select(
        columns.id, columns.attempts, columns.mailing_id, columns.list_id, columns.language
    ).where(
        columns.id.in_(these(dialect)),
        columns.claimed_by == bindparam("holder"),
        columns.state == DeliveryState.SENDING,
    )
    return query.with_for_update()


def _is_trouble(one: Recorded) -> bool:
    """Tell whether it may suppress an address."""
    return one.trouble is not FeedbackReason.NONE or one.suppress is not None


def _note_troubles(
    connection: Connection, ended: Collection[Recorded], now: datetime
) -> list[Suppressed]:
    """Write what refusals hold against addresses; return whom that suppressed."""
    troubles = {one.result.delivery_id: one for one in ended if _is_trouble(one)}
    if not troubles:
        return []
    rows = connection.execute(
        select(delivery.c.id, delivery.c.address_digest).where(delivery.c.id.in_(list(troubles)))
    )
    return note_refusals(
        connection,
        [
            RefusedAddress(
                address_digest=row.address_digest,
                delivery_id=row.id,
                mailing_id=one.mailing_id or None,
                attempt_number=one.attempt_number,
                reason=one.trouble,
                reply=one.result.reply,
                suppress=one.suppress,
                soft_limits=one.soft_limits,
            )
            for row in rows
            for one in (troubles[row.id],)
        ],
        now,
    )
