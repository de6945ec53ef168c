"""Claim due deliveries and hand out their persons, still sealed.

In: a worker's name and the time. Out: claimed deliveries with their sealed columns. A claim is
committed before anything is sent; whoever left, was suppressed or paused since the audience was
frozen is skipped on the way, or reached through another list they are still on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any, NamedTuple, Protocol

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    String,
    Update,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    type_coerce,
    update,
)

from mailer.model.audience import MembershipState
from mailer.model.domain_classes import DOMAIN_CLASSES, OTHER
from mailer.model.pacing import PaceKey
from mailer.model.routing import Routing, single_route
from mailer.model.states import DeliveryState, SkipReason
from mailer.store.audience import SCOPE_ALL, discreet_lists
from mailer.store.batches import fetch, ids_for, these
from mailer.store.breaker import canary_rooms
from mailer.store.deliveries import skip_all
from mailer.store.following import follow
from mailer.store.pacing import Purse, open_purse
from mailer.store.queue import due
from mailer.store.relays import standing
from mailer.store.shares import open_lanes
from mailer.store.tables import (
    delivery,
    delivery_list,
    mailing,
    mailing_target,
    membership,
    supporter,
    suppression,
)
from mailer.store.tallies import (
    add_deliveries,
    claim_deferred,
    lock_counted,
)
from mailer.store.tallies import (
    standing as counted_as,
)
from mailer.store.topics import chose_others_than_mailing
from mailer.store.types import Instant, instant

#: Columns of a claim that are taken as they are.
_PLAIN_COLUMNS = 14
#: Why an address may not be mailed whoever asks: the greater one counts.
_MARKS = {
    1: SkipReason.DISCREET_NOT_READY,
    2: SkipReason.ONLY_URGENT,
    3: SkipReason.SUPPORTER_PAUSED,
}
#: What may hold of one list a delivery came through and not of another.
_OF_LIST = frozenset({SkipReason.NO_CONSENT, SkipReason.TOPIC_NOT_CHOSEN})


class ClaimedDelivery(NamedTuple):
    """A delivery claimed by this worker, its person still sealed."""

    delivery_id: int
    mailing_id: int
    supporter_id: int
    address_digest: bytes
    address_sealed: bytes
    fields_sealed: bytes
    country: str
    needs_smtputf8: bool
    #: The person wants no HTML.
    text_only: bool
    domain_class: str
    domain_digest: bytes
    list_id: int
    language: str
    #: The supporter's first language when the edition is not in it; else None.
    wanted: str | None
    attempt_number: int
    first_attempt_at: datetime
    #: 0 when its mailing has no shares.
    share_id: int = 0
    #: When a person had it sent again; None when nobody did.
    resent_at: datetime | None = None

    @property
    def pace_key(self) -> PaceKey:
        """Return what its pace is about: one provider, or one domain of no provider."""
        digest = self.domain_digest if self.domain_class == OTHER else b""
        return PaceKey(self.domain_class, digest)


class Room(Protocol):
    """How many more of each class and domain a process can use in about a second."""

    def of_class(self, domain_class: str) -> int | None:
        """Return how many of a class; None for any number."""
        ...

    def of_domain(self, digest: bytes) -> int | None:
        """Return how many of one domain that is of no provider's class; None for any number."""
        ...

    def turn_of(self, digest: bytes, per_second: float, count: int) -> list[float]:
        """Return after how many seconds the turn of `count` more of a domain is expected."""
        ...


@dataclass(frozen=True)
class ClaimTerms:
    """For which relay is claimed, and what that depends on."""

    relay: str
    routing: Routing
    #: None: the process can use any number.
    room: Room | None = None


_NO_TERMS = ClaimTerms("", single_route(""))


def claim(
    connection: Connection,
    name: str,
    limit: int,
    now: datetime,
    terms: ClaimTerms = _NO_TERMS,
) -> list[ClaimedDelivery]:
    """Claim up to `limit` due deliveries of what may go out now, the oldest mailing's first.

    Taken are the mailings of those senders whose first relay that can take them is this one, and no
    more than its cap and the paces allow. Whoever left, was suppressed, paused or marked discreet
    since the audience was frozen, is on a list that was, or chose otherwise, is skipped on the way, or
    reached through another list they are still on.
    """
    purse = open_purse(connection, terms.relay, terms.routing, now)
    left = purse.left
    limit = limit if left is None else min(limit, left)
    ids = _due(connection, limit, now, terms, purse) if limit > 0 else []
    if not ids:
        return []
    found = _persons(connection, ids, now)
    refused = {one.delivery_id: reason for one, reason in found if reason is not None}
    # Where its person is gone, or at another address by now, a row comes back without one.
    strays = set(ids) - {one.delivery_id for one, _ in found}
    if strays:
        # What follows somebody is due as it was, and judged by where they are when claimed next.
        strays -= follow(connection, strays, now)
    refused |= dict.fromkeys(strays, SkipReason.NO_CONSENT)
    gone = [one for one, reason in refused.items() if reason in _OF_LIST]
    rerouted = _reroute(connection, gone) if gone else []
    for reason in sorted(set(refused.values())):
        of_it = [one for one, why in refused.items() if why is reason and one not in rerouted]
        if of_it:
            skip_all(connection, of_it, reason, now)
    claimed = [one for one, reason in found if reason is None]
    if rerouted:
        moved = _persons(connection, rerouted, now)
        claimed = sorted([*claimed, *(one for one, _ in moved)], key=lambda one: one.delivery_id)
    claimed = _in_turn(connection, claimed, terms.room, purse, now)
    if claimed:
        purse.spend(one.pace_key for one in claimed)
        # Only who was tried before can be deferred: first claims change no count.
        again = [one.delivery_id for one in claimed if one.attempt_number > 1]
        claim_deferred(connection, again)
        connection.execute(
            _claiming(connection.dialect.name),
            {
                "name": name,
                "now": now,
                **ids_for(connection, [one.delivery_id for one in claimed]),
            },
        )
    return claimed


