"""The statement's mail in a real browser: languages, light and dark, telephone and desk."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from functools import lru_cache

import pytest

from mailer.store.documents import with_digest
from tests.support.browser import (
    axe_violations,
    contrast,
    open_html,
    overflows,
    screenshot,
    style,
)
from tests.support.mail import html_of, message, pictures_of
from tests.support.mails import NOW, composer, library_revision, outgoing

LANGUAGES = ("en", "ru", "fa")
WIDTHS = (320, 760)
#: WCAG 2.2, 1.4.3: what text of any size needs.
READABLE = 4.5
#: What axe wants of pages and a mail cannot have: its `main` would be one more in the page of
#: whoever shows it.
_OF_PAGES = ("landmark-one-main", "region")
#: Whatever shows text on a ground of its own.
TEXTS = (
    ".sender",
    ".card h1",
    ".card h2",
    ".card h3",
    ".label",
    ".body p",
    ".body li",
    ".body a",
    ".quote-text p",
    ".quote-attribution",
    ".quote-attribution a",
    ".demand p",
    ".note p",
    ".hashtag",
    ".signatories a",
    ".country",
    ".related a",
    ".footer p",
    ".footer a",
)
NOTICE_TEXTS = (".notice-first", ".notice-line", ".notice a")


@pytest.fixture(scope="module")
def mail(tokens):
    """A function that returns the mail in a language, or in place of a language there is not."""
    whole = library_revision()

    @lru_cache
    def make(language: str, wanted: str | None = None) -> bytes:
        editions = {key: one for key, one in whole.editions.items() if key != wanted}
        made = composer(tokens, revision=with_digest(replace(whole, editions=editions)))
        return made.compose(outgoing(language=language, wanted=wanted), NOW).content

    return make


def shown(content: bytes) -> str:
    """Return a mail's HTML as a mail program shows it: with the pictures that it carries."""
    html = html_of(content)
    parts = {str(part["Content-ID"]).strip("<>"): part for part in message(content).walk()}
    for name in pictures_of(content):
        payload = "".join(str(parts[name].get_payload()).split())
        html = html.replace(
            f"cid:{name}", f"data:{parts[name].get_content_type()};base64,{payload}"
        )
    return html


def luminance(color: str) -> float:
    """Return how light a computed color is, from 0 to 1, roughly."""
    return sum(float(part) for part in re.findall(r"[\d.]+", color)[:3]) / 765


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_readable_everywhere(browser, mail, language, width, dark):
    """On a telephone and a desk, light and dark: nothing sticks out, all text stands out."""
    with open_html(browser, shown(mail(language)), width=width, dark=dark) as page:
        screenshot(page, f"mail-{language}-{width}-{'dark' if dark else 'light'}")
        assert overflows(page) == []
        assert width == page.evaluate("document.documentElement.scrollWidth")
        pale = [one for one in TEXTS if contrast(page, one) < READABLE]
        assert pale == []
        for ground in ("body", ".card"):
            assert (luminance(style(page, ground, "background-color")) < 0.2) == dark
        found = [one for one in axe_violations(page) if not one.startswith(_OF_PAGES)]
        assert found == []


@pytest.mark.parametrize("language", ["en", "ru"])
def test_quotes_are_in_italics_where_the_script_has_them(browser, mail, language):
    """English and Russian quotes are italic, with a thin bar where their line begins."""
    with open_html(browser, shown(mail(language))) as page:
        quote = ".quote-italic .quote-text"
        assert "italic" == style(page, f"{quote} p", "font-style")
        assert "4px" == style(page, quote, "border-left-width")
        assert "0px" == style(page, quote, "border-right-width")


def test_persian_quotes_have_a_bar_on_their_right_instead(browser, mail):
    """Letters that lean are no Persian habit: a quote stands upright beside a thick bar."""
    for language, selector in (("fa", ".quote-bar .quote-text"), ("en", ".quote-text[dir=rtl]")):
        with open_html(browser, shown(mail(language))) as page:
            assert "normal" == style(page, f"{selector} p", "font-style")
            assert "rtl" == style(page, selector, "direction")
            assert "6px" == style(page, selector, "border-right-width")
            assert "0px" == style(page, selector, "border-left-width")
            box = page.locator(selector).first.bounding_box()
            card = page.locator(".card").bounding_box()
            assert card["x"] < box["x"]
            assert box["x"] + box["width"] < card["x"] + card["width"]


def test_a_quote_in_another_script_keeps_its_own_manner(browser, mail):
    """An English quote in a Persian mail runs from the left, in italics, its bar on the left."""
    with open_html(browser, shown(mail("fa"))) as page:
        quote = ".quote-text[dir=ltr]"
        assert "en" == page.get_attribute(quote, "lang")
        assert "italic" == style(page, f"{quote} p", "font-style")
        assert ("4px", "0px") == (
            style(page, quote, "border-left-width"),
            style(page, quote, "border-right-width"),
        )


@pytest.mark.parametrize("language", LANGUAGES)
def test_demands_are_bold(browser, mail, language):
    """What is demanded is set bold, and no other paragraph of the body is."""
    with open_html(browser, shown(mail(language))) as page:
        assert "700" == style(page, ".demand p", "font-weight")
        assert "400" == style(page, ".body > p", "font-weight")
        assert "400" == style(page, ".note p", "font-weight")


@pytest.mark.parametrize("language", LANGUAGES)
def test_headings_are_headings(browser, mail, language):
    """One title and the levels below it, none skipped, each larger than the one below."""
    with open_html(browser, shown(mail(language))) as page:
        levels = page.eval_on_selector_all(
            "h1, h2, h3, h4, h5, h6", "all => all.map(one => Number(one.tagName[1]))"
        )
        assert 1 == levels[0]
        assert 1 == levels.count(1)
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
        sizes = [float(style(page, f".card {one}", "font-size")[:-2]) for one in ("h1", "h2", "h3")]
        assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(("language", "runs"), [("en", "ltr"), ("ru", "ltr"), ("fa", "rtl")])
