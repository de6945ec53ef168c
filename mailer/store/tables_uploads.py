"""Tables of files of people that staff uploaded at the desk.

In: nothing. Out: a `Table` each, in the one `metadata`. Nothing of a file stands in clear, its name
included; it is gone once it was imported, and a day later in any case.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from mailer.model.uploads import UploadState
from mailer.store.tables import metadata
from mailer.store.types import Document, Enum, Id, Instant, Sealed

import_upload = Table(
    "import_upload",
    metadata,
    #: From `id_sequence`: its name is sealed before the row is written.
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("list_key", String(80), nullable=False),
    Column("name_sealed", Sealed, nullable=False),
    #: Who uploaded it: "staff:ana".
    Column("uploaded_by", String(100), nullable=False),
    Column("uploaded_at", Instant, nullable=False),
    Column("state", Enum(UploadState), nullable=False),
    #: What it was found to be.
    Column("encoding", String(40), nullable=False),
    Column("separator", String(1), nullable=False),
    Column("lines", Integer, nullable=False),
    #: What each column is, as a person chose; None while nobody has.
    Column("targets", Document),
    #: Lines that are read, while it is being read.
    Column("done", Integer, nullable=False, server_default="0"),
    #: When whoever reads it last said so.
    Column("moved_at", Instant, nullable=False),
    #: Counts and reasons of the dry run or the import; nothing of anybody.
    Column("result", Document),
    #: The import, once it is done.
    Column("batch_id", Id),
    Index("ix_import_upload_uploaded_at", "uploaded_at"),
)

import_upload_chunk = Table(
    "import_upload_chunk",
    metadata,
    Column("upload_id", Id, ForeignKey("import_upload.id"), primary_key=True),
    #: Counted from 0.
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column(
        "content_sealed",
        Sealed,
        nullable=False,
        info={"bound_as": "content_sealed.{number}", "bound_to": "upload_id"},
    ),
)
