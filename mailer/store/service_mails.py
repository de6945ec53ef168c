"""Service mails: written, claimed, recorded and taken over like deliveries, in a table of their own.

In: mails sealed for their rows, and outcomes. Out: rows. One purpose and request reach an address
once: writing twice is writing once. What a mail said is forgotten when it is over.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, literal, select, update

from mailer.keys import SealKeys
from mailer.model.service import ServiceMail, ServicePurpose
from mailer.model.states import DeliveryState, SkipReason, states_before
from mailer.store.audience import insert_or_ignore
from mailer.store.deliveries import Recorded
from mailer.store.engine import take_ids
from mailer.store.outcomes import NO_MAILING
from mailer.store.tables import service_mail
from mailer.store.types import Instant
from mailer.store.workers import OpenClaim

_TABLE = "service_mail"
#: States in which a mail may still be sent, or sent again by a person.
_OPEN = (
    DeliveryState.DUE,
    DeliveryState.SENDING,
    DeliveryState.DEFERRED,
    DeliveryState.IN_DOUBT,
)


def take_service_id(connection: Connection) -> int:
    """Return the id of a service mail that is about to be composed and sealed; never given again."""
    return take_ids(connection, _TABLE, 1)


def write_service_mail(
    connection: Connection, keys: SealKeys, mail: ServiceMail, now: datetime
) -> bool:
    """Write a service mail that is due; False when its request reached that address already."""
    sealed = json.dumps({"mail_from": mail.mail_from, "content": mail.content.decode()})
    written = connection.execute(
        insert_or_ignore(connection, service_mail)
        .values(
            id=mail.service_id,
            purpose=mail.purpose,
            request=mail.request,
            address_digest=mail.address_digest,
            address_sealed=keys.seal(mail.address, _TABLE, "address_sealed", mail.service_id),
            mail_sealed=keys.seal(sealed, _TABLE, "mail_sealed", mail.service_id),
            facts=dict(mail.facts) or None,
            relay=mail.relay,
            state=DeliveryState.DUE,
            next_attempt_at=now,
            created_at=now,
        )
        .returning(service_mail.c.id)
    )
    # PostgreSQL's driver does not count here: what was written comes back.
    return written.scalar_one_or_none() is not None


def count_service_since(
    connection: Connection,
    purpose: ServicePurpose,
    request_begins: str,
    since: datetime,
    address_digest: bytes | None = None,
) -> int:
    """Return how many service mails of a purpose, whose request begins so, were written since then.

    With `address_digest`, only those to that address.
    """
    query = (
        select(func.count())
        .select_from(service_mail)
        .where(
            service_mail.c.purpose == purpose,
            service_mail.c.created_at > since,
            service_mail.c.request.startswith(request_begins, autoescape=True),
        )
    )
    if address_digest is not None:
        query = query.where(service_mail.c.address_digest == address_digest)
    return connection.execute(query).scalar_one()


@dataclass(frozen=True)
class ClaimedService:
    """A service mail claimed by this worker, still sealed."""

    service_id: int
    purpose: ServicePurpose
    address_digest: bytes
    address_sealed: bytes
    mail_sealed: bytes
    attempt_number: int
    first_attempt_at: datetime

    @property
    def delivery_id(self) -> int:
        """Return the id by which a sender's journal knows it."""
        return self.service_id

    @property
    def mailing_id(self) -> int:
        """Return that it belongs to no mailing."""
        return NO_MAILING

    @property
    def domain_class(self) -> str:
        """Return that its domain has no class: it is paced like no other."""
        return ""


@dataclass(frozen=True)
class OpenedMail:
    """A service mail as it goes over the wire; never printed."""

    address: str
    mail_from: str
    content: bytes


def open_mail(keys: SealKeys, one: ClaimedService) -> OpenedMail:
    """Return the mail of a claim.

    Raises:
        WrongSealKey: when its row was sealed with another key, or for another row.
    """
    address = keys.unseal(one.address_sealed, _TABLE, "address_sealed", one.service_id)
    mail = json.loads(keys.unseal(one.mail_sealed, _TABLE, "mail_sealed", one.service_id))
    return OpenedMail(address, mail["mail_from"], mail["content"].encode())


