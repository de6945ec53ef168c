"""The statement's mail in a real browser: languages, light and dark, telephone and desk."""

from __future__ import annotations

import re
from functools import lru_cache

import pytest

from tests.support.browser import (
    axe_violations,
    contrast,
    open_html,
    overflows,
    screenshot,
    style,
)
from tests.support.mail import html_of, message, pictures_of
from tests.support.mails import NOW, composer, outgoing

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
    whole = composer(tokens)

    @lru_cache
    def make(language: str, wanted: str | None = None) -> bytes:
        delivery = outgoing(language=language, wanted=wanted)
        return whole.compose(delivery, NOW).content

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
