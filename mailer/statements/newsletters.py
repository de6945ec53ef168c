"""Read a newsletter from its folder, with all that is wrong with it.

In: `templates/newsletters/<slug>/` with `newsletter.toml` and one `<language>.md` per language. Out:
a `Newsletter`, or faults with file, line and field. Whether lists, sender and segments are there,
and whether the hours can be read, is for `mailer.app.newsletters` to say. The file:

    slug = "harbor-letters"              # the folder's name
    cron = "0 9 * * 1"                   # minute, hour, day of the month, month, day of the week
    time_zone = "Europe/Chisinau"        # the zone of that hour
    source_language = "en"               # the language whose words come first
    lists = ["harbor-news"]              # keys of the lists it goes to
    sender = "harbor"                    # optional; needed when the lists' senders differ
    segment = "language = ru"            # optional; only these
    exclude = ""                         # optional; but not these
    kinds = ["statement", "appeal"]      # optional; what it tells of
    since = 2026-01-01                   # optional; nothing loaded before that day
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from mailer.cldr import is_language
from mailer.model.faults import Fault, errors_in
from mailer.model.newsletter import DATE_MARK, NUMBER_MARK, Newsletter
from mailer.model.statement import Edition, StatementKind
from mailer.model.toml_lines import TomlLines, not_toml
from mailer.model.worded import worded
from mailer.statements.collecting import FaultCollector, by_place
from mailer.statements.editions import ReadEdition, parse_edition
from mailer.statements.languages import MalformedTag, normalize_tag
from mailer.statements.source import language_of, read_text, shown_place

FILE_NAME = "newsletter.toml"
#: What an issue can tell of: not of itself, and not of other newsletters.
KINDS = (StatementKind.STATEMENT, StatementKind.APPEAL)
_KNOWN = (
    "slug", "cron", "time_zone", "source_language", "lists", "sender", "segment", "exclude",
    "kinds", "since",
)  # fmt: skip
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_SLUG = 80
_MARK = re.compile(r"\{[^{}]*\}")
_MARKS = (DATE_MARK, NUMBER_MARK)


@dataclass(frozen=True)
class NewsletterFolder:
    """All that was found in a newsletter's folder."""

    #: None as long as anything stops the work.
    newsletter: Newsletter | None
    faults: tuple[Fault, ...]
    #: The declaration as faults name it.
    file: str
    #: Where its keys stand.
    lines: TomlLines


def read_newsletter(folder: Path, root: Path) -> NewsletterFolder:
    """Read a newsletter from its folder.

    Args:
        folder: `templates/newsletters/<slug>`.
        root: The workspace; faults name files relative to it.
    """
    place = shown_place(folder, root)
    found = FaultCollector(f"{place}/{FILE_NAME}")
    text = read_text(folder / FILE_NAME, found)
    reader = _Reader(text or "", found)
    newsletter = reader.read(folder.resolve().name) if text is not None else None
    faults = list(found.faults)
    intros: dict[str, Edition] = {}
    for path in sorted(folder.glob("*.md")):
        of_file = FaultCollector(f"{place}/{path.name}")
        language = language_of(path, of_file)
        intro = _read_intro(path, language, of_file) if language else None
        if intro is not None:
            intros[language] = intro
        faults += of_file.faults
    if newsletter is not None:
        source = newsletter.source_language
        if source not in intros:
            problem = worded(
                "%(source)s.md, in the source language, is missing or cannot be read", source=source
            )
            remedy = "Write it: title, subject and preheader, and words to begin with if you like"
            line = reader.lines.of("source_language")
            faults.append(Fault(found.file, line, "source_language", problem, remedy))
        ordered = sorted(intros, key=lambda language: (language != source, language))
        newsletter = replace(
            newsletter, intros={language: intros[language] for language in ordered}
        )
    usable = newsletter if not errors_in(faults) else None
    return NewsletterFolder(usable, tuple(sorted(faults, key=by_place)), found.file, reader.lines)


def _read_intro(path: Path, language: str, found: FaultCollector) -> Edition | None:
    text = read_text(path, found)
    if text is None:
        return None
    read = parse_edition(text, language, found, may_be_empty=True)
    if read is None:
        return None
    _check_intro(read, found)
    return read.edition


def _check_intro(read: ReadEdition, found: FaultCollector) -> None:
    front = read.front_matter
    for name, value in front.values.items():
        for mark in _MARK.findall(value):
            if mark not in _MARKS:
                remedy = worded(
                    "There are %(date)s and %(number)s",
                    date=DATE_MARK,
                    number=NUMBER_MARK,
                )
                found.error(
                    front.line_of(name),
                    name,
                    worded("%(mark)s stands for nothing here", mark=mark),
                    remedy,
                )
    if "translated_from" in front.values:
        problem = "is for statements: each language of a newsletter has words of its own"
        found.error(front.line_of("translated_from"), "translated_from", problem, "Take it out")
    for use in read.pictures:
        found.error(use.line, "picture", "a newsletter carries no pictures", "Take it out")


