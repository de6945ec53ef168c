"""What preflight finds: a code, whether it stops the mailing, its place, and values for words.

In: nothing. Out: frozen dataclasses and enums. A finding holds no words of its own, so that the desk
says it in the language of who reads it; a fault that another check put into words comes along whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mailer.audience.coverage import Coverage
from mailer.model.faults import Fault, Severity
from mailer.model.worded import worded


class Weight(StrEnum):
    """Whether a finding stops the mailing."""

    #: It cannot be scheduled.
    BLOCKING = "blocking"
    #: Worth a look; nothing is stopped.
    ADVISORY = "advisory"


class FindingCode(StrEnum):
    """What was found; each has its words in `mailer.app.preflight.words`."""

    # What is to be sent, to whom, from whom.
    STATEMENT_UNKNOWN = "statement_unknown"
    STATEMENT_WITHDRAWN = "statement_withdrawn"
    #: It is an issue of a newsletter that waits as a draft: the draft alone is its way out.
    ISSUE_UNRELEASED = "issue_unreleased"
    LIST_UNUSABLE = "list_unusable"
    SENDER_UNUSABLE = "sender_unusable"
    SEGMENT_UNUSABLE = "segment_unusable"
    TOPIC_UNUSABLE = "topic_unusable"

    # Editions.
    EDITION_MISSING = "edition_missing"
    EDITION_STALE = "edition_stale"
    EDITION_UNDISCREET = "edition_undiscreet"
    EDITION_FAULT = "edition_fault"
    LETTERS = "letters"
    CATALOG_LACKS = "catalog_lacks"
    PICTURE_SILENT = "picture_silent"
    PICTURE_FILE_NAME = "picture_file_name"
    PICTURE_EMPTY_WORDS = "picture_empty_words"
    PICTURE_REPEATED = "picture_repeated"

    # The mails made of them.
    UNKNOWN_VARIABLE = "unknown_variable"
    TEMPLATE_FAULT = "template_fault"
    MAIL_FAULT = "mail_fault"
    HEADER_UNFIT = "header_unfit"
    MAIL_UNMADE = "mail_unmade"
    MAIL_CLIPPED = "mail_clipped"
    MAIL_HEAVY = "mail_heavy"
    UNSUBSCRIBE_HEADER = "unsubscribe_header"
    UNSUBSCRIBE_LINK = "unsubscribe_link"
    TEXT_PALE = "text_pale"

    # How they leave.
    NOT_LIVE = "not_live"
    SENDING_UNREADY = "sending_unready"
    RELAY_UNVERIFIED = "relay_unverified"
    DOMAIN_NOT_ASKED = "domain_not_asked"
    DOMAIN_ASKED_LONG_AGO = "domain_asked_long_ago"
    DOMAIN_WRONG = "domain_wrong"
    DOMAIN_OFFLINE = "domain_offline"

    # Links.
    LINKS_NOT_ASKED = "links_not_asked"
    LINKS_ASKED_LONG_AGO = "links_asked_long_ago"
    LINK_LEADS_ON = "link_leads_on"
    LINK_GONE = "link_gone"
    LINK_CLOSED = "link_closed"
    LINK_FAILING = "link_failing"
    LINK_SILENT = "link_silent"
    LINK_UNTRUSTED = "link_untrusted"
    LINK_PRIVATE = "link_private"
    LINK_OFFLINE = "link_offline"

    # When.
    HOUR_PASSED = "hour_passed"
    HOUR_TOO_LATE = "hour_too_late"
    QUIET_DAY = "quiet_day"
    CLASH = "clash"
    DEADLINE_PASSED = "deadline_passed"

    # Who is reached.
    NOBODY = "nobody"
    PEOPLE_WITHOUT_EDITION = "people_without_edition"
    PEOPLE_DISCREET = "people_discreet"


@dataclass(frozen=True)
class Place:
    """Where a finding is; what does not concern it is ""."""

    #: Slug.
    statement: str = ""
    #: Tag of the edition.
    language: str = ""
    #: As faults name it, relative to the workspace.
    file: str = ""
    #: Counted from 1; 0 when the whole file is meant.
    line: int = 0
    #: Field, key or option: "subject", "--segment".
    field: str = ""
    #: Keys in their files.
    list: str = ""
    sender: str = ""
    relay: str = ""
    #: As in the DNS.
    domain: str = ""
    #: "<slug>-<n>".
    mailing: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    code: FindingCode
    weight: Weight
    place: Place = Place()
    #: What the words of its code name: `%(people)s`.
    values: Mapping[str, str | int] = field(default_factory=dict, hash=False)
    #: What another check said; its words are English.
    fault: Fault | None = None


@dataclass(frozen=True)
class Weighed:
    """The mail of one edition, as many bytes as would go over the wire."""

    language: str
    #: Of the HTML part, decoded: what mail programs clip by.
    html_bytes: int
    #: Of the whole message, encoded, pictures in it.
    whole_bytes: int


@dataclass(frozen=True)
class Preflight:
    """What was found of one mailing to be."""

    #: What blocks first; within that by theme.
    findings: tuple[Finding, ...]
    mails: tuple[Weighed, ...] = ()
    #: None where people were not counted, or could not be.
    coverage: Coverage | None = None

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """Return what has to be mended first."""
        return tuple(one for one in self.findings if one.weight is Weight.BLOCKING)

    @property
    def advisory(self) -> tuple[Finding, ...]:
        """Return what is worth a look."""
        return tuple(one for one in self.findings if one.weight is Weight.ADVISORY)


def blocking(code: FindingCode, place: Place | None = None, **values: str | int) -> Finding:
    """Return a finding that stops the mailing."""
    return Finding(code, Weight.BLOCKING, place or Place(), values)


def advisory(code: FindingCode, place: Place | None = None, **values: str | int) -> Finding:
    """Return a finding that is worth a look."""
    return Finding(code, Weight.ADVISORY, place or Place(), values)


def from_fault(code: FindingCode, fault: Fault, place: Place | None = None) -> Finding:
    """Return what another check found; it stops the mailing where it stops the work there.

    Args:
        code: what kind of fault it is.
        fault: in words already.
        place: where it belongs; file, line and field are the fault's own.
    """
    around = place or Place()
    said: str = worded(fault.problem)
    if fault.field:
        said = worded("%(field)s: %(problem)s", field=fault.field, problem=said)
    weight = Weight.BLOCKING if fault.severity is Severity.ERROR else Weight.ADVISORY
    own = Place(
        around.statement, around.language, fault.file, fault.line, fault.field,
        around.list, around.sender, around.relay, around.domain, around.mailing,
    )  # fmt: skip
    return Finding(code, weight, own, {"problem": said, "remedy": worded(fault.remedy)}, fault)
