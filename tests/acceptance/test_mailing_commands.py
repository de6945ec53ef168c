"""From a plan to a mailing on record, and what is refused on the way."""

import csv
import io
import os
import re
import signal
from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.conftest import SLUG
from tests.acceptance.processes import in_background, running, until
from tests.support.smtp_server import Misbehaviour

pytestmark = [pytest.mark.acceptance]

PLAN = ("--statement", SLUG, "--list", "harbor-news")
HOUR = ("--at", "2036-12-01T09:00", "--timezone", "Europe/Chisinau")
CROWD = ("--statement", SLUG, "--list", "crowd")
KEY = f"{SLUG}-1"
#: Commands that show one mailing.
SHOWING = (("mailings", "show"), ("report",))


@pytest.fixture
def count(mailer, prepared):
    """How many the plan would be mailed to."""
    return mailer(prepared, "mailings", "coverage", *PLAN, "--json").json()["to_mail"]


@pytest.fixture
def scheduled(mailer, workspace, count):
    """A workspace with a mailing of the plan at a far hour."""
    ended = mailer(workspace, "schedule", *PLAN, *HOUR, "--yes", count)
    assert 0 == ended.status, ended.text
    return workspace


def mailings(mailer, folder):
    """Return the state of every mailing by its key."""
    listed = mailer(folder, "mailings", "list", "--json").json()
    return {one["mailing"]: one["state"] for one in listed}


def test_coverage_adds_up_for_people_and_programs(mailer, prepared):
    """Everybody on the list has a language or a reason; missing editions are told by demand."""
    told = mailer(prepared, "mailings", "coverage", *PLAN, "--json").json()
    members = mailer(prepared, "lists", "--json").json()[0]["members"]
    assert members == told["to_mail"] + sum(told["not_mailed"].values())
    assert told["to_mail"] == sum(told["by_language"].values())
    assert told["to_mail"] == told["first_language"] + told["later_language"] + told["fallback"]
    wanted = [one["people"] for one in told["missing_editions"]]
    assert wanted == sorted(wanted, reverse=True)
    shown = mailer(prepared, "mailings", "coverage", *PLAN).out
    assert re.search(rf"to be mailed in all\s+{told['to_mail']}", shown)
    assert f"  {wanted[0]} people would want an edition in uk" in shown


def test_a_mailing_is_scheduled_by_typing_its_number(mailer, workspace, count):
    """Who, how many, from whom and when are shown first; the key and what to do next after."""
    ended = mailer(workspace, "schedule", *PLAN, *HOUR, typed=f"{count}\n")
    assert 0 == ended.status
    for words in ("from Harbor Solidarity", "to harbor-news", "2036-12-01 09:00 Europe/Chisinau",
                  f"Scheduled {KEY}", f"mailer cancel {KEY}"):  # fmt: skip
        assert words in ended.out
    assert f"Type {count} to confirm" in ended.err
    assert {KEY: "scheduled"} == mailings(mailer, workspace)
    shown = mailer(workspace, "mailings", "show", KEY).out
    assert f"{count} people were confirmed" in shown
    told = mailer(workspace, "schedule", *PLAN, *HOUR, "--yes", count, "--json").json()
    assert (f"{SLUG}-2", "2036-12-01T07:00:00+00:00") == (told["mailing"], told["due_at"])


