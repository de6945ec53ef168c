"""The forms of what programs send and are answered.

In: JSON. Out: pydantic models, by which it is checked and described. Text holds no control characters
and no halves of characters; everything has a longest form.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from mailer.model.states import MailingState
from mailer.model.timing import LatePolicy

#: Items of a page, unless fewer are asked for.
PAGE = 100
_MOST_ROWS = 1_000
_LAST_ROW_ID = 2**62
#: Hours beyond are no hour of any mailing.
_FIRST_YEAR, _LAST_YEAR = 1971, 2998
_T = TypeVar("_T")


def _one_line(text: str) -> str:
    if any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in text):
        raise ValueError("holds line breaks, control characters or halves of characters")
    return text


def _writing(text: str) -> str:
    if any(unicodedata.category(one) in ("Cc", "Cs") for one in text if one not in "\n\r\t"):
        raise ValueError("holds control characters or halves of characters")
    return text


def _possible(moment: datetime) -> datetime:
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"lies outside the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment


#: A line of text.
Line = Annotated[str, Field(max_length=500), AfterValidator(_one_line)]
#: A value of a person.
Value = Annotated[str, Field(max_length=2_000), AfterValidator(_one_line)]
#: An address of a person; whether it is one is found out later, and said without repeating it.
Address = Annotated[str, Field(min_length=1, max_length=320), AfterValidator(_one_line)]
#: A key of the workspace's files: of a list, a sender, an organisation.
Key = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
#: An expression over supporters, as the command line takes it.
Expression = Annotated[str, Field(max_length=4_000), AfterValidator(_one_line)]
Tag = Annotated[str, Field(max_length=120), AfterValidator(_one_line)]
Slug = Annotated[str, Field(max_length=80, pattern=r"^[a-z0-9][a-z0-9-]*$")]
#: RFC 3339, with an offset.
Moment = Annotated[AwareDatetime, AfterValidator(_possible)]

SlugPath = Annotated[str, Path(max_length=80, pattern=r"^[a-z0-9][a-z0-9-]*$")]
MailingPath = Annotated[str, Path(max_length=120, pattern=r"^[a-z0-9][a-z0-9-]*$")]
ListPath = Annotated[str, Path(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
LanguagePath = Annotated[str, Path(max_length=35, pattern=r"^[A-Za-z0-9-]+$")]
NumberPath = Annotated[int, Path(ge=1, le=2**31 - 1)]
#: The key of an item that the page comes after; "" for the first page.
After = Annotated[str, Query(max_length=120, pattern=r"^[a-z0-9-]*$")]
Before = Annotated[int | None, Query(ge=1, le=2**31 - 1)]
Limit = Annotated[int, Query(ge=1, le=PAGE)]


class Sent(BaseModel):
    """What a program sends; a member that nobody knows is refused, since it would do nothing."""

    model_config = ConfigDict(extra="forbid")


class Page(BaseModel, Generic[_T]):
    """A page of a list."""

    items: list[_T]
    #: What `after` or `before` is for the next page; null on the last.
    next: str | None


class ProblemDocument(BaseModel):
    """What is wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    #: The kind of problem, for programs.
    code: str
    detail: str
    faults: list[dict[str, Any]] = []


class StatementShown(BaseModel):
    """A statement as a list of them shows it."""

    slug: str
    kind: str
    title: str
    languages: list[str]
    revisions: int
    latest: int
    loaded_at: datetime
    published: int | None
    published_at: datetime | None
    visibility: str


class RevisionListed(BaseModel):
    """A revision as a list of them shows it."""

    revision: int
    loaded_at: datetime
    #: In the source language.
    title: str
    languages: list[str]


class RevisionShown(BaseModel):
    """A revision of a statement, without its text."""

    revision: int
    loaded_at: datetime
    digest: str
    languages: list[str]


class RevisionWhole(RevisionShown):
    """A revision with its text: `document` is as the database keeps it."""

    slug: str
    document: dict[str, Any]


class EditionShown(BaseModel):
    """A statement in one language."""

    language: str
    title: str
    subject: str
    preheader: str
    body: str
    content_hash: str
    translated_from: str
    is_source: bool


