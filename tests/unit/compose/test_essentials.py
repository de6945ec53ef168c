"""A design whose mails would lack what every mail must hold is refused."""

from dataclasses import replace

import pytest

from mailer.compose.checks import check_design, check_revision_with_design
from mailer.model.faults import Severity
from tests.support.mails import library_revision, mail_design

FIELDS = frozenset({"city"})
LAYOUT_HTML, LAYOUT_TEXT = "templates/mail/base/layout.html", "templates/mail/base/layout.txt"
HTML, TEXT = "templates/mail/statement/message.html", "templates/mail/statement/message.txt"


def changed(**parts):
    """Return the design that ships with texts replaced: part=(old, new)."""
    design = mail_design()
    values = {}
    for part, (old, new) in parts.items():
        before = getattr(design, part)
        assert old in before
        values[part] = before.replace(old, new)
    return replace(design, **values)


def told(design):
    """Return the faults of a design as (file, field, problem, severity)."""
    return [
        (fault.file, fault.field, fault.problem, fault.severity)
        for fault in check_design(design, FIELDS)
    ]


def test_the_design_that_ships_holds_everything():
    """Unsubscribe link, text and page, whatever is asked of a supporter."""
    assert check_design(mail_design(), FIELDS) == []


@pytest.mark.parametrize(
    ("design", "expected"),
    [
        (changed(layout_html=('<a class="action" href="{{ unsubscribe_url }}">', "<a>")),
         (LAYOUT_HTML, "unsubscribe_url", "does not hold a link to unsubscribe")),
        (changed(layout_html=('href="{{ unsubscribe_url }}">', ">{{ unsubscribe_url }}")),
         (LAYOUT_HTML, "unsubscribe_url", "does not hold a link to unsubscribe")),
        (changed(layout_text=("{{ unsubscribe_url }}", "")),
         (LAYOUT_TEXT, "unsubscribe_url", "does not hold a link to unsubscribe")),
        (changed(layout_html=("{{ edition.body }}", "")),
         (HTML, "edition.body", "does not hold the text of the statement")),
        (changed(layout_html=("{{ edition.body }}", "<!-- {{ edition.body }} -->")),
         (LAYOUT_HTML, "edition.body", "does not hold the text of the statement")),
        (changed(layout_text=("{{ edition.body }}", "")),
         (TEXT, "edition.body", "does not hold the text of the statement")),
    ],
)  # fmt: skip
def test_what_every_mail_must_hold_is_missed_by_its_template(design, expected):
    """Each part needs it by itself; the frame is named where the frame should hold it."""
    assert told(design) == [(*expected, Severity.ERROR)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{% if supporter.country == 'MD' %}", "{% endif %}"),
        ("{% if statement.supports %}", "{% endif %}"),
        ("{% if not notice.shown %}", "{% endif %}"),
        ("{% for one in statement.signatories %}", "{% endfor %}"),
    ],
)
def test_what_some_mails_hold_is_not_enough(before, after):
    """A way to leave that depends on who reads, or on the statement, is none for the others."""
    line = "{{ unsubscribe_url }}"
    design = changed(layout_text=(line, f"\n{before}\n{line}\n{after}\n"))
    assert told(design) == [
        (LAYOUT_TEXT, "unsubscribe_url", "does not hold a link to unsubscribe in some mails",
         Severity.ERROR)
    ]  # fmt: skip
    assert check_design(design, FIELDS)[0].line > 0


def test_a_way_to_leave_in_some_languages_only_is_found_with_the_statement():
    """The design's own check speaks one language; the statement's editions are looked at too."""
    line = "{{ unsubscribe_url }}"
    said = f'{{% if edition.language == "en" %}}{line}{{% endif %}}'
    design = changed(layout_text=(line, said))
    assert check_design(design, FIELDS) == []
    faults = check_revision_with_design(library_revision(), design, FIELDS)
    assert [(fault.file, fault.field) for fault in faults] == [(LAYOUT_TEXT, "unsubscribe_url")]


@pytest.mark.parametrize(
    "source", ["", " \n", "{# Nothing. #}", "{% if edition.body %}{% endif %}"]
)
@pytest.mark.parametrize("part", ["message_html", "message_text"])
def test_an_empty_template_is_told(part, source):
    """Nobody is sent a mail with nothing in it; that is all there is to be said of it."""
    design = replace(mail_design(), **{part: source})
    file = HTML if part == "message_html" else TEXT
    assert told(design) == [(file, "", "is empty", Severity.ERROR)]
    assert check_revision_with_design(library_revision(), design, FIELDS) == []


def test_a_template_that_is_empty_for_some_is_told():
    """The others miss what they miss."""
    source = "{% if supporter.city %}{{ edition.body }}{% endif %}"
    design = replace(mail_design(), message_text=source)
    assert [(fault[:3]) for fault in told(design) if fault[3] is Severity.ERROR] == [
        (TEXT, "", "is empty in some mails"),
        (TEXT, "unsubscribe_url", "does not hold a link to unsubscribe"),
    ]
    assert check_revision_with_design(library_revision(), design, FIELDS) == []


def test_a_layout_that_is_not_there_is_missed_by_its_message():
    """It may be left out; then the messages stand alone and must not extend it."""
    (fault,) = check_design(replace(mail_design(), layout_text=""), FIELDS)
    assert (fault.file, fault.problem) == (
        LAYOUT_TEXT, "is missing, and statement/message.txt extends it",
    )  # fmt: skip


def test_a_mail_without_a_link_to_its_page_is_worth_a_look():
    """It can be sent; both parts are told by their own template."""
    design = changed(
        layout_html=('<a href="{{ web_view }}">', "<a>"), layout_text=("{{ web_view }}", "")
    )
    problem = "does not hold a link to the page of the statement"
    assert told(design) == [
        (file, "web_view", problem, Severity.WARNING) for file in (LAYOUT_HTML, LAYOUT_TEXT)
    ]


def test_a_mail_without_a_link_to_the_preferences_is_worth_a_look():
    """Templates of before there was one can be sent as they are."""
    design = changed(
        layout_html=('<a href="{{ preferences_url }}">', "<a>"),
        layout_text=("{{ preferences_url }}", ""),
    )
    problem = "does not hold a link to the preferences"
    assert told(design) == [
        (file, "preferences_url", problem, Severity.WARNING) for file in (LAYOUT_HTML, LAYOUT_TEXT)
    ]


def test_what_to_write_is_said():
    """The remedy can be copied."""
    (fault,) = check_design(changed(layout_text=("{{ unsubscribe_url }}", "")), FIELDS)
    assert fault.remedy == 'Write {{ _("Unsubscribe") }}: {{ unsubscribe_url }}'


def test_a_fault_of_the_design_is_not_told_with_every_statement():
    """Where the design's own check tells it, in whatever words, the statement's does not."""
    line = "{{ unsubscribe_url }}"
    design = changed(layout_text=(line, f"{{% if notice.shown %}}{line}{{% endif %}}"))
    assert check_revision_with_design(library_revision(), design, FIELDS) == []


def test_a_template_with_what_no_html_can_hold_is_told_and_no_edition_is():
    """The fault is where the character is."""
    html = mail_design().message_html + "{% block call %}\ufffe{% endblock %}"
    design = replace(mail_design(), message_html=html)
    assert [(fault.file, fault.line, fault.problem) for fault in check_design(design, FIELDS)] == [
        (HTML, 3, "U+FFFE is a character that no mail may hold")
    ]
    assert check_revision_with_design(library_revision(), design, FIELDS) == []
