"""A newsletter's mail in a real browser: languages, light and dark, telephone and desk."""

from __future__ import annotations

import itertools

import pytest

from tests.support.browser import (
    axe_violations,
    contrast,
    open_html,
    overflows,
    screenshot,
    style,
)
from tests.support.mail import html_of
from tests.support.mails import NOW, outgoing
from tests.support.newsletters import issue_composer

#: WCAG 2.2, 1.4.3: what text of any size needs.
READABLE = 4.5
#: Whatever shows text on a ground of its own.
TEXTS = (
    ".sender",
    ".card h1",
    ".body p",
    ".note p",
    ".item-title a",
    ".item-lead",
    ".item-more a",
    ".others a",
    ".language",
    ".footer p",
    ".footer a",
)
_OF_PAGES = ("landmark-one-main", "region")


@pytest.fixture(scope="module")
def mails(tokens):
    """The HTML of the issue by language."""
    letters = issue_composer(tokens)
    return {
        language: html_of(letters.compose(outgoing(language=language), NOW).content)
        for language in ("en", "ru", "fa")
    }


@pytest.mark.parametrize("language", ["en", "ru", "fa"])
@pytest.mark.parametrize("width", [320, 760])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_readable_everywhere(browser, mails, language, width, dark):
    """On a telephone and a desk, light and dark: nothing sticks out, all text stands out."""
    with open_html(browser, mails[language], width=width, dark=dark) as page:
        screenshot(page, f"newsletter-{language}-{width}-{'dark' if dark else 'light'}")
        assert overflows(page) == []
        assert width == page.evaluate("document.documentElement.scrollWidth")
        assert [] == [one for one in TEXTS if contrast(page, one) < READABLE]
        found = [one for one in axe_violations(page) if not one.startswith(_OF_PAGES)]
        assert found == []
        levels = page.eval_on_selector_all(
            "h1, h2, h3, h4", "all => all.map(one => Number(one.tagName[1]))"
        )
        assert 1 == levels[0] == levels.count(1)
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_an_items_bar_stands_where_its_lines_begin(browser, mails):
    """On the left in English, on the right in Persian."""
    for language, thick, none in (("en", "left", "right"), ("fa", "right", "left")):
        with open_html(browser, mails[language]) as page:
            assert "4px" == style(page, ".item", f"border-{thick}-width")
            assert "0px" == style(page, ".item", f"border-{none}-width")


@pytest.mark.parametrize("width", [320, 760])
def test_its_links_can_be_hit_with_a_finger(browser, mails, width):
    """WCAG 2.2, 2.5.8: what is to be tapped is at least 24 pixels high."""
    with open_html(browser, mails["en"], width=width) as page:
        links = page.locator(".item-more a, .others a").all()
        assert 4 == len(links)
        assert all(one.bounding_box()["height"] >= 24 for one in links)
