"""What came back: events as they came, what they say of whom, and the counts of it.

In: events by source and id, findings, ids out of tokens. Out: rows, and what is on record of the mail
that a finding is about. An event is written once; what is done for it is written in the transaction
that marks it as acted on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, exists, func, select, update

from mailer.events import scrub
from mailer.model.feedback import FeedbackClass, FeedbackEffect, FeedbackReason, MatchedBy
from mailer.model.feedback_policy import SoftBounce, is_against_address
from mailer.model.service import ServicePurpose
from mailer.model.states import DeliveryState
from mailer.store.audience import dialect_of, insert_or_ignore
from mailer.store.tables import (
    delivery,
    feedback_count,
    feedback_event,
    feedback_finding,
    service_mail,
)

#: Source of mails that came back; those of a webhook are `hook_source` of its key.
MAIL_SOURCE = "mail"
#: Source of refusals that a relay gave while it was handed the mail.
SMTP_SOURCE = "smtp"
#: Longest diagnostic that is kept, in characters.
_LONGEST_DIAGNOSTIC = 300
#: A finding is one state change of a person.
_CHANGES = frozenset({FeedbackEffect.SUPPRESSED, FeedbackEffect.UNSUBSCRIBED})
_BOUNCES = (FeedbackClass.HARD, FeedbackClass.SOFT)


def hook_source(key: str) -> str:
    """Return the source of events that a webhook told."""
    return f"hook:{key}"


@dataclass(frozen=True)
class StoredEvent:
    """An event on record."""

    row_id: int
    #: Whether it was acted on.
    is_processed: bool
    #: Whether it was, and said nothing of anybody.
    is_unread: bool = False


def store_event(
    connection: Connection, source: str, event_id: str, received_at: datetime, raw_box: bytes | None
) -> StoredEvent:
    """Write an event unless it is on record, and return it; its row is locked."""
    connection.execute(
        insert_or_ignore(connection, feedback_event).values(
            source=source, event_id=event_id, received_at=received_at, raw_box=raw_box
        )
    )
    row = connection.execute(
        select(feedback_event.c.id, feedback_event.c.processed_at)
        .where(feedback_event.c.source == source, feedback_event.c.event_id == event_id)
        .with_for_update()
    ).one()
    if row.processed_at is None:
        return StoredEvent(row.id, is_processed=False)
    unread = exists().where(
        feedback_finding.c.event_id == row.id,
        feedback_finding.c.matched_by == MatchedBy.NOTHING,
        feedback_finding.c.kind != FeedbackClass.AUTHENTICATION_REPORT,
    )
    found = bool(connection.execute(select(unread)).scalar())
    return StoredEvent(row.id, is_processed=True, is_unread=found)


def is_event_known(connection: Connection, source: str, event_id: str) -> bool:
    """Tell whether an event was acted on; one that waits is to be told again."""
    known = exists().where(
        feedback_event.c.source == source,
        feedback_event.c.event_id == event_id,
        feedback_event.c.processed_at.is_not(None),
    )
    return bool(connection.execute(select(known)).scalar())


def end_event(connection: Connection, row_id: int, now: datetime) -> None:
    """Write that an event was acted on."""
    connection.execute(
        update(feedback_event).where(feedback_event.c.id == row_id).values(processed_at=now)
    )


@dataclass(frozen=True)
class SentMail:
    """The mail of ours that a finding is about, as it is on record."""

    address_digest: bytes
    #: Of a mailing's delivery, with the rest of it; else None.
    delivery_id: int | None = None
    supporter_id: int = 0
    mailing_id: int | None = None
    relay: str = ""
    domain_class: str = ""
    is_in_doubt: bool = False
    #: Of a service mail; else None.
    service_id: int | None = None
    purpose: ServicePurpose | None = None


def delivery_on_record(
    connection: Connection, delivery_id: int, *, lock: bool = False
) -> SentMail | None:
    """Return a delivery; None when it is unknown, or was cleared away."""
    query = select(delivery).where(delivery.c.id == delivery_id)
    # Two reports about one delivery, at the same time, are judged one after the other.
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return None
    return SentMail(
        row.address_digest,
        row.id,
        row.supporter_id,
        row.mailing_id,
        row.relay or "",
        row.domain_class,
        is_in_doubt=row.state is DeliveryState.IN_DOUBT,
    )


def service_mail_on_record(connection: Connection, service_id: int) -> SentMail | None:
    """Return a service mail; None when it is unknown, or was cleared away."""
    row = connection.execute(
        select(service_mail.c.address_digest, service_mail.c.purpose)
        .where(service_mail.c.id == service_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None
    return SentMail(row.address_digest, service_id=service_id, purpose=row.purpose)


@dataclass(frozen=True)
class Finding:
    """What is kept of what an event says of one recipient."""

    happened_at: datetime
    kind: FeedbackClass
    reason: FeedbackReason
    status: str
    smtp_code: int
    #: Scrubbed of addresses.
    diagnostic: str
    matched_by: MatchedBy
    effect: FeedbackEffect
    delivery_id: int | None = None
    service_id: int | None = None
    mailing_id: int | None = None
    address_digest: bytes | None = None


def write_finding(connection: Connection, event_row_id: int, one: Finding) -> None:
    """Write what an event says of one recipient."""
    values = {**vars(one), "diagnostic": scrub(one.diagnostic)[:_LONGEST_DIAGNOSTIC]}
    connection.execute(feedback_finding.insert().values(event_id=event_row_id, **values))


@dataclass(frozen=True)
class Done:
    """What earlier findings about one mail came to."""

    #: Kinds that changed something for the person.
    changed: frozenset[FeedbackClass] = frozenset()
    #: Kinds that were counted, or did more.
    counted: frozenset[FeedbackClass] = frozenset()

    @property
    def bounced(self) -> bool:
        """Whether it was counted as a bounce."""
        return any(kind in self.counted for kind in _BOUNCES)


def done_for(connection: Connection, mail: SentMail) -> Done:
    """Return what was done for earlier findings about a mail."""
    about = (
        feedback_finding.c.delivery_id == mail.delivery_id
        if mail.delivery_id is not None
        else feedback_finding.c.service_id == mail.service_id
    )
    rows = connection.execute(
        select(feedback_finding.c.kind, feedback_finding.c.effect).where(
            about, feedback_finding.c.effect != FeedbackEffect.STORED
        )
    ).all()
    return Done(
        frozenset(row.kind for row in rows if row.effect in _CHANGES),
        frozenset(row.kind for row in rows),
    )


def soft_bounces(
    connection: Connection, address_digest: bytes, since: datetime
) -> list[SoftBounce]:
    """Return what counts against an address softly since then, and since it last got a mail.

    Only what our token or Message-ID matched, and once for each mail.
    """
    rows = connection.execute(
        select(
            feedback_finding.c.happened_at,
            feedback_finding.c.kind,
            feedback_finding.c.reason,
            feedback_finding.c.status,
            feedback_finding.c.effect,
        )
        .where(
            feedback_finding.c.address_digest == address_digest,
            feedback_finding.c.happened_at >= since,
            feedback_finding.c.matched_by.not_in((MatchedBy.ADDRESS, MatchedBy.NOTHING)),
            feedback_finding.c.kind.in_((*_BOUNCES, FeedbackClass.DELIVERED)),
        )
        .order_by(feedback_finding.c.happened_at, feedback_finding.c.id)
    )
    found: list[SoftBounce] = []
    for row in rows:
        if row.kind is FeedbackClass.DELIVERED:
            found.clear()
        elif row.effect is not FeedbackEffect.STORED and is_against_address(row.reason, row.status):
            found.append(SoftBounce(row.happened_at.date(), row.reason))
    return found


def count_feedback(
    connection: Connection, mailing_id: int, kind: FeedbackClass, reason: FeedbackReason
) -> int:
    """Count one delivery more that came back in this way; return how many there are now."""
    insert = dialect_of(connection).insert(feedback_count)
    keys = list(feedback_count.primary_key.columns)
    count: int = connection.execute(
        insert.values(mailing_id=mailing_id, kind=kind, reason=reason, deliveries=1)
        .on_conflict_do_update(
            index_elements=keys, set_={"deliveries": feedback_count.c.deliveries + 1}
        )
        .returning(feedback_count.c.deliveries)
    ).scalar_one()
    return count


@dataclass(frozen=True)
class Evidence:
    """One thing that came back of an address, as staff may see it."""

    happened_at: datetime
    #: "mail", "smtp", or "hook:KEY".
    source: str
    kind: FeedbackClass
    reason: FeedbackReason
    status: str
    smtp_code: int
    diagnostic: str
    matched_by: MatchedBy
    effect: FeedbackEffect


def evidence_of(connection: Connection, address_digest: bytes, limit: int) -> list[Evidence]:
    """Return what came back of an address, the latest first."""
    rows = connection.execute(
        select(feedback_finding, feedback_event.c.source)
        .join(feedback_event, feedback_event.c.id == feedback_finding.c.event_id)
        .where(feedback_finding.c.address_digest == address_digest)
        .order_by(feedback_finding.c.happened_at.desc(), feedback_finding.c.id.desc())
        .limit(limit)
    )
    return [
        Evidence(
            row.happened_at,
            row.source,
            row.kind,
            row.reason,
            row.status,
            row.smtp_code,
            row.diagnostic,
            row.matched_by,
            row.effect,
        )
        for row in rows
    ]


@dataclass(frozen=True)
class CameBack:
    """What came back since an instant."""

    #: Class → how many findings.
    by_kind: dict[FeedbackClass, int]
    #: Of them, tied to a mail by nothing but an address.
    unmatched: int
    #: Reports of which nothing was understood.
    unread: int
    #: On record and not acted on.
    waiting: int


def came_back(connection: Connection, since: datetime) -> CameBack:
    """Count what came back since an instant."""
    rows = connection.execute(
        select(feedback_finding.c.kind, feedback_finding.c.matched_by, func.count().label("found"))
        .join(feedback_event, feedback_event.c.id == feedback_finding.c.event_id)
        .where(feedback_event.c.received_at >= since, feedback_event.c.source != SMTP_SOURCE)
        .group_by(feedback_finding.c.kind, feedback_finding.c.matched_by)
    ).all()
    by_kind: dict[FeedbackClass, int] = {}
    for row in rows:
        by_kind[row.kind] = by_kind.get(row.kind, 0) + row.found
    waiting = connection.execute(
        select(func.count()).where(
            feedback_event.c.received_at >= since, feedback_event.c.processed_at.is_(None)
        )
    ).scalar_one()
    return CameBack(
        by_kind,
        sum(row.found for row in rows if row.matched_by is MatchedBy.ADDRESS),
        sum(
            row.found
            for row in rows
            if row.matched_by is MatchedBy.NOTHING
            and row.kind is not FeedbackClass.AUTHENTICATION_REPORT
        ),
        waiting,
    )


def feedback_counts(
    connection: Connection,
) -> dict[tuple[FeedbackClass, FeedbackReason], int]:
    """Return how many deliveries came back in which way, over all mailings."""
    key = (feedback_count.c.kind, feedback_count.c.reason)
    rows = connection.execute(
        select(*key, func.sum(feedback_count.c.deliveries).label("deliveries"))
        .group_by(*key)
        .order_by(*key)
    )
    return {(row.kind, row.reason): int(row.deliveries) for row in rows}


@dataclass(frozen=True)
class ReturnedMails:
    """What came back of one mailing, each delivery counted once in each way."""

    #: Hard or soft → reason → deliveries.
    bounces: dict[FeedbackClass, dict[FeedbackReason, int]] = field(default_factory=dict)
    complaints: int = 0
    #: Left by a report or an answer, and not by the link.
    opt_outs: int = 0


def returned_mails(connection: Connection, mailing_id: int) -> ReturnedMails:
    """Return the counts of what came back of a mailing."""
    bounces: dict[FeedbackClass, dict[FeedbackReason, int]] = {}
    others: dict[FeedbackClass, int] = {}
    for row in connection.execute(
        select(feedback_count)
        .where(feedback_count.c.mailing_id == mailing_id)
        .order_by(feedback_count.c.kind, feedback_count.c.deliveries.desc())
    ):
        if row.kind in _BOUNCES:
            bounces.setdefault(row.kind, {})[row.reason] = row.deliveries
        else:
            others[row.kind] = others.get(row.kind, 0) + row.deliveries
    return ReturnedMails(
        bounces,
        others.get(FeedbackClass.COMPLAINT, 0),
        others.get(FeedbackClass.OPT_OUT, 0),
    )
