"""One visit of somebody to one address of the desk: who asks for what, and how they are answered.

In: a request that passed the gate. Out: pages and redirects. An area sees nothing of HTTP but this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mailer.desk.faults import FaultSaid, say_both, say_fault
from mailer.desk.forms import Form
from mailer.desk.ground import Desk
from mailer.model.faults import Fault
from mailer.model.staff import Actor, StaffRole, StaffSession, StaffUser
from mailer.statements.catalog import Catalog


@dataclass(frozen=True)
class Visit:
    """One request, by somebody."""

    desk: Desk
    request: Request
    #: Name of the route.
    route: str
    #: None at addresses that need nobody to be signed in.
    session: StaffSession | None
    #: What the page speaks.
    language: str
    #: What every form of the page carries.
    form_token: str
    form: Form = field(default_factory=Form)
    #: Cookies to be set with the answer; "" takes one away.
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def session_cookie(self) -> str:
        """Return the name of the cookie that holds the session's token."""
        return self.desk.cookie("desk-session")

    @property
    def form_cookie(self) -> str:
        """Return the name of the cookie of forms that nobody need be signed in for."""
        return self.desk.cookie("desk-form")

    @property
    def user(self) -> StaffUser:
        """Return who is signed in; only where somebody must be."""
        if self.session is None:
            raise LookupError(f"nobody need be signed in at {self.route}")
        return self.session.user

    @property
    def actor(self) -> Actor:
        """Return in whose name something is done."""
        return self.user.actor

    @cached_property
    def now(self) -> datetime:
        """Return the hour of the visit."""
        return self.desk.clock.now()

    @property
    def path(self) -> Mapping[str, str]:
        """Return what the placeholders of the address are."""
        return self.request.path_params

    @property
    def catalog(self) -> Catalog:
        """Return the phrases of the page's language."""
        return self.desk.pages.catalog(self.language)

    def say(self, phrase: str, /, **values: object) -> str:
        """Return a phrase in the page's language."""
        return self.catalog.phrase(phrase, **values)

    def fault(self, fault: Fault) -> FaultSaid:
        """Return a fault in the page's language."""
        return say_fault(self.catalog, fault)

    def told(self, problem: str, remedy: str = "") -> FaultSaid:
        """Return what an error says is wrong, and what to do, in the page's language."""
        return say_both(self.catalog, problem, remedy)

    def query(self, name: str) -> str:
        """Return what the address asks for behind its question mark."""
        return self.request.query_params.get(name, "").strip()

    def may(self, *roles: StaffRole) -> bool:
        """Tell whether who is signed in has one of these roles."""
        return self.session is not None and not self.session.user.roles.isdisjoint(roles)

    def shown(self, moment: datetime | None, zone: str = "") -> str:
        """Return an instant as the page's language writes it, by the workspace's clock or another."""
        if moment is None:
            return ""
        zone = zone or self.desk.workspace.config.workspace.time_zone
        return self.desk.pages.moment(moment.astimezone(ZoneInfo(zone)), self.language)

    def page(
        self, template: str, status: HTTPStatus = HTTPStatus.OK, /, **values: object
    ) -> Response:
        """Return a page.

        Args:
            template: Its file.
            status: Of the answer.
            values: What the template names.
        """
        return self.desk.pages.page(self, template, status, values)

    def go(self, name: str, *, said: str = "", place: str = "", **values: object) -> Response:
        """Send the browser on to another page, by GET.

        Args:
            name: Of the route there.
            said: Key of what that page is to say was done, see `mailer.desk.said`.
            place: Id of the element there to look at; "" for the top.
            values: What the placeholders are.
        """
        address = self.desk.path_to(name, **values)
        if said:
            address += "?" + urlencode({"said": said})
        if place:
            address += f"#{place}"
        return RedirectResponse(address, HTTPStatus.SEE_OTHER)

    def not_found(self) -> HTTPException:
        """Return what to raise where there is no such thing, or it is none of theirs."""
        return HTTPException(HTTPStatus.NOT_FOUND)

    def forbidden(self) -> HTTPException:
        """Return what to raise where it is there, and not for them."""
        return HTTPException(HTTPStatus.FORBIDDEN)
