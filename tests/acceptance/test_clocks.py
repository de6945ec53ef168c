"""Recipients' time, windows and quiet days from the command line to the mail."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.acceptance.conftest import SLUG
from tests.acceptance.processes import running, until

pytestmark = [pytest.mark.acceptance]

PLAN = ("--statement", SLUG, "--list", "harbor-news")
KEY = f"{SLUG}-1"
HOUR = ("--at", "2036-12-02T09:00", "--recipient-time")


def shown(mailer, folder):
    """Return the mailing as programs read it."""
    return mailer(folder, "mailings", "show", KEY, "--json").json()


def test_shares_are_shown_with_their_numbers_and_scheduled(mailer, workspace):
    """In the order they fall due, for people and programs; they add up to the number confirmed."""
    asked = mailer(workspace, "schedule", *PLAN, *HOUR, "--window", "09:00-20:00")
    assert 1 == asked.status
    lines = [line.split() for line in asked.out.splitlines() if "2036-12-02 09:00" in line]
    assert "Asia/Bishkek" == lines[1][0]
    assert ["2036-12-02", "03:00"] == lines[1][3:5]
    assert "only from 09:00 to 20:00 in each supporter's own zone" in asked.out
    count = mailer(workspace, "mailings", "coverage", *PLAN, "--json").json()["to_mail"]
    told = mailer(
        workspace, "schedule", *PLAN, *HOUR, "--window", "09:00-20:00", "--yes", count, "--json"
    ).json()
    assert count == sum(one["people"] for one in told["shares"])
    dues = [one["due_at"] for one in told["shares"]]
    assert told["due_at"] == dues[0] == min(dues)
    document = shown(mailer, workspace)
    assert {"waiting"} == {one["state"] for one in document["shares"]}
    assert ("09:00-20:00", True) == (document["window"], document["recipient_time"])
    assert "waits for its hour" in mailer(workspace, "mailings", "show", KEY).out
    assert "shares" in mailer(workspace, "report", KEY, "--json").json()


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--at", "2036-12-02T09:00"), 2, "--timezone: is missing."),
        ((*HOUR, "--window", "9-20"), 2, '--window: "9-20" is not a window.'),
        ((*HOUR, "--window", "10:00-20:00"), 2, "--at: 09:00 is outside the window 10:00-20:00."),
        ((*HOUR, "--quiet-days", "caturday"), 2, '--quiet-days: "caturday" is neither'),
        ((*HOUR, "--quiet-days", "mon,tue,wed,thu,fri,sat,sun"), 2, "every day is quiet"),
        ((*HOUR, "--late", "perhaps"), 2, "--late"),
        (("--at", "2036-12-06T09:00", "--timezone", "UTC", "--quiet-days", "sat"), 2,
         "--at: 2036-12-06 (sat) is a quiet day."),
        (("--at", "2036-12-02T09:00", "--timezone", "UTC", "--late", "now"), 2,
         "--late: says something of shares only."),
        (("--at", "2020-12-02T09:00", "--recipient-time"), 1, "has passed in every zone."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_plainly(mailer, workspace, options, status, words):
    """The option, what is wrong with it, and what to write; nothing is scheduled."""
    ended = mailer(workspace, "schedule", *PLAN, *options, "--yes", "1")
    assert status == ended.status
    assert words in ended.err
    assert [] == mailer(workspace, "mailings", "list", "--json").json()


def test_configured_quiet_days_hold_unless_set_aside(mailer, workspace, change):
    """A share on one moves and says so; `none` sets them aside."""
    change(workspace / "config.toml", "quiet_days = []", 'quiet_days = ["tue"]')
    moved = mailer(workspace, "schedule", *PLAN, *HOUR)
    assert "2036-12-03 09:00" in moved.out
    assert "day was quiet" in moved.out
    assert (
        "2036-12-03" not in mailer(workspace, "schedule", *PLAN, *HOUR, "--quiet-days", "none").out
    )
    one = ("--at", "2036-12-02T09:00", "--timezone", "UTC")
    assert "is a quiet day" in mailer(workspace, "schedule", *PLAN, *one).err


def test_late_shares_need_a_word_and_those_that_are_due_are_sent(mailer, workspace):
    """Where it is past the hour nobody is mailed before a person decides; `now` mails them."""
    # Past in Bishkek, still to come in New York.
    at = (datetime.now(ZoneInfo("Asia/Tbilisi")) - timedelta(minutes=90)).strftime("%Y-%m-%dT%H:%M")
    wish = ("schedule", *PLAN, "--at", at, "--recipient-time")
    refused = mailer(workspace, *wish, "--yes", "1")
    assert 2 == refused.status
    assert "where it is past" in refused.err
    assert "Write --late now to mail them at once, or --late skip to leave them out." in refused.err
    told = mailer(workspace, "mailings", "coverage", *PLAN, "--json").json()["to_mail"]
    assert 0 == mailer(workspace, *wish, "--late", "now", "--yes", told).status
    begun = datetime.now(UTC)
    due = {one["zone"]: one["due_at"] for one in shown(mailer, workspace)["shares"]}
    gone = {zone for zone, at_ in due.items() if datetime.fromisoformat(at_) <= begun}
    assert {"Asia/Bishkek", "Asia/Tbilisi"} <= gone < set(due)
    people = {one["zone"]: one["counted"] for one in shown(mailer, workspace)["shares"]}
    waiting = sum(people[zone] for zone in set(due) - gone)
    with running(workspace):
        until(
            lambda: mailer(workspace, "report", KEY, "--json").json()["open"] == waiting,
            "the late shares to be sent",
        )
    states = {
        one["zone"]: (one["state"], one["open"]) for one in shown(mailer, workspace)["shares"]
    }
    assert {("open", 0)} == {states[zone] for zone in gone}
    assert "waiting" == states["America/New_York"][0]
    # A share that waits is not held; it can be given up, and ends the mailing.
    assert "is not held (waits for its hour)." in mailer(
        workspace, "release", KEY, "--share", "America/New_York"
    ).err  # fmt: skip
    for zone in set(due) - gone:
        ended = mailer(workspace, "cancel", KEY, "--share", zone)
        assert f"The share {zone} of {KEY} is given up." in ended.out
    report = mailer(workspace, "report", KEY, "--json").json()
    assert sum(people[zone] for zone in set(due) - gone) == report["not_mailed"]["expired"]
    unknown = mailer(workspace, "cancel", KEY, "--share", "Mars/Olympus")
    assert f'{KEY} has no share "Mars/Olympus". See: mailer mailings show {KEY}' in unknown.err


def test_a_held_share_is_released_by_its_name(mailer, crowd):
    """The scheduler was away for longer than the grace: shown in lists, let go by a person."""
    workspace = crowd(3)
    zone = "Europe/Chisinau"
    due = datetime.now(ZoneInfo(zone)).replace(microsecond=0) + timedelta(seconds=12)
    ended = mailer(
        workspace, "schedule", "--statement", SLUG, "--list", "crowd", "--recipient-time",
        "--at", due.strftime("%Y-%m-%dT%H:%M:%S"), "--grace", "1s", "--yes", 3,
    )  # fmt: skip
    assert 0 == ended.status, ended.text
    until(lambda: datetime.now(UTC) > due + timedelta(seconds=2), "its grace to be over")

    def state():
        (only,) = shown(mailer, workspace)["shares"]
        return only["zone"], only["state"]

    with running(workspace, "--only", "scheduler"):
        until(lambda: state() == (zone, "held"), "the share to be held")
        listed = mailer(workspace, "mailings", "list").out
        assert f"1 share is held. See: mailer mailings show {KEY}" in listed
        told = mailer(workspace, "mailings", "show", KEY).out
        assert f"mailer release {KEY} --share {zone}" in told
        ended = mailer(workspace, "release", KEY, "--share", zone)
        assert f"Released of {KEY}: {zone}." in ended.out
        until(lambda: state() == (zone, "open"), "the share to go")
