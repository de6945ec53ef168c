"""Look at a statement's words: editions missing or stale, letters, pictures without a useful text.

In: a subject. Out: findings. The words of a revision were checked when it was loaded; they are looked
at again, since what may be doubted is told then only, and a revision may be older than a check.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from mailer.app.preflight.findings import (
    Finding,
    FindingCode,
    Place,
    advisory,
    blocking,
    from_fault,
)
from mailer.app.preflight.subject import Subject
from mailer.app.workspace import Workspace
from mailer.model.faults import Fault, FaultKind, Severity
from mailer.model.statement import Edition, LocalizedText, Revision, edition_file
from mailer.model.states import SkipReason
from mailer.statements.body_checks import PictureUse, check_body
from mailer.statements.checks import check_revision
from mailer.statements.collecting import FaultCollector
from mailer.statements.letters import letter_faults

_OF_KIND = {
    FaultKind.LETTERS: FindingCode.LETTERS,
    FaultKind.PICTURE: FindingCode.PICTURE_SILENT,
}
#: What a camera or a program calls a picture, and a person never does.
_FILE_NAME = re.compile(
    r"\S+\.(?:png|jpe?g|gif|webp|svg|heic|bmp|tiff?)"
    r"|(?:img|dsc[nf]?|pxl|image|picture|photo|screenshot|screen[ _-]shot)[ _-]?\d[\d _.\-]*",
    re.IGNORECASE,
)
#: Words that say that there is a picture, which who hears them knows.
_EMPTY_WORDS = frozenset(
    {"image", "picture", "photo", "photograph", "graphic", "illustration", "img", "pic"}
    | {"изображение", "картинка", "рисунок", "фото", "фотография", "иллюстрация", "снимок"}
    | {"зображення", "малюнок", "світлина", "фотографія", "ілюстрація", "выява", "малюнак", "фота"}
    | {"imagine", "poză", "foto", "fotografie", "ilustrație", "desen"}
    | {"bild", "abbildung", "grafik", "تصویر", "عکس", "сүрөт"}
)


@dataclass(frozen=True)
class _Words:
    """What a look at one edition's words found."""

    faults: tuple[Fault, ...]
    pictures: tuple[PictureUse, ...]


