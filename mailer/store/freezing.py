"""Fix the audience of a mailing, one range of addresses a transaction.

In: a mailing's rules, and the edition each language profile gets on each list. Out: deliveries, due
or skipped with a reason, the lists each came through, and the progress, moved by the transaction
that wrote the range. Every statement can be run again and changes nothing the second time.

Ranges go by address digest, so that all rows of an address are in one, and each index of `delivery`
only grows at its end: by supporter id, each delivery would change a page of its own in the index by
digest, and the database would write a hundred times what it keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Insert,
    Integer,
    Join,
    MetaData,
    Table,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    not_,
    select,
    tuple_,
    update,
)
from sqlalchemy.schema import CreateTable, DropTable

from mailer.model.audience import LanguageChoice, LanguageProfile
from mailer.model.states import DeliveryState, MailingState, SkipReason
from mailer.model.timing import ShareState
from mailer.store.audience import insert_or_ignore, is_live, profile_from_text
from mailer.store.routes import Rules, reason_not_mailed
from mailer.store.segments import Clause
from mailer.store.shares import NO_SHARE
from mailer.store.tables import (
    delivery,
    delivery_list,
    language_profile,
    mailing,
    mailing_language,
    mailing_share,
    mailing_zone,
    membership,
    supporter,
)
from mailer.store.tallies import (
    FROZEN_KEY,
    Cell,
    Standing,
    add_deliveries,
    add_new,
    newest_delivery,
    standing,
)
from mailer.store.types import Digest, Id, Instant

#: Greater than every digest.
_BEYOND = b"\xff" * 17
#: The deliveries of the mailing that is corrected.
_CORRECTED = delivery.alias("corrected")
#: An INSERT is to say how many rows it wrote.
_COUNTING = {"preserve_rowcount": True}


@dataclass(frozen=True)
class Progress:
    """How far the freezing of a mailing is."""

    state: MailingState
    #: Everyone up to this address digest has their deliveries; None before the first range.
    after: bytes | None
    #: How many people the next range takes.
    people: int
    frozen: bool


@dataclass(frozen=True)
class Range:
    """Some people, whether they are on a list or not, by their address digests."""

    #: The digest before the first; None for the first range.
    after: bytes | None
    #: The last digest; None for the last range.
    upto: bytes | None

    @property
    def is_whole(self) -> bool:
        """Whether it is everyone."""
        return self.after is None and self.upto is None


def read_progress(connection: Connection, mailing_id: int, *, lock: bool) -> Progress:
    """Return the progress, and where asked keep other processes from moving it meanwhile."""
    query = select(
        mailing.c.state, mailing.c.freeze_after, mailing.c.freeze_members, mailing.c.frozen_at
    ).where(mailing.c.id == mailing_id)
    row = connection.execute(query.with_for_update() if lock else query).one()
    return Progress(row.state, row.freeze_after, row.freeze_members, row.frozen_at is not None)


def move_progress(
    connection: Connection, mailing_id: int, after: bytes | None, people: int
) -> None:
    """Write after which digest the next range begins and how large it is."""
    connection.execute(
        update(mailing)
        .where(mailing.c.id == mailing_id)
        .values(freeze_after=after, freeze_members=people)
    )


def mark_frozen(connection: Connection, mailing_id: int, now: datetime) -> None:
    """Write that the last range is in."""
    connection.execute(
        update(mailing)
        .where(mailing.c.id == mailing_id, mailing.c.frozen_at.is_(None))
        .values(frozen_at=now)
    )


@dataclass(frozen=True)
class Unresolved:
    """A language profile whose edition on a list is not worked out yet."""

    list_id: int
    profile_id: int
    profile: LanguageProfile


#: Made once, as all statements of a step are that can be: making one takes as long as running it.
_UNRESOLVED = (
    select(language_profile)
    .where(
        not_(
            exists().where(
                mailing_language.c.mailing_id == bindparam("mailing_id"),
                mailing_language.c.list_id == bindparam("list_id"),
                mailing_language.c.profile_id == language_profile.c.id,
            )
        )
    )
    .order_by(language_profile.c.id)
    .limit(bindparam("limit"))
)


def unresolved_profiles(
    connection: Connection, mailing_id: int, list_ids: Sequence[int], limit: int
) -> list[Unresolved]:
    """Return up to `limit` pairs of profile and list that the mailing has no choice for."""
    found: list[Unresolved] = []
    for list_id in list_ids:
        rows = connection.execute(
            _UNRESOLVED,
            {"mailing_id": mailing_id, "list_id": list_id, "limit": limit - len(found)},
        )
        found += [
            Unresolved(list_id, row.id, profile_from_text(row.languages, row.never)) for row in rows
        ]
        if len(found) >= limit:
            break
    return found


def write_choices(
    connection: Connection,
    mailing_id: int,
    choices: Iterable[tuple[Unresolved, LanguageChoice]],
) -> None:
    """Write which edition each profile gets on each list; what is there already stays."""
    rows = [
        {
            "mailing_id": mailing_id,
            "list_id": one.list_id,
            "profile_id": one.profile_id,
            "language": choice.language,
            "step": choice.step,
            "wanted": choice.wanted if choice.notice else None,
        }
        for one, choice in choices
    ]
    if rows:
        connection.execute(insert_or_ignore(connection, mailing_language), rows)


def next_range(
    connection: Connection, list_ids: Sequence[int], after: bytes | None, people: int
) -> Range:
    """Return the next so many people after a digest, or all that are left.

    Where no more than these are on all the lists, one range is everyone: a mailing to a few does
    not go through all that the database knows.
    """
    if after is None and not _are_more(connection, list_ids, people):
        return Range(None, None)
    digests = select(supporter.c.address_digest).order_by(supporter.c.address_digest)
    if after is not None:
        digests = digests.where(supporter.c.address_digest > after)
    last = connection.execute(digests.offset(people - 1).limit(1)).scalar_one_or_none()
    return Range(after, last)


def _are_more(connection: Connection, list_ids: Sequence[int], people: int) -> bool:
    query = select(membership.c.supporter_id).where(membership.c.list_id.in_(list_ids))
    return connection.execute(query.offset(people).limit(1)).first() is not None


@dataclass(frozen=True)
class Sharing:
    """To which share the deliveries of a mailing belong."""

    #: The one share of the mailing; `NO_SHARE` where it has none or several.
    share_id: int = NO_SHARE
    #: Each person's by their zone, see `mailing_zone`.
    by_zone: bool = False


#: The routes of one range, and what a delivery by each would be: a table of this connection alone.
_route = Table(
    "freezing_route",
    MetaData(),
    Column("address_digest", Digest, primary_key=True),
    Column("list_id", Id, primary_key=True),
    Column("supporter_id", Id, primary_key=True),
    #: Of the list, in the order given.
    Column("position", Integer, nullable=False),
    Column("profile_id", Id, nullable=False),
    Column("language", delivery.c.language.type),
    Column("step", delivery.c.step.type),
    Column("wanted", delivery.c.wanted.type),
    #: Why this is no route; NULL when it is one.
    Column("reason", delivery.c.skip_reason.type),
    #: Why nothing goes out although it is one: its share was given up.
    Column("given_up", delivery.c.skip_reason.type),
    Column("due_at", delivery.c.next_attempt_at.type),
    Column("share_id", Id, nullable=False),
    Column("domain_class", delivery.c.domain_class.type, nullable=False),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)


def find_routes(
    connection: Connection, mailing_id: int, rules: Rules, span: Range, sharing: Sharing
) -> None:
    """Put into `_route` all members of a range, and for each whether and how they are mailed."""
    connection.execute(DropTable(_route, if_exists=True))
    connection.execute(CreateTable(_route))
    query = _members(mailing_id, rules, sharing, whole=span.is_whole)
    bounds = {} if span.is_whole else {"after": span.after or b"", "upto": span.upto or _BEYOND}
    connection.execute(query, bounds)


@lru_cache(maxsize=4)
def _members(mailing_id: int, rules: Rules, sharing: Sharing, *, whole: bool) -> Insert:
    edition = mailing_language if rules.correction is None else _CORRECTED
    no_edition = edition.c.language.is_(None) if rules.correction is None else false()
    expired = literal(SkipReason.EXPIRED, delivery.c.skip_reason.type)
    positions = {one.list_id: one.position for one in rules.lists}
    due_at = select(mailing.c.due_at).where(mailing.c.id == mailing_id).scalar_subquery()
    people, in_range = _people(list(positions), whole=whole)
    query = (
        select(
            supporter.c.address_digest,
            membership.c.list_id,
            supporter.c.id.label("supporter_id"),
            case(positions, value=membership.c.list_id).label("position"),
            supporter.c.profile_id,
            edition.c.language,
            edition.c.step,
            edition.c.wanted,
            reason_not_mailed(supporter, membership, rules, no_edition).label("reason"),
            case((mailing_share.c.state == ShareState.SKIPPED, expired)).label("given_up"),
            func.coalesce(mailing_share.c.due_at, due_at).label("due_at"),
            _share_id(sharing).label("share_id"),
            supporter.c.domain_class,
        )
        .select_from(_with_editions(people, mailing_id, rules, sharing))
        .where(in_range)
    )
    return _route.insert().from_select(query.selected_columns.keys(), query)


def _people(list_ids: Sequence[int], *, whole: bool) -> tuple[Join, Clause]:
    """Return what joins the people of a range with the lists they are on, and its condition.

    SQLite keeps to the order of outer joins: what is gone through, and what is looked up for each
    of it, is not to depend on how large the database takes its tables to be.
    """
    same_person = membership.c.supporter_id == supporter.c.id
    if whole:
        on_lists = and_(membership.c.list_id.in_(list_ids), is_live(membership))
        return membership.outerjoin(supporter, same_person), on_lists
    # Of a sum there is no index: what a person is on is looked up at once, not list after list.
    on_lists = and_((membership.c.list_id + 0).in_(list_ids), is_live(membership))
    in_range = and_(
        supporter.c.address_digest > bindparam("after"),
        supporter.c.address_digest <= bindparam("upto"),
        # Who is on none is left out, said so that the outer join stays one.
        func.coalesce(membership.c.list_id, 0) != 0,
    )
    return supporter.outerjoin(membership, and_(same_person, on_lists)), in_range


def _with_editions(people: Join, mailing_id: int, rules: Rules, sharing: Sharing) -> Join:
    """Join people with the edition that each gets on a list, and with their share."""
    if rules.correction is None:
        joined = people.outerjoin(
            mailing_language,
            and_(
                mailing_language.c.mailing_id == mailing_id,
                mailing_language.c.list_id == membership.c.list_id,
                mailing_language.c.profile_id == supporter.c.profile_id,
            ),
        )
    else:
        joined = people.outerjoin(
            _CORRECTED,
            and_(
                _CORRECTED.c.mailing_id == rules.correction.mailing_id,
                _CORRECTED.c.address_digest == supporter.c.address_digest,
            ),
        )
    if sharing.by_zone:
        joined = joined.outerjoin(
            mailing_zone,
            and_(
                mailing_zone.c.mailing_id == mailing_id,
                mailing_zone.c.list_id == membership.c.list_id,
                mailing_zone.c.time_zone == supporter.c.time_zone,
            ),
        )
    return joined.outerjoin(mailing_share, mailing_share.c.id == _share_id(sharing))


def _share_id(sharing: Sharing) -> ColumnElement[int]:
    if not sharing.by_zone:
        return literal(sharing.share_id, delivery.c.share_id.type)
    return func.coalesce(mailing_zone.c.share_id, literal(NO_SHARE, delivery.c.share_id.type))


def _digest() -> ColumnElement[bytes]:
    """Return the address of a route so that no route could be looked up by it.

    SQLite is to go through the routes and look up each address elsewhere, not the other way round.
    """
    return func.coalesce(_route.c.address_digest, _route.c.address_digest)


@dataclass(frozen=True)
class ForbiddenElsewhere:
    """A route to an address that has languages never to be used on another of its rows."""

    list_id: int
    supporter_id: int
    address_digest: bytes
    #: The languages of the row that would be merged, and what is never wanted on any row.
    profile: LanguageProfile


_other, _own, _others = supporter.alias(), language_profile.alias(), language_profile.alias()
_FORBIDDEN_ELSEWHERE = (
    select(
        _route.c.list_id,
        _route.c.supporter_id,
        _route.c.address_digest,
        _own.c.languages,
        _own.c.never,
        _others.c.never.label("never_elsewhere"),
    )
    .select_from(_route)
    .join(
        _other,
        and_(_other.c.address_digest == _digest(), _other.c.id != _route.c.supporter_id),
    )
    .join(_others, and_(_others.c.id == _other.c.profile_id, _others.c.never != ""))
    .join(_own, _own.c.id == _route.c.profile_id)
    .where(_route.c.reason.is_(None))
)


def forbidden_elsewhere(connection: Connection) -> list[ForbiddenElsewhere]:
    """Return the routes of the range whose address has never-languages on other rows."""
    rows = connection.execute(_FORBIDDEN_ELSEWHERE)
    found: dict[tuple[int, int], ForbiddenElsewhere] = {}
    for row in rows:
        key = (row.list_id, row.supporter_id)
        profile = (
            found[key].profile if key in found else profile_from_text(row.languages, row.never)
        )
        never = set(profile.never) | set(row.never_elsewhere.split(","))
        united = LanguageProfile(profile.languages, tuple(sorted(never)))
        found[key] = ForbiddenElsewhere(*key, row.address_digest, united)
    return list(found.values())


def change_editions(
    connection: Connection, choices: Iterable[tuple[ForbiddenElsewhere, LanguageChoice]]
) -> None:
    """Give routes another edition; one without any is no route."""
    rows = [
        {
            "digest": one.address_digest,
            "list": one.list_id,
            "supporter": one.supporter_id,
            "language": choice.language,
            "step": choice.step,
            "wanted": choice.wanted if choice.notice else None,
            "reason": None if choice.language else SkipReason.NO_ACCEPTABLE_EDITION,
        }
        for one, choice in choices
    ]
    if rows:
        connection.execute(
            update(_route).where(
                _route.c.address_digest == bindparam("digest"),
                _route.c.list_id == bindparam("list"),
                _route.c.supporter_id == bindparam("supporter"),
            ),
            rows,
        )


_reason = func.coalesce(_route.c.reason, _route.c.given_up)
_mailed = _reason.is_(None)
#: What is written of each route that is taken.
_DELIVERY: dict[str, ColumnElement[Any]] = {
    "mailing_id": bindparam("mailing_id", type_=Id),
    "address_digest": _route.c.address_digest,
    "supporter_id": _route.c.supporter_id,
    "list_id": _route.c.list_id,
    "language": case((_mailed, _route.c.language)),
    "step": case((_mailed, _route.c.step)),
    "wanted": case((_mailed, _route.c.wanted)),
    "state": case(
        (_mailed, literal(DeliveryState.DUE, delivery.c.state.type)),
        else_=literal(DeliveryState.SKIPPED, delivery.c.state.type),
    ),
    "skip_reason": _reason,
    "next_attempt_at": case((_mailed, _route.c.due_at)),
    "finished_at": case((not_(_mailed), bindparam("now", type_=Instant))),
    "share_id": _route.c.share_id,
    "domain_class": _route.c.domain_class,
}
_better = _route.alias()
_is_taken = not_(
    exists(
        select(literal(1))
        .select_from(_better)
        .where(
            _better.c.address_digest == _route.c.address_digest,
            tuple_(_better.c.reason.is_not(None), _better.c.position)
            < tuple_(_route.c.reason.is_not(None), _route.c.position),
        )
        .correlate(_route)
    )
)
# In this order the index of deliveries grows at its end.
_DELIVERIES = select(*_DELIVERY.values()).where(_is_taken).order_by(_route.c.address_digest)
_FORESEEN = (
    select(*(_DELIVERY[name].label(name) for name in FROZEN_KEY), func.count().label("count_"))
    .where(_is_taken)
    .group_by(*(_DELIVERY[name] for name in FROZEN_KEY))
)

#: Under what the deliveries of a range are counted → how many of them there are.
Foreseen = dict[tuple[Cell, Standing], int]


def foresee(connection: Connection, mailing_id: int) -> Foreseen:
    """Count the deliveries that the range comes to, so that no lock is held for that."""
    return {
        (
            Cell(mailing_id, row.list_id, row.language or ""),
            standing(row.state, row.skip_reason),
        ): row.count_
        for row in connection.execute(_FORESEEN)
    }


def insert_deliveries(
    connection: Connection, mailing_id: int, foreseen: Foreseen, now: datetime
) -> None:
    """Write and count a delivery for each address of the range that has none yet.

    The first list that is a route to it, in the order given, makes it; where none is, the first
    that it is on says why. It is due with its share, and skipped where that was given up.
    """
    newest = newest_delivery(connection)
    written = connection.execute(
        insert_or_ignore(connection, delivery).from_select(list(_DELIVERY), _DELIVERIES),
        {"mailing_id": mailing_id, "now": now},
        execution_options=_COUNTING,
    ).rowcount
    if written == sum(foreseen.values()):
        for (cell, what), count in foreseen.items():
            add_deliveries(connection, cell, what, count)
    else:
        # A delivery followed somebody to an address of this range before the range was in.
        add_new(connection, mailing_id, newest)


_LISTS = (
    select(delivery.c.id, _route.c.list_id, _route.c.supporter_id)
    .select_from(_route)
    .join(
        delivery,
        and_(
            delivery.c.mailing_id == bindparam("mailing_id"),
            delivery.c.address_digest == _digest(),
        ),
    )
)


def insert_lists(connection: Connection, mailing_id: int) -> None:
    """Write for each delivery of the range every list that it came through, and count them."""
    columns = (delivery_list.c.delivery_id, delivery_list.c.list_id, delivery_list.c.supporter_id)
    written = connection.execute(
        insert_or_ignore(connection, delivery_list).from_select(columns, _LISTS),
        {"mailing_id": mailing_id},
        execution_options=_COUNTING,
    ).rowcount
    connection.execute(
        update(mailing)
        .where(mailing.c.id == mailing_id)
        .values(memberships=mailing.c.memberships + written)
    )
