"""Tables of approval: votes, and links for reviewers without an account.

In: nothing. Out: one `Table` each, in the metadata of `mailer.store.tables`.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Identity, Index, String, Table, Text

from mailer.model.approval import Vote
from mailer.model.staff import ActorKind
from mailer.store.tables import metadata
from mailer.store.types import Digest, Enum, Id, Instant

#: Append-only: what somebody said of an edition of a mailing.
approval = Table(
    "approval",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("mailing_id", Id, ForeignKey("mailing.id"), nullable=False),
    #: Of what they were shown, see `mailer.model.approval.approval_digest`.
    Column("digest", String(64), nullable=False),
    Column("language", String(40), nullable=False),
    Column("vote", Enum(Vote), nullable=False),
    Column("comment", Text, nullable=False, server_default=""),
    Column("actor_kind", Enum(ActorKind), nullable=False),
    Column("actor_name", String(80), nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_approval_mailing_id", "mailing_id"),
    sqlite_autoincrement=True,
)

#: A link by which somebody without an account reads one edition of a mailing, and votes on it.
review_link = Table(
    "review_link",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("mailing_id", Id, ForeignKey("mailing.id"), nullable=False),
    #: Of what they are to read: once that is changed the link leads to nothing.
    Column("digest", String(64), nullable=False),
    Column("language", String(40), nullable=False),
    #: What staff call whoever gets it.
    Column("reviewer", String(80), nullable=False),
    #: The token itself is nowhere.
    Column("token_digest", Digest, nullable=False, unique=True),
    Column("made_by", String(80), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    #: When they voted, or staff took it back.
    Column("ended_at", Instant),
    Index("ix_review_link_mailing_id", "mailing_id"),
    sqlite_autoincrement=True,
)