def edition_findings(workspace: Workspace, subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with the editions themselves."""
    if subject.stored is None:
        return
    revision = subject.stored.revision
    yield from _missing(subject, revision)
    yield from _stale(subject, revision)
    yield from _undiscreet(subject, revision)
    for fault in check_revision(revision, workspace.catalogs):
        yield from_fault(FindingCode.CATALOG_LACKS, fault, Place(statement=revision.slug))
    for language, edition in revision.editions.items():
        file = edition_file(revision, language)
        place = Place(statement=revision.slug, language=language, file=file)
        words = _words(edition, file)
        for fault in words.faults:
            yield from_fault(_OF_KIND.get(fault.kind, FindingCode.EDITION_FAULT), fault, place)
        yield from _pictures(words.pictures, place)
    for fault in _name_faults(revision):
        yield from_fault(FindingCode.LETTERS, fault, Place(statement=revision.slug))


def _missing(subject: Subject, revision: Revision) -> Iterator[Finding]:
    for language, people in subject.coverage.missing if subject.coverage else ():
        place = Place(statement=revision.slug, language=language)
        yield advisory(FindingCode.EDITION_MISSING, place, language=language, people=people)


def _stale(subject: Subject, revision: Revision) -> Iterator[Finding]:
    """Yield the editions that were translated from a source that has changed since."""
    if revision.items:
        # An issue of a newsletter is put together, not translated.
        return
    source = revision.editions[revision.source_language]
    for language, edition in revision.editions.items():
        said = edition.translated_from
        if edition is source or (said and source.content_hash.startswith(said)):
            continue
        people = subject.coverage.by_language.get(language, 0) if subject.coverage else 0
        place = Place(
            statement=revision.slug, language=language,
            file=edition_file(revision, language), field="translated_from",
        )  # fmt: skip
        yield blocking(
            FindingCode.EDITION_STALE, place,
            language=language, source=source.language, people=people,
        )  # fmt: skip


def _undiscreet(subject: Subject, revision: Revision) -> Iterator[Finding]:
    """Yield the editions that nobody who is marked discreet can be sent, where there are such people."""
    covered = subject.coverage
    discreet = covered is not None and covered.not_mailed.get(SkipReason.DISCREET_NOT_READY, 0)
    if not discreet and not any(one.discreet for one in subject.lists):
        return
    for language, edition in revision.editions.items():
        if not edition.discreet_subject:
            place = Place(
                statement=revision.slug, language=language,
                file=edition_file(revision, language), field="discreet_subject",
            )  # fmt: skip
            yield advisory(FindingCode.EDITION_UNDISCREET, place, language=language)


def _words(edition: Edition, file: str) -> _Words:
    fields = ("title", "subject", "preheader", "discreet_subject", "discreet_preheader")
    texts = tuple((name, getattr(edition, name)) for name in fields)
    return _look_at(edition.language, edition.body, edition.body_line, texts, file)


# Most looks are at words that were looked at before.
@lru_cache(maxsize=64)
def _look_at(
    language: str, body: str, body_line: int, texts: tuple[tuple[str, str], ...], file: str
) -> _Words:
    found = FaultCollector(file)
    pictures = check_body(body, body_line, language, found)
    faults = [*found.faults]
    for name, text in texts:
        faults += _letter_faults(text, language, file, name)
    return _Words(tuple(faults), pictures)


def _letter_faults(text: str, language: str, file: str, name: str) -> Iterator[Fault]:
    for fault in letter_faults(text, language):
        yield Fault(
            file, 0, name, fault.problem, fault.remedy,
            severity=Severity.WARNING if fault.doubtful else Severity.ERROR,
            kind=FaultKind.LETTERS,
        )  # fmt: skip


def _name_faults(revision: Revision) -> Iterator[Fault]:
    """Yield the letters of names and titles that are not what they seem."""
    file = f"{edition_file(revision, '').rsplit('/', 1)[0]}/statement.toml"
    named: list[tuple[str, LocalizedText]] = [
        *(("signatories", one.name) for one in revision.signatories),
        *(("supports", one.name) for one in revision.supports),
        *(("related", one.title) for one in revision.related),
    ]
    if revision.appeal:
        named += [("action", revision.appeal.action), ("why_now", revision.appeal.why_now)]
    for field, texts in named:
        for language, text in texts.items():
            yield from _letter_faults(text, language, file, f"{field}.{language}")


def _pictures(pictures: Sequence[PictureUse], place: Place) -> Iterator[Finding]:
    """Yield the alternative texts that tell nobody anything."""
    saying: dict[str, dict[str, int]] = defaultdict(dict)
    for one in pictures:
        alternative = " ".join(one.alternative.casefold().split()).strip(".:!")
        if not alternative:
            # That is a fault, and was told as one.
            continue
        code = _useless(alternative, one.name.casefold())
        if code is not None:
            where = _at(place, one.line)
            yield advisory(code, where, picture=one.name, alternative=one.alternative)
        saying[alternative].setdefault(one.name, one.line)
    for names in saying.values():
        if len(names) > 1:
            yield advisory(
                FindingCode.PICTURE_REPEATED, _at(place, max(names.values())),
                pictures=", ".join(names),
            )  # fmt: skip


def _useless(alternative: str, name: str) -> FindingCode | None:
    stem = name.rpartition(".")[0]
    if alternative in (name, stem) or _FILE_NAME.fullmatch(alternative):
        return FindingCode.PICTURE_FILE_NAME
    return FindingCode.PICTURE_EMPTY_WORDS if alternative in _EMPTY_WORDS else None


def _at(place: Place, line: int) -> Place:
    return Place(place.statement, place.language, place.file, line, "picture")
