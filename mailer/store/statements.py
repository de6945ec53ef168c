"""Statements and their revisions: stored once, never changed, told apart by digest.

In: a `Revision` read from files. Out: `StoredRevision`s and rows. What is read back is hashed again,
so that nothing is sent or shown that was changed behind our back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update
from sqlalchemy.exc import IntegrityError

from mailer.model.statement import (
    Edition,
    Picture,
    Revision,
    StatementKind,
    StoredRevision,
    Visibility,
)
from mailer.store.documents import revision_from_document, revision_to_document
from mailer.store.engine import StoreUnavailable
from mailer.store.tables import revision, revision_picture, statement


class StatementNotFound(Exception):
    """No statement has that slug, or it has no revision of that number."""

    def __init__(self, slug: str, number: int | None = None) -> None:
        self.slug = slug
        self.number = number
        what = f'no statement "{slug}"' if number is None else f'no revision {number} of "{slug}"'
        super().__init__(f"There is {what}. See: mailer statements list.")


class RevisionDamaged(StoreUnavailable):
    """A stored revision is not what was loaded: its hash is another."""

    def __init__(self, revision_id: int) -> None:
        self.revision_id = revision_id
        super().__init__(
            f"The statement in revision row {revision_id} was changed in the database after it "
            "was loaded, and is not used",
            "Restore the database, or load the statement again under another slug",
        )


@dataclass(frozen=True)
class StatementSummary:
    """A statement as a list of them shows it."""

    slug: str
    kind: StatementKind
    #: How many revisions there are.
    revisions: int
    #: Number of the one that was loaded last.
    latest: int
    #: When that one was first loaded.
    loaded_at: datetime
    title: str
    languages: tuple[str, ...]
    #: Number of the revision fixed for the public page; None when none is.
    published: int | None
    #: From when it is public.
    published_at: datetime | None
    visibility: Visibility


@dataclass(frozen=True)
class RevisionSummary:
    """A revision as a list of them shows it."""

    revision_id: int
    number: int
    loaded_at: datetime
    #: In the source language.
    title: str
    languages: tuple[str, ...]


def save_revision(connection: Connection, new: Revision, now: datetime) -> StoredRevision:
    """Store a revision, or find it again when it is stored already; either way it is the latest.

    Nothing public changes by it.
    """
    statement_id = _lock_statement(connection, new, now)
    known = connection.execute(
        _REVISIONS.where(revision.c.statement_id == statement_id, revision.c.digest == new.digest)
    ).one_or_none()
    if known is None:
        last = connection.execute(
            select(func.max(revision.c.number)).where(revision.c.statement_id == statement_id)
        ).scalar()
        number, loaded_at = (last or 0) + 1, now
        revision_id = connection.execute(
            revision.insert()
            .values(
                statement_id=statement_id,
                number=number,
                digest=new.digest,
                document=revision_to_document(new),
                loaded_at=now,
            )
            .returning(revision.c.id)
        ).scalar_one()
        _insert_pictures(connection, revision_id, new.pictures)
    else:
        revision_id, number, loaded_at = known.id, known.number, known.loaded_at
    connection.execute(
        update(statement)
        .where(statement.c.id == statement_id)
        .values(kind=new.kind, latest_revision_id=revision_id)
    )
    return StoredRevision(revision_id, statement_id, number, loaded_at, new)


def _lock_statement(connection: Connection, new: Revision, now: datetime) -> int:
    """Return the id of the statement's row, locked, so that two who load get two numbers."""
    for _ in range(2):
        found = connection.execute(
            update(statement)
            .where(statement.c.slug == new.slug)
            .values(slug=new.slug)
            .returning(statement.c.id)
        ).scalar_one_or_none()
        if found is not None:
            return int(found)
        try:
            with connection.begin_nested():
                connection.execute(
                    statement.insert().values(slug=new.slug, kind=new.kind, created_at=now)
                )
        except IntegrityError:
            # Another process loaded the same statement between the two.
            continue
    raise StatementNotFound(new.slug)


