"""Count an audience by everything that staff look at: language, country, time zone, list, reason.

In: the rules of a mailing to be. Out: how many people have what in common. Nobody is named, nothing is
written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, case, exists, false, literal, not_, or_, select

from mailer.model.states import SkipReason
from mailer.store.audience import all_profiles, is_live
from mailer.store.counting import (
    BARRED,
    BY_ADDRESS,
    CODES,
    MARKED,
    Counted,
    among,
    barred_by,
    code_of,
    counted_part,
    is_excluded,
    known_twice,
    mark_by,
    mark_code,
    members,
    of_these,
    parts,
    reason_of,
    slices,
)
from mailer.store.coverage import on_list, routed
from mailer.store.engine import Store
from mailer.store.routes import RouteList, Rules, mark_of, reason_not_mailed
from mailer.store.segments import Clause
from mailer.store.tables import mailing_list, membership, supporter


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


#: So many parts are counted at once.
_HANDS = 2
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


def members_by_language(connection: Connection) -> dict[str, dict[str, int]]:
    """Count the members of each list by their first language; "" where none is named."""
    first = {
        row_id: next(iter(profile.languages), "")
        for row_id, profile in all_profiles(connection).items()
    }
    ranges = list(parts(connection))
    table: dict[str, dict[str, int]] = {}
    for one in connection.execute(select(mailing_list).order_by(mailing_list.c.id)).all():
        route = RouteList(0, one.id, one.organisation_id)
        counts: Counter[str] = Counter()
        for part in ranges:
            query = members(select(supporter.c.profile_id), route)
            for (profile_id,), people in counted_part(connection, query, {}, part):
                counts[first[int(profile_id)]] += people
        if counts:
            table[one.key] = dict(counts)
    return table


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
    twins = known_twice(connection)
    if len({route.organisation_id for route in rules.lists}) > 1:
        return _Apart(by_address=twins)
    # Hardly anybody has a mark at another organisation: these are found first, not looked for of each.
    return _Apart(marked=of_these(connection, twins, mark_of(supporter, rules).is_not(None)))


def _by_their_row(
    store: Store, rules: Rules, route: RouteList, apart: _Apart
) -> Iterator[PeopleAlike]:
    """Count those of a list of whom one row tells all, but for marks."""
    with store.read() as connection:
        found = {
            BARRED: barred_by(connection, route.organisation_id),
            MARKED: apart.marked,
            BY_ADDRESS: apart.by_address,
        }
        ranges = list(parts(connection))
    query = _people_by_their_row(rules, route, apart)

    def count(part: tuple[int, int]) -> list[Counted]:
        with store.read() as connection:
            return list(counted_part(connection, query, found, part))

    with ThreadPoolExecutor(_HANDS, "counting") as threads:
        for rows in threads.map(count, ranges):
            for (number, country, time_zone), people in rows:
                profile_id, code = divmod(int(number), CODES)
                yield PeopleAlike(
                    route.list_id, reason_of(code), profile_id, country, time_zone, people
                )


def _people_by_their_row(rules: Rules, route: RouteList, apart: _Apart) -> Select[Any]:
    """Return those who count with a list: it is the first they consented to, or are on at all."""
    earlier = [one.list_id for one in rules.lists if one.position < route.position]
    later = [one.list_id for one in rules.lists if one.position > route.position]
    has_consent = membership.c.consent_basis != ""
    counts_elsewhere = case(
        (has_consent, _on_one_of(earlier, with_consent=True)),
        else_=or_(_on_one_of(earlier, with_consent=False), _on_one_of(later, with_consent=True)),
    )
    mark = mark_by(rules, apart.marked)
    others = [not_(among(BY_ADDRESS))] if apart.by_address else []
    reason = case(
        (among(BARRED), code_of(SkipReason.SUPPRESSED)),
        (not_(has_consent), code_of(SkipReason.NO_CONSENT)),
        (is_excluded(rules), code_of(SkipReason.EXCLUDED)),
        else_=mark_code(mark, code_of(None)),
    )
    # One number for two, since each value costs SQLite as much as finding the person.
    number = supporter.c.profile_id * CODES + reason
    query = select(number, supporter.c.country, supporter.c.time_zone)
    return members(query, route).where(not_(counts_elsewhere), *others)


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
        .where(membership.c.list_id == route.list_id, is_live(membership), among(BY_ADDRESS))
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
    rows = Counter(
        tuple(row)
        for piece in slices(ids)
        for row in connection.execute(query, {BY_ADDRESS: piece})
    )
    for (why, profile_id, country, time_zone), people in rows.items():
        yield PeopleAlike(route.list_id, why, profile_id, country, time_zone, people)
