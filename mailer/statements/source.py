"""Read a statement from its folder, with all that is wrong with it.

In: `templates/statements/<slug>/` with `statement.toml` (see `mailer.statements.declaration`), one
`<language>.md` per edition (see `front_matter` and `markdown`) and the pictures they name. Out: a
`Revision`, immutable and without a file to go back to; or faults, each with file, line and field.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mailer.cldr import is_language
from mailer.model.faults import Fault, errors_in
from mailer.model.statement import Edition, Picture, Revision, localized
from mailer.model.tags import MalformedTag
from mailer.model.worded import worded
from mailer.statements.collecting import FaultCollector, by_place
from mailer.statements.declaration import FILE_NAME, Declaration, parse_declaration
from mailer.statements.document import with_digest
from mailer.statements.editions import ReadEdition, check_translation, parse_edition
from mailer.statements.languages import normalize_tag
from mailer.statements.letters import letter_faults
from mailer.statements.pictures import UnusablePicture, read_picture

#: A statement is pages of text; a larger file is something else.
MAX_FILE_BYTES = 1_000_000


@dataclass(frozen=True)
class StatementFolder:
    """All that was found in a statement's folder."""

    #: None as long as anything stops the work.
    revision: Revision | None
    faults: tuple[Fault, ...]
    #: Language of each edition there is a file for → the file as faults name it.
    files: Mapping[str, str]
    #: Language → edition, for those that could be read, faults or not.
    editions: Mapping[str, Edition]
    #: Tag of the source edition; "" when `statement.toml` could not be read.
    source_language: str


def read_statement(folder: Path, root: Path) -> tuple[Revision | None, tuple[Fault, ...]]:
    """Read a statement from its folder.

    Args:
        folder: `templates/statements/<slug>`.
        root: The workspace; faults name files relative to it.

    Returns:
        The revision, or None as long as anything stops the work; and all faults, warnings too.
    """
    found = read_folder(folder, root)
    return found.revision, found.faults


def read_folder(
    folder: Path, root: Path, *, encoded: Mapping[str, Picture] | None = None
) -> StatementFolder:
    """Read a statement from its folder, and say which editions there are files for.

    Args:
        folder: `templates/statements/<slug>`.
        root: The workspace; faults name files relative to it.
        encoded: Pictures by name that were encoded before, to be taken as they are.
    """
    place = shown_place(folder, root)
    faults: list[Fault] = []
    declaration = _read_declaration(folder, place, faults)
    read_files = [_read_edition(path, place) for path in sorted(folder.glob("*.md"), key=_rank)]
    files: dict[str, str] = {}
    editions: dict[str, ReadEdition] = {}
    for one in read_files:
        if not one.language:
            continue
        if one.language in files:
            _refuse_second(one, files[one.language])
            continue
        files[one.language] = one.found.file
        if one.read is not None:
            editions[one.language] = one.read
    if declaration is not None:
        source = editions.get(declaration.source_language)
        if source is not None:
            _check_translations(declaration, source.edition, read_files)
        faults += _check_languages(declaration, tuple(files), place)
    pictures = _read_pictures(folder, read_files, encoded or {})
    for one in read_files:
        faults += one.found.faults
    revision = None
    if declaration is not None and not errors_in(faults):
        revision = _assemble(declaration, editions, pictures)
    return StatementFolder(
        revision,
        tuple(sorted(faults, key=by_place)),
        files,
        {language: read.edition for language, read in editions.items()},
        declaration.source_language if declaration is not None else "",
    )


@dataclass(frozen=True)
class _EditionFile:
    """A file of the folder that should be an edition."""

    #: Tag by the file's name; "" when that is none.
    language: str
    #: None when it could not be read.
    read: ReadEdition | None
    #: Its faults.
    found: FaultCollector


def _rank(path: Path) -> tuple[bool, str]:
    """Return what sorts files named as a tag is written before those that are not."""
    try:
        return normalize_tag(path.stem) != path.stem, path.name
    except MalformedTag:
        return True, path.name


def _read_edition(path: Path, place: str) -> _EditionFile:
    found = FaultCollector(f"{place}/{path.name}")
    language = language_of(path, found)
    text = read_text(path, found) if language else None
    read = None if text is None else parse_edition(text, language, found)
    return _EditionFile(language, read, found)


def _refuse_second(second: _EditionFile, first: str) -> None:
    names = [file.rsplit("/", 1)[-1] for file in (second.found.file, first)]
    problem = worded(
        '%(first)s and %(second)s are both the edition in "%(language)s"',
        first=names[0],
        second=names[1],
        language=second.language,
    )
    remedy = worded("Keep one of them, named %(language)s.md", language=second.language)
    second.found.error(0, "", problem, remedy)


def shown_place(folder: Path, root: Path) -> str:
    """Return a folder as faults name it: relative to the workspace, where it lies in it."""
    resolved = folder.resolve()
    try:
        return resolved.relative_to(root.resolve()).as_posix()
    except ValueError:
        return resolved.name


