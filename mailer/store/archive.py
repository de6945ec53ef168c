"""Which statements the public pages list, and what staff decided about that.

In: slugs and decisions of staff; the hour. Out: `ListedStatement`s. What is listed by itself was
published by staff, or mailed in earnest to a list that is not discreet; unlisted ones never are.
Nothing here knows a supporter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Text,
    and_,
    case,
    exists,
    false,
    not_,
    or_,
    select,
    type_coerce,
    update,
)

from mailer.model.breaker import Ending
from mailer.model.statement import StatementKind, Visibility
from mailer.model.states import MailingState
from mailer.store.public import fixed_revision
from mailer.store.statements import StatementNotFound
from mailer.store.tables import (
    mailing,
    mailing_list,
    mailing_target,
    newsletter_issue,
    newsletter_item,
    outcome_count,
    revision,
    statement,
)

#: Definitions are kept as canonical JSON, in which this stands for the field alone: a quotation
#: mark inside a text is escaped.
_DISCREET = '"discreet":true'
_OVER = (MailingState.CANCELLED, MailingState.FINISHED)
#: What it takes to know whether one is listed.
_STATEMENTS = select(
    statement.c.id,
    statement.c.slug,
    statement.c.kind,
    statement.c.published_revision_id,
    statement.c.published_at,
    statement.c.visibility,
    statement.c.visibility_at,
)


@dataclass(frozen=True)
class ListedStatement:
    """A statement that the archive lists, or that feeds say was withdrawn."""

    statement_id: int
    slug: str
    #: The one its page shows.
    revision_id: int
    #: When it came to be public; of a newsletter, its last issue. Whole seconds.
    since: datetime
    #: When what is public of it last changed. Whole seconds.
    changed_at: datetime
    #: Listed or withdrawn.
    visibility: Visibility
    #: When staff decided that; None where they never did.
    decided_at: datetime | None


@dataclass
class _Mailed:
    """What a statement's mailings made of it."""

    #: Of the mailing that started last.
    revision_id: int = 0
    #: Revision → when a mailing of it first started.
    first_started: dict[int, datetime] = field(default_factory=dict)
    #: When those started that reached somebody, in earnest and not discreetly.
    counted: list[datetime] = field(default_factory=list)


def listed_statements(connection: Connection, now: datetime) -> tuple[ListedStatement, ...]:
    """Return what the public may find without knowing its address, the newest first.

    Those that were withdrawn are among them where they had been listed until then.
    """
    mailed = _mailed(connection, now)
    rows = connection.execute(
        _STATEMENTS.where(
            or_(statement.c.visibility == Visibility.LISTED, statement.c.withdrawal_told)
        )
    )
    found = [
        one for row in rows if (one := _listed(row, mailed.get(row.id, _Mailed()), now)) is not None
    ]
    found.sort(key=lambda one: (one.since, one.statement_id), reverse=True)
    return tuple(found)


def is_listed(connection: Connection, slug: str, now: datetime) -> bool:
    """Tell whether the public may find a statement without knowing its address."""
    row = connection.execute(_STATEMENTS.where(statement.c.slug == slug)).one_or_none()
    if row is None or row.visibility is not Visibility.LISTED:
        return False
    mailed = _mailed(connection, now, mailing.c.statement_id == row.id)
    return _listed(row, mailed.get(row.id, _Mailed()), now) is not None


def _mailed(
    connection: Connection, now: datetime, *which: ColumnElement[bool]
) -> dict[int, _Mailed]:
    # Nothing has gone of a mailing of which no relay took a mail, or may have.
    went = exists().where(
        outcome_count.c.mailing_id == mailing.c.id,
        outcome_count.c.ending.in_([Ending.ACCEPTED, Ending.IN_DOUBT]),
    )
    openly = exists().where(
        mailing_target.c.mailing_id == mailing.c.id,
        mailing_list.c.id == mailing_target.c.list_id,
        # As it was when the mailing was scheduled, and as it is: a list may be marked late.
        *(not_(_says_discreet(one)) for one in (mailing_target, mailing_list)),
    )
    rows = connection.execute(
        select(
            mailing.c.statement_id,
            mailing.c.revision_id,
            mailing.c.started_at,
            case((and_(not_(mailing.c.rehearsal), went, openly), 1), else_=0).label("counts"),
        )
        .where(mailing.c.started_at <= now, *which)
        .order_by(mailing.c.started_at, mailing.c.id)
    )
    found: dict[int, _Mailed] = {}
    for row in rows:
        one = found.setdefault(row.statement_id, _Mailed())
        one.revision_id = row.revision_id
        one.first_started.setdefault(row.revision_id, row.started_at)
        if row.counts:
            one.counted.append(row.started_at)
    return found


