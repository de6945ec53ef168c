"""Pictures of figures: readable without color, escaped, with the same figures in a table."""

import xml.etree.ElementTree as ET

import pytest

from mailer.desk.charts import Bar, Line, Words, bars, lines_over_time

WORDS = Words("by-language", "Accepted by language", "Bars of how many were accepted.", "Language")
POINTS = ["1 Dec 07:00", "1 Dec 08:00", "1 Dec 09:00"]
NASTY = '"><script>alert(1)</script>&{{7*7}}'


def parsed(html):
    """Return the elements of a chart, which is XML as well as HTML."""
    return ET.fromstring(html)


def test_bars_are_as_long_as_their_counts():
    """The longest fills the picture, none at all is of no length."""
    drawn = parsed(
        bars(WORDS, [Bar("en", 200, "200"), Bar("ru", 50, "50"), Bar("uk", 0, "0")], "N")
    )
    widths = [float(one.get("width")) for one in drawn.iter("rect") if one.get("class")]
    assert [318.0, 79.5, 0.0] == widths


def test_every_chart_has_its_figures_in_a_table():
    """In the order of the picture, with headings for rows and columns."""
    drawn = parsed(bars(WORDS, [Bar("en", 1204, "1,204"), Bar("ru", 5, "< 10")], "Accepted"))
    assert ["en", "ru"] == [one.text for one in drawn.iterfind(".//tbody/tr/th")]
    assert ["1,204", "< 10"] == [one.text for one in drawn.iterfind(".//td")]
    lines = [Line("Bounces", [3, 1, 0]), Line("Complaints", [0, 2, 1])]
    drawn = parsed(lines_over_time(WORDS, POINTS, lines))
    assert POINTS == [one.text for one in drawn.iterfind(".//tbody/tr/th")]
    assert ["3", "0", "1", "2", "0", "1"] == [one.text for one in drawn.iterfind(".//td")]


def test_who_does_not_see_it_is_told_title_and_description():
    """By the names that the picture refers to."""
    (svg,) = parsed(bars(WORDS, [], "N")).iter("svg")
    assert svg.get("role") == "img"
    told = {one.get("id"): one.text for one in svg if one.tag in ("title", "desc")}
    assert [WORDS.title, WORDS.description] == [
        told[one] for one in svg.get("aria-labelledby").split()
    ]


def test_lines_are_told_apart_without_color():
    """Each has dashes of its own, and the same beside its name."""
    lines = [Line(name, [1, 2, 3]) for name in "abcd"]
    drawn = parsed(lines_over_time(WORDS, POINTS, lines))
    dashes = [one.get("stroke-dasharray") for one in drawn.iter("polyline")]
    assert len(set(dashes)) == 4
    legend = [one.get("stroke-dasharray") for one in drawn.iter("path")][1:]
    assert dashes == legend


@pytest.mark.parametrize("html", [
    bars(Words("k", NASTY, NASTY, NASTY), [Bar(NASTY, 3, NASTY)], NASTY),
    lines_over_time(Words("k", NASTY, NASTY, NASTY), [NASTY], [Line(NASTY, [1])]),
])  # fmt: skip
def test_whatever_stands_in_a_name_is_text(html):
    """No element, attribute, style or script comes of it."""
    tags = {one.tag for one in parsed(html).iter()}
    assert "script" not in tags
    assert not any(
        name.startswith("on") or name == "style"
        for one in parsed(html).iter()
        for name in one.attrib
    )


def test_what_cannot_be_drawn_is_refused():
    """Five lines that nobody could tell apart, and a line that lacks a count."""
    with pytest.raises(ValueError, match="told apart"):
        lines_over_time(WORDS, POINTS, [Line(str(n), [1, 2, 3]) for n in range(5)])
    with pytest.raises(ValueError, match="every point"):
        lines_over_time(WORDS, POINTS, [Line("a", [1])])


def test_a_mailing_of_which_nothing_happened_is_drawn():
    """No points, one point, and nothing but zeros."""
    for points, counts in (([], []), (["now"], [0]), (POINTS, [0, 0, 0])):
        parsed(lines_over_time(WORDS, points, [Line("Bounces", counts)]))