def read_text(path: Path, found: FaultCollector) -> str | None:
    """Return a file's text in NFC with plain line feeds; None, and a fault, when there is none."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            found.error(0, "", "is larger than 1 MB", "Put pictures into files of their own")
            return None
        # The mark some programs put before UTF-8 is not part of the text.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        found.error(
            0,
            "",
            "is missing",
            worded("Write it: see docs/statements.md for what %(name)s says", name=path.name),
        )
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        found.error(line, "", "is not UTF-8", "Save it as UTF-8")
    except OSError:
        found.error(0, "", "cannot be read", "Check its owner")
    else:
        return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return None


def _read_declaration(folder: Path, place: str, faults: list[Fault]) -> Declaration | None:
    found = FaultCollector(f"{place}/{FILE_NAME}")
    text = read_text(folder / FILE_NAME, found)
    declaration = None
    if text is not None:
        declaration = parse_declaration(text, folder.resolve().name, found)
        for named in declaration.texts if declaration else ():
            for fault in letter_faults(named.text, named.language):
                note = found.warning if fault.doubtful else found.error
                note(named.line, named.field, fault.problem, fault.remedy)
    faults += found.faults
    return declaration


def language_of(path: Path, found: FaultCollector) -> str:
    """Return the language an edition's file is named by; "", and a fault, when it is none."""
    try:
        language = normalize_tag(path.stem)
    except MalformedTag:
        language = ""
    if not language or not is_language(language):
        remedy = "Name an edition by its language: en.md, sr-Latn.md; keep other texts elsewhere"
        found.error(0, "", worded('"%(tag)s" is not a language', tag=path.stem), remedy)
        return ""
    if language != path.stem:
        found.error(
            0,
            "",
            worded('"%(tag)s" is not how the tag is written', tag=path.stem),
            worded("Name it %(language)s.md", language=language),
        )
    return language


def _check_translations(
    declaration: Declaration, source: Edition, read_files: Sequence[_EditionFile]
) -> None:
    for one in read_files:
        if one.read is not None:
            check_translation(
                one.read, source, declaration.slug, f"{source.language}.md", one.found
            )


def _check_languages(declaration: Declaration, languages: Sequence[str], place: str) -> list[Fault]:
    """Check that the source edition is there, and what is not said in the editions' languages."""
    source = declaration.source_language
    found = FaultCollector(f"{place}/{FILE_NAME}")
    if source not in languages:
        problem = worded("the source edition %(source)s.md is missing", source=source)
        found.error(0, "source_language", problem, "Write it, or name the language it is in")
    for item in declaration.titles:
        shown = localized(item.title, source, source)
        for language in languages:
            # That the source language is missing was said where the title was read.
            if language == source or {language, language.split("-")[0]} & set(item.title):
                continue
            if item.needed:
                problem = worded(
                    'has no text in "%(language)s", in which there is an edition', language=language
                )
                found.error(
                    item.line,
                    item.field,
                    problem,
                    worded('Add %(language)s = "…"', language=language),
                )
                continue
            found.warning(
                item.line,
                item.field,
                worded(
                    '"%(shown)s" has no title in "%(language)s"', shown=shown, language=language
                ),
                worded(
                    'Add %(language)s = "…", or its readers see the title in "%(source)s"',
                    language=language,
                    source=source,
                ),
            )
    return found.faults


def _read_pictures(
    folder: Path, read_files: Sequence[_EditionFile], encoded: Mapping[str, Picture]
) -> dict[str, Picture]:
    pictures: dict[str, Picture] = {}
    unusable: dict[str, UnusablePicture] = {}
    for one in read_files:
        for use in one.read.pictures if one.read is not None else ():
            if use.name not in pictures and use.name not in unusable:
                try:
                    known = encoded.get(use.name)
                    pictures[use.name] = known or read_picture(folder, use.name)
                except UnusablePicture as error:
                    unusable[use.name] = error
            if use.name in unusable:
                reason = unusable[use.name]
                one.found.error(use.line, "picture", reason.problem, reason.remedy)
    return pictures


def _assemble(
    declaration: Declaration, read: Mapping[str, ReadEdition], pictures: Mapping[str, Picture]
) -> Revision:
    source = declaration.source_language
    others = sorted(language for language in read if language != source)
    editions: dict[str, Edition] = {source: read[source].edition}
    for language in others:
        # What a person copied may be the beginning of the hash; the whole of it is kept.
        whole = read[source].edition.content_hash
        editions[language] = replace(read[language].edition, translated_from=whole)
    return with_digest(
        Revision(
            slug=declaration.slug,
            kind=declaration.kind,
            source_language=source,
            published=declaration.published,
            supports=declaration.supports,
            hashtags=declaration.hashtags,
            related=declaration.related,
            signatories=declaration.signatories,
            and_others=declaration.and_others,
            editions=editions,
            pictures=dict(sorted(pictures.items())),
            appeal=declaration.appeal,
            topics=declaration.topics,
        )
    )
