"""What supporters do by themselves, in a real browser: sound on each screen, by keyboard alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from mailer.model.statement import Visibility
from mailer.store.documents import with_digest
from tests.browser.test_public_pages import (
    NOTHING,
    Watch,
    assert_looks_sound,
    assert_strict,
    crawl,
)
from tests.support.archive import a_statement, decide
from tests.support.browser import open_page, screenshot
from tests.support.clocks import NOW
from tests.support.mails import library_revision
from tests.support.newsletters import make_public
from tests.support.supporter_site import (
    Person,
    every_mailed_link,
    every_row,
    mailed_links,
    supporter_site,
)

#: Width, dark, and whether letters are twice as large, as in a window of 640 pixels at 200 %.
SCREENS = {"phone": (320, False), "phone-dark": (320, True), "zoom": (640, False),
           "zoom-dark": (640, True)}  # fmt: skip
#: Each screen and each language, the one from right to left on both; more of them find nothing more.
LOOKS = [("en", "zoom-dark"), ("ru", "phone"), ("fa", "phone-dark"), ("fa", "zoom")]
_NUMBERS = count(1)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A workspace whose form to sign up is on, its pages, and a way to put people into it."""
    with supporter_site(tmp_path_factory.mktemp("supporters")) as made:
        yield made


@pytest.fixture
def person(world):
    """Somebody new."""
    return Person(world)


class Walk:
    """One visitor on one screen, who looks at each page that they come to."""

    def __init__(self, page, world, language, screen) -> None:
        self.page, self.site, self.workspace = page, world.site, world.workspace
        self.language, self.screen = language, screen
        self.watch = Watch(page, world.site)
        self.seen: list[str] = []

    def open(self, path: str, name: str, status: int = 200) -> None:
        """Open a page and look at it."""
        answer = self.page.goto(self.site.url + path)
        assert status == answer.status, name
        assert_strict(answer)
        self.look(name)

    def send(self, button: str, name: str) -> None:
        """Press a button, given by its selector, and look at the answer."""
        with self.page.expect_navigation():
            self.page.click(button)
        self.look(name)

    def give(self, field: str, address: str, name: str) -> None:
        """Fill in an address, press the button, and look at the answer."""
        self.page.fill(field, address)
        self.send("main button", name)

    def confirm(self, field: str, address: str, link: str, name: str) -> None:
        """Give a wrong address and a right one, and press the button its mail leads to.

        Args:
            field: The control, by its selector.
            address: The right one.
            link: What the path in the mail begins with.
            name: Of what is done, for the pictures.
        """
        self.give(field, "nobody@here", f"{name}-problem")
        self.give(field, address, f"{name}-sent")
        sent = mailed_links(self.workspace)
        self.open(next(one for one in sent if one.startswith(link)), f"{name}-question")
        self.send("main button", f"{name}-done")

    def look(self, name: str) -> None:
        """Hold the page against what all of them promise."""
        page, where = self.page, f"{name}, {self.language}, {self.screen}"
        if self.screen.startswith("zoom"):
            page.evaluate("document.documentElement.style.fontSize = '200%'")
        width, dark = SCREENS[self.screen]
        assert_looks_sound(page, self.language, width, dark=dark, where=where)
        heights = page.eval_on_selector_all(
            "button, select, input:not([type=hidden], [type=checkbox], [type=radio])",
            "all => all.filter(one => one.tabIndex >= 0).map(one => one.offsetHeight)",
        )
        assert all(height >= 44 for height in heights), where
        assert 0 == page.locator("script").count()
        self.seen.append(name)
        screenshot(page, f"{name}-{self.language}-{self.screen}")

    def end(self) -> None:
        """Nothing else was asked for, and nothing is kept."""
        found = self.watch.found()
        # What is too old or withdrawn answers 404 and 410, of which the browser complains by itself.
        found["complaints"] = [one for one in found["complaints"] if "status of 4" not in one]
        assert NOTHING == found


@pytest.mark.parametrize(("language", "screen"), LOOKS)
def test_every_page_is_sound(browser, world, person, language, screen):
    """All that supporters can do, step by step: axe finds nothing, and nothing sticks out."""
    width, dark = SCREENS[screen]
    with open_page(browser, width=width, dark=dark, language=language) as page:
        walk = Walk(page, world, language, screen)
        walk.open(person.leave, "unsubscribe")
        walk.send("button[value=pause]", "paused")
        walk.open(person.leave, "unsubscribe-again")
        walk.send("button[value=only-urgent]", "only-urgent")
        walk.open(person.preferences, "preferences")
        page.select_option("#language-1", "ru")
        page.check("#never-ru")
        walk.send("form:not(.quiet) button", "preferences-problem")
        page.uncheck("#never-ru")
        walk.send("form:not(.quiet) button", "preferences-saved")
        walk.send("form.quiet button", "link-sent")
        walk.open("/data", "ask-link")
        walk.give("#address", "nobody@here", "ask-link-problem")
        walk.open(person.data, "own-data")
        walk.open(f"{person.data}/address", "change-address")
        walk.confirm("#address", f"new.{person.address}", "/address/", "change-address")
        walk.open(f"{person.data}/erase", "erase")
        walk.send("main button", "erased")
        walk.open(person.preferences, "nothing-on-record")
        walk.end()


