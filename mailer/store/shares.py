"""Shares of a mailing: written when it is scheduled, completed when it is frozen, opened and shut.

In: a mailing's row id, and decisions of the scheduler or of a person. Out: `Share` objects and
rows. A share changes by an UPDATE that names the state it expects, as a mailing does, so that two
processes never both make the same change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    update,
)

from mailer.model.relays import EVERY_SENDER, SenderChoice
from mailer.model.states import OPEN_STATES, DeliveryState, MailingState, SkipReason
from mailer.model.timing import (
    AT_ONCE,
    LatePolicy,
    PlannedShare,
    Share,
    ShareState,
    Timing,
    parse_quiet_days,
    parse_window,
)
from mailer.store.tables import delivery, mailing, mailing_share, mailing_zone, supporter
from mailer.store.tallies import change, lock_counted, standing
from mailer.store.types import Instant

#: The share of deliveries whose mailing has none.
NO_SHARE = 0
#: How many deliveries one transaction skips: well under 50 ms of write lock.
SKIP_CHUNK = 2_000
#: Deliveries that no sender holds and that have no outcome.
_LEFT = (DeliveryState.DUE, DeliveryState.DEFERRED)
_EXPIRED = standing(DeliveryState.SKIPPED, SkipReason.EXPIRED)
#: Gives the share that a zone on record belongs to, on a list: list's row id, zone.
ShareFor = Callable[[int, str], PlannedShare]


class ShareNotFound(Exception):
    """The mailing has no share of that zone."""

    def __init__(self, key: str, zone: str) -> None:
        self.key = key
        self.zone = zone
        super().__init__(f'{key} has no share "{zone}". See: mailer mailings show {key}')


def timing_to_document(timing: Timing) -> dict[str, Any]:
    """Return a mailing's timing as JSON can hold it, in the words people write."""
    return {
        "recipient_time": timing.recipient_time,
        "local_hour": timing.local_hour.isoformat() if timing.local_hour else "",
        "window": str(timing.window or ""),
        "quiet_days": str(timing.quiet_days),
        "late": timing.late.value if timing.late else "",
    }


def timing_from_document(document: Mapping[str, Any] | None) -> Timing:
    """Return the timing that `timing_to_document` was given; that of "at once" for None."""
    if document is None:
        return AT_ONCE
    words = document["quiet_days"].split(",") if document["quiet_days"] else []
    return Timing(
        recipient_time=document["recipient_time"],
        local_hour=(
            datetime.fromisoformat(document["local_hour"]) if document["local_hour"] else None
        ),
        window=parse_window(document["window"]) if document["window"] else None,
        quiet_days=parse_quiet_days(words),
        late=LatePolicy(document["late"]) if document["late"] else None,
    )


def write_shares(
    connection: Connection, mailing_id: int, timing: Timing, shares: Iterable[PlannedShare]
) -> None:
    """Write the shares of a mailing that is being scheduled, and what becomes of late ones."""
    rows = [_row(mailing_id, timing, one) for one in shares]
    if rows:
        connection.execute(mailing_share.insert(), rows)


def _row(mailing_id: int, timing: Timing, one: PlannedShare) -> dict[str, Any]:
    """Return a share as it is first written: given up where it is late and a person said so."""
    skipped = one.late and timing.late is LatePolicy.SKIP
    return {
        "mailing_id": mailing_id,
        "zone": one.zone,
        "due_at": one.due_at,
        "state": ShareState.SKIPPED if skipped else ShareState.WAITING,
        "people": one.people,
    }


def write_zones(
    connection: Connection, mailing_id: int, zones: Iterable[tuple[int, str, str]]
) -> None:
    """Write which share each zone as it stands on record belongs to: list, zone, share's zone."""
    ids = {one.zone: one.row_id for one in shares_of(connection, mailing_id)}
    rows = [
        {
            "mailing_id": mailing_id,
            "list_id": list_id,
            "time_zone": time_zone,
            "share_id": ids[zone],
        }
        for list_id, time_zone, zone in zones
    ]
    if rows:
        connection.execute(mailing_zone.insert(), rows)


def _share_of(row: Row[Any]) -> Share:
    return Share(
        row_id=row.id,
        mailing_id=row.mailing_id,
        zone=row.zone,
        due_at=row.due_at,
        state=row.state,
        people=row.people,
        released=row.released_at is not None,
        shuts_at=row.shuts_at,
    )


def shares_of(connection: Connection, mailing_id: int) -> list[Share]:
    """Return the shares of a mailing in the order they fall due."""
    rows = connection.execute(
        select(mailing_share)
        .where(mailing_share.c.mailing_id == mailing_id)
        .order_by(mailing_share.c.due_at, mailing_share.c.zone)
    )
    return [_share_of(row) for row in rows]


