"""Writing saved segments into their file, beside what people wrote there."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.audience.saving import with_segment, without_segment
from mailer.model.faults import FaultsFound

FILE = "lists/segments.toml"
TEXT = """# Ours.

[first]
name = "First"
expression = 'country = MD'

# About the second.
[second]
expression = '''
country = UA
'''
"""


def test_all_else_stays_as_it_was():
    """A segment that is changed takes the place of its own lines, and a new one is put at the end."""
    changed = with_segment(TEXT, "first", "New name", '"press" in tags', FILE)
    assert (
        TEXT.replace('"First"', '"New name"').replace("country = MD", '"press" in tags') == changed
    )
    added = with_segment(TEXT, "third", "", "country = RO", FILE)
    assert f'{TEXT}\n[third]\nexpression = "country = RO"\n' == added
    assert '[only]\nexpression = "country = RO"\n' == with_segment(
        "", "only", "", "country = RO", FILE
    )


def test_one_is_taken_away_with_its_lines_alone():
    """The comment before the next one is the next one's."""
    gone = without_segment(TEXT, "first", FILE)
    assert "# Ours.\n\n\n# About the second.\n[second]" in gone
    assert {"second"} == tomllib.loads(gone).keys()
    with pytest.raises(FaultsFound):
        without_segment(TEXT, "third", FILE)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(str.strip))
def test_any_expression_and_name_are_read_as_they_were_written(text):
    """Whatever quotation marks and backslashes are in them; line breaks become blanks."""
    after = with_segment(TEXT, "third", "", f"{text}\n{text}", FILE)
    assert (
        f"{text.rstrip()} {text.lstrip()}".split()
        == tomllib.loads(after)["third"]["expression"].split()
    )


@pytest.mark.parametrize("key", ["", "two words", "a--b", "a.b", "[x]", "x" * 81])
def test_a_key_that_no_expression_could_name_is_refused(key):
    """So is one that would change the file's tables."""
    with pytest.raises(FaultsFound) as caught:
        with_segment(TEXT, key, "", "country = MD", FILE)
    assert "key" == caught.value.faults[0].field


def test_a_name_holds_no_characters_that_nobody_sees():
    """They would turn the page around it."""
    with pytest.raises(FaultsFound):
        with_segment(TEXT, "first", "a\u202eb", "country = MD", FILE)


def test_a_file_that_a_program_cannot_change_is_left_to_people():
    """A table written in one line, say, or a header inside a text."""
    for text in ("first = { expression = 'country = MD' }\n", "[[first]]\nexpression = 'x'\n"):
        with pytest.raises(FaultsFound) as caught:
            with_segment(text, "first", "", "country = UA", FILE)
        assert "by hand" in caught.value.faults[0].remedy
    with pytest.raises(FaultsFound):
        with_segment("not toml", "first", "", "country = UA", FILE)
