"""Working copies: statements as they are being written, file by file.

In: files as bytes, and in whose name. Out: what stands in the database. A file is saved over the version
that somebody saw, or not at all: what would be lost comes back in a `Clash`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from mailer.model.staff import Actor
from mailer.store.tables import revision, statement
from mailer.store.tables_writing import edition_lock, working_copy, working_file, working_source

#: Of whoever saved or holds something.
LONGEST_NAME = 120


class NoWorkingCopy(Exception):
    """Nobody is writing a statement of that slug."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        super().__init__(f'Nobody is writing "{slug}". Open it first.')


class SlugTaken(Exception):
    """There is a working copy or a statement of that slug already."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        super().__init__(f'There is a statement "{slug}" already. Choose another slug.')


@dataclass(frozen=True)
class WorkingCopy:
    """A statement as its writers have it now, without its files."""

    copy_id: int
    slug: str
    #: Row id and number of the revision it is based on; None until it was saved.
    based_on: int | None
    based_on_number: int | None
    #: Number of the revision that is the latest; another one when somebody loaded files meanwhile.
    latest_number: int | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True)
class WorkingFile:
    """A file of a working copy."""

    name: str
    content: bytes
    #: Higher than any before in this working copy.
    version: int
    saved_at: datetime
    #: As the audit log says it: "staff:ana".
    saved_by: str


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file without its content."""

    name: str
    size: int
    version: int
    saved_at: datetime
    saved_by: str


class Clash(Exception):
    """A file is no longer the version that somebody saw: somebody else saved it meanwhile."""

    def __init__(self, name: str, theirs: WorkingFile | None, ours: bytes) -> None:
        self.name = name
        #: What stands there now; None when it was taken away.
        self.theirs = theirs
        #: What was to be saved, for the person to put together with it.
        self.ours = ours
        said_by = f" by {theirs.saved_by}" if theirs else ""
        super().__init__(f"{name} was changed{said_by} meanwhile. Nothing was overwritten.")


_COPIES: Select[Any] = (
    select(
        working_copy,
        revision.c.number.label("based_on_number"),
        select(func.max(revision.c.number))
        .join(statement, statement.c.latest_revision_id == revision.c.id)
        .where(statement.c.slug == working_copy.c.slug)
        .correlate(working_copy)
        .scalar_subquery()
        .label("latest_number"),
    )
    .outerjoin(revision, revision.c.id == working_copy.c.based_on)
    .order_by(working_copy.c.slug)
)


def create_copy(
    connection: Connection,
    slug: str,
    files: Mapping[str, bytes],
    actor: Actor,
    now: datetime,
    *,
    based_on: int | None = None,
) -> WorkingCopy:
    """Begin a working copy with these files.

    Args:
        connection: one that may write.
        slug: of the statement.
        files: name → content.
        actor: in whose name.
        now: when.
        based_on: row id of the revision the files are of.

    Raises:
        SlugTaken: when there is one already.
    """
    by = _name(actor)
    try:
        with connection.begin_nested():
            connection.execute(
                insert(working_copy).values(
                    slug=slug, based_on=based_on, version=len(files), created_at=now,
                    created_by=by, updated_at=now, updated_by=by,
                )
            )  # fmt: skip
    except IntegrityError as error:
        raise SlugTaken(slug) from error
    made = find_copy(connection, slug)
    rows = [
        {
            "copy_id": made.copy_id, "name": name, "content": content, "version": version,
            "saved_at": now, "saved_by": by,
        }
        for version, (name, content) in enumerate(files.items(), 1)
    ]  # fmt: skip
    if rows:
        connection.execute(insert(working_file), rows)
    return made


def find_copy(connection: Connection, slug: str) -> WorkingCopy:
    """Return the working copy of a statement.

    Raises:
        NoWorkingCopy: when there is none.
    """
    row = connection.execute(_COPIES.where(working_copy.c.slug == slug)).one_or_none()
    if row is None:
        raise NoWorkingCopy(slug)
    return _copy(row)


def lock_copy(connection: Connection, slug: str) -> WorkingCopy:
    """Return the working copy of a statement, locked until the transaction ends.

    Raises:
        NoWorkingCopy: when there is none.
    """
    _next_version(connection, slug)
    return find_copy(connection, slug)


def list_copies(connection: Connection) -> tuple[WorkingCopy, ...]:
    """Return every working copy, by slug."""
    return tuple(_copy(row) for row in connection.execute(_COPIES))


def drop_copy(connection: Connection, slug: str) -> None:
    """Throw a working copy away; revisions stay.

    Raises:
        NoWorkingCopy: when there is none.
    """
    copy_id = _next_version(connection, slug)[0]
    for table in (edition_lock, working_source, working_file):
        connection.execute(delete(table).where(table.c.copy_id == copy_id))
    connection.execute(delete(working_copy).where(working_copy.c.id == copy_id))


def rebase_copy(connection: Connection, slug: str, revision_id: int) -> None:
    """Say which revision a working copy was saved as."""
    connection.execute(
        update(working_copy).where(working_copy.c.slug == slug).values(based_on=revision_id)
    )


