"""The public pages in a real browser: for everyone, without a script, telling nobody."""

from __future__ import annotations

import re
from itertools import count

import pytest

from mailer.store.engine import create_tables, open_store
from mailer.store.statements import save_revision
from mailer.tokens import Purpose
from tests.support.browser import axe_violations, contrast, open_page, overflows, screenshot, style
from tests.support.mails import library_revision
from tests.support.public_web import public_site
from tests.support.subscriptions import NOON, SetClock, Subscriptions, define_list
from tests.support.supporter_site import every_row

SCREENS = [(320, False), (320, True), (1024, False), (1024, True)]
RUNS = {"en": "ltr", "ru": "ltr", "fa": "rtl"}
_PEOPLE = count(1)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A database with the library's statement, mailed to a list."""
    opened = open_store(f"sqlite:///{tmp_path_factory.mktemp('pages') / 'test.db'}")
    create_tables(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def people(database):
    """Whom the statement went to."""
    with database.write() as connection:
        stored = save_revision(connection, library_revision(), NOON)
    made = Subscriptions(database)
    made.add_list("letters", "harbor")
    made.mailing_id = made.start_mailing(
        "library",
        stored.statement_id,
        stored.revision_id,
        1,
        NOON,
        (define_list("letters", "harbor", ("en",)),),
    )
    return made


@pytest.fixture(scope="module")
def site(database, people, tokens):
    """The public pages."""
    with public_site(database, tokens, SetClock()) as running:
        yield running


@pytest.fixture
def reader(people, tokens):
    """A person on a list, and the path of the link in their mail."""
    supporter_id = people.add_supporter(f"reader {next(_PEOPLE)}", "letters")
    delivery_id = people.add_delivery(people.mailing_id, ("letters", supporter_id))
    return supporter_id, f"/u/{tokens.person(Purpose.UNSUBSCRIBE, delivery_id, supporter_id)}"


class Watch:
    """What a page did that it should not: complaints in the console, requests, cookies."""

    def __init__(self, page, site) -> None:
        self._page = page
        self._site = site
        self.complaints: list[str] = []
        self.answers: list[object] = []
        page.on("console", lambda said: self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("response", lambda answer: self.answers.append(answer))

    def found(self) -> dict[str, list[str]]:
        """Return what was noticed, by kind; all kinds are empty on a page as it should be."""
        cookies = self._page.context.cookies()
        return {
            # A page that was not found is a complaint of the browser's own.
            "complaints": [one for one in self.complaints if "404 (Not Found)" not in one],
            "foreign": [one for one in self._page.requests if not one.startswith(self._site.url)],
            "cookies": [
                *map(str, cookies),
                *(one.url for one in self.answers if "set-cookie" in one.headers),
            ],
        }


NOTHING = {"complaints": [], "foreign": [], "cookies": []}


def assert_looks_sound(page, language, width, *, dark=False, where="") -> None:
    """Hold what a page shows against what all of them promise; `where` is told if it fails."""
    assert RUNS[language] == style(page, "html", "direction"), where
    assert language == page.get_attribute("html", "lang"), where
    assert [] == axe_violations(page), where
    assert [] == overflows(page), where
    assert width == page.evaluate("document.documentElement.scrollWidth"), where
    assert contrast(page, "h1") >= 4.5, where
    lightness = sum(map(int, re.findall(r"\d+", style(page, "body", "background-color"))[:3])) / 765
    assert (lightness < 0.2) == dark, where


def assert_sound(page, watch, language, width, *, dark=False) -> None:
    """Hold a page against what all of them promise."""
    assert_looks_sound(page, language, width, dark=dark)
    assert NOTHING == watch.found()


def assert_strict(answer) -> None:
    """Hold an answer against the policy: nothing but our own style, pictures and forms."""
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == "'self'"
    assert policy["base-uri"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert "script-src" not in policy
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert "no-referrer" == answer.headers["referrer-policy"]


@pytest.mark.parametrize(("width", "dark"), SCREENS)
@pytest.mark.parametrize("language", ["en", "fa"])
def test_leaving_and_coming_back(browser, site, people, reader, language, width, dark):
    """Question, answer, undo: three sound pages, and the button does what it says."""
    supporter_id, path = reader
    name = f"page-{language}-{width}-{'dark' if dark else 'light'}"
    with open_page(browser, width=width, dark=dark, language=language) as page:
        watch = Watch(page, site)
        assert_strict(page.goto(site.url + path))
        assert_sound(page, watch, language, width, dark=dark)
        screenshot(page, f"{name}-unsubscribe")
        assert {"letters"} == people.on(supporter_id)

        page.click("main button >> nth=0")
        page.wait_for_selector("form.quiet")
        assert_sound(page, watch, language, width, dark=dark)
        screenshot(page, f"{name}-unsubscribed")
        assert set() == people.on(supporter_id)

        page.click("main button >> nth=0")
        page.wait_for_url("**/undo")
        assert_sound(page, watch, language, width, dark=dark)
        screenshot(page, f"{name}-undone")
        assert {"letters"} == people.on(supporter_id)


@pytest.mark.parametrize("language", ["en", "fa"])
def test_leaving_needs_no_script_and_no_mouse(browser, site, people, reader, language):
    """With scripts switched off, by the keyboard alone: Tab to the one button, Enter."""
    supporter_id, path = reader
    with open_page(browser, width=320, javascript=False, language=language) as page:
        page.goto(site.url + path)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("form.quiet")
        assert set() == people.on(supporter_id)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/undo")
        assert {"letters"} == people.on(supporter_id)


@pytest.mark.parametrize("language", ["en", "fa"])
def test_the_button_is_large_and_shows_where_one_is(browser, site, reader, language):
    """The button can be hit with a finger and, reached by the keyboard, is outlined."""
    with open_page(browser, width=320, language=language) as page:
        page.goto(site.url + reader[1])
        assert contrast(page, "button") >= 4.5
        assert page.locator("button").first.bounding_box()["height"] >= 44
        page.keyboard.press("Tab")
        assert "button" == page.evaluate("document.activeElement.localName")
        assert ("solid", "3px") == (
            style(page, "button", "outline-style"),
            style(page, "button", "outline-width"),
        )


@pytest.mark.parametrize(("width", "dark"), SCREENS)
@pytest.mark.parametrize("language", ["en", "ru", "fa"])
def test_a_statement_is_sound(browser, site, language, width, dark):
    """The web view in each language, on each screen: clean, strict, its pictures shown."""
    with open_page(browser, width=width, dark=dark, language=language) as page:
        watch = Watch(page, site)
        assert_strict(page.goto(f"{site.url}/w/library/{language}"))
        screenshot(page, f"statement-{language}-{width}-{'dark' if dark else 'light'}")
        assert_sound(page, watch, language, width, dark=dark)
        assert page.eval_on_selector("article img", "one => one.complete && one.naturalWidth") > 0
        for text in (".quote-attribution", ".demand p", ".note p", ".country", "article a"):
            assert contrast(page, text) >= 4.5


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 1024])
def test_the_notice_of_a_language_there_is_not(browser, site, width, dark):
    """Romanian frame, English text, each with its own language; the links lead to the editions."""
    with open_page(browser, width=width, dark=dark, language="ro") as page:
        watch = Watch(page, site)
        answer = page.goto(f"{site.url}/w/library/ro")
        screenshot(page, f"statement-ro-{width}-{'dark' if dark else 'light'}")
        assert 200 == answer.status
        assert ("ro", "en") == (
            page.get_attribute("html", "lang"),
            page.get_attribute("article", "lang"),
        )
        assert "Limbi disponibile: engleză, rusă, persană" in page.inner_text(".notice")
        assert [] == axe_violations(page)
        assert [] == overflows(page)
        assert contrast(page, ".notice p") >= 4.5
        assert contrast(page, ".notice a") >= 4.5
        page.get_by_role("link", name="rusă").click()
        page.wait_for_url("**/w/library/ru")
        assert "ru" == page.get_attribute("article", "lang")
        assert NOTHING == watch.found()


def test_quotes_on_the_web_are_like_quotes_in_mails(browser, site):
    """Italic in English, upright with a bar on the right in Persian, demands bold in both."""
    with open_page(browser, language="en") as page:
        page.goto(f"{site.url}/w/library/en")
        assert "italic" == style(page, ".quote-italic .quote-text p", "font-style")
        assert "700" == style(page, ".demand p", "font-weight")
    with open_page(browser, language="fa") as page:
        page.goto(f"{site.url}/w/library/fa")
        assert "normal" == style(page, ".quote-bar .quote-text p", "font-style")
        assert style(page, ".quote-bar .quote-text", "border-right-style") == "solid"
        assert style(page, ".quote-bar .quote-text", "border-left-style") == "none"
        assert "700" == style(page, ".demand p", "font-weight")


@pytest.mark.parametrize(("width", "dark"), SCREENS)
@pytest.mark.parametrize("language", ["en", "fa"])
def test_a_page_that_is_not_there_is_sound_too(browser, site, language, width, dark):
    """404 in the visitor's language, as clean and as strict as the others."""
    with open_page(browser, width=width, dark=dark, language=language) as page:
        watch = Watch(page, site)
        answer = page.goto(f"{site.url}/w/no-such-statement/{language}")
        screenshot(page, f"not-found-{language}-{width}-{'dark' if dark else 'light'}")
        assert 404 == answer.status
        assert_strict(answer)
        assert_sound(page, watch, language, width, dark=dark)


@pytest.mark.parametrize("path", ["/w/library/fa", "/u/anything", "/nowhere"])
def test_pages_look_the_same_without_scripts(browser, site, path):
    """With scripts on or off the very same picture: no page has any to run."""
    pictures = []
    for javascript in (True, False):
        with open_page(browser, width=320, language="fa", javascript=javascript) as page:
            page.goto(site.url + path)
            assert page.locator("script").count() == 0
            pictures.append(screenshot(page, "same"))
    assert pictures[0] == pictures[1]


def crawl(browser, site, paths: list[str], depth: int = 9) -> set[str]:
    """Follow every link on our host with scripts on, so many steps far; return what was opened."""
    seen: set[str] = set()
    with open_page(browser) as page:
        watch = Watch(page, site)
        to_visit = {site.url + path for path in paths}
        for _ in range(depth + 1):
            found: set[str] = set()
            for address in sorted(to_visit):
                page.goto(address)
                found |= set(
                    page.eval_on_selector_all(
                        "[href], [src]",
                        "all => all.map(one => (one.href || one.src).split('#')[0])",
                    )
                )
            seen |= to_visit
            to_visit = {one for one in found if one.startswith(site.url)} - seen
        assert [] == watch.found()["foreign"]
        assert [] == watch.found()["cookies"]
    return seen


def test_a_crawler_changes_nothing(browser, site, database, people, reader):
    """A browser with scripts on that follows every link there is leaves no trace in a table."""
    before = every_row(database)
    seen = crawl(browser, site, [reader[1], "/w/library", "/robots.txt"])
    assert {f"{site.url}/w/library/{one}" for one in RUNS} <= seen
    assert before == every_row(database)
    assert {"letters"} == people.on(reader[0])
