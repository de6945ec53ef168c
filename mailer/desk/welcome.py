"""Use the link of an invitation: a password, an authenticator app, recovery codes, signed in.

In: the link's token, then forms. Out: an account that can be used. A link that is over, and one that
never was, lead to the same page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.responses import Response

from mailer.desk.ground import Desk
from mailer.desk.proofs import (
    keep_session,
    new_password_problems,
    password_fault,
    setup_again,
    setup_page,
    typed,
    wait_words,
)
from mailer.desk.routes import ANYBODY, Method, Route
from mailer.desk.visit import Visit
from mailer.model.browsers import browser_of
from mailer.model.passwords import PasswordRefused
from mailer.model.sign_in import HashingBusy, Invitation, InvitationGone, WrongCode


class Welcome:
    """The routes of a new account."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        return (
            Route(Method.SEE, "/welcome/{token}", "welcome", self.ask, ANYBODY),
            Route(Method.CHANGE, "/welcome/{token}", "welcome", self.begin, ANYBODY),
            Route(Method.CHANGE, "/welcome/{token}/app", "welcome-app", self.confirm, ANYBODY),
        )

    def ask(self, visit: Visit) -> Response:
        """Ask for a password."""
        invitation = self._desk.accounts.invitation(visit.path["token"])
        return self._over(visit) if invitation is None else self._page(visit, invitation, {})

    def begin(self, visit: Visit) -> Response:
        """Take the password, and show what the authenticator app is given."""
        token = visit.path["token"]
        invitation = self._desk.accounts.invitation(token)
        if invitation is None:
            return self._over(visit)
        problems = new_password_problems(visit)
        if problems:
            return self._page(visit, invitation, problems)
        try:
            setup = self._desk.accounts.begin(token, typed(visit, "new"))
        except InvitationGone:
            return self._over(visit)
        except PasswordRefused as refused:
            return self._page(visit, invitation, {"new": password_fault(visit, refused.fault)})
        except HashingBusy as busy:
            return self._page(visit, invitation, {"new": wait_words(visit, busy.retry_after_s)})
        return setup_page(visit, "welcome_app.html", setup, {}, token_=token)

    def confirm(self, visit: Visit) -> Response:
        """Take the app's first code; then they are signed in, and see their recovery codes."""
        token = visit.path["token"]
        invitation = self._desk.accounts.invitation(token)
        if invitation is None:
            return self._over(visit)
        try:
            welcomed = self._desk.accounts.confirm(
                token,
                visit.form.text("code"),
                browser_of(visit.request.headers.get("user-agent", "")),
            )
        except InvitationGone:
            return self._over(visit)
        except WrongCode:
            setup = setup_again(visit, invitation.login)
            if setup is None:
                return visit.go("welcome", token=token)
            problems = {"code": wrong_code_words(visit)}
            return setup_page(visit, "welcome_app.html", setup, problems, token_=token)
        keep_session(visit, welcomed.signed_in)
        return visit.page(
            "recovery_codes.html",
            codes=welcomed.recovery_codes,
            login=invitation.login,
            is_new=True,
        )

    def _page(self, visit: Visit, invitation: Invitation, problems: Mapping[str, str]) -> Response:
        return visit.page(
            "welcome.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            invitation=invitation,
            until=visit.shown(invitation.expires_at),
            problems=problems,
        )

    def _over(self, visit: Visit) -> Response:
        return visit.page("welcome_over.html", HTTPStatus.NOT_FOUND)


def wrong_code_words(visit: Visit) -> str:
    """Return what is told beside the first code of an app."""
    return visit.say(
        "This is not the code that the app shows now. Wait for the next one. If it is refused as "
        "well, let the telephone set its clock by itself."
    )