def test_an_urgent_mailing_about_a_topic_says_so_at_each_step(mailer, workspace, change):
    """In the plan, on record and in the report; topics nobody could have chosen stop it."""
    declared = workspace / "templates" / "statements" / SLUG / "statement.toml"
    change(declared, "and_others = true", 'and_others = true\ntopics = ["women"]')
    assert 0 == mailer(workspace, "statements", "load", SLUG).status
    # Fewer than of a statement about nothing: some of the invented people chose other topics.
    told = mailer(workspace, "mailings", "coverage", *PLAN, "--urgent", "--json").json()
    ended = mailer(workspace, "schedule", *PLAN, *HOUR, "--urgent", "--yes", told["to_mail"])
    assert 0 == ended.status, ended.text
    words = ("urgent: also to those who want urgent appeals only",
             "about women: not to those who chose other topics only")  # fmt: skip
    for shown in (ended.out, *(mailer(workspace, *one, KEY).out for one in SHOWING)):
        assert [] == [one for one in words if one not in shown]
    told = mailer(workspace, "report", KEY, "--json").json()
    assert (True, ["women"]) == (told["urgent"], told["topics"])
    ended = mailer(workspace, "schedule", "--correct", KEY, *HOUR, "--urgent")
    assert (2, True) == (ended.status, "--urgent: cannot be chosen with --correct" in ended.err)
    ended = mailer(
        workspace, "mailings", "coverage", "--statement", SLUG, "--list", "harbor-volunteers"
    )
    assert 1 == ended.status
    assert 'topics: "women" is not a topic of harbor-volunteers.' in ended.err
    change(declared, '["women"]', '["women", "courts"]')
    assert 0 == mailer(workspace, "statements", "load", SLUG).status
    ended = mailer(workspace, "mailings", "coverage", *PLAN)
    assert 'topics: "courts" is not a topic of harbor-news.' in ended.err
    assert "There are: press, women." in ended.err


def test_another_number_schedules_nothing(mailer, workspace, count):
    """Neither by option nor typed, nor by pressing return."""
    for options, typed in (
        (("--yes", count + 1), ""), (("--yes", 0), ""), ((), f"{count + 1}\n"), ((), "\n"),
        ((), "yes\n"),
    ):  # fmt: skip
        ended = mailer(workspace, "schedule", *PLAN, *HOUR, *options, typed=typed)
        assert 1 == ended.status
        assert f"Not confirmed: it would go to {count} people. Nothing was scheduled." in ended.err
    ended = mailer(workspace, "send", *PLAN, "--yes", count - 1)
    assert 1 == ended.status
    assert {} == mailings(mailer, workspace)


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"--at": "2020-12-01T09:00"}, 1, "2020-12-01 09:00 Europe/Chisinau has passed."),
        ({"--at": "tomorrow"}, 2, '--at: "tomorrow" is not a date and hour.'),
        ({"--at": "2036-12-01T09:00+02:00"}, 2, "--at: has an offset of its own."),
        ({"--timezone": "Moldova"}, 2, '--timezone: "Moldova" is no time zone.'),
        ({"--statement": "nothing"}, 2, 'no statement "nothing" has been loaded.'),
        ({"--list": "nobody"}, 2, 'there is no list "nobody".'),
        ({"--sender": "nobody"}, 2, '--sender: there is no sender "nobody".'),
        ({"--segment": "countri = MD"}, 2, '--segment, column 1: "countri" is not a field.'),
        ({"--exclude": "city ="}, 2, "--exclude, column"),
        ({"--grace": "a while"}, 2, '--grace: "a while" is not a duration.'),
        ({"--segment": "country = AQ"}, 1, "Nobody would be mailed; nothing was scheduled."),
        ({"--yes": "many"}, 2, "--yes"),
    ],
)
def test_what_cannot_be_scheduled_is_said_plainly(mailer, workspace, count, changes, status, words):
    """The option, what is wrong with it, and what to write; nothing is written."""
    options = {**dict(zip(PLAN[::2], PLAN[1::2], strict=True)),
               **dict(zip(HOUR[::2], HOUR[1::2], strict=True)), "--yes": count, **changes}  # fmt: skip
    ended = mailer(workspace, "schedule", *(word for pair in options.items() for word in pair))
    assert status == ended.status
    assert words in ended.err
    assert {} == mailings(mailer, workspace)


def test_lists_of_two_senders_need_one_to_be_named(mailer, workspace):
    """Which it is cannot be guessed; named, it is taken."""
    both = (*PLAN, "--list", "lantern-friends")
    for command in (
        ("schedule", *HOUR, "--yes", "1"),
        ("send", "--yes", "1"),
        ("mailings", "coverage"),
    ):
        ended = mailer(workspace, *command, *both)
        assert 2 == ended.status
        assert "--sender: the lists have different senders: harbor, lantern." in ended.err
    ended = mailer(workspace, "mailings", "coverage", *both, "--sender", "lantern")
    assert 0 == ended.status
    assert "from Lantern Network (lantern)" in ended.out


