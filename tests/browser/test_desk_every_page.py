"""Every page of the desk there is, where each text that anybody can put in is hostile.

The pages are taken from the router: a new one without something behind its address fails here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import unescape

import pytest

from mailer.model.staff import StaffRole
from tests.support.browser import open_page, overflows, screenshot
from tests.support.clocks import FixedClock
from tests.support.desk import served_desk, welcome
from tests.support.desk_rooms import furnish

pytestmark = [pytest.mark.browser]

#: Out of a text, an attribute in either quotes, a title, a comment, a script and a template.
EVIL = (
    "\"><script>alert(1)</script><img src=x onerror=alert(2)>' onmouseover='alert(3)"
    "</title></script><svg onload=alert(4)>--><!--{{7*7}}{% x %}"
)
#: The same, for where there is little room.
EVIL_IN_SHORT = "\"'><img src=x onerror=alert(1)>{{7*7}}"
#: What a browser saves, or shows by itself: it styles a picture, which its policy forbids.
DOWNLOADS = frozenset({"statement-files", "edition-document", "statement-picture"})
#: What of that stands in a page only where it was not taken as text.
INJECTED = "img[src=x], svg[onload], [onmouseover], script:not([src])"


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
    made = furnish(tmp_path_factory.mktemp("rooms") / "w", FixedClock(datetime.now(UTC)), said)
    yield made
    made.workspace.store.close()


@pytest.fixture(scope="module")
def desk(rooms):
    """The desk of it."""
    with served_desk(rooms.workspace) as served:
        yield served


def sign_in(page, desk, login):
    """Sign somebody in who may do everything."""
    member = welcome(desk.workspace, login, *StaffRole)
    page.goto(f"{desk.url}/desk/sign-in")
    page.fill("#login", member.login)
    page.fill("#password", member.password)
    page.fill("#code", member.code())
    page.keyboard.press("Enter")
    page.wait_for_url(f"{desk.url}/desk")


def test_every_page_takes_texts_as_texts(browser, rooms, desk):
    """No dialog, no policy broken, nothing asked of others, and nothing sticks out on a telephone."""
    dialogs, told, asked, wrong = [], [], [], {}
    with open_page(browser, width=320, dark=True) as page:
        page.on("dialog", lambda one: (dialogs.append(one.message), one.dismiss()))
        page.on("console", lambda one: told.append(one.text))
        page.on("request", lambda one: asked.append(one.url))
        sign_in(page, desk, "omni")
        for route, path in rooms.paths():
            if route.name.endswith("-live") or route.name in DOWNLOADS:
                # The page that listens to it is opened, too.
                continue
            answer = page.goto(f"{desk.url}{path}")
            assert answer is not None
            assert answer.ok, (path, answer.status)
            injected = sum(frame.locator(INJECTED).count() for frame in page.frames)
            # What a frame shows is a mail, which is looked at elsewhere.
            out = [] if route.name.endswith("-frame") else overflows(page)
            if injected or out:
                wrong[path] = (injected, out)
            screenshot(page, f"every-{route.name}")
    assert {} == wrong
    assert [] == dialogs
    assert [] == [one for one in told if "Content Security Policy" in one]
    assert [] == [
        one for one in asked if not one.startswith((desk.url, "data:", "blob:", "about:"))
    ]


def test_every_text_is_shown_somewhere_as_it_was_typed(rooms, desk, said):
    """Nothing is swallowed or half shown: staff see what stands there, whatever it is."""
    with desk.signed_in(*StaffRole, login="reader") as browser:
        shown = "".join(
            unescape(browser.client.get(path, follow_redirects=True).text)
            for route, path in rooms.paths()
            if not route.name.endswith("-live")
        )
    assert set() == {text for text in said.texts if text not in shown}
