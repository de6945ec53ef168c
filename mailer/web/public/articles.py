"""Make the part of a page, or of a feed's entry, that is the statement itself.

In: the number of a revision, a language. Out: the revision, or its article as HTML. Revisions never
change, so what was made of them is kept ready. An article speaks its edition's language wherever it
stands, where that has a catalog.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache

from markupsafe import Markup

from mailer.model.statement import Revision
from mailer.store.statements import load_revision
from mailer.web.public.ground import Ground
from mailer.web.public.reader import page_language
from mailer.web.public.views import StatementView, view_statement

#: Revisions kept ready, with their pictures.
_REVISIONS_KEPT = 8


@dataclass(frozen=True)
class Article:
    """A statement in one language, laid out and written."""

    view: StatementView
    html: Markup
    #: What its fixed words speak.
    language: str


class Articles:
    """Loads revisions and writes their articles."""

    def __init__(self, ground: Ground) -> None:
        self._store = ground.store
        self._pages = ground.pages
        self._clock = ground.clock
        self.revision = lru_cache(maxsize=_REVISIONS_KEPT)(self._load)

    def article(
        self,
        revision_id: int,
        edition: str,
        frame: str,
        root: str,
        left_out: Collection[str] = (),
        *,
        titled: bool = True,
    ) -> Article:
        """Write the article of a revision.

        Args:
            revision_id: Of a revision that is public.
            edition: Tag of one of its editions.
            frame: What the page around it speaks.
            root: Address of the folder all pages lie under.
            left_out: Slugs of what an issue of a newsletter tells of no more.
            titled: Whether its title stands over it.
        """
        revision = self.revision(revision_id)
        if left_out:
            items = tuple(one for one in revision.items if one.slug not in left_out)
            revision = replace(revision, items=items)
        view = view_statement(revision, edition, frame, root, self._clock.now())
        language = page_language((edition, frame), self._pages.spoken)
        html = self._pages.render("_article.html", language, root, statement=view, titled=titled)
        return Article(
            view,
            Markup(html),  # noqa: S704  (the lines above made it, escaping all values)
            language,
        )

    def _load(self, revision_id: int) -> Revision:
        with self._store.read() as connection:
            return load_revision(connection, revision_id).revision
