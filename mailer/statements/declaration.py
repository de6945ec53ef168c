"""Read `statement.toml`: whom the statement supports, who signs it, what belongs to it.

In: the text of the file. Out: a `Declaration`, and every fault with line and field. The file:

    slug = "her-rights"                      # the folder's name
    kind = "statement"                       # statement, newsletter or appeal
    source_language = "en"                   # the edition the others are translated from
    published = 2026-12-01T09:00:00+02:00    # optional; when the public page may show it
    and_others = true                        # optional; "and others" after the signatories
    topics = ["press"]                       # optional; keys of topics that lists declare

    [[supports]]
    kind = "organisation"                    # or "person"
    name = { en = "…", ru = "…" }
    address = "https://…"                    # optional

    [[hashtags]]
    tag = "#HerRights"
    address = "https://…"

    [[related]]
    kind = "report"                          # report, campaign, case or original
    title = { en = "…", ru = "…" }
    address = "https://…"

    [[signatories]]
    name = { en = "…", ru = "…" }
    country = "MD"                           # ISO 3166-1, two letters
    address = "https://…"                    # optional

An appeal has these too:

    deadline = 2026-12-10                    # optional; the last day on which acting helps
    why_now = { en = "…", ru = "…" }         # one sentence

    [action]                                 # what the button says, and where it leads
    label = { en = "…", ru = "…" }
    address = "https://…"
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from mailer.cldr import is_country, is_language
from mailer.model.statement import (
    Appeal,
    Hashtag,
    LocalizedText,
    RelatedItem,
    RelatedKind,
    Signatory,
    StatementKind,
    Supported,
    SupportedKind,
)
from mailer.model.toml_lines import TomlLines, not_toml
from mailer.model.topics import is_topic
from mailer.model.worded import worded
from mailer.statements.collecting import FaultCollector
from mailer.statements.hosts import host_problem
from mailer.statements.languages import MalformedTag, normalize_tag
from mailer.statements.links import web_address_problem

FILE_NAME = "statement.toml"
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_HASHTAG = re.compile(r"#(?!\d+$)\w+")
#: The table's column holds 120; a mailing's number comes after it.
_LONGEST_SLUG = 80

Member = TypeVar("Member", bound=StrEnum)
Item = TypeVar("Item")


@dataclass(frozen=True)
class NamedText:
    """A text of the file in one language, kept with its place for the checks of letters."""

    line: int
    field: str
    language: str
    text: str


@dataclass(frozen=True)
class NamedTitle:
    """A title of the file with its place, kept since a `RelatedItem` does not say where it stood."""

    line: int
    field: str
    title: LocalizedText
    #: It must be there in the language of every edition.
    needed: bool = False


@dataclass(frozen=True)
class Declaration:
    """What `statement.toml` says."""

    slug: str
    kind: StatementKind
    source_language: str
    published: datetime | None
    supports: tuple[Supported, ...]
    hashtags: tuple[Hashtag, ...]
    related: tuple[RelatedItem, ...]
    signatories: tuple[Signatory, ...]
    and_others: bool
    #: Every name, title and hashtag, for the checks of letters.
    texts: tuple[NamedText, ...] = ()
    #: Every title of something related, for the check of its languages.
    titles: tuple[NamedTitle, ...] = ()
    appeal: Appeal | None = None
    #: Keys, each once, in the order given.
    topics: tuple[str, ...] = ()


class _Table:
    """One table of the file: gives out checked values and notes what is wrong."""

    def __init__(
        self,
        values: dict[str, Any],
        path: tuple[str | int, ...],
        lines: TomlLines,
        found: FaultCollector,
        texts: list[NamedText],
    ) -> None:
        self._values = values
        self._path = path
        self._lines = lines
        self._found = found
        self._texts = texts
        self._asked: set[str] = set()

    def field(self, key: str) -> str:
        """Return the key as faults name it: "signatories[2].country"."""
        text = ""
        for part in (*self._path, key):
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
        return text

    def line(self, key: str) -> int:
        """Return the line of a key, else of the table it belongs to."""
        return self._lines.of(*self._path, key)

    def fault(self, key: str, problem: str, remedy: str = "", *, below: str = "") -> None:
        """Note an error at a key."""
        name = self.field(key) + (f".{below}" if below else "")
        self._found.error(self._lines.of(*self._path, key, below), name, problem, remedy)

    def value(self, key: str, kind: type[Item], what: str, remedy: str) -> Item | None:
        """Return the value of a key when it is of that type."""
        self._asked.add(key)
        value = self._values.get(key)
        if value is None or isinstance(value, kind):
            return value
        self.fault(key, worded("is not %(what)s", what=worded(what)), remedy)
        return None

    def text(self, key: str, remedy: str, *, required: bool = True) -> str:
        """Return a text in NFC, without blanks around it; "" when it is missing or faulty."""
        known = key in self._values
        value = self.value(key, str, "a text in quotes", remedy)
        text = unicodedata.normalize("NFC", value or "").strip()
        if required and not text and (value is not None or not known):
            self.fault(key, "is empty" if known else "is missing", remedy)
        return text

    def flag(self, key: str) -> bool:
        """Return a yes or no; False when it is missing."""
        return (
            self.value(key, bool, "true or false", worded("Write %(key)s = true", key=key)) or False
        )

    def choice(self, key: str, kind: type[Member]) -> Member | None:
        """Return the member of an enum."""
        words = ", ".join(member.value for member in kind)
        text = self.text(key, worded("Write one of: %(known)s", known=words))
        if text and text not in list(kind):
            self.fault(
                key,
                worded('is "%(text)s"', text=text),
                worded("Write one of: %(known)s", known=words),
            )
            return None
        return kind(text) if text else None

    def address(self, key: str, *, required: bool) -> str:
        """Return an https address; "" when it is missing or faulty."""
        text = self.text(key, "Write an address that begins with https://", required=required)
        problem = (web_address_problem(text) or host_problem(text)) if text else None
        if problem is None:
            return text
        self.fault(key, problem.problem, problem.remedy)
        return ""

    def localized(self, key: str, source_language: str) -> LocalizedText:
        """Return a text per language, tags normalised."""
        remedy = worded(
            'Write %(key)s = { %(source_language)s = "…" }',
            key=key,
            source_language=source_language or "en",
        )
        values = self.value(key, dict, "a text per language", remedy)
        if values is None:
            if key not in self._values:
                self.fault(key, "is missing", remedy)
            return {}
        texts: dict[str, str] = {}
        for tag, value in values.items():
            text = unicodedata.normalize("NFC", value).strip() if isinstance(value, str) else ""
            if not is_language(tag) or normalize_tag(tag) != tag:
                self.fault(
                    key, worded('"%(tag)s" is not a language', tag=tag), _tag_remedy(tag), below=tag
                )
            elif not text:
                self.fault(key, "is empty or not a text", remedy, below=tag)
            else:
                texts[tag] = text
                line = self._lines.of(*self._path, key, tag)
                self.look_at_letters(NamedText(line, f"{self.field(key)}.{tag}", tag, text))
        if source_language and source_language not in values:
            self.fault(
                key,
                worded(
                    'has no "%(source_language)s", the source language',
                    source_language=source_language,
                ),
                remedy,
            )
        return texts

    def look_at_letters(self, text: NamedText) -> None:
        """Keep a text for the checks of letters."""
        self._texts.append(text)

    def tables(self, key: str, read: Callable[[_Table], Item | None]) -> tuple[Item, ...]:
        """Return what `read` makes of every `[[key]]`; faulty ones are left out."""
        remedy = worded("Write a block that begins with [[%(key)s]]", key=key)
        rows = self.value(key, list, worded("a row of [[%(key)s]]", key=key), remedy) or []
        items: list[Item] = []
        for index, row in enumerate(rows):
            if not isinstance(row, dict):
                self.fault(key, worded("is not a row of [[%(key)s]]", key=key), remedy)
                continue
            table = _Table(row, (*self._path, key, index), self._lines, self._found, self._texts)
            item = read(table)
            table.finish()
            if item is not None:
                items.append(item)
        return tuple(items)

    def has(self, key: str) -> bool:
        """Tell whether the key is there, whatever it says."""
        self._asked.add(key)
        return key in self._values

    def day(self, key: str) -> date | None:
        """Return a day without an hour; None when it is missing or faulty."""
        remedy = worded("Write a day: %(key)s = 2026-12-10", key=key)
        value = self.value(key, date, "a day", remedy)
        if isinstance(value, datetime):
            self.fault(key, "has an hour; it is a day", remedy)
            return None
        return value

    def table(self, key: str, remedy: str) -> _Table | None:
        """Return the table `[key]`, which must be there."""
        values = self.value(key, dict, worded("a block [%(key)s]", key=key), remedy)
        if values is None:
            if key not in self._values:
                self.fault(key, "is missing", remedy)
            return None
        return _Table(values, (*self._path, key), self._lines, self._found, self._texts)

    def finish(self) -> None:
        """Note the keys nobody asked for."""
        known = ", ".join(sorted(self._asked))
        for key in self._values:
            if key not in self._asked:
                self.fault(
                    key, "is not a key known here", worded("There are: %(known)s", known=known)
                )


def _tag_remedy(tag: str) -> str:
    try:
        right = normalize_tag(tag)
    except MalformedTag:
        right = ""
    return (
        worded("Write %(right)s", right=right)
        if right and is_language(right)
        else "Write a tag like en, ru or sr-Latn"
    )


def parse_declaration(text: str, folder: str, found: FaultCollector) -> Declaration | None:
    """Read the text of `statement.toml`; what is wrong goes into `found`.

    Args:
        text: The whole file.
        folder: Name of the folder it lies in, which the slug must be.
        found: Takes the faults.

    Returns:
        The declaration, without the rows that had faults; None when it cannot be told what it is.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found.faults.append(not_toml(found.file, text, error))
        return None
    texts: list[NamedText] = []
    titles: list[NamedTitle] = []
    table = _Table(values, (), TomlLines(text), found, texts)
    slug = _read_slug(table, folder)
    kind = table.choice("kind", StatementKind)
    source = table.text("source_language", 'Write source_language = "en"')
    if source and (not is_language(source) or normalize_tag(source) != source):
        table.fault(
            "source_language",
            worded('"%(tag)s" is not a language', tag=source),
            _tag_remedy(source),
        )
        source = ""
    declaration = Declaration(
        slug=slug,
        kind=kind or StatementKind.STATEMENT,
        source_language=source,
        published=_read_published(table),
        supports=table.tables("supports", lambda row: _supported(row, source)),
        hashtags=table.tables("hashtags", lambda row: _hashtag(row, source)),
        related=table.tables("related", lambda row: _related(row, source, titles)),
        signatories=table.tables("signatories", lambda row: _signatory(row, source)),
        and_others=table.flag("and_others"),
        appeal=_read_appeal(table, kind, source, titles),
        topics=_read_topics(table),
        texts=tuple(texts),
        titles=tuple(titles),
    )
    if declaration.kind is StatementKind.STATEMENT and not values.get("signatories"):
        table.fault("signatories", "nobody signs", "Add a block [[signatories]]")
    table.finish()
    return declaration if slug and kind and source else None