def _insert_pictures(
    connection: Connection, revision_id: int, pictures: Mapping[str, Picture]
) -> None:
    rows = [
        {
            "revision_id": revision_id,
            "name": name,
            "media_type": picture.media_type,
            "width_px": picture.width_px,
            "height_px": picture.height_px,
            "content": picture.content,
        }
        for name, picture in pictures.items()
    ]
    if rows:
        connection.execute(revision_picture.insert(), rows)


_REVISIONS = select(
    revision.c.id,
    revision.c.statement_id,
    revision.c.number,
    revision.c.loaded_at,
    revision.c.digest,
    revision.c.document,
)


def load_revision(connection: Connection, revision_id: int) -> StoredRevision:
    """Return a revision by its row id.

    Raises:
        LookupError: when there is none; ids come from our own rows.
        RevisionDamaged: when it is not what was loaded.
    """
    row = connection.execute(_REVISIONS.where(revision.c.id == revision_id)).one_or_none()
    if row is None:
        raise LookupError(f"there is no revision row {revision_id}")
    return _stored(connection, row)


def load_text(connection: Connection, revision_id: int) -> Revision:
    """Return a revision without its pictures, for those who show no more than its words.

    Raises:
        LookupError: when there is none; ids come from our own rows.
        RevisionDamaged: when it is not what was loaded.
    """
    row = connection.execute(_REVISIONS.where(revision.c.id == revision_id)).one_or_none()
    if row is None:
        raise LookupError(f"there is no revision row {revision_id}")
    found = revision_from_document(row.document, {})
    if found.digest != row.digest:
        raise RevisionDamaged(revision_id)
    return found


def _stored(connection: Connection, row: Row[*tuple[Any, ...]]) -> StoredRevision:
    pictures = {
        one.name: Picture(one.name, one.media_type, one.width_px, one.height_px, bytes(one.content))
        for one in connection.execute(
            select(revision_picture)
            .where(revision_picture.c.revision_id == row.id)
            .order_by(revision_picture.c.name)
        )
    }
    hashes = {
        name: hashlib.sha256(picture.content).hexdigest() for name, picture in pictures.items()
    }
    loaded = revision_from_document(row.document, pictures)
    if loaded.digest != row.digest or hashes != row.document["pictures"]:
        raise RevisionDamaged(row.id)
    return StoredRevision(row.id, row.statement_id, row.number, row.loaded_at, loaded)


def latest_revision(connection: Connection, slug: str) -> StoredRevision | None:
    """Return the revision of a statement that was loaded last; None when none was.

    Raises:
        RevisionDamaged: when it is not what was loaded.
    """
    row = connection.execute(
        _REVISIONS.join(statement, statement.c.latest_revision_id == revision.c.id).where(
            statement.c.slug == slug
        )
    ).one_or_none()
    return None if row is None else _stored(connection, row)


def find_revision(connection: Connection, slug: str, number: int | None = None) -> StoredRevision:
    """Return a revision as a person names it: by slug and number, or the latest.

    Raises:
        StatementNotFound: when there is none.
        RevisionDamaged: when it is not what was loaded.
    """
    if number is None:
        stored = latest_revision(connection, slug)
        if stored is None:
            raise StatementNotFound(slug)
        return stored
    row = connection.execute(
        _REVISIONS.join(statement, statement.c.id == revision.c.statement_id).where(
            statement.c.slug == slug, revision.c.number == number
        )
    ).one_or_none()
    if row is None:
        raise StatementNotFound(slug, number)
    return _stored(connection, row)


def find_source_edition(connection: Connection, slug: str, hash_start: str) -> Edition | None:
    """Return the newest stored source edition whose content hash begins with `hash_start`."""
    documents = connection.execute(
        select(revision.c.document)
        .join(statement, statement.c.id == revision.c.statement_id)
        .where(statement.c.slug == slug)
        .order_by(revision.c.number.desc())
    ).scalars()
    for document in documents:
        stored = revision_from_document(document, {})
        source = stored.editions[stored.source_language]
        if source.content_hash.startswith(hash_start):
            return source
    return None


def has_slug(connection: Connection, slug: str) -> bool:
    """Tell whether something of that slug was loaded, a newsletter included."""
    found = connection.execute(select(statement.c.id).where(statement.c.slug == slug))
    return found.scalar_one_or_none() is not None


