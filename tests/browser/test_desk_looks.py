"""Every page of the desk in its four languages: nothing sticks out, axe finds nothing, keys reach all.

The pages are taken from the router, so a new one is looked at by itself. `MAILER_PICTURES=folder`
keeps a picture of each.
"""

from __future__ import annotations

import pytest

from mailer.model.staff import StaffRole
from tests.support.browser import (
    axe_violations,
    open_page,
    out_of_reach,
    overflows,
    screenshot,
    set_dark,
)
from tests.support.desk import served_desk, sign_in, welcome
from tests.support.desk_rooms import furnished

pytestmark = [pytest.mark.browser]

PHONE, DESK = 320, 1100
#: How long a part that is counted apart may take on a busy machine, in milliseconds.
COUNTED_MS = 30_000


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    """A workspace with something behind every address."""
    with furnished(tmp_path_factory.mktemp("rooms") / "w") as made:
        yield made


@pytest.fixture(scope="module")
def desk(rooms):
    """The desk of it."""
    with served_desk(rooms.workspace) as served:
        yield served


def open_whole(page, address):
    """Open a page, and wait for what is counted apart."""
    page.goto(address)
    if page.locator("[data-fetch]").count():
        page.wait_for_load_state("networkidle", timeout=COUNTED_MS)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("language", "width", "dark", "by_axe"),
    [
        ("en", DESK, False, True),
        ("ru", PHONE, True, True),
        # Their words are longer or shorter, which is for the eye; axe reads the same pages.
        ("uk", PHONE, False, False),
        ("ro", DESK, True, False),
    ],
)
def test_every_page_is_sound(browser, rooms, desk, language, width, dark, by_axe):
    """At both widths nothing sticks out; axe finds nothing at one, and enough contrast in each scheme."""
    found = {}
    with open_page(browser, width=width, dark=dark, language=language) as page:
        sign_in(page, desk.url, welcome(desk.workspace, f"omni-{language}", *StaffRole))
        for name, path in rooms.pages():
            open_whole(page, f"{desk.url}{path}")
            screenshot(page, f"{name}-{language}-{width}-{'dark' if dark else 'light'}")
            wrong = overflows(page)
            if by_axe:
                wrong += axe_violations(page)
                set_dark(page, not dark)
                wrong += axe_violations(page, rules=["color-contrast"])
                set_dark(page, dark)
            page.set_viewport_size({"width": PHONE + DESK - width, "height": 800})
            wrong += overflows(page)
            page.set_viewport_size({"width": width, "height": 800})
            if wrong:
                found[path] = wrong
    assert {} == found


@pytest.mark.timeout(400)
def test_every_page_is_used_by_the_keyboard(browser, rooms, desk):
    """Tab leads to whatever can be used, and what has the focus can be seen to have it."""
    found = {}
    with open_page(browser, width=DESK) as page:
        sign_in(page, desk.url, welcome(desk.workspace, "keys", *StaffRole))
        for _, path in rooms.pages():
            open_whole(page, f"{desk.url}{path}")
            wrong = out_of_reach(page)
            if wrong:
                found[path] = wrong
    assert {} == found
