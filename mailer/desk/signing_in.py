"""Sign in and out.

In: login name, password and code, all at once. Out: a session in a cookie, or one and the same refusal
whatever was wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from starlette.responses import RedirectResponse, Response

from mailer.desk.ground import PREFIX, Desk
from mailer.desk.proofs import keep_session, refusal_words, typed
from mailer.desk.routes import ALL_STAFF, ANYBODY, Method, Route
from mailer.desk.visit import Visit
from mailer.model.browsers import browser_of
from mailer.model.sign_in import Refusal, SignInRefused
from mailer.web.public.limits import network_of


class SigningIn:
    """The routes of signing in and out."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        return (
            Route(Method.SEE, "/sign-in", "sign-in", self.ask, ANYBODY),
            Route(Method.CHANGE, "/sign-in", "sign-in", self.sign_in, ANYBODY),
            Route(Method.CHANGE, "/sign-out", "sign-out", self.sign_out, ALL_STAFF),
        )

    def ask(self, visit: Visit) -> Response:
        """Show the form."""
        if visit.session is not None:
            return visit.go("home")
        return self._page(visit, to=visit.query("to"))

    def sign_in(self, visit: Visit) -> Response:
        """Begin a session, under a new token whatever the browser had before."""
        form = visit.form
        outcome = self._desk.accounts.sign_in(
            form.text("login"),
            typed(visit, "password"),
            form.text("code"),
            network_of(visit.request),
            browser_of(visit.request.headers.get("user-agent", "")),
        )
        if isinstance(outcome, SignInRefused):
            return self._refused(visit, outcome)
        keep_session(visit, outcome)
        return RedirectResponse(self._inside(form.text("to")), HTTPStatus.SEE_OTHER)

    def _refused(self, visit: Visit, refused: SignInRefused) -> Response:
        wrong = refused.reason is Refusal.WRONG
        status = HTTPStatus.FORBIDDEN if wrong else HTTPStatus.TOO_MANY_REQUESTS
        problem = refusal_words(
            visit,
            refused,
            visit.say(
                "Login name, password and code do not belong together. A code works once, and for "
                "half a minute."
            ),
        )
        answer = self._page(visit, status, {"login": problem}, visit.form.text("to"))
        if refused.retry_after_s:
            answer.headers["Retry-After"] = str(refused.retry_after_s)
        return answer

    def _page(
        self,
        visit: Visit,
        status: HTTPStatus = HTTPStatus.OK,
        problems: dict[str, str] | None = None,
        to: str = "",
    ) -> Response:
        return visit.page(
            "sign_in.html",
            status,
            problems=problems or {},
            login=visit.form.text("login"),
            to=to if self._is_inside(to) else "",
        )

    def _is_inside(self, address: str) -> bool:
        """Tell whether an address is a path of the desk, and nothing that leads elsewhere."""
        inside = f"{self._desk.folder}{PREFIX}"
        return (
            (address == inside or address.startswith((f"{inside}/", f"{inside}?")))
            and address.isascii()
            and address.isprintable()
            and "\\" not in address
            and "/../" not in f"{address}/"
        )

    def _inside(self, address: str) -> str:
        return address if self._is_inside(address) else self._desk.path_to("home")

    def sign_out(self, visit: Visit) -> Response:
        """End the session, here and in the database."""
        if visit.session is not None:
            self._desk.accounts.sign_out(visit.session)
        visit.cookies[visit.session_cookie] = ""
        return visit.go("sign-in", said="signed-out")
