"""Fill the desk's templates, in the language of who is signed in.

In: a visit, a template's name, values. Out: HTML responses that nobody keeps. What is not marked as
markup by our own code is text: everything is escaped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from babel.dates import format_datetime
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from mailer.desk.phrases import LANGUAGES, desk_catalogs, mark
from mailer.desk.said import SAID
from mailer.model.staff import StaffRole
from mailer.statements.catalog import Catalog
from mailer.statements.languages import direction, language_name, locale_name
from mailer.web.public.reader import accepted_languages, page_language

if TYPE_CHECKING:
    from starlette.requests import Request

    from mailer.desk.visit import Visit
    from mailer.model.staff import StaffSession

_HERE = Path(__file__).parent
TEMPLATES_DIR = _HERE / "templates"
_STATIC = _HERE / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class StaticFile:
    """A file that pages ask for, under a name that changes with its content."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class NavItem:
    """One entry of what stands at the top of every page."""

    label: str
    #: Name of the route it leads to, and of the part of the desk it stands for.
    route: str
    #: Who sees it; everybody when empty.
    roles: frozenset[StaffRole] = frozenset()


NAVIGATION = (
    NavItem(mark("Home"), "home"),
    NavItem(mark("Statements"), "statements"),
    NavItem(mark("Mailings"), "mailings"),
    NavItem(mark("Audience"), "audience"),
    NavItem(
        mark("Supporters"), "supporters", frozenset({StaffRole.SENDER, StaffRole.ADMINISTRATOR})
    ),
    NavItem(mark("Staff"), "staff", frozenset({StaffRole.ADMINISTRATOR})),
    NavItem(mark("Audit"), "audit", frozenset({StaffRole.ADMINISTRATOR})),
)


def _read_static() -> dict[str, StaticFile]:
    """Return the static files by the name they have here."""
    found = {}
    for path in sorted(_STATIC.iterdir()):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            name = f"{path.stem}.{hashlib.sha256(content).hexdigest()[:16]}{path.suffix}"
            found[path.name] = StaticFile(name, _TYPES[path.suffix], content)
    return found


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["direction"] = direction
    environment.globals["language_name"] = language_name
    environment.globals["StaffRole"] = StaffRole
    return environment


class DeskPages:
    """The desk's templates, phrases and static files."""

    def __init__(self, organisation: str) -> None:
        """Read all that pages are made of.

        Args:
            organisation: What stands at the top of every page.
        """
        self._organisation = organisation
        self._catalogs = desk_catalogs()
        self._environment = _environment()
        self._static = _read_static()
        self.static = {one.name: one for one in self._static.values()}

    def catalog(self, language: str) -> Catalog:
        """Return the phrases of one of the desk's languages."""
        return self._catalogs[language]

    def language_for(self, request: Request, session: StaffSession | None) -> str:
        """Return what a page speaks: what somebody chose, else the best their browser asks for."""
        if session is not None and session.user.desk_language in LANGUAGES:
            return session.user.desk_language
        accepted = accepted_languages(request.headers.get("accept-language", ""))
        return page_language(accepted, LANGUAGES)

    def moment(self, local: datetime, language: str) -> str:
        """Return an hour of a zone as the language writes it: "1 December 2026, 09:00"."""
        return _moment(local, locale_name(language))

    def page(
        self, visit: Visit, template: str, status: HTTPStatus, values: Mapping[str, object]
    ) -> Response:
        """Return a page."""
        return HTMLResponse(
            self.part(visit, template, values),
            status_code=status,
            headers={"Cache-Control": "no-store", "Content-Language": visit.language},
        )

    def part(self, visit: Visit, template: str, values: Mapping[str, object]) -> str:
        """Return what a template makes of a visit, for a whole page or a part of one."""
        catalog = visit.catalog
        return self._environment.get_template(template).render(
            _=catalog.phrase,
            ngettext=catalog.plural,
            number=catalog.number,
            language=visit.language,
            visit=visit,
            user=visit.session.user if visit.session else None,
            url=visit.desk.path_to,
            organisation=self._organisation,
            navigation=self._navigation(visit),
            style=self._address(visit, "desk.css"),
            script=self._address(visit, "desk.js"),
            icon=self._address(visit, "icon.svg"),
            asset=lambda name: self._address(visit, name),
            form_token=visit.form_token,
            problems=values.get("problems", {}),
            said=catalog.phrase(SAID[key]) if (key := visit.query("said")) in SAID else "",
            **{name: value for name, value in values.items() if name != "problems"},
        )

    def _address(self, visit: Visit, name: str) -> str:
        return visit.desk.path_to("static", name=self._static[name].name)

    def _navigation(self, visit: Visit) -> Sequence[NavItem]:
        if visit.session is None:
            return ()
        roles = visit.session.user.roles
        return [
            one
            for one in NAVIGATION
            if one.route in visit.desk.paths and (not one.roles or one.roles & roles)
        ]


@lru_cache(maxsize=512)
def _moment(local: datetime, locale: str) -> str:
    return format_datetime(local, "d MMMM y, HH:mm", locale=locale)