# Statements that are executed several times a second are kept: building one takes longer than
# executing it.
@cache
def _claiming(dialect: str) -> Update:
    return (
        update(delivery)
        .where(delivery.c.id.in_(these(dialect)))
        .values(
            state=DeliveryState.SENDING,
            claimed_by=bindparam("name"),
            attempts=delivery.c.attempts + 1,
            first_attempt_at=func.coalesce(
                delivery.c.first_attempt_at, bindparam("now", type_=Instant)
            ),
            skip_reason=None,
        )
    )


def _due(
    connection: Connection, limit: int, now: datetime, terms: ClaimTerms, purse: Purse
) -> list[int]:
    """Return ids of due deliveries, and lock them where the database locks rows."""
    stand = standing(connection, terms.routing, now)
    senders = terms.routing.go_by(terms.relay, stand.ready, stand.able)
    lanes = open_lanes(connection, now, senders)
    if not lanes:
        return []
    room: dict[str, int] = {}
    for name in DOMAIN_CLASSES:
        limits = [purse.of_class(name), terms.room.of_class(name) if terms.room else None]
        known = [one for one in limits if one is not None]
        if known:
            room[name] = max(min(known), 0)
    canaries = canary_rooms(connection, {lane.mailing_id for lane in lanes})
    return list(due(connection, lanes, limit, room, canaries, now))


def _in_turn(
    connection: Connection,
    persons: Sequence[ClaimedDelivery],
    room: Room | None,
    purse: Purse,
    now: datetime,
) -> list[ClaimedDelivery]:
    """Return those who are claimed; put off those of single domains whose turn it is not yet.

    What is put off was not tried: it goes to the place in the queue at which its turn is expected,
    so that those behind it come forward.
    """
    by_domain: dict[bytes, list[ClaimedDelivery]] = {}
    for one in persons:
        if one.domain_class == OTHER:
            by_domain.setdefault(one.domain_digest, []).append(one)
    if not by_domain or not (purse.look_at_domains(by_domain) or room):
        return list(persons)
    put_off: dict[int, datetime] = {}
    for digest, queued in by_domain.items():
        limits = [purse.of_domain(digest), room.of_domain(digest) if room else None]
        known = [one for one in limits if one is not None]
        late = queued[max(min(known), 0) :] if known else []
        if late:
            turns = _turns(digest, len(late), room, purse, now)
            put_off |= {one.delivery_id: at for one, at in zip(late, turns, strict=True)}
    if put_off:
        connection.execute(
            update(delivery)
            .where(delivery.c.id == bindparam("put_off"))
            .values(next_attempt_at=bindparam("turn_at", type_=Instant)),
            [{"put_off": key, "turn_at": at} for key, at in put_off.items()],
        )
    return [one for one in persons if one.delivery_id not in put_off]


def _turns(
    digest: bytes, count: int, room: Room | None, purse: Purse, now: datetime
) -> list[datetime]:
    """Return when the turns of more of a domain are expected."""
    begin = purse.paused_until(digest) or now
    per_second = purse.per_second(digest)
    if room is not None:
        waits = room.turn_of(digest, per_second, count)
    else:
        waits = [(number + 1) / (per_second or 1.0) for number in range(count)]
    return [begin + timedelta(seconds=one) for one in waits]


def _as_text(column: Any) -> Any:  # noqa: ANN401  (A column expression has no narrower type here.)
    return cast(column, String(20))


