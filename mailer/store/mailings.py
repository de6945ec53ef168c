"""Mailings: written once, loaded, and moved from state to state.

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

from sqlalchemy import Connection, Row, delete, exists, func, select, update

from mailer.model.audience import ListDefinition
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
    OPEN_STATES,
    DeliveryState,
    ForbiddenTransition,
    MailingState,
    check_mailing_transition,
)
from mailer.model.timing import AT_ONCE, PlannedShare, Timing
from mailer.store.audience import list_from_document, list_to_document
from mailer.store.breaker import breaker_from_columns, breaker_to_columns
from mailer.store.shares import (
    timing_from_document,
    timing_to_document,
    write_shares,
    write_zones,
)
from mailer.store.tables import (
    delivery,
    mailing,
    mailing_share,
    mailing_target,
    mailing_topic,
    mailing_zone,
    statement,
)
from mailer.store.topics import topics_of_mailing, write_topics


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
    """Schedule a draft or an approved mailing, with all that a person was shown pinned anew.

    Its statement and revision stay as they were drafted.

    Raises:
        ForbiddenTransition: when it is neither any more.
    """
    waits = (MailingState.DRAFT, MailingState.APPROVED)
    state = lock_mailing(connection, row_id)
    change_state(
        connection,
        row_id,
        state if state in waits else MailingState.DRAFT,
        MailingState.SCHEDULED,
        **_pinned(new),
    )
    _rewrite_targets(connection, row_id, new)
    return load_mailing(connection, row_id)


def rewrite_draft(connection: Connection, row_id: int, new: NewMailing) -> Mailing:
    """Pin other things in a draft: another revision of its statement, other lists, another sender.

    Raises:
        ForbiddenTransition: when it is no draft any more.
    """
    changed = connection.execute(
        update(mailing)
        .where(
            mailing.c.id == row_id,
            mailing.c.state == MailingState.DRAFT,
            mailing.c.statement_id == new.statement_id,
        )
        .values(revision_id=new.revision_id, **_pinned(new))
    )
    if changed.rowcount != 1:
        raise ForbiddenTransition(lock_mailing(connection, row_id), MailingState.DRAFT)
    _rewrite_targets(connection, row_id, new)
    return load_mailing(connection, row_id)


def _rewrite_targets(connection: Connection, row_id: int, new: NewMailing) -> None:
    # Zones name shares, so they go first.
    for table in (mailing_target, mailing_topic, mailing_zone, mailing_share):
        connection.execute(delete(table).where(table.c.mailing_id == row_id))
    _write_targets(connection, row_id, new)


def note_asked(connection: Connection, row_id: int, login: str, now: datetime) -> None:
    """Write who asked for a mailing's approval, and when."""
    connection.execute(
        update(mailing).where(mailing.c.id == row_id).values(asked_by=login, asked_at=now)
    )


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


def mailings_before(
    connection: Connection, before: int | None, limit: int, states: Iterable[MailingState] = ()
) -> list[Mailing]:
    """Return a page of mailings, the latest made first.

    Args:
        connection: one that reads.
        before: row id that the page comes after; None for the first page.
        limit: how many at most.
        states: only those in one of these; all for none.
    """
    query = select(mailing).order_by(mailing.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(mailing.c.id < before)
    wanted = list(states)
    if wanted:
        query = query.where(mailing.c.state.in_(wanted))
    return [_mailing_of(connection, row) for row in connection.execute(query).all()]


def mailings_between(connection: Connection, begin: datetime, end: datetime) -> list[Mailing]:
    """Return the mailings whose hour is in a span of time, the earliest first."""
    query = (
        select(mailing)
        .where(mailing.c.due_at >= begin, mailing.c.due_at < end)
        .order_by(mailing.c.due_at, mailing.c.id)
    )
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
