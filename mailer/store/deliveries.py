"""Claim deliveries, hand out their persons, record what became of them, recover the dead's claims.

In: a worker's name and the time. Out: claimed deliveries with their sealed columns, and outcomes
written. A claim is committed before anything is sent; recording twice is recording once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    String,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from mailer.model.audience import MembershipState, SuppressionReason
from mailer.model.mailing import AttemptResult
from mailer.model.states import (
    DeliveryState,
    MailingState,
    Outcome,
    SkipReason,
    states_before,
)
from mailer.store.audience import SCOPE_ALL, insert_or_ignore
from mailer.store.tables import (
    attempt,
    delivery,
    delivery_list,
    mailing,
    mailing_target,
    membership,
    supporter,
    suppression,
    unsubscription,
    worker,
)
from mailer.store.types import Instant


@dataclass(frozen=True)
class ClaimedDelivery:
    """A delivery claimed by this worker, its person still sealed."""

    delivery_id: int
    mailing_id: int
    supporter_id: int
    address_digest: bytes
    address_sealed: bytes
    fields_sealed: bytes
    country: str
    needs_smtputf8: bool
    domain_class: str
    list_id: int
    language: str
    #: The supporter's first language when the edition is not in it; else None.
    wanted: str | None
    attempt_number: int
    first_attempt_at: datetime


def register_worker(
    connection: Connection, name: str, pid: int, boot_id: str, now: datetime
) -> None:
    """Write that a sender process has begun; its claims carry its name."""
    connection.execute(worker.insert().values(name=name, pid=pid, boot_id=boot_id, started_at=now))


def end_worker(connection: Connection, name: str, now: datetime) -> None:
    """Write that everything a worker claimed has its outcome."""
    connection.execute(update(worker).where(worker.c.name == name).values(ended_at=now))


def unended_workers(connection: Connection) -> list[tuple[str, str]]:
    """Return name and boot id of every worker whose claims may be open."""
    rows = connection.execute(
        select(worker.c.name, worker.c.boot_id).where(worker.c.ended_at.is_(None))
    )
    return [(row.name, row.boot_id) for row in rows]


def claim(connection: Connection, name: str, limit: int, now: datetime) -> list[ClaimedDelivery]:
    """Claim up to `limit` due deliveries of running mailings, oldest first.

    Whoever left, was suppressed or paused since the audience was frozen is skipped on the way, or
    reached through another list they are still on.
    """
    due = connection.execute(
        select(delivery.c.id, delivery.c.supporter_id, delivery.c.list_id)
        .join(mailing, mailing.c.id == delivery.c.mailing_id)
        .where(
            mailing.c.state == MailingState.RUNNING,
            delivery.c.state.in_(states_before(DeliveryState.SENDING)),
            delivery.c.next_attempt_at <= now,
        )
        .order_by(delivery.c.next_attempt_at, delivery.c.id)
        .limit(limit)
        # PostgreSQL: another sender takes others. SQLite has one writer at a time.
        .with_for_update(of=delivery, skip_locked=True)
    ).all()
    ids = [row.id for row in due]
    if not ids:
        return []
    refused = _withdrawn(connection, ids, now)
    for delivery_id, reason in refused.items():
        if reason is not SkipReason.NO_CONSENT or not _reroute(connection, delivery_id):
            skip(connection, delivery_id, reason, now)
            ids.remove(delivery_id)
    if not ids:
        return []
    connection.execute(
        update(delivery)
        .where(delivery.c.id.in_(ids))
        .values(
            state=DeliveryState.SENDING,
            claimed_by=name,
            attempts=delivery.c.attempts + 1,
            first_attempt_at=func.coalesce(delivery.c.first_attempt_at, literal(now, Instant)),
            skip_reason=None,
        )
    )
    return _persons(connection, ids)


def _withdrawn(connection: Connection, ids: Sequence[int], now: datetime) -> dict[int, SkipReason]:
    """Return which of these deliveries may not go any more, and why."""
    scope = literal("organisation:") + _as_text(supporter.c.organisation_id)
    suppressed = exists().where(
        suppression.c.address_digest == delivery.c.address_digest,
        or_(suppression.c.scope == SCOPE_ALL, suppression.c.scope == scope),
    )
    on_list = exists().where(
        membership.c.list_id == delivery.c.list_id,
        membership.c.supporter_id == delivery.c.supporter_id,
        membership.c.state == MembershipState.SUBSCRIBED,
        membership.c.consent_basis != "",
    )
    other = supporter.alias()
    flagged = {
        SkipReason.SUPPORTER_PAUSED: other.c.paused_until > now,
        SkipReason.DISCREET_NOT_READY: other.c.discreet,
    }
    columns = [
        exists()
        .where(other.c.address_digest == delivery.c.address_digest, clause)
        .label(reason.value)
        for reason, clause in flagged.items()
    ]
    rows = connection.execute(
        select(delivery.c.id, suppressed.label("suppressed"), on_list.label("on_list"), *columns)
        .select_from(delivery)
        .join(supporter, supporter.c.id == delivery.c.supporter_id, isouter=True)
        .where(delivery.c.id.in_(ids))
    ).mappings()
    found: dict[int, SkipReason] = {}
    for row in rows:
        if row["suppressed"]:
            found[row["id"]] = SkipReason.SUPPRESSED
        elif row[SkipReason.SUPPORTER_PAUSED.value]:
            found[row["id"]] = SkipReason.SUPPORTER_PAUSED
        elif row[SkipReason.DISCREET_NOT_READY.value]:
            found[row["id"]] = SkipReason.DISCREET_NOT_READY
        elif not row["on_list"]:
            found[row["id"]] = SkipReason.NO_CONSENT
    return found


def _as_text(column: Any) -> Any:  # noqa: ANN401  (A column expression has no narrower type here.)
    return cast(column, String(20))


def _reroute(connection: Connection, delivery_id: int) -> bool:
    """Move a delivery to the next list it came through that the person is still on."""
    scope = literal("organisation:") + _as_text(supporter.c.organisation_id)
    row = connection.execute(
        select(delivery_list.c.list_id, delivery_list.c.supporter_id)
        .join(delivery, delivery.c.id == delivery_list.c.delivery_id)
        .join(
            membership,
            (membership.c.list_id == delivery_list.c.list_id)
            & (membership.c.supporter_id == delivery_list.c.supporter_id),
        )
        .join(supporter, supporter.c.id == delivery_list.c.supporter_id)
        .join(
            mailing_target,
            (mailing_target.c.mailing_id == delivery.c.mailing_id)
            & (mailing_target.c.list_id == delivery_list.c.list_id),
        )
        .where(
            delivery_list.c.delivery_id == delivery_id,
            membership.c.state == MembershipState.SUBSCRIBED,
            membership.c.consent_basis != "",
            ~exists().where(
                suppression.c.address_digest == delivery.c.address_digest,
                suppression.c.scope == scope,
            ),
        )
        .order_by(mailing_target.c.position)
        .limit(1)
    ).one_or_none()
    if row is None:
        return False
    connection.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id)
        .values(list_id=row.list_id, supporter_id=row.supporter_id)
    )
    return True


def _persons(connection: Connection, ids: Sequence[int]) -> list[ClaimedDelivery]:
    rows = connection.execute(
        select(
            delivery,
            supporter.c.address_sealed,
            supporter.c.fields_sealed,
            supporter.c.country,
            supporter.c.needs_smtputf8,
            supporter.c.domain_class,
        )
        .join(supporter, supporter.c.id == delivery.c.supporter_id)
        .where(delivery.c.id.in_(ids))
        .order_by(delivery.c.id)
    )
    return [
        ClaimedDelivery(
            delivery_id=row.id,
            mailing_id=row.mailing_id,
            supporter_id=row.supporter_id,
            address_digest=row.address_digest,
            address_sealed=row.address_sealed,
            fields_sealed=row.fields_sealed,
            country=row.country,
            needs_smtputf8=row.needs_smtputf8,
            domain_class=row.domain_class,
            list_id=row.list_id,
            language=row.language,
            wanted=row.wanted,
            attempt_number=row.attempts,
            first_attempt_at=row.first_attempt_at,
        )
        for row in rows
    ]


def skip(connection: Connection, delivery_id: int, reason: SkipReason, now: datetime) -> None:
    """Write that a delivery will not go, and why; one that has its outcome stays as it is."""
    connection.execute(
        update(delivery)
        .where(
            delivery.c.id == delivery_id,
            delivery.c.state.in_(states_before(DeliveryState.SKIPPED)),
        )
        .values(
            state=DeliveryState.SKIPPED,
            skip_reason=reason,
            next_attempt_at=None,
            claimed_by=None,
            finished_at=now,
        )
    )


def give_back(connection: Connection, name: str, ids: Collection[int], now: datetime) -> None:
    """Make claimed deliveries due again that were never ended; the attempt does not count."""
    if ids:
        connection.execute(
            update(delivery)
            .where(
                delivery.c.id.in_(ids),
                delivery.c.claimed_by == name,
                delivery.c.state == DeliveryState.SENDING,
            )
            .values(
                state=DeliveryState.DUE,
                attempts=delivery.c.attempts - 1,
                next_attempt_at=now,
                claimed_by=None,
            )
        )


@dataclass(frozen=True)
class Recorded:
    """An attempt that is over, with what the delivery becomes."""

    result: AttemptResult
    attempt_number: int
    state: DeliveryState
    #: When it is tried again; None unless deferred.
    next_attempt_at: datetime | None
    suppress: SuppressionReason | None = None


_STATE_OF = {
    Outcome.ACCEPTED: DeliveryState.ACCEPTED,
    Outcome.DEFERRED: DeliveryState.DEFERRED,
    Outcome.REFUSED: DeliveryState.REFUSED,
    Outcome.IN_DOUBT: DeliveryState.IN_DOUBT,
}


def state_of(outcome: Outcome) -> DeliveryState:
    """Return the state a delivery takes with the outcome of its last attempt."""
    return _STATE_OF[outcome]


def record(connection: Connection, name: str, batch: Sequence[Recorded], now: datetime) -> None:
    """Write attempts and what the deliveries become; what is on record already stays."""
    for one in batch:
        reply = one.result.reply
        changed = connection.execute(
            update(delivery)
            .where(
                delivery.c.id == one.result.delivery_id,
                delivery.c.claimed_by == name,
                delivery.c.state == DeliveryState.SENDING,
            )
            .values(
                state=one.state,
                next_attempt_at=one.next_attempt_at,
                claimed_by=None,
                relay=one.result.relay,
                code=reply.code,
                enhanced_code=reply.enhanced_code,
                finished_at=None if one.next_attempt_at else now,
            )
        ).rowcount
        if not changed:
            continue
        connection.execute(
            insert_or_ignore(connection, attempt).values(
                delivery_id=one.result.delivery_id,
                number=one.attempt_number,
                relay=one.result.relay,
                started_at=one.result.started_at,
                duration_ms=one.result.duration_ms,
                outcome=one.result.outcome,
                code=reply.code,
                enhanced_code=reply.enhanced_code,
                reply=reply.text,
            )
        )
        if one.suppress is not None:
            _suppress(connection, one.result.delivery_id, one.suppress, now)


def _suppress(
    connection: Connection, delivery_id: int, reason: SuppressionReason, now: datetime
) -> None:
    digest = connection.execute(
        select(delivery.c.address_digest).where(delivery.c.id == delivery_id)
    ).scalar_one()
    connection.execute(
        insert_or_ignore(connection, suppression).values(
            address_digest=digest,
            scope=SCOPE_ALL,
            reason=reason,
            source="smtp",
            since=now,
            delivery_id=delivery_id,
        )
    )


@dataclass(frozen=True)
class OpenClaim:
    """A delivery that a worker had claimed and not recorded."""

    delivery_id: int
    attempt_number: int
    first_attempt_at: datetime


def open_claims(connection: Connection, name: str) -> list[OpenClaim]:
    """Return what a worker had claimed and not recorded."""
    rows = connection.execute(
        select(delivery.c.id, delivery.c.attempts, delivery.c.first_attempt_at).where(
            delivery.c.claimed_by == name, delivery.c.state == DeliveryState.SENDING
        )
    )
    return [OpenClaim(row.id, row.attempts, row.first_attempt_at) for row in rows]


def running_mailings(connection: Connection) -> frozenset[int]:
    """Return the ids of the mailings that are being sent."""
    rows = connection.execute(select(mailing.c.id).where(mailing.c.state == MailingState.RUNNING))
    return frozenset(rows.scalars())


@dataclass(frozen=True)
class Withdrawals:
    """Who unsubscribed or was suppressed after the marks given."""

    digests: frozenset[bytes]
    last_unsubscription: int
    last_suppression: int


def withdrawals_since(
    connection: Connection, last_unsubscription: int, last_suppression: int
) -> Withdrawals:
    """Return the addresses withdrawn since; asked several times a second while sending."""
    left = connection.execute(
        select(unsubscription.c.id, unsubscription.c.address_digest).where(
            unsubscription.c.id > last_unsubscription
        )
    ).all()
    barred = connection.execute(
        select(suppression.c.id, suppression.c.address_digest).where(
            suppression.c.id > last_suppression
        )
    ).all()
    return Withdrawals(
        frozenset(row.address_digest for row in (*left, *barred)),
        max((row.id for row in left), default=last_unsubscription),
        max((row.id for row in barred), default=last_suppression),
    )


def last_withdrawals(connection: Connection) -> tuple[int, int]:
    """Return the last ids of unsubscriptions and suppressions, from where to look for new ones."""
    left = connection.execute(select(func.max(unsubscription.c.id))).scalar()
    barred = connection.execute(select(func.max(suppression.c.id))).scalar()
    return left or 0, barred or 0
