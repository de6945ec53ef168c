"""The report by segment at the desk, and the live page by relay and mail provider."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from mailer.app.workspace import Workspace
from mailer.cli.workspace import make_workspace
from mailer.model.staff import StaffRole
from mailer.model.states import DeliveryState, MailingState
from mailer.store import tables
from tests.support.clocks import FixedClock
from tests.support.desk import served_desk
from tests.support.factories import Ground, make_revision

KEY = "free-the-library-1"
SEGMENTS = """
[from-moldova]
name = "From Moldova"
expression = "country = MD"

[from-ukraine]
expression = "country = UA"

[tall]
expression = "height > 180"
"""


@pytest.fixture
def desk(tmp_path):
    """The desk of a workspace with three segments, and a mailing of which 24 were accepted."""
    folder = tmp_path / "workspace"
    make_workspace(folder).store.close()
    (folder / "lists" / "segments.toml").write_text(SEGMENTS, "utf-8")
    workspace = Workspace.open(folder, FixedClock(datetime.now(UTC)))
    ground = Ground(workspace.store, workspace.seal_keys, workspace.service_keys)
    ground.add_list()
    mailing = ground.add_mailing(
        ["harbor-news"], revision=make_revision("free-the-library"), state=MailingState.FINISHED
    )
    for number in range(24):
        country = "MD" if number < 4 else "UA"
        person = ground.add_supporter(f"p{number}@example.org", "harbor-news", country=country)
        ground.add_delivery(mailing, person, DeliveryState.ACCEPTED)
    with workspace.store.write() as connection:
        for relay, provider, ending in (
            ("main", "gmail", "accepted"), ("main", "other", "deferred"), ("spare", "gmail", "refused"),
        ):  # fmt: skip
            connection.execute(
                tables.outcome_count.insert().values(
                    mailing_id=mailing.row_id, relay=relay, domain_class=provider, ending=ending,
                    reason="address" if ending == "refused" else "", deliveries=7,
                )
            )  # fmt: skip
    with served_desk(workspace) as served:
        assert KEY == mailing.key
        yield served
    workspace.store.close()


@pytest.fixture
def sender(desk):
    """A browser in which a sender is signed in."""
    with desk.signed_in(StaffRole.SENDER) as browser:
        yield browser


def test_the_report_fetches_its_segments_apart(sender):
    """Without scripts a link leads to the same on a page of its own."""
    at = f"/desk/mailings/{KEY}/report"
    page = sender.get(at).text
    assert f'data-fetch="{at}/segments?part=1"' in page
    assert f'href="{at}/segments"' in page
    part = sender.get(f"{at}/segments?part=1").text
    assert "<html" not in part
    whole = sender.get(f"{at}/segments").text
    for one in (part, whole):
        assert "From Moldova" in one
        assert "Whoever was erased is in none." in one
        assert "not known any more: tall." in one


def test_partners_see_no_small_segment(sender):
    """Four people in Moldova are not told, nor by way of the twenty in Ukraine."""
    at = f"/desk/mailings/{KEY}/report/segments"
    assert ">4<" in sender.get(at).text
    page = sender.get(f"{at}?for=partners").text
    assert "&lt; 10" in page
    assert ">20<" not in page


def test_segments_are_printed_and_saved_where_that_is_asked(sender):
    """The print page, CSV and JSON have one table more then."""
    at = f"/desk/mailings/{KEY}/report"
    assert "From Moldova" in sender.get(f"{at}?print=1&segments=1").text
    assert "From Moldova" not in sender.get(f"{at}?print=1").text
    sender.get(f"{at}/segments")
    saved = sender.post(f"{at}/file", {"kind": "csv", "segments": "1"}, follow=False).text
    assert "segment,from-moldova,accepted,4" in saved
    document = sender.post(
        f"{at}/file", {"kind": "json", "segments": "1", "for": "partners"}, follow=False
    )
    told = json.loads(document.text)["tables"]["segment"]
    assert "< 10" == told["from-moldova"]["accepted"]
    assert "hidden" == told["from-ukraine"]["accepted"]


def test_outcomes_are_shown_by_relay_and_mail_provider(sender):
    """On the live page, and in what it is sent."""
    page = sender.get(f"/desk/mailings/{KEY}/watch").text
    table = page.partition("Attempts, by relay and mail provider")[2].partition("</table>")[0]
    for words in ("main", "spare", "gmail", "other providers"):
        assert words in table
    assert "Attempts, by relay and mail provider" in sender.get(f"/desk/mailings/{KEY}/live").text
