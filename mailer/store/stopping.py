"""Stop mailings and let them go on: pause, hold, release, cancel.

In: a mailing, who or what stops it, and why. Out: its state, and the one that it goes back to. What a
cancelled mailing still had to send is cancelled after it, chunk by chunk.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Select, select, update

from mailer.model.mailing import Mailing
from mailer.model.states import DeliveryState, ForbiddenTransition, MailingState
from mailer.store.batches import ids_for, these
from mailer.store.breaker import figures_by_class, figures_to_document
from mailer.store.mailings import change_state, find_mailing, load_mailing
from mailer.store.shares import release_shares
from mailer.store.tables import delivery, mailing
from mailer.store.tallies import Standing, change, lock_counted

#: How many deliveries one transaction cancels: well under 50 ms of write lock.
CANCEL_CHUNK = 2_000
#: Characters of the reason why a mailing is held.
LONGEST_REASON = 200
#: Those of a claim are on their way and come to their end.
_WAITING = (DeliveryState.DUE, DeliveryState.DEFERRED)


class PausedByItself(Exception):
    """A mailing paused beyond its limits, and nobody said that it is to go on anyway."""

    def __init__(self, key: str, reason: str) -> None:
        self.key = key
        self.reason = reason
        super().__init__(
            f"{key} paused by itself: {reason}. See mailer report {key}; to let it go on in spite "
            f"of that: mailer resume {key} --anyway"
        )


def pause(connection: Connection, key: str) -> Mailing:
    """Stop a scheduled, freezing or running mailing; what is open is finished."""
    found = find_mailing(connection, key)
    change_state(
        connection, found.row_id, found.state, MailingState.PAUSED, state_before=found.state
    )
    return find_mailing(connection, key)


def pause_by_itself(connection: Connection, row_id: int, reason: str) -> None:
    """Stop a running mailing that is beyond its limits, until a person lets it go on anyway."""
    change_state(
        connection,
        row_id,
        MailingState.RUNNING,
        MailingState.PAUSED,
        state_before=MailingState.RUNNING,
        pause_reason=reason[:LONGEST_REASON],
    )


def resume(connection: Connection, key: str, *, anyway: bool = False) -> Mailing:
    """Let a paused mailing go on where it stood.

    Args:
        connection: a connection in a transaction that writes.
        key: the mailing's.
        anyway: also one that paused by itself; what was counted so far is held against it no more.

    Raises:
        ForbiddenTransition: when it is not paused.
        PausedByItself: when it did, and not `anyway`; nothing is changed.
    """
    found = find_mailing(connection, key)
    if found.state is not MailingState.PAUSED:
        raise ForbiddenTransition(found.state, MailingState.RUNNING)
    values: dict[str, object] = {"state_before": None, "pause_reason": ""}
    if found.pause_reason:
        if not anyway:
            raise PausedByItself(key, found.pause_reason)
        counted = figures_by_class(connection, found.row_id)
        values["judged_from"] = figures_to_document(counted)
    before = _state_before(connection, found)
    change_state(connection, found.row_id, found.state, before, **values)
    return find_mailing(connection, key)


def hold(connection: Connection, found: Mailing, back_to: MailingState, reason: str) -> None:
    """Put a mailing aside until a person releases it; `reason` is shown to them."""
    change_state(
        connection,
        found.row_id,
        found.state,
        MailingState.HELD,
        state_before=back_to,
        held_reason=reason[:LONGEST_REASON],
    )


def hold_running(connection: Connection, row_id: int, reason: str) -> None:
    """Put a running mailing aside, as `hold` does; one that does not run stays as it is."""
    found = load_mailing(connection, row_id)
    if found.state is MailingState.RUNNING:
        hold(connection, found, MailingState.RUNNING, reason)


def release(connection: Connection, key: str, now: datetime) -> Mailing:
    """Let a held mailing go on: what held it does no more, nor does its lateness or its shares'."""
    found = find_mailing(connection, key)
    if found.state is not MailingState.HELD:
        raise ForbiddenTransition(found.state, MailingState.SCHEDULED)
    before = _state_before(connection, found)
    extra = {"started_at": now} if before is MailingState.RUNNING and not found.started_at else {}
    change_state(
        connection,
        found.row_id,
        found.state,
        before,
        state_before=None,
        held_reason="",
        pause_reason="",
        released_at=now,
        **extra,
    )
    release_shares(connection, found.row_id, now)
    return find_mailing(connection, key)


def cancel(connection: Connection, key: str, now: datetime) -> Mailing:
    """End a mailing before everyone was mailed; deliveries follow in chunks."""
    found = find_mailing(connection, key)
    change_state(
        connection,
        found.row_id,
        found.state,
        MailingState.CANCELLED,
        state_before=found.state,
        finished_at=now,
    )
    return find_mailing(connection, key)


def _state_before(connection: Connection, found: Mailing) -> MailingState:
    before = connection.execute(
        select(mailing.c.state_before).where(mailing.c.id == found.row_id)
    ).scalar_one()
    return MailingState(before) if before else MailingState.SCHEDULED


def _open_of_cancelled() -> Select[int]:
    return (
        select(delivery.c.id)
        .join(mailing, mailing.c.id == delivery.c.mailing_id)
        .where(
            mailing.c.state == MailingState.CANCELLED,
            delivery.c.state.in_(_WAITING),
        )
    )


def has_cancelled_open_deliveries(connection: Connection) -> bool:
    """Tell whether a cancelled mailing still has deliveries that are due."""
    return connection.execute(_open_of_cancelled().limit(1)).first() is not None


def cancel_open_deliveries(connection: Connection, now: datetime) -> int:
    """Cancel a chunk of what cancelled mailings still had to send; return how many."""
    chunk = _open_of_cancelled().limit(CANCEL_CHUNK)
    found = lock_counted(connection, connection.execute(chunk).scalars().all())
    # Where rows are locked one by one, a sender may have claimed some meanwhile.
    waiting = {key: one for key, one in found.items() if one.state in _WAITING}
    change(connection, waiting.values(), Standing(DeliveryState.CANCELLED))
    connection.execute(
        update(delivery)
        .where(delivery.c.id.in_(these(connection.dialect.name)))
        .values(state=DeliveryState.CANCELLED, finished_at=now, next_attempt_at=None),
        ids_for(connection, waiting),
    )
    return len(found)
