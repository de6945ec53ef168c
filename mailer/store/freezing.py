"""Fix the audience of a mailing, range by range, and count it beforehand by the same rules.

In: a mailing's targets, its compiled segment and exclusion, and the edition each language profile
gets on each list. Out: deliveries, due or skipped with a reason, and the lists each came through.
Every statement here is one INSERT…SELECT or count; a range done twice is done once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    FromClause,
    case,
    exists,
    false,
    literal,
    not_,
    null,
    or_,
    select,
)

from mailer.model.audience import MembershipState
from mailer.model.segments import Segment
from mailer.model.states import SkipReason
from mailer.store.audience import (
    SCOPE_ALL,
    organisation_scope,
)
from mailer.store.segments import Clause, compile_segment
from mailer.store.tables import (
    mailing_list,
    membership,
    supporter,
    suppression,
)


@dataclass(frozen=True)
class RouteList:
    """One list of a mailing, as the rules need it."""

    position: int
    list_id: int
    organisation_id: int


@dataclass(frozen=True)
class Rules:
    """Who may be mailed: the same for counting and for freezing."""

    lists: tuple[RouteList, ...]
    segment: Segment | None
    exclude: Segment | None
    #: Lists whose members are all discreet.
    discreet_lists: tuple[int, ...]
    now: datetime


def route_lists(connection: Connection, list_ids: Sequence[int]) -> tuple[RouteList, ...]:
    """Return the lists in the order given, with their owners."""
    owners = {
        row.id: row.organisation_id
        for row in connection.execute(
            select(mailing_list.c.id, mailing_list.c.organisation_id).where(
                mailing_list.c.id.in_(list_ids)
            )
        )
    }
    return tuple(
        RouteList(position, list_id, owners[list_id]) for position, list_id in enumerate(list_ids)
    )


def discreet_lists(connection: Connection) -> tuple[int, ...]:
    """Return the lists whose members are all marked discreet."""
    rows = connection.execute(select(mailing_list.c.id, mailing_list.c.definition))
    return tuple(row.id for row in rows if row.definition.get("discreet"))


def _any_row(row: FromClause, rules: Rules, kind: SkipReason) -> Clause:
    other = supporter.alias()
    clause: Clause
    if kind is SkipReason.SUPPORTER_PAUSED:
        clause = other.c.paused_until > rules.now
    elif kind is SkipReason.ONLY_URGENT:
        clause = other.c.only_urgent
    else:
        clause = other.c.discreet
        if rules.discreet_lists:
            clause = or_(clause, _member(other, rules.discreet_lists))
    return exists(
        select(literal(1))
        .select_from(other)
        .where(other.c.address_digest == row.c.address_digest, clause)
        .correlate(row)
    )


def _member(row: FromClause, list_ids: Collection[int]) -> Clause:
    member = membership.alias()
    return exists(
        select(literal(1))
        .select_from(member)
        .where(
            member.c.supporter_id == row.c.id,
            member.c.list_id.in_(list_ids),
            member.c.state == MembershipState.SUBSCRIBED,
        )
        .correlate(row)
    )


def _excluded(row: FromClause, rules: Rules) -> Clause:
    outside: Clause = false()
    if rules.segment is not None:
        outside = not_(compile_segment(rules.segment, row))
    if rules.exclude is None:
        return outside
    other = supporter.alias()
    # Whoever is excluded as one organisation knows them is excluded as the others do.
    return or_(
        outside,
        exists(
            select(literal(1))
            .select_from(other)
            .where(
                other.c.address_digest == row.c.address_digest,
                _member(other, [one.list_id for one in rules.lists]),
                compile_segment(rules.exclude, other),
            )
            .correlate(row)
        ),
    )


def _suppressed(row: FromClause, organisation_id: int) -> Clause:
    return exists(
        select(literal(1))
        .select_from(suppression)
        .where(
            suppression.c.address_digest == row.c.address_digest,
            suppression.c.scope.in_([SCOPE_ALL, organisation_scope(organisation_id)]),
        )
        .correlate(row)
    )


def reason_not_mailed(
    row: FromClause, member: FromClause, route: RouteList, rules: Rules, no_edition: Clause
) -> Any:  # noqa: ANN401  (A CASE has no narrower type.)
    """Return the SQL of why a member is not mailed through a list: NULL when they are.

    The first reason that holds is given; what protects a person stands before what staff chose.
    """
    return case(
        (_suppressed(row, route.organisation_id), SkipReason.SUPPRESSED.value),
        (member.c.consent_basis == "", SkipReason.NO_CONSENT.value),
        (_excluded(row, rules), SkipReason.EXCLUDED.value),
        (
            _any_row(row, rules, SkipReason.SUPPORTER_PAUSED),
            SkipReason.SUPPORTER_PAUSED.value,
        ),
        (_any_row(row, rules, SkipReason.ONLY_URGENT), SkipReason.ONLY_URGENT.value),
        (
            _any_row(row, rules, SkipReason.DISCREET_NOT_READY),
            SkipReason.DISCREET_NOT_READY.value,
        ),
        (no_edition, SkipReason.NO_ACCEPTABLE_EDITION.value),
        else_=null(),
    )
