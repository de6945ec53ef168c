"""Sessions at the desk, and the tries to get one.

In: keyed digests of tokens, logins and networks. Out: sessions, and how long somebody must wait. A
try is counted before the password is looked at, so that a hundred at once are a hundred.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, case, delete, insert, or_, select, update

from mailer.model.sign_in import TRIES_FORGOTTEN_AFTER, wait_after
from mailer.model.staff import StaffSession
from mailer.store.audience import insert_or_ignore
from mailer.store.staff import USER_COLUMNS, user_from
from mailer.store.tables_staff import sign_in_try, staff_session, staff_user

#: `seen_at` is as coarse as this, so that a page costs no write.
SEEN_EVERY = timedelta(minutes=1)
#: Old tries that one new one clears away.
_FORGOTTEN_AT_ONCE = 50


@dataclass(frozen=True)
class Lifetime:
    """How long a session lasts: the setting `[desk]`."""

    idle: timedelta
    whole: timedelta


@dataclass(frozen=True)
class Try:
    """What came of counting a try."""

    #: How long nothing may be tried; nothing was counted then.
    wait: timedelta
    #: How long nothing may be tried after this one, should it lead nowhere.
    wait_after: timedelta = timedelta()
    #: Whether that is the first wait after tries that cost none.
    begins_waiting: bool = False


def take_try(connection: Connection, names: Mapping[bytes, int], now: datetime) -> Try:
    """Count a try for each of its names, unless one of them has to wait.

    Args:
        connection: One that may write.
        names: Digest of a login or network → tries that cost it no wait.
        now: This instant.
    """
    _forget_old_tries(connection, now)
    # In one order, so that on PostgreSQL no two tries wait for each other.
    for name in sorted(names):
        connection.execute(
            insert_or_ignore(connection, sign_in_try).values(
                name_digest=name, tries=0, last_at=now, next_at=now
            )
        )
    rows = connection.execute(
        select(sign_in_try)
        .where(sign_in_try.c.name_digest.in_(names))
        .order_by(sign_in_try.c.name_digest)
        .with_for_update()
    ).all()
    wait = max((row.next_at - now for row in rows), default=timedelta())
    if wait > timedelta():
        return Try(wait)
    longest, begins = timedelta(), False
    for row in rows:
        stale = row.last_at < now - TRIES_FORGOTTEN_AFTER
        tries = 1 if stale else row.tries + 1
        after = wait_after(tries, names[row.name_digest])
        longest = max(longest, after)
        begins = begins or tries == names[row.name_digest]
        connection.execute(
            update(sign_in_try)
            .where(sign_in_try.c.name_digest == row.name_digest)
            .values(tries=tries, last_at=now, next_at=now + after)
        )
    return Try(timedelta(), longest, begins)


def _forget_old_tries(connection: Connection, now: datetime) -> None:
    old = (
        select(sign_in_try.c.name_digest)
        .where(sign_in_try.c.last_at < now - TRIES_FORGOTTEN_AFTER)
        .limit(_FORGOTTEN_AT_ONCE)
    )
    connection.execute(delete(sign_in_try).where(sign_in_try.c.name_digest.in_(old)))


def forget_tries(connection: Connection, name_digest: bytes) -> None:
    """Let a login try as if it never had."""
    connection.execute(delete(sign_in_try).where(sign_in_try.c.name_digest == name_digest))


def take_try_back(connection: Connection, name_digest: bytes, now: datetime) -> None:
    """Uncount one try of a network, since it led somewhere; the others of that network stand."""
    fewer = case((sign_in_try.c.tries > 0, sign_in_try.c.tries - 1), else_=0)
    connection.execute(
        update(sign_in_try)
        .where(sign_in_try.c.name_digest == name_digest)
        .values(tries=fewer, next_at=now)
    )


def start_session(
    connection: Connection, user_id: int, token_digest: bytes, browser: str, now: datetime
) -> int:
    """Write a session and return its id."""
    row = connection.execute(
        insert(staff_session)
        .values(
            user_id=user_id,
            token_digest=token_digest,
            started_at=now,
            seen_at=now,
            browser=browser,
        )
        .returning(staff_session.c.id)
    )
    return int(row.scalar_one())


_SESSION_COLUMNS = (
    staff_session.c.id,
    staff_session.c.started_at,
    staff_session.c.seen_at,
    staff_session.c.browser,
)


def _open(lifetime: Lifetime, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        staff_session.c.started_at > now - lifetime.whole,
        staff_session.c.seen_at > now - lifetime.idle,
        staff_user.c.disabled_at.is_(None),
        staff_user.c.confirmed_at.is_not(None),
    )


def session_by(
    connection: Connection, token_digest: bytes, form_token: str, lifetime: Lifetime, now: datetime
) -> StaffSession | None:
    """Return the session of a token; None when there is none that still lasts."""
    row = connection.execute(
        select(*USER_COLUMNS, *_SESSION_COLUMNS)
        .join_from(staff_session, staff_user)
        .where(staff_session.c.token_digest == token_digest, *_open(lifetime, now))
    ).one_or_none()
    if row is None:
        return None
    return StaffSession(
        row.id, user_from(row), form_token, row.started_at, row.seen_at, row.browser
    )


def sessions_of(
    connection: Connection, user_id: int, lifetime: Lifetime, now: datetime
) -> list[StaffSession]:
    """Return the sessions of somebody that still last, the one seen last first."""
    rows = connection.execute(
        select(*USER_COLUMNS, *_SESSION_COLUMNS)
        .join_from(staff_session, staff_user)
        .where(staff_session.c.user_id == user_id, *_open(lifetime, now))
        .order_by(staff_session.c.seen_at.desc(), staff_session.c.id.desc())
    )
    return [
        StaffSession(row.id, user_from(row), "", row.started_at, row.seen_at, row.browser)
        for row in rows
    ]


def see_session(connection: Connection, session_id: int, now: datetime) -> None:
    """Note that a session was used, unless that was noted within the minute."""
    connection.execute(
        update(staff_session)
        .where(staff_session.c.id == session_id, staff_session.c.seen_at <= now - SEEN_EVERY)
        .values(seen_at=now)
    )


def end_session(connection: Connection, user_id: int, session_id: int) -> bool:
    """End a session of somebody; False when they have none of this id."""
    ended = connection.execute(
        delete(staff_session).where(
            staff_session.c.id == session_id, staff_session.c.user_id == user_id
        )
    )
    return ended.rowcount == 1


def end_sessions(connection: Connection, user_id: int, but: int | None = None) -> int:
    """End every session of somebody, or every one but this, and return how many there were."""
    query = delete(staff_session).where(staff_session.c.user_id == user_id)
    if but is not None:
        query = query.where(staff_session.c.id != but)
    return connection.execute(query).rowcount


def end_old_sessions(connection: Connection, lifetime: Lifetime, now: datetime) -> None:
    """Forget the sessions that no longer last."""
    connection.execute(
        delete(staff_session).where(
            or_(
                staff_session.c.started_at <= now - lifetime.whole,
                staff_session.c.seen_at <= now - lifetime.idle,
            )
        )
    )


def write_new_totp(connection: Connection, session_id: int, totp_box: bytes | None) -> None:
    """Keep the secret of a new second factor until it is confirmed in the same session."""
    connection.execute(
        update(staff_session).where(staff_session.c.id == session_id).values(totp_box=totp_box)
    )


def new_totp_of(connection: Connection, session_id: int) -> bytes | None:
    """Return the secret of a new second factor that waits to be confirmed."""
    return connection.execute(
        select(staff_session.c.totp_box).where(staff_session.c.id == session_id)
    ).scalar_one_or_none()
