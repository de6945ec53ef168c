"""Welcome and own account in a real browser: on a telephone and a desk, by keyboard, without scripts."""

from __future__ import annotations

import pyotp
import pytest

from mailer.app.accounts import Accounts
from mailer.app.workspace import Workspace
from mailer.model.staff import BY_ITSELF, StaffRole
from tests.support.browser import axe_violations, open_page, overflows, screenshot
from tests.support.catalogs import write_complete_catalogs
from tests.support.clocks import FixedClock
from tests.support.databases import sqlite_copy
from tests.support.desk import served_desk, sign_in, welcome
from tests.support.workspaces import HARBOR_CONFIG, lay_workspace

PASSWORD = "another house with green doors"
ROLES = (StaffRole.AUTHOR, StaffRole.ADMINISTRATOR)


@pytest.fixture(scope="module")
def desk(tmp_path_factory, sqlite_template):
    """A desk of a workspace with nothing in it."""
    folder = tmp_path_factory.mktemp("workspace")
    lay_workspace(folder, HARBOR_CONFIG)
    write_complete_catalogs(folder / "templates" / "locale", ("en", "ru", "uk", "ro", "be"))
    workspace = Workspace.open(folder, FixedClock())
    workspace.__dict__["store"] = sqlite_copy(sqlite_template, folder / "data" / "mailer.db")
    with served_desk(workspace) as served:
        yield served
    workspace.store.close()


def look_at(page, name):
    """Keep a picture, and see that nothing sticks out and that everybody can use it."""
    screenshot(page, name)
    assert overflows(page) == []
    assert axe_violations(page) == []


@pytest.mark.parametrize(
    ("language", "width", "dark"), [("en", 1024, False), ("ru", 320, True), ("uk", 320, False)]
)
def test_welcome_leads_to_an_account(browser, desk, language, width, dark):
    """Each of the three steps is sound, and is done by typing and Enter alone."""
    desk.workspace.clock.forward(seconds=30)
    login = f"vera-{language}"
    invitation = Accounts(desk.workspace).invite(BY_ITSELF, login, "Vera", ROLES)
    name = f"desk-welcome-{language}-{width}-{'dark' if dark else 'light'}"
    with open_page(browser, width=width, dark=dark, language=language) as page:
        page.goto(f"{desk.url}/desk/welcome/{invitation.token}")
        look_at(page, f"{name}-1")
        page.fill("#new", PASSWORD)
        page.fill("#again", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector(".qr svg")
        look_at(page, f"{name}-2")
        secret = page.input_value("[name=secret]")
        page.fill("#code", pyotp.TOTP(secret).at(desk.workspace.clock.now()))
        page.keyboard.press("Enter")
        page.wait_for_selector(".codes")
        assert page.locator(".codes li").count() == 10
        look_at(page, f"{name}-3")
        page.click("a.button")
        page.wait_for_url(f"{desk.url}/desk")
        assert [] == [one for one in page.requests if not one.startswith(desk.url)]


def test_a_picture_is_read_by_an_app_in_the_dark_too(browser, desk):
    """It is black on white whatever the scheme, with a margin that is white."""
    invitation = Accounts(desk.workspace).invite(BY_ITSELF, "vadim", "Vadim", ROLES)
    with open_page(browser, dark=True, javascript=False) as page:
        page.goto(f"{desk.url}/desk/welcome/{invitation.token}")
        page.fill("#new", PASSWORD)
        page.fill("#again", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector(".qr svg")
        assert page.get_attribute(".qr svg path:first-child", "fill") == "#fff"
        assert page.locator(".qr").bounding_box()["width"] > 180


@pytest.mark.parametrize(("language", "width", "dark"), [("en", 1024, False), ("ru", 320, True)])
def test_the_account_and_its_forms_are_sound(browser, desk, language, width, dark):
    """The page and each of its forms, with and without a mistake."""
    desk.workspace.clock.forward(seconds=30)
    member = welcome(desk.workspace, f"anna-{language}", *ROLES)
    name = f"desk-account-{language}-{width}-{'dark' if dark else 'light'}"
    with open_page(browser, width=width, dark=dark, language=language) as page:
        sign_in(page, desk.url, member)
        page.goto(f"{desk.url}/desk/account")
        look_at(page, name)
        for part in ("password", "app", "codes"):
            page.goto(f"{desk.url}/desk/account/{part}")
            look_at(page, f"{name}-{part}")
        page.fill("#password", "wrong")
        page.fill("#code", "000000")
        page.keyboard.press("Enter")
        page.wait_for_selector("#problems")
        look_at(page, f"{name}-wrong")


@pytest.mark.parametrize(("language", "width", "dark"), [("en", 1024, False), ("ru", 320, True)])
def test_staff_and_the_log_are_sound(browser, desk, language, width, dark):
    """Every page by which administrators mind staff and read the audit log."""
    desk.workspace.clock.forward(seconds=30)
    member = welcome(desk.workspace, f"ada-{language}", *ROLES)
    name = f"desk-staff-{language}-{width}-{'dark' if dark else 'light'}"
    with open_page(browser, width=width, dark=dark, language=language) as page:
        sign_in(page, desk.url, member)
        paths = ("staff", "staff-invite", f"staff/{member.login}", f"staff/{member.login}/roles")
        paths += (f"staff/{member.login}/reset", "audit", "audit/check", "audit/file")
        for path in paths:
            page.goto(f"{desk.url}/desk/{path}")
            look_at(page, f"{name}-{path.replace('/', '-')}")
        page.goto(f"{desk.url}/desk/staff-invite")
        page.fill("#name", "Nadia")
        page.fill("#login", f"nadia-{language}")
        page.check("#role-author")
        page.fill("#password", member.password)
        page.fill("#code", member.code())
        page.keyboard.press("Enter")
        page.wait_for_selector("pre.mono")
        look_at(page, f"{name}-link")
