"""Make a database that was put back from a copy safe to go on with.

In: the copy, which is a past state, and what is known of the time since. Out: every unfinished
mailing held, every open delivery settled or in doubt, ids that go on far above any that may have
been given out, and who left since barred again. Everything can be run again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    case,
    func,
    insert,
    literal,
    select,
    text,
    update,
)

from mailer.model.audience import MembershipState, SuppressionReason
from mailer.model.breaker import OTHER_CLASS, Ending, RefusalReason
from mailer.model.mailing import Mailing
from mailer.model.states import OPEN_STATES, DeliveryState, MailingState, Outcome
from mailer.model.tallies import HourEvent
from mailer.store.audience import SCOPE_ALL, insert_or_ignore, organisation_scope
from mailer.store.mailings import list_mailings
from mailer.store.outcomes import ENDINGS, Counted, count_endings
from mailer.store.stopping import LONGEST_REASON
from mailer.store.supporters import erase
from mailer.store.suppression_log import LogEntry, Mark
from mailer.store.suppressions import Suppressed, suppress
from mailer.store.tables import (
    attempt,
    delivery,
    id_sequence,
    lease,
    mailing,
    mailing_list,
    membership,
    metadata,
    organisation,
    service_mail,
    supporter,
    suppression,
    worker,
)
from mailer.store.tallies import add_events, lock_counted, move_deliveries, standing
from mailer.store.types import Instant

#: States in which a mailing sends or may come to send.
UNFINISHED = (
    MailingState.SCHEDULED,
    MailingState.FREEZING,
    MailingState.RUNNING,
    MailingState.PAUSED,
    MailingState.HELD,
)
#: Ids after a restore begin at its second since then, times this: more are never given in one.
IDS_A_SECOND = 1 << 17
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
#: What tokens have room for.
_LARGEST_ID = 1 << 48
_RELAY = "journal"
#: What a reply of the journal says → what happened in that hour.
_EVENTS = {Ending.ACCEPTED: HourEvent.ACCEPTED, Ending.REFUSED: HourEvent.REFUSED}
_SOURCE = "suppressions.log"
_REASONS = {one.value: one for one in SuppressionReason}


def hold_all(connection: Connection, reason_for: Callable[[Mailing], str]) -> list[tuple[str, str]]:
    """Put every unfinished mailing aside until a person releases it; return keys and reasons."""
    held = []
    for one in list_mailings(connection, UNFINISHED):
        reason = reason_for(one)[:LONGEST_REASON]
        held.append((one.key, reason))
        values: dict[str, object] = {
            "state": MailingState.HELD,
            "held_reason": reason,
            # Whoever released it before the copy was made knew nothing of this.
            "released_at": None,
        }
        if one.state not in (MailingState.PAUSED, MailingState.HELD):
            values["state_before"] = one.state
        connection.execute(update(mailing).where(mailing.c.id == one.row_id).values(**values))
    return held


@dataclass(frozen=True)
class OpenDelivery:
    """A delivery without an outcome in the copy, or in doubt there and maybe sent again since."""

    delivery_id: int
    state: DeliveryState
    attempts: int


def open_deliveries(
    connection: Connection,
    after: int,
    limit: int,
    states: Collection[DeliveryState] = OPEN_STATES,
) -> list[OpenDelivery]:
    """Return deliveries whose outcome may have come since, in order of their ids."""
    rows = connection.execute(
        select(delivery.c.id, delivery.c.state, delivery.c.attempts)
        .where(delivery.c.id > after, delivery.c.state.in_(states))
        .order_by(delivery.c.id)
        .limit(limit)
    )
    return [OpenDelivery(row.id, row.state, row.attempts) for row in rows]


@dataclass(frozen=True)
class Settled:
    """What a delivery becomes, and the attempt that says so."""

    delivery_id: int
    state: DeliveryState
    attempts: int
    code: int = 0
    enhanced_code: str = ""
    #: None when nothing is known of an attempt.
    outcome: Outcome | None = None


def settle(connection: Connection, batch: Sequence[Settled], now: datetime) -> None:
    """Write what deliveries became after the copy was made, as if they had been claimed then."""
    new = []
    _tally(connection, batch)
    for one in batch:
        is_open = one.state in OPEN_STATES
        connection.execute(
            update(delivery)
            .where(delivery.c.id == one.delivery_id)
            .values(
                state=one.state,
                attempts=one.attempts,
                claimed_by=None,
                next_attempt_at=now if is_open else None,
                code=one.code or None,
                enhanced_code=one.enhanced_code or None,
                finished_at=None if is_open else now,
            )
        )
        if one.outcome is not None:
            written = connection.execute(
                insert_or_ignore(connection, attempt)
                .returning(attempt.c.id)
                .values(
                    delivery_id=one.delivery_id,
                    number=one.attempts,
                    relay=_RELAY,
                    started_at=now,
                    duration_ms=0,
                    outcome=one.outcome,
                    code=one.code,
                    enhanced_code=one.enhanced_code,
                    reply="from the journal",
                )
            )
            if written.first() is not None:
                new.append(one)
    _count(connection, new, now)


def _tally(connection: Connection, settled: Sequence[Settled]) -> None:
    counted = lock_counted(connection, [one.delivery_id for one in settled])
    for one in settled:
        cell, before = counted[one.delivery_id]
        after = standing(one.state, code=one.code, enhanced_code=one.enhanced_code)
        # Neither open ones nor those in doubt are counted by reason or code.
        move_deliveries(connection, cell, standing(before), after)


def _count(connection: Connection, settled: Sequence[Settled], now: datetime) -> None:
    """Count attempts that the copy did not have, so that counts and rows agree."""
    rows = connection.execute(
        select(delivery.c.id, delivery.c.mailing_id, supporter.c.domain_class)
        .join(supporter, supporter.c.id == delivery.c.supporter_id, isouter=True)
        .where(delivery.c.id.in_([one.delivery_id for one in settled]))
    )
    of = {row.id: (row.mailing_id, row.domain_class or OTHER_CLASS) for row in rows}
    counted = []
    for one in settled:
        mailing_id, domain_class = of[one.delivery_id]
        ending = ENDINGS[one.state]
        # The journal keeps codes and no words.
        refused = ending is Ending.REFUSED
        reason = RefusalReason.OTHER if refused else RefusalReason.NONE
        counted.append(Counted(mailing_id, _RELAY, domain_class, ending, reason))
        if ending in _EVENTS:
            add_events(connection, mailing_id, _EVENTS[ending], now)
    count_endings(connection, Counter(counted))


def settle_service_mails(connection: Connection, now: datetime) -> int:
    """End every service mail that the copy thinks is open; return how many.

    One that was claimed may have gone out, and is in doubt; one that was due may have gone out
    since, and nobody needs a test send or an alert from then.
    """
    claimed = service_mail.c.state == DeliveryState.SENDING
    return connection.execute(
        update(service_mail)
        .where(service_mail.c.state.in_(OPEN_STATES))
        .values(
            state=case(
                (claimed, literal(DeliveryState.IN_DOUBT, service_mail.c.state.type)),
                else_=literal(DeliveryState.CANCELLED, service_mail.c.state.type),
            ),
            mail_sealed=None,
            claimed_by=None,
            next_attempt_at=None,
            finished_at=now,
        )
    ).rowcount


def end_processes(connection: Connection, now: datetime) -> None:
    """End every process that the copy thinks is alive."""
    connection.execute(update(worker).where(worker.c.ended_at.is_(None)).values(ended_at=now))
    connection.execute(lease.delete())


def start_new_ids(connection: Connection, now: datetime) -> int:
    """Let every id go on in a range nobody has been given; return its first.

    The range follows from the second of the restore, so that putting the same copy back twice
    gives two ranges, and an id that was given out after the copy is never given again.
    """
    first = max(int((now - _EPOCH).total_seconds()), 1) * IDS_A_SECOND
    for table in metadata.sorted_tables:
        if table.primary_key.columns.keys() == ["id"]:
            highest = connection.execute(select(func.max(table.c.id))).scalar() or 0
            first = max(first, highest + IDS_A_SECOND)
    taken = connection.execute(select(func.max(id_sequence.c.next_id))).scalar() or 0
    first = max(first, taken + IDS_A_SECOND)
    if first >= _LARGEST_ID - (1 << 40):
        raise OverflowError("the ids that tokens have room for are used up")
    connection.execute(update(id_sequence).values(next_id=first))
    known = set(connection.execute(select(id_sequence.c.name)).scalars())
    for table in metadata.sorted_tables:
        if "id" not in table.c:
            continue
        if table.c.id.identity is not None:
            _count_from(connection, table.name, first)
        elif table.name not in known:
            connection.execute(insert(id_sequence).values(name=table.name, next_id=first))
    return first


def _count_from(connection: Connection, table: str, first: int) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :first, false)"),
            {"name": table, "first": first},
        )
        return
    values = {"name": table, "last": first - 1}
    changed = connection.execute(
        text("UPDATE sqlite_sequence SET seq = :last WHERE name = :name"), values
    )
    if not changed.rowcount:
        connection.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), values
        )


@dataclass
class Replayed:
    """What the lines of a suppression log came to."""

    entries: int = 0
    #: Leavings of a list that the copy does not know the person on: barred for its owner instead.
    widened: int = 0


def replay_log(connection: Connection, entries: Iterable[LogEntry]) -> Replayed:
    """Bar again who left, complained, was suppressed or erased; lift what was lifted later."""
    done = Replayed()
    for entry in entries:
        done.entries += 1
        if entry.scope.startswith("list:"):
            done.widened += not _replay_list(connection, entry)
        elif entry.mark is Mark.LIFTED:
            # What was said since for another reason stays: a bounce that is over is no complaint.
            _lift(connection, entry, _scope(connection, entry.scope), _stands_for(entry))
        else:
            scope = _scope(connection, entry.scope)
            suppress(connection, [_barred(entry, scope)])
            if entry.reason == SuppressionReason.ERASED:
                _erase(connection, entry.address_digest, scope)
    return done


def _scope(connection: Connection, written: str) -> str:
    """Return a scope as the table of suppressions has it, whose organisations are numbers."""
    if written == SCOPE_ALL:
        return SCOPE_ALL
    return organisation_scope(_owner(connection, written.removeprefix("organisation:")))


def _owner(connection: Connection, key: str) -> int:
    connection.execute(insert_or_ignore(connection, organisation).values(key=key))
    return int(
        connection.execute(select(organisation.c.id).where(organisation.c.key == key)).scalar_one()
    )


def _replay_list(connection: Connection, entry: LogEntry) -> bool:
    """Leave a list or come back to it; False when only the owner's scope could be barred."""
    owner_key, _, key = entry.scope.removeprefix("list:").partition("/")
    scope = organisation_scope(_owner(connection, owner_key))
    known = connection.execute(
        select(membership.c.list_id, membership.c.supporter_id)
        .join(mailing_list, mailing_list.c.id == membership.c.list_id)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .where(mailing_list.c.key == key, supporter.c.address_digest == entry.address_digest)
    ).one_or_none()
    is_lifted = entry.mark is Mark.LIFTED
    if known is None:
        # The person or the list came after the copy: their next import must not mail them.
        if is_lifted:
            _lift(connection, entry, scope, suppression.c.source == _SOURCE)
        else:
            # Whatever bars them there already says more than that they left one list.
            connection.execute(
                insert_or_ignore(connection, suppression).values(vars(_barred(entry, scope)))
            )
        return is_lifted
    state = MembershipState.SUBSCRIBED if is_lifted else MembershipState.LEFT
    connection.execute(
        update(membership)
        .where(
            membership.c.list_id == known.list_id,
            membership.c.supporter_id == known.supporter_id,
            # A line that was written late takes back nothing that was said after its hour.
            func.coalesce(membership.c.left_at, literal(entry.at, Instant)) <= entry.at,
        )
        .values(state=state, left_at=None if is_lifted else entry.at)
    )
    return True


def _barred(entry: LogEntry, scope: str) -> Suppressed:
    return Suppressed(entry.address_digest, scope, _reason(entry), _SOURCE, entry.at)


def _reason(entry: LogEntry) -> SuppressionReason:
    return _REASONS.get(entry.reason, SuppressionReason.MANUAL)


def _stands_for(entry: LogEntry) -> ColumnElement[bool]:
    return suppression.c.reason == _reason(entry)


def _lift(connection: Connection, entry: LogEntry, scope: str, which: ColumnElement[bool]) -> None:
    connection.execute(
        suppression.delete().where(
            suppression.c.address_digest == entry.address_digest,
            suppression.c.scope == scope,
            which,
        )
    )


def _erase(connection: Connection, digest: bytes, scope: str) -> None:
    """Delete a person whom the copy has brought back."""
    rows = connection.execute(
        select(supporter.c.organisation_id).where(supporter.c.address_digest == digest)
    )
    owners = [
        row.organisation_id
        for row in rows
        if scope in (SCOPE_ALL, organisation_scope(row.organisation_id))
    ]
    erase(connection, digest, owners)
