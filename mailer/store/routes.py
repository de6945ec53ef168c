"""Who may be mailed through which list: the rules, once, for freezing and for counting.

In: a mailing's lists in the order given, its segment and exclusion. Out: SQL clauses over a
supporter and a membership. A route is a membership by which an address could be mailed; the first
route, in the order given, is the one that is used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from mailer.model.mailing import NO_CONCERN, Concern
from mailer.model.segments import Segment
from mailer.model.states import SkipReason
from mailer.store.audience import SCOPE_ALL, is_live, organisation_scope
from mailer.store.history import REACHED, SERVED
from mailer.store.segments import Clause, compile_segment
from mailer.store.tables import (
    delivery,
    delivery_list,
    mailing_list,
    membership,
    supporter,
    suppression,
)
from mailer.store.topics import chose_others

#: Makes a clause over one row of `supporter`.
_ClauseOf = Callable[[FromClause], Clause]


@dataclass(frozen=True)
class RouteList:
    """One list of a mailing, as the rules need it."""

    position: int
    list_id: int
    organisation_id: int


# One is as good a key as another: a statement is kept by its rules, see `store.freezing`.
@dataclass(frozen=True, eq=False)
class Correction:
    """That a mailing goes to those whom another one reached, in the language they got it in."""

    #: Row id of the mailing that is corrected.
    mailing_id: int
    #: Language → ids of the profiles that forbid it now.
    forbidden: Mapping[str, Collection[int]]
    #: Row ids of the mailings that send the same correction; whom they serve is left out.
    alike: Collection[int] = ()


@dataclass(frozen=True)
class Rules:
    """Who may be mailed: the same for counting and for freezing."""

    #: In the order given.
    lists: tuple[RouteList, ...]
    #: None for everyone.
    segment: Segment | None
    #: None for nobody.
    exclude: Segment | None
    #: Lists whose members are all discreet.
    discreet_lists: tuple[int, ...]
    #: Whether an address can have more than one row of `supporter`.
    shared: bool
    now: datetime
    #: None for most mailings.
    correction: Correction | None = None
    concern: Concern = NO_CONCERN


def make_rules(
    connection: Connection,
    list_ids: Sequence[int],
    segment: Segment | None,
    exclude: Segment | None,
    discreet: Collection[int],
    now: datetime,
    correction: Correction | None = None,
    concern: Concern = NO_CONCERN,
) -> Rules:
    """Return the rules for a mailing to these lists.

    Args:
        connection: a connection in a transaction.
        list_ids: row ids of the lists, in the order given.
        segment: who is meant; None for everyone.
        exclude: who is left out; None for nobody.
        discreet: lists that the mailing's own pinned definitions call discreet.
        now: the instant until which a pause must have ended.
        correction: whom another mailing reached, where this one corrects it.
        concern: what it is about, and whether it is urgent.
    """
    rows = connection.execute(
        select(mailing_list.c.id, mailing_list.c.organisation_id, mailing_list.c.definition)
    ).all()
    owners = {row.id: row.organisation_id for row in rows}
    marked = {row.id for row in rows if row.definition.get("discreet")}
    lists = tuple(
        RouteList(position, list_id, owners[list_id]) for position, list_id in enumerate(list_ids)
    )
    organisations = connection.execute(
        select(func.count(func.distinct(mailing_list.c.organisation_id)))
    ).scalar_one()
    return Rules(
        lists,
        segment,
        exclude,
        tuple(sorted(marked | set(discreet))),
        organisations > 1,
        now,
        correction,
        concern,
    )


def reason_not_mailed(
    row: FromClause, member: FromClause, rules: Rules, no_edition: Clause
) -> ColumnElement[str | None]:
    """Return the SQL of why a member is not mailed through a list: NULL when they may be.

    The first reason that holds is given; what protects a person stands before what staff chose.

    Args:
        row: the member's row of `supporter`.
        member: their row of `membership`, on one of the mailing's lists.
        rules: of the mailing.
        no_edition: true where the list has no edition for them.
    """
    reasons: list[tuple[Clause, SkipReason]] = []
    if rules.correction is not None:
        # First of all: what is said of the others is then about those whom it was meant for.
        reasons.append((not_(_reached(row, member, rules.correction)), SkipReason.EXCLUDED))
        no_edition = or_(no_edition, _forbidden(row, rules, rules.correction))
    reasons += [
        (_suppressed(row, member, rules), SkipReason.SUPPRESSED),
        (member.c.consent_basis == "", SkipReason.NO_CONSENT),
    ]
    if rules.segment is not None or rules.exclude is not None:
        reasons.append((_excluded(row, rules), SkipReason.EXCLUDED))
    last = case((no_edition, literal_of(SkipReason.NO_ACCEPTABLE_EDITION)))
    if rules.concern.topics:
        others = chose_others(member, rules.concern.topics)
        last = case((others, literal_of(SkipReason.TOPIC_NOT_CHOSEN)), else_=last)
    return case(
        *((clause, literal_of(reason)) for clause, reason in reasons),
        else_=func.coalesce(mark_of(row, rules), last),
    )


def literal_of(reason: SkipReason) -> ColumnElement[str]:
    """Return a reason as SQL."""
    return literal(reason, delivery.c.skip_reason.type)


def _suppressed(row: FromClause, member: FromClause, rules: Rules) -> Clause:
    scopes = {one.list_id: organisation_scope(one.organisation_id) for one in rules.lists}
    return exists(
        select(literal(1))
        .select_from(suppression)
        .where(
            suppression.c.address_digest == row.c.address_digest,
            # No OR: SQLite would look twice, and most addresses have no row at all.
            case(
                (suppression.c.scope == SCOPE_ALL, true()),
                else_=suppression.c.scope == case(scopes, value=member.c.list_id),
            ),
        )
        .correlate(row, member)
    )


def _excluded(row: FromClause, rules: Rules) -> Clause:
    outside: Clause = false()
    if rules.segment is not None:
        outside = not_(compile_segment(rules.segment, row))
    if rules.exclude is None:
        return outside
    # Whoever is excluded as one organisation knows them is excluded as the others do.
    other = supporter.alias()
    inside = exists(
        select(literal(1))
        .select_from(other)
        .where(
            other.c.address_digest == row.c.address_digest,
            _on_lists(other, [one.list_id for one in rules.lists], live_only=True),
            compile_segment(rules.exclude, other),
        )
        .correlate(row)
    )
    return or_(outside, inside)


def _reached(row: FromClause, member: FromClause, correction: Correction) -> Clause:
    """Tell whether the mailing that is corrected reached the address, through this list too.

    Whoever has the correction by another mailing, or is about to, is not to get it twice.
    """
    got = exists(
        select(literal(1))
        .select_from(delivery)
        .join(delivery_list, delivery_list.c.delivery_id == delivery.c.id)
        .where(
            delivery.c.mailing_id == correction.mailing_id,
            delivery.c.address_digest == row.c.address_digest,
            delivery.c.state.in_(REACHED),
            delivery_list.c.list_id == member.c.list_id,
            delivery_list.c.supporter_id == row.c.id,
        )
        .correlate(row, member)
    )
    if not correction.alike:
        return got
    served = exists(
        select(literal(1))
        .select_from(delivery)
        .where(
            delivery.c.mailing_id.in_(correction.alike),
            delivery.c.address_digest == row.c.address_digest,
            delivery.c.state.in_(SERVED),
        )
        .correlate(row)
    )
    return and_(got, not_(served))


def _forbidden(row: FromClause, rules: Rules, correction: Correction) -> Clause:
    """Tell whether any row of the address forbids the language that it was reached in, by now."""
    clauses: list[Clause] = [false()]
    for language, profiles in sorted(correction.forbidden.items()):
        if not profiles:
            continue
        # Written into the statement: there may be more of them than a statement takes parameters.
        ids: BindParameter[int] = bindparam(
            None, sorted(profiles), expanding=True, literal_execute=True
        )

        def clause(one: FromClause, ids: BindParameter[int] = ids) -> Clause:
            found: Clause = one.c.profile_id.in_(ids)
            return found

        got = exists(
            select(literal(1))
            .select_from(delivery)
            .where(
                delivery.c.mailing_id == correction.mailing_id,
                delivery.c.address_digest == row.c.address_digest,
                delivery.c.language == language,
            )
            .correlate(row)
        )
        clauses.append(and_(got, _on_any_row(row, rules, clause(row), clause)))
    return or_(*clauses)


def mark_of(row: FromClause, rules: Rules) -> ColumnElement[str | None]:
    """Return the gravest mark on any row of the address, in the whole database; NULL for none."""

    def gravity(one: FromClause) -> ColumnElement[int]:
        discreet: Clause = one.c.discreet.is_(True)
        if rules.discreet_lists:
            # Having left a discreet list does not make a person less at risk.
            discreet = or_(discreet, _on_lists(one, rules.discreet_lists, live_only=False))
        marked = [(and_(one.c.paused_until.is_not(None), one.c.paused_until > rules.now), 3)]
        if not rules.concern.urgent:
            marked.append((one.c.only_urgent.is_(True), 2))
        return case(*marked, (discreet, 1), else_=0)

    gravest = gravity(row)
    if rules.shared:
        other = supporter.alias()
        # Looked at once for all marks: of most addresses there is nothing but their one row.
        gravest = (
            select(func.max(gravity(other)))
            .where(other.c.address_digest == row.c.address_digest)
            .correlate(row)
            .scalar_subquery()
        )
    marks = (SkipReason.DISCREET_NOT_READY, SkipReason.ONLY_URGENT, SkipReason.SUPPORTER_PAUSED)
    return case({grave: literal_of(reason) for grave, reason in enumerate(marks, 1)}, value=gravest)


def _on_any_row(row: FromClause, rules: Rules, own: Clause, clause: _ClauseOf) -> Clause:
    """Tell whether a mark is on any row of the address, in the whole database."""
    if not rules.shared:
        return own
    other = supporter.alias()
    return or_(
        own,
        exists(
            select(literal(1))
            .select_from(other)
            .where(
                other.c.address_digest == row.c.address_digest,
                clause(other),
            )
            .correlate(row)
        ),
    )


def _on_lists(row: FromClause, list_ids: Collection[int], *, live_only: bool) -> Clause:
    member = membership.alias()
    query = (
        select(literal(1))
        .select_from(member)
        .where(member.c.supporter_id == row.c.id, member.c.list_id.in_(list_ids))
    )
    if live_only:
        query = query.where(is_live(member))
    return exists(query.correlate(row))
