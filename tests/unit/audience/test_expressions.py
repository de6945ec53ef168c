"""Expressions about earlier mailings and saved segments, and their words."""

import pytest

from mailer.audience.explaining import fields_of, words_of
from mailer.audience.segments import (
    LONGEST,
    MOST_LEVELS,
    MOST_VALUES,
    Place,
    SavedSegment,
    SavedSegments,
    load_segments,
    parse_segment,
    read_expression,
    saved_segments,
)
from mailer.model.audience import Attribute, AttributeType
from mailer.model.faults import FaultsFound
from mailer.model.segments import Fallback, Field, Not, Received, Skipped
from mailer.model.states import SkipReason

HOURS = Attribute("hours", AttributeType.NUMBER, clear=True)
SINCE = Attribute("since", AttributeType.DATE, clear=True)
ATTRIBUTES = {one.name: one for one in (HOURS, SINCE)}
TYPED = Place("--segment")


def saved(**texts):
    """Saved segments of these texts, each on a line of its own."""
    return SavedSegments(
        {
            key: SavedSegment(key, "", text, Place(key, "lists/segments.toml", line))
            for line, (key, text) in enumerate(texts.items(), 1)
        }
    )


def read(text, **texts):
    """Read an expression that may name saved ones."""
    return read_expression(text, ATTRIBUTES, TYPED, saved(**texts))


def fault(text, **texts):
    """The one fault of an expression, as it is shown."""
    with pytest.raises(FaultsFound) as raised:
        read(text, **texts)
    (found,) = raised.value.faults
    return str(found)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('received("her-rights", RU)', Received("her-rights", "ru")),
        ("received(her-rights)", Received("her-rights")),
        ("fallback(her-rights, mo)", Fallback("her-rights", "ro")),
        ("not Fallback ( her-rights )", Not(Fallback("her-rights"))),
        (
            "skipped(her-rights, 'no acceptable edition')",
            Skipped("her-rights", SkipReason.NO_ACCEPTABLE_EDITION),
        ),
        ("skipped(x, only-urgent)", Skipped("x", SkipReason.ONLY_URGENT)),
    ],
)
def test_earlier_mailings_can_be_asked_about(text, tree):
    """Languages in any case, withdrawn codes replaced; reasons as the glossary writes them too."""
    assert tree == parse_segment(text, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("received(x, russian)", '--segment, column 13: "russian" is no language'),
        ("skipped(x)", "--segment, column 10: this cannot stand here"),
        ("skipped(x, suppresed)", 'column 12: "suppresed" is no reason'),
        ("skipped(x, suppresed)", 'Did you mean "suppressed"?'),
        ("skipped(x, duplicate_address)", "leaves nobody out"),
        ("fallback()", "column 10: this cannot stand here"),
        ("segment(x)", 'column 9: no saved segment is called "x". There are: none yet'),
    ],
)
def test_what_cannot_be_asked_is_pointed_at(text, words):
    """With the column, and what there is."""
    assert words in fault(text)


def test_saved_segments_are_written_out():
    """In brackets, so that what stands around binds as before; alone, without them."""
    texts = {"active": 'hours >= 4 or segment("old")', "old": "since < 2020-01-01"}
    found = read("not segment( active ) and country = MD", **texts)
    assert "not (hours >= 4 or (since < 2020-01-01)) and country = MD" == found.text
    assert parse_segment(found.text, ATTRIBUTES) == found.segment
    assert "hours >= 4 or (since < 2020-01-01)" == read("active", **texts).text


def test_the_statements_an_expression_asks_about_are_known_with_their_places():
    """Those of saved segments are pointed at in the file, whoever names them."""
    found = read("segment(old) and skipped(her-rights, excluded)", old="received(letter)")
    places = {one.slug: (one.place.file, one.place.line, one.column) for one in found.mentions}
    assert {"letter": ("lists/segments.toml", 1, 10), "her-rights": ("", 0, 26)} == places


def test_a_circle_names_its_chain():
    """However it is entered; a segment that names itself is one."""
    texts = {
        "a": "segment(b)",
        "b": 'country = MD or segment("c")',
        "c": "segment(b)",
        "d": "segment(d)",
    }
    for text in ("a", "not segment(a)"):
        said = fault(text, **texts)
        assert (
            "lists/segments.toml:3:9: c: the saved segments go round in a circle: b → c → b" in said
        )
    assert "go round in a circle: d → d" in fault("d", **texts)


def test_an_unknown_name_says_who_names_it():
    """And a fault inside a saved segment is told at its own place."""
    assert 'no saved segment is called "gone", which a → b names' in fault(
        "segment(a)", a="segment(b)", b="segment(gone)"
    )
    assert 'lists/segments.toml:1:1: a: "town" is not a field' in fault("segment(a)", a="town = x")


def test_size_and_depth_are_bounded_with_what_is_named():
    """However short each is; a long chain ends before anything else does."""
    long = " or ".join(["country = MD"] * 100)
    assert len(long) < LONGEST
    said = fault("segment(a) or segment(a) or segment(a)", a=long)
    assert "longer than 4000 characters with the saved segments it names" in said
    doubling = {f"s{one}": f"segment(s{one + 1}) or segment(s{one + 1})" for one in range(30)}
    assert "with the saved segments it names" in fault("s0", **doubling, s30="country = MD")
    chain = {f"s{one}": f"segment(s{one + 1})" for one in range(500)}
    assert "more than 40 saved segments name one another" in fault("s0", **chain)


def nested(levels):
    """An expression in which each pair of brackets stands in another."""
    text = "hours = 1"
    for level in range(levels):
        text = f"country = MD {('and', 'or')[level % 2]} not ({text})"
    return text


