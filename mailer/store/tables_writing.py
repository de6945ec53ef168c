"""The tables of statements that are being written.

In: `metadata` of `mailer.store.tables`. Out: one `Table` each of it. What stands here is sent to nobody:
only revisions are.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Identity, Integer, LargeBinary, String, Table

from mailer.store.tables import metadata
from mailer.store.types import Id, Instant

#: A statement as its writers have it now; one per statement.
working_copy = Table(
    "working_copy",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("slug", String(120), nullable=False, unique=True),
    #: The revision it was opened from or last saved as; None until it was saved.
    Column("based_on", Id, ForeignKey("revision.id")),
    #: The version that was given last; each change of a file takes the next.
    Column("version", Integer, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    #: In whose name, as the audit log says it: "staff:ana".
    Column("created_by", String(120), nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", String(120), nullable=False),
    sqlite_autoincrement=True,
)

#: A file of it: `statement.toml`, `<language>.md`, or a picture that was encoded anew.
working_file = Table(
    "working_file",
    metadata,
    Column("copy_id", Id, ForeignKey("working_copy.id"), primary_key=True),
    Column("name", String(120), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    Column("saved_at", Instant, nullable=False),
    Column("saved_by", String(120), nullable=False),
)

#: Who is writing an edition, so that two do not at once; "" is `statement.toml`.
edition_lock = Table(
    "edition_lock",
    metadata,
    Column("copy_id", Id, ForeignKey("working_copy.id"), primary_key=True),
    Column("language", String(35), primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("session_id", Id, nullable=False),
    #: As colleagues are shown it.
    Column("held_by", String(120), nullable=False),
    Column("until", Instant, nullable=False),
    #: NULL where it was held before this was kept.
    Column("since", Instant),
)

#: A source edition that a translation was marked as made from, to say later what changed since.
working_source = Table(
    "working_source",
    metadata,
    Column("copy_id", Id, ForeignKey("working_copy.id"), primary_key=True),
    Column("content_hash", String(64), primary_key=True),
    #: The text of its file.
    Column("content", LargeBinary, nullable=False),
    Column("marked_at", Instant, nullable=False),
)
