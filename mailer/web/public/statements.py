"""Answer `/w/…`: the web page of a statement and its pictures.

In: a slug, a language or what the visitor accepts. Out: the public revision's page. The address
holds no person's token, and the page is the same for everyone who asks alike; a statement that may
not be seen yet answers as one that never was. Standards: RFC 9110 §12.5.4 and §13 for choosing by
language and for conditional requests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mailer.cldr import is_language
from mailer.model.audience import LanguageChoice, LanguageProfile
from mailer.model.statement import Revision
from mailer.statements.languages import (
    MalformedTag,
    choose_edition,
    comma,
    normalize_tag,
)
from mailer.store.public import PublicRevision, public_revision
from mailer.store.statements import load_revision
from mailer.web.public.ground import READ, Ground, Route
from mailer.web.public.pages import root_of
from mailer.web.public.reader import accepted_languages, page_language, refused_languages
from mailer.web.public.views import picture_digest, view_statement

#: How long a copy of a page may be shown after a newer revision has gone out, in seconds.
PAGE_MAX_AGE_S = 300
#: An address that names its content never changes: as long as caches keep anything.
FOREVER_S = 31_536_000
#: Revisions and pages kept ready; each is immutable, so that none of them can be out of date.
_REVISIONS_KEPT = 8
_PAGES_KEPT = 256
#: At most this many requests read the database at once.
_READERS = 6
_T = TypeVar("_T")


@dataclass(frozen=True)
class _PageKey:
    """What a page is made of: two requests with the same key get the same bytes.

    The language wanted is not in it, only the frame's: there are few of these, and a visitor who
    invents languages cannot have each of them rendered.
    """

    revision_id: int
    #: Tag of the edition.
    edition: str
    #: What the page around the statement speaks.
    frame: str
    #: The edition is not in the language that was wanted.
    notice: bool
    root: str
    #: The day, since a day of publication that is still to come is not shown.
    day: str


@dataclass(frozen=True)
class _Page:
    content: bytes
    etag: str
    #: What the frame speaks and what the statement is written in.
    languages: str


class Statements:
    """The routes of web views."""

    def __init__(self, ground: Ground) -> None:
        self._store = ground.store
        self._pages = ground.pages
        self._clock = ground.clock
        self._base_url = ground.base_url
        self._limiter: CapacityLimiter | None = None
        self._revision = lru_cache(maxsize=_REVISIONS_KEPT)(self._load)
        self._page = lru_cache(maxsize=_PAGES_KEPT)(self._render)

    def routes(self) -> tuple[Route, ...]:
        """Return what is answered here."""
        return (
            Route("/w/{slug}", READ, self.by_accepted_language, "statement"),
            Route("/w/{slug}/{language}", READ, self.in_language, "statement in language"),
            Route("/w/{slug}/picture/{digest}/{name}", READ, self.picture, "picture"),
        )

    async def by_accepted_language(self, request: Request) -> Response:
        """Show the edition that suits the visitor's browser."""
        said = request.headers.get("accept-language", "")
        profile = LanguageProfile(accepted_languages(said), refused_languages(said))
        return await self._show(request, profile, {"Vary": "Accept-Language"})

    async def in_language(self, request: Request) -> Response:
        """Show the edition in the language of the address, or say that there is none in it."""
        try:
            language = normalize_tag(request.path_params["language"])
        except MalformedTag as error:
            raise HTTPException(HTTPStatus.NOT_FOUND) from error
        if not is_language(language):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return await self._show(request, LanguageProfile((language,), ()), {})

    async def picture(self, request: Request) -> Response:
        """Show a picture of the public revision; its address names its content."""
        slug, name = request.path_params["slug"], request.path_params["name"]
        _, revision = await self._public(slug)
        picture = revision.pictures.get(name)
        if picture is None or picture_digest(picture) != request.path_params["digest"]:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(
            picture.content,
            media_type=picture.media_type,
            headers={"Cache-Control": f"public, max-age={FOREVER_S}, immutable"},
        )

    async def _show(
        self, request: Request, profile: LanguageProfile, headers: dict[str, str]
    ) -> Response:
        found, revision = await self._public(request.path_params["slug"])
        # RFC 9110 §12.5.4: where nothing acceptable is there, showing what is beats refusing.
        for never in (profile.never, ()):
            choice = choose_edition(
                LanguageProfile(profile.languages, never),
                revision.languages,
                revision.source_language,
                found.chain,
            )
            if choice.language is not None:
                break
        key = self._key(found.revision_id, revision, choice, root_of(request))
        page = await self._in_thread(lambda: self._page(key))
        headers = {
            **headers,
            "Cache-Control": f"public, max-age={PAGE_MAX_AGE_S}",
            "Content-Language": page.languages,
            "ETag": page.etag,
        }
        if _matches(request.headers.get("if-none-match", ""), page.etag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(page.content, media_type="text/html; charset=utf-8", headers=headers)

    async def _public(self, slug: str) -> tuple[PublicRevision, Revision]:
        """Return the revision that may be seen.

        Raises:
            HTTPException: with 404 when there is none, or none yet.
        """

        def find() -> tuple[PublicRevision, Revision] | None:
            with self._store.read() as connection:
                found = public_revision(connection, slug, self._clock.now())
            return (found, self._revision(found.revision_id)) if found else None

        seen = await self._in_thread(find)
        if seen is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return seen

    def _load(self, revision_id: int) -> Revision:
        with self._store.read() as connection:
            return load_revision(connection, revision_id).revision

    def _key(
        self, revision_id: int, revision: Revision, choice: LanguageChoice, root: str
    ) -> _PageKey:
        edition = choice.language or revision.source_language
        wanted = (choice.wanted,) if choice.notice and choice.wanted else ()
        return _PageKey(
            revision_id=revision_id,
            edition=edition,
            frame=page_language((*wanted, edition), self._pages.spoken),
            notice=choice.notice,
            root=root,
            day=self._clock.now().date().isoformat(),
        )

    def _render(self, key: _PageKey) -> _Page:
        view = view_statement(
            self._revision(key.revision_id), key.edition, key.frame, key.root, self._clock.now()
        )
        # What belongs to the statement speaks its language, where that has a catalog.
        inner = page_language((key.edition, key.frame), self._pages.spoken)
        article = self._pages.render("_article.html", inner, key.root, statement=view)
        content = self._pages.render(
            "statement.html",
            key.frame,
            key.root,
            statement=view,
            article=Markup(article),  # noqa: S704  (the line above made it, escaping all values)
            notice=key.notice,
            frame_comma=comma(key.frame),
            base_url=self._base_url,
        ).encode()
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        return _Page(content, etag, ", ".join(dict.fromkeys((key.frame, key.edition))))

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        if self._limiter is None:
            self._limiter = CapacityLimiter(_READERS)
        return await to_thread.run_sync(work, limiter=self._limiter)


def _matches(header: str, etag: str) -> bool:
    # RFC 9110 §13.1.2: any of the tags listed, compared weakly.
    tags = (tag.strip().removeprefix("W/") for tag in header.split(","))
    return any(tag in (etag, "*") for tag in tags)
