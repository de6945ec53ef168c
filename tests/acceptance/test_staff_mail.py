"""Test sends, alerts and `mailer status`, by the real commands and processes."""

import json
import re
import socket
import sys
import urllib.request
from dataclasses import replace

import pytest

from mailer.app.workspace import Workspace
from mailer.domains.received import facts_of
from mailer.model.service import SentFacts
from mailer.store.service_mails import find_sent_facts, last_sent_facts
from mailer.tokens import ServiceTokens
from tests.acceptance.conftest import EDITOR, SLUG
from tests.acceptance.processes import answers, ports, running, until
from tests.support.mail import assert_wire_form, header, message, text_of
from tests.support.smtp_server import Misbehaviour

pytestmark = [pytest.mark.acceptance]

PLAN = ("--statement", SLUG, "--list", "harbor-news")


def closed_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def staffed(workspace, change):
    """A function that gives the workspace its relays by their ports, and what [alerts] says."""

    def give(port, second=0, **alerts):
        path = workspace / "config.toml"
        change(path, 'host = "smtp.example.org"\nport = 587', f'host = "127.0.0.1"\nport = {port}')
        change(path, 'tls = "starttls"', 'tls = "none"')
        if second:
            text = (
                f'[[relays]]\nkey = "second"\nhost = "127.0.0.1"\nport = {second}\ntls = "none"\n'
            )
            path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")
        for key, value in alerts.items():
            empty = '""' if isinstance(value, str) else "[]"
            old, new = f"\n{key} = {empty}", f"\n{key} = {json.dumps(value)}"
            text = path.read_text(encoding="utf-8")
            head, mark, tail = text.partition("[alerts]")
            assert old in tail
            path.write_text(head + mark + tail.replace(old, new, 1), encoding="utf-8")
        return workspace

    return give


def test_a_test_send_is_the_mail_a_supporter_would_get_and_unsubscribes_nobody(
    mailer, staffed, smtp_server
):
    """By the real relay though the workspace is not live; what was sent is on record to compare."""
    server = smtp_server()
    folder = staffed(server.port)
    before = mailer(folder, "lists", "--json").json()
    ended = mailer(folder, "test-send", "--statement", SLUG, "--language", "ru")
    assert 0 == ended.status, ended.text
    assert f"{EDITOR}: accepted: 250" in ended.out
    (mail,) = server.mails
    assert (EDITOR,) == mail.rcpt_tos
    assert_wire_form(mail.content)
    edition = (folder / f"templates/statements/{SLUG}/ru.md").read_text(encoding="utf-8")
    assert f"subject: {message(mail.content)['Subject']}\n" in edition.replace('"', "")
    (link,) = re.findall(r"<(http://[^>]+/u/[^>]+)>", header(mail.content, "List-Unsubscribe"))
    assert link in text_of(mail.content)
    workspace = Workspace.open(folder)
    service_id = ServiceTokens(workspace.service_keys).read_message_id(
        header(mail.content, "Message-ID").strip("<>").partition("@")[0]
    )
    with workspace.store.read() as connection:
        kept = SentFacts.from_document(find_sent_facts(connection, service_id, "main"))
    workspace.store.close()
    assert facts_of(mail.content) == replace(kept, relay_digest="")
    assert link in kept.links
    with running(folder, "--only", "web"):
        until(lambda: answers(ports(folder)[0]), "the pages to answer")
        with urllib.request.urlopen(link, timeout=10) as page:
            assert 200 == page.status
        asked = urllib.request.Request(link, b"List-Unsubscribe=One-Click", method="POST")
        with urllib.request.urlopen(asked, timeout=10) as page:
            assert 200 == page.status
    assert before == mailer(folder, "lists", "--json").json()
    # A second one is another mail, with a Message-ID of its own.
    assert 0 == mailer(folder, "test-send", "--statement", SLUG, "--to", EDITOR.upper()).status
    ids = {header(one.content, "Message-ID") for one in server.mails}
    assert 2 == len(ids) == len(server.mails)


def test_a_test_send_of_a_mailing_has_what_it_pins(mailer, staffed, smtp_server, change):
    """The design and sender of the files play no part any more."""
    server = smtp_server()
    folder = staffed(server.port)
    count = mailer(folder, "mailings", "coverage", *PLAN, "--json").json()["to_mail"]
    mailer(folder, "schedule", *PLAN, "--at", "2036-01-01T09:00", "--timezone", "UTC",
           "--yes", count)  # fmt: skip
    change(folder / "config.toml", 'name = { en = "Harbor Solidarity", ru',
           'name = { en = "Somebody Else", ru')  # fmt: skip
    ended = mailer(folder, "test-send", "--as-mailing", f"{SLUG}-1", "--json")
    assert (0, ["accepted"]) == (ended.status, [one["state"] for one in ended.json()])
    (sender,) = message(server.mails[0].content)["From"].addresses
    # The first organisation of that name is the owner; the sender is as it was.
    assert sender.display_name in ("Harbor Solidarity", "Somebody Else")
    assert "not found" not in ended.text
    assert 1 == mailer(folder, "test-send", "--as-mailing", "nothing-1").status