def test_deeper_brackets_than_a_database_takes_are_refused():
    """Also where saved segments make them; brackets that say nothing do not count."""
    assert read(nested(MOST_LEVELS)).segment == read(f"(({nested(MOST_LEVELS)}))").segment
    said = "has brackets in brackets more than 10 deep"
    assert said in fault(nested(MOST_LEVELS + 1))
    assert said in fault("hours = 2 or segment(a) and hours = 3", a=nested(MOST_LEVELS))


def test_a_place_in_the_file_is_where_an_editor_goes(tmp_path):
    """Over the lines of a long text; where escapes move the columns, counted in the expression."""
    (tmp_path / "segments.toml").write_text(
        '[long]\nname = \'Long\'\nexpression = """\ncountry = MD\n  and “press” in tags"""\n'
        "[open]\nexpression = '''country = MD\n and'''\n"
        '[escaped]\nexpression = "\\"press\\" in town"\n'
        "[asks]\nexpression = '''\n\nreceived(letter)'''\n"
    )
    with pytest.raises(FaultsFound) as raised:
        load_segments(tmp_path, ATTRIBUTES)
    told = [(one.line, one.column, one.problem) for one in raised.value.faults]
    assert [
        (5, 7, "a typographic quotation mark"),
        (8, 5, "the expression ends too soon"),
        (10, 12, '"town" is not a field'),
    ] == told
    found = read_expression("asks", ATTRIBUTES, TYPED, saved_segments(tmp_path))
    lost = found.mentions[0].fault("is lost")
    assert (14, 10) == (lost.line, lost.column)


def test_what_was_typed_over_several_lines_is_pointed_at():
    """A typographic quotation mark in the second line is one."""
    assert "column 27: a typographic quotation mark" in fault("hours = 4 and\n  country = “MD”")


def test_an_address_that_was_typed_is_not_said_again():
    """Bare, in quotes or as a name; what else is wrong is said all the same."""
    for text in (
        "mara@example.org", "country = mara@example.org", 'country = "mara@example.org"',
        'segment("mara@example.org")', 'hours > "mara@example.org"', "hours = 1 mara@example.org",
    ):  # fmt: skip
        with pytest.raises(FaultsFound) as raised:
            read_expression(text, ATTRIBUTES, TYPED, saved())
        assert "mara" not in str(raised.value), text


def test_more_values_than_a_database_takes_are_refused():
    """In one list, in several parts, or through saved segments."""
    many = f"hours in ({', '.join(map(str, range(MOST_VALUES)))})"
    assert MOST_VALUES == len(read(many).segment.values)
    said = "compares with 201 values, and 200 are the most"
    assert said in fault(f"{many} or country = MD")
    assert said in fault("segment(a) or country = MD", a=many)
    assert said in fault(f"{many[:-1]}, 1)")


def test_a_fault_that_others_share_is_told_once(tmp_path):
    """Each segment of the file is read; a broken one does not multiply."""
    (tmp_path / "segments.toml").write_text(
        "[a]\nexpression = 'segment(b)'\n[b]\nexpression = 'town = x'\n[c]\nname = 'C'\n"
    )
    with pytest.raises(FaultsFound) as raised:
        load_segments(tmp_path, ATTRIBUTES)
    told = [(one.line, one.field, one.problem) for one in raised.value.faults]
    assert [(4, "b", '"town" is not a field'), (5, "c", "has no expression")] == told
    assert {"a", "b"} == set(saved_segments(tmp_path).by_key)


def test_what_a_saved_segment_says_in_vain_is_refused(tmp_path):
    """Nobody is mailed whom an `exclude` seemed to leave out; the others can be used."""
    (tmp_path / "segments.toml").write_text(
        "[a]\nexpression = 'country = MD'\nexclude = 'country = UA'\n[b]\nexpression = 'hours = 1'\n"
    )
    segments = saved_segments(tmp_path)
    for text in ("a", "not segment(a)"):
        with pytest.raises(FaultsFound, match=r"toml:3: a\.exclude: is not a field of a"):
            read_expression(text, ATTRIBUTES, TYPED, segments)
    assert "hours = 1" == read_expression("b", ATTRIBUTES, TYPED, segments).text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("country != MD", "the country is not MD"),
        ("country in (MD, UA)", "the country is one of MD, UA"),
        ("hours >= 2.5", '"hours" is at least 2.5'),
        ("since < 2020-01-01", '"since" is before 2020-01-01'),
        ("joined <= 2020-01-01", "the day they joined is not after 2020-01-01"),
        ('"press" in tags', 'the tags hold "press"'),
        ("tags is missing", "the tags are not on record"),
        ("country is not missing", "the country is on record"),
        ("not ru in languages", 'not so: the languages hold "ru"'),
        ("not (country = MD and hours = 1)", "this does not hold:"),
        ("country = MD or hours = 1", "any of these holds:"),
        ("received(x, ru)", '"x" was sent to them in ru'),
        ("fallback(x, ro)", '"x" was sent to them, but never in their first language, which is ro'),
        (
            "skipped(x, no_consent)",
            '"x" was not sent to them, the reason being: no consent',
        ),
    ],
)
def test_each_part_has_its_words(text, words):
    """For staff who write no expressions themselves."""
    assert words == words_of(parse_segment(text, ATTRIBUTES))


def test_fields_are_named_once_in_their_order():
    """Those of which it is counted for how many they are not known."""
    tree = parse_segment(
        "hours > 1 and (country = MD or not hours is missing) and received(x)", ATTRIBUTES
    )
    assert (HOURS, Field.COUNTRY) == fields_of(tree)