def is_slug(text: str) -> bool:
    """Tell whether a statement may be called so in addresses."""
    return _SLUG.fullmatch(text) is not None and len(text) <= _LONGEST_SLUG


def _read_slug(table: _Table, folder: str) -> str:
    slug = table.text("slug", worded('Write slug = "%(folder)s"', folder=folder))
    if slug and not is_slug(slug):
        remedy = worded(
            "Use lower-case letters, digits and single hyphens, at most %(longest)s",
            longest=_LONGEST_SLUG,
        )
        table.fault("slug", worded('"%(slug)s" cannot stand in an address', slug=slug), remedy)
        return ""
    if slug and slug != folder:
        table.fault(
            "slug",
            worded('is "%(slug)s" in the folder "%(folder)s"', slug=slug, folder=folder),
            "Let both be the same",
        )
        return ""
    return slug


def _read_published(table: _Table) -> datetime | None:
    remedy = "Write an hour with its zone: 2026-12-01T09:00:00+02:00"
    moment = table.value("published", datetime, "an hour", remedy)
    if moment is not None and moment.tzinfo is None:
        table.fault("published", "has no zone, so it could be any hour", remedy)
        return None
    return moment


def _read_topics(table: _Table) -> tuple[str, ...]:
    remedy = 'Write keys of topics that lists declare: topics = ["press"]'
    values = table.value("topics", list, "a row of keys", remedy) or []
    topics = [one for one in values if isinstance(one, str) and is_topic(one)]
    if len(topics) < len(values):
        table.fault("topics", "holds what is no key of a topic", remedy)
    for one in sorted({one for one in topics if topics.count(one) > 1}):
        table.fault("topics", worded('names "%(name)s" twice', name=one), "Name each topic once")
    return tuple(dict.fromkeys(topics))


