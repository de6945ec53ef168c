"""Count, before anything is scheduled, who would be mailed through which list and who would not.

In: the rules of a mailing to be, and per list the profiles no edition is acceptable for. Out: people
by list and language profile, people by reason, and, apart, the few whose rows in several
organisations have to be looked at together. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BindParameter,
    Connection,
    FromClause,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from mailer.model.audience import LanguageProfile, LanguageStep
from mailer.model.states import SkipReason
from mailer.store.audience import is_live, profile_from_text
from mailer.store.routes import Correction, RouteList, Rules, reason_not_mailed
from mailer.store.segments import Clause
from mailer.store.tables import delivery, language_profile, membership, supporter

#: List id → ids of the profiles no edition is acceptable for.
Unacceptable = Mapping[int, Collection[int]]


def count_memberships(connection: Connection, rules: Rules) -> int:
    """Count supporter × list over the lists of a mailing."""
    return int(
        connection.execute(
            select(func.count())
            .select_from(membership)
            .where(
                membership.c.list_id.in_([route.list_id for route in rules.lists]),
                is_live(membership),
            )
        ).scalar_one()
    )


def count_mailed(
    connection: Connection,
    rules: Rules,
    route: RouteList,
    unacceptable: Unacceptable,
    among: Sequence[int],
) -> dict[tuple[int, str], int]:
    """Count by profile and time zone the people among these whose first route is this list.

    Those whose rows have to be looked at together are left out, see `joint_routes`.
    """
    reason = reason_not_mailed(
        supporter, membership, rules, no_edition(supporter, route, unacceptable)
    )
    earlier = [one for one in rules.lists if one.position < route.position]
    rows = connection.execute(
        select(supporter.c.profile_id, supporter.c.time_zone, func.count().label("people"))
        .select_from(membership)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .where(
            membership.c.list_id == route.list_id,
            is_live(membership),
            supporter.c.id.in_(_written(among)),
            reason.is_(None),
            not_(is_joint(supporter, rules)),
            *(not_(routed(supporter, one, rules, unacceptable)) for one in earlier),
        )
        .group_by(supporter.c.profile_id, supporter.c.time_zone)
    )
    return {(row.profile_id, row.time_zone): row.people for row in rows}


def count_corrected(
    connection: Connection, rules: Rules, route: RouteList, correction: Correction
) -> dict[tuple[str, LanguageStep, str], int]:
    """Count the people of a correction whose first route is this list.

    Returns:
        How many there are by the edition they got, how it was found for them, and time zone.
    """
    reason = reason_not_mailed(supporter, membership, rules, false())
    earlier = [one for one in rules.lists if one.position < route.position]
    rows = connection.execute(
        select(
            delivery.c.language,
            delivery.c.step,
            supporter.c.time_zone,
            func.count().label("people"),
        )
        .select_from(membership)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .join(
            delivery,
            and_(
                delivery.c.mailing_id == correction.mailing_id,
                delivery.c.address_digest == supporter.c.address_digest,
            ),
        )
        .where(
            membership.c.list_id == route.list_id,
            is_live(membership),
            reason.is_(None),
            *(not_(routed(supporter, one, rules, {})) for one in earlier),
        )
        .group_by(delivery.c.language, delivery.c.step, supporter.c.time_zone)
    )
    return {(row.language, row.step, row.time_zone): row.people for row in rows}


def count_not_mailed(
    connection: Connection,
    rules: Rules,
    route: RouteList,
    unacceptable: Unacceptable,
    among: Sequence[int] | None = None,
) -> dict[tuple[SkipReason, int], int]:
    """Count by reason and profile the people without any route whose first list is this one.

    Only those of these ids are counted, or all where none are given.
    """
    reason = reason_not_mailed(
        supporter, membership, rules, no_edition(supporter, route, unacceptable)
    )
    earlier = [one for one in rules.lists if one.position < route.position]
    later = [one for one in rules.lists if one.position > route.position]
    found = (
        select(reason.label("reason"), supporter.c.profile_id)
        .select_from(membership)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .where(
            membership.c.list_id == route.list_id,
            is_live(membership),
            true() if among is None else supporter.c.id.in_(_written(among)),
            not_(is_joint(supporter, rules)),
            *(not_(on_list(supporter, one)) for one in earlier),
            *(not_(routed(supporter, one, rules, unacceptable)) for one in later),
        )
        .subquery()
    )
    rows = connection.execute(
        select(found.c.reason, found.c.profile_id, func.count().label("people"))
        .where(found.c.reason.is_not(None))
        .group_by(found.c.reason, found.c.profile_id)
    )
    return {(row.reason, row.profile_id): row.people for row in rows}


@dataclass(frozen=True)
class JointRoute:
    """One membership of a person whose rows in several organisations forbid languages together."""

    address_digest: bytes
    #: Languages of this row; what is never wanted on any row of the address.
    profile: LanguageProfile
    #: Why this route is none, languages apart; None when it may be one.
    reason: SkipReason | None
    #: As it stands on the row; "" when unknown.
    time_zone: str


def joint_routes(
    connection: Connection, rules: Rules, route: RouteList, joint: Sequence[int]
) -> Iterator[JointRoute]:
    """Yield the members of a list whose address has never-languages and more than one row.

    Args:
        connection: a connection in a transaction.
        rules: of the mailing.
        route: the list.
        joint: the ids of all such people.
    """
    reason = reason_not_mailed(supporter, membership, rules, false())
    rows = connection.execute(
        select(
            supporter.c.address_digest,
            language_profile.c.languages,
            language_profile.c.never,
            reason.label("reason"),
            supporter.c.time_zone,
        )
        .select_from(membership)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .join(language_profile, language_profile.c.id == supporter.c.profile_id)
        .where(
            membership.c.list_id == route.list_id,
            is_live(membership),
            supporter.c.id.in_(_written(joint)),
        )
    ).all()
    never: dict[bytes, set[str]] = {row.address_digest: set() for row in rows}
    for digest, text in _never_lists(connection, route, joint):
        if digest in never:
            never[digest].update(text.split(","))
    for row in rows:
        own = profile_from_text(row.languages, row.never)
        united = tuple(sorted(set(own.never) | never[row.address_digest]))
        profile = LanguageProfile(own.languages, united)
        yield JointRoute(row.address_digest, profile, row.reason, row.time_zone)


def _never_lists(
    connection: Connection, route: RouteList, joint: Sequence[int]
) -> Iterator[tuple[bytes, str]]:
    """Yield the never-list of every other row of the addresses that `joint_routes` is about."""
    other, profile = supporter.alias(), language_profile.alias()
    rows = connection.execute(
        select(other.c.address_digest, profile.c.never)
        .select_from(membership)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .join(
            other,
            and_(
                other.c.address_digest == supporter.c.address_digest, other.c.id != supporter.c.id
            ),
        )
        .join(profile, and_(profile.c.id == other.c.profile_id, profile.c.never != ""))
        .where(
            membership.c.list_id == route.list_id,
            is_live(membership),
            supporter.c.id.in_(_written(joint)),
        )
    )
    for row in rows:
        yield row.address_digest, row.never


def no_edition(row: FromClause, route: RouteList, unacceptable: Unacceptable) -> Clause:
    """Tell whether a list has no edition for somebody."""
    profiles = sorted(unacceptable.get(route.list_id, ()))
    if not profiles:
        return false()
    found: Clause = row.c.profile_id.in_(_written(profiles))
    return found


def _written(ids: Sequence[int]) -> BindParameter[int]:
    """Return ids written into the statement: there may be more than it takes parameters."""
    return bindparam(None, ids, expanding=True, literal_execute=True)


def is_joint(row: FromClause, rules: Rules) -> Clause:
    """Tell whether an address has more than one row, and a never-list on any of them."""
    # The language of a correction is what it was, and any row that forbids it is a reason by itself.
    if not rules.shared or rules.correction is not None:
        return false()
    other = supporter.alias()
    with_never = select(language_profile.c.id).where(language_profile.c.never != "")
    return exists(
        select(literal(1))
        .select_from(other)
        .where(
            other.c.address_digest == row.c.address_digest,
            other.c.id != row.c.id,
            or_(other.c.profile_id.in_(with_never), row.c.profile_id.in_(with_never)),
        )
        .correlate(row)
    )


def on_list(row: FromClause, route: RouteList) -> Clause:
    """Tell whether any row of an address is on a list."""
    return _has_member(row, route, lambda _other, _member: true())


def routed(row: FromClause, route: RouteList, rules: Rules, unacceptable: Unacceptable) -> Clause:
    """Tell whether an address may be mailed through another list."""

    def is_route(other: FromClause, member: FromClause) -> Clause:
        none = no_edition(other, route, unacceptable)
        return reason_not_mailed(other, member, rules, none).is_(None)

    return _has_member(row, route, is_route)


def _has_member(
    row: FromClause, route: RouteList, clause: Callable[[FromClause, FromClause], Clause]
) -> Clause:
    """Tell whether any row of the address is on a list, and the clause true of both."""
    other, member = supporter.alias(), membership.alias()
    # One inside the other: joined, SQLite would go through the whole list for each address.
    on_list = exists(
        select(literal(1))
        .select_from(member)
        .where(
            member.c.list_id == route.list_id,
            member.c.supporter_id == other.c.id,
            is_live(member),
            clause(other, member),
        )
        .correlate(row, other)
    )
    return exists(
        select(literal(1))
        .select_from(other)
        .where(other.c.address_digest == row.c.address_digest, on_list)
        .correlate(row)
    )
