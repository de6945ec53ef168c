"""`statement.toml`."""

from datetime import UTC, date, datetime

import pytest

from mailer.model.statement import RelatedKind, StatementKind, SupportedKind
from mailer.statements.collecting import FaultCollector
from mailer.statements.declaration import parse_declaration

GOOD = """\
slug = "her-rights"
kind = "statement"
source_language = "en"
published = 2026-12-01T09:00:00+02:00
and_others = true
topics = ["press", "women-and-work"]
[[supports]]
kind = "organisation"
name = { en = "Willow", ru = "Ива" }
address = "https://willow.example.org"

[[hashtags]]
tag = "#HerRights"
address = "https://harbor.example.org/tags"

[[related]]
kind = "report"
title = { en = "Report" }
address = "https://harbor.example.org/report"

[[signatories]]
name = { en = "Harbor" }
country = "MD"

[[signatories]]
country = "KG"
address = "https://steppe.example.org"
[signatories.name]
en = "Steppe"
ky = "Талаа"
"""


def parse(text, folder="her-rights"):
    """Return the declaration and the faults as (line, field, problem)."""
    found = FaultCollector("statement.toml")
    declaration = parse_declaration(text, folder, found)
    return declaration, [(fault.line, fault.field, fault.problem) for fault in found.faults]


def test_everything_is_read():
    """Each key comes out typed, hours with their zone."""
    declaration, faults = parse(GOOD)
    assert [] == faults
    assert StatementKind.STATEMENT is declaration.kind
    assert datetime(2026, 12, 1, 7, tzinfo=UTC) == declaration.published
    assert SupportedKind.ORGANISATION is declaration.supports[0].kind
    assert RelatedKind.REPORT is declaration.related[0].kind
    assert ["MD", "KG"] == [one.country for one in declaration.signatories]
    assert {"en": "Steppe", "ky": "Талаа"} == declaration.signatories[1].name
    assert "" == declaration.signatories[0].address
    assert declaration.and_others
    assert ("press", "women-and-work") == declaration.topics


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('slug = "her-rights"', 'slug = "other"', (1, "slug", 'is "other" in the folder "her-rights"')),
        ('slug = "her-rights"', 'slug = "Her rights"', (1, "slug", '"Her rights" cannot stand in an address')),
        ('slug = "her-rights"\n', "", (0, "slug", "is missing")),
        ('slug = "her-rights"', "slug = 7", (1, "slug", "is not a text in quotes")),
        ('kind = "statement"', 'kind = "letter"', (2, "kind", 'is "letter"')),
        ('"en"\n', '"English"\n', (3, "source_language", '"English" is not a language')),
        ("T09:00:00+02:00", "T09:00:00", (4, "published", "has no zone, so it could be any hour")),
        ("2026-12-01T09:00:00+02:00", "2026-12-01", (4, "published", "is not an hour")),
        ("and_others = true", 'and_others = "yes"', (5, "and_others", "is not true or false")),
        ('"press",', '"Press!",', (6, "topics", "holds what is no key of a topic")),
        ('"press",', "7,", (6, "topics", "holds what is no key of a topic")),
        ('"press",', '"press", "press",', (6, "topics", 'names "press" twice')),
        ('["press", "women-and-work"]', '"press"', (6, "topics", "is not a row of keys")),
        ("and_others = true", "others = true", (5, "others", "is not a key known here")),
        ('"organisation"', '"group"', (8, "supports[0].kind", 'is "group"')),
        ('ru = "Ива"', 'rus = "Ива"', (9, "supports[0].name.rus", '"rus" is not a language')),
        ('en = "Willow", ', "", (9, "supports[0].name", 'has no "en", the source language')),
        ('"https://willow', '"http://willow', (10, "supports[0].address", "is not https")),
        ('"#HerRights"', '"Her Rights"', (13, "hashtags[0].tag", '"Her Rights" is not a hashtag')),
        ('address = "https://harbor.example.org/tags"\n', "", (12, "hashtags[0].address", "is missing")),
        ('"https://harbor.example.org/report"', '"/report"',
         (19, "related[0].address", "is relative: a mail belongs to no site")),
        ('title = { en = "Report" }', 'title = "Report"', (18, "related[0].title", "is not a text per language")),
        ('country = "MD"', 'country = "md"', (23, "signatories[0].country", '"md" is not a country')),
        ('country = "MD"', 'city = "X"', (21, "signatories[0].country", "is missing")),
        ('en = "Steppe"', 'en = ""', (29, "signatories[1].name.en", "is empty or not a text")),
        ("[[supports]]", "[[supports]", (7, "", "is not TOML: expected ']]' at the end of an array declaration")),
    ],
)  # fmt: skip
def test_every_fault_has_line_and_field(old, new, expected):
    """Each mistake is named with the line and the field it is at."""
    assert GOOD.count(old) >= 1
    assert expected in parse(GOOD.replace(old, new, 1))[1]


