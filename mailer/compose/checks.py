"""Say what is wrong with mail templates, and with statements in them, before anything is scheduled.

In: a design, a revision, the attributes that the lists declare. Out: faults with template and line:
variables nobody fills, slots where no value may stand, conditions that come to too many messages,
anything remote, mails so long that programs clip them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from mailer.compose.conditions import TooManyVectors, possible_vectors
from mailer.compose.context import Reading
from mailer.compose.design import (
    Look,
    catalogs_of,
    design_to_document,
    look_at,
    phrases_in,
    sources_of,
    where_named,
)
from mailer.compose.essentials import (
    SOMEONE,
    Essential,
    check_essentials,
    held_by_html,
    held_by_text,
    missing_faults,
)
from mailer.compose.ledger import Ledger
from mailer.compose.markup import (
    parse_document,
    remote_parts,
    unfit_characters,
)
from mailer.compose.phrases import Phrase, lacking_fault, lacking_phrases, without_gaps
from mailer.compose.rendering import EditionTemplates
from mailer.model.faults import Fault, FaultKind, FaultsFound, Severity
from mailer.model.mailing import Design
from mailer.model.statement import Revision, edition_file
from mailer.model.worded import worded
from mailer.statements.catalog import find_catalog, required_phrases
from mailer.statements.document import document_digest, revision_to_document

#: Gmail clips a mail whose HTML is longer, and the unsubscribe link with it.
CLIPPED_BYTES = 102_000
#: Long values at every slot and two web addresses of a long host: what merging may add.
_ROOM_FOR_VALUES = 1_000
#: Where the files of designs lie.
_TEMPLATES = "templates/mail/"


def check_design(design: Design, fields: frozenset[str] | None) -> list[Fault]:
    """Return what is wrong with the templates of one kind of mail.

    What its catalogs lack is told with the statements that need them.

    Args:
        design: As `mailer.compose.design.read_design` gives it.
        fields: Attributes that the lists declare; None where that cannot be told.
    """
    return list(_design_faults(look_at(design, fields)))


# Every statement of a workspace is held against the same few designs, which takes long to look at.
@lru_cache(maxsize=8)
def _design_faults(look: Look) -> tuple[Fault, ...]:
    design, fields, phrases = look.design, look.fields, _phrases(look)
    faults = list(_unfit_characters(design))
    try:
        faults += check_essentials(design, fields, phrases)
    except FaultsFound as error:
        faults += error.faults
    return tuple(sorted(set(faults)))


def _unfit_characters(design: Design) -> Iterator[Fault]:
    for source in (*sources_of(design, html=True), *sources_of(design, html=False)):
        for number, line in enumerate(source.text.split("\n"), 1):
            for character in unfit_characters(line):
                problem = worded(
                    "U+%(code)s is a character that no mail may hold", code=f"{ord(character):04X}"
                )
                remedy = "Delete it: it came along when the text was copied"
                yield Fault(source.file, number, "", problem, remedy)


@lru_cache(maxsize=8)
def _phrases(look: Look) -> frozenset[Phrase]:
    try:
        return phrases_in(look.design)
    except FaultsFound:
        # What cannot be parsed is told by whoever lifts it, and nothing of it is spoken.
        return frozenset()


def check_revision_with_design(
    revision: Revision, design: Design, fields: frozenset[str] | None
) -> list[Fault]:
    """Return what is wrong with a statement's editions as mails of a design.

    Faults that are the design's own are `check_design`'s and are not said again for each edition.

    Args:
        revision: The statement.
        design: How its mails look.
        fields: Attributes that the lists declare; None where that cannot be told.
    """
    return list(_revision_faults(_question(revision, design, fields)))


@dataclass(frozen=True)
class _Question:
    """Whether a revision makes sound mails of a design; two are the same when the answer is."""

    #: Digests of what they hold now, whatever digests they carry.
    revision_digest: str
    design_digest: str
    fields: frozenset[str] | None
    #: Where bodies begin in their files is in no digest, and faults name lines.
    body_lines: tuple[int, ...]
    revision: Revision = field(compare=False)
    design: Design = field(compare=False)


def _question(revision: Revision, design: Design, fields: frozenset[str] | None) -> _Question:
    return _Question(
        document_digest(revision_to_document(revision)),
        document_digest(design_to_document(design)),
        fields,
        tuple(edition.body_line for edition in revision.editions.values()),
        revision,
        design,
    )


# Staff come back to the same few statements, and each edition takes some 15 ms to look at.
@lru_cache(maxsize=8)
def _revision_faults(question: _Question) -> tuple[Fault, ...]:
    return _faults_of(question.revision, question.design, question.fields)


def _faults_of(
    revision: Revision, design: Design, fields: frozenset[str] | None
) -> tuple[Fault, ...]:
    look = look_at(design, fields)
    phrases = _phrases(look)
    own = set(_design_faults(look))
    found = set(_check_catalogs(revision, design, phrases))
    catalogs = catalogs_of(design)
    # What a catalog lacks was told above, and hides nothing else that is wrong.
    whole = without_gaps(design, phrases)
    for language in revision.languages:
        if find_catalog(catalogs, language) is None:
            # The statement's own check names the catalog and every phrase it needs.
            continue
        try:
            found.update(_check_edition(revision, whole, language, fields))
        except FaultsFound as error:
            found.update(error.faults)
        except ValueError as error:
            if not any(fault.file.startswith(_TEMPLATES) for fault in own):
                file = edition_file(revision, language)
                remedy = "Look for characters nobody sees"
                found.add(
                    Fault(
                        file,
                        0,
                        "body",
                        worded("cannot be made a mail: %(error)s", error=error),
                        remedy,
                    )
                )
    said = {(fault.file, fault.field) for fault in own if fault.file.startswith(_TEMPLATES)}
    return tuple(
        sorted(
            fault
            for fault in found - own
            if not fault.field or (fault.file, fault.field) not in said
        )
    )


def _check_catalogs(
    revision: Revision, design: Design, phrases: frozenset[Phrase]
) -> Iterator[Fault]:
    """Yield a fault for each catalog that lacks phrases of the design's templates."""
    catalogs = catalogs_of(design)
    # What the English catalog names, the statement's own check looks for in those of its editions.
    looked_for = set(required_phrases(catalogs))
    chosen = [find_catalog(catalogs, language) for language in revision.languages]
    of_editions = {catalog.language for catalog in chosen if catalog is not None}
    for language, catalog in catalogs.items():
        lacking = lacking_phrases(catalog, phrases)
        if language in of_editions:
            lacking = tuple(
                msgid for msgid in lacking if msgid not in looked_for or catalog.has(msgid)
            )
            severity = Severity.ERROR
        else:
            severity = Severity.WARNING
        if lacking:
            yield lacking_fault(language, lacking, severity)


