"""One's own account: password, authenticator app, recovery codes, sessions, the desk's language.

In: forms of whoever is signed in. Out: changes to their own account and to no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.responses import Response

from mailer.desk.ground import Desk
from mailer.desk.phrases import LANGUAGES
from mailer.desk.proofs import (
    keep_session,
    new_password_problems,
    not_proved,
    password_fault,
    setup_again,
    setup_page,
    typed,
    wait_words,
)
from mailer.desk.routes import ALL_STAFF, Method, Route
from mailer.desk.visit import Visit
from mailer.desk.welcome import wrong_code_words
from mailer.desk.words import role
from mailer.model.browsers import UNKNOWN_BROWSER
from mailer.model.passwords import PasswordRefused
from mailer.model.sign_in import HashingBusy, SignInRefused, WrongCode
from mailer.model.staff import StaffRole, StaffSession, StaffUser
from mailer.statements.languages import language_name


class OwnAccount:
    """The routes of one's own account."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        see, change, at = Method.SEE, Method.CHANGE, "/account"
        return (
            Route(see, at, "account", self.show, ALL_STAFF),
            Route(change, f"{at}/language", "own-language", self.set_language, ALL_STAFF),
            Route(see, f"{at}/password", "own-password", self.ask_password, ALL_STAFF),
            Route(change, f"{at}/password", "own-password", self.change_password, ALL_STAFF),
            Route(see, f"{at}/app", "own-app", self.ask_app, ALL_STAFF),
            Route(change, f"{at}/app", "own-app", self.begin_app, ALL_STAFF),
            Route(change, f"{at}/app/confirm", "own-app-code", self.confirm_app, ALL_STAFF),
            Route(see, f"{at}/codes", "own-codes", self.ask_codes, ALL_STAFF),
            Route(change, f"{at}/codes", "own-codes", self.new_codes, ALL_STAFF),
            Route(change, f"{at}/sessions/end", "end-own-others", self.end_others, ALL_STAFF),
            Route(
                change,
                f"{at}/sessions/{{session}}/end",
                "end-own-session",
                self.end_session,
                ALL_STAFF,
            ),
        )

    def show(self, visit: Visit) -> Response:
        """Show the account."""
        accounts, user, session = self._desk.accounts, visit.user, session_of(visit)
        return visit.page(
            "account.html",
            roles=roles_of(visit, user),
            languages=languages_of(visit, user),
            codes_left=accounts.recovery_codes_left(user),
            desk_languages=[("", visit.say("As the browser asks for"))]
            + [(one, language_name(one, one).capitalize()) for one in LANGUAGES],
            sessions=[
                session_line(visit, one, session.session_id) for one in accounts.sessions_of(user)
            ],
        )

    def set_language(self, visit: Visit) -> Response:
        """Say what the desk speaks to them."""
        language = visit.form.text("language")
        if language in (*LANGUAGES, ""):
            self._desk.accounts.set_desk_language(session_of(visit), language)
        return visit.go("account", said="saved")

    def ask_password(self, visit: Visit) -> Response:
        """Show the form of a new password."""
        return _form(visit, "account_password.html", {})

    def change_password(self, visit: Visit) -> Response:
        """Take a new password in place of the old one."""
        problems = new_password_problems(visit)
        if problems:
            return _form(visit, "account_password.html", problems)
        try:
            outcome = self._desk.accounts.change_password(
                session_of(visit),
                typed(visit, "password"),
                typed(visit, "new"),
                visit.form.text("code"),
            )
        except PasswordRefused as refused:
            problems = {"new": password_fault(visit, refused.fault)}
        except HashingBusy as busy:
            problems = {"new": wait_words(visit, busy.retry_after_s)}
        else:
            if not isinstance(outcome, SignInRefused):
                keep_session(visit, outcome)
                return visit.go("account", said="password-changed")
            problems = not_proved(visit, outcome)
        return _form(visit, "account_password.html", problems)

    def ask_app(self, visit: Visit) -> Response:
        """Ask who it is before another app is set up."""
        return _form(visit, "account_app.html", {})

    def begin_app(self, visit: Visit) -> Response:
        """Show what another authenticator app is given; the old one holds for now."""
        outcome = self._desk.accounts.new_totp(
            session_of(visit), typed(visit, "password"), visit.form.text("code")
        )
        if isinstance(outcome, SignInRefused):
            return _form(visit, "account_app.html", not_proved(visit, outcome))
        return setup_page(visit, "account_app_new.html", outcome, {})

    def confirm_app(self, visit: Visit) -> Response:
        """Take the new app by a code of it."""
        try:
            signed_in = self._desk.accounts.confirm_totp(session_of(visit), visit.form.text("code"))
        except WrongCode:
            setup = setup_again(visit, visit.user.login)
            if setup is None:
                return visit.go("own-app")
            problems = {"code": wrong_code_words(visit)}
            return setup_page(visit, "account_app_new.html", setup, problems)
        keep_session(visit, signed_in)
        return visit.go("account", said="app-changed")

    def ask_codes(self, visit: Visit) -> Response:
        """Ask who it is before there are new recovery codes."""
        return _form(visit, "account_codes.html", {})

    def new_codes(self, visit: Visit) -> Response:
        """Show new recovery codes, this once; the old ones are good for nothing now."""
        outcome = self._desk.accounts.new_recovery_codes(
            session_of(visit), typed(visit, "password"), visit.form.text("code")
        )
        if isinstance(outcome, SignInRefused):
            return _form(visit, "account_codes.html", not_proved(visit, outcome))
        return visit.page(
            "recovery_codes.html", codes=outcome, login=visit.user.login, is_new=False
        )

    def end_session(self, visit: Visit) -> Response:
        """End one session of theirs, in another browser or in this one."""
        number = visit.path["session"]
        if not number.isdecimal():
            raise visit.not_found()
        if int(number) == session_of(visit).session_id:
            self._desk.accounts.sign_out(session_of(visit))
            visit.cookies[visit.session_cookie] = ""
            return visit.go("sign-in", said="signed-out")
        self._desk.accounts.end_session(visit.actor, visit.user.login, int(number))
        return visit.go("account", said="session-ended", place="sessions")

    def end_others(self, visit: Visit) -> Response:
        """End every session of theirs but this one."""
        self._desk.accounts.end_others(session_of(visit))
        return visit.go("account", said="sessions-ended", place="sessions")


def session_of(visit: Visit) -> StaffSession:
    """Return the session of a visit where there must be one."""
    if visit.session is None:
        raise visit.forbidden()
    return visit.session


def session_line(visit: Visit, one: StaffSession, this: int = 0) -> dict[str, object]:
    """Return what a list of sessions says of one."""
    return {
        "id": one.session_id,
        "browser": visit.say("Unknown browser") if one.browser == UNKNOWN_BROWSER else one.browser,
        "since": visit.shown(one.started_at),
        "seen": visit.shown(one.seen_at),
        "here": one.session_id == this,
    }


def roles_of(visit: Visit, user: StaffUser) -> str:
    """Return what somebody's roles are called, in the order in which they are told of."""
    return ", ".join(role(visit, one) for one in StaffRole if one in user.roles)


def languages_of(visit: Visit, user: StaffUser) -> str:
    """Return the languages that a translator writes in, by name."""
    return ", ".join(language_name(one, visit.language) for one in user.languages)


def _form(visit: Visit, template: str, problems: Mapping[str, str]) -> Response:
    return visit.page(
        template,
        HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
        problems=problems,
    )