def has_due(connection: Connection, relay: str, now: datetime) -> bool:
    """Tell whether a service mail is to go by the relay now."""
    return connection.execute(_due(relay, now).limit(1)).first() is not None


def _due(relay: str, now: datetime) -> Any:  # noqa: ANN401  (A query has no shorter type here.)
    return select(service_mail.c.id).where(
        service_mail.c.state.in_(states_before(DeliveryState.SENDING)),
        service_mail.c.relay == relay,
        service_mail.c.next_attempt_at <= now,
    )


def claim_service(
    connection: Connection, name: str, relay: str, limit: int, now: datetime
) -> list[ClaimedService]:
    """Claim up to `limit` due service mails of a relay, oldest first."""
    due = _due(relay, now).order_by(service_mail.c.next_attempt_at, service_mail.c.id).limit(limit)
    # PostgreSQL: another sender takes others. SQLite has one writer at a time.
    ids = connection.execute(due.with_for_update(skip_locked=True)).scalars().all()
    if not ids:
        return []
    connection.execute(
        update(service_mail)
        .where(service_mail.c.id.in_(ids))
        .values(
            state=DeliveryState.SENDING,
            claimed_by=name,
            attempts=service_mail.c.attempts + 1,
            first_attempt_at=func.coalesce(service_mail.c.first_attempt_at, literal(now, Instant)),
        )
    )
    rows = connection.execute(
        select(service_mail).where(service_mail.c.id.in_(ids)).order_by(service_mail.c.id)
    )
    return [
        ClaimedService(
            row.id, row.purpose, row.address_digest, row.address_sealed, row.mail_sealed or b"",
            row.attempts, row.first_attempt_at,
        )
        for row in rows
    ]  # fmt: skip


def record_service(
    connection: Connection, name: str, batch: Sequence[Recorded], now: datetime
) -> list[Recorded]:
    """Write what became of claimed service mails; return what was not on record already."""
    ended = []
    for one in batch:
        reply = one.result.reply
        values: dict[str, Any] = {
            "state": one.state,
            "next_attempt_at": one.next_attempt_at,
            "claimed_by": None,
            "code": reply.code,
            "enhanced_code": reply.enhanced_code,
            "reply": reply.text,
            "finished_at": None if one.next_attempt_at else now,
        }
        if one.state not in _OPEN:
            values["mail_sealed"] = None
        changed = connection.execute(
            update(service_mail)
            .where(
                service_mail.c.id == one.result.delivery_id,
                service_mail.c.claimed_by == name,
                service_mail.c.state == DeliveryState.SENDING,
            )
            .values(**values)
        ).rowcount
        if changed:
            ended.append(one)
    return ended


def give_back_service(
    connection: Connection, name: str, ids: Collection[int], _now: datetime
) -> None:
    """Make claimed service mails due again that were never ended, as `give_back` does deliveries."""
    if ids:
        connection.execute(
            update(service_mail)
            .where(
                service_mail.c.id.in_(ids),
                service_mail.c.claimed_by == name,
                service_mail.c.state == DeliveryState.SENDING,
            )
            .values(
                state=DeliveryState.DUE,
                attempts=service_mail.c.attempts - 1,
                claimed_by=None,
            )
        )


def skip_service(
    connection: Connection, service_id: int, reason: SkipReason, now: datetime
) -> None:
    """Write that a service mail will not go, and why."""
    connection.execute(
        update(service_mail)
        .where(
            service_mail.c.id == service_id,
            service_mail.c.state.in_(states_before(DeliveryState.SKIPPED)),
        )
        .values(
            state=DeliveryState.SKIPPED,
            reply=reason.value.replace("_", " "),
            next_attempt_at=None,
            claimed_by=None,
            mail_sealed=None,
            finished_at=now,
        )
    )


def cancel_service(connection: Connection, ids: Collection[int], now: datetime) -> int:
    """Let service mails that wait go no more; return how many did."""
    return connection.execute(
        update(service_mail)
        .where(
            service_mail.c.id.in_(ids),
            service_mail.c.state.in_([DeliveryState.DUE, DeliveryState.DEFERRED]),
        )
        .values(
            state=DeliveryState.CANCELLED, next_attempt_at=None, mail_sealed=None, finished_at=now
        )
    ).rowcount


