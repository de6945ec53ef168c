"""`mailer run` and its children: signals, deaths, restarts, and keys that are not there."""

import os
import re
import shutil
import signal
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.conftest import SLUG
from tests.acceptance.processes import (
    answers,
    figures,
    health,
    is_alive,
    ports,
    running,
    until,
)
from tests.support.mail import message, text_of
from tests.support.smtp_server import Misbehaviour

pytestmark = [pytest.mark.acceptance]

KEY = f"{SLUG}-1"
ROLES = {"scheduler", "senders", "web", "sandbox"}
PLAN = ("--statement", SLUG, "--list", "crowd")


def schedule_soon(mailer, folder, count):
    """Schedule the plan a few seconds ahead."""
    at = (datetime.now(UTC) + timedelta(seconds=4)).strftime("%Y-%m-%dT%H:%M:%S")
    ended = mailer(folder, "schedule", *PLAN, "--at", at, "--timezone", "UTC", "--yes", count)
    assert 0 == ended.status, ended.text


def everything_up(started):
    """Wait until all children are there and answer; return their ids by role."""
    until(lambda: all(answers(port) for port in ports(started.folder)), "the ports to answer")
    until(lambda: set(started.children()) == ROLES, "all the children")
    return started.children()


def test_run_serves_starts_again_what_dies_and_ends_on_sigterm(workspace):
    """Pages and inbox on ports of their own; a killed child comes back; no process is left."""
    web, smtp, inbox = ports(workspace)
    with running(workspace) as started:
        before = everything_up(started)
        with urllib.request.urlopen(f"http://127.0.0.1:{inbox}/", timeout=10) as page:
            assert 200 == page.status
        os.kill(before["web"], signal.SIGKILL)
        until(lambda: started.children().get("web") not in (None, before["web"]), "a new child")
        until(lambda: answers(web), "the pages to answer again")
        after = started.children()
        assert {**before, "web": after["web"]} == after
        assert 0 == started.stop()
        assert [] == [pid for pid in after.values() if is_alive(pid)]
        lines, told = started.lines(), started.log.read_text(encoding="utf-8")
    assert [] == [port for port in (web, smtp, inbox) if answers(port)]
    assert "Not live: the sandbox takes every mail." in told
    assert f"http://127.0.0.1:{inbox}/" in told
    assert "Traceback" not in told
    (died,) = [line for line in lines if line["event"] == "process died"]
    assert ("warning", "web", -9) == (died["level"], died["process"], died["code"])
    assert sorted(ROLES) == sorted(line["process"] for line in lines if line["event"] == "ended")


def test_figures_and_health_are_served_beside_everything_else(mailer, crowd, metrics_port):
    """One command; figures follow a mailing through the sandbox, and outlive who serves them."""
    folder = crowd(12)
    accepted = (
        'mailer_outcomes_total{domain_class="other",outcome="accepted",reason="",relay="sandbox"}'
    )
    with running(folder, "--senders", "2") as started:
        until(lambda: health(metrics_port) == (200, "All is well.\n"), "all to be well")
        seen = figures(metrics_port)
        assert accepted not in seen
        assert 'mailer_deliveries_waiting{state="due"} 0.0' in seen
        schedule_soon(mailer, folder, 12)
        until(lambda: 'mailings{state="finished"} 1.0' in figures(metrics_port), "the mailing")
        children = started.children()
        os.kill(children["web"], signal.SIGKILL)
        until(lambda: started.children().get("web") not in (None, children["web"]), "a new child")
        until(lambda: health(metrics_port) == (200, "All is well.\n"), "all to be well again")
        seen = figures(metrics_port)
        # None of the others has died meanwhile.
        assert {**children, "web": 0} == {**started.children(), "web": 0}
        assert 0 == started.stop()
    assert f"{accepted} 12.0" in seen
    assert "mailer_deliveries_in_doubt 0.0" in seen
    assert "mailer_oldest_due_seconds 0.0" in seen


def test_ctrl_c_ends_it_as_cleanly_as_sigterm(workspace):
    """It reaches the whole group at once; the children leave it to their parent."""
    with running(workspace) as started:
        children = everything_up(started)
        os.killpg(started.process.pid, signal.SIGINT)
        assert 0 == started.process.wait(60)
        assert [] == [pid for pid in children.values() if is_alive(pid)]
        assert "Traceback" not in started.log.read_text(encoding="utf-8")


