"""Count an audience by everything that staff look at: language, country, time zone, list, reason.

In: the rules of a mailing to be. Out: how many people have what in common. Nobody is named, nothing is
written. Lists of one organisation, as most audiences are, take one pass over its people.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.sql.elements import Grouping

from mailer.model.states import SkipReason
from mailer.store.audience import is_live, scopes_for
from mailer.store.coverage import on_list, routed
from mailer.store.engine import Store
from mailer.store.routes import (
    RouteList,
    Rules,
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
#: Where there are more than a few, people are counted in so many parts, and so many parts at once: the
#: lines of one part are in memory together.
_PARTS = 8
_HANDS = 2
_FEW = 50_000
#: Reasons as numbers.
_MARKS = (SkipReason.SUPPORTER_PAUSED, SkipReason.ONLY_URGENT, SkipReason.DISCREET_NOT_READY)
_REASONS = (None, SkipReason.SUPPRESSED, SkipReason.NO_CONSENT, SkipReason.EXCLUDED, *_MARKS)
_CODES = len(_REASONS)
#: Names by which a query knows ids: suppressed, marked by another row, looked at by their address.
_BARRED, _MARKED, _BY_ADDRESS = "barred", "marked", "by_address"
#: Between the values of a row, and between rows: no value has them.
_BETWEEN, _END = "\x1f", "\x1e"
#: What people have in common beside list and reason.
_ALIKE = (supporter.c.profile_id, supporter.c.country, supporter.c.time_zone)


def people_alike(store: Store, rules: Rules) -> Iterator[PeopleAlike]:
    """Yield the people of an audience, each address once, by what they have in common.

    Which edition serves them is not asked: languages are for the caller to judge.
    """
    with store.read() as connection:
        apart = _to_look_at_together(connection, rules)
    for route in rules.lists:
        yield from _by_their_row(store, rules, route, apart)
    if apart.by_address:
        with store.read() as connection:
            for route in rules.lists:
                yield from _by_their_address(connection, rules, route, apart.by_address)


@dataclass(frozen=True)
class _Apart:
    """Row ids of people of whom more than one row is on record, where that matters; in order."""

    #: Only marked elsewhere: what stands on all rows of the address has to be looked at.
    marked: Sequence[int] = ()
    #: Perhaps on several of the lists, by several rows.
    by_address: Sequence[int] = ()


def _to_look_at_together(connection: Connection, rules: Rules) -> _Apart:
    if not rules.shared:
        return _Apart()
    one, other = supporter.alias(), supporter.alias()
    doubled = select(one.c.address_digest).group_by(one.c.address_digest).having(func.count() > 1)
    twins = select(other.c.id).where(other.c.address_digest.in_(doubled))
    if len({route.organisation_id for route in rules.lists}) > 1:
        return _Apart(by_address=_ids(connection, twins))
    # Hardly anybody has a mark at another organisation: these are found first, not looked for of each.
    return _Apart(marked=_ids(connection, twins.where(mark_of(other, rules).is_not(None))))


def _ids(connection: Connection, query: Select[Any]) -> list[int]:
    return sorted(connection.execute(query).scalars())


def _by_their_row(
    store: Store, rules: Rules, route: RouteList, apart: _Apart
) -> Iterator[PeopleAlike]:
    """Count those of a list of whom one row tells all, but for marks."""
    barred = (
        select(supporter.c.id)
        .join(suppression, suppression.c.address_digest == supporter.c.address_digest)
        .where(suppression.c.scope.in_(scopes_for(route.organisation_id)))
    )
    with store.read() as connection:
        found = {
            _BARRED: _ids(connection, barred),
            _MARKED: apart.marked,
            _BY_ADDRESS: apart.by_address,
        }
        last = connection.execute(select(func.max(supporter.c.id))).scalar() or 0
    query = _people_by_their_row(rules, route, apart)
    for (number, country, time_zone), people in _in_parts(store, query, last, found):
        profile_id, code = divmod(int(number), _CODES)
        reason = _REASONS[code]
        yield PeopleAlike(route.list_id, reason, profile_id, country, time_zone, people)


def _people_by_their_row(rules: Rules, route: RouteList, apart: _Apart) -> Select[Any]:
    """Return those who count with a list: it is the first they consented to, or are on at all."""
    earlier = [one.list_id for one in rules.lists if one.position < route.position]
    later = [one.list_id for one in rules.lists if one.position > route.position]
    has_consent = membership.c.consent_basis != ""
    counts_elsewhere = case(
        (has_consent, _on_one_of(earlier, with_consent=True)),
        else_=or_(_on_one_of(earlier, with_consent=False), _on_one_of(later, with_consent=True)),
    )
    own = mark_of(supporter, replace(rules, shared=False))
    # Nobody is looked for among nobody: that would take as long as the rest.
    mark = case((_among(_MARKED), mark_of(supporter, rules)), else_=own) if apart.marked else own
    others = [not_(_among(_BY_ADDRESS))] if apart.by_address else []
    reason = case(
        (_among(_BARRED), _code_of(SkipReason.SUPPRESSED)),
        (not_(has_consent), _code_of(SkipReason.NO_CONSENT)),
        (_is_excluded(rules), _code_of(SkipReason.EXCLUDED)),
        else_=case({one: _code_of(one) for one in _MARKS}, value=mark, else_=_code_of(None)),
    )
    return (
        # One number for two, since each value costs SQLite as much as finding the person.
        select(supporter.c.profile_id * _CODES + reason, supporter.c.country, supporter.c.time_zone)
        .select_from(membership)
        # The sum is what it was, and keeps SQLite from going through the people and looking each up on
        # the list: members in their order find people in their order, which is five times as fast.
        .join(supporter, supporter.c.id == membership.c.supporter_id + 0)
        .where(
            membership.c.list_id == route.list_id,
            is_live(membership),
            not_(counts_elsewhere),
            *others,
        )
    )


def _code_of(reason: SkipReason | None) -> int:
    return _REASONS.index(reason)


def _among(name: str) -> Clause:
    """Tell whether somebody is among those whose ids are given by a name."""
    # Written into the statement: there may be more of them than a statement takes parameters.
    return supporter.c.id.in_(bindparam(name, expanding=True, literal_execute=True))


def _on_one_of(list_ids: Sequence[int], *, with_consent: bool) -> Clause:
    """Tell whether the person is on one of these lists."""
    if not list_ids:
        return false()
    member = membership.alias()
    query = select(literal(1)).where(
        member.c.list_id.in_(list_ids),
        member.c.supporter_id == membership.c.supporter_id,
        is_live(member),
    )
    if with_consent:
        query = query.where(member.c.consent_basis != "")
    return exists(query.correlate(membership))


def _in_parts(
    store: Store, query: Select[Any], last: int, found: Mapping[str, Sequence[int]]
) -> Iterator[Counted]:
    """Count the rows of a query over members of a list, on SQLite with both hands.

    Args:
        store: the database.
        query: over `membership` and `supporter`.
        last: the highest id of a supporter.
        found: ids that the query knows by name, in order.
    """

    def part(since: int, until: int) -> list[Counted]:
        """Count those whose ids are after `since`, up to `until`."""
        of_these = {
            name: ids[bisect_right(ids, since) : bisect_right(ids, until)]
            for name, ids in found.items()
        }
        range_ = (membership.c.supporter_id > since, membership.c.supporter_id <= until)
        with store.read() as connection:
            return list(_counted(connection, query.where(*range_), of_these))

    if not store.is_sqlite or last < _FEW:
        yield from part(0, last)
        return
    size = last // _PARTS + 1
    starts = range(0, last, size)
    with ThreadPoolExecutor(_HANDS, "counting") as threads:
        for one in threads.map(part, starts, (start + size for start in starts)):
            yield from one


def _counted(
    connection: Connection, query: Select[Any], values: Mapping[str, Sequence[int]]
) -> Iterator[Counted]:
    """Yield how often each row of a query comes; its values may come as text."""
    if connection.dialect.name != "sqlite":
        found = query.subquery()
        for row in connection.execute(select(*found.c, func.count()).group_by(*found.c), values):
            yield tuple(row[:-1]), row[-1]
        return
    # SQLite sorts what it groups, and hands over each row by itself: for a million people either takes
    # longer than all the rest. All rows in one text it makes while others may work.
    # In brackets, since || binds closer than a sum.
    first, *others = (type_coerce(Grouping(one), Text) for one in query.selected_columns)
    line: ColumnElement[str] = first
    for one in others:
        line = line.concat(_BETWEEN).concat(one)
    rows = func.group_concat(line, _END)
    text = connection.execute(query.with_only_columns(rows), values).scalar()
    if text is not None:
        for key, people in Counter(text.split(_END)).items():
            yield tuple(key.split(_BETWEEN)), people


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


def _by_their_address(
    connection: Connection, rules: Rules, route: RouteList, ids: Sequence[int]
) -> Iterator[PeopleAlike]:
    """Count those of a list whom several organisations know, each by a row of its own."""
    earlier = [one for one in rules.lists if one.position < route.position]
    later = [one for one in rules.lists if one.position > route.position]
    reason = reason_not_mailed(supporter, membership, rules, false())
    # Materialized: else the reason, which is most of the work, would be found out several times.
    found = (
        select(reason.label("reason"), *_ALIKE, supporter.c.address_digest)
        .select_from(membership)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .where(membership.c.list_id == route.list_id, is_live(membership), _among(_BY_ADDRESS))
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
    rows = Counter(tuple(row) for row in connection.execute(query, {_BY_ADDRESS: ids}))
    for (reason_of, profile_id, country, time_zone), people in rows.items():
        yield PeopleAlike(route.list_id, reason_of, profile_id, country, time_zone, people)
