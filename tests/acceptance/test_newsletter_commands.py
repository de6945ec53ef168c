"""A newsletter from its files to the mails, by the commands people type."""

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest

from tests.acceptance.conftest import SLUG
from tests.acceptance.processes import running, until

pytestmark = [pytest.mark.acceptance]

LETTERS = "harbor-letters"
KEY = f"{LETTERS}-1"
HOUR = ("--at", "2036-12-01T09:00", "--timezone", "Europe/Chisinau")


@pytest.fixture
def loaded(mailer, workspace):
    """A workspace with the sample newsletter loaded and the sample statement public."""
    for arguments in (("newsletters", "load", LETTERS), ("statements", "publish", SLUG)):
        ended = mailer(workspace, *arguments)
        assert 0 == ended.status, ended.text
    return workspace


def states(mailer, folder):
    """Return the state of every mailing by its key."""
    return {
        one["mailing"]: one["state"] for one in mailer(folder, "mailings", "list", "--json").json()
    }


def test_what_ships_has_no_fault_and_recurs_only_once_it_is_loaded(mailer, workspace):
    """The check looks at newsletters too; a list of none says what to do."""
    assert "Nothing is wrong." in mailer(workspace, "check").out
    assert "mailer newsletters load DIR" in mailer(workspace, "newsletters", "list").out
    ended = mailer(workspace, "newsletters", "load", LETTERS)
    assert re.search(r"drafted on \d{4}-\d\d-\d\d 09:00 Europe/Chisinau", ended.out)
    assert LETTERS in mailer(workspace, "newsletters", "list").out


def test_faults_are_told_by_the_check_and_keep_it_from_loading(mailer, workspace, change):
    """A cron expression, a list and a segment that are not there: with file, line and field."""
    path = workspace / "templates" / "newsletters" / LETTERS / "newsletter.toml"
    change(path, "0 9 * * 1", "0 9 * * 8")
    change(path, '"harbor-news"', '"no-such"')
    asked = """segment = "shoes = 4"\nexclude = 'received("lost-letter")'\nsender ="""
    change(path, "sender =", asked)
    for arguments in (("check",), ("newsletters", "load", LETTERS)):
        ended = mailer(workspace, *arguments)
        assert 1 == ended.status
        told = ended.err
        assert f'{LETTERS}/newsletter.toml:8: cron: "8" is no day of the week' in told
        assert f'{LETTERS}/newsletter.toml:14: lists: there is no list "no-such"' in told
        assert re.search(rf"{LETTERS}/newsletter\.toml:16: segment: .*shoes", told)
        assert f'{LETTERS}/newsletter.toml:17: exclude: no statement "lost-letter"' in told
    assert "Nothing was loaded." in ended.err


def test_preview_says_what_and_who_and_writes_nothing(mailer, loaded):
    """By language, with the number of people; the same for programs."""
    shown = mailer(loaded, "newsletters", "preview", LETTERS)
    for words in ("en: Letters from the harbor", "ru: Письма из гавани",
                  "  Her rights are our rights", "people would get it in this language",
                  "to be mailed in all"):  # fmt: skip
        assert words in shown.out
    told = mailer(loaded, "newsletters", "preview", LETTERS, "--json").json()
    assert {"en", "ru"} == set(told["editions"])
    assert [SLUG] == told["editions"]["ru"]["items"]
    assert told["coverage"]["to_mail"] == sum(told["coverage"]["by_language"].values()) > 0
    assert {} == states(mailer, loaded)