def _check_edition(
    revision: Revision, design: Design, language: str, fields: frozenset[str] | None
) -> Iterator[Fault]:
    templates = EditionTemplates(revision, design, SOMEONE, language, fields)
    file = edition_file(revision, language)
    yield from _empty_places(templates.ledger)
    try:
        vectors = possible_vectors(templates.ledger.conditions)
    except TooManyVectors as error:
        yield Fault(
            file,
            0,
            "body",
            worded("the conditions come to more than 64 different mails: %(error)s", error=error),
            "Ask fewer different things of supporters",
        )
        return
    # With the notice a mail is longest; everyone's first language has the same markup around it.
    reading = Reading(language, templates.reading(None).reader, notice=True)
    ids = dict.fromkeys(revision.pictures, f"{'0' * 20}@{SOMEONE.return_path_domain}")
    pages = {vector: templates.render_html(vector, reading, ids)[0] for vector in vectors}
    for page in pages.values():
        # What an edition may hold was sanitized; anything else comes from the template.
        for tag, what in remote_parts(parse_document(page)):
            problem = worded("%(what)s makes readers' programs fetch or run something", what=what)
            template, line = where_named(design, f"<{tag}", html=True)
            yield Fault(template, line, "", problem, "Take it out")
    # Templates can ask for the language, so that the design's own check may not have met this one.
    wanted = (Essential.UNSUBSCRIBE,)
    of_html = [held_by_html(templates, page, reading) for page in pages.values()]
    texts = [templates.render_text(vector, reading) for vector in vectors]
    of_text = [held_by_text(templates, text, reading) for text in texts]
    yield from missing_faults(design, of_html, wanted, html=True)
    yield from missing_faults(design, of_text, wanted, html=False)
    longest = max(pages, key=lambda vector: len(pages[vector]))
    size = len(templates.render(longest, reading, ids).html.encode()) + _ROOM_FOR_VALUES
    if size > CLIPPED_BYTES:
        yield Fault(
            file,
            0,
            "body",
            worded(
                "the mail's HTML has %(size)s kB, and mail programs clip it at 102 kB",
                size=f"{size / 1000:.0f}",
            ),
            "Shorten it, and link to the whole text",
            severity=Severity.WARNING,
            kind=FaultKind.CLIPPED,
        )


def _empty_places(ledger: Ledger) -> Iterator[Fault]:
    """Yield the slots that leave a gap in the mail of whoever has no such value."""
    for place in ledger.bare:
        slot = place.slot
        yield Fault(
            place.file,
            place.line,
            str(slot),
            "leaves a gap in the mails of people for whom it is not known",
            worded(
                "Write %(default)s, or put the words around it into %(condition)s",
                default=f'{{{{ {slot} | default("…") }}}}',
                condition=f"{{% if {slot} %}}",
            ),
            severity=Severity.WARNING,
        )
