"""Fix the audience of a mailing, one range of members a transaction.

In: a mailing's rules, and the edition each language profile gets on each list. Out: deliveries, due
or skipped with a reason, the lists each came through, and the progress, moved by the transaction
that wrote the range. Every statement can be run again and changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    delete,
    exists,
    false,
    func,
    literal,
    not_,
    null,
    select,
    update,
)

from mailer.model.audience import LanguageChoice, LanguageProfile, LanguageStep
from mailer.model.states import DeliveryState, MailingState, SkipReason
from mailer.model.timing import ShareState
from mailer.store.audience import insert_or_ignore, is_live, profile_from_text
from mailer.store.routes import RouteList, Rules, reason_not_mailed
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


@dataclass(frozen=True)
class Progress:
    """How far the freezing of a mailing is."""

    state: MailingState
    #: 1 finds who is mailed, 2 says why the others are not; 0 before the first range.
    freeze_pass: int
    #: Which of the lists, in the order given.
    position: int
    #: The next range begins at this supporter id.
    next_id: int
    #: How many members it takes.
    members: int
    frozen: bool


@dataclass(frozen=True)
class Range:
    """Some members of one list, by their supporter ids."""

    first_id: int
    last_id: int
    members: int


def lock_progress(connection: Connection, mailing_id: int) -> Progress:
    """Return the progress and keep other processes from moving it until the transaction ends."""
    row = connection.execute(
        select(
            mailing.c.state,
            mailing.c.freeze_pass,
            mailing.c.freeze_position,
            mailing.c.freeze_next_id,
            mailing.c.freeze_members,
            mailing.c.frozen_at,
        )
        .where(mailing.c.id == mailing_id)
        .with_for_update()
    ).one()
    return Progress(
        row.state,
        row.freeze_pass,
        row.freeze_position,
        row.freeze_next_id,
        row.freeze_members,
        row.frozen_at is not None,
    )


def move_progress(
    connection: Connection,
    mailing_id: int,
    freeze_pass: int,
    position: int,
    next_id: int,
    members: int,
) -> None:
    """Write where the next range begins and how large it is."""
    connection.execute(
        update(mailing)
        .where(mailing.c.id == mailing_id)
        .values(
            freeze_pass=freeze_pass,
            freeze_position=position,
            freeze_next_id=next_id,
            freeze_members=members,
        )
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


def unresolved_profiles(
    connection: Connection, mailing_id: int, list_ids: Sequence[int], limit: int
) -> list[Unresolved]:
    """Return up to `limit` pairs of profile and list that the mailing has no choice for."""
    found: list[Unresolved] = []
    for list_id in list_ids:
        rows = connection.execute(
            select(language_profile)
            .where(
                not_(
                    exists().where(
                        mailing_language.c.mailing_id == mailing_id,
                        mailing_language.c.list_id == list_id,
                        mailing_language.c.profile_id == language_profile.c.id,
                    )
                )
            )
            .order_by(language_profile.c.id)
            .limit(limit - len(found))
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


def next_range(connection: Connection, list_id: int, first_id: int, members: int) -> Range | None:
    """Return the next so many members of a list from `first_id` on; None after the last."""
    ids = (
        select(membership.c.supporter_id)
        .where(membership.c.list_id == list_id, membership.c.supporter_id >= first_id)
        .order_by(membership.c.supporter_id)
        .limit(members)
        .subquery()
    )
    last, count = connection.execute(select(func.max(ids.c.supporter_id), func.count())).one()
    return None if last is None else Range(first_id, int(last), int(count))


@dataclass(frozen=True)
class Sharing:
    """To which share the deliveries of a mailing belong."""

    #: The one share of the mailing; `NO_SHARE` where it has none or several.
    share_id: int = NO_SHARE
    #: Each person's by their zone, see `mailing_zone`.
    by_zone: bool = False


_COLUMNS = (
    delivery.c.mailing_id,
    delivery.c.address_digest,
    delivery.c.supporter_id,
    delivery.c.list_id,
    delivery.c.language,
    delivery.c.step,
    delivery.c.wanted,
    delivery.c.state,
    delivery.c.skip_reason,
    delivery.c.next_attempt_at,
    delivery.c.finished_at,
    delivery.c.share_id,
    delivery.c.domain_class,
)


def insert_mailed(
    connection: Connection,
    mailing_id: int,
    route: RouteList,
    rules: Rules,
    span: Range,
    now: datetime,
    sharing: Sharing,
) -> None:
    """Write a delivery for each member of the range who may be mailed through this list.

    An address that an earlier list is a route to has its delivery already and keeps it. It is due
    with its share, and skipped where that was given up.
    """
    edition = _editions(rules)
    reason = reason_not_mailed(supporter, membership, route, rules, _no_edition(rules))
    given_up = mailing_share.c.state == ShareState.SKIPPED
    query = _members(mailing_id, route, rules, span, sharing).add_columns(
        case((given_up, null()), else_=edition.c.language),
        case((given_up, null()), else_=edition.c.step),
        case((given_up, null()), else_=edition.c.wanted),
        case(
            (given_up, literal(DeliveryState.SKIPPED, delivery.c.state.type)),
            else_=literal(DeliveryState.DUE, delivery.c.state.type),
        ),
        case((given_up, literal(SkipReason.EXPIRED, delivery.c.skip_reason.type)), else_=null()),
        case((given_up, null()), else_=_due_at()),
        case((given_up, literal(now, delivery.c.finished_at.type)), else_=null()),
        _share_id(sharing),
        supporter.c.domain_class,
    )
    connection.execute(
        insert_or_ignore(connection, delivery).from_select(_COLUMNS, query.where(reason.is_(None)))
    )


def insert_rest(
    connection: Connection,
    mailing_id: int,
    route: RouteList,
    rules: Rules,
    span: Range,
    now: datetime,
    sharing: Sharing,
) -> None:
    """Write a delivery for each member of the range who has none: skipped, and why.

    Who came between the passes, or lost what stood in their way, is due like the others.
    """
    edition = _editions(rules)
    reason = func.coalesce(
        reason_not_mailed(supporter, membership, route, rules, _no_edition(rules)),
        case(
            (
                mailing_share.c.state == ShareState.SKIPPED,
                literal(SkipReason.EXPIRED, delivery.c.skip_reason.type),
            ),
            else_=null(),
        ),
    )
    known = delivery.alias()
    found = (
        _members(mailing_id, route, rules, span, sharing)
        .add_columns(
            edition.c.language.label("language"),
            edition.c.step.label("step"),
            edition.c.wanted.label("wanted"),
            _due_at().label("due_at"),
            reason.label("reason"),
            _share_id(sharing).label("share_id"),
            supporter.c.domain_class.label("domain_class"),
        )
        .where(
            not_(
                exists(
                    select(literal(1))
                    .select_from(known)
                    .where(
                        known.c.mailing_id == mailing_id,
                        known.c.address_digest == supporter.c.address_digest,
                    )
                    .correlate(supporter)
                )
            )
        )
        .subquery()
    )
    mailed = found.c.reason.is_(None)
    query = select(
        found.c.mailing_id,
        found.c.address_digest,
        found.c.supporter_id,
        found.c.list_id,
        case((mailed, found.c.language), else_=null()),
        case((mailed, found.c.step), else_=null()),
        case((mailed, found.c.wanted), else_=null()),
        case(
            (mailed, literal(DeliveryState.DUE, delivery.c.state.type)),
            else_=literal(DeliveryState.SKIPPED, delivery.c.state.type),
        ),
        found.c.reason,
        case((mailed, found.c.due_at), else_=null()),
        case((mailed, null()), else_=literal(now, delivery.c.finished_at.type)),
        found.c.share_id,
        found.c.domain_class,
    ).where(found.c.mailing_id == mailing_id)
    connection.execute(insert_or_ignore(connection, delivery).from_select(_COLUMNS, query))


def _share_id(sharing: Sharing) -> ColumnElement[int]:
    if not sharing.by_zone:
        return literal(sharing.share_id, delivery.c.share_id.type)
    return func.coalesce(mailing_zone.c.share_id, literal(NO_SHARE, delivery.c.share_id.type))


def _due_at() -> ColumnElement[datetime]:
    return func.coalesce(mailing_share.c.due_at, mailing.c.due_at)


#: The deliveries of the mailing that is corrected.
_CORRECTED = delivery.alias("corrected")


def _editions(rules: Rules) -> FromClause:
    """Return what has the edition of each member: of a correction, what they got then."""
    return mailing_language if rules.correction is None else _CORRECTED


def _no_edition(rules: Rules) -> Clause:
    return mailing_language.c.language.is_(None) if rules.correction is None else false()


def _members(
    mailing_id: int, route: RouteList, rules: Rules, span: Range, sharing: Sharing
) -> Select[tuple[object, ...]]:
    """Select the members of a range, with the edition of each, their share and the mailing."""
    people = (
        select(
            mailing.c.id.label("mailing_id"),
            supporter.c.address_digest.label("address_digest"),
            supporter.c.id.label("supporter_id"),
            membership.c.list_id.label("list_id"),
        )
        .select_from(membership)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .join(mailing, mailing.c.id == mailing_id)
        .where(_in_range(route, span))
    )
    if rules.correction is None:
        query = people.join(
            mailing_language,
            and_(
                mailing_language.c.mailing_id == mailing_id,
                mailing_language.c.list_id == membership.c.list_id,
                mailing_language.c.profile_id == supporter.c.profile_id,
            ),
        )
    else:
        query = people.outerjoin(
            _CORRECTED,
            and_(
                _CORRECTED.c.mailing_id == rules.correction.mailing_id,
                _CORRECTED.c.address_digest == supporter.c.address_digest,
            ),
        )
    if sharing.by_zone:
        query = query.join(
            mailing_zone,
            and_(
                mailing_zone.c.mailing_id == mailing_id,
                mailing_zone.c.list_id == membership.c.list_id,
                mailing_zone.c.time_zone == supporter.c.time_zone,
            ),
            isouter=True,
        )
    return query.join(mailing_share, mailing_share.c.id == _share_id(sharing), isouter=True)


def _in_range(route: RouteList, span: Range) -> Clause:
    return and_(
        membership.c.list_id == route.list_id,
        membership.c.supporter_id.between(span.first_id, span.last_id),
        is_live(membership),
    )


@dataclass(frozen=True)
class ForbiddenElsewhere:
    """A due delivery whose address has languages never to be used on another of its rows."""

    delivery_id: int
    #: The languages of the row that is merged, and what is never wanted on any row.
    profile: LanguageProfile
    language: str | None
    step: LanguageStep | None
    wanted: str | None


def forbidden_elsewhere(
    connection: Connection, mailing_id: int, route: RouteList, span: Range
) -> list[ForbiddenElsewhere]:
    """Return the due deliveries of a range whose address has never-languages on other rows."""
    other, own, others = supporter.alias(), language_profile.alias(), language_profile.alias()
    rows = connection.execute(
        select(
            delivery.c.id,
            delivery.c.language,
            delivery.c.step,
            delivery.c.wanted,
            own.c.languages,
            own.c.never,
            others.c.never.label("never_elsewhere"),
        )
        .select_from(membership)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .join(
            other,
            and_(
                other.c.address_digest == supporter.c.address_digest, other.c.id != supporter.c.id
            ),
        )
        .join(others, and_(others.c.id == other.c.profile_id, others.c.never != ""))
        .join(
            delivery,
            and_(
                delivery.c.mailing_id == mailing_id,
                delivery.c.address_digest == supporter.c.address_digest,
                delivery.c.supporter_id == supporter.c.id,
                delivery.c.list_id == membership.c.list_id,
                delivery.c.state == DeliveryState.DUE,
            ),
        )
        .join(own, own.c.id == supporter.c.profile_id)
        .where(_in_range(route, span))
        .order_by(delivery.c.id)
    )
    found: dict[int, ForbiddenElsewhere] = {}
    for row in rows:
        earlier = found.get(row.id)
        profile = (
            earlier.profile if earlier is not None else profile_from_text(row.languages, row.never)
        )
        never = set(profile.never) | set(row.never_elsewhere.split(","))
        united = LanguageProfile(profile.languages, tuple(sorted(never)))
        found[row.id] = ForbiddenElsewhere(row.id, united, row.language, row.step, row.wanted)
    return list(found.values())


def change_edition(connection: Connection, delivery_id: int, choice: LanguageChoice) -> None:
    """Give a due delivery another edition."""
    connection.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id, delivery.c.state == DeliveryState.DUE)
        .values(
            language=choice.language,
            step=choice.step,
            wanted=choice.wanted if choice.notice else None,
        )
    )


def withdraw(connection: Connection, delivery_id: int) -> None:
    """Take a due delivery back, so that a later list may be the route."""
    connection.execute(
        delete(delivery).where(delivery.c.id == delivery_id, delivery.c.state == DeliveryState.DUE)
    )


def skip(connection: Connection, delivery_id: int, reason: SkipReason, now: datetime) -> None:
    """Give a due delivery its reason not to be mailed."""
    connection.execute(
        update(delivery)
        .where(delivery.c.id == delivery_id, delivery.c.state == DeliveryState.DUE)
        .values(
            state=DeliveryState.SKIPPED,
            skip_reason=reason,
            language=None,
            step=None,
            wanted=None,
            next_attempt_at=None,
            finished_at=now,
        )
    )


def insert_lists(connection: Connection, mailing_id: int, route: RouteList, span: Range) -> None:
    """Write for each member of the range that their delivery also came through this list."""
    query = (
        select(delivery.c.id, membership.c.list_id, supporter.c.id)
        .select_from(membership)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .join(
            delivery,
            and_(
                delivery.c.mailing_id == mailing_id,
                delivery.c.address_digest == supporter.c.address_digest,
            ),
        )
        .where(_in_range(route, span))
    )
    columns = (delivery_list.c.delivery_id, delivery_list.c.list_id, delivery_list.c.supporter_id)
    connection.execute(insert_or_ignore(connection, delivery_list).from_select(columns, query))
