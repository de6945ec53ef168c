"""Which revision of a statement the public sees, and in which languages.

In: slugs out of addresses, and the hour. Out: `PublicRevision`s. What staff fixed for publication
stands before what was mailed. Nothing here knows a supporter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from mailer.model.statement import Visibility
from mailer.store.audience import list_from_document
from mailer.store.tables import mailing, mailing_target, statement


@dataclass(frozen=True)
class PublicRevision:
    """Which revision of a statement the public sees."""

    revision_id: int
    #: Languages that the lists of the last started mailing try, in the order they were given.
    chain: tuple[str, ...]
    visibility: Visibility = Visibility.LISTED
    #: When that was decided; None while nobody has.
    visibility_at: datetime | None = None
    #: Slug of the statement that corrects one that was withdrawn; "" for none.
    corrected_by: str = ""


def public_revision(connection: Connection, slug: str, now: datetime) -> PublicRevision | None:
    """Return the revision of the statement `slug` that the public may see; None while it may not.

    The one that was fixed for publication, from its hour on; else that of the mailing which
    started last. Loading a revision changes nothing here.
    """
    correction = statement.alias("correction")
    found = connection.execute(
        select(
            statement.c.id,
            statement.c.published_revision_id,
            statement.c.published_at,
            statement.c.visibility,
            statement.c.visibility_at,
            correction.c.slug.label("corrected_by"),
        )
        .outerjoin(correction, correction.c.id == statement.c.corrected_by_id)
        .where(statement.c.slug == slug)
    ).one_or_none()
    if found is None:
        return None
    started = connection.execute(
        select(mailing.c.id, mailing.c.revision_id)
        .where(mailing.c.statement_id == found.id, mailing.c.started_at <= now)
        .order_by(mailing.c.started_at.desc(), mailing.c.id.desc())
        .limit(1)
    ).one_or_none()
    revision_id = fixed_revision(found, now) or (started.revision_id if started else None)
    if revision_id is None:
        return None
    return PublicRevision(
        revision_id,
        _chain(connection, started.id) if started else (),
        found.visibility,
        found.visibility_at,
        found.corrected_by or "",
    )


def fixed_revision(row: Row[*tuple[Any, ...]], now: datetime) -> int | None:
    """Return the revision that was fixed for publication, of a statement's row; None before then."""
    if row.published_revision_id and row.published_at and row.published_at <= now:
        return int(row.published_revision_id)
    return None


def _chain(connection: Connection, mailing_id: int) -> tuple[str, ...]:
    targets = connection.execute(
        select(mailing_target.c.definition)
        .where(mailing_target.c.mailing_id == mailing_id)
        .order_by(mailing_target.c.position)
    ).scalars()
    languages = [
        language for document in targets for language in list_from_document(document).languages
    ]
    return tuple(dict.fromkeys(languages))