def _read_appeal(
    table: _Table, kind: StatementKind | None, source: str, titles: list[NamedTitle]
) -> Appeal | None:
    """Return what only an appeal has; what of it stands elsewhere is a fault."""
    if kind is not StatementKind.APPEAL:
        for key in ("action", "why_now", "deadline"):
            if table.has(key):
                table.fault(key, "is for appeals only", 'Take it out, or write kind = "appeal"')
        return None

    def needed(one: _Table, key: str) -> LocalizedText:
        text = one.localized(key, source)
        if text:
            titles.append(NamedTitle(one.line(key), one.field(key), text, needed=True))
        return text

    deadline = table.day("deadline")
    why_now = needed(table, "why_now")
    row = table.table("action", "Write a block that begins with [action]")
    if row is None:
        return None
    action, address = needed(row, "label"), row.address("address", required=True)
    row.finish()
    return Appeal(action, address, why_now, deadline) if action and address and why_now else None


def _supported(row: _Table, source: str) -> Supported | None:
    kind = row.choice("kind", SupportedKind)
    name = row.localized("name", source)
    address = row.address("address", required=False)
    return Supported(kind, name, address) if kind and name else None


def _hashtag(row: _Table, source: str) -> Hashtag | None:
    tag = row.text("tag", 'Write tag = "#HerRights"')
    if tag and not _HASHTAG.fullmatch(tag):
        remedy = 'Write a number sign, then letters and digits only: "#HerRights"'
        row.fault("tag", worded('"%(tag)s" is not a hashtag', tag=tag), remedy)
        tag = ""
    if tag:
        # One hashtag serves all editions: where scripts tie, that of the source decides.
        row.look_at_letters(NamedText(row.line("tag"), row.field("tag"), source, tag))
    address = row.address("address", required=True)
    return Hashtag(tag, address) if tag and address else None


def _related(row: _Table, source: str, titles: list[NamedTitle]) -> RelatedItem | None:
    kind = row.choice("kind", RelatedKind)
    title = row.localized("title", source)
    if title:
        titles.append(NamedTitle(row.line("title"), row.field("title"), title))
    address = row.address("address", required=True)
    return RelatedItem(kind, title, address) if kind and title and address else None


def _signatory(row: _Table, source: str) -> Signatory | None:
    name = row.localized("name", source)
    country = row.text("country", 'Write a code of two letters: country = "MD"')
    if country and not is_country(country):
        remedy = 'Write its code of two capital letters (ISO 3166-1): "MD"'
        row.fault("country", worded('"%(country)s" is not a country', country=country), remedy)
        country = ""
    address = row.address("address", required=False)
    return Signatory(name, country, address) if name and country else None