def _reroute(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Move deliveries to the next list each came through that the person is still on.

    Returns those that were moved: the others have none.
    """
    rows = connection.execute(_routes(connection.dialect.name), ids_for(connection, ids)).all()
    # The first of each in the order of the lists.
    first = {row.delivery_id: row for row in reversed(rows)}
    if first:
        for key, (cell, state) in lock_counted(connection, list(first)).items():
            there = cell._replace(list_id=first[key].list_id)
            add_deliveries(connection, cell, counted_as(state), -1)
            add_deliveries(connection, there, counted_as(state), 1)
        connection.execute(
            _REROUTING,
            [
                {
                    "moved": row.delivery_id,
                    "to_list": row.list_id,
                    "to_supporter": row.supporter_id,
                }
                for row in first.values()
            ],
        )
    return list(first)


_REROUTING = (
    update(delivery)
    .where(delivery.c.id == bindparam("moved"))
    .values(list_id=bindparam("to_list"), supporter_id=bindparam("to_supporter"))
)


@cache
def _routes(dialect: str) -> Select[Any]:
    scope = literal("organisation:") + _as_text(supporter.c.organisation_id)
    return (
        select(delivery_list)
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
            delivery_list.c.delivery_id.in_(these(dialect)),
            membership.c.state == MembershipState.SUBSCRIBED,
            membership.c.consent_basis != "",
            ~chose_others_than_mailing(membership),
            ~exists().where(
                suppression.c.address_digest == delivery.c.address_digest,
                suppression.c.scope == scope,
            ),
        )
        .order_by(delivery_list.c.delivery_id, mailing_target.c.position)
    )


def _persons(
    connection: Connection, ids: Sequence[int], now: datetime
) -> list[tuple[ClaimedDelivery, SkipReason | None]]:
    """Return these deliveries as they are when claimed, and why they may not go, or None.

    Those whose person is not at their address are left out.
    """
    query = _person_query(connection.dialect.name, tuple(discreet_lists(connection)))
    found: list[tuple[ClaimedDelivery, SkipReason | None]] = []
    for row in fetch(connection, query, {"now": now, **ids_for(connection, ids)}):
        (*_, attempts, first_us, share_id, resent_us, is_suppressed, mark, member, others) = row
        reason = None
        if is_suppressed:
            reason = SkipReason.SUPPRESSED
        elif mark:
            reason = _MARKS[mark]
        elif member != MembershipState.SUBSCRIBED:
            reason = SkipReason.NO_CONSENT
        elif others:
            reason = SkipReason.TOPIC_NOT_CHOSEN
        claimed = ClaimedDelivery._make(
            (
                *row[:_PLAIN_COLUMNS],
                attempts + 1,
                instant(first_us) or now,
                share_id,
                instant(resent_us),
            )
        )
        found.append((claimed, reason))
    return found


@lru_cache(maxsize=8)
def _person_query(dialect: str, marked: tuple[int, ...]) -> Select[Any]:
    """Return the query for persons of claimed deliveries.

    Args:
        dialect: name of the database.
        marked: row ids of the lists whose members are all discreet.
    """
    scope = literal("organisation:") + _as_text(supporter.c.organisation_id)
    suppressed = exists().where(
        suppression.c.address_digest == delivery.c.address_digest,
        suppression.c.scope.in_([SCOPE_ALL, scope]),
    )
    other = supporter.alias()
    discreet: ColumnElement[bool] = other.c.discreet.is_(True)
    if marked:
        # As at freezing: having left a discreet list does not make a person less at risk.
        on_discreet = exists().where(
            membership.c.supporter_id == other.c.id, membership.c.list_id.in_(marked)
        )
        discreet = or_(discreet, on_discreet)
    # Whatever one organisation knows of the address counts for all.
    at = bindparam("now", type_=Instant)
    not_for_them = and_(other.c.only_urgent.is_(True), mailing.c.urgent.is_(False))
    mark = case((other.c.paused_until > at, 3), (not_for_them, 2), (discreet, 1), else_=0)
    known = (
        select(func.max(mark))
        .where(other.c.address_digest == delivery.c.address_digest)
        .correlate(delivery, mailing)
        .scalar_subquery()
    )
    return (
        select(
            delivery.c.id,
            delivery.c.mailing_id,
            delivery.c.supporter_id,
            delivery.c.address_digest,
            supporter.c.address_sealed,
            supporter.c.fields_sealed,
            supporter.c.country,
            supporter.c.needs_smtputf8,
            supporter.c.text_only,
            delivery.c.domain_class,
            supporter.c.domain_digest,
            delivery.c.list_id,
            delivery.c.language,
            delivery.c.wanted,
            delivery.c.attempts,
            type_coerce(delivery.c.first_attempt_at, BigInteger).label("first_attempt_at"),
            delivery.c.share_id,
            type_coerce(delivery.c.resent_at, BigInteger).label("resent_at"),
            suppressed.label("suppressed"),
            known.label("known"),
            case(
                (membership.c.consent_basis != "", type_coerce(membership.c.state, String)),
                else_=null(),
            ).label("member"),
            chose_others_than_mailing(membership).label("others"),
        )
        .select_from(delivery)
        .join(mailing, mailing.c.id == delivery.c.mailing_id)
        .join(
            supporter,
            (supporter.c.id == delivery.c.supporter_id)
            & (supporter.c.address_digest == delivery.c.address_digest),
        )
        .outerjoin(
            membership,
            (membership.c.list_id == delivery.c.list_id)
            & (membership.c.supporter_id == delivery.c.supporter_id),
        )
        .where(delivery.c.id.in_(these(dialect)))
        .order_by(delivery.c.id)
    )
