"""The tables of the API: tokens of other programs, and what was asked for under a key.

In: `metadata` of `mailer.store.tables`. Out: two more tables of it. Neither a token nor the key of a
request stands here: keyed digests of them.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from mailer.store.tables import metadata
from mailer.store.types import Document, Id, Instant

#: All 32 bytes of HMAC-SHA-256.
_LongDigest = LargeBinary(32)

#: A token by which another program may do something; never deleted, since the audit log names it.
api_token = Table(
    "api_token",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("name", String(40), nullable=False, unique=True),
    #: Sorted values of `Purpose`.
    Column("purposes", Document, nullable=False),
    Column("token_digest", _LongDigest, nullable=False, unique=True),
    Column("made_by", String(100), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    #: To the hour.
    Column("last_used_at", Instant),
    Column("revoked_at", Instant),
    sqlite_autoincrement=True,
)

#: A request that came with an Idempotency-Key; it is forgotten after a day.
api_request = Table(
    "api_request",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("token_id", Id, ForeignKey("api_token.id"), nullable=False),
    Column("key_digest", _LongDigest, nullable=False),
    #: Of method, path and body.
    Column("request_digest", _LongDigest, nullable=False),
    Column("begun_at", Instant, nullable=False),
    #: None while it is being answered, and for good where the process died of it.
    Column("status", Integer),
    #: JSON; None where it holds something of a person, which is not kept: what only reads is done again.
    Column("answer", Text),
    UniqueConstraint("token_id", "key_digest"),
    Index("ix_api_request_begun_at", "begun_at"),
    sqlite_autoincrement=True,
)
