"""Whatever is pasted reads back as the same words, and opens nothing that a program would run."""

import re
from html import escape, unescape

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailer.statements.from_html import from_html
from mailer.statements.inline_markdown import JINJA_OPENING
from mailer.statements.markdown import HASHTAG, parse_body

#: Letters, and all that Markdown, our blocks and Jinja read.
_SPECIAL = "\\`*_{}[]()#+-.!<>&|:~%=\"'/ 1a\u00a0\u2014é"
_words = st.text(
    st.one_of(
        st.sampled_from(_SPECIAL), st.characters(exclude_categories=("Cs", "Cc", "Co", "Cn"))
    ),
    max_size=40,
)
_pieces = st.lists(
    st.tuples(
        st.sampled_from(["{}", "<b>{}</b>", "<i>{}</i>", "<b><i>{}</i></b>", "<u>{}</u>"]),
        _words,
    ),
    min_size=1,
    max_size=5,
)
_ATTRIBUTIONS = re.compile(r"^ *attribution:(.*)$", re.MULTILINE)
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff\ufffe\uffff"))
_UNSEEN |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def words_of(body):
    """Return the words a reader sees, white space left out."""
    seen = []
    for token in parse_body(body):
        for child in token.children or ():
            assert child.type in {
                "text", "softbreak", "hardbreak", HASHTAG, "link_open", "link_close",
                "strong_open", "strong_close", "em_open", "em_close",
            }  # fmt: skip
            seen.append(child.content)
    return "".join("".join(seen).split())


def bare(text):
    """Return a text without white space and unseen characters."""
    return "".join(text.translate(_UNSEEN).split())


@settings(max_examples=200, deadline=None)
@given(_pieces)
@example([("{}", "{"), ("<b>{}</b>", "{ x }}")])
@example([("<b>{}</b>", "a!"), ("{}", "b"), ("<i>{}</i>", "(c)")])
@example([("{}", "1."), ("<b>{}</b>", " a")])
@example([("{}", "&amp;")])
def test_every_word_of_a_paragraph_comes_back(pieces):
    """Marks of Markdown, blocks and Jinja in the text stay characters, however it is set."""
    html = "".join(form.format("%s") % escape(text) for form, text in pieces)
    said = bare("".join(text for _, text in pieces))
    for wrapped in (f"<p>{html}</p>", f"<ul><li>{html}</li></ul>", f"<h2>{html}</h2>"):
        body = from_html(wrapped).markdown
        assert JINJA_OPENING.search(body) is None
        assert said == words_of(body)


@settings(max_examples=200, deadline=None)
@given(st.lists(_words, min_size=1, max_size=4))
def test_every_paragraph_stays_one(paragraphs):
    """Paragraphs neither run together nor fall apart, and none becomes something else."""
    body = from_html("".join(f"<p>{escape(text)}</p>" for text in paragraphs)).markdown
    kinds = [token.type for token in parse_body(body) if token.level == 0 and token.nesting == 1]
    assert ["paragraph_open"] * sum(bool(bare(text)) for text in paragraphs) == kinds


@settings(max_examples=200, deadline=None)
@given(st.text("<>/abdeilopu =\"'!-[]&;#x{%}\n", max_size=200))
def test_any_text_can_be_pasted(html):
    """Broken HTML is read as well as it can be; nothing is raised and nothing opens a slot."""
    assert JINJA_OPENING.search(from_html(html).markdown) is None


_tree = st.recursive(
    _words.map(lambda text: ("p", escape(text))),
    lambda inner: st.tuples(
        st.sampled_from(["ul", "ol", "blockquote", "div", "table", "h1", "h4", "b"]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)


def written(tree):
    """Return a tree as HTML, and its words."""
    tag, inside = tree
    if isinstance(inside, str):
        return f"<p>{inside}</p>", bare(unescape(inside))
    parts = [written(one) for one in inside]
    form = {"ul": "<li>{}</li>", "ol": "<li>{}</li>", "table": "<tr><td>{}</td></tr>"}.get(
        tag, "{}"
    )
    html = "".join(form.format(html.replace("{", "&#123;")) for html, _ in parts)
    return f"<{tag}>{html}</{tag}>", "".join(words for _, words in parts)


@settings(max_examples=150, deadline=None)
@given(st.lists(_tree, max_size=3))
def test_every_word_comes_back_from_lists_and_quotations_in_whatever_order(trees):
    """However lists, quotations and headings are nested, no word is lost, added or moved."""
    parts = [written(one) for one in trees]
    body = from_html("".join(html for html, _ in parts)).markdown
    assert JINJA_OPENING.search(body) is None
    said = "".join(words for _, words in parts)
    # Who said a quotation stands in its head.
    if not any(_ATTRIBUTIONS.findall(body)):
        assert said == words_of(body)
