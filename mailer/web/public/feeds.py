"""Answer `/feed/…`: an Atom feed of the newest statements in each language.

In: a language. Out: a feed in which every entry is whole, with absolute addresses, so that a reader
needs to fetch nothing but pictures. What was withdrawn stays in it to say so; what is unlisted is
not in it. Standards: RFC 4287; RFC 9110 §13 for asking again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mailer.model.statement import StatementKind, Visibility, localized
from mailer.statements.languages import long_date
from mailer.store.archive import not_listed
from mailer.web.public.articles import Articles
from mailer.web.public.caching import cached, etag_of
from mailer.web.public.cards import Listing, Shown
from mailer.web.public.ground import READ, READERS, Ground, InThreads, Route
from mailer.web.public.pages import Pages
from mailer.web.public.reader import spoken_language
from mailer.web.public.views import statement_path

#: The newest this many are told of.
FEED_SIZE = 50
#: Contents of entries kept ready.
_CONTENTS_KEPT = 512
#: When a feed without any entry was last changed: Atom wants an hour.
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_ATOM = "application/atom+xml; charset=utf-8"
# XML 1.0 §2.2: all that a document can hold, however it is written.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Entry:
    """A statement in a feed, for the template."""

    #: Its page, absolute, with what tells one issue of a newsletter from the next.
    id: str
    address: str
    language: str
    #: "" for what was withdrawn.
    title: str
    lead: str
    #: HTML, to be escaped; "" for what was withdrawn.
    content: str
    #: RFC 3339.
    published: str
    updated: str
    #: (language, address) of its other editions.
    others: tuple[tuple[str, str], ...]
    is_newsletter: bool
    #: When it was withdrawn, written out; "" for what was not.
    withdrawn: str


def write_feed(
    pages: Pages,
    language: str,
    root: str,
    entries: Sequence[Entry],
    updated: str,
    organisation: str,
) -> bytes:
    """Write a feed.

    Args:
        pages: Their templates.
        language: What the feed is in.
        root: Absolute address of the folder all pages lie under.
        entries: In the order in which they shall stand.
        updated: When the last of them changed, by RFC 3339.
        organisation: Whose feed it is.
    """
    text = pages.render(
        "feed.atom", language, root, entries=entries, updated=updated, organisation=organisation
    )
    return _NOT_XML.sub("\ufffd", text).encode()


class Feeds:
    """The routes of feeds."""

    def __init__(self, ground: Ground, listing: Listing, articles: Articles) -> None:
        self._ground = ground
        self._pages = ground.pages
        self._listing = listing
        self._articles = articles
        self._readers = InThreads(READERS)
        self._content = lru_cache(maxsize=_CONTENTS_KEPT)(self._write_content)

    def routes(self) -> tuple[Route, ...]:
        """Return what is answered here."""
        return (Route("/feed/{language}.atom", READ, self.feed, "feed"),)

    async def feed(self, request: Request) -> Response:
        """Tell of the newest statements that there are in the language of the address."""
        language = spoken_language(request.path_params["language"], self._pages.spoken)
        if language is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        content = await self._readers.run(lambda: self._render(language))
        headers = {"Content-Language": language}
        return cached(request, content, etag_of(content), _ATOM, headers)

    def _render(self, language: str) -> bytes:
        newest = sorted(self._listing.found(), key=lambda one: one.row.changed_at, reverse=True)
        editions = ((one, one.card.edition_for(language)) for one in newest)
        told = [(one, edition) for one, edition in editions if edition is not None][:FEED_SIZE]
        left_out = self._left_out([one for one, _ in told])
        return write_feed(
            self._pages,
            language,
            f"{self._ground.base_url}/",
            [self._entry(one, edition, language, left_out) for one, edition in told],
            _written(max((one.row.changed_at for one, _ in told), default=_NEVER)),
            localized(self._ground.organisation, language, language),
        )

    def _left_out(self, told: Sequence[Shown]) -> frozenset[str]:
        """Return what issues of newsletters among them tell of no more."""
        named = frozenset(slug for one in told for slug in one.card.items)
        if not named:
            return named
        with self._ground.store.read() as connection:
            return not_listed(connection, named)

    def _entry(self, one: Shown, edition: str, language: str, left_out: frozenset[str]) -> Entry:
        row, card = one.row, one.card
        address = self._address(card.slug, edition)
        is_newsletter = card.kind is StatementKind.NEWSLETTER
        title, lead, content, withdrawn = "", "", "", ""
        if row.visibility is Visibility.WITHDRAWN:
            day = self._ground.day_of(row.decided_at or row.changed_at)
            withdrawn = long_date(day, language)
        else:
            title, lead = card.texts[edition]
            today = self._ground.clock.now().date().isoformat()
            content = self._content(row.revision_id, edition, left_out & card.items, today)
        return Entry(
            id=f"{address}#{card.digest[:12]}" if is_newsletter else address,
            address=address,
            language=edition,
            title=title,
            lead=lead,
            # As text, so that the template escapes it once more: RFC 4287 §4.1.3.3, type "html".
            content=str(content),
            published=_written(row.since),
            updated=_written(row.changed_at),
            others=tuple(
                (other, self._address(card.slug, other)) for other in card.texts if other != edition
            ),
            is_newsletter=is_newsletter,
            withdrawn=withdrawn,
        )

    def _address(self, slug: str, language: str) -> str:
        return f"{self._ground.base_url}/{statement_path(slug, language)}"

    def _write_content(
        self, revision_id: int, edition: str, left_out: frozenset[str], _day: str
    ) -> Markup:
        # The day is part of the key: a day of publication that is still to come is not shown.
        root = f"{self._ground.base_url}/"
        return self._articles.article(
            revision_id, edition, edition, root, left_out, titled=False
        ).html


def _written(moment: datetime) -> str:
    # RFC 4287 §3.3: an RFC 3339 date-time.
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
