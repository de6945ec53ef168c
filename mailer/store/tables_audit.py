"""The tables of the audit log.

In: `metadata` of `mailer.store.tables`. Out: two more tables of it.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table, Text

from mailer.store.tables import metadata
from mailer.store.types import Id, Instant

#: What was done; append-only, and each entry holds the digest of the one before.
audit_entry = Table(
    "audit_entry",
    metadata,
    #: 1, 2, 3, without a gap, taken from `audit_head`.
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    #: Words of `ActorKind` and `AuditAction`, as text: what was tampered with is still read.
    Column("actor_kind", String(20), nullable=False),
    Column("actor_name", String(80), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(200), nullable=False),
    #: JSON, as text: the digest is over these very characters.
    Column("facts", Text, nullable=False),
    #: Both in hex.
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Index("ix_audit_entry_subject", "subject", "id"),
    Index("ix_audit_entry_actor_name", "actor_name", "id"),
)

#: One row: how many entries there are and the digest of the last. Whoever writes one locks it.
audit_head = Table(
    "audit_head",
    metadata,
    Column("chain", String(20), primary_key=True),
    Column("entries", Id, nullable=False),
    Column("digest", String(64), nullable=False),
)
