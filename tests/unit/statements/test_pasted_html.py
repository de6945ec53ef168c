"""What is pasted from word processors becomes a body that says the same, and nothing more."""

from pathlib import Path

import pytest

from mailer.statements.body import body_to_html
from mailer.statements.from_html import MAX_HTML_BYTES, NotReadable, from_html
from mailer.statements.inline_markdown import JINJA_OPENING
from mailer.statements.pasted import LossKind

CORPUS = Path(__file__).parents[2] / "corpus" / "pasted"


def told(pasted):
    """Return losses as the corpus writes them."""
    return ", ".join(f"{one.kind} {one.count}" for one in pasted.losses)


@pytest.mark.parametrize("name", sorted(path.stem for path in CORPUS.glob("*.html")))
def test_a_clipboard_of_a_word_processor_becomes_the_body_it_shows(name):
    """Headings, bold, italics, links, lists and quotations stay; the rest is told."""
    expected, _, losses = (CORPUS / f"{name}.md").read_text().rpartition("\n\nlosses: ")
    pasted = from_html((CORPUS / f"{name}.html").read_text())
    assert expected == pasted.markdown
    assert losses.strip() == told(pasted)


@pytest.mark.parametrize(
    "text",
    [
        "{{ 7*7 }}",
        "{% if supporter.country %}",
        "{# a note #}",
        "{{{{ twice }}}}",
        "{%% odd {# #} %}",
        "a{</b>{ b }}",
    ],
)
def test_what_jinja_would_read_stays_text(text):
    """No body that was pasted opens a slot, a condition or a comment; readers see the braces."""
    pasted = from_html(f"<p>Dear <b>{text}</b></p><ul><li>{text}</li></ul><h2>{text}</h2>")
    assert JINJA_OPENING.search(pasted.markdown) is None
    shown = body_to_html(pasted.markdown, picture_address=str)
    assert shown.count("{") >= 3


def test_braces_in_links_and_names_open_nothing():
    """An address holds them encoded; a name that holds them is no attribution."""
    pasted = from_html(
        '<p><a href="https://example.org/{{x}}">{{y}}</a></p>'
        "<blockquote><p>Words</p><p>— {{ supporter.name }}</p></blockquote>"
    )
    assert JINJA_OPENING.search(pasted.markdown) is None
    assert "https://example.org/%7B%7Bx%7D%7D" in pasted.markdown
    assert "attribution:\n" in pasted.markdown


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script><p>x</p>",
        '<p onclick="alert(1)">x</p>',
        "<p>x<style>p{background:url(https://tracker.example.net/)}</style></p>",
        '<iframe src="https://tracker.example.net/"></iframe><p>x</p>',
        '<object data="https://tracker.example.net/"><p>y</p></object><p>x</p>',
        '<p>x<img src="https://tracker.example.net/p.png" onerror="alert(1)"></p>',
        '<!DOCTYPE html SYSTEM "https://tracker.example.net/x.dtd"><p>x</p>',
        '<?xml version="1.0" encoding="utf-16"?><p>x</p>',
        '<link rel=stylesheet href="https://tracker.example.net/s.css"><p>x</p>',
        '<svg><script>alert(1)</script></svg><p>x</p><math href="javascript:alert(1)"></math>',
    ],
)
def test_of_hostile_html_only_the_words_are_left(hostile):
    """Scripts, styles, frames and pictures leave nothing behind."""
    assert "x" == from_html(hostile).markdown


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "/x", "file:///x"])
def test_a_link_that_a_mail_cannot_follow_leaves_its_words(address):
    """Its words stay, and it is told."""
    pasted = from_html(f'<p>See <a href="{address}">here</a>.</p>')
    assert ("See here.", [LossKind.LINK]) == (
        pasted.markdown, [one.kind for one in pasted.losses],
    )  # fmt: skip


def test_too_much_or_too_deep_is_refused():
    """Neither size nor depth can keep the program busy."""
    with pytest.raises(NotReadable, match="5 MB"):
        from_html("x" * (MAX_HTML_BYTES + 1))
    for long in ("&" * 100_001, "<br>" * 20_001):
        with pytest.raises(NotReadable, match="longer"):
            from_html(f"<p>{long}</p>")
    for tag in ("div", "span", "b", "blockquote", "ul><li"):
        with pytest.raises(NotReadable, match="deeply"):
            from_html(f"<{tag}>" * 5_000 + "x")


def test_nothing_pasted_is_nothing():
    """Empty, blank and broken input give an empty body."""
    for html in ("", " ", "<p>&nbsp;</p>", "<!-- x -->", "\ud800", "<br><br>", "<ul><li></ul>"):
        assert "" == from_html(html).markdown


def test_lists_of_quotations_and_quotations_of_quotations_are_written_so_that_they_are_read():
    """An outer quotation has more colons; in a list its words are left."""
    pasted = from_html(
        "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>"
        "<ul><li><h2>c</h2><blockquote>d</blockquote></li></ul>"
    )
    expected = (
        ":::: quote\nattribution:\n\na\n\n::: quote\nattribution:\n\nb\n:::\n::::\n\n- **c**\n\n  d"
    )
    assert expected == pasted.markdown


def test_entities_of_a_document_are_not_taken_from_files():
    """What a document type declares is not looked up."""
    html = '<!DOCTYPE p [<!ENTITY a SYSTEM "file:///etc/hostname">]><p>x&a;</p>'
    assert from_html(html).markdown.endswith("x\\&a;")


def test_blanks_that_a_browser_tied_are_plain_blanks():
    """A blank that somebody tied between two words stays tied."""
    html = '<p>a<span class="Apple-converted-space">&nbsp;</span>b c&nbsp;d e&nbsp; f</p>'
    assert "a b c\u00a0d e f" == from_html(html).markdown
