"""The head of an edition."""

import pytest

from mailer.statements.collecting import FaultCollector
from mailer.statements.front_matter import parse_front_matter, unquote

GOOD = """---
title: "Her rights"
# a note to oneself
subject: Stand with them: now

preheader: 'It''s time'
---


Body.

More.

"""


def parse(text):
    """Return the front matter and the faults as (line, field)."""
    found = FaultCollector("en.md")
    front = parse_front_matter(text, found)
    return front, [(fault.line, fault.field, fault.problem) for fault in found.faults]


def test_values_lines_and_body_are_told():
    """A value is all after the first colon; the body knows the line it begins on."""
    front, faults = parse(GOOD)
    assert [] == faults
    expected = {
        "title": "Her rights",
        "subject": "Stand with them: now",
        "preheader": "'It''s time'",
    }
    assert expected == front.values
    assert {"title": 2, "subject": 4, "preheader": 6} == front.lines
    assert ("Body.\n\nMore.", 10) == (front.body, front.body_line)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Title: no fence\n", (1, "", "does not begin with front matter")),
        ("\n\n---\ntitle: x\n", (3, "", "the front matter has no end")),
        ("---\nauthor: x\n---\n", (2, "author", "is not a field known here")),
        ("---\ntitle: x\ntitle: y\n---\n", (3, "title", "is given twice")),
        ("---\ntitle\n---\n", (2, "", "the line is not `field: value`")),
        ("---\ntitle: a\n  b\n---\n", (3, "", "the line goes on from the line above")),
    ],
)
def test_faults_have_their_line(text, expected):
    """Each mistake is named with its line and field."""
    assert expected in parse(text)[1]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('"a"', "a"), ("'a'", "a"), ('"a" and "b"', '"a" and "b"'), ('"', '"'), ("«a»", "«a»"),
        ("a", "a"), ('""', ""),
    ],
)  # fmt: skip
def test_only_quotes_around_all_of_it_are_taken_off(written, expected):
    """Quotes are optional, and those inside belong to the text."""
    assert expected == unquote(written)