def change_share(
    connection: Connection, share: Share, state: ShareState, shuts_at: datetime | None
) -> bool:
    """Move a share of a running mailing; False when a person or another process was first."""
    runs = exists().where(
        mailing.c.id == mailing_share.c.mailing_id, mailing.c.state == MailingState.RUNNING
    )
    changed = connection.execute(
        update(mailing_share)
        .where(
            mailing_share.c.id == share.row_id,
            mailing_share.c.state == share.state,
            mailing_share.c.released_at.is_not(None)
            if share.released
            else mailing_share.c.released_at.is_(None),
            runs,
        )
        .values(state=state, shuts_at=shuts_at)
    )
    return changed.rowcount == 1


def held_shares(connection: Connection, mailing_id: int) -> list[Share]:
    """Return the shares that wait for a person."""
    return [one for one in shares_of(connection, mailing_id) if one.state is ShareState.HELD]


def release_shares(
    connection: Connection, mailing_id: int, now: datetime, zone: str | None = None
) -> int:
    """Let held shares go on, all or one, and what has fallen due since; return how many.

    They wait for the scheduler, which opens them as their window allows.
    """
    query = update(mailing_share).where(
        mailing_share.c.mailing_id == mailing_id,
        or_(
            mailing_share.c.state == ShareState.HELD,
            (mailing_share.c.state == ShareState.WAITING) & (mailing_share.c.due_at <= now),
        ),
        mailing_share.c.released_at.is_(None),
    )
    if zone is not None:
        query = query.where(mailing_share.c.zone == zone)
    return connection.execute(query.values(state=ShareState.WAITING, released_at=now)).rowcount


def skip_share(connection: Connection, mailing_id: int, zone: str) -> bool:
    """Give a share up; its deliveries follow in chunks. False when it is given up already."""
    changed = connection.execute(
        update(mailing_share)
        .where(
            mailing_share.c.mailing_id == mailing_id,
            mailing_share.c.zone == zone,
            mailing_share.c.state != ShareState.SKIPPED,
        )
        .values(state=ShareState.SKIPPED, shuts_at=None)
    )
    return changed.rowcount == 1


def find_share(connection: Connection, mailing_id: int, key: str, zone: str) -> Share:
    """Return the share of a zone.

    Raises:
        ShareNotFound: when the mailing has none.
    """
    found = _find(connection, mailing_id, zone)
    if found is None:
        raise ShareNotFound(key, zone)
    return found


def _find(connection: Connection, mailing_id: int, zone: str) -> Share | None:
    row = connection.execute(
        select(mailing_share).where(
            mailing_share.c.mailing_id == mailing_id, mailing_share.c.zone == zone
        )
    ).one_or_none()
    return None if row is None else _share_of(row)


def _left_in_skipped() -> Select[int]:
    given_up = select(mailing_share.c.id).where(mailing_share.c.state == ShareState.SKIPPED)
    sent = select(mailing.c.id).where(
        mailing.c.in_shares,
        mailing.c.state.in_([MailingState.RUNNING, MailingState.PAUSED, MailingState.HELD]),
    )
    return select(delivery.c.id).where(
        delivery.c.state.in_(_LEFT),
        delivery.c.mailing_id.in_(sent),
        delivery.c.share_id.in_(given_up),
    )


def has_left_in_skipped(connection: Connection) -> bool:
    """Tell whether a share that was given up still has deliveries that are due."""
    return connection.execute(_left_in_skipped().limit(1)).first() is not None


def expire_skipped(connection: Connection, now: datetime) -> int:
    """Skip a chunk of what shares that were given up still had to send; return how many."""
    ids = list(connection.execute(_left_in_skipped().limit(SKIP_CHUNK)).scalars())
    if ids:
        found = lock_counted(connection, ids)
        # Where rows are locked one by one, a sender may have claimed some meanwhile.
        left = {key: one for key, one in found.items() if one.state in _LEFT}
        change(connection, left.values(), _EXPIRED)
        connection.execute(
            update(delivery)
            .where(delivery.c.id.in_(list(left)))
            .values(
                state=DeliveryState.SKIPPED,
                skip_reason=SkipReason.EXPIRED,
                next_attempt_at=None,
                finished_at=now,
            )
        )
    return len(ids)


@dataclass(frozen=True)
class Lane:
    """What may go out now: a running mailing, and one open share of it or `NO_SHARE`."""

    mailing_id: int
    share_id: int


