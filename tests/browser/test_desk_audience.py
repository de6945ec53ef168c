"""Audience, imports and supporters at the desk in a browser: narrow and wide, light and dark."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailer.app import supporters, uploading
from mailer.app.workspace import Workspace
from mailer.cli.workspace import make_workspace
from mailer.model.staff import Actor, ActorKind, StaffRole
from tests.support.browser import axe_violations, open_page, overflows, screenshot
from tests.support.clocks import FixedClock
from tests.support.desk import served_desk, sign_in, welcome

ANA = Actor(ActorKind.STAFF, "ana")
LIST = "harbor-news"
PEOPLE = (
    "Почта,Имя,Язык,Страна,Метки,Размер обуви\n"
    "anna@example.org,Анна Сергеевна Долгофамильная,ru,MD,press;choir,38\n"
    "boris@example.org,Борис,uk,UA,,44\nvera@example.org,Вера,ro,Молдова,,39\nnobody,Г,ru,MD,,40\n"
).encode()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The desk of the sample workspace, with a file that was checked and a supporter."""
    folder = tmp_path_factory.mktemp("desk") / "workspace"
    make_workspace(folder).store.close()
    workspace = Workspace.open(folder, FixedClock(datetime.now(UTC)))
    supporters.add_person(
        workspace, ANA, LIST, "anna@example.org",
        {"name": "Анна", "languages": "ru;ro", "country": "MD", "tags": "press"}, "by letter",
    )  # fmt: skip
    with served_desk(workspace) as served:
        yield served
    workspace.store.close()


def uploaded(workspace, *, checked):
    """The id of a file; it was checked, or waits for its columns."""
    upload = uploading.receive(workspace, ANA, LIST, "Наши люди.csv", PEOPLE)
    if checked:
        targets = [one.proposed for one in uploading.sample_of(workspace, upload).columns]
        uploading.choose_columns(workspace, upload, targets)
        uploading.begin_check(workspace, upload.upload_id)
        uploading.check(workspace, ANA, upload.upload_id)
    return upload.upload_id


@pytest.mark.parametrize(
    ("language", "width", "dark"),
    [("ru", 320, True), ("ro", 1024, False)],
)
def test_every_page_is_sound(browser, desk, language, width, dark):
    """Nothing sticks out, axe finds nothing, and what is counted comes by itself."""
    workspace = desk.workspace
    member = welcome(workspace, f"sender-{language}", StaffRole.SENDER)
    waiting, checked = uploaded(workspace, checked=False), uploaded(workspace, checked=True)
    person = supporters.add_person(
        workspace, ANA, LIST, f"vera-{language}@example.org", {"name": "Вера"}, "by letter"
    )[0]
    with open_page(browser, width=width, dark=dark, language=language) as page:
        sign_in(page, desk.url, member)
        for name, path, wait in (
            ("lists", "audience", "[data-fetch] table"),
            ("count", f"audience/count?list={LIST}&segment=country+%3D+MD", "[data-fetch] table"),
            (
                "segment",
                "audience/segments/active-volunteers",
                "[data-fetch] table, [data-fetch] .problems",
            ),
            ("new-segment", "audience/new-segment", ""),
            ("imports", "audience/import", ""),
            ("columns", f"audience/import/{waiting}", ""),
            ("checked", f"audience/import/{checked}", ""),
            ("supporters", "supporters", ""),
            ("supporter", f"supporters/{person}", ""),
            ("correct", f"supporters/{person}/correct", ""),
            ("erase", f"supporters/{person}/erase", ""),
            ("add", "supporters/add", ""),
        ):
            page.goto(f"{desk.url}/desk/{path}")
            if wait:
                page.wait_for_selector(wait)
            screenshot(page, f"desk-{name}-{language}-{width}-{'dark' if dark else 'light'}")
            assert ([], []) == (overflows(page), axe_violations(page)), name


def test_a_row_is_added_by_the_keyboard_alone(browser, desk):
    """The Enter key in a field shows what the form says, and takes no row away."""
    member = welcome(desk.workspace, "keys", StaffRole.SENDER)
    with open_page(browser) as page:
        sign_in(page, desk.url, member, "/desk/audience/new-segment")
        page.fill("#row-0-0", "MD, UA")
        page.keyboard.press("Enter")
        page.wait_for_selector("pre")
        assert "country in (MD, UA)" == page.inner_text("pre")