def test_a_mailing_is_paused_resumed_and_cancelled(mailer, scheduled):
    """Each says where it stands now; cancelled is for good."""
    assert "is paused. Go on with: mailer resume" in mailer(scheduled, "pause", KEY).out
    assert {KEY: "paused"} == mailings(mailer, scheduled)
    assert f"{KEY} is scheduled again." in mailer(scheduled, "resume", KEY).out
    assert 0 == mailer(scheduled, "cancel", KEY).status
    assert {KEY: "cancelled"} == mailings(mailer, scheduled)


def test_what_a_mailings_state_forbids_is_refused(mailer, scheduled):
    """Exit status 1, the mailing and its state in plain words, and that stays as it is."""
    for state, before, forbidden in (
        ("scheduled", (), ("resume", "release")),
        ("paused", ("pause",), ("pause", "release")),
        ("cancelled", ("cancel",), ("pause", "resume", "cancel", "release")),
    ):
        for command in before:
            assert 0 == mailer(scheduled, command, KEY).status
        for command in forbidden:
            ended = mailer(scheduled, command, KEY)
            assert (1, "") == (ended.status, ended.out)
            assert f"{KEY} is {state}" in ended.err
            assert {KEY: state} == mailings(mailer, scheduled)


def test_a_mailing_nobody_knows_is_said_plainly(mailer, prepared):
    """By every command that takes one, with where to look."""
    for command in (
        ["pause"], ["resume"], ["cancel"], ["release"], ["report"], ["report", "--json"],
        ["deliveries"], ["deliveries", "--csv"], ["mailings", "show"],
        ["preview", "--language", "en", "--out", "preview"],
    ):  # fmt: skip
        ended = mailer(prepared, *command, "nothing-1")
        assert (1, "") == (ended.status, ended.out)
        assert 'There is no mailing "nothing-1". See: mailer mailings list.' in ended.err


def test_a_mailing_later_than_its_grace_waits_for_a_person(mailer, crowd):
    """It is held with a reason, sent by nobody, and goes on once it is released."""
    workspace = crowd(3)
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=4)
    ended = mailer(
        workspace, "schedule", *CROWD, "--at",
        due.strftime("%Y-%m-%dT%H:%M:%S"), "--timezone", "UTC", "--grace", "1s", "--yes", 3,
    )  # fmt: skip
    assert 0 == ended.status, ended.text
    until(lambda: datetime.now(UTC) > due + timedelta(seconds=2), "its grace to be over")
    with running(workspace, "--only", "scheduler"):
        until(lambda: mailings(mailer, workspace) == {KEY: "held"}, "the mailing to be held")
        assert "Its hour passed" in mailer(workspace, "mailings", "list").out
        report = mailer(workspace, "report", KEY, "--json").json()
        assert (0, "held") == (report["people"], report["state"])
        assert f"Let it go: mailer release {KEY}" in mailer(workspace, "mailings", "show", KEY).out
        assert "It was held: Its hour passed" in mailer(workspace, "release", KEY).out
        until(lambda: mailings(mailer, workspace) == {KEY: "running"}, "the mailing to run")