def _sent_by(senders: SenderChoice) -> ColumnElement[bool]:
    """Return the condition that a mailing comes from one of these senders."""
    if senders.others:
        return mailing.c.sender_key.not_in(senders.keys) if senders.keys else true()
    return mailing.c.sender_key.in_(senders.keys)


def open_lanes(
    connection: Connection, now: datetime, senders: SenderChoice = EVERY_SENDER
) -> list[Lane]:
    """Return what may go out at `now`, the mailing whose hour came first in front.

    A share whose opening has ended is not open, whether or not the scheduler has shut it yet.
    """
    rows = connection.execute(_open_lanes(senders), {"now": now})
    return [Lane(row.id, row.share_id) for row in rows]


@lru_cache(maxsize=16)
def _open_lanes(senders: SenderChoice) -> Select[tuple[int, int]]:
    """Return the query; it is asked several times a second, and building it takes longest."""
    return (
        select(mailing.c.id, func.coalesce(mailing_share.c.id, literal(NO_SHARE)).label("share_id"))
        .select_from(mailing)
        .join(mailing_share, mailing_share.c.mailing_id == mailing.c.id, isouter=True)
        .where(
            mailing.c.state == MailingState.RUNNING,
            _sent_by(senders),
            or_(
                ~mailing.c.in_shares,
                (mailing_share.c.state == ShareState.OPEN)
                & or_(
                    mailing_share.c.shuts_at.is_(None),
                    mailing_share.c.shuts_at > bindparam("now", type_=Instant),
                ),
            ),
        )
        .order_by(mailing.c.due_at, mailing.c.id, mailing_share.c.id)
    )


@dataclass(frozen=True)
class ShareFigures:
    """How far a share is."""

    to_mail: int
    open: int


def share_figures(connection: Connection, mailing_id: int) -> dict[int, ShareFigures]:
    """Count the deliveries of each share: all that were or are to be mailed, and the open ones."""
    # Each state by its name: that is the order of the index, in which nothing has to be sorted.
    mailed = [state for state in DeliveryState if state is not DeliveryState.SKIPPED]
    rows = connection.execute(
        select(delivery.c.share_id, delivery.c.state, func.count().label("people"))
        .where(delivery.c.mailing_id == mailing_id, delivery.c.state.in_(mailed))
        .group_by(delivery.c.share_id, delivery.c.state)
    )
    found: dict[int, ShareFigures] = {}
    for row in rows:
        old = found.get(row.share_id, ShareFigures(0, 0))
        still = row.people if row.state in OPEN_STATES else 0
        found[row.share_id] = ShareFigures(old.to_mail + row.people, old.open + still)
    return found


def place(
    connection: Connection, mailing_id: int, timing: Timing, share_for: ShareFor, now: datetime
) -> None:
    """Give deliveries just written without a share the one of their zone, making it if need be.

    Zones that nobody had at scheduling come so: people moved or joined since.
    """
    strays = (
        delivery.c.state == DeliveryState.DUE,
        delivery.c.mailing_id == mailing_id,
        delivery.c.share_id == NO_SHARE,
    )
    if connection.execute(select(delivery.c.id).where(*strays).limit(1)).first() is None:
        return
    found = connection.execute(
        select(delivery.c.list_id, supporter.c.time_zone)
        .join(supporter, supporter.c.id == delivery.c.supporter_id)
        .where(*strays)
        .distinct()
    ).all()
    for list_id, time_zone in found:
        wanted = share_for(list_id, time_zone)
        share = _find(connection, mailing_id, wanted.zone)
        if share is None:
            # Nobody else makes it meanwhile: whoever freezes has locked the mailing's row.
            write_shares(connection, mailing_id, timing, [wanted])
            share = find_share(connection, mailing_id, str(mailing_id), wanted.zone)
        write_zones(connection, mailing_id, [(list_id, time_zone, share.zone)])
        here = exists().where(
            supporter.c.id == delivery.c.supporter_id, supporter.c.time_zone == time_zone
        )
        given_up = share.state is ShareState.SKIPPED
        values: dict[str, Any] = {"share_id": share.row_id, "next_attempt_at": share.due_at}
        if given_up:
            strayed = connection.execute(
                select(delivery.c.id).where(*strays, delivery.c.list_id == list_id, here)
            ).scalars()
            change(connection, lock_counted(connection, strayed.all()).values(), _EXPIRED)
            values |= {
                "state": DeliveryState.SKIPPED,
                "skip_reason": SkipReason.EXPIRED,
                "next_attempt_at": None,
                "finished_at": now,
            }
        connection.execute(
            update(delivery).where(*strays, delivery.c.list_id == list_id, here).values(**values)
        )
