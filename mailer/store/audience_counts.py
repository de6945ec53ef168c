"""Count an audience by everything that staff look at: language, country, time zone, list, reason.

In: the rules of a mailing to be. Out: how many people have what in common. Nobody is named, nothing is
written. Lists of one organisation, as most audiences are, take one pass over its people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    false,
    func,
    not_,
    or_,
    select,
)

from mailer.model.states import SkipReason
from mailer.store.audience import is_live, scopes_for
from mailer.store.coverage import on_list, routed
from mailer.store.engine import Store
from mailer.store.routes import (
    RouteList,
    Rules,
    literal_of,
    mark_of,
    reason_not_mailed,
)
from mailer.store.segments import Clause, compile_segment
from mailer.store.tables import membership, supporter, suppression


@dataclass(frozen=True)
class PeopleAlike:
    """How many people have all of this in common."""

    #: Row id of the list that they are mailed through, or of the first that they are on.
    list_id: int
    #: Why they are not mailed; None where they are.
    reason: SkipReason | None
    #: Row id of their languages.
    profile_id: int
    #: "" when unknown, as `time_zone`.
    country: str
    time_zone: str
    people: int


#: Columns of a row, and how many rows are the same.
Counted = tuple[tuple[Any, ...], int]
#: So many counts at once, each of its part of the people, where there are more than a few.
_PARTS = 2
_FEW = 50_000
#: What people have in common beside list and reason.
_ALIKE = (supporter.c.profile_id, supporter.c.country, supporter.c.time_zone)


def people_alike(store: Store, rules: Rules) -> Iterator[PeopleAlike]:
    """Yield the people of an audience, each address once, by what they have in common.

    Which edition serves them is not asked: languages are for the caller to judge.
    """
    if len({one.organisation_id for one in rules.lists}) == 1:
        yield from _of_one_organisation(store, rules)
        return
    with store.read() as connection:
        for route in rules.lists:
            yield from _of_list(connection, rules, route)


def _of_one_organisation(store: Store, rules: Rules) -> Iterator[PeopleAlike]:
    """Count lists of one organisation, which knows everybody by one row."""
    query = _people_of_one_organisation(rules)
    for (text, profile_id, country, time_zone, *bases), people in _in_parts(store, query):
        on_it = [
            (one, basis) for one, basis in zip(rules.lists, bases, strict=True) if basis is not None
        ]
        if not on_it:
            continue
        consented = [one for one, basis in on_it if basis]
        reason = SkipReason(text) if text else None
        if not consented and reason is not SkipReason.SUPPRESSED:
            reason = SkipReason.NO_CONSENT
        first = consented[0] if consented else on_it[0][0]
        yield PeopleAlike(first.list_id, reason, profile_id, country, time_zone, people)


def _people_of_one_organisation(rules: Rules) -> Select[Any]:
    known = supporter.alias()
    barred = (
        select(known.c.id)
        .join(suppression, suppression.c.address_digest == known.c.address_digest)
        .where(suppression.c.scope.in_(scopes_for(rules.lists[0].organisation_id)))
    )
    return select(
        case(
            (supporter.c.id.in_(barred), literal_of(SkipReason.SUPPRESSED)),
            (_is_excluded(rules), literal_of(SkipReason.EXCLUDED)),
            else_=_mark(rules),
        ),
        *_ALIKE,
        *(_basis_on(one) for one in rules.lists),
    )


def _in_parts(store: Store, query: Select[Any]) -> Iterator[Counted]:
    """Count the rows of a query over all supporters, on SQLite with both hands."""
    with store.read() as connection:
        last = connection.execute(select(func.max(supporter.c.id))).scalar() or 0
        if not store.is_sqlite or last < _FEW:
            yield from _counted(connection, query)
            return

    def part(number: int) -> list[Counted]:
        ids = (
            supporter.c.id > last * number // _PARTS,
            supporter.c.id <= last * (number + 1) // _PARTS,
        )
        with store.read() as connection:
            return list(_counted(connection, query.where(*ids)))

    with ThreadPoolExecutor(_PARTS, "counting") as threads:
        for found in threads.map(part, range(_PARTS)):
            yield from found


def _counted(connection: Connection, query: Select[Any]) -> Iterator[Counted]:
    """Yield how often each row of a query comes."""
    if connection.dialect.name == "sqlite":
        # SQLite sorts what it groups: for a million people that takes longer than all the rest.
        cursor: Any = connection.execute(query).cursor
        rows: Counter[tuple[Any, ...]] = Counter(cursor)
        yield from rows.items()
        return
    found = query.subquery()
    for row in connection.execute(select(*found.c, func.count()).group_by(*found.c)):
        yield tuple(row[:-1]), row[-1]


def _basis_on(route: RouteList) -> ColumnElement[str | None]:
    """Return by which consent somebody is on a list: "" by none, NULL where they are not on it."""
    member = membership.alias()
    return (
        select(member.c.consent_basis)
        .where(
            member.c.list_id == route.list_id,
            member.c.supporter_id == supporter.c.id,
            is_live(member),
        )
        .correlate(supporter)
        .scalar_subquery()
    )


def _is_excluded(rules: Rules) -> Clause:
    clauses: list[Clause] = [false()]
    if rules.segment is not None:
        clauses.append(not_(compile_segment(rules.segment)))
    if rules.exclude is not None:
        own = compile_segment(rules.exclude)
        # As another organisation knows them they count where they are on these lists, which are of
        # one: so nobody is left out but by this row.
        clauses.append(own)
    return or_(*clauses)


def _mark(rules: Rules) -> ColumnElement[str | None]:
    """Return why a person is not mailed for what stands on any row of their address."""
    own = mark_of(supporter, replace(rules, shared=False))
    if not rules.shared:
        return own
    # Hardly anybody has a mark at another organisation: these are found at once, not one by one.
    marked, other = supporter.alias(), supporter.alias()
    mark = mark_of(marked, replace(rules, shared=False))
    elsewhere = (
        select(other.c.id)
        .select_from(marked)
        .join(
            other,
            and_(other.c.address_digest == marked.c.address_digest, other.c.id != marked.c.id),
        )
        .where(mark.is_not(None))
    )
    return case((supporter.c.id.in_(elsewhere), mark_of(supporter, rules)), else_=own)


def _of_list(connection: Connection, rules: Rules, route: RouteList) -> Iterator[PeopleAlike]:
    """Count one list of several organisations, who may know one address by several rows."""
    earlier = [one for one in rules.lists if one.position < route.position]
    later = [one for one in rules.lists if one.position > route.position]
    reason = reason_not_mailed(supporter, membership, rules, false())
    # Materialized: else the reason, which is most of the work, would be found out several times.
    found = (
        select(reason.label("reason"), *_ALIKE, supporter.c.address_digest)
        .select_from(membership)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .where(membership.c.list_id == route.list_id, is_live(membership))
        .cte("found")
        .prefix_with("MATERIALIZED")
    )
    # Whoever may be mailed counts with the first list they may be mailed through, everybody else with
    # the first that they are on.
    counts_elsewhere = case(
        (
            found.c.reason.is_(None),
            or_(false(), *(routed(found, one, rules, {}) for one in earlier)),
        ),
        else_=or_(
            false(),
            *(on_list(found, one) for one in earlier),
            *(routed(found, one, rules, {}) for one in later),
        ),
    )
    query = select(found.c.reason, found.c.profile_id, found.c.country, found.c.time_zone).where(
        not_(counts_elsewhere)
    )
    for (text, profile_id, country, time_zone), people in _counted(connection, query):
        reason_of = SkipReason(text) if text else None
        yield PeopleAlike(route.list_id, reason_of, profile_id, country, time_zone, people)