def _says_discreet(table: FromClause) -> Any:  # noqa: ANN401  (SQLAlchemy's own type is as wide.)
    return type_coerce(table.c.definition, Text).contains(_DISCREET, autoescape=True)


def _listed(row: Row[*tuple[Any, ...]], mailed: _Mailed, now: datetime) -> ListedStatement | None:
    fixed = fixed_revision(row, now)
    times = [*mailed.counted, *([row.published_at] if fixed else [])]
    if not times:
        return None
    # A newsletter's page shows its last issue, so that is what is new of it.
    since = max(times) if row.kind is StatementKind.NEWSLETTER else min(times)
    revision_id = fixed or mailed.revision_id
    shown_since = row.published_at if fixed else mailed.first_started[revision_id]
    changed_at = max(since, shown_since, row.visibility_at or since)
    return ListedStatement(
        row.id,
        row.slug,
        revision_id,
        since.replace(microsecond=0),
        changed_at.replace(microsecond=0),
        row.visibility,
        row.visibility_at,
    )


def not_listed(connection: Connection, slugs: frozenset[str]) -> frozenset[str]:
    """Return which of these statements staff unlisted or withdrew."""
    rows = connection.execute(
        select(statement.c.slug).where(
            statement.c.slug.in_(slugs), statement.c.visibility != Visibility.LISTED
        )
    ).scalars()
    return frozenset(rows)


def visibility_of(connection: Connection, slug: str) -> Visibility:
    """Return what the public pages make of a statement once it is public.

    Raises:
        StatementNotFound: when there is none.
    """
    found = connection.execute(
        select(statement.c.visibility).where(statement.c.slug == slug)
    ).scalar_one_or_none()
    if found is None:
        raise StatementNotFound(slug)
    return Visibility(found)


def set_visibility(
    connection: Connection,
    slug: str,
    visibility: Visibility,
    now: datetime,
    corrected_by: str = "",
) -> None:
    """Write down what the public pages make of a statement from now on.

    Args:
        connection: Of a transaction.
        slug: Of the statement.
        visibility: What it shall be.
        now: The hour of the decision.
        corrected_by: Slug of the statement that takes the place of one that is withdrawn; "".

    Raises:
        StatementNotFound: when one of the two is not there.
    """
    correction_id = None
    if corrected_by:
        correction_id = connection.execute(
            select(statement.c.id).where(statement.c.slug == corrected_by)
        ).scalar_one_or_none()
        if correction_id is None:
            raise StatementNotFound(corrected_by)
    told: ColumnElement[bool] = false()
    if visibility is Visibility.WITHDRAWN:
        told = or_(statement.c.visibility == Visibility.LISTED, statement.c.withdrawal_told)
    changed = connection.execute(
        update(statement)
        .where(statement.c.slug == slug)
        .values(
            visibility=visibility,
            visibility_at=now,
            corrected_by_id=correction_id,
            withdrawal_told=told,
        )
    )
    if changed.rowcount != 1:
        raise StatementNotFound(slug)


def open_mailings_of(connection: Connection, slug: str) -> tuple[tuple[str, MailingState], ...]:
    """Return the mailings that are not over and send a statement, or an issue that tells of it."""
    told_of = (
        select(newsletter_issue.c.mailing_id)
        .join(newsletter_item, newsletter_item.c.issue_id == newsletter_issue.c.id)
        .join(revision, revision.c.id == newsletter_item.c.revision_id)
        .join(statement, statement.c.id == revision.c.statement_id)
        .where(statement.c.slug == slug, newsletter_issue.c.mailing_id.is_not(None))
    )
    own = select(statement.c.id).where(statement.c.slug == slug).scalar_subquery()
    rows = connection.execute(
        select(mailing.c.key, mailing.c.state)
        .where(
            or_(mailing.c.statement_id == own, mailing.c.id.in_(told_of)),
            mailing.c.state.not_in(_OVER),
        )
        .order_by(mailing.c.id)
    )
    return tuple((row.key, row.state) for row in rows)


__all__ = [
    "ListedStatement",
    "is_listed",
    "listed_statements",
    "not_listed",
    "open_mailings_of",
    "set_visibility",
    "visibility_of",
]
