"""Several sender processes under `mailer run`: deaths, graceful ends, and what is said of them."""

import os
import signal
from datetime import datetime

import pytest

from tests.acceptance.conftest import SLUG
from tests.acceptance.processes import running, until
from tests.acceptance.test_run import KEY, schedule_soon
from tests.support.smtp_server import Misbehaviour

pytestmark = [pytest.mark.acceptance]

#: Of the relay, for each sender process.
CONNECTIONS = 4
SENDERS = {"senders-1", "senders-2"}


def report(mailer, folder):
    """Return the mailing's report."""
    return mailer(folder, "report", KEY, "--json").json()


def events(started, name):
    """Return the log's lines of one event."""
    return [line for line in started.lines() if line["event"] == name]


def test_one_of_two_senders_that_is_killed_is_replaced_and_its_claims_go_out(
    mailer, crowd, live_relay
):
    """Kill -9 in the midst: without a person everybody is mailed once; the doubts are its own."""
    folder = crowd(100)
    server = live_relay(Misbehaviour.SLOW_REPLY, slow_s=0.25)
    schedule_soon(mailer, folder, 100)
    with running(folder, "--senders", "2") as started:
        server.wait_for(16, 60)
        children = started.children()
        assert {"scheduler", "web", *SENDERS} == set(children)
        running_now = mailer(folder, "status").out
        assert "2 senders (1 2)" in running_now
        os.kill(children["senders-1"], signal.SIGKILL)
        until(lambda: report(mailer, folder)["state"] == "finished", "the mailing to finish")
        (died,) = events(started, "process died")
        taken = events(started, "claims of a dead sender taken over")
        again = started.children()
        assert 0 == started.stop()
    assert ("senders-1", -9) == (died["process"], died["code"])
    assert children["senders-2"] == again["senders-2"]
    assert children["senders-1"] != again["senders-1"]
    # The living one took them over, before a new one had begun or soon after.
    idle = datetime.fromisoformat(taken[0]["at"]) - datetime.fromisoformat(died["at"])
    assert idle.total_seconds() < 5
    figures = report(mailer, folder)
    doubted = len(figures["in_doubt"])
    assert 1 <= doubted <= CONNECTIONS
    assert 100 == figures["by_outcome"]["accepted"] + doubted
    assert len(server.recipients) == len(set(server.recipients))


def test_a_stop_waits_for_final_replies_and_says_what_got_none(mailer, crowd, live_relay, change):
    """Who answers within the grace is on record; the rest is in doubt, and how many is said."""
    folder = crowd(40)
    change(folder / "config.toml", "shutdown_grace_s = 5.0", "shutdown_grace_s = 2.5")

    came: dict[str, int] = {}

    def behaviour(address):
        # By the order in which they come: whose digest is first differs from workspace to workspace.
        place = came.setdefault(address, len(came))
        return Misbehaviour.HANG_AFTER_DATA if place % 8 == 2 else Misbehaviour.SLOW_REPLY

    server = live_relay(behaviour, slow_s=1.0)
    schedule_soon(mailer, folder, 40)
    with running(folder, "--senders", "2") as started:
        server.wait_for(6, 60)
        started.process.send_signal(signal.SIGTERM)
        until(lambda: set(started.children()) <= SENDERS, "scheduler and pages to end")
        # Whoever is impatient is told what is waited for; nothing is cut sooner.
        started.process.send_signal(signal.SIGINT)
        assert 0 == started.process.wait(30)
        (told,) = [line for line in started.lines() if line["event"].startswith("ending already")]
        assert set(told["processes"].split(", ")) <= SENDERS
        assert 0 < told["at_most_s"] <= 12.5
        doubts = sum(line["in_doubt"] for line in events(started, "sender ended"))
        log = started.log.read_text(encoding="utf-8")
    figures = report(mailer, folder)
    assert "running" == figures["state"]
    assert 1 <= len(figures["in_doubt"]) <= 2 * CONNECTIONS
    assert doubts == len(figures["in_doubt"])
    assert f"In doubt, since no final reply came: {doubts} of {SLUG}-1." in log
    assert f"See: mailer report {KEY}" in log
    # Nothing new was begun: what the server got is on record, one way or the other.
    assert len(server.mails) == figures["by_outcome"]["accepted"] + doubts
    assert 40 - len(server.mails) == figures["open"]
    assert len(server.mails) <= 6 + 2 * CONNECTIONS


def test_so_many_senders_as_config_says_and_no_absurd_number(mailer, workspace, change):
    """`--senders` overrides `[delivery] senders`; what is out of bounds or in vain is refused."""
    for arguments, words in (
        (("--senders", "0"), "--senders"),
        (("--senders", "17"), "--senders"),
        (("--only", "senders", "--senders", "2"), "Leave one of them out"),
    ):
        ended = mailer(workspace, "run", *arguments)
        assert 2 == ended.status
        assert words in ended.err
    change(workspace / "config.toml", "senders = 1\n", "senders = 3\n")
    with running(workspace) as started:
        wanted = {"scheduler", "web", "sandbox", "senders-1", "senders-2", "senders-3"}
        until(lambda: set(started.children()) == wanted, "all the children")
        until(lambda: len(events(started, "started")) == 7, "all of them to begin")
        assert 0 == started.stop()