@pytest.mark.parametrize(("language", "screen"), LOOKS)
def test_signing_up_is_sound(browser, world, language, screen):
    """The form, what is wrong with it, its answer, the link's question, and the welcome."""
    width, dark = SCREENS[screen]
    with open_page(browser, width=width, dark=dark, language=language) as page:
        walk = Walk(page, world, language, screen)
        walk.open("/join", "sign-up")
        walk.confirm("#email", f"reader{next(_NUMBERS)}@example.net", "/join/", "sign-up")
        walk.open(f"/join/{'a' * 39}", "sign-up-question-of-nobody")
        walk.send("main button", "sign-up-too-old")
        walk.end()


@pytest.fixture(scope="module")
def archive(world):
    """Statements in three languages, one of them unlisted and one withdrawn for an English one."""
    library = library_revision()
    unlisted, withdrawn = (
        with_digest(replace(library, slug=slug)) for slug in ("unlisted", "withdrawn")
    )
    for one in (library, unlisted, withdrawn, a_statement("letter", "en")):
        make_public(world.store, one, NOW)
    decide(world.store, "unlisted", Visibility.UNLISTED, NOW)
    decide(world.store, "withdrawn", Visibility.WITHDRAWN, NOW, "letter")


@pytest.mark.parametrize(("language", "screen"), LOOKS)
def test_the_archive_is_sound(browser, world, archive, language, screen):
    """All statements, one that they do not name, and one that was withdrawn; links lead on."""
    width, dark = SCREENS[screen]
    with open_page(browser, width=width, dark=dark, language=language) as page:
        walk = Walk(page, world, language, screen)
        walk.open("/", "archive")
        heights = page.eval_on_selector_all(
            ".archive .editions a, .feed a", "all => all.map(one => one.offsetHeight)"
        )
        assert all(height >= 24 for height in heights)
        page.locator("h2 a", has_text="Title of letter").click()
        page.wait_for_url("**/w/letter/en")
        page.locator("footer a").click()
        page.wait_for_url("**/in/en")
        walk.open(f"/w/unlisted/{language}", "unlisted")
        walk.open(f"/w/withdrawn/{language}", "withdrawn", 410)
        page.get_by_role("link", name="Title of letter").click()
        page.wait_for_url("**/w/letter/en")
        walk.end()


#: How what has the focus is outlined.
_OUTLINE = "getComputedStyle(document.activeElement).outlineStyle"


def _press(page, selector: str, key: str = "Enter") -> None:
    """Go on by Tab until the element has the focus, see that it shows, and press a key there."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            assert "none" != page.evaluate(_OUTLINE), selector
            page.keyboard.press(key)
            return
    raise AssertionError(f"{selector} is not reached by the keyboard")


def test_by_keyboard_alone(browser, world, person):
    """Preferences, sign-up and erasure with Tab, Space, arrows and Enter; what has the focus shows."""
    with open_page(browser, width=320) as page:
        page.goto(world.site.url + person.preferences)
        _press(page, "#never-de", "Space")
        _press(page, "#pause-none", "ArrowDown")
        _press(page, "#text-only", "Space")
        _press(page, "form:not(.quiet) button")
        page.wait_for_selector(".saved")
        standing = person.standing()
        assert ("de",) == standing.profile.never
        assert standing.text_only
        assert standing.paused_until is not None

        page.goto(world.site.url + "/join")
        _press(page, "#email", "a")
        page.keyboard.type("nna@example.net")
        _press(page, "main button")
        page.wait_for_selector("#email", state="detached")

        page.goto(world.site.url + person.data)
        _press(page, "a[href$=erase]")
        page.wait_for_url("**/erase")
        with page.expect_navigation():
            _press(page, "main button")
        assert not person.is_on_record()


def test_the_keyboard_reaches_each_link_in_order(browser, world, archive):
    """Tab goes through the archive's pages as one reads them, from right to left too; it shows."""
    with open_page(browser, width=320, language="fa") as page:
        for path in ("/in/fa", "/w/unlisted/fa", "/w/letter/fa", "/w/withdrawn/fa"):
            page.goto(world.site.url + path)
            links = page.eval_on_selector_all("a", "all => all.map(one => one.href)")
            assert len(links) > 1
            for link in links:
                page.keyboard.press("Tab")
                assert link == page.evaluate("document.activeElement.href")
                assert "none" != page.evaluate(_OUTLINE), link


def test_without_scripts_everything_is_done_the_same(browser, world, person):
    """With scripts off a pause is set and ended, and preferences are saved."""
    with open_page(browser, width=320, javascript=False) as page:
        page.goto(world.site.url + person.leave)
        page.click("button[value=pause]")
        page.wait_for_selector("button[value=resume]")
        assert person.standing().paused_until is not None
        with page.expect_navigation():
            page.click("button[value=resume]")
        assert person.standing().paused_until is None
        page.goto(world.site.url + person.preferences)
        page.check("#only-urgent")
        page.click("form:not(.quiet) button")
        page.wait_for_selector(".saved")
        assert person.standing().only_urgent


def test_a_browser_that_opens_each_address_of_our_mails_changes_nothing(browser, world, person):
    """Scripts on, every address and two links further: no row is another, no mail is written."""
    paths = every_mailed_link(world, person)
    before = every_row(world.store)
    seen = crawl(browser, world.site, paths, depth=2)
    assert {f"{world.site.url}{path}" for path in paths} <= seen
    assert any(one.endswith("/erase") for one in seen)
    assert before == every_row(world.store)
