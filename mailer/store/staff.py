"""Staff, their invitations and recovery codes.

In: logins, roles, keyed digests, hashes, sealed secrets. Out: `StaffUser`s, and what a sign-in is
held against. What a digest or a box is made of is nothing to this module.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from mailer.model.sign_in import LastAdministrator, LoginTaken, UnknownLogin
from mailer.model.staff import StaffRole, StaffUser
from mailer.store.audience import insert_or_ignore
from mailer.store.tables_staff import (
    staff_invitation,
    staff_recovery_code,
    staff_session,
    staff_user,
)


@dataclass(frozen=True, repr=False)
class Credentials:
    """What somebody's sign-in is held against."""

    user: StaffUser
    password_hash: str
    totp_box: bytes | None
    totp_step: int


@dataclass(frozen=True, repr=False)
class OpenInvitation:
    """An invitation with what was chosen before it is confirmed."""

    invitation_id: int
    user: StaffUser
    expires_at: datetime
    password_hash: str
    totp_box: bytes | None


def user_from(row: Any) -> StaffUser:  # noqa: ANN401  (A row.)
    """Return the user of a row that has the columns of `staff_user`, its id as `user_id`."""
    return StaffUser(
        user_id=row.user_id,
        login=row.login,
        name=row.name,
        roles=frozenset(StaffRole(one) for one in row.roles),
        languages=tuple(row.languages),
        desk_language=row.desk_language,
        disabled_at=row.disabled_at,
        confirmed_at=row.confirmed_at,
    )


#: Columns for `user_from`.
USER_COLUMNS = (
    staff_user.c.id.label("user_id"),
    *(
        staff_user.c[name]
        for name in (
            "login",
            "name",
            "roles",
            "languages",
            "desk_language",
            "disabled_at",
            "confirmed_at",
        )
    ),
)


def add_user(connection: Connection, user: StaffUser, now: datetime) -> StaffUser:
    """Write somebody who is invited, and return them with their id.

    Raises:
        LoginTaken: when there is somebody of this login.
    """
    added = connection.execute(
        insert_or_ignore(connection, staff_user)
        .values(
            login=user.login,
            name=user.name,
            roles=_role_names(user.roles),
            languages=list(user.languages),
            desk_language=user.desk_language,
            made_at=now,
        )
        .returning(staff_user.c.id)
    ).scalar_one_or_none()
    if added is None:
        raise LoginTaken(user.login)
    return user_of(connection, user.login)


def _role_names(roles: Iterable[StaffRole]) -> list[str]:
    return sorted(one.value for one in roles)


def list_users(connection: Connection) -> list[StaffUser]:
    """Return all staff, by login, those shut out included."""
    rows = connection.execute(select(*USER_COLUMNS).order_by(staff_user.c.login))
    return [user_from(row) for row in rows]


def user_of(connection: Connection, login: str) -> StaffUser:
    """Return somebody by their login.

    Raises:
        UnknownLogin: when there is nobody.
    """
    row = connection.execute(select(*USER_COLUMNS).where(staff_user.c.login == login)).one_or_none()
    if row is None:
        raise UnknownLogin(login)
    return user_from(row)


def check_administrator_remains(connection: Connection, without: StaffUser) -> None:
    """See that somebody else who can sign in may manage staff; nobody changes that meanwhile.

    Raises:
        LastAdministrator: when `without` is the only one.
    """
    # On PostgreSQL two who shut each other out at the same time wait for each other here.
    rows = connection.execute(select(*USER_COLUMNS).order_by(staff_user.c.id).with_for_update())
    able = [one for one in map(user_from, rows) if is_acting_administrator(one)]
    if [one.user_id for one in able] == [without.user_id]:
        raise LastAdministrator(without.login)


def is_acting_administrator(user: StaffUser) -> bool:
    """Tell whether somebody can manage staff now."""
    return user.may_sign_in and StaffRole.ADMINISTRATOR in user.roles


def write_rights(
    connection: Connection, user_id: int, roles: Collection[StaffRole], languages: Iterable[str]
) -> None:
    """Write what somebody may do."""
    connection.execute(
        update(staff_user)
        .where(staff_user.c.id == user_id)
        .values(roles=_role_names(roles), languages=list(languages))
    )


def write_desk_language(connection: Connection, user_id: int, language: str) -> None:
    """Write which language somebody reads the desk in; "" for what the browser asks for."""
    connection.execute(
        update(staff_user).where(staff_user.c.id == user_id).values(desk_language=language)
    )


def write_disabled(connection: Connection, user_id: int, disabled_at: datetime | None) -> None:
    """Shut somebody out, or with None let them in again."""
    connection.execute(
        update(staff_user).where(staff_user.c.id == user_id).values(disabled_at=disabled_at)
    )


def credentials_of(connection: Connection, login: str, *, lock: bool = False) -> Credentials | None:
    """Return what a sign-in is held against; None when nobody has this login.

    Args:
        connection: One that may write, where it locks.
        login: Whose.
        lock: Let nobody change them before this transaction ends.
    """
    columns = (staff_user.c.password_hash, staff_user.c.totp_box, staff_user.c.totp_step)
    query = select(*USER_COLUMNS, *columns).where(staff_user.c.login == login)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return None
    return Credentials(user_from(row), row.password_hash, row.totp_box, row.totp_step)


def write_password(connection: Connection, user_id: int, password_hash: str) -> None:
    """Write the hash of somebody's password."""
    connection.execute(
        update(staff_user).where(staff_user.c.id == user_id).values(password_hash=password_hash)
    )


