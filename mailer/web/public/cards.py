"""What the archive and its feeds show of each statement: titles, days, languages.

In: the rows of what is listed. Out: `Shown`s, newest first, and `CardView`s for the template. Words
come out of revisions, which never change, and are kept ready; which of them are listed, and since
when, is asked anew each time, so that what staff decide is seen at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from mailer.events import warn
from mailer.model.audience import LanguageProfile
from mailer.model.statement import Revision, StatementKind
from mailer.statements.languages import direction, edition_in, long_date
from mailer.store.archive import ListedStatement, listed_statements
from mailer.store.statements import RevisionDamaged, load_text
from mailer.web.public.ground import Ground
from mailer.web.public.reader import edition_shown
from mailer.web.public.views import EditionLink, edition_links, statement_path

#: More statements than anybody has listed; each takes a few kilobytes.
_CARDS_KEPT = 5_000


@dataclass(frozen=True)
class Card:
    """What the list says of a revision."""

    slug: str
    kind: StatementKind
    digest: str
    source_language: str
    #: Edition's language → title and preheader, the source first.
    texts: Mapping[str, tuple[str, str]]
    published: datetime | None
    #: The last day of an appeal; None for none.
    deadline: date | None
    #: Slugs of what an issue of a newsletter tells of.
    items: frozenset[str]

    def edition_for(self, language: str) -> str | None:
        """Return the edition that readers of a language have it in; None without one."""
        return edition_in(language, tuple(self.texts))


@dataclass(frozen=True)
class Shown:
    """A statement that is listed, or was withdrawn, with what is said of it."""

    row: ListedStatement
    card: Card

    @property
    def key(self) -> tuple[int, int]:
        """Return what the list is sorted and paged by: seconds since 1970, id."""
        return int(self.row.since.timestamp()), self.row.statement_id


@dataclass(frozen=True)
class CardView:
    """A statement in the list, for the template."""

    title: str
    #: "" where the edition has none.
    lead: str
    #: Of the edition that is named.
    language: str
    direction: str
    #: Relative to the folder all pages lie under.
    path: str
    kind: StatementKind
    #: Written out in the language of the page, and as ISO 8601 day.
    day: str
    iso_day: str
    #: Written out; "" for none.
    deadline: str
    #: The pages of its other editions.
    others: tuple[EditionLink, ...]


class Listing:
    """Knows what is listed, with its words."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._store = ground.store
        self._clock = ground.clock
        self._card = lru_cache(maxsize=_CARDS_KEPT)(self._load)

    def found(self) -> list[Shown]:
        """Return what is listed, and what was withdrawn after it had been, the newest first."""
        with self._store.read() as connection:
            rows = listed_statements(connection, self._clock.now())
        cards = ((row, self._card(row.revision_id)) for row in rows)
        return [Shown(row, card) for row, card in cards if card is not None]

    def view(self, one: Shown, profile: LanguageProfile, language: str) -> CardView:
        """Lay out a statement of the list.

        Args:
            one: It.
            profile: What the visitor reads: decides which edition is named.
            language: What the page speaks.
        """
        card = one.card
        edition = edition_shown(profile, tuple(card.texts), card.source_language, ())
        title, lead = card.texts[edition]
        day = self._day(one)
        links = edition_links(card.slug, tuple(card.texts), edition, language)
        return CardView(
            title=title,
            lead=lead,
            language=edition,
            direction=direction(edition),
            path=statement_path(card.slug, edition),
            kind=card.kind,
            day=long_date(day, language),
            iso_day=day.isoformat(),
            deadline=long_date(card.deadline, language) if card.deadline else "",
            others=tuple(link for link in links if not link.current),
        )

    def _day(self, one: Shown) -> date:
        """Return the day that its author wrote, else that on which it came to be public."""
        written = one.card.published
        if written is not None and written <= self._clock.now():
            return written.date()
        return self._ground.day_of(one.row.since)

    def _load(self, revision_id: int) -> Card | None:
        try:
            with self._store.read() as connection:
                return _card_of(load_text(connection, revision_id))
        except RevisionDamaged as error:
            # Its own page says that it is not available; the others are listed all the same.
            warn("a statement is not listed", problem=error.problem)
            return None


def _card_of(revision: Revision) -> Card:
    return Card(
        slug=revision.slug,
        kind=revision.kind,
        digest=revision.digest,
        source_language=revision.source_language,
        texts={
            language: (edition.title, edition.preheader)
            for language, edition in revision.editions.items()
        },
        published=revision.published,
        deadline=revision.appeal.deadline if revision.appeal else None,
        items=frozenset(item.slug for item in revision.items),
    )
