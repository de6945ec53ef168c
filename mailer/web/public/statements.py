"""Answer `/w/…`: the web page of a statement and its pictures.

In: a slug, a language or what the visitor accepts. Out: the public revision's page. The address
holds no person's token, and the page is the same for everyone who asks alike; a statement that may
not be seen yet answers as one that never was. Standards: RFC 9110 §12.5.4 and §13 for choosing by
language and for conditional requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mailer.cldr import is_language
from mailer.model.audience import LanguageChoice, LanguageProfile
from mailer.model.statement import Revision, StatementKind, Visibility, localized
from mailer.statements.languages import (
    MalformedTag,
    comma,
    direction,
    language_name,
    long_date,
    normalize_tag,
)
from mailer.store.archive import is_listed, not_listed
from mailer.store.public import PublicRevision, public_revision
from mailer.web.public.articles import Articles
from mailer.web.public.caching import HTML, PICTURE_MAX_AGE_S, cached, etag_of
from mailer.web.public.ground import READ, READERS, Ground, InThreads, Route
from mailer.web.public.guard import RESOURCE_POLICY
from mailer.web.public.pages import NOT_FOUND_BY_SEARCH, root_of
from mailer.web.public.reader import accepted_profile, best_edition, edition_shown, page_language
from mailer.web.public.views import picture_digest, statement_path

#: Pages kept ready; a page's key holds all it is made of, so that none can be out of date.
_PAGES_KEPT = 256


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
    #: Whether the archive names it too.
    listed: bool
    #: Slugs of what an issue tells of and staff unlisted or withdrew since.
    left_out: frozenset[str]


@dataclass(frozen=True)
class _Page:
    content: bytes
    etag: str
    #: What the frame speaks and what the statement is written in.
    languages: str


@dataclass(frozen=True)
class _Seen:
    """What of a statement the public sees."""

    public: PublicRevision
    revision: Revision
    #: See `_PageKey`.
    listed: bool
    left_out: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Replacement:
    """The statement that takes the place of one that was withdrawn."""

    title: str
    #: Relative to the folder all pages lie under.
    path: str
    language: str
    direction: str
    #: What its language is called in that of the page.
    language_name: str


class Statements:
    """The routes of web views."""

    def __init__(self, ground: Ground, articles: Articles) -> None:
        self._ground = ground
        self._articles = articles
        self._store = ground.store
        self._pages = ground.pages
        self._clock = ground.clock
        self._readers = InThreads(READERS)
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
        return await self._show(request, accepted_profile(request), {"Vary": "Accept-Language"})

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
        seen = await self._readers.run(lambda: self._find(slug))
        if seen is None or seen.public.visibility is Visibility.WITHDRAWN:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        picture = seen.revision.pictures.get(name)
        digest = picture_digest(picture) if picture else ""
        if picture is None or digest != request.path_params["digest"]:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        # Readers of feeds show it in pages of their own.
        headers = {RESOURCE_POLICY: "cross-origin"}
        if not seen.listed:
            headers |= NOT_FOUND_BY_SEARCH
        return cached(
            request,
            picture.content,
            f'"{digest}"',
            picture.media_type,
            headers,
            max_age_s=PICTURE_MAX_AGE_S,
        )

    async def _show(
        self, request: Request, profile: LanguageProfile, headers: dict[str, str]
    ) -> Response:
        seen = await self._readers.run(lambda: self._find(request.path_params["slug"]))
        if seen is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        if seen.public.visibility is Visibility.WITHDRAWN:
            return await self._show_withdrawn(request, seen, profile, headers)
        choice = best_edition(
            profile,
            seen.revision.languages,
            seen.revision.source_language,
            seen.public.chain,
        )
        key = self._key(seen, choice, root_of(request))
        page = await self._readers.run(lambda: self._page(key))
        headers["Content-Language"] = page.languages
        if not key.listed:
            headers |= NOT_FOUND_BY_SEARCH
        return cached(request, page.content, page.etag, HTML, headers)

    async def _show_withdrawn(
        self,
        request: Request,
        seen: _Seen,
        profile: LanguageProfile,
        headers: Mapping[str, str],
    ) -> Response:
        """Say that it was withdrawn, and what to read instead; nothing of it is shown."""
        language = page_language(profile.languages, self._pages.spoken)

        def replacement() -> _Replacement | None:
            instead = self._find(seen.public.corrected_by)
            if instead is None or instead.public.visibility is Visibility.WITHDRAWN:
                return None
            return _replacement(instead, profile, language)

        at = seen.public.visibility_at or self._clock.now()
        content = self._pages.render(
            "withdrawn.html",
            language,
            root_of(request),
            is_newsletter=seen.revision.kind is StatementKind.NEWSLETTER,
            day=long_date(self._ground.day_of(at), language),
            replacement=await self._readers.run(replacement),
            organisation=localized(self._ground.organisation, language, language),
        ).encode()
        headers = {**headers, **NOT_FOUND_BY_SEARCH, "Content-Language": language}
        # RFC 9110 §15.5.11: gone, and likely for good. Browsers show what the page says.
        return cached(request, content, etag_of(content), HTML, headers, status=HTTPStatus.GONE)

    def _find(self, slug: str) -> _Seen | None:
        """Return what may be seen of a statement; None when there is none, or none yet."""
        with self._store.read() as connection:
            now = self._clock.now()
            public = public_revision(connection, slug, now)
            listed = is_listed(connection, slug, now)
        if public is None:
            return None
        seen = _Seen(public, self._articles.revision(public.revision_id), listed)
        if not seen.revision.items:
            return seen
        with self._store.read() as connection:
            named = frozenset(one.slug for one in seen.revision.items)
            return replace(seen, left_out=not_listed(connection, named))

    def _key(self, seen: _Seen, choice: LanguageChoice, root: str) -> _PageKey:
        edition = choice.language or seen.revision.source_language
        wanted = (choice.wanted,) if choice.notice and choice.wanted else ()
        return _PageKey(
            revision_id=seen.public.revision_id,
            edition=edition,
            frame=page_language((*wanted, edition), self._pages.spoken),
            notice=choice.notice,
            root=root,
            day=self._clock.now().date().isoformat(),
            listed=seen.listed,
            left_out=seen.left_out,
        )

    def _render(self, key: _PageKey) -> _Page:
        article = self._articles.article(
            key.revision_id, key.edition, key.frame, key.root, key.left_out
        )
        content = self._pages.render(
            "statement.html",
            key.frame,
            key.root,
            statement=article.view,
            article=article.html,
            notice=key.notice,
            frame_comma=comma(key.frame),
            base_url=self._ground.base_url,
            organisation=localized(self._ground.organisation, key.frame, key.frame),
            feed_language=article.language,
            listed=key.listed,
        ).encode()
        languages = ", ".join(dict.fromkeys((key.frame, key.edition)))
        return _Page(content, etag_of(content), languages)


def _replacement(seen: _Seen, profile: LanguageProfile, language: str) -> _Replacement:
    revision = seen.revision
    edition = edition_shown(
        profile, revision.languages, revision.source_language, seen.public.chain
    )
    return _Replacement(
        title=revision.editions[edition].title,
        path=statement_path(revision.slug, edition),
        language=edition,
        direction=direction(edition),
        language_name=language_name(edition, language),
    )
