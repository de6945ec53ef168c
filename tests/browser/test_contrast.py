"""What preflight says of contrast is what a browser shows."""

from dataclasses import replace

import pytest

from mailer.compose.contrast import Scheme, pale_texts
from tests.support.browser import contrast, open_html
from tests.support.mail import html_of
from tests.support.mails import NOW, composer, mail_design, outgoing

#: Too pale, each in another way: by daylight, in the dark, inherited, on a ground of its own.
PALE = """
.card .sender { color: #b0b0b0; }
.footer { color: #9c9c9c; }
.demand { background-color: #667777; }
@media (prefers-color-scheme: dark) { .note { color: #555a60 !important; } }
"""


@pytest.fixture(scope="module")
def found(tokens):
    """A mail in English whose style was spoiled, and the texts found too pale in it."""
    design = mail_design()
    made = composer(tokens, design=replace(design, style_css=design.style_css + PALE))
    html = html_of(made.compose(outgoing(language="en"), NOW).content)
    return html, pale_texts(html)


@pytest.mark.parametrize("scheme", Scheme)
def test_ratios_are_those_of_the_browser(browser, found, scheme):
    """Each text that is found has the very contrast that Chromium computes for it."""
    html, texts = found
    texts = [one for one in texts if one.scheme is scheme]
    assert texts
    with open_html(browser, html, dark=scheme is Scheme.DARK) as page:
        for one in texts:
            assert one.ratio == pytest.approx(contrast(page, one.element), abs=0.02), one


def test_what_is_pale_is_found_and_nothing_else(found):
    """Nobody is told of what the style that ships has, and everything spoiled is told."""
    told = {(one.scheme.value, one.element.split(" ")[0]) for one in found[1]}
    assert {("light", "p.sender"), ("light", "td.footer"), ("light", "div.demand"),
            ("dark", "div.note")} == told  # fmt: skip