def test_what_becomes_of_a_test_send_is_said_and_nothing_comes_later(mailer, staffed, smtp_server):
    """Refused, deferred, and a relay that is not there; each ends with status 1."""
    server = smtp_server(Misbehaviour.REFUSE_CONTENT)
    folder = staffed(server.port)
    for behaviour, words in (
        (Misbehaviour.REFUSE_CONTENT, "refused: 554 5.7.1 Message refused as spam"),
        (Misbehaviour.ACCEPT_THEN_DROP, "in doubt: the reply was lost"),
        (Misbehaviour.DEFER_ALWAYS, "deferred, `mailer run` tries again: 451 4.7.1"),
        (Misbehaviour.CLOSE_AT_CONNECT, "not handed over, and not tried again"),
    ):
        server.behaviour = behaviour
        ended = mailer(folder, "test-send", "--statement", SLUG)
        assert 1 == ended.status
        assert words in ended.out
    assert "See at which step it fails: mailer relay check main" in ended.err
    seen = mailer(folder, "status", "--json").json()
    ended = {"test_send cancelled": 1, "test_send in_doubt": 1, "test_send refused": 1}
    assert ended.items() <= seen["service_mails"].items()
    assert any("could not be reached" in need for need in seen["needs"])


def test_a_test_send_goes_to_staff_and_nobody_else(mailer, staffed, smtp_server, change):
    """Wrong use is said, and nothing is written or sent."""
    server = smtp_server()
    folder = staffed(server.port)
    for arguments, words in (
        (("--statement", SLUG, "--to", "anna(at)example.org"), "not in staff of [workspace]"),
        (("--statement", SLUG, "--list", "nothing"), 'there is no list "nothing"'),
        (("--statement", "nothing"), 'no statement "nothing" has been loaded'),
        (("--statement", SLUG, "--language", "xx-yy-zz"), "is no language"),
        (("--language", "en"), "--statement or --as-mailing"),
    ):
        ended = mailer(folder, "test-send", *arguments)
        assert 2 == ended.status, ended.text
        assert words in ended.err
    change(folder / "config.toml", f'staff = ["{EDITOR}"]', "staff = []")
    ended = mailer(folder, "test-send", "--statement", SLUG)
    assert 1 == ended.status
    assert "config.toml: workspace.staff: names nobody" in ended.err
    assert [] == server.mails


def test_staff_learn_by_a_second_relay_and_a_command_though_the_first_is_dead(
    mailer, staffed, smtp_server, tmp_path
):
    """Once each; with the mailing's key and nothing of anybody; and `mailer status` says so.

    Three imports of the prepared workspace are told first: they are of today.
    """
    server, out = smtp_server(), tmp_path / "told.jsonl"
    script = tmp_path / "tell.py"
    script.write_text(f"import sys\nopen({str(out)!r}, 'a').write(sys.stdin.read())\n")
    folder = staffed(
        closed_port(), server.port, addresses=[EDITOR], relay="second",
        command=[sys.executable, str(script)],
    )  # fmt: skip
    count = mailer(folder, "mailings", "coverage", *PLAN, "--json").json()["to_mail"]
    mailer(folder, "schedule", *PLAN, "--at", "2036-01-01T09:00", "--timezone", "UTC",
           "--yes", count)  # fmt: skip
    assert 0 == mailer(folder, "pause", f"{SLUG}-1").status
    (folder / "few.csv").write_text("email,languages\nzoe@example.org,en\nno address,en\n")
    assert 0 == mailer(folder, "import", "few.csv", "--list", "harbor-news").status
    with running(folder, "--senders", "2") as program:
        server.wait_for(5, 60)
        until(lambda: out.exists() and out.read_text().count("\n") == 5, "the command")
        seen = mailer(folder, "status", "--json").json()
        assert (True, 2, True) == (seen["scheduler"], seen["senders"], seen["web"])
        assert 0 == program.stop()
    told = [json.loads(line) for line in out.read_text().splitlines()]
    assert ["mailing_paused", "import_done"] == [one["kind"] for one in told[3:]]
    assert 5 == len(server.mails)
    subjects = [str(message(mail.content)["Subject"]) for mail in server.mails]
    assert f"[Harbor Solidarity] {SLUG}-1 is paused" in subjects
    assert "[Harbor Solidarity] import into harbor-news is done" in subjects
    for mail in server.mails:
        assert (EDITOR,) == mail.rcpt_tos
        assert_wire_form(mail.content)
        assert "@" not in text_of(mail.content)
        assert "auto-generated" == header(mail.content, "Auto-Submitted")
    facts = told[-1]["facts"]
    assert ("few.csv", 2, 1) == (facts["file"], facts["rows"], facts["rejected"])
    seen = mailer(folder, "status", "--json").json()
    assert {"alert accepted": 5} == seen["service_mails"]
    assert [(True, True)] * 5 == [(a["mailed"], a["commanded"]) for a in seen["alerts"]]


