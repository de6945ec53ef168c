"""Lists, languages and supporters as the rooms hand them to each other.

In: nothing. Out: frozen dataclasses, standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mailer.model.statement import LocalizedText


class AttributeType(StrEnum):
    """The type of a declared attribute."""

    #: Free text.
    TEXT = "text"
    #: A whole or decimal number.
    NUMBER = "number"
    #: A calendar day, ISO 8601.
    DATE = "date"
    #: Yes or no.
    BOOLEAN = "boolean"


class MembershipState(StrEnum):
    """Where a supporter stands with one list."""

    #: On the list, may be mailed if consent is on record.
    SUBSCRIBED = "subscribed"
    #: Left by their own wish; an import never undoes it.
    LEFT = "left"


class UnsubscriptionSource(StrEnum):
    """By which way someone left lists."""

    #: The mail program's or provider's own button (RFC 8058).
    ONE_CLICK = "one_click"
    #: The button on our page.
    PAGE = "page"
    #: A mail to the address in List-Unsubscribe.
    MAIL = "mail"
    #: Their choice among their lists, on the preferences page.
    PREFERENCES = "preferences"
    #: They told staff, who took them off.
    STAFF = "staff"


class SuppressionReason(StrEnum):
    """Why an address is never to be mailed."""

    #: Unsubscribed from everything.
    UNSUBSCRIBED = "unsubscribed"
    #: A hard bounce.
    BOUNCED = "bounced"
    #: Soft bounces on too many days.
    SOFT_BOUNCES = "soft_bounces"
    #: An abuse report.
    COMPLAINED = "complained"
    #: Asked for erasure.
    ERASED = "erased"
    #: Set by staff.
    MANUAL = "manual"
    #: Came so from another system's export.
    IMPORTED = "imported"


@dataclass(frozen=True)
class Attribute:
    """A field of supporters that a list declares."""

    name: str
    type: AttributeType
    #: Stored readable, and so usable in segments; else sealed.
    clear: bool


@dataclass(frozen=True)
class ListDefinition:
    """A list as `lists/<key>.toml` declares it."""

    key: str
    name: LocalizedText
    #: Key of the organisation that owns the people on it.
    owner: str
    #: Key of the sender that mails it.
    sender: str
    #: RFC 2919 identifier without angle brackets: "news.harbour.example.org".
    list_id: str
    #: The basis on which people are mailed: "consent", "membership", ...
    consent_basis: str
    #: Languages tried, in order, after the supporter's own.
    languages: tuple[str, ...]
    #: IANA zone of supporters whose own is unknown.
    time_zone: str
    #: Everyone on it is marked discreet.
    discreet: bool = False
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    #: Field → column header, where a CSV names its columns otherwise.
    columns: Mapping[str, str] = field(default_factory=dict)
    #: What people on it can choose, by key, in the order of the file: names by language.
    topics: Mapping[str, LocalizedText] = field(default_factory=dict)


@dataclass(frozen=True)
class LanguageProfile:
    """What a supporter reads and what they must never be sent."""

    #: Ordered BCP 47 tags; may be empty.
    languages: tuple[str, ...]
    #: Tags never to be used; a base tag covers its regions and scripts.
    never: tuple[str, ...]


class LanguageStep(StrEnum):
    """How an edition was found for a profile."""

    #: The supporter's first language.
    FIRST = "first"
    #: A later one of the supporter's languages.
    LATER = "later"
    #: The list's declared chain, or the source edition: with a notice.
    FALLBACK = "fallback"
    #: Nothing acceptable: not mailed.
    NONE = "none"


@dataclass(frozen=True)
class LanguageChoice:
    """The edition chosen for a profile."""

    #: Tag of the edition; None when there is none that is acceptable.
    language: str | None
    step: LanguageStep
    #: The supporter's first language; None when they named none.
    wanted: str | None

    @property
    def notice(self) -> bool:
        """Whether mail and page open with the notice that the language is missing."""
        return self.step in (LanguageStep.LATER, LanguageStep.FALLBACK) and self.wanted is not None