def test_send_shows_the_report_of_what_became_of_everybody(mailer, crowd, relay):
    """In the foreground; one mail to each, and the same figures for people and programs."""
    workspace = crowd(7)
    server = relay(lambda to: Misbehaviour.REFUSE_RCPT if to.startswith("person3") else
                   Misbehaviour.ACCEPT)  # fmt: skip
    ended = mailer(workspace, "send", *CROWD, "--yes", 7)
    assert 0 == ended.status, ended.text
    assert f"Sending {KEY}." in ended.text
    assert re.search(r"accepted by the relay\s+6", ended.out)
    assert "Everyone on the lists was mailed or has a reason above." in ended.out
    people = {f"person{one}@example.org" for one in range(7)}
    assert sorted(people - {"person3@example.org"}) == sorted(server.recipients)
    report = mailer(workspace, "report", KEY, "--json").json()
    assert {"accepted": 6, "refused": 1} == report["by_outcome"]
    assert ("finished", 0, 7, {"550 5.1.1": 1}) == tuple(
        report[name] for name in ("state", "open", "people", "refusals")
    )
    rows = list(csv.DictReader(io.StringIO(mailer(workspace, "deliveries", KEY, "--csv").out)))
    told = mailer(workspace, "deliveries", KEY, "--json").json()
    assert 7 == len(rows) == len(told)
    assert [("refused", "550", "5.1.1")] == [
        (row["state"], row["code"], row["enhanced_code"])
        for row in rows
        if row["state"] != "accepted"
    ]
    assert {"en": 4, "ru": 3} == {
        language: sum(row["language"] == language for row in rows) for language in ("en", "ru")
    }
    assert 7 == len(mailer(workspace, "deliveries", KEY).out.splitlines()) - 1


def test_ctrl_c_stops_send_and_run_goes_on_with_it(mailer, crowd, relay):
    """Exit status 1; nobody is mailed twice and nobody is missed."""
    workspace = crowd(60)
    server = relay(Misbehaviour.SLOW_REPLY, slow_s=0.2)
    with in_background(workspace, "send", *CROWD, "--yes", "60") as sending:
        until(lambda: len(server.mails) >= 4 or sending.process.poll(), "the first mails")
        status, told = sending.stop(signal.SIGINT), sending.log.read_text(encoding="utf-8")
        assert 1 == status, told
        assert "Traceback" not in told, told
    assert 4 <= len(server.mails) < 60, told
    assert {KEY: "running"} == mailings(mailer, workspace)
    server.behaviour = Misbehaviour.ACCEPT
    with running(workspace, "--only", "scheduler"), running(workspace, "--only", "senders"):
        until(lambda: mailings(mailer, workspace) == {KEY: "finished"}, "the mailing to finish")
    assert {"accepted": 60} == mailer(workspace, "report", KEY, "--json").json()["by_outcome"]
    assert 60 == len(server.recipients) == len(set(server.recipients))


def test_a_preview_is_the_mail_as_files_to_open(mailer, scheduled):
    """For a reader whose language has no edition too; without Chromium there are no pictures."""
    ended = mailer(
        scheduled, "preview", KEY, "--language", "ro", "--out", "preview", PATH=os.devnull
    )
    assert 0 == ended.status
    assert "There is no edition for ro: it shows the one in en, with the notice." in ended.out
    assert "No pictures of it: Chromium is not installed" in ended.err
    written = {path.suffix for path in (scheduled / "preview").iterdir()}
    assert {".eml", ".txt", ".html", ".png"} == written
    assert "Limbi disponibile: engleză, rusă" in (
        scheduled / "preview" / f"{KEY}-ro.txt"
    ).read_text(encoding="utf-8")  # fmt: skip
    for line in ended.out.splitlines()[1:]:
        assert (scheduled / line.strip()).is_file()
    ended = mailer(scheduled, "preview", KEY, "--language", "xx", "--out", "preview")
    assert 2 == ended.status
    assert '--language: "xx" is no language.' in ended.err
    ended = mailer(scheduled, "preview", KEY, "--language", "en", "--out", "config.toml")
    assert 1 == ended.status
    assert "Name another folder with --out." in ended.err


def test_every_command_that_reports_tells_it_to_programs_too(mailer, scheduled):
    """`--json` prints JSON and nothing else; the same command without it prints none."""
    for command in (
        ["check"], ["lists"], ["statements", "check"], ["statements", "list"],
        ["statements", "show", SLUG], ["mailings", "list"], ["mailings", "coverage", *PLAN],
        ["mailings", "show", KEY], ["report", KEY], ["deliveries", KEY],
    ):  # fmt: skip
        told, shown = mailer(scheduled, *command, "--json"), mailer(scheduled, *command)
        assert (0, 0, "") == (told.status, shown.status, told.err), command
        assert isinstance(told.json(), dict | list)
        assert not shown.out.startswith(("{", "["))
