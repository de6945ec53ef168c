"""Queries about a mailing that is to be corrected: whom it reached, and in which languages.

In: the mailing's row id. Out: figures, languages, and what stands in the way. Nothing is written,
and nobody is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, func, literal, not_, select

from mailer.model.states import DeliveryState, MailingState
from mailer.store.audience import is_live
from mailer.store.history import REACHED
from mailer.store.tables import (
    delivery,
    delivery_list,
    language_profile,
    mailing,
    membership,
    revision,
)


@dataclass(frozen=True)
class Reached:
    """Whom a mailing reached, in figures."""

    people: int
    #: Of these, how many it may not have reached: the reply was lost.
    in_doubt: int
    #: Of these, how many have since left every list they came by.
    left: int
    #: Tags of the editions they got.
    languages: tuple[str, ...]


def reached(connection: Connection, mailing_id: int) -> Reached:
    """Count whom a mailing reached."""
    rows = connection.execute(
        select(delivery.c.state, delivery.c.language, func.count().label("people"))
        .where(delivery.c.mailing_id == mailing_id, delivery.c.state.in_(REACHED))
        .group_by(delivery.c.state, delivery.c.language)
    ).all()
    return Reached(
        people=sum(row.people for row in rows),
        in_doubt=sum(row.people for row in rows if row.state is DeliveryState.IN_DOUBT),
        left=_left(connection, mailing_id),
        languages=tuple(sorted({row.language for row in rows if row.language})),
    )


def _left(connection: Connection, mailing_id: int) -> int:
    stayed = exists(
        select(literal(1))
        .select_from(delivery_list)
        .join(
            membership,
            (membership.c.list_id == delivery_list.c.list_id)
            & (membership.c.supporter_id == delivery_list.c.supporter_id),
        )
        .where(delivery_list.c.delivery_id == delivery.c.id, is_live(membership))
        .correlate(delivery)
    )
    query = (
        select(func.count())
        .select_from(delivery)
        .where(delivery.c.mailing_id == mailing_id, delivery.c.state.in_(REACHED), not_(stayed))
    )
    return int(connection.execute(query).scalar_one())


def deliveries_gone_at(connection: Connection, mailing_id: int) -> datetime | None:
    """Return when a mailing's deliveries were deleted; None while they are there."""
    query = select(mailing.c.deliveries_gone_at).where(mailing.c.id == mailing_id)
    found: datetime | None = connection.execute(query).scalar_one()
    return found


def corrections_of(
    connection: Connection, mailing_id: int, revision_id: int | None = None
) -> list[str]:
    """Return the keys of the mailings that correct one, with a revision if one is named.

    Those that are cancelled do not.
    """
    query = select(mailing.c.key).where(
        mailing.c.corrects_id == mailing_id, mailing.c.state != MailingState.CANCELLED
    )
    if revision_id is not None:
        query = query.where(mailing.c.revision_id == revision_id)
    return list(connection.execute(query.order_by(mailing.c.id)).scalars())


def corrected_alike(connection: Connection, mailing_id: int, revision_id: int) -> list[int]:
    """Return the corrections by which people of a mailing may have a revision already.

    They send it too, and go back to the same first mailing, by whatever corrections in between.

    Args:
        connection: a connection in a transaction.
        mailing_id: row id of the mailing that is to be corrected.
        revision_id: row id of the revision that is to correct it.
    """
    rows = connection.execute(
        select(mailing.c.id, mailing.c.corrects_id, mailing.c.revision_id).where(
            mailing.c.corrects_id.is_not(None)
        )
    ).all()
    corrects = {row.id: row.corrects_id for row in rows}

    def first(one: int) -> int:
        while one in corrects:
            one = corrects[one]
        return one

    return [
        row.id
        for row in rows
        if row.revision_id == revision_id and first(row.id) == first(mailing_id)
    ]


def editions_of(connection: Connection, revision_id: int) -> tuple[str, ...]:
    """Return the languages of a revision's editions."""
    document = connection.execute(
        select(revision.c.document).where(revision.c.id == revision_id)
    ).scalar_one()
    return tuple(one["language"] for one in document.get("editions", ()))


def never_lists(connection: Connection) -> list[tuple[int, str]]:
    """Return the language profiles that forbid anything: row id, and the tags joined by commas."""
    rows = connection.execute(
        select(language_profile.c.id, language_profile.c.never).where(
            language_profile.c.never != ""
        )
    )
    return [(row.id, row.never) for row in rows]
