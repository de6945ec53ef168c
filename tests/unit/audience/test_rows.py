"""Rows of a list's file: which languages, words on consent and tags are taken."""

import pytest

from mailer.audience.consent import Consent
from mailer.audience.rows import BadRow, RowReader
from tests.support.factories import make_list

UNKNOWN = "one is no language known here; write tags like ru, uk"
LIST = make_list(consent_basis="membership")


def read(**cells):
    """Read one row with these cells."""
    row = {"email": "anna@example.org", **cells}
    return RowReader(list(row), LIST, "people.csv", "import").read(list(row.values()))


def reason(**cells):
    """Return why a row with these cells is not taken."""
    with pytest.raises(BadRow) as raised:
        read(**cells)
    assert not any(cell in raised.value.reason for cell in cells.values())
    return raised.value.reason


@pytest.mark.parametrize(
    "cell", ["Russian", "ru, Russian", "none", "english;uk", "xx", "und", "mul", "zxx", "ru;all"]
)
@pytest.mark.parametrize("column", ["languages", "never_languages"])
def test_a_language_that_nobody_knows_is_not_taken(column, cell):
    """Else somebody would be sent what they asked never to be sent, for a word we do not know."""
    assert f"{column}: {UNKNOWN}" == reason(**{column: cell})


@pytest.mark.parametrize("cell", ["ru-russian", "ru-Abcd", "ru-XQ", "uk, sr-Zzzy-RS", "en-UK"])
def test_a_never_language_is_understood_whole(cell):
    """A region, script or variant that no edition can have would hold none back."""
    assert f"never_languages: {UNKNOWN}" == reason(never_languages=cell)
    assert read(languages=cell).profile.languages


def test_never_languages_are_taken_in_every_way_they_are_written():
    """By three letters, by an older code, with region, script or variant; in one order."""
    cell = "ukr RU_ru; mo|sr-latn,be-tarask,ru-RU"
    assert ("be-tarask", "ro", "ru-RU", "sr-Latn", "uk") == read(never_languages=cell).profile.never
    assert () == read(never_languages=" , ").profile.never


@pytest.mark.parametrize("cell", ["yes", "TRUE", "1", "да", "ja"])
def test_a_yes_has_the_lists_basis(cell):
    """That is what its people were asked for."""
    row = read(consent=cell)
    assert (Consent.GIVEN, "membership") == (row.consent, row.consent_basis)


@pytest.mark.parametrize("cell", ["no", "FALSE", "0", "нет", "nein", "none"])
def test_a_no_withdraws(cell):
    """Whatever was on record."""
    row = read(consent=cell, consent_source="form")
    assert (Consent.WITHDRAWN, "", "") == (row.consent, row.consent_basis, row.consent_source)


@pytest.mark.parametrize("cell", ["contract", "legitimate_interest", "art-6-1-f", "x" * 40])
def test_a_word_is_a_basis_of_its_own(cell):
    """It stands in clear, and says why."""
    assert cell == read(consent=cell).consent_basis


@pytest.mark.parametrize(
    "cell",
    ["said yes on the phone", "anna@example.net", "Anna", "x" * 41, "+37369123456", "37369123456",
     "2025-03-31", "согласие", "contract;form", "_x"],
)  # fmt: skip
def test_what_is_more_than_a_word_is_no_basis(cell):
    """A sentence, an address, a name, a number or a day says something of the person."""
    assert reason(consent=cell).startswith("consent: write yes, no or one word in small letters")


@pytest.mark.parametrize("cell", ["anna@example.net", "press; by anna@example.net", "@anna",
                                  "anna＠example.net", "anna﹫example.net"])  # fmt: skip
def test_an_address_is_no_tag(cell):
    """Tags are stored in clear."""
    with pytest.raises(BadRow) as raised:
        read(tags=cell)
    assert "tags: one holds an at sign; an address is no tag" == raised.value.reason
    assert {"press", "donor 5"} == read(tags="press; donor 5").tags


@pytest.mark.parametrize(
    ("field", "cell"),
    [
        ("time_zone", "Europe/Atlantis"),
        ("time_zone", "GMT+3"),
        ("country", "Moldova"),
        ("joined", "31.03.2025"),
        ("consented_at", "yesterday"),
        ("discreet", "perhaps"),
        ("text_only", "html"),
    ],
)
def test_what_a_cell_cannot_mean_is_said_by_its_field(field, cell):
    """A wrong zone would be another hour, and a mark that is not understood no mark."""
    assert reason(**{field: cell}).startswith(f"{field}: ")


@pytest.mark.parametrize("cell", ["press;women", "Women, PRESS", " press | women "])
@pytest.mark.parametrize("column", ["topics", "Topic"])
def test_topics_are_written_as_tags_are(column, cell):
    """In any order, in small letters or not."""
    declared = make_list(topics={"women": {"en": "Women"}, "press": {"en": "Press"}})
    row = RowReader(["email", column, "Text only"], declared, "people.csv", "import").read(
        ["anna@example.org", cell, "ja"]
    )
    assert ({"press", "women"}, True) == (row.topics, row.text_only)
