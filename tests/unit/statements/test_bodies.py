"""Bodies as HTML and as plain text."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.model.statement import Hashtag, Picture
from mailer.statements.body import body_to_html, body_to_text
from mailer.statements.links import link_problem
from mailer.statements.markdown import without_slots


def html(markdown, **options):
    """Write a body as HTML with cid addresses."""
    return body_to_html(markdown, picture_address=lambda name: f"cid:{name}", **options)


ALLOWED = frozenset(
    re.findall(
        "[a-z0-9]+", "a blockquote br code div em h1 h2 h3 h4 h5 h6 hr img li ol p span strong ul"
    )
)


class Elements(HTMLParser):
    """Gathers the elements of a fragment."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        """Keep a tag with its attributes."""
        self.found.append((tag, dict(attrs)))


def elements(fragment):
    """Return the elements of a fragment as (tag, attributes)."""
    parser = Elements()
    parser.feed(fragment)
    return parser.found


QUOTE = """::: quote
attribution: Dina Karelova & others
source: https://a.example.org/?a=1&b=2
language: fa

We will *open* again.
:::
"""


def test_a_quote_knows_who_where_and_in_what_language():
    """A quote carries language and direction, and its attribution leads to the source."""
    assert html(QUOTE) == (
        '<div class="quote quote-bar">\n'
        '<blockquote class="quote-text" lang="fa" dir="rtl">\n'
        "<p>We will <em>open</em> again.</p>\n"
        "</blockquote>\n"
        '<p class="quote-attribution">— '
        '<a href="https://a.example.org/?a=1&amp;b=2">Dina Karelova &amp; others</a></p>\n'
        "</div>"
    )


def test_quotes_are_italic_where_the_script_has_italics():
    """The edition's language decides for a quote that says none."""
    plain = "::: quote\nattribution: X\n\nWords.\n:::"
    assert 'class="quote quote-italic"' in html(plain, language="ru")
    assert 'class="quote quote-bar"' in html(plain, language="fa")
    assert "lang=" not in html(plain, language="fa")


def test_fields_need_no_empty_line_after_them():
    """Text that follows the fields at once is still text."""
    written = html("::: quote\nattribution: X\nremember: words\nThe words.\n:::")
    assert "The words." in written
    written = html("::: quote\nremember: nothing is lost\n:::")
    assert "<p>remember: nothing is lost</p>" in written


def test_demands_and_notes_are_blocks_and_may_hold_lists():
    """Blocks hold any Markdown, also other blocks with fewer colons."""
    written = html(":::: note\nWhy:\n\n::: demand\n- **Free** her\n:::\n::::")
    assert '<div class="note">' in written
    assert (
        '<div class="demand">\n<ul>\n<li><strong>Free</strong> her</li>\n</ul>\n</div>' in written
    )


def test_pictures_have_address_alternative_text_and_size():
    """A picture is shown at most 600 wide, and its size is said for programs without max-width."""
    pictures = {"a.png": Picture("a.png", "image/png", 1200, 500, b"")}
    assert (
        '<p><img class="picture" src="cid:a.png" alt="A light at dusk" width="600" height="250"></p>'
        == html("![A *light*\nat dusk](a.png)", pictures=pictures)
    )


def test_hashtags_lead_to_their_address_and_keep_their_direction():
    """A known hashtag is a link, another is not, and neither is torn apart by text around it."""
    written = html(
        "Use #HerRights, #حقوق_او.", hashtags=[Hashtag("#herrights", "https://t.example.org")]
    )
    assert (
        '<p>Use <a class="hashtag" href="https://t.example.org">'
        '<span class="hashtag" dir="ltr">#HerRights</span></a>, '
        '<span class="hashtag" dir="rtl">#حقوق_او</span>.</p>' == written
    )
    assert "hashtag" not in html("[#inside](https://a.example.org) and a#b and #1 and &#35;")


