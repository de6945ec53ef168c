"""The first page of the desk: what needs a person now, for whom, and the first steps."""

from __future__ import annotations

import pytest

from mailer.app.approving import ask_for_approval
from mailer.app.planning import Wish, make_plan
from mailer.app.preflight.leaving import domains_digest
from mailer.app.scheduling import make_draft
from mailer.model.findings import Finding, Grade
from mailer.model.staff import BY_ITSELF, StaffRole
from mailer.store.looks import DomainLook, keep_domain_look
from tests.support.clocks import FixedClock
from tests.support.desk import served_desk
from tests.support.drafts import LIST, SLUG, drafting_workspace


@pytest.fixture
def desk(tmp_path, sqlite_store):
    """A desk on a workspace with the sample statement."""
    workspace = drafting_workspace(tmp_path, sqlite_store, FixedClock())
    (tmp_path / "data").mkdir(exist_ok=True)
    with served_desk(workspace) as served:
        yield served


def test_a_new_workspace_shows_the_first_steps_in_order(desk):
    """What is done is marked so; the sample statement is there, people and mailings are not."""
    with desk.signed_in(*StaffRole) as browser:
        page = browser.get("/desk").text
    steps = [
        "Invite your colleagues",
        "Write a statement",
        "Bring in the people of your lists",
        "Make a mailing: who gets which statement",
        "Schedule it, and watch it go out",
    ]
    places = [page.index(one) for one in steps]
    assert sorted(places) == places
    assert (1, 4) == (page.count(">Done<"), page.count(">To do<"))


def test_who_approves_sees_what_waits_for_them(desk):
    """And who does not is not asked to."""
    workspace = desk.workspace
    made = make_draft(workspace, BY_ITSELF, make_plan(workspace, Wish(SLUG, (LIST,))))
    ask_for_approval(workspace, BY_ITSELF, made.key)
    waits = f"{made.key} waits for approval."
    with desk.signed_in(StaffRole.APPROVER) as his, desk.signed_in(StaffRole.SENDER) as hers:
        assert waits in his.get("/desk").text
        assert waits not in hers.get("/desk").text


def test_a_stale_edition_is_told_to_who_writes(desk):
    """Once the original is changed after the translation, with a link to the editor."""
    told = "the original changed after the edition in this language was translated"
    with desk.signed_in(StaffRole.AUTHOR) as browser:
        browser.get(f"/desk/statements/{SLUG}")
        browser.post(f"/desk/statements/{SLUG}/open")
        assert told not in browser.get("/desk").text
        page = browser.get(f"/desk/statements/{SLUG}/editions/en").text
        seen = page.split('name="seen" value="')[1].split('"')[0]
        browser.post(
            f"/desk/statements/{SLUG}/editions/en",
            {"seen": seen, "title": "Other", "subject": "Other", "preheader": "", "body": "Other."},
        )
        home = browser.get("/desk").text
    assert told in home
    assert f'href="/desk/statements/{SLUG}/editions/ru"' in home


def test_a_domain_that_is_wrong_is_told(desk):
    """By the last answer of the DNS that is on record, for the sender as it is configured now."""
    workspace = desk.workspace
    told = "The domain of the sender harbor is not set up as it should be."
    sender = workspace.config.sender("harbor")
    look = DomainLook("harbor", workspace.clock.now(), (Finding(Grade.WRONG, "SPF", "is missing"),))
    with desk.signed_in(StaffRole.ADMINISTRATOR) as browser:
        assert told not in browser.get("/desk").text
        with workspace.store.write() as connection:
            keep_domain_look(connection, look, domains_digest(workspace, sender))
        assert told in browser.get("/desk").text
