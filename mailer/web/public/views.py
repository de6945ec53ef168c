"""Lay out a revision for its web page: names, addresses and languages, ready for the template.

In: a public revision, the edition chosen, the language that was wanted. Out: a `StatementView`. It
is made of the statement alone: slots of supporters are gone before anything is rendered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from markupsafe import Markup

from mailer.compose.slots import body_without_supporter
from mailer.model.statement import (
    LocalizedText,
    Picture,
    RelatedKind,
    Revision,
    StatementKind,
    localized,
    localized_marked,
)
from mailer.statements.body import body_to_html
from mailer.statements.issues import ShownItem, items_elsewhere, items_in
from mailer.statements.languages import (
    comma,
    country_name,
    direction,
    language_name,
    long_date,
)

#: Of a picture's SHA-256, what its address holds.
PICTURE_DIGEST_CHARACTERS = 16


@dataclass(frozen=True)
class Link:
    """A name that leads somewhere, or nowhere when the address is empty."""

    name: str
    address: str
    #: Tag of the name's language where it is not the edition's; else "".
    language: str


@dataclass(frozen=True)
class EditionLink:
    """The page of one edition."""

    language: str
    #: In its own language: "русский".
    own_name: str
    #: In the language of the page's frame: "rusă".
    name: str
    direction: str
    #: Relative to the folder all pages lie under.
    path: str
    current: bool


@dataclass(frozen=True)
class SignatoryView:
    """Who signs, in the edition's language."""

    organisation: Link
    country: str


@dataclass(frozen=True)
class RelatedView:
    """Links of one kind."""

    kind: RelatedKind
    links: tuple[Link, ...]


@dataclass(frozen=True)
class AppealView:
    """What only an appeal has, in the edition's language."""

    action: str
    address: str
    why_now: str
    #: Written out; "" when there is none.
    deadline: str


@dataclass(frozen=True)
class ItemView:
    """What an issue of a newsletter tells of."""

    title: str
    #: "" for an item in another language, and where it has none.
    lead: str
    #: Relative to the folder all pages lie under.
    path: str
    language: str
    direction: str
    #: What its language is called in the edition's.
    language_name: str


@dataclass(frozen=True)
class PictureView:
    """A picture that stands for the statement where others link to it."""

    #: Relative to the folder all pages lie under.
    path: str
    media_type: str
    width_px: int
    height_px: int


@dataclass(frozen=True)
class StatementView:
    """All that the page of a statement shows."""

    title: str
    preheader: str
    language: str
    direction: str
    #: What its language is called in the language of the page's frame.
    name: str
    #: What stands between the items of a list in its language.
    comma: str
    #: Of the page that lets the visitor's browser choose; relative, as all paths here.
    path: str
    body: Markup
    supports: tuple[Link, ...]
    signatories: tuple[SignatoryView, ...]
    and_others: bool
    hashtags: tuple[Link, ...]
    related: tuple[RelatedView, ...]
    editions: tuple[EditionLink, ...]
    #: Written out in the edition's language; "" while it has none.
    published: str
    #: The same as ISO 8601 day.
    published_day: str
    #: The same to the second, with its offset.
    published_at: str
    #: The first one in the text; None without any.
    picture: PictureView | None
    #: None but for appeals.
    appeal: AppealView | None
    #: It is a newsletter; then these two are its items, in its language and in others.
    is_newsletter: bool
    items: tuple[ItemView, ...]
    others: tuple[ItemView, ...]


def picture_digest(picture: Picture) -> str:
    """Return what stands for a picture's content in its address."""
    return hashlib.sha256(picture.content).hexdigest()[:PICTURE_DIGEST_CHARACTERS]


def picture_path(slug: str, picture: Picture) -> str:
    """Return a picture's address, relative to the folder all pages lie under."""
    return f"w/{slug}/picture/{picture_digest(picture)}/{quote(picture.name, safe='')}"


def statement_path(slug: str, language: str = "") -> str:
    """Return the address of a statement's page, relative to the folder all pages lie under."""
    return f"w/{slug}/{language}" if language else f"w/{slug}"


