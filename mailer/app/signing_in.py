"""Sign staff in, know them again, and ask anew who they are before something grave.

In: logins, passwords, codes, tokens of sessions. Out: sessions, or a refusal that is the same, in
words and in time, whatever was wrong. A sign-in computes a hash: call it from a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailer.app.account_keys import AccountKeys, new_token
from mailer.app.passwords import PasswordHashing
from mailer.app.second_factor import matching_step
from mailer.app.workspace import Workspace
from mailer.events import failed
from mailer.keys import WrongSealKey
from mailer.model.audit import AuditAction, Fact
from mailer.model.browsers import UNKNOWN_BROWSER
from mailer.model.sign_in import (
    LOGIN_TRIES,
    NETWORK_TRIES,
    HashingBusy,
    Refusal,
    SignedIn,
    SignInRefused,
    is_login,
)
from mailer.model.staff import BY_ITSELF, Actor, StaffSession, StaffUser
from mailer.store.audit import write_audit
from mailer.store.engine import Connection
from mailer.store.staff import (
    Credentials,
    credentials_of,
    is_recovery_code,
    take_recovery_code,
    take_step,
    write_password,
)
from mailer.store.staff_sessions import (
    SEEN_EVERY,
    Lifetime,
    end_old_sessions,
    end_session,
    forget_tries,
    see_session,
    session_by,
    start_session,
    take_try,
    take_try_back,
)

USER_TABLE = "staff_user"
#: No user has this id: what a login that does not exist is looked up by.
_NOBODY = 0
#: A secret of nobody's, for the time it takes.
_NO_SECRET = "A" * 32
_LONGEST_TOKEN = 100
_LONGEST_BROWSER = 60


@dataclass(frozen=True, repr=False)
class Proof:
    """Password and code were right a moment ago; `SigningIn.accept` makes it count."""

    credentials: Credentials
    #: Of the app's code; None where a recovery code was given.
    step: int | None
    code_digest: bytes
    #: The password hashed anew, at the cost of today; "" where that is the cost it has.
    better_hash: str
    login_digest: bytes
    #: b"" where it is not known.
    network_digest: bytes


class SigningIn:
    """Knows staff by what they type and by what their browser holds."""

    def __init__(self, workspace: Workspace, hashing: PasswordHashing | None = None) -> None:
        """Begin; a process has one of these, or its limits are not held.

        Args:
            workspace: It needs `service.key` only.
            hashing: At another cost, for tests.
        """
        self._workspace = workspace
        self._store = workspace.store
        self._keys = AccountKeys(workspace.service_keys)
        self._hashing = hashing or PasswordHashing()

    @property
    def _lifetime(self) -> Lifetime:
        desk = self._workspace.config.desk
        return Lifetime(timedelta(minutes=desk.idle_minutes), timedelta(hours=desk.session_hours))

    def _now(self) -> datetime:
        return self._workspace.clock.now()

    def sign_in(
        self, login: str, password: str, code: str, network: str = "", browser: str = ""
    ) -> SignedIn | SignInRefused:
        """Sign somebody in, in a session that is new.

        Args:
            login: As it was typed.
            password: As it was typed.
            code: The app's, or a recovery code.
            network: Whence they come, see `mailer.web.public.limits.network_of`; not kept.
            browser: What it is called, see `mailer.model.browsers.browser_of`.
        """
        proof = self.prove(login, password, code, network)
        if isinstance(proof, SignInRefused):
            return proof
        with self._store.write() as connection:
            user = self.accept(connection, proof)
            if user is None:
                return SignInRefused(Refusal.WRONG)
            end_old_sessions(connection, self._lifetime, self._now())
            signed_in = self.start(connection, user, browser)
            self.note(
                connection,
                user.actor,
                AuditAction.SIGNED_IN,
                user.login,
                by="recovery code" if proof.step is None else "app",
            )
            return signed_in

    def reauthenticated(
        self, session: StaffSession, password: str, code: str
    ) -> StaffUser | SignInRefused:
        """Ask somebody who is signed in for password and code once more, as before an export."""
        proof = self.prove(session.user.login, password, code)
        if isinstance(proof, SignInRefused):
            return proof
        with self._store.write() as connection:
            return self.accept(connection, proof) or SignInRefused(Refusal.WRONG)

    def session(self, token: str) -> StaffSession | None:
        """Return the session of a browser's token; None when there is none that still lasts."""
        if not token or len(token) > _LONGEST_TOKEN:
            return None
        now, digest = self._now(), self._keys.session_digest(token)
        with self._store.read() as connection:
            found = session_by(
                connection, digest, self._keys.form_token(token), self._lifetime, now
            )
        if found is not None and found.seen_at <= now - SEEN_EVERY:
            with self._store.write() as connection:
                see_session(connection, found.session_id, now)
        return found

    def sign_out(self, session: StaffSession) -> None:
        """End a session."""
        with self._store.write() as connection:
            user = session.user
            if end_session(connection, user.user_id, session.session_id):
                self.note(connection, user.actor, AuditAction.SIGNED_OUT, user.login)

    def note(
        self, connection: Connection, actor: Actor, action: AuditAction, login: str, **facts: Fact
    ) -> None:
        """Write into the audit log what this transaction does to an account; last in it."""
        write_audit(connection, actor, action, login, self._now(), **facts)

    def prove(
        self, login: str, password: str, code: str, network: str = ""
    ) -> Proof | SignInRefused:
        """Hold what was typed against what is on record, and count the try."""
        try:
            with self._hashing.slot():
                return self._prove(login, password, code, network)
        except HashingBusy as busy:
            return SignInRefused(Refusal.BUSY, busy.retry_after_s)

    def _prove(self, login: str, password: str, code: str, network: str) -> Proof | SignInRefused:
        # Whatever is wrong, all is computed: it takes as long for a login that does not exist.
        now = self._now()
        known = self._login_meant(login)
        by_login = self._keys.login_digest(known)
        by_network = self._keys.network_digest(network) if network else b""
        names: Mapping[bytes, int] = {by_login: LOGIN_TRIES}
        if by_network:
            names = {**names, by_network: NETWORK_TRIES}
        with self._store.write() as connection:
            tried = take_try(connection, names, now)
            if tried.wait:
                return SignInRefused(Refusal.TOO_OFTEN, _whole_seconds(tried.wait))
            found = credentials_of(connection, known)
            user_id = found.user.user_id if found else _NOBODY
            digest = self._keys.code_digest(user_id, code)
            has_recovery_code = is_recovery_code(connection, user_id, digest)
        fits = self._hashing.fits(password, found.password_hash if found else "")
        step = matching_step(self._secret_of(found), code, now)
        may = found is not None and found.user.may_sign_in
        new_step = step if found and step is not None and step > found.totp_step else None
        if not (found and may and fits and (new_step is not None or has_recovery_code)):
            if tried.begins_waiting:
                # What was typed and is no login may be a password: it is written nowhere.
                subject = known if found else "unknown login"
                with self._store.write() as connection:
                    self.note(connection, BY_ITSELF, AuditAction.SIGN_IN_THROTTLED, subject)
            return SignInRefused(Refusal.WRONG, _whole_seconds(tried.wait_after))
        outdated = self._hashing.is_outdated(found.password_hash)
        better = self._hashing.make(password) if outdated else ""
        return Proof(found, new_step, digest, better, by_login, by_network)

    @staticmethod
    def _login_meant(typed: str) -> str:
        """Return the login that was typed; "" for what can be none."""
        login = typed.strip().lower() if typed.isascii() else ""
        return login if is_login(login) else ""

    def _secret_of(self, found: Credentials | None) -> str:
        if found is None or found.totp_box is None:
            return _NO_SECRET
        try:
            return self._keys.open_secret(found.totp_box, USER_TABLE, found.user.user_id)
        except WrongSealKey:
            failed("the second factor of an account does not open", user=found.user.user_id)
            return _NO_SECRET

    def accept(self, connection: Connection, proof: Proof) -> StaffUser | None:
        """Take the code of a proof, for ever; None when it, or the account, no longer holds.

        Args:
            connection: One that may write: what the proof is for happens in the same transaction.
            proof: Of this very moment.
        """
        found, now = proof.credentials, self._now()
        user_id = found.user.user_id
        # Whoever ends all sessions writes this row first, and so waits for us or we for them.
        fresh = credentials_of(connection, found.user.login, lock=True)
        if (
            fresh is None
            or not fresh.user.may_sign_in
            or fresh.user.user_id != user_id
            or (fresh.password_hash, fresh.totp_box) != (found.password_hash, found.totp_box)
        ):
            return None
        if proof.step is None:
            taken = take_recovery_code(connection, user_id, proof.code_digest, now)
        else:
            taken = take_step(connection, user_id, proof.step)
        if not taken:
            return None
        if proof.better_hash:
            write_password(connection, user_id, proof.better_hash)
        forget_tries(connection, proof.login_digest)
        if proof.network_digest:
            take_try_back(connection, proof.network_digest, now)
        return fresh.user

    def start(self, connection: Connection, user: StaffUser, browser: str) -> SignedIn:
        """Write a new session of somebody who has just proved who they are."""
        now, token = self._now(), new_token()
        called = browser[:_LONGEST_BROWSER] or UNKNOWN_BROWSER
        session_id = start_session(
            connection, user.user_id, self._keys.session_digest(token), called, now
        )
        form_token = self._keys.form_token(token)
        return SignedIn(StaffSession(session_id, user, form_token, now, now, called), token)


def _whole_seconds(wait: timedelta) -> int:
    return -int(-wait.total_seconds() // 1)
