"""List what is written: statements that have revisions, and those that are only being written yet.

In: where in the list to begin. Out: slugs in order, and the texts of several working copies at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, union

from mailer.store.tables import statement
from mailer.store.tables_writing import working_copy, working_file
from mailer.store.working import FileFacts


def slugs_after(connection: Connection, after: str, limit: int) -> tuple[str, ...]:
    """Return the slugs that come after one, in their order: of statements and of working copies."""
    both = union(
        # Loaded and not written by anybody is a statement as well as begun and never saved.
        select(statement.c.slug).where(statement.c.latest_revision_id.is_not(None)),
        select(working_copy.c.slug),
    ).subquery()
    rows = connection.execute(
        select(both.c.slug).where(both.c.slug > after).order_by(both.c.slug).limit(limit)
    )
    return tuple(rows.scalars())


def texts_of(
    connection: Connection, slugs: Sequence[str]
) -> dict[str, dict[str, tuple[FileFacts, bytes]]]:
    """Return the texts of working copies, pictures left out: slug → name → facts and content."""
    rows = connection.execute(
        select(
            working_copy.c.slug,
            working_file.c.name,
            working_file.c.content,
            working_file.c.version,
            working_file.c.saved_at,
            working_file.c.saved_by,
        )
        .join(working_copy, working_copy.c.id == working_file.c.copy_id)
        .where(
            working_copy.c.slug.in_(slugs),
            working_file.c.name.endswith(".md") | working_file.c.name.endswith(".toml"),
        )
        .order_by(working_copy.c.slug, working_file.c.name)
    )
    found: dict[str, dict[str, tuple[FileFacts, bytes]]] = {}
    for row in rows:
        content = bytes(row.content)
        facts = FileFacts(row.name, len(content), row.version, row.saved_at, row.saved_by)
        found.setdefault(row.slug, {})[row.name] = (facts, content)
    return found
