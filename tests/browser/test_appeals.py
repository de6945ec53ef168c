"""An appeal's mail and page in a real browser: one action, seen at once, light and dark."""

from __future__ import annotations

import re
from datetime import date

import pytest

from mailer.compose.composer import MailingComposer
from mailer.compose.design import read_design
from mailer.config import share_dir
from mailer.model.statement import StatementKind
from mailer.statements.source import read_statement
from mailer.store.engine import create_tables, open_store
from mailer.store.statements import publish, save_revision
from tests.support.browser import (
    axe_violations,
    contrast,
    open_html,
    open_page,
    overflows,
    screenshot,
    style,
)
from tests.support.mail import html_of
from tests.support.mails import NOW, harbor_list, harbor_sender, mail_catalogs, outgoing
from tests.support.public_web import public_site
from tests.support.subscriptions import NOON, SetClock

#: WCAG 2.2, 1.4.6: what matters most stands out most.
STANDS_OUT = 6.5
READABLE = 4.5
#: WCAG 2.2, 2.5.5: large enough for any finger.
TOUCHED_PX = 44
TEXTS = (".card h1", ".why", ".why .label", ".deadline", ".again a", ".demand p", ".footer p")
_OF_PAGES = ("landmark-one-main", "region")


@pytest.fixture(scope="module")
def revision():
    """The sample appeal."""
    share = share_dir()
    found, _ = read_statement(share / "templates" / "statements" / "keep-the-line-open", share)
    return found


@pytest.fixture(scope="module")
def mail(tokens, revision):
    """A function that returns the HTML of the appeal's mail, as a correction."""
    design = read_design(share_dir() / "templates", StatementKind.APPEAL, mail_catalogs())
    made = MailingComposer(
        revision, design, harbor_sender(), [harbor_list()], tokens, (), corrects=date(2026, 11, 2)
    )

    def make(language, wanted=None):
        reader = outgoing(fields={"name": "Ana"}, language=language, wanted=wanted)
        return html_of(made.compose(reader, NOW).content)

    return make


@pytest.mark.parametrize(("language", "wanted"), [("en", "fa"), ("ru", None)])
@pytest.mark.parametrize("width", [320, 760])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_action_stands_out_everywhere(browser, mail, language, wanted, width, dark):
    """On a telephone and a desk, light and dark; the button is a link without any picture."""
    with open_html(browser, mail(language, wanted), width=width, dark=dark) as page:
        screenshot(page, f"appeal-{language}-{width}-{'dark' if dark else 'light'}")
        assert overflows(page) == []
        assert width == page.evaluate("document.documentElement.scrollWidth")
        assert STANDS_OUT <= contrast(page, ".button-link")
        assert [one for one in TEXTS if contrast(page, one) < READABLE] == []
        assert [
            one for one in (".correction p", ".notice-line") if contrast(page, one) < READABLE
        ] == []
        box = page.locator(".button-link").bounding_box()
        assert TOUCHED_PX <= box["height"]
        assert 1 == page.locator(".button-link").count()
        assert [] == page.requests
        found = [one for one in axe_violations(page) if not one.startswith(_OF_PAGES)]
        assert found == []


def test_a_button_without_a_style_sheet_is_still_one(browser, mail):
    """Programs that drop the style element show what stands in the attributes."""
    bare = re.sub(r"<style.*?</style>", "", mail("en"), flags=re.DOTALL)
    with open_html(browser, bare, width=320) as page:
        assert "rgb(168, 50, 18)" == style(page, ".button", "background-color")
        assert "rgb(255, 255, 255)" == style(page, ".button-link", "color")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_opens_with_the_action_too(browser, tmp_path, tokens, revision, dark):
    """Why now, the button, the last day; nothing sticks out at 320 px."""
    store = open_store(f"sqlite:///{tmp_path / 'test.db'}")
    create_tables(store)
    with store.write() as connection:
        stored = save_revision(connection, revision, NOON)
        publish(connection, revision.slug, stored.revision_id, NOON)
    with (
        public_site(store, tokens, SetClock()) as site,
        open_page(browser, width=320, dark=dark) as page,
    ):
        page.goto(f"{site.url}/w/keep-the-line-open/ru")
        screenshot(page, f"appeal-page-{'dark' if dark else 'light'}")
        assert overflows(page) == []
        assert [
            one for one in (".call .button", ".why", ".deadline") if contrast(page, one) < READABLE
        ] == []
        assert "Последний день: 9 декабря 2026" in page.locator(".deadline").inner_text()
        assert [] == axe_violations(page)
    store.close()