def write_totp(connection: Connection, user_id: int, totp_box: bytes, step: int) -> None:
    """Write somebody's second factor, and the step of the code by which it was confirmed."""
    connection.execute(
        update(staff_user)
        .where(staff_user.c.id == user_id)
        .values(totp_box=totp_box, totp_step=step)
    )


def take_step(connection: Connection, user_id: int, step: int) -> bool:
    """Take the code of a step; False when it, or a later one, was taken before."""
    taken = connection.execute(
        update(staff_user)
        .where(staff_user.c.id == user_id, staff_user.c.totp_step < step)
        .values(totp_step=step)
    )
    return taken.rowcount == 1


def write_recovery_codes(connection: Connection, user_id: int, digests: Iterable[bytes]) -> None:
    """Write somebody's recovery codes in place of all they had."""
    connection.execute(delete(staff_recovery_code).where(staff_recovery_code.c.user_id == user_id))
    rows = [{"user_id": user_id, "code_digest": one} for one in digests]
    connection.execute(insert(staff_recovery_code), rows)


def is_recovery_code(connection: Connection, user_id: int, digest: bytes) -> bool:
    """Tell whether a recovery code is somebody's and was not used."""
    found = connection.execute(select(func.count()).where(*_unused(user_id, digest)))
    return bool(found.scalar_one())


def take_recovery_code(connection: Connection, user_id: int, digest: bytes, now: datetime) -> bool:
    """Use a recovery code; False when it is none, or was used."""
    taken = connection.execute(
        update(staff_recovery_code).where(*_unused(user_id, digest)).values(used_at=now)
    )
    return taken.rowcount == 1


def _unused(user_id: int, digest: bytes) -> tuple[Any, ...]:
    return (
        staff_recovery_code.c.user_id == user_id,
        staff_recovery_code.c.code_digest == digest,
        staff_recovery_code.c.used_at.is_(None),
    )


def count_recovery_codes(connection: Connection, user_id: int) -> int:
    """Return how many recovery codes somebody has left."""
    return int(
        connection.execute(
            select(func.count()).where(
                staff_recovery_code.c.user_id == user_id, staff_recovery_code.c.used_at.is_(None)
            )
        ).scalar_one()
    )


def forget_credentials(connection: Connection, user_id: int) -> None:
    """Make an account as it was before its owner first used their link."""
    connection.execute(delete(staff_recovery_code).where(staff_recovery_code.c.user_id == user_id))
    connection.execute(
        update(staff_user)
        .where(staff_user.c.id == user_id)
        .values(password_hash="", totp_box=None, confirmed_at=None)
    )


def write_invitation(
    connection: Connection, user_id: int, token_digest: bytes, expires_at: datetime
) -> None:
    """Write a link in place of an older one of the same person."""
    drop_invitation(connection, user_id)
    connection.execute(
        insert(staff_invitation).values(
            user_id=user_id, token_digest=token_digest, expires_at=expires_at
        )
    )


def drop_invitation(connection: Connection, user_id: int) -> None:
    """Forget the link of a person, if there is one."""
    connection.execute(delete(staff_invitation).where(staff_invitation.c.user_id == user_id))


def invitation_by(
    connection: Connection, token_digest: bytes, now: datetime
) -> OpenInvitation | None:
    """Return the invitation of a link that works; None for any other."""
    row = connection.execute(
        select(
            *USER_COLUMNS,
            staff_invitation.c.id,
            staff_invitation.c.expires_at,
            staff_invitation.c.password_hash,
            staff_invitation.c.totp_box,
        )
        .join_from(staff_invitation, staff_user)
        .where(
            staff_invitation.c.token_digest == token_digest,
            staff_invitation.c.expires_at > now,
            staff_user.c.disabled_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        return None
    return OpenInvitation(row.id, user_from(row), row.expires_at, row.password_hash, row.totp_box)


def write_choice(
    connection: Connection, invitation_id: int, password_hash: str, totp_box: bytes
) -> None:
    """Write what somebody chose by their link, over what they chose before."""
    connection.execute(
        update(staff_invitation)
        .where(staff_invitation.c.id == invitation_id)
        .values(password_hash=password_hash, totp_box=totp_box)
    )


def use_invitation(
    connection: Connection, invitation: OpenInvitation, totp_box: bytes, step: int, now: datetime
) -> bool:
    """Make an account usable and its link useless; False when somebody did so meanwhile.

    Args:
        connection: One that may write.
        invitation: As it was looked up.
        totp_box: Its second factor, sealed anew for the row of the user.
        step: Of the code by which it was confirmed.
        now: This instant.
    """
    used = connection.execute(
        delete(staff_invitation).where(
            staff_invitation.c.id == invitation.invitation_id,
            # Whoever began again meanwhile has another secret in their app.
            staff_invitation.c.totp_box == invitation.totp_box,
        )
    )
    if used.rowcount != 1:
        return False
    connection.execute(
        update(staff_user)
        .where(staff_user.c.id == invitation.user.user_id)
        .values(
            password_hash=invitation.password_hash,
            totp_box=totp_box,
            totp_step=step,
            confirmed_at=now,
        )
    )
    return True


def forget_openings(connection: Connection) -> None:
    """End every session and link: a copy that is put back may hold some that were ended since."""
    connection.execute(delete(staff_session))
    connection.execute(delete(staff_invitation))
