"""Deliveries in doubt: which there are, and what a person decides about them.

In: a mailing, and whether its doubts are sent again or taken as sent. Out: deliveries due again or
accepted, and on record who decided it and when. Nothing but a delivery that is in doubt at this
moment is changed, so that whoever comes second changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, func, or_, select, update

from mailer.model.mailing import Mailing
from mailer.model.states import OPEN_STATES, DeliveryState, MailingState, Settlement
from mailer.model.timing import ShareState
from mailer.store.mailings import change_state, lock_mailing
from mailer.store.retention import check_deliveries_there
from mailer.store.tables import attempt, delivery, mailing, mailing_share, settlement
from mailer.store.tallies import OPEN, Cell, Standing, move_deliveries

#: How many deliveries one transaction settles: well under 50 ms of write lock.
SETTLE_CHUNK = 500
#: How many deliveries an error names.
_NAMED = 10
#: Stands where no attempt is on record: after a restore, or once it was cleared away.
_NOTHING_KNOWN = "nothing is on record of the attempt"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A delivery in doubt, without anybody's name or address."""

    delivery_id: int
    #: When the attempt ended, or a restore found that it may have been made; None where not known.
    since: datetime | None
    #: Relay that it was handed to; "" where not known.
    relay: str
    #: Why nobody knows what came of it, in words.
    why: str
    #: Row id of its share; 0 when its mailing has none.
    share_id: int


class NotInDoubt(Exception):
    """Deliveries that were named are not of this mailing's doubts; nothing was changed."""

    def __init__(self, key: str, reasons: Mapping[int, str]) -> None:
        self.key = key
        #: Id of a delivery → what is the matter with it.
        self.reasons = dict(reasons)
        told = [f"delivery {one} {reason}" for one, reason in sorted(reasons.items())]
        more = f"; and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
        super().__init__(
            f"Not in doubt in {key}: {'; '.join(told[:_NAMED])}{more}. Nothing was changed. "
            f"See those that are: mailer report {key}"
        )


class CannotResend(Exception):
    """What is in doubt cannot be sent again; nothing was changed."""

    def __init__(self, problem: str, key: str) -> None:
        self.problem = problem
        self.key = key
        super().__init__(
            f"{problem}: nothing of it is sent any more, and nothing was changed. "
            f"What is left is: mailer resolve {key} --take-as-sent"
        )


def doubts(connection: Connection, mailing_id: int) -> list[Doubt]:
    """Return the deliveries of a mailing that are in doubt, in order of their ids."""
    rows = connection.execute(
        select(
            delivery.c.id,
            delivery.c.finished_at,
            delivery.c.share_id,
            func.coalesce(attempt.c.relay, delivery.c.relay, "").label("relay"),
            func.coalesce(attempt.c.reply, _NOTHING_KNOWN).label("why"),
        )
        .join(
            attempt,
            (attempt.c.delivery_id == delivery.c.id) & (attempt.c.number == delivery.c.attempts),
            isouter=True,
        )
        .where(delivery.c.mailing_id == mailing_id, delivery.c.state == DeliveryState.IN_DOUBT)
    )
    # Asked for in order, SQLite would go through all deliveries to find the few.
    return sorted(
        (Doubt(row.id, row.finished_at, row.relay, row.why, row.share_id) for row in rows),
        key=lambda one: one.delivery_id,
    )


def has_doubts(connection: Connection, mailing_id: int) -> bool:
    """Tell whether any delivery of a mailing is in doubt."""
    there = exists().where(
        delivery.c.mailing_id == mailing_id, delivery.c.state == DeliveryState.IN_DOUBT
    )
    return bool(connection.execute(select(there)).scalar())


def choose_doubts(connection: Connection, found: Mailing, ids: Collection[int]) -> list[Doubt]:
    """Return the doubts of a mailing that are named, or all of them when none is.

    Raises:
        DeliveriesGone: when its deliveries are cleared away.
        NotInDoubt: when one that is named is unknown, of another mailing, or not in doubt.
    """
    check_deliveries_there(connection, found.row_id)
    known = doubts(connection, found.row_id)
    if not ids:
        return known
    strangers = set(ids) - {one.delivery_id for one in known}
    if strangers:
        raise NotInDoubt(found.key, _reasons(connection, found.row_id, strangers))
    return [one for one in known if one.delivery_id in ids]


def _reasons(connection: Connection, mailing_id: int, ids: Collection[int]) -> dict[int, str]:
    reasons = dict.fromkeys(ids, "does not exist")
    rows = connection.execute(
        select(delivery.c.id, delivery.c.state, delivery.c.mailing_id, mailing.c.key)
        .join(mailing, mailing.c.id == delivery.c.mailing_id)
        .where(delivery.c.id.in_(ids))
    )
    for row in rows:
        state = row.state.value.replace("_", " ")
        reasons[row.id] = f"is {state}" if row.mailing_id == mailing_id else f"is of {row.key}"
    return reasons