def test_a_killed_parent_leaves_no_orphans(workspace):
    """Kill -9 gives it no chance to say goodbye; the children end by themselves within seconds."""
    with running(workspace) as started:
        children = everything_up(started)
        started.process.kill()
        try:
            until(lambda: not any(map(is_alive, children.values())), "the children to end", 10)
        finally:
            for pid in filter(is_alive, children.values()):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("role", ["web", "scheduler", "senders", "sandbox"])
def test_a_part_runs_alone_and_ends_on_sigterm(workspace, role):
    """Without children, for machines whose own manager starts the parts."""
    with running(workspace, "--only", role) as started:
        begun = until(
            lambda: [line for line in started.lines() if line["event"] == "started"], role
        )
        assert role == begun[0]["process"]
        web, smtp, inbox = ports(workspace)
        mine = {"web": {web}, "sandbox": {smtp, inbox}}.get(role, set())
        until(lambda: all(map(answers, mine)), "its ports to answer")
        assert mine == {port for port in (web, smtp, inbox) if answers(port)}
        assert {} == started.children()
        assert 0 == started.stop()
        assert "ended" == started.lines()[-1]["event"]


def test_a_restart_during_a_mailing_loses_and_repeats_nothing(mailer, crowd, relay):
    """Stopped in its midst and started again: everybody is mailed, and once."""
    workspace = crowd(60)
    server = relay(Misbehaviour.SLOW_REPLY, slow_s=0.2)
    schedule_soon(mailer, workspace, 60)
    with running(workspace, "--only", "scheduler") as scheduler:
        with running(workspace, "--only", "senders") as senders:
            server.wait_for(4, 60)
            assert (0, 0) == (senders.stop(), scheduler.stop())
        assert len(server.mails) < 60
        report = mailer(workspace, "report", KEY, "--json").json()
        assert len(server.mails) == report["by_outcome"]["accepted"]
        assert 60 - len(server.mails) == report["open"]
    server.behaviour = Misbehaviour.ACCEPT
    with running(workspace, "--only", "scheduler"), running(workspace, "--only", "senders"):
        until(lambda: mailer(workspace, "report", KEY, "--json").json()["state"] == "finished",
              "the mailing to finish")  # fmt: skip
    assert {"accepted": 60} == mailer(workspace, "report", KEY, "--json").json()["by_outcome"]
    assert 60 == len(server.recipients) == len(set(server.recipients))


def test_a_killed_sender_repeats_nothing_and_says_what_it_cannot_know(mailer, crowd, relay):
    """Kill -9 in mid-mailing: who got it gets it no second time, the rest once; then as one says.

    What a person has sent again arrives once more, as the same message.
    """
    workspace = crowd(60)
    server = relay(Misbehaviour.SLOW_REPLY, slow_s=0.2)
    schedule_soon(mailer, workspace, 60)
    with running(workspace, "--only", "scheduler"):
        with running(workspace, "--only", "senders") as senders:
            server.wait_for(6, 60)
            senders.process.kill()
            senders.process.wait(30)
        server.behaviour = Misbehaviour.ACCEPT
        with running(workspace, "--only", "senders"):
            until(lambda: mailer(workspace, "report", KEY, "--json").json()["state"] == "finished",
                  "the mailing to finish")  # fmt: skip
    report = mailer(workspace, "report", KEY, "--json").json()
    doubted = len(report["in_doubt"])
    assert 60 == report["by_outcome"]["accepted"] + doubted
    assert 1 <= doubted <= 4
    assert len(server.recipients) == len(set(server.recipients))
    shown = mailer(workspace, "report", KEY).out
    assert re.search(r"delivery \d+ .+ sandbox +the sender died before it could read a", shown)
    assert f"mailer resolve {KEY} --resend" in shown
    before = len(server.mails)
    ended = mailer(workspace, "resolve", KEY, "--resend", "--yes")
    assert 0 == ended.status, ended.text
    with running(workspace, "--only", "scheduler"), running(workspace, "--only", "senders"):
        until(lambda: mailer(workspace, "report", KEY, "--json").json()["state"] == "finished",
              "the mailing to finish")  # fmt: skip
    assert {"accepted": 60} == mailer(workspace, "report", KEY, "--json").json()["by_outcome"]
    assert before + doubted == len(server.mails)
    assert 60 == len({message(mail.content)["Message-ID"] for mail in server.mails})


