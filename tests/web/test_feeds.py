"""Atom feeds: valid, whole, in one language each, and following what staff decide."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.model.statement import Visibility
from mailer.store.documents import with_digest
from mailer.web.public.feeds import Entry, write_feed
from mailer.web.public.pages import Pages
from tests.support.archive import a_statement, decide, mail_out
from tests.support.mails import library_revision
from tests.support.newsletters import harbor_issue, make_public
from tests.support.public_web import BASE_URL, public_site, spoken_catalogs
from tests.support.subscriptions import NOON, SetClock

HOUR = timedelta(hours=1)
ATOM = "{http://www.w3.org/2005/Atom}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@pytest.fixture
def visitor(sqlite_store, tokens):
    """A browser on the public pages of a database of this test's own."""
    with public_site(sqlite_store, tokens, SetClock()) as site, site.visitor() as opened:
        yield opened


def parse(answer) -> ElementTree.Element:
    """Return a feed as XML, held against what RFC 4287 asks of every feed and entry."""
    assert "application/atom+xml; charset=utf-8" == answer.headers["content-type"]
    feed = ElementTree.fromstring(answer.content)
    assert f"{ATOM}feed" == feed.tag
    assert feed.get(LANG) == answer.headers["content-language"]
    assert feed.findtext(f"{ATOM}author/{ATOM}name")
    own = [link.get("href") for link in feed.findall(f"{ATOM}link") if link.get("rel") == "self"]
    assert [feed.findtext(f"{ATOM}id")] == own
    ids = [entry.findtext(f"{ATOM}id") for entry in feed.findall(f"{ATOM}entry")]
    assert len(set(ids)) == len(ids)
    for one in (feed, *feed.findall(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            assert len(one.findall(ATOM + name)) == 1
            assert one.findtext(ATOM + name)
        for moment in (*one.findall(f"{ATOM}updated"), *one.findall(f"{ATOM}published")):
            assert datetime.fromisoformat(moment.text).tzinfo is not None
        alternates = [
            (link.get("type"), link.get("hreflang"))
            for link in one.findall(f"{ATOM}link")
            if link.get("rel") == "alternate"
        ]
        assert alternates
        assert len(set(alternates)) == len(alternates)
        for link in one.findall(f"{ATOM}link"):
            assert link.get("href").startswith(f"{BASE_URL}/")
    return feed


def entries(answer) -> list[ElementTree.Element]:
    """Return a feed's entries."""
    return parse(answer).findall(f"{ATOM}entry")


def test_a_feed_without_statements_is_valid(visitor):
    """Who follows it before the first statement sees an empty feed, not an error."""
    assert [] == entries(visitor.get("/feed/ru.atom"))
    for path in ("/feed/fr.atom", "/feed/ru", "/feed/.atom", "/feed/xx-yy.atom"):
        assert 404 == visitor.get(path).status_code


def test_an_entry_is_the_whole_statement_with_absolute_addresses(sqlite_store, visitor):
    """Title, lead and days as fields; text, pictures, quotes and signatories as HTML."""
    written = datetime(2026, 11, 1, 9, tzinfo=UTC)
    make_public(sqlite_store, with_digest(replace(library_revision(), published=written)), NOON)
    (entry,) = entries(visitor.get("/feed/fa.atom"))

    assert "fa" == entry.get(LANG)
    assert f"{BASE_URL}/w/library/fa" == entry.findtext(f"{ATOM}id")
    assert "کتاب‌های کتابخانهٔ بندر آرام را پس بدهید" == entry.findtext(f"{ATOM}title")
    assert "دفتر خوانندگان را بردند." == entry.findtext(f"{ATOM}summary")
    assert "2026-11-02T12:00:00Z" == entry.findtext(f"{ATOM}published")
    content = entry.find(f"{ATOM}content")
    assert "html" == content.get("type")
    assert '<article lang="fa" dir="rtl">' in content.text
    assert "<h1>" not in content.text
    assert "شبکهٔ فانوس" in content.text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', content.text)
    assert all(address.startswith("https://") for address in addresses)
    (picture,) = [one for one in addresses if one.startswith(f"{BASE_URL}/w/library/picture/")]
    shown = visitor.get(picture.removeprefix(BASE_URL))
    assert 200 == shown.status_code
    # Else a browser would not show it in the page of a reader of feeds.
    assert "cross-origin" == shown.headers["cross-origin-resource-policy"]
    for word in ("<script", "supporter", "/u/"):
        assert word not in content.text


def test_a_feed_holds_what_there_is_in_its_language(sqlite_store, visitor):
    """No other edition in its place; those who read several languages follow several feeds."""
    make_public(sqlite_store, a_statement("english", "en"), NOON)
    make_public(sqlite_store, a_statement("both", "ru", "en"), NOON - HOUR)
    assert ["Title of both in ru"] == [
        entry.findtext(f"{ATOM}title") for entry in entries(visitor.get("/feed/ru.atom"))
    ]
    english = entries(visitor.get("/feed/en.atom"))
    assert 2 == len(english)
    alternates = {link.get("hreflang") for link in english[1].findall(f"{ATOM}link")}
    assert {"en", "ru"} == alternates


def test_only_the_newest_are_told(sqlite_store, visitor):
    """Fifty, by when they last changed."""
    for number in range(52):
        make_public(sqlite_store, a_statement(f"s-{number}"), NOON - number * HOUR)
    decide(sqlite_store, "s-51", Visibility.WITHDRAWN)
    found = [entry.findtext(f"{ATOM}id") for entry in entries(visitor.get("/feed/en.atom"))]
    assert 50 == len(found)
    assert f"{BASE_URL}/w/s-51/en" in found
    assert f"{BASE_URL}/w/s-50/en" not in found


def test_a_withdrawn_entry_keeps_its_id_and_says_so(sqlite_store, visitor):
    """Readers that kept it show that it was withdrawn; title and text are gone."""
    make_public(sqlite_store, a_statement("letter", "ru", "en"), NOON - HOUR)
    (before,) = entries(visitor.get("/feed/ru.atom"))
    decide(sqlite_store, "letter", Visibility.WITHDRAWN)
    answer = visitor.get("/feed/ru.atom")
    (after,) = entries(answer)

    assert before.findtext(f"{ATOM}id") == after.findtext(f"{ATOM}id")
    assert before.findtext(f"{ATOM}published") == after.findtext(f"{ATOM}published")
    assert "2026-11-02T12:00:00Z" == after.findtext(f"{ATOM}updated")
    assert "Это заявление отозвано" == after.findtext(f"{ATOM}title")
    assert "Текст больше не показывается." in after.findtext(f"{ATOM}content")
    assert "2 ноября 2026" in after.findtext(f"{ATOM}content")
    assert "Title of" not in answer.text
    assert "Words of" not in answer.text


def test_what_is_unlisted_is_in_no_feed_and_not_when_it_is_withdrawn_either(sqlite_store, visitor):
    """Not even its address."""
    mail_out(sqlite_store, a_statement("letter"), NOON)
    for visibility in (Visibility.UNLISTED, Visibility.WITHDRAWN):
        decide(sqlite_store, "letter", visibility)
        assert [] == entries(visitor.get("/feed/en.atom"))


def test_each_issue_of_a_newsletter_is_an_entry_of_its_own(sqlite_store, visitor):
    """Another issue has another id, so that readers of feeds show it as new."""
    mail_out(sqlite_store, harbor_issue(), NOON - HOUR)
    (first,) = entries(visitor.get("/feed/en.atom"))
    mail_out(sqlite_store, harbor_issue(harbor_issue().items[:2]), NOON)
    (second,) = entries(visitor.get("/feed/en.atom"))
    assert first.findtext(f"{ATOM}id") != second.findtext(f"{ATOM}id")
    assert f'href="{BASE_URL}/w/open-shelves/en"' in second.findtext(f"{ATOM}content")


HOSTILE = [
    "]]><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></entry></feed>",
    "<!--",
    "&lt;b&gt; &amp;amp; &#x202e;",
    "\u202eright\u2066to left",
    "nul\x00 bell\x07 escape\x1b \ufffe\uffff",
    "{{ 7*7 }}{% raw %}",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words_everywhere(sqlite_store, visitor, text):
    """In a title, a lead or a name they are text: in the list, in Open Graph and in the feed."""
    whole = a_statement("letter")
    hostile = replace(whole.editions["en"], title=text, preheader=text)
    make_public(sqlite_store, with_digest(replace(whole, editions={"en": hostile})), NOON)
    (entry,) = entries(visitor.get("/feed/en.atom"))
    shown = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", text)
    for name in ("title", "summary"):
        assert shown == entry.findtext(ATOM + name)
    for path in ("/in/en", "/w/letter/en"):
        page = visitor.get(path).text
        outside = re.sub(r'"[^"]*"', '""', page)
        assert "<script" not in outside
        assert "<img" not in outside
        assert not re.search(r"<[^>]+\sonerror=", outside)
        assert page.count("</title>") == 1
        assert page.count("</html>") == 1


@pytest.fixture(scope="module")
def feed_of():
    """What answers with the feed of a statement of any title: the pages' own template."""
    pages = Pages(spoken_catalogs())

    def write(title: str, content: str) -> ElementTree.Element:
        entry = Entry(
            id="https://mail.example.org/w/x/en", address="https://mail.example.org/w/x/en",
            language="en", title=title, lead=title, content=content, published="", updated="",
            others=(), is_newsletter=False, withdrawn="",
        )  # fmt: skip
        return ElementTree.fromstring(
            write_feed(pages, "en", "https://mail.example.org/", [entry], "", title)
        )

    return write


@given(title=st.text(), content=st.text())
def test_any_words_make_a_feed_that_parses_and_says_them(feed_of, title, content):
    """Whatever stands in titles and texts, a parser reads the same words out of the feed."""
    feed = feed_of(title, content)
    entry = feed.find(f"{ATOM}entry")
    assert _kept(title) == entry.findtext(f"{ATOM}title")
    assert _kept(content) == entry.findtext(f"{ATOM}content")


def _kept(text: str) -> str:
    """Return what XML can hold of a text, its line ends as a parser gives them."""
    legal = "".join(
        one if one in "\t\n\r" or " " <= one <= "\ud7ff" or "\ue000" <= one <= "\ufffd"
        or one > "\uffff" else "\ufffd"
        for one in text
    )  # fmt: skip
    return legal.replace("\r\n", "\n").replace("\r", "\n")
