"""Say what is wrong with mail templates, and with statements in them, before anything is scheduled.

In: a design, a revision, the attributes that the lists declare. Out: faults with template and line:
variables nobody fills, slots where no value may stand, conditions that come to too many messages,
anything remote, style sheets that cannot be read, mails so long that programs clip them.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailer.compose.conditions import TooManyVectors, possible_vectors
from mailer.compose.context import Reading
from mailer.compose.design import catalogs_of
from mailer.compose.ledger import Ledger
from mailer.compose.markup import is_remote_style, parse_document, remote_parts
from mailer.compose.rendering import EditionTemplates, lift_design
from mailer.compose.styles import split_style
from mailer.model.faults import Fault, FaultsFound, Severity
from mailer.model.mailing import Design, Sender
from mailer.model.statement import Revision
from mailer.statements.catalog import find_catalog

#: Gmail clips a mail whose HTML is longer, and the unsubscribe link with it.
CLIPPED_BYTES = 102_000
#: Long values at every slot and two web addresses of a long host: what merging may add.
_ROOM_FOR_VALUES = 1_000
#: Any sender does to look at a design; its addresses are about as long as real ones are.
_SOMEONE = Sender(
    key="check",
    organisation="check",
    name={"en": "Somebody"},
    address="news@mail.organisation.example.org",
    reply_to="",
    base_url="https://mail.organisation.example.org",
    return_path_domain="bounces.organisation.example.org",
)


def check_design(design: Design, fields: frozenset[str]) -> list[Fault]:
    """Return what is wrong with the templates and the style sheet of one kind of mail.

    Args:
        design: As `mailer.compose.design.read_design` gives it.
        fields: Attributes that the lists declare.
    """
    faults: list[Fault] = []
    ledger = Ledger()
    for html in (True, False):
        try:
            lift_design(design, fields, ledger, html=html)
        except FaultsFound as error:
            faults.extend(error.faults)
    file = f"templates/mail/{design.kind}/style.css"
    try:
        split_style(design.style_css)
    except ValueError as error:
        faults.append(Fault(file, 0, "", str(error), "Look for a missing brace"))
    if is_remote_style(design.style_css):
        problem = "url() or @import makes readers' programs fetch something"
        faults.append(Fault(file, 0, "", problem, "Take it out"))
    return sorted(set(faults))


def check_revision_with_design(
    revision: Revision, design: Design, fields: frozenset[str]
) -> list[Fault]:
    """Return what is wrong with a statement's editions as mails of a design.

    Faults that are the design's own are `check_design`'s and are not said again for each edition.

    Args:
        revision: The statement.
        design: How its mails look.
        fields: Attributes that the lists declare.
    """
    own = set(check_design(design, fields))
    found: set[Fault] = set()
    catalogs = catalogs_of(design)
    for language in revision.languages:
        if find_catalog(catalogs, language) is None:
            # The statement's own check names the catalog and every phrase it needs.
            continue
        try:
            found.update(_check_edition(revision, design, language, fields))
        except FaultsFound as error:
            found.update(error.faults)
        except ValueError as error:
            if not any(fault.file.endswith("/style.css") for fault in own):
                file = f"templates/statements/{revision.slug}/{language}.md"
                remedy = "Look for characters nobody sees"
                found.add(Fault(file, 0, "body", f"cannot be made a mail: {error}", remedy))
    return sorted(found - own)


def _check_edition(
    revision: Revision, design: Design, language: str, fields: frozenset[str]
) -> Iterator[Fault]:
    templates = EditionTemplates(revision, design, _SOMEONE, language, fields)
    file = f"templates/statements/{revision.slug}/{language}.md"
    yield from _empty_places(templates.ledger)
    try:
        vectors = possible_vectors(templates.ledger.conditions)
    except TooManyVectors as error:
        yield Fault(
            file,
            0,
            "body",
            f"the conditions come to more than 64 different mails: {error}",
            "Ask fewer different things of supporters",
        )
        return
    # With the notice a mail is longest; everyone's first language has the same markup around it.
    reading = Reading(language, templates.reading(None).reader, notice=True)
    ids = dict.fromkeys(revision.pictures, f"{'0' * 20}@{_SOMEONE.return_path_domain}")
    pages = {vector: templates.render_html(vector, reading, ids)[0] for vector in vectors}
    for html in pages.values():
        # What an edition may hold was sanitized; anything else comes from the template.
        for what in remote_parts(parse_document(html)):
            problem = f"{what} makes readers' programs fetch or run something"
            template = f"templates/mail/{design.kind}/message.html"
            yield Fault(template, 0, "", problem, "Take it out")
    longest = max(pages, key=lambda vector: len(pages[vector]))
    size = len(templates.render(longest, reading, ids).html.encode()) + _ROOM_FOR_VALUES
    if size > CLIPPED_BYTES:
        yield Fault(
            file,
            0,
            "body",
            f"the mail's HTML has {size / 1000:.0f} kB, and mail programs clip it at 102 kB",
            "Shorten it, and link to the whole text",
            severity=Severity.WARNING,
        )


def _empty_places(ledger: Ledger) -> Iterator[Fault]:
    """Yield the slots that leave a gap in the mail of whoever has no such value."""
    for slot, (file, line) in ledger.bare.items():
        yield Fault(
            file,
            line,
            str(slot),
            "leaves a gap in the mails of people for whom it is not known",
            f'Write {{{{ {slot} | default("…") }}}}, or put the words around it into '
            f"{{% if {slot} %}}",
            severity=Severity.WARNING,
        )
