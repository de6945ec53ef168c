"""What mails of appeals and corrections must hold beside what every mail must."""

from dataclasses import replace
from datetime import date

import pytest

from mailer.compose.checks import check_design
from mailer.compose.correcting import correction_faults
from mailer.compose.design import read_design
from mailer.compose.rendering import EditionTemplates
from mailer.config import share_dir
from mailer.model.statement import StatementKind
from tests.support.mails import harbor_sender, library_revision, mail_catalogs, mail_design

FIELDS = frozenset({"city"})
LINK = 'href="{{ appeal.address }}"'


@pytest.fixture(scope="module")
def appeal_design():
    """The design that ships for appeals."""
    return read_design(share_dir() / "templates", StatementKind.APPEAL, mail_catalogs())


def test_the_design_of_appeals_holds_everything(appeal_design):
    """With and without a last day, whatever is asked of a supporter."""
    assert [] == check_design(appeal_design, FIELDS)


def test_an_appeal_that_leads_nowhere_is_refused(appeal_design):
    """Each part needs the link by itself; other mails need none."""
    for part, old in (("message_html", LINK), ("message_text", "{{ appeal.address }}")):
        before = getattr(appeal_design, part)
        assert old in before
        design = replace(appeal_design, **{part: before.replace(old, "")})
        told = [(one.field, one.problem) for one in check_design(design, FIELDS)]
        assert [("appeal.address", "does not hold a link to what is asked for")] == told


def test_a_frame_without_the_words_can_send_no_correction():
    """It is of a workspace made before mails could say so; each part is looked at."""
    revision, design = library_revision(), mail_design()
    assert [] == correction_faults(revision, design, FIELDS)
    for part, file in (("layout_html", "layout.html"), ("layout_text", "layout.txt")):
        text = getattr(design, part)
        start = text.index("{% if correction.shown %}")
        end = text.index("{% if notice.shown %}")
        without = replace(design, **{part: text[:start] + text[end:]})
        told = [one.file for one in correction_faults(revision, without, FIELDS)]
        assert [f"templates/mail/base/{file}"] == told


@pytest.mark.parametrize(
    ("wanted", "corrects", "notice"),
    [
        (None, date(2026, 11, 2), False),
        ("ro", date(2026, 11, 2), True),
        # There was none in Russian when they got the mail; the revision that corrects it has one.
        ("ru", date(2026, 11, 2), False),
        ("ru-MD", date(2026, 11, 2), False),
        ("ru", None, True),
    ],
)
def test_a_correction_denies_no_edition_there_is(wanted, corrects, notice):
    """The frame speaks the reader's language all the same."""
    templates = EditionTemplates(
        library_revision(), mail_design(), harbor_sender(), "en", FIELDS, corrects=corrects
    )
    reading = templates.reading(wanted)
    assert (notice, corrects) == (reading.notice, reading.corrects)
    assert reading.reader == (wanted or "en").split("-")[0]
