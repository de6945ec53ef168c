"""Read `<language>.md`: one edition of a statement.

In: the text of the file. Out: an `Edition` and the pictures its body names, and every fault with
line and field.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from mailer.cldr import is_language
from mailer.model.characters import printable
from mailer.model.faults import Fault, FaultKind, FaultsFound
from mailer.model.statement import Edition
from mailer.model.tags import MalformedTag, normalize_tag
from mailer.model.worded import worded
from mailer.statements.body_checks import PictureUse, check_body
from mailer.statements.collecting import FaultCollector
from mailer.statements.front_matter import FrontMatter, parse_front_matter
from mailer.statements.letters import letter_faults

#: Phones show about 40 characters of a subject, desktop programs about this many.
LONG_SUBJECT = 90
#: Of the line beside it.
LONG_PREHEADER = 150
#: How much of a content hash a person copies.
SHORT_HASH = 12
#: The tables' columns hold as much; the longest tag that RFC 5646 §4.4.1 wants kept.
LONGEST_TAG = 35
_SLOT = re.compile(r"\{\{|\{%|\{#")
_HASH = re.compile(rf"[0-9a-f]{{{SHORT_HASH},64}}")


@dataclass(frozen=True)
class ReadEdition:
    """An edition with the places of its fields."""

    edition: Edition
    front_matter: FrontMatter
    pictures: tuple[PictureUse, ...]


def content_hash(title: str, subject: str, preheader: str, body: str) -> str:
    """Return the SHA-256 in hex of what a translator translates."""
    content = json.dumps([title, subject, preheader, body], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def is_edition_tag(language: str) -> bool:
    """Tell whether that is a language as its tag is written, short enough to be kept."""
    try:
        known = normalize_tag(language) == language and is_language(language)
    except MalformedTag:
        return False
    return known and len(language) <= LONGEST_TAG


def edition_name(language: str) -> str:
    """Return the name of an edition's file.

    Raises:
        FaultsFound: when that is no language as its tag is written.
    """
    if not is_edition_tag(language):
        problem = worded(
            '"%(tag)s" is not a language as its tag is written',
            tag=printable(language)[:LONGEST_TAG],
        )
        raise FaultsFound([Fault("", 0, "language", problem, "Write a tag like en or sr-Latn")])
    return f"{language}.md"


def parse_edition(
    text: str, language: str, found: FaultCollector, *, may_be_empty: bool = False
) -> ReadEdition | None:
    """Read an edition's text; what is wrong goes into `found`.

    Args:
        text: The whole file, in NFC, lines ending in a line feed only.
        language: Tag by the file's name.
        found: Takes the faults.
        may_be_empty: There need be no text below the head.

    Returns:
        None when the file has no front matter.
    """
    front = parse_front_matter(text, found)
    if front is None:
        return None
    _check_fields(front, language, found)
    if not front.body and not may_be_empty:
        found.error(front.body_line, "body", "there is no text", "Write it below the front matter")
    pictures = check_body(front.body, front.body_line, language, found)
    edition = _edition(front, language)
    return ReadEdition(edition, front, pictures)


def unchecked_edition(text: str, language: str) -> Edition | None:
    """Return an edition as its text says it, without a look at what is wrong with it.

    It takes a hundredth of the time that the checks take: enough to know its hash.

    Args:
        text: The whole file, as `parse_edition` takes it.
        language: Tag by the file's name.

    Returns:
        None when the file has no front matter.
    """
    front = parse_front_matter(text, FaultCollector(""))
    return None if front is None else _edition(front, language)


def _edition(front: FrontMatter, language: str) -> Edition:
    values = {name: front.values.get(name, "") for name in ("title", "subject", "preheader")}
    return Edition(
        language=language,
        discreet_subject=front.values.get("discreet_subject", ""),
        discreet_preheader=front.values.get("discreet_preheader", ""),
        translated_from=front.values.get("translated_from", ""),
        body=front.body,
        content_hash=content_hash(**values, body=front.body),
        body_line=front.body_line,
        **values,
    )


def _check_fields(front: FrontMatter, language: str, found: FaultCollector) -> None:
    for name in ("title", "subject"):
        if not front.values.get(name):
            problem = "is empty" if name in front.values else "is missing"
            found.error(
                front.line_of(name),
                name,
                problem,
                worded("Write %(name)s: … in the front matter", name=name),
            )
    if not front.values.get("preheader"):
        found.warning(
            front.line_of("preheader"),
            "preheader",
            "is missing: mail programs show the first words of the text instead",
            "Write preheader: … in the front matter",
        )
    for name in ("discreet_subject", "discreet_preheader"):
        if not front.values.get(name):
            found.warning(
                front.line_of(name),
                name,
                "is missing: who is marked discreet cannot be sent this edition",
                worded(
                    "Write %(name)s: … with words that a stranger may read on a locked screen",
                    name=name,
                ),
            )
    for name, longest in (("subject", LONG_SUBJECT), ("preheader", LONG_PREHEADER)):
        length = len(front.values.get(name, ""))
        if length > longest:
            problem = worded(
                "has %(length)s characters; mail programs cut it at about %(longest)s",
                length=length,
                longest=longest,
            )
            found.warning(front.line_of(name), name, problem, "Say it shorter")
    for name, value in front.values.items():
        line = front.line_of(name)
        if _SLOT.search(value):
            remedy = "Take it out: what is merged stands in the text only"
            found.error(line, name, "holds a slot or a condition", remedy)
        if name == "translated_from":
            continue
        for fault in letter_faults(value, language):
            note = found.warning if fault.doubtful else found.error
            note(line, name, fault.problem, fault.remedy, kind=FaultKind.LETTERS)


def check_translation(
    read: ReadEdition, source: Edition, slug: str, source_file: str, found: FaultCollector
) -> None:
    """Check that an edition was translated from the source as it is now."""
    said = read.edition.translated_from
    line = read.front_matter.line_of("translated_from")
    write = worded("write translated_from: %(hash)s", hash=source.content_hash[:SHORT_HASH])
    language = read.edition.language
    if language == source.language:
        if said:
            problem = "this is the source edition, translated from nothing"
            found.error(line, "translated_from", problem, "Take the line out")
    elif not said:
        remedy = worded(
            "See that it says what %(source_file)s says, then %(write)s",
            source_file=source_file,
            write=write,
        )
        found.error(line, "translated_from", "is missing", remedy)
    elif not _HASH.fullmatch(said):
        remedy = worded(
            "See that it says what %(source_file)s says, then %(write)s",
            source_file=source_file,
            write=write,
        )
        found.error(line, "translated_from", "is not the hash of an edition", remedy)
    elif not source.content_hash.startswith(said):
        found.error(
            line,
            "translated_from",
            worded(
                "%(source_file)s has changed since this was translated", source_file=source_file
            ),
            worded(
                "See what changed with `mailer statements changes %(slug)s %(language)s`, mend the translation, then %(write)s",
                slug=slug,
                language=language,
                write=write,
            ),
        )