def test_language_and_direction_are_said(browser, mail, language, runs):
    """The page, the part that programs keep of it, the statement and the footer say both."""
    with open_html(browser, shown(mail(language))) as page:
        for selector in ("html", "[role=article]", ".card", ".footer"):
            assert (language, runs) == (
                page.get_attribute(selector, "lang"),
                page.get_attribute(selector, "dir"),
            )
            assert runs == style(page, selector, "direction")
        # "start" is the right side where lines run from the right.
        assert style(page, ".body > p", "text-align") in (
            "start",
            "right" if runs == "rtl" else "left",
        )
        start = "padding-right" if runs == "rtl" else "padding-left"
        assert "24px" == style(page, ".body ul", start)


@pytest.mark.parametrize("language", LANGUAGES)
def test_tables_only_lay_out(browser, mail, language):
    """Every table is there for its place on the page, and says so to who does not see it."""
    with open_html(browser, shown(mail(language))) as page:
        roles = page.eval_on_selector_all("table", "all => all.map(one => one.role)")
        assert roles
        assert {"presentation"} == set(roles)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pictures_come_with_the_mail(browser, mail, language):
    """A picture is named by cid, carried along, described in words, and as wide as there is room."""
    content = mail(language)
    written = re.findall(r'<img[^>]* src="([^"]+)"', html_of(content))
    assert [f"cid:{name}" for name in pictures_of(content)] == written
    with open_html(browser, shown(content), width=320) as page:
        described = page.get_attribute("img", "alt")
        assert described
        assert len(described) > 10
        assert page.eval_on_selector("img", "one => one.complete && one.naturalWidth") > 0
        assert page.eval_on_selector("img", "one => one.width") > 250


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_asked_for_outside(browser, mail, language):
    """Opening a mail tells nobody: all that is fetched is the mail itself."""
    content = mail(language)
    with open_html(browser, shown(content)) as page:
        page.reload()
        addresses = page.requests
        assert [] == [one for one in addresses if not one.startswith(("file:", "data:"))]
        assert 1 == sum(one.startswith("file:") for one in addresses)


def test_what_is_shown_beside_the_subject_is_not_in_the_mail(browser, mail):
    """The preheader is for the list of mails; in the mail itself nobody sees it."""
    with open_html(browser, shown(mail("en"))) as page:
        assert "readers' register" in page.text_content(".preheader")
        assert "none" == style(page, ".preheader", "display")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("wanted", "shown_in", "runs", "words", "languages", "links"),
    [
        (
            "ro",
            "en",
            "ltr",
            ("nu este disponibilă în limba dumneavoastră", "Limbi disponibile: engleză, rusă"),
            ["en", "ru", "fa"],
            ["engleză", "rusă", "persană"],
        ),
        (
            "fa",
            "ru",
            "rtl",
            ("به زبان شما موجود نیست", "زبان‌های موجود: "),
            ["en", "ru"],
            ["انگلیسی", "روسی"],
        ),
    ],
)
def test_the_notice_speaks_to_the_reader(
    browser, mail, wanted, shown_in, runs, words, languages, links, dark
):
    """Above the mail, in the reader's language: what there is, with a link to each edition."""
    scheme = "dark" if dark else "light"
    for width in WIDTHS:
        with open_html(browser, shown(mail(shown_in, wanted)), width=width, dark=dark) as page:
            screenshot(page, f"mail-notice-{wanted}-{width}-{scheme}")
            assert (wanted, runs) == (
                page.get_attribute(".notice", "lang"),
                page.get_attribute(".notice", "dir"),
            )
            for part in words:
                assert part in page.inner_text(".notice")
            addresses = page.eval_on_selector_all(
                ".notice a", "all => all.map(one => one.getAttribute('href'))"
            )
            assert [
                f"https://mail.harbor.example.org/w/library/{one}" for one in languages
            ] == addresses
            assert links == page.locator(".notice a").all_inner_texts()
            notice, card = (page.locator(one).bounding_box() for one in (".notice", ".card"))
            assert notice["y"] + notice["height"] <= card["y"]
            assert [] == [one for one in NOTICE_TEXTS if contrast(page, one) < READABLE]
            # The statement and its frame each keep their own language.
            assert shown_in == page.get_attribute(".card", "lang")
            assert wanted == page.get_attribute(".footer", "lang")
            assert overflows(page) == []


def test_there_is_no_notice_where_the_reader_has_their_language(browser, mail):
    """Who reads the mail in their own first language is told nothing about others."""
    with open_html(browser, shown(mail("ru"))) as page:
        assert 0 == page.locator(".notice").count()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_footers_links_can_be_hit_with_a_finger(browser, mail, width):
    """WCAG 2.2, 2.5.8: what is to be tapped is at least 24 pixels high."""
    with open_html(browser, shown(mail("fa")), width=width) as page:
        boxes = [one.bounding_box() for one in page.locator(".footer a").all()]
        assert 3 == len(boxes)
        assert all(box["height"] >= 24 for box in boxes)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_notice_stands_in_line_with_the_statement(browser, mail, width):
    """Both texts begin at the same edge, on a telephone as on a desk."""
    with open_html(browser, shown(mail("en", "ro")), width=width) as page:
        notice, sender = (page.locator(one).bounding_box() for one in (".notice-first", ".sender"))
        assert notice["x"] == pytest.approx(sender["x"], abs=1)
