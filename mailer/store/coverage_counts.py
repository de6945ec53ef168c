"""Count whom a mailing would reach, by the row that they are known by, a million while somebody waits.

In: the rules of a mailing to be, and per list the profiles no edition is acceptable for. Out: people by
reason, profile and time zone, each counted with one list. Whoever is known by several rows is left to
`coverage`, and found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    exists,
    false,
    literal,
    not_,
    or_,
    select,
    true,
)

from mailer.model.states import SkipReason
from mailer.store.audience import is_live
from mailer.store.counting import (
    BARRED,
    BY_ADDRESS,
    CODES,
    MARKED,
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
)
from mailer.store.coverage import Unacceptable, is_joint, no_edition
from mailer.store.routes import RouteList, Rules, mark_of
from mailer.store.segments import Clause
from mailer.store.tables import membership, supporter
from mailer.store.topics import chose_others


@dataclass(frozen=True)
class KnownTwice:
    """Row ids of people whose address has more than one row, where that matters; in order."""

    #: They have a mark on one of their rows.
    marked: Sequence[int] = ()
    #: A never-list on any of their rows forbids languages on all.
    joint: Sequence[int] = ()
    #: Perhaps on several of the lists, by several rows; those who are joint are among them.
    by_address: Sequence[int] = ()


@dataclass(frozen=True)
class CoveredPeople:
    """How many people of a list have all of this in common."""

    #: Why they would not be mailed; None where they would.
    reason: SkipReason | None
    profile_id: int
    #: "" when unknown.
    time_zone: str
    people: int


def known_twice_by(connection: Connection, rules: Rules) -> KnownTwice:
    """Return whom one row does not tell all about."""
    if not rules.shared:
        return KnownTwice()
    twins = known_twice(connection)
    joint = of_these(connection, twins, is_joint(supporter, rules))
    if len({route.organisation_id for route in rules.lists}) > 1:
        return KnownTwice(joint=joint, by_address=twins)
    # On lists of one organisation they are by one row, whatever others know of them.
    marked = of_these(connection, twins, mark_of(supporter, rules).is_not(None))
    return KnownTwice(marked, joint, joint)


def covered_people(
    connection: Connection,
    rules: Rules,
    route: RouteList,
    unacceptable: Unacceptable,
    twice: KnownTwice,
) -> Iterator[CoveredPeople]:
    """Yield those who count with a list: mailed through it first, or by none and on it first."""
    query = _people(rules, route, unacceptable, twice)
    found = {
        BARRED: barred_by(connection, route.organisation_id),
        MARKED: twice.marked,
        BY_ADDRESS: twice.by_address,
    }
    for part in list(parts(connection)):
        for (number, time_zone), people in counted_part(connection, query, found, part):
            profile_id, code = divmod(int(number), CODES)
            yield CoveredPeople(reason_of(code), profile_id, time_zone, people)


def _people(
    rules: Rules, route: RouteList, unacceptable: Unacceptable, twice: KnownTwice
) -> Select[Any]:
    excluded = is_excluded(rules)
    mark = mark_by(rules, twice.marked)
    topic = _other_topics(membership, rules)
    forbidden = no_edition(supporter, route, unacceptable)
    last = case(
        (topic, code_of(SkipReason.TOPIC_NOT_CHOSEN)),
        (forbidden, code_of(SkipReason.NO_ACCEPTABLE_EDITION)),
        else_=code_of(None),
    )
    reason = case(
        (among(BARRED), code_of(SkipReason.SUPPRESSED)),
        (membership.c.consent_basis == "", code_of(SkipReason.NO_CONSENT)),
        (excluded, code_of(SkipReason.EXCLUDED)),
        else_=mark_code(mark, last),
    )
    others = [not_(among(BY_ADDRESS))] if twice.by_address else []
    # What stands against a person anywhere, and what only against this list.
    anywhere = or_(among(BARRED), excluded, mark.is_not(None))
    here = or_(membership.c.consent_basis == "", topic, forbidden)
    elsewhere = _counts_elsewhere(rules, route, unacceptable, anywhere, here)
    query = select(supporter.c.profile_id * CODES + reason, supporter.c.time_zone)
    return members(query, route).where(not_(elsewhere), *others)


def _counts_elsewhere(
    rules: Rules, route: RouteList, unacceptable: Unacceptable, anywhere: Clause, here: Clause
) -> ColumnElement[bool]:
    """Tell whether somebody counts with another list, asking as little as will do."""
    earlier = [one for one in rules.lists if one.position < route.position]
    later = [one for one in rules.lists if one.position > route.position]
    if not (earlier or later):
        return false()
    by_later = case(
        (here, and_(not_(anywhere), _has_route(later, rules, unacceptable))), else_=false()
    )
    if not earlier:
        return by_later
    # On an earlier list: with that, unless only this one takes them.
    by_earlier = case((or_(here, anywhere), true()), else_=_has_route(earlier, rules, unacceptable))
    on_earlier = or_(*(_on(one) for one in earlier))
    return case((on_earlier, by_earlier), else_=by_later)


def _on(route: RouteList, *clauses: Clause, member: Any = None) -> Clause:  # noqa: ANN401  (An alias.)
    """Tell whether the row is on another list, and all of this is true of it."""
    other = membership.alias() if member is None else member
    query = select(literal(1)).where(
        other.c.list_id == route.list_id,
        other.c.supporter_id == membership.c.supporter_id,
        is_live(other),
        *clauses,
    )
    return exists(query.select_from(other).correlate(membership, supporter))


def _has_route(routes: Sequence[RouteList], rules: Rules, unacceptable: Unacceptable) -> Clause:
    """Tell whether nothing stands against one of the lists by itself."""
    clauses: list[Clause] = [false()]
    for route in routes:
        member = membership.alias()
        clauses.append(
            _on(
                route,
                member.c.consent_basis != "",
                not_(_other_topics(member, rules)),
                not_(no_edition(supporter, route, unacceptable)),
                member=member,
            )
        )
    return or_(*clauses)


def _other_topics(member: Any, rules: Rules) -> Clause:  # noqa: ANN401  (A table or its alias.)
    return chose_others(member, rules.concern.topics) if rules.concern.topics else false()
