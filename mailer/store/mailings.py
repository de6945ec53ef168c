"""Mailings: creating, loading, and moving them from state to state.

In: what was scheduled. Out: `Mailing` objects and rows. A state changes only along
`MAILING_TRANSITIONS`, by one UPDATE that names the state it expects, so that two processes never
both make the same change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, Select, delete, exists, func, select, update

from mailer.model.audience import Attribute, AttributeType, ListDefinition
from mailer.model.breaker import Breaker
from mailer.model.mailing import (
    NO_CONCERN,
    Concern,
    Corrected,
    DkimKey,
    Mailing,
    Sender,
    Target,
)
from mailer.model.states import (
    DeliveryState,
    ForbiddenTransition,
    MailingState,
    check_mailing_transition,
)
from mailer.model.timing import AT_ONCE, PlannedShare, Timing
from mailer.store.breaker import (
    breaker_from_columns,
    breaker_to_columns,
    figures_by_class,
    figures_to_document,
)
from mailer.store.shares import (
    release_shares,
    timing_from_document,
    timing_to_document,
    write_shares,
    write_zones,
)
from mailer.store.tables import delivery, lease, mailing, mailing_target, statement
from mailer.store.topics import topics_of_mailing, write_topics

#: Deliveries whose outcome is still to come.
OPEN_STATES = (DeliveryState.DUE, DeliveryState.DEFERRED, DeliveryState.SENDING)
#: How many deliveries one transaction cancels: well under 50 ms of write lock.
CANCEL_CHUNK = 2_000
#: Characters of the reason why a mailing is held.
LONGEST_REASON = 200


@dataclass(frozen=True)
class NewMailing:
    """A mailing about to be written."""

    statement_id: int
    slug: str
    revision_id: int
    revision_digest: str
    design_id: int
    design_digest: str
    sender: Sender
    #: Row id of each list and its definition, in the order given.
    lists: Sequence[tuple[int, ListDefinition]]
    segment: str
    exclude: str
    due_at: datetime
    time_zone: str
    grace_s: int
    confirmed_count: int
    timing: Timing = AT_ONCE
    #: Empty unless the timing cuts it into shares.
    shares: Sequence[PlannedShare] = ()
    #: Row id of a list, zone as it stands on record there, zone of the share it belongs to.
    zones: Sequence[tuple[int, str, str]] = ()
    corrects: Corrected | None = None
    #: A draft waits for a person to schedule it.
    state: MailingState = MailingState.SCHEDULED
    #: Scheduled while the workspace was not live; what nobody says is safe.
    rehearsal: bool = True
    #: What goes first, and what it pauses at; None: it never pauses by itself.
    breaker: Breaker | None = None
    concern: Concern = NO_CONCERN


class PausedByItself(Exception):
    """A mailing paused beyond its limits, and nobody said that it is to go on anyway."""

    def __init__(self, key: str, reason: str) -> None:
        self.key = key
        self.reason = reason
        super().__init__(
            f"{key} paused by itself: {reason}. See mailer report {key}; to let it go on in spite "
            f"of that: mailer resume {key} --anyway"
        )


class MailingNotFound(Exception):
    """No mailing has that key."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f'There is no mailing "{key}". See: mailer mailings list.')


def sender_to_document(sender: Sender) -> dict[str, Any]:
    """Return the sender as the mailing keeps it; key files by path, never by content."""
    return asdict(sender)


def sender_from_document(document: dict[str, Any]) -> Sender:
    """Return the sender that `sender_to_document` was given."""
    keys = tuple(DkimKey(**key) for key in document["dkim"])
    return Sender(**{**document, "dkim": keys})


def list_to_document(definition: ListDefinition) -> dict[str, Any]:
    """Return a list's definition as JSON can hold it."""
    return {
        **asdict(definition),
        "languages": list(definition.languages),
        # In pairs: the database sorts the keys of a document.
        "topics": [[key, dict(names)] for key, names in definition.topics.items()],
    }


def list_from_document(document: dict[str, Any]) -> ListDefinition:
    """Return the definition that `list_to_document` was given."""
    attributes = {
        name: Attribute(value["name"], AttributeType(value["type"]), value["clear"])
        for name, value in document["attributes"].items()
    }
    return ListDefinition(
        **{
            **document,
            "languages": tuple(document["languages"]),
            "attributes": attributes,
            "topics": dict(document.get("topics", ())),
        }
    )


def pinned_digest(
    revision_digest: str,
    design_digest: str,
    sender: Sender,
    corrects: Corrected | None = None,
    *,
    urgent: bool = False,
) -> str:
    """Return the SHA-256 over everything that shapes the mails: what is approved is this.

    That a mailing is urgent is part of it: by that it goes to people who want nothing else.
    """
    parts: list[Any] = [revision_digest, design_digest, sender_to_document(sender)]
    if corrects is not None:
        # Its mails name that day.
        parts.append([corrects.key, corrects.day.isoformat()])
    if urgent:
        parts.append("urgent")
    pinned = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(pinned.encode()).hexdigest()