def check_resend(connection: Connection, found: Mailing, chosen: Sequence[Doubt]) -> None:
    """Refuse to send doubts again that would not go out any more.

    Raises:
        CannotResend: when the mailing is cancelled, or the share of one of them is given up.
    """
    if found.state is MailingState.CANCELLED:
        raise CannotResend(f"{found.key} is cancelled", found.key)
    given_up = connection.execute(
        select(mailing_share.c.zone)
        .where(
            mailing_share.c.id.in_({one.share_id for one in chosen}),
            mailing_share.c.state == ShareState.SKIPPED,
        )
        .order_by(mailing_share.c.zone)
    ).scalars()
    zones = ", ".join(given_up)
    if zones:
        raise CannotResend(f"Of {found.key} the share of {zones} was given up", found.key)


def settle_doubts(
    connection: Connection,
    found: Mailing,
    ids: Collection[int],
    decision: Settlement,
    by: str,
    now: datetime,
) -> list[int]:
    """Write a decision about deliveries in doubt; return the ids of those that still were.

    What is sent again keeps its id, and with it Message-ID and return path, the date and the number
    of its attempts. A mailing that was finished runs again. Lateness is nothing that the person
    who asked for it should be asked about again: a share that waits for no other delivery is
    released. Windows hold as ever.

    Args:
        connection: a connection in a transaction that may write.
        found: the mailing.
        ids: of at most `SETTLE_CHUNK` deliveries.
        decision: what becomes of them.
        by: login name of whoever decided.
        now: this instant.

    Raises:
        CannotResend: when the mailing was cancelled meanwhile.
    """
    state = lock_mailing(connection, found.row_id)
    if decision is Settlement.RESEND and state is MailingState.CANCELLED:
        raise CannotResend(f"{found.key} is cancelled", found.key)
    rows = connection.execute(
        select(
            delivery.c.id,
            delivery.c.attempts,
            delivery.c.share_id,
            delivery.c.list_id,
            delivery.c.language,
        )
        .where(
            delivery.c.id.in_(ids),
            delivery.c.mailing_id == found.row_id,
            delivery.c.state == DeliveryState.IN_DOUBT,
        )
        .order_by(delivery.c.id)
        # A report from outside may settle one at this moment.
        .with_for_update()
    ).all()
    if not rows:
        return []
    settled = [row.id for row in rows]
    values: dict[str, object] = {"state": DeliveryState.ACCEPTED}
    if decision is Settlement.RESEND:
        values = {
            "state": DeliveryState.DUE,
            "next_attempt_at": now,
            "resent_at": now,
            "finished_at": None,
        }
        if state is MailingState.FINISHED:
            change_state(connection, found.row_id, state, MailingState.RUNNING, finished_at=None)
        _release_shares(connection, {row.share_id for row in rows}, now)
    connection.execute(update(delivery).where(delivery.c.id.in_(settled)).values(**values))
    after = OPEN if decision is Settlement.RESEND else Standing(DeliveryState.ACCEPTED)
    for row in rows:
        cell = Cell(found.row_id, row.list_id, row.language or "")
        move_deliveries(connection, cell, Standing(DeliveryState.IN_DOUBT), after)
    connection.execute(
        settlement.insert(),
        [
            {
                "mailing_id": found.row_id,
                "delivery_id": row.id,
                "attempt": row.attempts,
                "decision": decision,
                "decided_at": now,
                "decided_by": by,
            }
            for row in rows
        ],
    )
    return settled


def _release_shares(connection: Connection, share_ids: Collection[int], now: datetime) -> None:
    """Let late shares go that nothing else waits in: others in them were not asked about."""
    others = exists().where(
        delivery.c.share_id == mailing_share.c.id,
        delivery.c.mailing_id == mailing_share.c.mailing_id,
        delivery.c.state.in_(OPEN_STATES),
    )
    connection.execute(
        update(mailing_share)
        .where(
            mailing_share.c.id.in_(share_ids),
            or_(
                mailing_share.c.state == ShareState.HELD,
                (mailing_share.c.state == ShareState.WAITING) & (mailing_share.c.due_at <= now),
            ),
            mailing_share.c.released_at.is_(None),
            ~others,
        )
        .values(state=ShareState.WAITING, released_at=now)
    )


def settlements(connection: Connection, mailing_id: int) -> dict[Settlement, int]:
    """Count what people decided about a mailing's doubts; both that were cleared away and not."""
    rows = connection.execute(
        select(settlement.c.decision, func.count().label("count_"))
        .where(settlement.c.mailing_id == mailing_id)
        .group_by(settlement.c.decision)
    )
    return {row.decision: row.count_ for row in rows}


def taken_as_sent(connection: Connection, mailing_id: int) -> set[int]:
    """Return the ids of deliveries that count as accepted by a person's word."""
    rows = connection.execute(
        select(settlement.c.delivery_id).where(
            settlement.c.mailing_id == mailing_id,
            settlement.c.decision == Settlement.TAKE_AS_SENT,
        )
    )
    return set(rows.scalars())