class _Reader:
    """Reads `newsletter.toml` and notes what is wrong."""

    def __init__(self, text: str, found: FaultCollector) -> None:
        self._text = text
        self._found = found
        self._values: dict[str, Any] = {}
        self.lines = TomlLines(text)

    def _fault(self, key: str, problem: str, remedy: str = "") -> None:
        self._found.error(self.lines.of(key), key, problem, remedy)

    def read(self, folder: str) -> Newsletter | None:
        """Return what the file says, without its intros; None when it cannot be told what it is."""
        try:
            self._values = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            self._found.faults.append(not_toml(self._found.file, self._text, error))
            return None
        for key in self._values:
            if key not in _KNOWN:
                self._fault(
                    key,
                    "is not a key known here",
                    worded("There are: %(known)s", known=", ".join(_KNOWN)),
                )
        slug = self._slug(folder)
        source = self._language("source_language")
        zone = self._word("time_zone", 'Write time_zone = "Europe/Chisinau"')
        if zone and zone not in available_timezones():
            self._fault(
                "time_zone",
                worded('"%(zone)s" is no time zone', zone=zone),
                "Write one like Europe/Chisinau",
            )
        newsletter = Newsletter(
            slug=slug,
            cron=self._word("cron", 'Write cron = "0 9 * * 1" for every Monday at nine'),
            time_zone=zone,
            source_language=source,
            lists=self._lists(),
            sender=self._word("sender", 'Write sender = "…"', required=False),
            segment=self._word("segment", 'Write segment = "…"', required=False),
            exclude=self._word("exclude", 'Write exclude = "…"', required=False),
            kinds=self._kinds(),
            since=self._since(),
            intros={},
        )
        return newsletter if slug and source else None

    def _word(self, key: str, remedy: str, *, required: bool = True) -> str:
        value = self._values.get(key)
        if value is None:
            if required:
                self._fault(key, "is missing", remedy)
            return ""
        if not isinstance(value, str) or (required and not value.strip()):
            self._fault(key, "is not a text in quotes, or empty", remedy)
            return ""
        return value.strip()

    def _slug(self, folder: str) -> str:
        slug = self._word("slug", worded('Write slug = "%(folder)s"', folder=folder))
        if slug and (not _SLUG.fullmatch(slug) or len(slug) > _LONGEST_SLUG):
            remedy = worded(
                "Use lower-case letters, digits and single hyphens, at most %(longest)s",
                longest=_LONGEST_SLUG,
            )
            self._fault("slug", worded('"%(slug)s" cannot stand in an address', slug=slug), remedy)
            return ""
        if slug and slug != folder:
            self._fault(
                "slug",
                worded('is "%(slug)s" in the folder "%(folder)s"', slug=slug, folder=folder),
                "Let both be the same",
            )
            return ""
        return slug

    def _language(self, key: str) -> str:
        text = self._word(key, worded('Write %(key)s = "en"', key=key))
        try:
            right = normalize_tag(text) if text else ""
        except MalformedTag:
            right = ""
        if text and (not right or not is_language(text) or right != text):
            remedy = (
                worded("Write %(right)s", right=right)
                if right and is_language(text)
                else "Write a tag like en or ru"
            )
            self._fault(key, worded('"%(tag)s" is not a language', tag=text), remedy)
            return ""
        return text

    def _words(self, key: str, remedy: str) -> tuple[str, ...]:
        value = self._values.get(key)
        if not isinstance(value, list) or not value:
            self._fault(key, "is missing" if value is None else "names none", remedy)
            return ()
        if not all(isinstance(one, str) for one in value):
            self._fault(key, "holds something that is no text in quotes", remedy)
            return ()
        for one in sorted({one for one in value if value.count(one) > 1}):
            self._fault(key, worded('names "%(name)s" twice', name=one), "Name each once")
        return tuple(value)

    def _lists(self) -> tuple[str, ...]:
        return self._words("lists", 'Write lists = ["harbor-news"]')

    def _kinds(self) -> tuple[StatementKind, ...]:
        if "kinds" not in self._values:
            return KINDS
        words = ", ".join(f'"{one.value}"' for one in KINDS)
        kinds = []
        for text in self._words("kinds", worded("Write kinds = [%(words)s]", words=words)):
            if text in list(KINDS):
                kinds.append(StatementKind(text))
            else:
                self._fault(
                    "kinds",
                    worded('"%(text)s" cannot be told of', text=text),
                    worded("There are: %(known)s", known=words),
                )
        return tuple(kinds)

    def _since(self) -> date | None:
        value = self._values.get("since")
        if value is None:
            return None
        if isinstance(value, datetime) or not isinstance(value, date):
            self._fault("since", "is not a day", "Write it without quotes: since = 2026-01-01")
            return None
        return value