def test_a_draft_waits_for_a_person_and_is_scheduled_by_its_number(mailer, loaded):
    """Drafted by hand, previewed, scheduled with the count confirmed; then it is no draft."""
    made = mailer(loaded, "newsletters", "draft", LETTERS)
    assert f"Drafted {KEY}; nothing is sent before you release it." in made.out
    assert {KEY: "draft"} == states(mailer, loaded)
    assert "when you release it" in mailer(loaded, "mailings", "list").out
    assert "no draft was made" in mailer(loaded, "newsletters", "draft", LETTERS).out
    count = mailer(
        loaded, "mailings", "coverage", "--statement", LETTERS, "--list", "harbor-news", "--json"
    ).json()["to_mail"]
    # Released once more later, it would be mailed to everybody twice.
    for command in (("schedule", *HOUR), ("send",)):
        ended = mailer(loaded, *command, "--statement", LETTERS, "--list", "harbor-news")
        assert (2, True) == (ended.status, f"mailer schedule --draft {KEY}" in ended.err)
    refused = mailer(loaded, "schedule", "--draft", KEY, *HOUR, "--yes", count + 1)
    assert 1 == refused.status
    assert {KEY: "draft"} == states(mailer, loaded)
    ended = mailer(loaded, "schedule", "--draft", KEY, *HOUR, typed=f"{count}\n")
    assert 0 == ended.status, ended.text
    assert f"Scheduled {KEY} for 2036-12-01 09:00 Europe/Chisinau." in ended.out
    assert {KEY: "scheduled"} == states(mailer, loaded)
    again = mailer(loaded, "schedule", "--draft", KEY, *HOUR, "--yes", count)
    assert (1, True) == (again.status, f"{KEY} is scheduled, and no draft any more." in again.err)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--list", "harbor-news"), "--statement must be named"),
        (("--statement", SLUG), "--list must be named"),
        (("--draft", KEY, "--list", "harbor-news"), "--list: cannot be chosen with --draft."),
    ],
)
def test_what_schedule_is_not_told_is_asked_for(mailer, prepared, options, said):
    """A statement and its lists, or a draft: not half of one, and not both."""
    ended = mailer(prepared, "schedule", *options, *HOUR)
    assert (2, True) == (ended.status, said in ended.err)


def test_a_dropped_draft_and_a_stopped_newsletter(mailer, loaded):
    """What a dropped draft told of comes in the next; a stopped newsletter says so."""
    mailer(loaded, "newsletters", "draft", LETTERS)
    assert 0 == mailer(loaded, "cancel", KEY).status
    ended = mailer(loaded, "schedule", "--statement", LETTERS, "--list", "harbor-news", *HOUR)
    assert (2, True) == (ended.status, f"was dropped with {KEY}" in ended.err)
    assert f"Drafted {LETTERS}-2" in mailer(loaded, "newsletters", "draft", LETTERS).out
    # The next issue is no correction of one before.
    ended = mailer(loaded, "schedule", "--correct", KEY, *HOUR)
    assert (2, True) == (ended.status, f"{KEY} is an issue of a newsletter" in ended.err)
    assert 0 == mailer(loaded, "newsletters", "stop", LETTERS).status
    (told,) = mailer(loaded, "newsletters", "list", "--json").json()
    assert (None, [f"{LETTERS}-2"]) == (told["next_at"], told["drafts"])
    for command in ("preview", "draft", "stop"):
        ended = mailer(loaded, "newsletters", command, "no-such")
        assert (1, True) == (ended.status, 'no newsletter "no-such"' in ended.err)


def test_run_drafts_at_the_hour_and_sends_nothing_before_a_person_says_so(
    mailer, workspace, change
):
    """Every minute an issue: it waits as a draft, and goes to everybody once it is scheduled.

    It was loaded two minutes ago, as far as the database knows, so that an hour has passed already.
    """
    path = workspace / "templates" / "newsletters" / LETTERS / "newsletter.toml"
    change(path, "0 9 * * 1", "* * * * *")
    for arguments in (("newsletters", "load", LETTERS), ("statements", "publish", SLUG)):
        assert 0 == mailer(workspace, *arguments).status
    with closing(sqlite3.connect(workspace / "data" / "mailer.db")) as database, database:
        # Instants are stored in microseconds.
        database.execute("UPDATE newsletter SET active_from = active_from - 120 * 1000000")
    with running(workspace) as started:
        until(lambda: KEY in states(mailer, workspace), "the draft", 90)
        made = [line for line in started.lines() if line["event"] == "newsletter draft made"]
        assert [(LETTERS, KEY)] == [(one["newsletter"], one["mailing"]) for one in made]
        assert {KEY: "draft"} == states(mailer, workspace)
        assert 0 == mailer(workspace, "report", KEY, "--json").json()["to_mail"]
        count = mailer(
            workspace, "mailings", "coverage", "--statement", LETTERS, "--list", "harbor-news",
            "--json",
        ).json()["to_mail"]  # fmt: skip
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        ended = mailer(
            workspace, "schedule", "--draft", KEY, "--at", at, "--timezone", "UTC", "--yes", count
        )
        assert 0 == ended.status, ended.text
        until(lambda: "finished" == states(mailer, workspace)[KEY], "the end", 90)
        told = mailer(workspace, "report", KEY, "--json").json()
        assert 0 == started.stop()
    assert count == told["to_mail"] == sum(told["by_outcome"].values())
    assert told["by_outcome"]["accepted"] > 0
    assert {KEY} == set(states(mailer, workspace))