#: A name of a file in a statement's folder.
FileName = Annotated[
    str, Field(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*\.[a-z0-9]{1,5}$")
]
FileText = Annotated[str, Field(max_length=1_000_000), AfterValidator(_writing)]


class StatementFiles(Sent):
    """The files of a statement's folder, as they lie in templates/statements/<slug>/."""

    slug: Slug
    #: Name → text: statement.toml, and <language>.md for each edition.
    files: Annotated[dict[FileName, FileText], Field(min_length=1, max_length=60)]
    #: Name → picture in base64.
    pictures: Annotated[
        dict[FileName, Annotated[str, Field(max_length=4_000_000)]], Field(max_length=20)
    ] = {}


class FaultShown(BaseModel):
    """One thing that is wrong, or worth a look."""

    file: str
    line: int
    column: int
    field: str
    problem: str
    remedy: str
    severity: str


class StatementChecked(BaseModel):
    """What is wrong with files of a statement."""

    loadable: bool
    faults: list[FaultShown]


class RevisionLoaded(RevisionShown):
    """A revision that was loaded."""

    slug: str
    #: The same text was loaded before.
    already_stored: bool
    #: Worth a look; nothing that stopped it.
    warnings: list[FaultShown]


class MailingShown(BaseModel):
    """A mailing and where it stands."""

    mailing: str
    state: MailingState
    lists: list[str]
    segment: str
    exclude: str
    sender: str
    urgent: bool
    topics: list[str]
    corrects: str | None
    #: Null while it has none.
    due_at: datetime | None
    time_zone: str
    #: How many people were confirmed, or counted for a draft.
    confirmed: int
    started_at: datetime | None
    finished_at: datetime | None
    held_reason: str
    pause_reason: str
    #: It never leaves the sandbox.
    rehearsal: bool
    #: What an approval is of.
    digest: str


class NewMailing(Sent):
    """A mailing to be drafted."""

    statement: Slug
    lists: Annotated[list[Key], Field(min_length=1, max_length=50)]
    sender: Key | Literal[""] = ""
    segment: Expression = ""
    exclude: Expression = ""
    urgent: bool = False


class AudienceCounted(BaseModel):
    """How many people a mailing would go to now."""

    mailing: str
    #: What is confirmed when it is scheduled.
    people: int
    first_language: int
    later_language: int
    fallback: int
    not_mailed: dict[str, int]
    by_language: dict[str, int]
    missing_editions: dict[str, int]


class Hour(Sent):
    """When a mailing is to go, and to how many."""

    #: To the minute.
    at: Moment
    #: An IANA name; that of the workspace where none is said.
    time_zone: Annotated[str, Field(max_length=60, pattern=r"^[A-Za-z0-9_+/-]*$")] = ""
    #: How many people it goes to, as they were counted: another number is refused.
    people: Annotated[int, Field(ge=1, le=_LAST_ROW_ID)]
    #: At that hour of the clock in each supporter's own zone.
    recipient_time: bool = False
    #: "09:00-20:00".
    window: Annotated[str, Field(max_length=11, pattern=r"^[0-9:-]*$")] = ""
    #: "sat,sun,2026-12-25", or "none".
    quiet_days: Annotated[str, Field(max_length=500, pattern=r"^[a-z0-9,-]*$")] = ""
    late: LatePolicy | None = None
    #: "200", "5%" or "none".
    canary: Annotated[str, Field(max_length=20, pattern=r"^[a-z0-9.%]+$")] | None = None
    #: How late it may begin; what is configured where nothing is said.
    grace_s: Annotated[int, Field(ge=60, le=604_800)] | None = None


class Going(Sent):
    """That a mailing is to go on."""

    #: Although it paused by itself.
    anyway: bool = False


class Row(Sent):
    """A person to be brought onto a list."""

    email: Address
    #: "yes", "no", or one word for the basis, like "membership".
    consent: Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_one_line)] = "yes"
    #: Where it was given: "form at example.org/join".
    consent_source: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_one_line)]
    consented_at: Moment | None = None
    name: Value = ""
    #: In their order.
    languages: Annotated[list[Tag], Field(max_length=20)] = []
    never_languages: Annotated[list[Tag], Field(max_length=20)] = []
    country: Annotated[str, Field(max_length=2), AfterValidator(_one_line)] = ""
    time_zone: Line = ""
    tags: Annotated[list[Tag], Field(max_length=50)] = []
    joined: Moment | None = None
    discreet: bool | None = None
    text_only: bool | None = None
    topics: Annotated[list[Key], Field(max_length=50)] = []
    #: Attributes that the list declares, as text.
    attributes: Annotated[dict[Key, Value], Field(max_length=50)] = {}


class Rows(Sent):
    """People to be brought onto a list."""

    rows: Annotated[list[Row], Field(min_length=1, max_length=_MOST_ROWS)]
    #: Say what would come of it, and change nothing.
    dry_run: bool = False


class RowTold(BaseModel):
    """What became of one row; nothing of the person is in it."""

    #: Its place in what was sent, from 0.
    index: int
    #: added, updated, unchanged, merged, left, suppressed, rejected.
    what: str
    reason: str


class RowsTaken(BaseModel):
    """What became of rows."""

    #: Number of the import, by which `mailer import --undo` takes it back; 0 for a dry run.
    batch: int
    counts: dict[str, int]
    without_consent: int
    rows: list[RowTold]


class MembersAsked(Sent):
    """Which page of a list's people is asked for."""

    #: `next` of the page before; 0 for the first.
    after: Annotated[int, Field(ge=0, le=_LAST_ROW_ID)] = 0
    limit: Annotated[int, Field(ge=1, le=_MOST_ROWS)] = 500


class Members(BaseModel):
    """A page of a list's people, each as a row that an import takes."""

    items: list[dict[str, str]]
    next: int | None
    #: On the list, but suppressed: left out.
    suppressed: int


class Person(Sent):
    """Who is asked about."""

    address: Address


class PersonOf(Person):
    """Who is meant, and by which organisation they are known."""

    #: Key; "" for all.
    organisation: Key | Literal[""] = ""


class Suppressing(PersonOf):
    """Who is to be mailed no more."""

    reason: Line = ""


class Lifting(PersonOf):
    """Who may be mailed again."""

    #: They took back their own word; without that an unsubscription, a complaint or an erasure stays.
    they_asked_for_it: bool = False


class Erased(BaseModel):
    """In how many organisations somebody was erased."""

    organisations: int


class Suppression(BaseModel):
    """Why an address is not mailed."""

    #: Key of the organisation; "all" for every one.
    organisation: str
    reason: str
    source: str
    since: datetime


class Standing(BaseModel):
    """Whether an address is suppressed."""

    suppressed: bool
    suppressions: list[Suppression]


class Suppressed(BaseModel):
    """That an address is suppressed."""

    #: Whether it was mailed before.
    changed: bool


class Lifted(BaseModel):
    """What was lifted, and what stays since it is the person's own word."""

    lifted: int
    stays: list[str]
