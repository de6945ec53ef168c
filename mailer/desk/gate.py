"""Stand before every address of the desk: who is it, did our own page send this form, may they.

In: a request and the route it is for. Out: what the route's area answers, or a refusal. The order is
fixed: session, form, origin and token, role. Cookies are set here alone. Standards: RFC 6265 (and
`__Host-` of its revision), RFC 6454 (Origin), RFC 9110.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mailer.desk.forms import LARGEST_FORM, LARGEST_FORM_OF_ANYBODY, Form, read_form
from mailer.desk.ground import Desk
from mailer.desk.routes import Method, Route
from mailer.desk.visit import Visit
from mailer.model.staff import StaffSession
from mailer.web.public.forms import FormRefused
from mailer.web.public.ground import InThreads

#: Field of every form.
TOKEN_FIELD = "form_token"  # noqa: S105  (The field's name.)
#: Where a small program sends what it sends by itself; a form of another site cannot set it.
TOKEN_HEADER = "x-form-token"  # noqa: S105
#: Where an address is a secret. "no-referrer" would make browsers say Origin: null of our own forms.
ADDRESS_KEPT = "strict-origin"
#: So many visits are answered at once; the others wait in line.
_AT_ONCE = 8


class Gate:
    """Lets visits through to their routes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._threads = InThreads(_AT_ONCE)
        self.session_cookie = desk.cookie("desk-session")
        self.form_cookie = desk.cookie("desk-form")

    def endpoint(self, route: Route) -> Callable[[Request], object]:
        """Return what answers a route's requests."""

        async def answer(request: Request) -> Response:
            return await self._answer(route, request)

        return answer

    async def _answer(self, route: Route, request: Request) -> Response:
        token = request.cookies.get(self.session_cookie, "")
        session = (
            await self._threads.run(lambda: self._desk.accounts.session(token)) if token else None
        )
        visit = self.visit(request, route.name, session)
        if session is None and route.roles:
            return self._to_sign_in(visit, route)
        if route.method is Method.CHANGE:
            form = await self._form(request, route)
            self._check_sender(request, visit, form)
            visit = self.visit(request, route.name, session, form)
        if route.roles and session is not None and session.user.roles.isdisjoint(route.roles):
            raise visit.forbidden()
        answer = await self._threads.run(lambda: route.answer(visit))
        if "{token}" in route.path:
            # The address is a secret: not even our own proxy's log is to read it beside a style.
            answer.headers["Referrer-Policy"] = ADDRESS_KEPT
        return self._with_cookies(visit, answer)

    def visit(
        self,
        request: Request,
        route: str,
        session: StaffSession | None = None,
        form: Form | None = None,
    ) -> Visit:
        """Return the visit that a request is."""
        cookies: dict[str, str] = {}
        if session is not None:
            form_token = session.form_token
        else:
            # Whoever is not signed in yet has a token, too: nobody signs others in as themselves.
            secret = request.cookies.get(self.form_cookie, "")
            if len(secret) < 32:
                secret = secrets.token_urlsafe(32)
                cookies[self.form_cookie] = secret
            form_token = hmac.digest(secret.encode(), b"form", sha256).hex()
        language = self._desk.pages.language_for(request, session)
        return Visit(
            self._desk, request, route, session, language, form_token, form or Form(), cookies
        )

    async def _form(self, request: Request, route: Route) -> Form:
        try:
            return await read_form(request, _most(route), route.upload)
        except FormRefused as refused:
            raise HTTPException(refused.status) from refused

    def _check_sender(self, request: Request, visit: Visit, form: Form) -> None:
        """Refuse a form that no page of ours sent.

        Raises:
            HTTPException: 403.
        """
        # RFC 6454 §7.3: a browser says where a form comes from; "null" is no origin of ours.
        origin = request.headers.get("origin")
        if origin is None:
            # What says nothing of its origin must at least say that it is of this site.
            if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
                raise visit.forbidden()
        elif origin != self._desk.origin:
            raise visit.forbidden()
        sent = request.headers.get(TOKEN_HEADER) or form.text(TOKEN_FIELD)
        if not hmac.compare_digest(sent.encode(), visit.form_token.encode()):
            raise visit.forbidden()

    def _to_sign_in(self, visit: Visit, route: Route) -> Response:
        """Ask who it is; after that they are sent on to where they wanted to go."""
        address = self._desk.path_to("sign-in")
        if route.method is Method.SEE:
            query = f"?{visit.request.url.query}" if visit.request.url.query else ""
            address += "?" + urlencode({"to": visit.request.url.path + query})
        return RedirectResponse(address, HTTPStatus.SEE_OTHER)

    def _with_cookies(self, visit: Visit, answer: Response) -> Response:
        for name, value in visit.cookies.items():
            if value:
                answer.set_cookie(
                    name,
                    value,
                    path="/",
                    secure=self._desk.is_secure,
                    httponly=True,
                    samesite="lax",
                )
            else:
                answer.delete_cookie(
                    name, path="/", secure=self._desk.is_secure, httponly=True, samesite="lax"
                )
        return answer


def _most(route: Route) -> int:
    """Return how many octets a form may have: of whom nobody knows who it is, few."""
    if route.upload is not None:
        return route.upload.most_octets
    return LARGEST_FORM if route.roles else LARGEST_FORM_OF_ANYBODY
