"""Locks of editions, so that two people do not write one at once.

In: a working copy, and who writes in which browser. Out: who holds an edition, and until when. A lock
that has run out is nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from mailer.store.tables_writing import edition_lock, working_copy
from mailer.store.working import LONGEST_NAME, lock_copy


@dataclass(frozen=True)
class Holder:
    """Who writes, and in which browser."""

    user_id: int
    session_id: int
    #: As colleagues are shown it.
    name: str

    def is_same(self, other: Holder) -> bool:
        """Tell whether this is the same person in the same browser."""
        return (self.user_id, self.session_id) == (other.user_id, other.session_id)


@dataclass(frozen=True)
class EditionLock:
    """Who is writing an edition."""

    #: "" for `statement.toml`.
    language: str
    holder: Holder
    until: datetime
    #: Since when this person holds it in this browser; None where a program before 0024 wrote it.
    since: datetime | None = None


def hold_edition(
    connection: Connection,
    slug: str,
    language: str,
    holder: Holder,
    now: datetime,
    until: datetime,
) -> EditionLock:
    """Take or renew the lock of an edition; return whose it is: another's as long as it lasts.

    Raises:
        NoWorkingCopy: when there is none.
    """
    copy_id = lock_copy(connection, slug).copy_id
    known = next(
        (one for one in edition_locks(connection, slug, now) if one.language == language), None
    )
    if known is not None and not known.holder.is_same(holder):
        return known
    # Whoever goes on writing holds it since they began; after a pause they begin anew.
    since = now if known is None else known.since or now
    here = (edition_lock.c.copy_id == copy_id, edition_lock.c.language == language)
    connection.execute(delete(edition_lock).where(*here))
    connection.execute(
        insert(edition_lock).values(
            copy_id=copy_id, language=language, user_id=holder.user_id,
            session_id=holder.session_id, held_by=holder.name[:LONGEST_NAME], since=since, until=until,
        )
    )  # fmt: skip
    return EditionLock(language, holder, until, since)


def edition_locks(connection: Connection, slug: str, now: datetime) -> tuple[EditionLock, ...]:
    """Return the locks of a working copy that last, by language."""
    rows = connection.execute(
        select(edition_lock)
        .join(working_copy, working_copy.c.id == edition_lock.c.copy_id)
        .where(working_copy.c.slug == slug, edition_lock.c.until > now)
        .order_by(edition_lock.c.language)
    )
    return tuple(
        EditionLock(
            row.language, Holder(row.user_id, row.session_id, row.held_by), row.until, row.since
        )
        for row in rows
    )


def let_go(connection: Connection, slug: str, language: str) -> None:
    """Take away the lock of an edition, whosever it is."""
    copies = select(working_copy.c.id).where(working_copy.c.slug == slug)
    connection.execute(
        delete(edition_lock).where(
            edition_lock.c.copy_id.in_(copies), edition_lock.c.language == language
        )
    )
