"""The tables of those who may sign in at the desk.

In: nothing. Out: one `Table` each, in `mailer.store.tables.metadata`. No password, secret, code or
token stands here: keyed digests, an argon2id hash, and what `service.key` sealed.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
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
from mailer.store.types import Digest, Document, Id, Instant

#: Of a token or a code, all 32 bytes of HMAC-SHA-256.
_TokenDigest = LargeBinary(32)

#: Somebody who may sign in, or was invited to.
staff_user = Table(
    "staff_user",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("login", String(40), nullable=False, unique=True),
    #: What colleagues read; it need not be a real name.
    Column("name", String(120), nullable=False),
    #: Sorted values of `StaffRole`.
    Column("roles", Document, nullable=False),
    Column("languages", Document, nullable=False),
    Column("desk_language", String(35), nullable=False, server_default=""),
    #: argon2id with its salt and parameters; "" until they chose a password.
    Column("password_hash", Text, nullable=False, server_default=""),
    #: Sealed with a key from `service.key`, never with `seal.key`: hence not of the type `Sealed`.
    Column("totp_box", LargeBinary),
    #: The last half minute whose code was taken, counted from 1970: none is taken twice.
    Column("totp_step", BigInteger, nullable=False, server_default="0"),
    Column("made_at", Instant, nullable=False),
    #: Since when the account is usable; None while it is not.
    Column("confirmed_at", Instant),
    Column("disabled_at", Instant),
    sqlite_autoincrement=True,
)

#: A browser in which somebody is signed in.
staff_session = Table(
    "staff_session",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("user_id", Id, ForeignKey("staff_user.id"), nullable=False),
    Column("token_digest", _TokenDigest, nullable=False, unique=True),
    Column("started_at", Instant, nullable=False),
    #: To the minute.
    Column("seen_at", Instant, nullable=False),
    Column("browser", String(60), nullable=False, server_default=""),
    #: The secret of a new second factor that was not confirmed yet.
    Column("totp_box", LargeBinary),
    Index("ix_staff_session_user_id", "user_id"),
    sqlite_autoincrement=True,
)

#: What takes the place of a code, once.
staff_recovery_code = Table(
    "staff_recovery_code",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("user_id", Id, ForeignKey("staff_user.id"), nullable=False),
    Column("code_digest", _TokenDigest, nullable=False),
    Column("used_at", Instant),
    UniqueConstraint("user_id", "code_digest"),
    sqlite_autoincrement=True,
)

#: A link by which somebody chooses a password; with what they have chosen before they confirmed.
staff_invitation = Table(
    "staff_invitation",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    #: Whoever gets a new link has no older one.
    Column("user_id", Id, ForeignKey("staff_user.id"), nullable=False, unique=True),
    Column("token_digest", _TokenDigest, nullable=False, unique=True),
    Column("expires_at", Instant, nullable=False),
    Column("password_hash", Text, nullable=False, server_default=""),
    Column("totp_box", LargeBinary),
    sqlite_autoincrement=True,
)

#: Tries to sign in that led nowhere, by login and by network.
sign_in_try = Table(
    "sign_in_try",
    metadata,
    #: Keyed. Of a network with a key that dies with the process: nobody can tell whose it was.
    Column("name_digest", Digest, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("last_at", Instant, nullable=False),
    #: Before that no try is looked at.
    Column("next_at", Instant, nullable=False),
    Index("ix_sign_in_try_last_at", "last_at"),
)
