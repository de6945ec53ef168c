"""Make an issue of a newsletter of the statements that have come since the last.

In: a newsletter, the statements' revisions, the day, the number. Out: a `Revision` of kind
newsletter. An edition holds the items that have one in its language and names the others in theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from mailer.model.newsletter import DATE_MARK, NUMBER_MARK, Newsletter
from mailer.model.statement import (
    Edition,
    ItemText,
    NewsletterItem,
    Revision,
    StatementKind,
    StoredRevision,
)
from mailer.statements.document import with_digest
from mailer.statements.editions import content_hash
from mailer.statements.languages import edition_in, long_date, own_digits


@dataclass(frozen=True)
class ShownItem:
    """An item as one edition of an issue shows it."""

    slug: str
    #: Tag of the item's edition that is meant: the issue's own language, else the item's source.
    language: str
    title: str
    #: "" for an item in another language, and where it has none.
    lead: str


def item_of(stored: StoredRevision) -> NewsletterItem:
    """Return what a newsletter says of a statement's revision."""
    revision = stored.revision
    return NewsletterItem(
        slug=revision.slug,
        revision=stored.number,
        source_language=revision.source_language,
        texts={
            language: ItemText(edition.title, edition.preheader)
            for language, edition in revision.editions.items()
        },
    )


def make_issue(
    newsletter: Newsletter, items: Sequence[NewsletterItem], number: int, day: date
) -> Revision | None:
    """Return an issue; None where no language of the newsletter has an item in it.

    There is an edition for each language the newsletter has words in and at least one item. Where
    the newsletter's own source language has none, the first that has one takes its place.

    Args:
        newsletter: The words around the items.
        items: The newest first.
        number: Of the issue, for the mark `{number}`.
        day: For the mark `{date}`.
    """
    editions = {
        language: _edition(intro, number, day)
        for language, intro in newsletter.intros.items()
        if any(edition_in(language, tuple(item.texts)) for item in items)
    }
    if not editions:
        return None
    return with_digest(
        Revision(
            slug=newsletter.slug,
            kind=StatementKind.NEWSLETTER,
            source_language=next(iter(editions)),
            published=None,
            supports=(),
            hashtags=(),
            related=(),
            signatories=(),
            and_others=False,
            editions=editions,
            items=tuple(items),
        )
    )


def _edition(intro: Edition, number: int, day: date) -> Edition:
    language = intro.language
    written = {DATE_MARK: long_date(day, language), NUMBER_MARK: own_digits(str(number), language)}

    def filled(text: str) -> str:
        for mark, value in written.items():
            text = text.replace(mark, value)
        return text

    title, subject, preheader = map(filled, (intro.title, intro.subject, intro.preheader))
    return replace(
        intro,
        title=title,
        subject=subject,
        preheader=preheader,
        discreet_subject=filled(intro.discreet_subject),
        discreet_preheader=filled(intro.discreet_preheader),
        content_hash=content_hash(title, subject, preheader, intro.body),
    )


def items_in(revision: Revision, language: str) -> Iterator[ShownItem]:
    """Yield the items that an edition of an issue holds, in their order."""
    for item in revision.items:
        own = edition_in(language, tuple(item.texts))
        if own is not None:
            yield ShownItem(item.slug, own, item.texts[own].title, item.texts[own].lead)


def items_elsewhere(revision: Revision, language: str) -> Iterator[ShownItem]:
    """Yield the items that an edition only names, since they have none in its language."""
    for item in revision.items:
        if edition_in(language, tuple(item.texts)) is None:
            source = item.source_language
            yield ShownItem(item.slug, source, item.texts[source].title, "")


__all__ = ["ShownItem", "item_of", "items_elsewhere", "items_in", "make_issue"]