def create_mailing(connection: Connection, new: NewMailing, now: datetime) -> Mailing:
    """Write a mailing, scheduled or a draft, and return it with its key `<slug>-<n>`."""
    # The statement's row is locked first, so that two who schedule get two numbers.
    connection.execute(
        update(statement).where(statement.c.id == new.statement_id).values(slug=new.slug)
    )
    last = connection.execute(
        select(func.max(mailing.c.number)).where(mailing.c.statement_id == new.statement_id)
    ).scalar()
    number = (last or 0) + 1
    row_id = connection.execute(
        mailing.insert()
        .values(
            key=f"{new.slug}-{number}",
            statement_id=new.statement_id,
            number=number,
            revision_id=new.revision_id,
            state=new.state,
            created_at=now,
            **_pinned(new),
        )
        .returning(mailing.c.id)
    ).scalar_one()
    _write_targets(connection, row_id, new)
    return load_mailing(connection, row_id)


def _pinned(new: NewMailing) -> dict[str, Any]:
    """Return the columns of what a person agrees to when a mailing is scheduled."""
    return {
        "design_id": new.design_id,
        "sender": sender_to_document(new.sender),
        "sender_key": new.sender.key,
        "rehearsal": new.rehearsal,
        "segment": new.segment,
        "exclude": new.exclude,
        "due_at": new.due_at,
        "time_zone": new.time_zone,
        "grace_s": new.grace_s,
        "timing": timing_to_document(new.timing),
        "in_shares": new.timing.in_shares,
        "confirmed_count": new.confirmed_count,
        "urgent": new.concern.urgent,
        "digest": pinned_digest(
            new.revision_digest,
            new.design_digest,
            new.sender,
            new.corrects,
            urgent=new.concern.urgent,
        ),
        "corrects_id": new.corrects.row_id if new.corrects else None,
        **breaker_to_columns(new.breaker),
    }


def _write_targets(connection: Connection, row_id: int, new: NewMailing) -> None:
    """Write to which lists a mailing goes, its topics, and its shares."""
    connection.execute(
        mailing_target.insert(),
        [
            {
                "mailing_id": row_id,
                "position": position,
                "list_id": list_id,
                "definition": list_to_document(definition),
            }
            for position, (list_id, definition) in enumerate(new.lists)
        ],
    )
    write_topics(connection, row_id, new.concern.topics)
    write_shares(connection, row_id, new.timing, new.shares)
    write_zones(connection, row_id, new.zones)


def schedule_draft(connection: Connection, row_id: int, new: NewMailing) -> Mailing:
    """Schedule a draft, with all that a person was shown pinned anew.

    Its statement and revision stay as they were drafted.

    Raises:
        ForbiddenTransition: when it is no draft any more.
    """
    change_state(
        connection,
        row_id,
        MailingState.DRAFT,
        MailingState.SCHEDULED,
        **_pinned(new),
    )
    connection.execute(delete(mailing_target).where(mailing_target.c.mailing_id == row_id))
    _write_targets(connection, row_id, new)
    return load_mailing(connection, row_id)


def _mailing_of(connection: Connection, row: Row[Any]) -> Mailing:
    targets = connection.execute(
        select(mailing_target)
        .where(mailing_target.c.mailing_id == row.id)
        .order_by(mailing_target.c.position)
    )
    return Mailing(
        row_id=row.id,
        key=row.key,
        state=row.state,
        revision_id=row.revision_id,
        design_id=row.design_id,
        sender=sender_from_document(row.sender),
        targets=tuple(
            Target(target.position, target.list_id, list_from_document(target.definition))
            for target in targets
        ),
        segment=row.segment,
        exclude=row.exclude,
        due_at=row.due_at,
        time_zone=row.time_zone,
        grace_s=row.grace_s,
        confirmed_count=row.confirmed_count,
        digest=row.digest,
        held_reason=row.held_reason,
        released=row.released_at is not None,
        rehearsal=row.rehearsal,
        started_at=row.started_at,
        finished_at=row.finished_at,
        timing=timing_from_document(row.timing),
        corrects=corrected_from(connection, row.corrects_id) if row.corrects_id else None,
        breaker=breaker_from_columns(row.canary, row.limits),
        pause_reason=row.pause_reason,
        canary_tried_at=row.canary_tried_at,
        canary_passed_at=row.canary_passed_at,
        concern=Concern(row.urgent, topics_of_mailing(connection, row.id)),
    )


def corrected_from(connection: Connection, row_id: int) -> Corrected:
    """Return what a correction keeps of the mailing of that row id."""
    row = connection.execute(
        select(
            mailing.c.id, mailing.c.key, mailing.c.started_at, mailing.c.due_at, mailing.c.time_zone
        ).where(mailing.c.id == row_id)
    ).one()
    begun = row.started_at or row.due_at
    return Corrected(row.id, row.key, begun.astimezone(ZoneInfo(row.time_zone)).date())


def load_mailing(connection: Connection, row_id: int) -> Mailing:
    """Return the mailing of that row id.

    Raises:
        MailingNotFound: when there is none.
    """
    row = connection.execute(select(mailing).where(mailing.c.id == row_id)).one_or_none()
    if row is None:
        raise MailingNotFound(str(row_id))
    return _mailing_of(connection, row)


