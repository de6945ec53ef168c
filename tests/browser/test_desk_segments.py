"""The report by segment and the live page in a browser: narrow and wide, light and dark."""

import pytest

from mailer.model.staff import StaffRole
from tests.support.browser import axe_violations, open_page, overflows, screenshot
from tests.support.desk import sign_in, welcome
from tests.web.test_desk_segments import KEY, desk  # noqa: F401  (The same workspace.)


@pytest.mark.parametrize(("language", "width", "dark"), [("ru", 320, True), ("ro", 1024, False)])
def test_segments_and_outcomes_are_sound(browser, desk, language, width, dark):  # noqa: F811
    """The segments come by themselves; nothing sticks out, axe finds nothing."""
    member = welcome(desk.workspace, f"sender-{language}", StaffRole.SENDER)
    with open_page(browser, width=width, dark=dark, language=language) as page:
        to = f"/desk/mailings/{KEY}/report"
        sign_in(page, desk.url, member, to)
        page.wait_for_selector("[data-fetch] table")
        for name, path in (
            ("report", ""), ("segments", f"{to}/segments?for=partners"), ("watch", f"{to}/../watch"),
        ):  # fmt: skip
            if path:
                page.goto(f"{desk.url}{path}")
            screenshot(page, f"desk-{name}-{language}-{width}-{'dark' if dark else 'light'}")
            assert ([], []) == (overflows(page), axe_violations(page)), name