def take_back_service(
    connection: Connection, purpose: ServicePurpose, relays: Collection[str], since: datetime
) -> set[str]:
    """Delete service mails of a purpose that wait for these relays; return what they were sent for.

    What is claimed stays: it may be on its way. So does what was written before `since`.
    """
    taken = connection.execute(
        delete(service_mail)
        .where(
            service_mail.c.purpose == purpose,
            service_mail.c.relay.in_(relays),
            service_mail.c.state.in_(states_before(DeliveryState.SENDING)),
            service_mail.c.created_at >= since,
        )
        .returning(service_mail.c.request)
    )
    return set(taken.scalars())


def open_service_claims(connection: Connection, name: str) -> list[OpenClaim]:
    """Return the service mails a worker had claimed and not recorded."""
    rows = connection.execute(
        select(
            service_mail.c.id, service_mail.c.attempts, service_mail.c.first_attempt_at
        ).where(
            service_mail.c.claimed_by == name, service_mail.c.state == DeliveryState.SENDING
        )
    )  # fmt: skip
    return [OpenClaim(row.id, row.attempts, row.first_attempt_at, NO_MAILING, "") for row in rows]


@dataclass(frozen=True)
class ServiceRow:
    """Where one service mail stands; nobody's address."""

    service_id: int
    purpose: ServicePurpose
    request: str
    state: DeliveryState
    relay: str
    attempts: int
    code: int
    enhanced_code: str
    reply: str
    next_attempt_at: datetime | None


def service_rows(connection: Connection, ids: Collection[int]) -> list[ServiceRow]:
    """Return where service mails stand, in order of their ids."""
    rows = connection.execute(
        select(service_mail).where(service_mail.c.id.in_(ids)).order_by(service_mail.c.id)
    )
    return [
        ServiceRow(
            row.id, row.purpose, row.request, row.state, row.relay, row.attempts, row.code or 0,
            row.enhanced_code or "", row.reply or "", row.next_attempt_at,
        )
        for row in rows
    ]  # fmt: skip


def service_counts(
    connection: Connection, since: datetime
) -> dict[tuple[ServicePurpose, DeliveryState], int]:
    """Count service mails by purpose and state: those that are open, and those ended since."""
    rows = connection.execute(
        select(service_mail.c.purpose, service_mail.c.state, func.count().label("count_"))
        .where(service_mail.c.state.in_(_OPEN) | (service_mail.c.finished_at > since))
        .group_by(service_mail.c.purpose, service_mail.c.state)
    )
    return {(row.purpose, row.state): row.count_ for row in rows}


def requests_not_taken(connection: Connection, purpose: ServicePurpose) -> set[str]:
    """Return what the relay has not accepted some mail for, be it open or ended."""
    rows = connection.execute(
        select(service_mail.c.request).where(
            service_mail.c.purpose == purpose, service_mail.c.state != DeliveryState.ACCEPTED
        )
    )
    return set(rows.scalars())


def find_sent_facts(
    connection: Connection, service_id: int, relay: str
) -> Mapping[str, Any] | None:
    """Return what a test send by a relay was when it left; None when there is no such.

    It is for `SentFacts.from_document`.
    """
    found = connection.execute(
        select(service_mail.c.facts).where(
            service_mail.c.id == service_id,
            service_mail.c.relay == relay,
            service_mail.c.purpose == ServicePurpose.TEST_SEND,
        )
    ).scalar_one_or_none()
    return found if isinstance(found, dict) else None


def last_sent_facts(connection: Connection, relay: str) -> Mapping[str, Any] | None:
    """Return what the last test send by a relay was when it left; None when there was none."""
    found = connection.execute(
        select(service_mail.c.facts)
        .where(
            service_mail.c.relay == relay,
            service_mail.c.purpose == ServicePurpose.TEST_SEND,
        )
        .order_by(service_mail.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return found if isinstance(found, dict) else None
