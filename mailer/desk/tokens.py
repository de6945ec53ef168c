"""Tokens by which other programs use the API: which there are, a new one, the end of one.

In: forms of administrators. Out: tokens, each shown once. A new one wants the administrator's own
password and a code, as new staff do: it opens what a person without either could not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus

from starlette.responses import Response

from mailer.app.api_tokens import ApiTokens, MadeToken
from mailer.desk.ground import Desk
from mailer.desk.phrases import mark
from mailer.desk.proofs import reauthenticate
from mailer.desk.routes import ADMINISTRATORS, Method, Route
from mailer.desk.visit import Visit
from mailer.model.api_token import (
    LONGEST,
    ApiToken,
    MalformedToken,
    Purpose,
    TokenNameTaken,
    TokenNotFound,
    check_token,
)

#: How many days a token lasts where nobody says otherwise.
_USUAL_DAYS = "90"
PURPOSES: Mapping[Purpose, str] = {
    Purpose.STATEMENTS_READ: mark("See statements and their editions"),
    Purpose.STATEMENTS_WRITE: mark("Check statements and load them"),
    Purpose.MAILINGS_READ: mark("See mailings and where they stand"),
    Purpose.MAILINGS_WRITE: mark("Draft mailings and ask for approval"),
    Purpose.MAILINGS_SCHEDULE: mark("Schedule, pause, resume and cancel mailings"),
    Purpose.REPORTS_READ: mark("See reports"),
    Purpose.SUPPORTERS_READ: mark("See supporters with their addresses"),
    Purpose.SUPPORTERS_WRITE: mark("Bring people onto lists, and erase them"),
    Purpose.SUPPRESSIONS_READ: mark("See whether an address is suppressed"),
    Purpose.SUPPRESSIONS_WRITE: mark("Suppress addresses and lift suppressions"),
}
_FIELDS = {"name": "name", "purposes": "purposes", "expires_at": "days"}


class Tokens:
    """The routes by which administrators mind which programs may do what."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @cached_property
    def _tokens(self) -> ApiTokens:
        return ApiTokens(self._desk.workspace)

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        see, change, who = Method.SEE, Method.CHANGE, ADMINISTRATORS
        return (
            Route(see, "/tokens", "tokens", self.show_all, who),
            Route(see, "/tokens-new", "token-new", self.ask, who),
            Route(change, "/tokens-new", "token-new", self.make, who),
            Route(change, "/tokens/{name}/end", "end-token", self.end, who),
        )

    def show_all(self, visit: Visit) -> Response:
        """Show all tokens: those that open something first."""
        lines = sorted(self._tokens.list(), key=lambda one: not one.is_good_at(visit.now))
        return visit.page("tokens.html", tokens=[_line(visit, one) for one in lines])

    def ask(self, visit: Visit) -> Response:
        """Show the form of a new token."""
        return self._form(visit, {})

    def make(self, visit: Visit) -> Response:
        """Make a token, and show it this once."""
        wanted = {one.value: one for one in Purpose}
        purposes = frozenset(wanted[one] for one in visit.form.all("purposes") if one in wanted)
        name, days = visit.form.text("name"), visit.form.text("days")
        # The code is asked for last: it is good for one try, and half a minute.
        problems = self._problems(visit, name, purposes, days) or reauthenticate(visit)
        if problems:
            return self._form(visit, problems)
        try:
            made = self._tokens.make(
                visit.actor, name, purposes, self._desk.clock.now() + timedelta(days=int(days))
            )
        except TokenNameTaken:
            return self._form(visit, {"name": _taken(visit)})
        except MalformedToken as error:
            return self._form(visit, {_FIELDS[error.field]: _malformed(visit, error.field)})
        return self._made(visit, made)

    def _problems(
        self, visit: Visit, name: str, purposes: frozenset[Purpose], days: str
    ) -> dict[str, str]:
        if any(one.name == name for one in self._tokens.list()):
            return {"name": _taken(visit)}
        if not (days.isascii() and days.isdecimal() and 1 <= int(days[:4]) <= LONGEST.days):
            return {"days": _malformed(visit, "expires_at")}
        try:
            now = visit.now
            check_token(name, purposes, now, now + timedelta(days=int(days)))
        except MalformedToken as error:
            return {_FIELDS[error.field]: _malformed(visit, error.field)}
        return {}

    def _form(self, visit: Visit, problems: Mapping[str, str]) -> Response:
        chosen = visit.form.all("purposes")
        return visit.page(
            "token_new.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            problems=problems,
            name=visit.form.text("name"),
            days=visit.form.text("days") or _USUAL_DAYS,
            longest=LONGEST.days,
            purposes=[
                {"value": one.value, "name": visit.say(words), "chosen": one.value in chosen}
                for one, words in PURPOSES.items()
            ],
        )

    def _made(self, visit: Visit, made: MadeToken) -> Response:
        return visit.page(
            "token_made.html",
            name=made.token.name,
            secret=made.secret,
            until=visit.shown(made.token.expires_at),
        )

    def end(self, visit: Visit) -> Response:
        """End a token; one that is over already stays so."""
        try:
            self._tokens.revoke(visit.actor, visit.path["name"])
        except TokenNotFound as error:
            raise visit.not_found() from error
        return visit.go("tokens", said="token-ended")


def _line(visit: Visit, token: ApiToken) -> dict[str, object]:
    return {
        "name": token.name,
        "purposes": [visit.say(PURPOSES[one]) for one in PURPOSES if one in token.purposes],
        "used": visit.shown(token.last_used_at),
        "until": visit.shown(token.expires_at),
        "ended": visit.shown(token.revoked_at),
        "is_good": token.is_good_at(visit.now),
    }


def _taken(visit: Visit) -> str:
    return visit.say("There is, or was, a token of this name. Choose another.")


def _malformed(visit: Visit, field: str) -> str:
    if field == "name":
        return visit.say("A name has up to 40 characters: small letters a to z, digits, hyphens.")
    if field == "purposes":
        return visit.say("Choose what it is for.")
    return visit.say("Write a number of days from 1 to %(most)s.", most=LONGEST.days)
