"""A statement with its editions, as it is written, stored and rendered.

In: nothing. Out: frozen dataclasses. `Revision` is what a mailing pins; its `document` form (see
`mailer.statements.document`) is what the database keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class StatementKind(StrEnum):
    """Which mail template a statement is sent with."""

    #: A coalition's statement, signed by organisations.
    STATEMENT = "statement"
    #: A recurring collection of statements.
    NEWSLETTER = "newsletter"
    #: A call to act.
    APPEAL = "appeal"


class SupportedKind(StrEnum):
    """Whom a statement supports."""

    #: An organisation.
    ORGANISATION = "organisation"
    #: A person.
    PERSON = "person"


class RelatedKind(StrEnum):
    """What a related item is."""

    #: A report on the case or the country.
    REPORT = "report"
    #: A campaign that one can join.
    CAMPAIGN = "campaign"
    #: The case itself.
    CASE = "case"
    #: Where the statement was first published.
    ORIGINAL = "original"


#: Text per language tag, as in `{ en = "Harbour", ru = "Гавань" }`.
LocalizedText = Mapping[str, str]


class Visibility(StrEnum):
    """What the public pages make of a statement that is public."""

    #: Its page is there, and the archive and its feeds name it.
    LISTED = "listed"
    #: Its page is there for who knows its address.
    UNLISTED = "unlisted"
    #: Its page says that it was withdrawn, and by what it was corrected.
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Supported:
    """An organisation or a person that a statement supports."""

    kind: SupportedKind
    name: LocalizedText
    #: Web address, https; "" when there is none.
    address: str


@dataclass(frozen=True)
class Hashtag:
    """A hashtag and where it leads."""

    #: With its leading number sign: "#FreeTheLibrary".
    tag: str
    #: Web address.
    address: str


@dataclass(frozen=True)
class RelatedItem:
    """Something to read or do beside the statement."""

    kind: RelatedKind
    title: LocalizedText
    #: Web address.
    address: str


@dataclass(frozen=True)
class Signatory:
    """An organisation that signs."""

    name: LocalizedText
    #: ISO 3166-1 alpha-2, upper case.
    country: str
    #: Web address; "" when there is none.
    address: str


@dataclass(frozen=True)
class Appeal:
    """What only an appeal has: the one thing to do, why now, until when."""

    #: What is read on the button; in the language of every edition.
    action: LocalizedText
    #: Web address that the button leads to.
    address: str
    #: One sentence; in the language of every edition.
    why_now: LocalizedText
    #: The last day on which it helps; None when there is none.
    deadline: date | None = None


@dataclass(frozen=True)
class Picture:
    """A picture that travels in the message, re-encoded at load."""

    #: File name as the body names it.
    name: str
    #: "image/jpeg" or "image/png".
    media_type: str
    width_px: int
    height_px: int
    #: At most 100 kB.
    content: bytes


@dataclass(frozen=True)
class Edition:
    """The statement in one language."""

    #: BCP 47 tag: "en", "ru", "sr-Latn".
    language: str
    title: str
    subject: str
    preheader: str
    #: What a stranger may read on a lock screen; "" until the discreet profile asks for it.
    discreet_subject: str
    discreet_preheader: str
    #: Content hash of the source edition this was translated from; "" for the source itself.
    translated_from: str
    #: Markdown with `::: quote`, `::: demand` and `::: note` blocks, and Jinja slots.
    body: str
    #: Hash of title, subject, preheader and body: what `translated_from` refers to.
    content_hash: str
    #: Line of the edition's file that the body begins on, to send a person there; in no hash.
    body_line: int = field(default=1, compare=False)


@dataclass(frozen=True)
class ItemText:
    """What a newsletter says of a statement's edition."""

    title: str
    #: The edition's preheader; "" when it has none.
    lead: str


@dataclass(frozen=True)
class NewsletterItem:
    """A statement that an issue of a newsletter tells of, as it was public then."""

    slug: str
    #: Number of its revision.
    revision: int
    source_language: str
    #: Edition's language → its title and lead, source first.
    texts: Mapping[str, ItemText]


@dataclass(frozen=True)
class Revision:
    """An immutable state of a statement with all its editions."""

    slug: str
    kind: StatementKind
    source_language: str
    #: When it may be seen by the public; None when that is left to the first mailing.
    published: datetime | None
    supports: tuple[Supported, ...]
    hashtags: tuple[Hashtag, ...]
    related: tuple[RelatedItem, ...]
    signatories: tuple[Signatory, ...]
    #: Whether the page says "and others" after the signatories.
    and_others: bool
    #: Editions by language, source first, then by tag.
    editions: Mapping[str, Edition]
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    #: SHA-256 in hex over everything else: two loads of the same files give one revision.
    digest: str = ""
    #: Of kind appeal; else None.
    appeal: Appeal | None = None
    #: What an issue of a newsletter tells of, the newest first; empty for everything else.
    items: tuple[NewsletterItem, ...] = ()
    #: Keys of topics that lists declare; one without any is for everyone.
    topics: tuple[str, ...] = ()

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the tags of the editions there are, in order."""
        return tuple(self.editions)


@dataclass(frozen=True)
class StoredRevision:
    """A revision with the numbers the database gave it."""

    revision_id: int
    statement_id: int
    #: Counted from 1 within the statement.
    number: int
    loaded_at: datetime
    revision: Revision


def edition_file(revision: Revision, language: str) -> str:
    """Return the file of an edition as faults name it, relative to the workspace."""
    folder = "newsletters" if revision.items else "statements"
    return f"templates/{folder}/{revision.slug}/{language}.md"


def localized(text: LocalizedText, language: str, source_language: str) -> str:
    """Return the text in `language`, else in its base language, else in the source's, else any.

    Names of organisations fall back openly: a name in another language is still that name.
    """
    return localized_marked(text, language, source_language)[0]


def localized_marked(text: LocalizedText, language: str, source_language: str) -> tuple[str, str]:
    """Return what `localized` does, and the tag to mark it with: "" when it is in `language`."""
    base = language.split("-", 1)[0]
    # WCAG 2.2 SC 3.1.2: what is in another language than the page says so.
    for tag in (language, base, source_language, "en", *text):
        if tag in text:
            return text[tag], "" if tag in (language, base) else tag
    return "", ""


__all__ = [
    "Appeal",
    "Edition",
    "Hashtag",
    "ItemText",
    "LocalizedText",
    "NewsletterItem",
    "Picture",
    "RelatedItem",
    "RelatedKind",
    "Revision",
    "Signatory",
    "StatementKind",
    "StoredRevision",
    "Supported",
    "SupportedKind",
    "Visibility",
    "edition_file",
    "localized",
    "localized_marked",
]