def view_statement(
    revision: Revision, language: str, frame_language: str, root: str, now: datetime
) -> StatementView:
    """Lay out the edition in `language`.

    Args:
        revision: The public one.
        language: Tag of one of its editions.
        frame_language: What the page around the statement speaks.
        root: Relative address of the folder all pages lie under.
        now: A day of publication that is still to come is not shown.
    """
    edition = revision.editions[language]
    shown: list[Picture] = []

    def picture_address(name: str) -> str:
        shown.append(revision.pictures[name])
        return root + picture_path(revision.slug, revision.pictures[name])

    def link(name: LocalizedText, address: str) -> Link:
        shown, mark = localized_marked(name, language, revision.source_language)
        return Link(shown, address if _is_web_address(address) else "", mark)

    body = body_to_html(
        body_without_supporter(revision, language),
        picture_address=picture_address,
        language=language,
        hashtags=revision.hashtags,
        pictures=revision.pictures,
    )
    published = revision.published
    if published is not None and published > now:
        published = None
    return StatementView(
        title=edition.title,
        preheader=edition.preheader,
        language=language,
        direction=direction(language),
        name=language_name(language, frame_language),
        comma=comma(language),
        path=statement_path(revision.slug),
        # `body_to_html` lets through its own allow-list of tags and attributes only.
        body=Markup(body),  # noqa: S704  (sanitized by nh3 in the call above)
        supports=tuple(link(one.name, one.address) for one in revision.supports),
        signatories=tuple(
            SignatoryView(link(one.name, one.address), country_name(one.country, language))
            for one in revision.signatories
        ),
        and_others=revision.and_others,
        hashtags=tuple(link({language: one.tag}, one.address) for one in revision.hashtags),
        related=_related(revision, link),
        editions=edition_links(revision.slug, revision.languages, language, frame_language),
        published=long_date(published.date(), language) if published else "",
        published_day=published.date().isoformat() if published else "",
        published_at=published.isoformat(timespec="seconds") if published else "",
        picture=_picture(revision.slug, shown[0]) if shown else None,
        appeal=_appeal(revision, language),
        is_newsletter=revision.kind is StatementKind.NEWSLETTER,
        items=tuple(_item(one, language) for one in items_in(revision, language)),
        others=tuple(_item(one, language) for one in items_elsewhere(revision, language)),
    )


def _is_web_address(address: str) -> bool:
    # Loading allows no other; a page is not the place to trust that.
    return address.startswith(("https://", "http://"))


def _appeal(revision: Revision, language: str) -> AppealView | None:
    appeal = revision.appeal
    if appeal is None or not _is_web_address(appeal.address):
        return None
    source, deadline = revision.source_language, appeal.deadline
    return AppealView(
        action=localized(appeal.action, language, source),
        address=appeal.address,
        why_now=localized(appeal.why_now, language, source),
        deadline=long_date(deadline, language) if deadline else "",
    )


def _item(item: ShownItem, language: str) -> ItemView:
    return ItemView(
        title=item.title,
        lead=item.lead,
        path=statement_path(item.slug, item.language),
        language=item.language,
        direction=direction(item.language),
        language_name=language_name(item.language, language),
    )


def _picture(slug: str, picture: Picture) -> PictureView:
    return PictureView(
        picture_path(slug, picture), picture.media_type, picture.width_px, picture.height_px
    )


def _related(
    revision: Revision, link: Callable[[LocalizedText, str], Link]
) -> tuple[RelatedView, ...]:
    groups = (
        (kind, tuple(one for one in revision.related if one.kind is kind)) for kind in RelatedKind
    )
    return tuple(
        RelatedView(kind, tuple(link(one.title, one.address) for one in items))
        for kind, items in groups
        if items
    )


def edition_links(
    slug: str, languages: Sequence[str], shown: str, frame_language: str
) -> tuple[EditionLink, ...]:
    """Return links to the pages of a statement's editions, named for readers of the frame's."""
    return tuple(
        EditionLink(
            language=language,
            own_name=language_name(language, language),
            name=language_name(language, frame_language),
            direction=direction(language),
            path=statement_path(slug, language),
            current=language == shown,
        )
        for language in languages
    )