def file_facts(connection: Connection, slug: str) -> tuple[FileFacts, ...]:
    """Return what is known of a working copy's files, by name."""
    rows = connection.execute(
        select(
            working_file.c.name,
            func.length(working_file.c.content).label("size"),
            working_file.c.version,
            working_file.c.saved_at,
            working_file.c.saved_by,
        )
        .join(working_copy, working_copy.c.id == working_file.c.copy_id)
        .where(working_copy.c.slug == slug)
        .order_by(working_file.c.name)
    )
    return tuple(FileFacts(**row) for row in rows.mappings())


def read_files(connection: Connection, slug: str) -> dict[str, WorkingFile]:
    """Return every file of a working copy by its name."""
    rows = connection.execute(_FILES.where(working_copy.c.slug == slug))
    return {row.name: _file(row) for row in rows}


def read_file(connection: Connection, slug: str, name: str) -> WorkingFile | None:
    """Return a file of a working copy; None when it has none of that name."""
    row = connection.execute(
        _FILES.where(working_copy.c.slug == slug, working_file.c.name == name)
    ).one_or_none()
    return None if row is None else _file(row)


_FILES: Select[Any] = (
    select(working_file)
    .join(working_copy, working_copy.c.id == working_file.c.copy_id)
    .order_by(working_file.c.name)
)


def save_file(
    connection: Connection,
    slug: str,
    name: str,
    content: bytes,
    seen: int | None,
    actor: Actor,
    now: datetime,
) -> WorkingFile:
    """Save a file over the version that was seen; the same content again is no new version.

    Args:
        connection: one that may write.
        slug: of the statement.
        name: of the file.
        content: all of it.
        seen: the version that was changed; None where there was no such file.
        actor: in whose name.
        now: when.

    Raises:
        Clash: when it is another version by now; nothing was changed.
        NoWorkingCopy: when there is none.
    """
    copy_id, version = _next_version(connection, slug)
    known = read_file(connection, slug, name)
    if known is not None and known.content == content:
        return known
    if (known.version if known else None) != seen:
        raise Clash(name, known, content)
    by = _name(actor)
    values = {"content": content, "version": version, "saved_at": now, "saved_by": by}
    here = (working_file.c.copy_id == copy_id, working_file.c.name == name)
    if known is None:
        connection.execute(insert(working_file).values(copy_id=copy_id, name=name, **values))
    else:
        connection.execute(update(working_file).where(*here).values(**values))
    _touch(connection, copy_id, version, by, now)
    return WorkingFile(name, content, version, now, by)


def delete_file(
    connection: Connection, slug: str, name: str, seen: int, actor: Actor, now: datetime
) -> None:
    """Take a file away; raises as `save_file`. A file that is gone already is no fault."""
    copy_id, version = _next_version(connection, slug)
    known = read_file(connection, slug, name)
    if known is None:
        return
    if known.version != seen:
        raise Clash(name, known, b"")
    connection.execute(
        delete(working_file).where(working_file.c.copy_id == copy_id, working_file.c.name == name)
    )
    _touch(connection, copy_id, version, _name(actor), now)


def _next_version(connection: Connection, slug: str) -> tuple[int, int]:
    """Lock a working copy's row; return its id and the version that a change takes."""
    row = connection.execute(
        update(working_copy)
        .where(working_copy.c.slug == slug)
        .values(slug=slug)
        .returning(working_copy.c.id, working_copy.c.version)
    ).one_or_none()
    if row is None:
        raise NoWorkingCopy(slug)
    return row.id, row.version + 1


def _touch(connection: Connection, copy_id: int, version: int, by: str, now: datetime) -> None:
    connection.execute(
        update(working_copy)
        .where(working_copy.c.id == copy_id)
        .values(version=version, updated_at=now, updated_by=by)
    )


def keep_source(
    connection: Connection, slug: str, content_hash: str, content: bytes, now: datetime
) -> None:
    """Keep a source edition that a translation was marked as made from."""
    copy_id = _next_version(connection, slug)[0]
    if kept_source(connection, slug, content_hash) is None:
        connection.execute(
            insert(working_source).values(
                copy_id=copy_id, content_hash=content_hash, content=content, marked_at=now
            )
        )


def kept_source(connection: Connection, slug: str, hash_start: str) -> bytes | None:
    """Return the file of a source edition that was kept, by the beginning of its hash."""
    found = connection.execute(
        select(working_source.c.content)
        .join(working_copy, working_copy.c.id == working_source.c.copy_id)
        .where(
            working_copy.c.slug == slug,
            working_source.c.content_hash.startswith(hash_start, autoescape=True),
        )
        .order_by(working_source.c.marked_at.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if found is None else bytes(found)


def _name(actor: Actor) -> str:
    return str(actor)[:LONGEST_NAME]


def _copy(row: Row[*tuple[Any, ...]]) -> WorkingCopy:
    return WorkingCopy(
        row.id, row.slug, row.based_on, row.based_on_number, row.latest_number,
        row.created_at, row.created_by, row.updated_at, row.updated_by,
    )  # fmt: skip


def _file(row: Row[*tuple[Any, ...]]) -> WorkingFile:
    return WorkingFile(row.name, bytes(row.content), row.version, row.saved_at, row.saved_by)
