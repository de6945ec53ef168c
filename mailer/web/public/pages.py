"""Fill the public pages' templates, in a language the visitor reads.

In: a template's name, a language, values. Out: HTML responses. Addresses inside a page are relative,
so that a page works under every sender's own host and behind a proxy that adds a folder; the Host
header is never looked at. Nothing of a page comes from elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.ext import extract_from_ast
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mailer.compose.service import ServiceText
from mailer.model.faults import Fault, FaultsFound
from mailer.statements.catalog import Catalog, complete_catalogs, missing_phrases
from mailer.statements.languages import comma, direction, locale_name
from mailer.web.public.reader import DEFAULT_LANGUAGE, accepted_languages, page_language

_HERE = Path(__file__).parent
TEMPLATES_DIR = _HERE / "templates"
_STYLE = _HERE / "static" / "public.css"
#: A visitor who invents addresses of many folders cannot have each kept.
_FIXED_KEPT = 256
#: What search engines shall leave out.
NOT_FOUND_BY_SEARCH: Mapping[str, str] = {"X-Robots-Tag": "noindex, nofollow"}
#: Nothing that a token opens, and no error, is kept by a browser or a proxy, or found by a search.
PRIVATE_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
    **NOT_FOUND_BY_SEARCH,
}


@dataclass(frozen=True)
class Style:
    """The style sheet, under a name that changes with its content."""

    name: str
    content: bytes


def read_style() -> Style:
    """Read the one style sheet of the public pages."""
    content = _STYLE.read_bytes()
    return Style(f"public.{hashlib.sha256(content).hexdigest()[:16]}.css", content)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR),
        # All but the texts of mails, in which nothing is markup.
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["direction"] = direction
    environment.globals["comma"] = comma
    environment.globals["graph_locale"] = locale_name
    return environment


def page_phrases() -> tuple[str, ...]:
    """Return every fixed phrase that the templates of pages and of their mails speak."""
    environment = _environment()
    found: set[str] = set()
    for name in environment.list_templates(extensions=["html", "atom", "txt"]):
        source = (TEMPLATES_DIR / name).read_text(encoding="utf-8")
        for _line, _function, said in extract_from_ast(environment.parse(source)):
            msgid = said[0] if isinstance(said, tuple) else said
            if msgid:
                found.add(msgid)
    return tuple(sorted(found))


class Pages:
    """The public pages' templates with every language that has all their phrases."""

    def __init__(self, catalogs: Mapping[str, Catalog]) -> None:
        """Take the catalogs that are complete for these pages.

        Raises:
            FaultsFound: when the English one is not: a page could then speak nothing at all.
        """
        phrases = page_phrases()
        self._catalogs = complete_catalogs(catalogs, phrases)
        if DEFAULT_LANGUAGE not in self._catalogs:
            lacking = missing_phrases(catalogs, DEFAULT_LANGUAGE, phrases)
            raise FaultsFound(
                [
                    Fault(
                        f"locale/{DEFAULT_LANGUAGE}/LC_MESSAGES/mailer.po",
                        0,
                        "",
                        "lacks the fixed phrases " + "; ".join(f'"{one}"' for one in lacking),
                        "Add them: the public pages speak English where nothing else is read",
                    )
                ]
            )
        self.spoken = tuple(self._catalogs)
        #: Languages that statements can be in: an edition wants a catalog, complete or not.
        self.known = tuple(catalogs)
        self.style = read_style()
        self._environment = _environment()
        #: Pages that say the same to everybody: the answer to one click is asked for most.
        self._fixed = lru_cache(maxsize=_FIXED_KEPT)(
            lambda template, language, root: self._rendered(template, language, root, {})
        )

    def catalog(self, language: str) -> Catalog:
        """Return the phrases of one of the languages in `spoken`."""
        return self._catalogs[language]

    def language_for(self, request: Request) -> str:
        """Return the language that a page without content of its own answers in."""
        accepted = accepted_languages(request.headers.get("accept-language", ""))
        return page_language(accepted, self.spoken)

    def render(self, template: str, language: str, root: str, **values: object) -> str:
        """Return a page.

        Args:
            template: Its file name.
            language: One of `spoken`.
            root: Relative address of the folder that all pages lie under, see `root_of`.
            values: What the template names.
        """
        if not values:
            return self._fixed(template, language, root)
        return self._rendered(template, language, root, values)

    def _rendered(
        self, template: str, language: str, root: str, values: Mapping[str, object]
    ) -> str:
        catalog = self._catalogs[language]
        return self._environment.get_template(template).render(
            _=catalog.phrase,
            ngettext=catalog.plural,
            language=language,
            root=root,
            style=f"{root}static/{self.style.name}",
            **values,
        )

    def letter(self, template: str, language: str, **values: object) -> ServiceText:
        """Return what a mail to one person says; the first line of its template is the subject.

        Args:
            template: Its file name.
            language: One of `spoken`.
            values: What the template names.
        """
        catalog = self._catalogs[language]
        said = self._environment.get_template(template).render(_=catalog.phrase, **values)
        subject, _, text = said.partition("\n")
        return ServiceText(subject, text.strip("\n") + "\n", language)

    def private(
        self,
        request: Request,
        template: str,
        status: HTTPStatus = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
        language: str = "",
        **values: object,
    ) -> Response:
        """Return a page that nobody keeps, in the visitor's language unless another is given."""
        language = language or self.language_for(request)
        page = self.render(template, language, root_of(request), **values)
        return HTMLResponse(
            page,
            status_code=status,
            headers={**PRIVATE_HEADERS, "Content-Language": language, **(headers or {})},
        )

    def error(
        self, request: Request, status: HTTPStatus, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Return the page for something that did not work, which says no more than its kind."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            template = "unavailable.html"
        elif status is HTTPStatus.NOT_FOUND:
            template = "not_found.html"
        else:
            template = "unreadable.html"
        return self.private(request, template, status, headers)


def root_of(request: Request) -> str:
    """Return the relative address, from the page asked for, of the folder all pages lie under."""
    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    # An escaped slash is none to a browser, hence the path as it was sent.
    return "../" * (raw_path.count(b"/") - 1) or "./"
