"""Previews and figures of mailings at the desk in a browser: narrow and wide, light and dark."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailer.app import supporters
from mailer.app.planning import Wish, make_plan
from mailer.app.scheduling import make_draft
from mailer.app.workspace import Workspace
from mailer.cli.workspace import make_workspace
from mailer.model.staff import BY_ITSELF, StaffRole
from mailer.statements.source import read_statement
from mailer.store.statements import save_revision
from tests.support.browser import axe_violations, open_page, overflows, screenshot
from tests.support.clocks import FixedClock
from tests.support.desk import served_desk, sign_in, welcome
from tests.support.drafts import LIST, SLUG

ANNA = "anna-of-the-lighthouse-on-the-northern-shore@correspondence.example.org"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The desk of the sample workspace, with a draft and somebody on its list."""
    folder = tmp_path_factory.mktemp("desk") / "workspace"
    make_workspace(folder).store.close()
    workspace = Workspace.open(folder, FixedClock(datetime.now(UTC)))
    revision, faults = read_statement(folder / "templates" / "statements" / SLUG, folder)
    assert revision is not None, faults
    with workspace.store.write() as connection:
        save_revision(connection, revision, workspace.clock.now())
    said = {"name": "Анна Сергеевна Долгофамильная", "languages": "fa"}
    supporters.add_person(workspace, BY_ITSELF, LIST, ANNA, said, "by letter")
    make_draft(workspace, BY_ITSELF, make_plan(workspace, Wish(SLUG, (LIST,))))
    with served_desk(workspace) as served:
        yield served
    workspace.store.close()


def sound(page, name):
    """Take a picture, and see that nothing sticks out and axe finds nothing."""
    screenshot(page, name)
    assert ([], []) == (overflows(page), axe_violations(page)), name


@pytest.mark.parametrize(
    ("language", "width", "dark"),
    [("ru", 320, True), ("ro", 1024, False)],
)
def test_a_supporter_is_chosen_and_their_mail_is_sound(browser, desk, language, width, dark):
    """From the form to the mail in its frame, in every view; the address comes into no URL."""
    name = f"{language}-{width}-{'dark' if dark else 'light'}"
    preview = f"/desk/mailings/{SLUG}-1/preview"
    with open_page(browser, width=width, dark=dark, language=language) as page:
        member = welcome(desk.workspace, f"sender-{language}", StaffRole.SENDER)
        sign_in(page, desk.url, member, preview)
        page.locator("details", has=page.locator("#address")).locator("summary").click()
        sound(page, f"desk-preview-form-{name}")
        page.fill("#address", ANNA)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{preview}/supporter/*")
        assert "lighthouse" not in page.url
        sound(page, f"desk-preview-person-{name}")
        assert page.frame_locator("iframe.mail").locator("body").inner_text()
        page.select_option("#view", "source")
        page.locator("form[method=get] button").click()
        page.wait_for_selector("pre")
        sound(page, f"desk-preview-person-source-{name}")
