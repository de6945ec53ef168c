"""Count the people a segment means, each address once.

In: an expression tree and the lists to look on. Out: how many people, how many of them lack a field,
and how many read what first. Nothing is written, and nobody is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, literal, select, true

from mailer.model.audience import Attribute
from mailer.model.segments import Field, Missing, Segment
from mailer.store.audience import is_live
from mailer.store.segments import Clause, compile_segment
from mailer.store.tables import language_profile, mailing_list, membership, supporter


def list_ids(connection: Connection, keys: Sequence[str]) -> list[int]:
    """Return the row ids of these lists; one that nobody was ever imported into has none."""
    rows = connection.execute(select(mailing_list.c.id).where(mailing_list.c.key.in_(keys)))
    return list(rows.scalars())


def count_people(connection: Connection, on_lists: Sequence[int], *segments: Segment) -> int:
    """Count the addresses on the lists that all of the expressions mean."""
    query = _meant(
        select(func.count(func.distinct(supporter.c.address_digest))), on_lists, segments
    )
    return int(connection.execute(query).scalar_one())


def count_lacking(connection: Connection, on_lists: Sequence[int], field: Field | Attribute) -> int:
    """Count the addresses on the lists of which a field is not known."""
    return count_people(connection, on_lists, Missing(field))


def count_by_language(
    connection: Connection, on_lists: Sequence[int], segment: Segment
) -> dict[str, int]:
    """Count the addresses an expression means by their first language; "" where none is named.

    Whom two organisations know is counted with the row that was made first.
    """
    meant = _meant(select(func.min(supporter.c.id).label("id")), on_lists, [segment]).group_by(
        supporter.c.address_digest
    )
    first = meant.subquery()
    rows = connection.execute(
        select(language_profile.c.languages, func.count().label("people"))
        .select_from(first)
        .join(supporter, supporter.c.id == first.c.id)
        .join(language_profile, language_profile.c.id == supporter.c.profile_id)
        .group_by(language_profile.c.languages)
    )
    counts: dict[str, int] = {}
    for row in rows:
        language = row.languages.split(",")[0]
        counts[language] = counts.get(language, 0) + row.people
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _meant(query: Select[Any], on_lists: Sequence[int], segments: Sequence[Segment]) -> Select[Any]:
    return query.select_from(supporter).where(
        _on_any(on_lists), and_(true(), *(compile_segment(one) for one in segments))
    )


def _on_any(on_lists: Sequence[int]) -> Clause:
    return exists(
        select(literal(1))
        .select_from(membership)
        .where(
            membership.c.supporter_id == supporter.c.id,
            membership.c.list_id.in_(on_lists),
            is_live(membership),
        )
        .correlate(supporter)
    )
