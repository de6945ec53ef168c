"""What earlier mailings of a statement did with an address, and whether that is still known.

In: a slug, a row of `supporter`. Out: clauses over deliveries, every value bound; and of which
statements the deliveries are gone. The address decides, whichever organisation's row was merged.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    exists,
    literal,
    not_,
    or_,
    select,
)

from mailer.model.audience import LanguageStep
from mailer.model.states import DeliveryState, SkipReason
from mailer.store.tables import delivery, mailing, statement

Clause = ColumnElement[bool]

#: Whoever has such a delivery was mailed, or may have been.
REACHED = (DeliveryState.ACCEPTED, DeliveryState.IN_DOUBT, DeliveryState.SENDING)
#: The same, or is about to be.
SERVED = (*REACHED, DeliveryState.DUE, DeliveryState.DEFERRED)


def received(row: FromClause, slug: str, language: str = "") -> Clause:
    """Tell whether a mailing of the statement reached the address, in a language if one is named."""
    clauses: list[Clause] = [delivery.c.state.in_(REACHED)]
    if language:
        clauses.append(_covered(delivery.c.language, language))
    return _has(row, slug, *clauses)


def fallback(row: FromClause, slug: str, wanted: str = "") -> Clause:
    """Tell whether it reached the address with the notice, and never in the first language.

    An edition that came later, and was sent or is about to be, ends it: nobody is to get one twice.
    """
    clauses: list[Clause] = [delivery.c.state.in_(REACHED), delivery.c.wanted.is_not(None)]
    if wanted:
        clauses.append(_covered(delivery.c.wanted, wanted))
    own = _has(row, slug, delivery.c.state.in_(SERVED), delivery.c.step == LanguageStep.FIRST)
    return and_(_has(row, slug, *clauses), not_(own))


def skipped(row: FromClause, slug: str, reason: SkipReason) -> Clause:
    """Tell whether a mailing left the address out for a reason, and no mailing reached it."""
    left_out = _has(
        row, slug, delivery.c.state == DeliveryState.SKIPPED, delivery.c.skip_reason == reason
    )
    return and_(left_out, not_(_has(row, slug, delivery.c.state.in_(SERVED))))


def _has(row: FromClause, slug: str, *clauses: Clause) -> Clause:
    """Tell whether the address has such a delivery by any mailing of the statement."""
    mailings = (
        select(mailing.c.id)
        .join(statement, statement.c.id == mailing.c.statement_id)
        .where(statement.c.slug == slug)
    )
    # By (mailing, address), which is an index: a range of people must not read every delivery.
    return exists(
        select(literal(1))
        .select_from(delivery)
        .where(
            delivery.c.mailing_id.in_(mailings),
            delivery.c.address_digest == row.c.address_digest,
            *clauses,
        )
        .correlate(row)
    )


def _covered(column: ColumnElement[str | None], tag: str) -> Clause:
    # RFC 4647 §3.3.1: a range also matches the tags that go on after it with a hyphen.
    return or_(column == tag, column.startswith(f"{tag}-", autoescape=True))


@dataclass(frozen=True)
class GoneDeliveries:
    """A mailing whose deliveries were deleted when their time was over."""

    key: str
    slug: str
    at: datetime


def known_slugs(connection: Connection) -> list[str]:
    """Return the slugs of all statements that were loaded."""
    return list(connection.execute(select(statement.c.slug).order_by(statement.c.slug)).scalars())


def gone_deliveries(connection: Connection, slugs: Collection[str]) -> list[GoneDeliveries]:
    """Return the mailings of these statements whose deliveries are gone, the latest first."""
    rows = connection.execute(
        select(mailing.c.key, statement.c.slug, mailing.c.deliveries_gone_at)
        .join(statement, statement.c.id == mailing.c.statement_id)
        .where(statement.c.slug.in_(slugs), mailing.c.deliveries_gone_at.is_not(None))
        .order_by(mailing.c.deliveries_gone_at.desc(), mailing.c.id.desc())
    )
    return [GoneDeliveries(row.key, row.slug, row.deliveries_gone_at) for row in rows]
