"""Who may sign in: invite staff, say what they may do, shut them out, and let them mind their own.

In: a workspace; who does it. Out: invitations, sessions, typed errors. All sessions of a person end
when their password, second factor or rights change or they are shut out. One administrator always
remains. A process has one `Accounts`; what hashes a password is called from a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mailer.app.account_keys import new_recovery_codes, new_secret, new_token
from mailer.app.second_factor import matching_step, setup_of
from mailer.app.signing_in import USER_TABLE, SigningIn
from mailer.model.audit import AuditAction
from mailer.model.characters import unwanted_character
from mailer.model.passwords import PasswordRefused, normal_password, password_fault
from mailer.model.sign_in import (
    INVITATION_LASTS,
    AccountDisabled,
    Invitation,
    InvitationGone,
    MalformedAccount,
    Refusal,
    SignedIn,
    SignInRefused,
    TotpSetup,
    Welcomed,
    WrongCode,
    is_login,
)
from mailer.model.staff import Actor, ActorKind, StaffRole, StaffSession, StaffUser
from mailer.model.tags import MalformedTag, parse_tag
from mailer.store import staff as rows
from mailer.store import staff_sessions
from mailer.store.engine import Connection

_INVITATION_TABLE = "staff_invitation"
_SESSION_TABLE = "staff_session"
_LONGEST_NAME = 120


class OwnAccount(SigningIn):
    """What people do about their own account."""

    def invitation(self, token: str) -> Invitation | None:
        """Return the invitation of a link; None when it works no more or never did."""
        with self._store.read() as connection:
            found = self._invitation(connection, token)
        if found is None:
            return None
        return Invitation(found.user.login, found.user.name, found.expires_at)

    def begin(self, token: str, password: str) -> TotpSetup:
        """Choose a password by a link, and get what an authenticator app is given.

        Whoever did not come to `confirm` begins again: with another password, and another secret.

        Raises:
            InvitationGone: when the link works no more.
            PasswordRefused: when the password is not taken.
            HashingBusy: when too many passwords are being looked at.
        """
        with self._store.read() as connection:
            found = self._invitation(connection, token)
        if found is None:
            raise InvitationGone
        self._check_password(password, found.user.login)
        with self._hashing.slot():
            hashed = self._hashing.make(password)
        secret = new_secret()
        with self._store.write() as connection:
            found = self._invitation(connection, token)
            if found is None:
                raise InvitationGone
            number = found.invitation_id
            box = self._keys.seal_secret(secret, _INVITATION_TABLE, number)
            rows.write_choice(connection, number, hashed, box)
        return setup_of(secret, found.user.login, self._workspace.config.workspace.name)

    def confirm(self, token: str, code: str, browser: str = "") -> Welcomed:
        """Make an account usable by a code of its app, and sign its owner in.

        Raises:
            InvitationGone: when the link works no more, or nothing was begun.
            WrongCode: when it is not the code of now.
        """
        now = self._now()
        with self._store.write() as connection:
            found = self._invitation(connection, token)
            if found is None or found.totp_box is None:
                raise InvitationGone
            secret = self._keys.open_secret(found.totp_box, _INVITATION_TABLE, found.invitation_id)
            step = matching_step(secret, code, now)
            if step is None:
                raise WrongCode
            user_id = found.user.user_id
            box = self._keys.seal_secret(secret, USER_TABLE, user_id)
            if not rows.use_invitation(connection, found, box, step, now):
                raise InvitationGone
            staff_sessions.end_sessions(connection, user_id)
            user = rows.user_of(connection, found.user.login)
            codes = self._give_codes(connection, user)
            signed_in = self.start(connection, user, browser)
            self.note(connection, user.actor, AuditAction.PASSWORD_CHANGED, user.login, by="link")
            return Welcomed(codes, signed_in)

    def change_password(
        self, session: StaffSession, old: str, new: str, code: str
    ) -> SignedIn | SignInRefused:
        """Change a password; every session ends, and this browser gets a new one.

        Raises:
            PasswordRefused: when the new one is not taken.
            HashingBusy: when too many passwords are being looked at.
        """
        login = session.user.login
        self._check_password(new, login)
        proof = self.prove(login, old, code)
        if isinstance(proof, SignInRefused):
            return proof
        with self._hashing.slot():
            hashed = self._hashing.make(new)
        with self._store.write() as connection:
            user = self.accept(connection, proof)
            if user is None:
                return SignInRefused(Refusal.WRONG)
            rows.write_password(connection, user.user_id, hashed)
            staff_sessions.end_sessions(connection, user.user_id)
            signed_in = self.start(connection, user, session.browser)
            self.note(connection, user.actor, AuditAction.PASSWORD_CHANGED, login)
            return signed_in

    def new_totp(
        self, session: StaffSession, password: str, code: str
    ) -> TotpSetup | SignInRefused:
        """Begin with another authenticator app; until `confirm_totp` the old one holds."""
        proof = self.prove(session.user.login, password, code)
        if isinstance(proof, SignInRefused):
            return proof
        secret, number = new_secret(), session.session_id
        with self._store.write() as connection:
            if self.accept(connection, proof) is None:
                return SignInRefused(Refusal.WRONG)
            box = self._keys.seal_secret(secret, _SESSION_TABLE, number)
            staff_sessions.write_new_totp(connection, number, box)
        return setup_of(secret, session.user.login, self._workspace.config.workspace.name)

    def confirm_totp(self, session: StaffSession, code: str) -> SignedIn:
        """Take the app that `new_totp` began with; every session ends, this browser gets a new one.

        Raises:
            WrongCode: when it is not the code of now, or nothing was begun in this session.
        """
        user_id = session.user.user_id
        with self._store.write() as connection:
            box = staff_sessions.new_totp_of(connection, session.session_id)
            if box is None:
                raise WrongCode
            secret = self._keys.open_secret(box, _SESSION_TABLE, session.session_id)
            step = matching_step(secret, code, self._now())
            if step is None:
                raise WrongCode
            rows.write_totp(
                connection, user_id, self._keys.seal_secret(secret, USER_TABLE, user_id), step
            )
            staff_sessions.end_sessions(connection, user_id)
            user = session.user
            signed_in = self.start(connection, user, session.browser)
            self.note(connection, user.actor, AuditAction.SECOND_FACTOR_CHANGED, user.login)
            return signed_in

    def new_recovery_codes(
        self, session: StaffSession, password: str, code: str
    ) -> tuple[str, ...] | SignInRefused:
        """Return ten recovery codes in place of those somebody had."""
        proof = self.prove(session.user.login, password, code)
        if isinstance(proof, SignInRefused):
            return proof
        with self._store.write() as connection:
            user = self.accept(connection, proof)
            if user is None:
                return SignInRefused(Refusal.WRONG)
            codes = self._give_codes(connection, user)
            self.note(connection, user.actor, AuditAction.RECOVERY_CODES_CHANGED, user.login)
            return codes

    def recovery_codes_left(self, user: StaffUser) -> int:
        """Return how many recovery codes somebody has left."""
        with self._store.read() as connection:
            return rows.count_recovery_codes(connection, user.user_id)

    def set_desk_language(self, session: StaffSession, language: str) -> None:
        """Write which language somebody reads the desk in; "" for what the browser asks for."""
        (tag,) = _tags((language,)) if language else ("",)
        with self._store.write() as connection:
            rows.write_desk_language(connection, session.user.user_id, tag)

    def end_others(self, session: StaffSession) -> int:
        """End every session of somebody but the one they are in, and return how many there were."""
        user = session.user
        with self._store.write() as connection:
            ended = staff_sessions.end_sessions(connection, user.user_id, but=session.session_id)
            if ended:
                self.note(
                    connection, user.actor, AuditAction.SESSIONS_ENDED, user.login, sessions=ended
                )
            return ended

    def _invitation(self, connection: Connection, token: str) -> rows.OpenInvitation | None:
        digest = self._keys.invitation_digest(token)
        return rows.invitation_by(connection, digest, self._now())

    def _give_codes(self, connection: Connection, user: StaffUser) -> tuple[str, ...]:
        codes = new_recovery_codes()
        digests = [self._keys.code_digest(user.user_id, one) for one in codes]
        rows.write_recovery_codes(connection, user.user_id, digests)
        return codes

    def _check_password(self, password: str, login: str) -> None:
        config = self._workspace.config
        names = {name for one in config.organisations for name in one.name.values()}
        fault = password_fault(normal_password(password), login, (*names, config.workspace.name))
        if fault is not None:
            raise PasswordRefused(fault)


class Accounts(OwnAccount):
    """Everything about accounts: signing in, one's own, and what administrators do."""

    def users(self) -> list[StaffUser]:
        """Return all staff, by login, with those who were invited or shut out."""
        with self._store.read() as connection:
            return rows.list_users(connection)

    def user(self, login: str) -> StaffUser:
        """Return somebody by their login.

        Raises:
            UnknownLogin: when there is nobody.
        """
        with self._store.read() as connection:
            return rows.user_of(connection, login)

    def invite(
        self,
        actor: Actor,
        login: str,
        name: str,
        roles: Collection[StaffRole],
        languages: Iterable[str] = (),
    ) -> Invitation:
        """Make an account, and the link by which its owner makes it usable.

        Raises:
            MalformedAccount: when login, name, roles or languages cannot be.
            LoginTaken: when there is somebody of this login.
        """
        if not is_login(login):
            raise MalformedAccount(
                "login",
                "A login is 2 to 40 of a to z, 0 to 9, dot and hyphen",
                'Choose one like "ana"',
            )
        name = name.strip()
        if not name or len(name) > _LONGEST_NAME or unwanted_character(name):
            raise MalformedAccount(
                "name",
                f"A name is one line of 1 to {_LONGEST_NAME} characters",
                "Write what colleagues call them",
            )
        tags = _rights(roles, languages)
        wanted = StaffUser(0, login, name, frozenset(roles), tags)
        with self._store.write() as connection:
            user = rows.add_user(connection, wanted, self._now())
            invitation = self._invite(connection, user)
            self.note(
                connection,
                actor,
                AuditAction.USER_ADDED,
                login,
                roles=_names_of(roles),
                languages=tags,
            )
            return invitation

    def _invite(self, connection: Connection, user: StaffUser) -> Invitation:
        token, expires_at = new_token(), self._now() + INVITATION_LASTS
        digest = self._keys.invitation_digest(token)
        rows.write_invitation(connection, user.user_id, digest, expires_at)
        return Invitation(user.login, user.name, expires_at, token)

    def welcome_address(self, invitation: Invitation) -> str:
        """Return the link of an invitation that was made just now."""
        return f"{self._workspace.config.desk.address}/desk/welcome/{invitation.token}"

    def set_roles(
        self,
        actor: Actor,
        login: str,
        roles: Collection[StaffRole],
        languages: Iterable[str] = (),
    ) -> None:
        """Say what somebody may do from now on; their sessions end.

        Raises:
            UnknownLogin: when there is nobody of this login.
            MalformedAccount: when roles or languages cannot be.
            LastAdministrator: when nobody else could manage staff.
        """
        tags = _rights(roles, languages)
        with self._store.write() as connection:
            user = rows.user_of(connection, login)
            if StaffRole.ADMINISTRATOR not in roles:
                rows.check_administrator_remains(connection, user)
            rows.write_rights(connection, user.user_id, roles, tags)
            staff_sessions.end_sessions(connection, user.user_id)
            self.note(
                connection,
                actor,
                AuditAction.USER_CHANGED,
                login,
                roles=_names_of(roles),
                before=_names_of(user.roles),
                languages=tags,
            )

    def disable(self, actor: Actor, login: str) -> None:
        """Shut somebody out: their sessions and their link end at once.

        Raises:
            UnknownLogin: when there is nobody of this login.
            LastAdministrator: when nobody else could manage staff.
        """
        with self._store.write() as connection:
            user = rows.user_of(connection, login)
            rows.check_administrator_remains(connection, user)
            rows.write_disabled(connection, user.user_id, user.disabled_at or self._now())
            rows.drop_invitation(connection, user.user_id)
            staff_sessions.end_sessions(connection, user.user_id)
            self.note(connection, actor, AuditAction.USER_DISABLED, login)

    def enable(self, actor: Actor, login: str) -> StaffUser:
        """Let somebody in again; who never used their link needs a new one, see `reset`.

        Raises:
            UnknownLogin: when there is nobody of this login.
        """
        with self._store.write() as connection:
            user = rows.user_of(connection, login)
            rows.write_disabled(connection, user.user_id, None)
            staff_sessions.forget_tries(connection, self._keys.login_digest(login))
            enabled = rows.user_of(connection, login)
            self.note(connection, actor, AuditAction.USER_ENABLED, login)
            return enabled

    def reset(self, actor: Actor, login: str) -> Invitation:
        """Take somebody's password, second factor and sessions away, and return a new link.

        Whoever has the machine may do so to the last administrator, who has lost their telephone.

        Raises:
            UnknownLogin: when there is nobody of this login.
            AccountDisabled: when they are shut out.
            LastAdministrator: when nobody else could manage staff, and it is done at the desk.
        """
        with self._store.write() as connection:
            user = rows.user_of(connection, login)
            if user.disabled_at is not None:
                raise AccountDisabled(login)
            if actor.kind is not ActorKind.TERMINAL:
                rows.check_administrator_remains(connection, user)
            rows.forget_credentials(connection, user.user_id)
            staff_sessions.end_sessions(connection, user.user_id)
            staff_sessions.forget_tries(connection, self._keys.login_digest(login))
            invitation = self._invite(connection, user)
            self.note(connection, actor, AuditAction.PASSWORD_CHANGED, login, by="reset")
            return invitation

    def sessions_of(self, user: StaffUser) -> list[StaffSession]:
        """Return the sessions of somebody that still last, the one seen last first."""
        with self._store.read() as connection:
            return staff_sessions.sessions_of(connection, user.user_id, self._lifetime, self._now())

    def end_session(self, actor: Actor, login: str, session_id: int) -> bool:
        """End one session of somebody; False when they have none of this id.

        Raises:
            UnknownLogin: when there is nobody of this login.
        """
        with self._store.write() as connection:
            user = rows.user_of(connection, login)
            ended = staff_sessions.end_session(connection, user.user_id, session_id)
            if ended:
                self.note(connection, actor, AuditAction.SESSIONS_ENDED, login, sessions=1)
            return ended

    def end_all(self, actor: Actor, login: str) -> int:
        """End all sessions of somebody and return how many there were.

        Raises:
            UnknownLogin: when there is nobody of this login.
        """
        with self._store.write() as connection:
            user = rows.user_of(connection, login)
            ended = staff_sessions.end_sessions(connection, user.user_id)
            if ended:
                self.note(connection, actor, AuditAction.SESSIONS_ENDED, login, sessions=ended)
            return ended


def _names_of(roles: Iterable[StaffRole]) -> list[str]:
    return sorted(one.value for one in roles)


def _rights(roles: Collection[StaffRole], languages: Iterable[str]) -> tuple[str, ...]:
    """Return the canonical tags of languages.

    Raises:
        MalformedAccount: when these roles and languages do not go together.
    """
    tags = _tags(languages)
    if not roles:
        raise MalformedAccount("roles", "Somebody without a role can do nothing", "Name a role")
    if StaffRole.TRANSLATOR in roles and not tags:
        raise MalformedAccount(
            "languages", "A translator writes in the languages that are named", "Name one"
        )
    if StaffRole.TRANSLATOR not in roles and tags:
        raise MalformedAccount(
            "languages", "Only a translator is held to languages", "Leave them out"
        )
    return tags


def _tags(languages: Iterable[str]) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(str(parse_tag(one)) for one in languages))
    except MalformedTag as error:
        raise MalformedAccount(
            "languages", "This is no language tag", 'Write one like "ro" or "sr-Latn"'
        ) from error