@pytest.mark.parametrize(
    ("text", "line"), [('slug = "a"\ntitle = """b\n', 2), ("slug = ", 1), ("a = [1,\n2,\n", 2)]
)
def test_what_is_missing_at_the_end_is_told_at_the_last_line(text, line):
    """The parser names no line there; the last one is where to look."""
    assert [(line, "")] == [fault[:2] for fault in parse(text)[1]]


def test_a_title_is_kept_with_its_place():
    """Rows are counted as they stand in the file, whatever comes of those before."""
    text = GOOD.replace('kind = "report"\n', "", 1) + (
        '[[related]]\nkind = "case"\naddress = "https://a.example.org"\n[related.title]\nru = "Дело"\n'
    )
    declaration, _ = parse(text)
    assert [RelatedKind.CASE] == [one.kind for one in declaration.related]
    assert [(17, "related[0].title", {"en": "Report"}), (33, "related[1].title", {"ru": "Дело"})] == [
        (one.line, one.field, one.title) for one in declaration.titles
    ]  # fmt: skip


def test_a_group_of_countries_signs_nothing():
    """CLDR names it beside the countries; it is none."""
    assert [(23, "signatories[0].country", '"EU" is not a country')] == parse(
        GOOD.replace('country = "MD"', 'country = "EU"')
    )[1]


def test_all_faults_are_told_at_once():
    """Three mistakes are three faults."""
    text = GOOD.replace('"MD"', '"Moldova"').replace('"report"', '"paper"').replace("#Her", "Her")
    assert 3 == len(parse(text)[1])


def test_somebody_must_sign():
    """A statement that nobody signs is none."""
    text = GOOD[: GOOD.index("[[signatories]]")]
    assert (0, "signatories", "nobody signs") in parse(text)[1]


APPEAL = """\
slug = "her-rights"
kind = "appeal"
source_language = "en"
deadline = 2026-12-09
why_now = { en = "The court decides.", ru = "Суд решает." }

[action]
label = { en = "Sign" }
address = "https://harbor.example.org/sign"
"""


def test_an_appeal_says_what_to_do_and_until_when():
    """Nobody has to sign it; the last day may be left out."""
    declaration, faults = parse(APPEAL)
    assert [] == faults
    appeal = declaration.appeal
    assert ({"en": "Sign"}, "https://harbor.example.org/sign") == (appeal.action, appeal.address)
    assert date(2026, 12, 9) == appeal.deadline
    without = parse(APPEAL.replace("deadline = 2026-12-09\n", ""))[0]
    assert None is without.appeal.deadline


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("2026-12-09", "2026-12-09T09:00:00Z", (4, "deadline", "has an hour; it is a day")),
        ("2026-12-09", '"soon"', (4, "deadline", "is not a day")),
        ("why_now", "# why_now", (0, "why_now", "is missing")),
        ("label", "# label", (7, "action.label", "is missing")),
        ("https://", "http://", (9, "action.address", None)),
        ("[action]", "[deed]", (0, "action", "is missing")),
        ('"appeal"', '"newsletter"', (7, "action", "is for appeals only")),
    ],
)
def test_what_is_wrong_with_an_appeal_is_told_at_its_line(old, new, expected):
    """And no statement of another kind has what only an appeal can show."""
    line, field, problem = expected
    faults = parse(APPEAL.replace(old, new))[1]
    found = [one for one in faults if one[1] == field]
    assert [(line, field, problem or found[0][2])] == found