def test_a_test_send_goes_by_the_next_relay_when_the_first_is_down(
    mailer, staffed, smtp_server, change
):
    """Each relay is tried once, in order; a relay that is named is the only one."""
    server, second = smtp_server(Misbehaviour.REFUSE_AT_CONNECT), smtp_server()
    folder = staffed(server.port, second.port)
    change(folder / "config.toml", "\nrelays = []", '\nrelays = ["main", "second"]')
    ended = mailer(folder, "test-send", "--statement", SLUG)
    assert 0 == ended.status, ended.text
    assert "where that cannot be reached by second" in ended.out
    assert f"{EDITOR}: accepted by second: 250" in ended.out
    assert ([], [(EDITOR,)]) == (server.mails, [mail.rcpt_tos for mail in second.mails])
    # What was sent is held against what comes back by the relay that took it.
    workspace = Workspace.open(folder)
    with workspace.store.read() as connection:
        kept = SentFacts.from_document(last_sent_facts(connection, "second"))
    workspace.store.close()
    assert header(second.mails[0].content, "Message-ID") == kept.message_id
    # A refusal is an answer: nobody else is asked.
    server.behaviour = Misbehaviour.REFUSE_CONTENT
    ended = mailer(folder, "test-send", "--statement", SLUG, "--json")
    assert [("refused", "main")] == [(one["state"], one["relay"]) for one in ended.json()]
    server.behaviour = Misbehaviour.CLOSE_AT_CONNECT
    ended = mailer(folder, "test-send", "--statement", SLUG, "--relay", "main", "--json")
    assert [("cancelled", "main")] == [(one["state"], one["relay"]) for one in ended.json()]
    assert 1 == len(second.mails)


def test_alerts_go_by_the_next_relay_when_theirs_is_down(mailer, staffed, smtp_server, change):
    """Once each, also those that waited for it already; and by the first again when it is back.

    Three imports of the prepared workspace are told.
    """
    server, second = smtp_server(Misbehaviour.CLOSE_AT_CONNECT), smtp_server()
    folder = staffed(server.port, second.port, addresses=[EDITOR])
    change(folder / "config.toml", "\nrelays = []", '\nrelays = ["main", "second"]')
    with running(folder, "--only", "senders") as program:
        second.wait_for(3, 60)
        server.behaviour = Misbehaviour.ACCEPT
        until(
            lambda: any(line["event"] == "relay back" for line in program.lines()), "the first one"
        )
        (folder / "few.csv").write_text("email,languages\nzoe@example.org,en\n")
        assert 0 == mailer(folder, "import", "few.csv", "--list", "harbor-news").status
        server.wait_for(1, 60)
        assert 0 == program.stop()
    assert (1, 3) == (len(server.mails), len(second.mails))
    seen = mailer(folder, "status", "--json").json()
    assert {"alert accepted": 4} == seen["service_mails"]


def test_status_says_on_one_screen_what_needs_a_person(mailer, workspace, change):
    """Nothing at first; then a lost key and processes that a scheduled mailing waits for."""
    ended = mailer(workspace, "status")
    assert 0 == ended.status, ended.text
    assert "Nothing needs a person." in ended.out
    count = mailer(workspace, "mailings", "coverage", *PLAN, "--json").json()["to_mail"]
    mailer(workspace, "schedule", *PLAN, "--at", "2036-01-01T09:00", "--timezone", "UTC",
           "--yes", count)  # fmt: skip
    (workspace / "seal.key").unlink()
    change(workspace / "config.toml", "disk_low_mb = 500", "disk_low_mb = 99000000")
    ended = mailer(workspace, "status")
    assert 1 == ended.status
    assert "! seal.key is missing. Put it back from your copy" in ended.out
    assert "! Not running: the scheduler, the senders, the pages. Start: mailer run" in ended.out
    assert "! The disk is nearly full" in ended.out
    assert f"{SLUG}-1 to come, 2036-01-01 11:00, {count} people" in ended.out
    assert 24 >= len(ended.out.splitlines())
    assert 80 > max(map(len, ended.out.splitlines()))
    assert ended.status == mailer(workspace, "status", "--json").status
