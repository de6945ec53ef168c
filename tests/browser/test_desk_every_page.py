"""Every page of the desk there is, where each text that anybody can put in is hostile.

The pages are taken from the router: a new one without something behind its address fails here.
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote

import pytest
from playwright.sync_api import ConsoleMessage, Dialog, Page, Request

from mailer.model.staff import StaffRole
from mailer.tokens import Tokens
from tests.support.browser import open_page, overflows, screenshot
from tests.support.desk import served_desk, sign_in, welcome
from tests.support.desk_rooms import furnished
from tests.support.public_web import public_site

pytestmark = [pytest.mark.browser]

#: Out of a text, an attribute in either quotes, a title, a comment, a script and a template.
EVIL = (
    "\"><script>alert(1)</script><img src=x onerror=alert(2)>' onmouseover='alert(3)"
    "</title></script><svg onload=alert(4)>--><!--]]>{{7*7}}{% x %}"
)
#: The same, for where there is little room.
EVIL_IN_SHORT = "\"'><img src=x onerror=alert(1)>{{7*7}}"
#: What of that stands in a page only where it was not taken as text; no page of ours has any of it.
INJECTED = ", ".join(
    (
        "img[src=x]", "script:not([src])", "svg[onload]", "[onerror]", "[onmouseover]", "base",
        *(f"[{name}^='javascript:' i]" for name in ("href", "src", "action", "formaction", "srcdoc")),
    )
)  # fmt: skip
#: What a browser says of something that it kept from running or from being asked for.
KEPT_FROM = re.compile("Content Security Policy|Blocked script execution", re.IGNORECASE)


class Watch:
    """Looks out for anything that comes alive on a page, or in a frame of it."""

    def __init__(self, page: Page, home: str) -> None:
        self._page, self._home = page, home
        self.dialogs: list[str] = []
        self.kept_from: list[str] = []
        self.foreign: list[str] = []
        self.injected: dict[str, int] = {}
        page.on("dialog", self._dialog)
        page.on("console", self._told)
        page.on("request", self._asked)

    def _dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _told(self, message: ConsoleMessage) -> None:
        if KEPT_FROM.search(message.text):
            self.kept_from.append(message.text)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self._home, "data:", "blob:", "about:")):
            self.foreign.append(request.url)

    def look(self, name: str) -> None:
        """Look for what was injected into the page that is open."""
        count = sum(frame.locator(INJECTED).count() for frame in self._page.frames)
        if count:
            self.injected[name] = count

    @property
    def seen(self) -> tuple[list[str], list[str], list[str], dict[str, int]]:
        """Return all of it: dialogs, what the browser prevented, foreign addresses, places."""
        return self.dialogs, self.kept_from, self.foreign, self.injected


#: What a page is on which nothing came alive.
QUIET: tuple[list[str], list[str], list[str], dict[str, int]] = ([], [], [], {})


class Said:
    """Says something hostile everywhere, and knows where."""

    def __init__(self) -> None:
        self.texts: set[str] = set()

    def __call__(self, place: str, most: int = 200) -> str:
        """Return the text for a place."""
        text = f"{EVIL} ({place})"
        if len(text) > most:
            text = f"{EVIL_IN_SHORT} ({place})"
        self.texts.add(text)
        return text


@pytest.fixture(scope="module")
def said():
    """What is said where."""
    return Said()


@pytest.fixture(scope="module")
def rooms(tmp_path_factory, said):
    """A workspace with something hostile behind every address."""
    with furnished(tmp_path_factory.mktemp("rooms") / "w", said) as made:
        yield made


@pytest.fixture(scope="module")
def desk(rooms):
    """The desk of it."""
    with served_desk(rooms.workspace) as served:
        yield served


@pytest.mark.parametrize(
    ("policy", "alive"),
    [
        ("", (True, False, True)),
        ("default-src 'none'", (False, True, True)),
        ("sandbox", (False, True, True)),
    ],
)
def test_the_watch_sees_what_comes_alive(browser, policy, alive):
    """A page that writes texts as they are is seen, whether or not a policy keeps them from running."""
    headers = {"Content-Type": "text/html", "Content-Security-Policy": policy}
    body = f"<!doctype html><title>x</title><img src='https://evil.example.org/p.png'><p>{EVIL}"
    with open_page(browser) as page:
        watch = Watch(page, "http://here.example.org/")
        page.route(
            "http://here.example.org/**", lambda one: one.fulfill(body=body, headers=headers)
        )
        page.goto("http://here.example.org/page")
        watch.look("page")
    assert alive == (bool(watch.dialogs), bool(watch.kept_from), bool(watch.foreign))
    assert watch.injected


@pytest.mark.timeout(400)
def test_every_page_takes_texts_as_texts(browser, rooms, desk):
    """No dialog, no policy broken, nothing asked of others, and nothing sticks out on a telephone."""
    wide = {}
    with open_page(browser, width=320, dark=True, headers={"User-Agent": EVIL}) as page:
        watch = Watch(page, desk.url)
        sign_in(page, desk.url, welcome(desk.workspace, "omni", *StaffRole))
        for route, path in rooms.shown():
            answer = page.goto(f"{desk.url}{path}")
            assert answer is not None
            assert answer.ok, (path, answer.status)
            watch.look(path)
            # What a frame shows is a mail, which is looked at elsewhere.
            out = [] if route.name.endswith("-frame") else overflows(page)
            if out:
                wide[path] = out
            screenshot(page, f"every-{route.name}")
    assert QUIET == watch.seen
    assert {} == wide


def test_mails_are_safe_without_our_policy(browser, rooms, desk):
    """A program that runs whatever a mail holds finds nothing to run, and nothing to ask for."""
    frames = [(route, path) for route, path in rooms.paths() if route.name.endswith("-frame")]
    with desk.signed_in(*StaffRole, login="mailed") as reader:
        mails = {path: reader.client.get(path) for _, path in frames}
    assert len(mails) > 3
    assert any("mailed-here" in path for path in mails)
    with open_page(browser) as page:
        watch = Watch(page, "http://mail.example.org/")
        showing = ""
        page.route(
            "http://mail.example.org/**",
            lambda one: one.fulfill(body=showing, content_type="text/html; charset=utf-8"),
        )
        for path, answer in mails.items():
            assert answer.status_code == 200, path
            showing = answer.text
            page.goto("http://mail.example.org/mail")
            watch.look(path)
    assert QUIET == watch.seen


def test_public_pages_take_texts_as_texts(browser, rooms):
    """The archive and the page of a statement, whose names, links and words are hostile."""
    workspace = rooms.workspace
    tokens = Tokens(workspace.service_keys)
    with (
        public_site(workspace.store, tokens, workspace.clock) as site,
        open_page(browser, width=320) as page,
    ):
        watch = Watch(page, site.url)
        for path in (
            "/",
            "/in/en",
            "/w/sent-here/en",
            "/w/sent-here",
            "/w/none",
            f"/w/{quote(EVIL)}",
        ):
            answer = page.goto(f"{site.url}{path}")
            assert answer is not None
            assert answer.status in (200, 404), path
            watch.look(path)
            if path == "/w/sent-here/en":
                shown = page.inner_text("body")
                for place in ("title", "name"):
                    assert f"{EVIL} ({place})" in shown
    assert QUIET == watch.seen


def test_every_text_is_shown_somewhere_as_it_was_typed(rooms, desk, said):
    """Nothing is swallowed or half shown: staff see what stands there, whatever it is."""
    with desk.signed_in(*StaffRole, login="reader") as browser:
        shown = "".join(
            unescape(browser.client.get(path, follow_redirects=True).text)
            for route, path in rooms.paths()
            if not route.name.endswith("-live")
        )
    assert set() == {text for text in said.texts if text not in shown}