def is_statement(connection: Connection, slug: str) -> bool:
    """Tell whether something of that slug was loaded that is no newsletter."""
    kind = connection.execute(select(statement.c.kind).where(statement.c.slug == slug)).scalar()
    return kind is not None and kind is not StatementKind.NEWSLETTER


def publish(connection: Connection, slug: str, revision_id: int, at: datetime) -> None:
    """Fix the revision that a statement's public page shows, from `at` on.

    Raises:
        StatementNotFound: when that is no revision of this statement.
    """
    belongs = select(revision.c.statement_id).where(revision.c.id == revision_id).scalar_subquery()
    changed = connection.execute(
        update(statement)
        .where(statement.c.slug == slug, statement.c.id == belongs)
        .values(published_revision_id=revision_id, published_at=at)
    )
    if changed.rowcount != 1:
        raise StatementNotFound(slug)


def list_statements(connection: Connection) -> tuple[StatementSummary, ...]:
    """Return every statement there is, by slug."""
    return tuple(_summary(row) for row in connection.execute(_summaries()))


def summaries_of(connection: Connection, slugs: Sequence[str]) -> tuple[StatementSummary, ...]:
    """Return those of these statements that have a revision, by slug."""
    rows = connection.execute(_summaries().where(statement.c.slug.in_(slugs)))
    return tuple(_summary(row) for row in rows)


def statements_after(connection: Connection, slug: str, limit: int) -> list[StatementSummary]:
    """Return a page of statements, by slug: those after one, "" for the first page."""
    query = _summaries().where(statement.c.slug > slug).limit(limit)
    return [_summary(row) for row in connection.execute(query)]


def find_statement(connection: Connection, slug: str) -> StatementSummary:
    """Return one statement as a list of them shows it.

    Raises:
        StatementNotFound: when there is none.
    """
    row = connection.execute(_summaries().where(statement.c.slug == slug)).one_or_none()
    if row is None:
        raise StatementNotFound(slug)
    return _summary(row)


def _summaries() -> Select[Any]:
    # Counted for those alone that are shown.
    counted = (
        select(func.count())
        .where(revision.c.statement_id == statement.c.id)
        .scalar_subquery()
        .label("revisions")
    )
    latest = revision.alias("latest")
    public = revision.alias("public")
    return (
        select(
            statement.c.slug,
            statement.c.kind,
            statement.c.published_at,
            statement.c.visibility,
            counted,
            latest.c.number,
            latest.c.loaded_at,
            latest.c.document,
            public.c.number.label("published"),
        )
        .join(latest, latest.c.id == statement.c.latest_revision_id)
        .outerjoin(public, public.c.id == statement.c.published_revision_id)
        .order_by(statement.c.slug)
    )


def list_revisions(
    connection: Connection, slug: str, before: int | None = None, limit: int | None = None
) -> tuple[RevisionSummary, ...]:
    """Return the revisions of a statement, the newest first; none when there is no such statement.

    Args:
        connection: one that reads.
        slug: of the statement.
        before: only those before this number.
        limit: how many at most.
    """
    query = (
        _REVISIONS.join(statement, statement.c.id == revision.c.statement_id)
        .where(statement.c.slug == slug)
        .order_by(revision.c.number.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(revision.c.number < before)
    rows = connection.execute(query)
    return tuple(
        RevisionSummary(
            revision_id=row.id,
            number=row.number,
            loaded_at=row.loaded_at,
            title=row.document["editions"][0]["title"],
            languages=tuple(one["language"] for one in row.document["editions"]),
        )
        for row in rows
    )


def _summary(row: Row[*tuple[Any, ...]]) -> StatementSummary:
    editions = row.document["editions"]
    return StatementSummary(
        slug=row.slug,
        kind=row.kind,
        revisions=row.revisions,
        latest=row.number,
        loaded_at=row.loaded_at,
        title=editions[0]["title"],
        languages=tuple(edition["language"] for edition in editions),
        published=row.published,
        published_at=row.published_at,
        visibility=row.visibility,
    )
