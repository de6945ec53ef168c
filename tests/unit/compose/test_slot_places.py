"""A slot that stands where no value may go is told where it stands."""

from dataclasses import replace

import pytest

from mailer.compose.checks import check_design, check_revision_with_design
from mailer.compose.ledger import Ledger, Slot, SlotKind
from mailer.model.faults import Severity
from tests.support.mails import mail_design, one_edition

FIELDS = frozenset({"city"})
NAME = Slot(SlotKind.FIELD, "name")


def errors(faults):
    """Return the errors as (file, line, field)."""
    return [
        (fault.file, fault.line, fault.field)
        for fault in faults
        if fault.severity is Severity.ERROR
    ]


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        # The design that ships says "Hello %(name)s" with the same slot.
        ("One.\n\n[x](https://example.org/{{ supporter.name }})", [3]),
        ("Dear {{ supporter.name }},\n\n[x](https://example.org '{{ supporter.name }}')", [3]),
        ("[x](https://example.org/{{ supporter.name }})\n\n[y](https://{{ supporter.name }}.org)",
         [1, 3]),
        ("::: quote\nattribution: {{ supporter.name }}\nlanguage: {{ supporter.name }}\n\nWords.\n:::", [3]),
    ],
)  # fmt: skip
def test_a_slot_in_the_wrong_place_of_a_body_is_told_with_the_body_s_line(body, lines):
    """However often the same slot stands in the templates, or rightly in the same body."""
    edition = one_edition(body)
    faults = check_revision_with_design(edition, mail_design(), FIELDS)
    file = "templates/statements/library/en.md"
    assert errors(faults) == [(file, line, "supporter.name") for line in lines]


def test_a_slot_in_the_wrong_place_of_a_template_is_told_by_the_design_s_check():
    """Its second use is told, and not its first; no edition is blamed."""
    design = mail_design()
    html = design.layout_html.replace("<h1>", '<h1 title="{{ supporter.name }}">')
    wrong = replace(design, layout_html=html)
    file = "templates/mail/base/layout.html"
    line = 1 + html[: html.index("<h1")].count("\n")
    assert errors(check_design(wrong, FIELDS)) == [(file, line, "supporter.name")]
    assert check_revision_with_design(one_edition("Hello."), wrong, FIELDS) == []


def test_what_templates_are_handed_as_a_value_is_told_with_its_template():
    """The name of the list and the unsubscribe address are looked for in the templates."""
    design = mail_design()
    html = design.layout_html.replace("</title>", "{{ list.name }}{{ unsubscribe_url }}</title>")
    faults = errors(check_design(replace(design, layout_html=html), FIELDS))
    assert {(file, field) for file, _, field in faults} == {
        ("templates/mail/base/layout.html", "list.name"),
        ("templates/mail/base/layout.html", "unsubscribe_url"),
    }


def test_every_gap_is_told_where_it_is():
    """A template that leaves one does not hide that the body does too."""
    design = mail_design()
    text = design.layout_text.replace(
        "{{ edition.body }}", "{{ supporter.city }}{{ edition.body }}"
    )
    edition = one_edition("In {{ supporter.city }}.\n\nAnd {{ supporter.city }}.")
    faults = check_revision_with_design(edition, replace(design, layout_text=text), FIELDS)
    body = "templates/statements/library/en.md"
    assert [(fault.file, fault.line) for fault in faults if fault.file == body] == [
        (body, 1), (body, 3),
    ]  # fmt: skip
    assert {fault.file for fault in faults} == {body, "templates/mail/base/layout.txt"}


def test_each_line_has_a_marker_of_its_own_for_one_slot():
    """The slot is counted once, and every marker leads to it."""
    ledger = Ledger()
    first, second = ledger.marker(NAME, "a.html", 1), ledger.marker(NAME, "a.html", 2)
    assert first == ledger.marker(NAME, "a.html", 1)
    assert first != second
    assert ledger.slots == [NAME]
    assert list(ledger.split(f"a{first}b{second}")) == ["a", NAME, "b", NAME]


def test_a_fault_of_the_layout_takes_no_block_from_the_message():
    """One mistake is one fault: what blocks the layout has is not known before it is mended."""
    design = mail_design()
    for part in ("layout_html", "layout_text"):
        wrong = replace(design, **{part: getattr(design, part) + "{{ nobody }}"})
        assert [fault.field for fault in check_design(wrong, FIELDS)] == ["nobody"]


def test_a_block_that_the_layout_has_not_is_told():
    """With the blocks there are."""
    design = mail_design()
    text = design.message_text + "{% block body %}{% endblock %}"
    (fault, *_) = check_design(replace(design, message_text=text), FIELDS)
    assert (fault.problem, fault.remedy) == (
        'the layout has no block "body"',
        "It has: after_body, call, statement",
    )


def test_what_jinja_would_refuse_only_while_it_renders_is_told_before():
    """Nothing waits for the first mail."""
    design = mail_design()
    line = '{% extends "base/layout.txt" %}\n'
    twice = design.message_text.replace(line, line * 2)
    required = design.layout_text.replace("block call", "block call required")
    faults = check_design(replace(design, message_text=twice, layout_text=required), FIELDS)
    assert ["a block cannot be required", "extends a second time"] == [
        fault.problem for fault in faults
    ]
