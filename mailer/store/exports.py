"""The members of a list, a page at a time, with all that is on record of them.

In: a list and where the last page ended. Out: rows as they lie in the database; sealed values are
opened by who holds the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from mailer.store.audience import is_live
from mailer.store.tables import (
    language_profile,
    membership,
    supporter,
    supporter_attribute,
    supporter_tag,
)


def members_after(connection: Connection, list_id: int, last_id: int, limit: int) -> Sequence[Any]:
    """Return the next members of a list with their consent and languages, by supporter id."""
    return connection.execute(
        select(
            supporter,
            membership.c.consent_basis,
            membership.c.consent_source_sealed,
            membership.c.consented_at,
            language_profile.c.languages,
            language_profile.c.never,
        )
        .join(membership, membership.c.supporter_id == supporter.c.id)
        .join(language_profile, language_profile.c.id == supporter.c.profile_id)
        .where(membership.c.list_id == list_id, supporter.c.id > last_id, is_live(membership))
        .order_by(supporter.c.id)
        .limit(limit)
    ).all()


def tags_of_all(connection: Connection, ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the tags of supporters by their id."""
    found: dict[int, list[str]] = {one: [] for one in ids}
    for row in connection.execute(
        select(supporter_tag).where(supporter_tag.c.supporter_id.in_(ids))
    ):
        found[row.supporter_id].append(row.tag)
    return found


def attributes_of_all(connection: Connection, ids: Sequence[int]) -> dict[int, list[Any]]:
    """Return the rows of the clear attributes of supporters by their id."""
    found: dict[int, list[Any]] = {one: [] for one in ids}
    for row in connection.execute(
        select(supporter_attribute).where(supporter_attribute.c.supporter_id.in_(ids))
    ):
        found[row.supporter_id].append(row)
    return found
