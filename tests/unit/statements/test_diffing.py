"""Two states of a statement, compared word by word."""

import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.model.statement import Picture, Signatory
from mailer.statements.diffing import (
    DiffRun,
    RunKind,
    edition_diff,
    revision_diff,
    text_diff,
)
from tests.support.factories import make_edition, make_revision


def shown(runs):
    """Return runs as one line: [-taken out-], {+put in+}."""
    forms = {RunKind.EQUAL: "{}", RunKind.REMOVED: "[-{}-]", RunKind.ADDED: "{{+{}+}}"}
    return "".join(forms[run.kind].format(run.text) for run in runs)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("They searched three houses.", "They searched four houses.",
         "They searched [-three-]{+four+} houses."),
        ("One.\n\nTwo.\n", "One.\n\nTwo and more.\n", "One.\n\nTwo{+ and more+}.\n"),
        ("Двери открыты", "Двери закрыты", "Двери [-открыты-]{+закрыты+}"),
        ("One.\nWholly other words stand here.\n", "One.\nНичего общего с прежним!\n",
         "One.\n[-Wholly other words stand here.\n-]{+Ничего общего с прежним!\n+}"),
        ("", "New.", "{+New.+}"),
        ("Old.", "", "[-Old.-]"),
        ("", "", ""),
    ],
)  # fmt: skip
def test_words_that_changed_stand_beside_those_that_did_not(before, after, expected):
    """A changed word is marked alone; lines with little in common are shown whole."""
    assert expected == shown(text_diff(before, after))


@given(st.text("ab \n.", max_size=60), st.text("ab \n.", max_size=60))
def test_both_texts_can_be_read_off(before, after):
    """What is not added is the text before, what is not removed the text after."""
    runs = text_diff(before, after)
    assert before == "".join(one.text for one in runs if one.kind is not RunKind.ADDED)
    assert after == "".join(one.text for one in runs if one.kind is not RunKind.REMOVED)
    assert all(one.kind is not other.kind for one, other in pairwise(runs))


def test_long_texts_take_no_longer_than_a_page_may():
    """Beyond some thousand words whole lines are compared."""
    before = "\n".join(f"word {number} and another" for number in range(3_000))
    began = time.monotonic()
    text_diff(before, before.replace("another", "more"))
    text_diff("a b " * 100_000, "b a " * 100_000)
    assert time.monotonic() - began < 5


def test_editions_name_the_fields_that_differ():
    """Fields that are the same are left out."""
    before, after = make_edition(title="Old title"), make_edition(title="New title")
    (field,) = edition_diff(before, after)
    assert ("title", "[-Old-]{+New+} title") == (field.field, shown(field.runs))


def test_revisions_tell_editions_head_and_pictures():
    """An edition that came, one that went, who signs and pictures are told."""
    picture = Picture("a.png", "image/png", 1, 1, b"x")
    harbor = Signatory({"en": "Harbor"}, "MD", "")
    before = make_revision(["en", "ru"], pictures={"a.png": picture}, signatories=(harbor,))
    after = make_revision(["en", "uk"], signatories=(replace(harbor, country="DE"),))
    diff = revision_diff(before, after)
    told = [(one.language, one.removed, one.added) for one in diff.editions]
    assert [("uk", False, True), ("ru", True, False)] == told
    assert [("a.png", True, False)] == [(one.name, one.removed, one.added) for one in diff.pictures]
    assert "[-MD-]{+DE+}" in shown(diff.head)
    assert revision_diff(before, before).is_empty
    assert DiffRun(RunKind.ADDED, "Free the library [uk]") == diff.editions[0].fields[0].runs[0]
