"""A newsletter's web page in a real browser."""

from __future__ import annotations

import pytest

from mailer.store.engine import create_tables, open_store
from tests.support.browser import axe_violations, contrast, open_page, overflows, screenshot
from tests.support.newsletters import harbor_issue, make_public
from tests.support.public_web import public_site
from tests.support.subscriptions import NOON, SetClock


@pytest.fixture(scope="module")
def site(tmp_path_factory, tokens):
    """The public pages of a database with an issue that is public."""
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('pages') / 'test.db'}")
    create_tables(opened)
    make_public(opened, harbor_issue(), NOON)
    with public_site(opened, tokens, SetClock()) as running:
        yield running
    opened.close()


@pytest.mark.parametrize("language", ["ru", "fa"])
@pytest.mark.parametrize(("width", "dark"), [(320, True), (1024, False)])
def test_it_is_sound(browser, site, language, width, dark):
    """On a telephone and a desk, dark and light, in either direction."""
    with open_page(browser, width=width, dark=dark, language=language) as page:
        page.goto(f"{site.url}/w/harbor-letters/{language}")
        screenshot(page, f"newsletter-page-{language}-{width}-{'dark' if dark else 'light'}")
        assert [] == overflows(page)
        assert [] == axe_violations(page)
        texts = (".item h2 a", ".others a", ".others .country")
        assert [] == [one for one in texts if contrast(page, one) < 4.5]