@pytest.fixture(scope="module")
def stranger(mailer, tmp_path_factory):
    """Key files that belong to another workspace."""
    folder = tmp_path_factory.mktemp("stranger")
    mailer(folder, "init", folder)
    return folder


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("seal.key", (
            ["check"], ["run"], ["run", "--only", "senders"],
            ["import", "lists/example-harbor-news.csv", "--list", "harbor-news"],
            ["import", "lists/example-harbor-news.csv", "--list", "harbor-news", "--dry-run"],
        )),
        ("service.key", (
            ["check"], ["run"], ["run", "--only", "web"], ["run", "--only", "senders"],
            ["import", "lists/example-harbor-news.csv", "--list", "harbor-news"],
            ["preview", KEY, "--language", "en", "--out", "preview"],
        )),
    ],
)  # fmt: skip
def test_a_lost_or_wrong_key_is_said_by_every_command_that_needs_it(
    mailer, workspace, stranger, name, commands
):
    """Missing, damaged, open to others, another workspace's: which file, and what to do."""
    told = mailer(workspace, "mailings", "coverage", "--statement", SLUG, "--list", "harbor-news",
                  "--json").json()  # fmt: skip
    mailer(
        workspace, "schedule", "--statement", SLUG, "--list", "harbor-news", "--at",
        "2036-01-01T09:00", "--timezone", "UTC", "--yes", told["to_mail"],
    )  # fmt: skip
    path = workspace / name

    def missing():
        path.unlink()

    def damaged():
        path.write_text("not a key")
        path.chmod(0o600)

    def another():
        shutil.copy(stranger / name, path)

    def open_to_others():
        path.chmod(0o644)

    for spoil, words, needing in (
        (open_to_others, f"Run: chmod 600 {name}", commands[:2]),
        (damaged, "is damaged", commands[:2]),
        (another, "belongs to|is not the one this database was made with", commands),
        (missing, "is missing. Put it back from your copy", commands[1:]),
    ):
        spoil()
        for command in needing:
            ended = mailer(workspace, *command)
            assert 1 == ended.status, command
            assert re.search(rf"(?m)^{name}.*({words})", ended.err), (command, ended.err)


def test_what_needs_no_seal_key_works_without_it(mailer, workspace):
    """Web and scheduler start; lists, coverage and reports are shown (DESIGN, invariant 6)."""
    (workspace / "seal.key").unlink()
    for command in (["lists"], ["mailings", "list"], ["statements", "list"], ["mailings", "coverage",
                    "--statement", SLUG, "--list", "harbor-news"]):  # fmt: skip
        assert 0 == mailer(workspace, *command).status
    with (
        running(workspace, "--only", "web") as web,
        running(workspace, "--only", "scheduler") as scheduler,
    ):
        until(lambda: answers(ports(workspace)[0]), "the pages to answer")
        until(scheduler.lines, "the scheduler to start")
        assert (0, 0) == (web.stop(), scheduler.stop())


def test_what_is_sent_is_what_was_scheduled(mailer, crowd, relay, change):
    """Invariant 4: the sender's name changed, all files gone: nothing of that is in any mail."""
    workspace = crowd(4)
    server = relay(Misbehaviour.ACCEPT)
    schedule_soon(mailer, workspace, 4)
    change(workspace / "config.toml", 'name = { en = "Harbor Solidarity", ru = "Гавань солидарности"',
           'name = { en = "Somebody Else", ru = "Кто-то другой"')  # fmt: skip
    for name in ("templates", "lists"):
        shutil.rmtree(workspace / name)
    with running(workspace, "--only", "scheduler"), running(workspace, "--only", "senders"):
        mails = server.wait_for(4, 60)
    texts = [text_of(mail.content) for mail in mails]
    senders = {str(message(mail.content)["From"].addresses[0].display_name) for mail in mails}
    assert {"Harbor Solidarity", "Гавань солидарности"} == senders
    assert 2 == sum("Dina Karelova, director of the Willow Center" in text for text in texts)
    assert 2 == sum("Дина Карелова, директор центра «Ива»" in text for text in texts)
