"""Uploaded files of people: keep them sealed, a chunk a row, and delete them in time.

In: sealed bytes, and what is known of a file. Out: rows. What is sealed is opened and sealed by who
holds the key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from mailer.model.uploads import READING_LOST, UploadState
from mailer.store.tables_uploads import import_upload, import_upload_chunk


def write_upload(connection: Connection, columns: Mapping[str, object]) -> None:
    """Write what is known of a file; its id was taken before."""
    connection.execute(import_upload.insert().values(**columns))


def write_chunks(
    connection: Connection, upload_id: int, first: int, sealed: Sequence[bytes]
) -> None:
    """Write some of the chunks of a file, the first of them with this number."""
    connection.execute(
        import_upload_chunk.insert(),
        [
            {"upload_id": upload_id, "number": first + place, "content_sealed": one}
            for place, one in enumerate(sealed)
        ],
    )


def read_chunk(connection: Connection, upload_id: int, number: int) -> bytes | None:
    """Return a chunk of a file; None behind the last."""
    query = select(import_upload_chunk.c.content_sealed).where(
        import_upload_chunk.c.upload_id == upload_id, import_upload_chunk.c.number == number
    )
    found: bytes | None = connection.execute(query).scalar_one_or_none()
    return found


def find_upload(connection: Connection, upload_id: int) -> Any:  # noqa: ANN401  (A row.)
    """Return what is known of a file; None where there is none of that id."""
    query = select(import_upload).where(import_upload.c.id == upload_id)
    return connection.execute(query).one_or_none()


def uploads_of(connection: Connection, limit: int) -> Sequence[Any]:
    """Return what is known of the files there are, the latest first."""
    query = select(import_upload).order_by(import_upload.c.id.desc()).limit(limit)
    return connection.execute(query).all()


def change_upload(
    connection: Connection, upload_id: int, states: Collection[UploadState], **values: object
) -> bool:
    """Change what is known of a file that is in one of these states; tell whether it was."""
    changed = connection.execute(
        update(import_upload)
        .where(import_upload.c.id == upload_id, import_upload.c.state.in_(list(states)))
        .values(**values)
    )
    return bool(changed.rowcount)


def claim_upload(
    connection: Connection,
    upload_id: int,
    states: Collection[UploadState],
    state: UploadState,
    now: datetime,
) -> bool:
    """Begin to read a file, unless somebody does; tell whether we do.

    Whoever said nothing for long is gone, and what they had begun is begun anew.
    """
    lost = import_upload.c.state.in_([UploadState.CHECKING, UploadState.IMPORTING]) & (
        import_upload.c.moved_at < now - READING_LOST
    )
    claimed = connection.execute(
        update(import_upload)
        .where(
            import_upload.c.id == upload_id,
            or_(import_upload.c.state.in_(list(states)), lost),
        )
        .values(state=state, moved_at=now, done=0)
    )
    return bool(claimed.rowcount)


def drop_chunks(connection: Connection, upload_id: int, limit: int) -> int:
    """Delete some of the chunks of a file; return how many."""
    some = (
        select(import_upload_chunk.c.number)
        .where(import_upload_chunk.c.upload_id == upload_id)
        .limit(limit)
    )
    numbers = list(connection.execute(some).scalars())
    connection.execute(
        delete(import_upload_chunk).where(
            import_upload_chunk.c.upload_id == upload_id,
            import_upload_chunk.c.number.in_(numbers),
        )
    )
    return len(numbers)


def drop_upload(connection: Connection, upload_id: int) -> bool:
    """Delete what is known of a file that has no chunks any more; tell whether it was there."""
    gone = connection.execute(delete(import_upload).where(import_upload.c.id == upload_id))
    return bool(gone.rowcount)


def forget_uploads(connection: Connection, before: datetime, limit: int) -> int:
    """Delete files that were uploaded before, some at a time; return how many rows went."""
    query = (
        select(import_upload.c.id)
        .where(import_upload.c.uploaded_at < before)
        .order_by(import_upload.c.id)
        .limit(1)
    )
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        return 0
    gone = drop_chunks(connection, found, limit)
    return gone or int(drop_upload(connection, found))
