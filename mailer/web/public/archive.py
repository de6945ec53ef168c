"""Answer `/` and `/in/…`: the list of all statements that are public.

In: what the visitor accepts, or a language. Out: pages that caches may keep. They are the same for
everyone who asks alike. A page of the list begins after a statement, not at a number, so that none
is missed or shown twice when another comes. Standards: RFC 9110 §12.5.4 and §13.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mailer.model.audience import LanguageProfile
from mailer.model.statement import Visibility, localized
from mailer.statements.languages import direction, language_name
from mailer.web.public.caching import HTML, cached, etag_of
from mailer.web.public.cards import Listing, Shown
from mailer.web.public.ground import READ, READERS, Ground, InThreads, Route
from mailer.web.public.pages import root_of
from mailer.web.public.reader import accepted_profile, page_language, spoken_language

#: Statements on one page of the list.
PAGE_SIZE = 20
#: Where a page begins: the key of the last statement of the page before.
_AFTER = re.compile(r"(\d{1,12})-(\d{1,18})", re.ASCII)


class Archive:
    """The routes of the list."""

    def __init__(self, ground: Ground, listing: Listing) -> None:
        self._ground = ground
        self._pages = ground.pages
        self._listing = listing
        self._readers = InThreads(READERS)

    def routes(self) -> tuple[Route, ...]:
        """Return what is answered here."""
        return (
            Route("/", READ, self.by_accepted_language, "archive"),
            Route("/in/{language}", READ, self.in_language, "archive in language"),
        )

    async def by_accepted_language(self, request: Request) -> Response:
        """List the statements in the language that suits the visitor's browser."""
        profile = accepted_profile(request)
        language = page_language(profile.languages, self._pages.spoken)
        return await self._show(request, language, profile, {"Vary": "Accept-Language"})

    async def in_language(self, request: Request) -> Response:
        """List the statements in the language of the address."""
        language = spoken_language(request.path_params["language"], self._pages.spoken)
        if language is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return await self._show(request, language, LanguageProfile((language,), ()), {})

    async def _show(
        self,
        request: Request,
        language: str,
        profile: LanguageProfile,
        headers: dict[str, str],
    ) -> Response:
        after = _key_from(request.query_params.get("after", ""))
        root = root_of(request)
        content = await self._readers.run(lambda: self._render(language, profile, after, root))
        headers["Content-Language"] = language
        return cached(request, content, etag_of(content), HTML, headers)

    def _render(
        self, language: str, profile: LanguageProfile, after: tuple[int, int] | None, root: str
    ) -> bytes:
        found = [
            one for one in self._listing.found() if one.row.visibility is not Visibility.WITHDRAWN
        ]
        rest = found if after is None else [one for one in found if one.key < after]
        shown = rest[:PAGE_SIZE]
        page = self._pages.render(
            "archive.html",
            language,
            root,
            cards=[self._listing.view(one, profile, language) for one in shown],
            languages=[
                (tag, language_name(tag, tag), direction(tag))
                for tag in self._languages(found, language)
            ],
            this=_query(after),
            older=_query(shown[-1].key) if len(rest) > PAGE_SIZE else "",
            base_url=self._ground.base_url,
            organisation=localized(self._ground.organisation, language, language),
        )
        return page.encode()

    def _languages(self, found: list[Shown], language: str) -> list[str]:
        """Return what the page can be read in: its own language, and those of the editions."""
        return [
            tag
            for tag in self._pages.spoken
            if tag == language or any(one.card.edition_for(tag) for one in found)
        ]


def _query(key: tuple[int, int] | None) -> str:
    return "" if key is None else "?after={}-{}".format(*key)


def _key_from(text: str) -> tuple[int, int] | None:
    """Return after which statement a page begins; None for the first page.

    Raises:
        HTTPException: with 404 for what no link of ours holds.
    """
    if not text:
        return None
    found = _AFTER.fullmatch(text)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return int(found[1]), int(found[2])
