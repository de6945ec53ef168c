"""A newsletter's web page: its items with links, and what it names in other languages."""

from __future__ import annotations

import re

import pytest

from mailer.store.engine import create_tables, open_store
from tests.support.newsletters import harbor_issue, make_public
from tests.support.public_web import public_site
from tests.support.subscriptions import NOON, SetClock


@pytest.fixture(scope="module")
def visitor(tmp_path_factory, tokens):
    """A browser without languages, on the pages of a database with an issue that is public."""
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('web') / 'test.db'}")
    create_tables(opened)
    make_public(opened, harbor_issue(), NOON)
    with public_site(opened, tokens, SetClock()) as site, site.visitor() as browser:
        yield browser
    opened.close()


def test_the_page_tells_of_its_items_and_names_the_others(visitor):
    """Titles lead to the pages of the statements; another language is marked and named."""
    page = visitor.get("/w/harbor-letters/ru").text
    assert "<h1>Письма из гавани, 30 ноября 2026\u202fг.</h1>" in page
    assert (
        '<h2><a href="../../w/open-shelves/ru">Верните книги библиотеке Тихой гавани</a></h2>'
        in page
    )
    assert "<p>Полки пусты.</p>" in page
    named = re.findall(r'<a href="([^"]+)" hreflang="\w+"><bdi lang="(\w+)" dir="(\w+)">', page)
    expected = [("../../w/lantern/fa", "fa", "rtl"), ("../../w/willow/uk", "uk", "ltr")]
    assert expected == named
    assert "<h2>На других языках</h2>" in page
    assert ">украинский</span>" in page


def test_a_persian_page_runs_from_the_right_and_holds_what_is_persian(visitor):
    """An item that is Persian alone is shown there; an English one is only named."""
    page = visitor.get("/w/harbor-letters/fa").text
    assert '<article lang="fa" dir="rtl">' in page
    assert "نوری که با هم نگه می‌داریم</a></h2>" in page
    assert '<bdi lang="en" dir="ltr">Her rights are our rights</bdi>' in page


def test_the_notice_speaks_of_a_newsletter(visitor):
    """Where there is no edition in a language, its readers are told so in it."""
    page = visitor.get("/w/harbor-letters/de").text
    assert "Diesen Rundbrief gibt es nicht in Ihrer Sprache." in page
    assert "Unten steht der Rundbrief in dieser Sprache: Englisch" in page
    assert "Erklärung" not in page.partition("<footer")[0]
