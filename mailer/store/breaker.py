"""What the circuit breaker reads and writes of a mailing: its limits, its figures, who goes first.

In: a mailing's row id. Out: figures to judge, room for more of the canary, mailings let go. Whoever
judges or takes room has locked the mailing's row, so that of two processes the second sees what the
first has written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select, update

from mailer.model.breaker import Breaker, Ending, Figures, Limits, RefusalReason
from mailer.model.states import DeliveryState, MailingState
from mailer.store.tables import delivery, mailing, outcome_count

#: What the canary is counted by: given to a sender, and not given back.
_TAKEN = (
    DeliveryState.SENDING,
    DeliveryState.DEFERRED,
    DeliveryState.ACCEPTED,
    DeliveryState.REFUSED,
    DeliveryState.IN_DOUBT,
)


def breaker_to_columns(breaker: Breaker | None) -> dict[str, Any]:
    """Return the columns of a mailing that pin what it is held against."""
    if breaker is None:
        return {"canary": 0, "limits": None}
    limits = {**asdict(breaker.limits), "canary_wait_s": breaker.canary_wait_s}
    return {"canary": breaker.canary, "limits": limits}


def breaker_from_columns(canary: int, limits: Mapping[str, Any] | None) -> Breaker | None:
    """Return the breaker that `breaker_to_columns` was given."""
    if limits is None:
        return None
    values = dict(limits)
    wait_s = values.pop("canary_wait_s")
    return Breaker(Limits(**values), canary, wait_s)


def figures_by_class(connection: Connection, mailing_id: int) -> dict[str, Figures]:
    """Return what is counted of a mailing, by domain class."""
    found: dict[str, Figures] = {}
    for row in connection.execute(
        select(outcome_count).where(outcome_count.c.mailing_id == mailing_id)
    ):
        figures = _figures(row.ending, row.reason, row.deliveries)
        found[row.domain_class] = found.get(row.domain_class, Figures()) + figures
    return found


def _figures(ending: Ending, reason: RefusalReason, count: int) -> Figures:
    spam = count if reason is RefusalReason.SPAM else 0
    if ending is Ending.REFUSED:
        return Figures(ended=count, refused=count, spam=spam)
    if ending is Ending.ACCEPTED:
        return Figures(ended=count)
    if ending is Ending.BOUNCED:
        # A relay of one's own takes every mail, and tells later whom a provider refused it for.
        return Figures(bounced=count, spam=spam)
    return Figures(complained=count) if ending is Ending.COMPLAINED else Figures()


@dataclass(frozen=True)
class Judged:
    """A running mailing that is held against limits, its row locked."""

    key: str
    limits: Limits
    counted: Mapping[str, Figures]
    #: What was counted when a person let it go on beyond its limits.
    before: Mapping[str, Figures]


def to_be_judged(connection: Connection, mailing_id: int) -> Judged | None:
    """Lock a mailing's row and return its figures; None when it does not run or has no limits."""
    row = connection.execute(
        select(mailing.c.key, mailing.c.canary, mailing.c.limits, mailing.c.judged_from)
        .where(
            mailing.c.id == mailing_id,
            mailing.c.state == MailingState.RUNNING,
            mailing.c.limits.is_not(None),
        )
        .with_for_update(key_share=True)
    ).one_or_none()
    breaker = breaker_from_columns(row.canary, row.limits) if row is not None else None
    if row is None or breaker is None:
        return None
    before = {name: Figures(**one) for name, one in (row.judged_from or {}).items()}
    return Judged(row.key, breaker.limits, figures_by_class(connection, mailing_id), before)


def figures_to_document(counted: Mapping[str, Figures]) -> dict[str, Any]:
    """Return figures as `judged_from` keeps them."""
    return {name: asdict(one) for name, one in counted.items()}


def canary_rooms(connection: Connection, mailing_ids: Collection[int]) -> dict[int, int]:
    """Return how many more deliveries of each of these mailings may be claimed for the first time.

    Those of which nothing is held back are not in it. The rows of the others stay locked until the
    end of the transaction: two claimers never take the same room.
    """
    return _rooms(connection, _HOLDING.with_for_update(key_share=True), mailing_ids)


def full_canaries(connection: Connection, mailing_ids: Collection[int]) -> set[int]:
    """Return of which of these mailings nothing may be claimed for the first time now."""
    rooms = _rooms(connection, _HOLDING, mailing_ids)
    return {mailing_id for mailing_id, room in rooms.items() if room == 0}


#: Kept: it is asked at each claim, and building it takes longer than running it.
_HOLDING = (
    select(mailing.c.id, mailing.c.canary)
    .where(
        mailing.c.id.in_(bindparam("mailings", expanding=True)),
        mailing.c.canary > 0,
        mailing.c.canary_passed_at.is_(None),
    )
    .order_by(mailing.c.id)
)


def _rooms(
    connection: Connection, holding: Select[tuple[int, int]], mailing_ids: Collection[int]
) -> dict[int, int]:
    rows = connection.execute(holding, {"mailings": sorted(mailing_ids)}).all()
    return {row.id: max(row.canary - _taken(connection, row.id), 0) for row in rows}


def _taken(connection: Connection, mailing_id: int) -> int:
    return sum(_by_state(connection, mailing_id).values())


def _by_state(connection: Connection, mailing_id: int) -> dict[DeliveryState, int]:
    rows = connection.execute(
        select(delivery.c.state, func.count().label("deliveries"))
        .where(delivery.c.mailing_id == mailing_id, delivery.c.state.in_(_TAKEN))
        .group_by(delivery.c.state)
    )
    return {row.state: row.deliveries for row in rows}


def canary_is_tried(connection: Connection, mailing_id: int, canary: int) -> bool:
    """Tell whether the canary has come out: all of it tried, and no more than half still deferred.

    A delivery that is deferred has been tried. It counts for nothing until it is accepted or
    refused, which may take days; but where half of them wait, nothing is known of the rest either.
    """
    found = _by_state(connection, mailing_id)
    deferred = found.get(DeliveryState.DEFERRED, 0)
    return (
        sum(found.values()) >= canary
        and not found.get(DeliveryState.SENDING)
        and deferred * 2 <= canary
    )


def note_canary_tried(connection: Connection, mailing_id: int, now: datetime) -> None:
    """Write that the canary of a running mailing has come out: what it waits begins."""
    _write_canary(connection, mailing_id, canary_tried_at=now)


def let_rest_go(connection: Connection, mailing_id: int, now: datetime) -> bool:
    """Let everybody else's mails of a running mailing go; False when it does not run any more."""
    return _write_canary(connection, mailing_id, canary_passed_at=now)


def _write_canary(connection: Connection, mailing_id: int, **values: datetime) -> bool:
    (name,) = values
    changed = connection.execute(
        update(mailing)
        .where(
            mailing.c.id == mailing_id,
            mailing.c.state == MailingState.RUNNING,
            mailing.c[name].is_(None),
        )
        .values(**values)
    )
    return changed.rowcount == 1
