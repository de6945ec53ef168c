"""See that the mails of a correction say that they correct.

In: the revision and the design of a correction. Out: a fault for each part that keeps silent. A
workspace that was made before mails could say it has a frame without the words.
"""

from __future__ import annotations

from datetime import date

from mailer.compose.context import Reading
from mailer.compose.design import LAYOUT_HTML, LAYOUT_TEXT, phrases_in
from mailer.compose.essentials import SOMEONE
from mailer.compose.markup import parse_document, shown_text
from mailer.compose.phrases import without_gaps
from mailer.compose.rendering import EditionTemplates
from mailer.model.faults import Fault
from mailer.model.mailing import Design
from mailer.model.statement import Revision
from mailer.statements.languages import long_date

#: A day on which no mail was sent, so that no text names it by chance.
_DAY = date(1907, 5, 4)


def correction_faults(revision: Revision, design: Design, fields: frozenset[str]) -> list[Fault]:
    """Return a fault for each part of a design's mails that does not say what day it corrects.

    Args:
        revision: the statement.
        design: how its mails look.
        fields: attributes that the lists declare.
    """
    language = revision.source_language
    whole = without_gaps(design, phrases_in(design))
    templates = EditionTemplates(revision, whole, SOMEONE, language, fields)
    vector = (False,) * len(templates.ledger.conditions)
    reading = Reading(language, templates.reading(None).reader, notice=False, corrects=_DAY)
    ids = dict.fromkeys(revision.pictures, f"{'0' * 20}@{SOMEONE.return_path_domain}")
    html = shown_text(parse_document(templates.render_html(vector, reading, ids)[0]))
    text = templates.render_text(vector, reading)
    day = long_date(_DAY, reading.reader)
    return [
        Fault(
            f"templates/mail/{file}",
            0,
            "correction.date",
            "does not say that a mail corrects an earlier one",
            "Take over the lines about {{ correction.date }} from the file that ships with mailer",
        )
        for file, part in ((LAYOUT_HTML, html), (LAYOUT_TEXT, text))
        if day not in part
    ]