def find_mailing(connection: Connection, key: str) -> Mailing:
    """Return the mailing of that key, "<slug>-<n>".

    Raises:
        MailingNotFound: when there is none.
    """
    row = connection.execute(select(mailing).where(mailing.c.key == key)).one_or_none()
    if row is None:
        raise MailingNotFound(key)
    return _mailing_of(connection, row)


def list_mailings(
    connection: Connection, states: Iterable[MailingState] | None = None
) -> list[Mailing]:
    """Return mailings by their hour, the latest first; all, or those in `states`."""
    query = select(mailing).order_by(mailing.c.due_at.desc(), mailing.c.id.desc())
    if states is not None:
        query = query.where(mailing.c.state.in_(list(states)))
    return [_mailing_of(connection, row) for row in connection.execute(query).all()]


def due_mailings(connection: Connection, now: datetime) -> list[Mailing]:
    """Return the scheduled mailings whose hour has come, the oldest first."""
    query = (
        select(mailing)
        .where(mailing.c.state == MailingState.SCHEDULED, mailing.c.due_at <= now)
        .order_by(mailing.c.due_at, mailing.c.id)
    )
    return [_mailing_of(connection, row) for row in connection.execute(query).all()]


def change_state(
    connection: Connection,
    row_id: int,
    current: MailingState,
    wanted: MailingState,
    **values: object,
) -> None:
    """Move a mailing from `current` to `wanted`, with more columns if given.

    Raises:
        ForbiddenTransition: when the table does not allow it, or another process moved it first.
    """
    check_mailing_transition(current, wanted)
    changed = connection.execute(
        update(mailing)
        .where(mailing.c.id == row_id, mailing.c.state == current)
        .values(state=wanted, **values)
    )
    if changed.rowcount != 1:
        actual = connection.execute(
            select(mailing.c.state).where(mailing.c.id == row_id)
        ).scalar_one()
        raise ForbiddenTransition(actual, wanted)


def lock_mailing(connection: Connection, row_id: int) -> MailingState:
    """Let nobody else move a mailing before this transaction ends; return where it stands."""
    query = select(mailing.c.state).where(mailing.c.id == row_id).with_for_update()
    return MailingState(connection.execute(query).scalar_one())


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


def _open_of_cancelled() -> Select[tuple[int]]:
    return (
        select(delivery.c.id)
        .join(mailing, mailing.c.id == delivery.c.mailing_id)
        .where(
            mailing.c.state == MailingState.CANCELLED,
            delivery.c.state.in_([DeliveryState.DUE, DeliveryState.DEFERRED]),
        )
    )


def has_cancelled_open_deliveries(connection: Connection) -> bool:
    """Tell whether a cancelled mailing still has deliveries that are due."""
    return connection.execute(_open_of_cancelled().limit(1)).first() is not None


def cancel_open_deliveries(connection: Connection, now: datetime) -> int:
    """Cancel a chunk of what cancelled mailings still had to send; return how many."""
    chunk = _open_of_cancelled().limit(CANCEL_CHUNK)
    return connection.execute(
        update(delivery)
        .where(delivery.c.id.in_(chunk.scalar_subquery()))
        .values(state=DeliveryState.CANCELLED, finished_at=now, next_attempt_at=None)
    ).rowcount


def has_open_deliveries(connection: Connection, row_id: int) -> bool:
    """Tell whether any delivery of the mailing still waits for its outcome."""
    return bool(
        connection.execute(
            select(
                exists().where(delivery.c.mailing_id == row_id, delivery.c.state.in_(OPEN_STATES))
            )
        ).scalar()
    )


def due_count(connection: Connection, row_id: int) -> int:
    """Count the deliveries that freezing made due."""
    return int(
        connection.execute(
            select(func.count())
            .select_from(delivery)
            .where(delivery.c.mailing_id == row_id, delivery.c.state == DeliveryState.DUE)
        ).scalar_one()
    )


def take_lease(
    connection: Connection, name: str, holder: str, now: datetime, until: datetime
) -> bool:
    """Take or renew the lease `name`; False while another holder's has not run out."""
    # One that runs further ahead than any is given was taken before the clock was set back.
    furthest = until + (until - now)
    taken = connection.execute(
        update(lease)
        .where(
            lease.c.name == name,
            (lease.c.holder == holder)
            | (lease.c.expires_at <= now)
            | (lease.c.expires_at > furthest),
        )
        .values(holder=holder, expires_at=until)
    )
    if taken.rowcount == 1:
        return True
    if connection.execute(select(lease.c.name).where(lease.c.name == name)).one_or_none():
        return False
    connection.execute(lease.insert().values(name=name, holder=holder, expires_at=until))
    return True


def drop_lease(connection: Connection, name: str, holder: str) -> None:
    """Give the lease back so that the next holder need not wait."""
    connection.execute(delete(lease).where(lease.c.name == name, lease.c.holder == holder))