def test_a_line_of_hyphens_is_a_rule_and_no_heading():
    """Nobody gets a heading by drawing a line below a paragraph."""
    assert "<p>Text</p>\n<hr>" == html("Text\n---")


def test_indented_text_is_text():
    """Four blanks before a line make no code of it."""
    assert "<p>Text</p>" == html("    Text")


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,x)",
        "[x](http://a.example.org)",
        "[x](/relative)",
        '[x](https://a.example.org" onclick="x)',
        '![x](x" onerror="alert(1))',
        '::: quote\nattribution: <script>x</script>\nsource: javascript:alert(1)\nlanguage: "><script>\n\nx\n:::',
    ],
)
def test_nothing_that_runs_gets_through(markdown):
    """Raw HTML is shown as text, and links that are not https or mailto lead nowhere."""
    for tag, attributes in elements(html(markdown)):
        assert tag in ALLOWED
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert link_problem(attributes.get("href", "https://a.example.org")) is None


@given(st.text(alphabet="<>\"'&:()[]!#*_`-\n abjs:/=x;\u202e", max_size=60))
def test_whatever_is_written_is_sanitized(markdown):
    """No text makes a tag or an attribute that the allow-list has not."""
    for tag, attributes in elements(html(markdown)):
        assert tag in ALLOWED
        assert set(attributes) <= {"href", "title", "class", "lang", "dir", "src", "alt", "start"}
    assert isinstance(body_to_text(markdown), str)


@given(st.text(max_size=80))
def test_placeholders_of_slots_survive(text):
    """What compose leaves for a supporter's values comes out as it went in, in both parts."""
    slot = "Xk3f9slot0X"
    body = f"Dear {slot},\n\n**{slot}** and *{slot}*\n\n::: demand\n{slot}\n:::"
    assert 4 == html(body).count(slot)
    assert 4 == body_to_text(body).count(slot)
    assert isinstance(html(text), str)


def test_the_plain_text_reads_well():
    """Links, quotes, demands, lists, pictures and headings have a form of their own."""
    body = f"""## What happened

On Monday **forty** officers came to
the [office](https://a.example.org/x), see <https://b.example.org>.\\
Write to [us](mailto:us@example.org?subject=Hi) or <us@example.org>.

{QUOTE}
::: demand
Give **back** the files.
:::

![A light](a.png)

1. One
2. Two

   still two

- a
- b

---

::: note
Why.
:::
"""
    assert body_to_text(body, language="ru") == (
        "What happened\n-------------\n\n"
        "On Monday *forty* officers came to the office <https://a.example.org/x>, see "
        "<https://b.example.org>.\nWrite to us <us@example.org> or <us@example.org>.\n\n"
        "«We will open again.»\n— Dina Karelova & others <https://a.example.org/?a=1&b=2>\n\n"
        "*Give back the files.*\n\n"
        "[A light]\n\n"
        "1. One\n2. Two\n   still two\n\n"
        "- a\n- b\n\n"
        "* * *\n\n"
        "Why."
    )


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en", "“x”"), ("ru", "«x»"), ("fa", "«x»"), ("de", "„x“"), ("ro", "„x”"), ("", "“x”")],
)
def test_quotation_marks_are_those_of_the_language(language, expected):
    """A quote stands in the marks its readers know, once."""
    assert expected == body_to_text("::: quote\n\nx\n:::", language=language)
    assert "«y»" == body_to_text("::: quote\n\n«y»\n:::", language=language)


def test_both_parts_lead_to_the_same_addresses():
    """A link that HTML refuses is none in the text either."""
    assert "x" == body_to_text("[x](javascript:alert)")


def test_slots_are_blanked_out_in_their_place():
    """Every other character keeps its line and column."""
    body = 'Dear {{ supporter.name | default("friend") }}!\n{% if x %}\nA{# note\n #}B'
    for fill in ("x", " "):
        blanked = without_slots(body, fill)
        assert [len(line) for line in body.split("\n")] == [
            len(line) for line in blanked.split("\n")
        ]
    assert "{" not in blanked
