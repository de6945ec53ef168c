"""`mailer resolve`: what is in doubt is sent again or taken as sent, as a person says."""

import getpass
from collections import Counter
from datetime import UTC, datetime

import pytest

from mailer.alerts import deliveries_in_doubt
from mailer.app.workspace import Workspace
from mailer.model.alerts import AlertKind
from mailer.model.audit import AuditAction, AuditFilter
from mailer.store import tables
from mailer.store.alerts import lasting_alerts
from mailer.store.audit import entries_before
from tests.acceptance.conftest import SLUG
from tests.acceptance.processes import running, until
from tests.support.mail import message
from tests.support.smtp_server import Misbehaviour

pytestmark = [pytest.mark.acceptance]

KEY = f"{SLUG}-1"
PEOPLE = 12
#: One whose mail is kept, and one whose mail is lost: the sender sees no difference.
KEPT, LOST = "person0@example.org", "person1@example.org"
ODD = {KEPT: Misbehaviour.ACCEPT_THEN_DROP, LOST: Misbehaviour.DROP_AFTER_DATA}


@pytest.fixture
def doubted(mailer, crowd, relay):
    """A finished mailing with two deliveries in doubt; its workspace, its server and their ids."""
    workspace = crowd(PEOPLE)
    server = relay(lambda recipient: ODD.get(recipient, Misbehaviour.ACCEPT))
    ended = mailer(workspace, "send", "--statement", SLUG, "--list", "crowd", "--yes", PEOPLE)
    assert f"mailer resolve {KEY} --take-as-sent" in ended.out, ended.text
    server.behaviour = Misbehaviour.ACCEPT
    told = mailer(workspace, "report", KEY, "--json").json()
    assert {"accepted": PEOPLE - 2, "in_doubt": 2} == told["by_outcome"]
    assert {"sandbox"} == {one["relay"] for one in told["in_doubt"]}
    assert all(one["why"].startswith("connection lost: ") for one in told["in_doubt"])
    assert KEPT in server.recipients
    assert LOST not in server.recipients
    return workspace, server, [one["delivery"] for one in told["in_doubt"]]


def report(mailer, workspace):
    """Return the mailing's report as other programs read it."""
    return mailer(workspace, "report", KEY, "--json").json()


def test_what_is_sent_again_arrives_once_more_as_the_same_message(mailer, doubted):
    """Message-ID, date and return path are those of the first; nobody else gets anything."""
    workspace, server, ids = doubted
    ended = mailer(workspace, "resolve", KEY, "--resend", "--yes")
    assert 0 == ended.status, ended.text
    for words in (f"delivery {ids[0]}", "with the same Message-ID", "gets a second copy",
                  "It is finished: it runs again", "2 deliveries of"):  # fmt: skip
        assert words in ended.out
    with running(workspace, "--only", "scheduler"), running(workspace, "--only", "senders"):
        until(lambda: report(mailer, workspace)["state"] == "finished", "the mailing to finish")
    told = report(mailer, workspace)
    assert {"accepted": PEOPLE} == told["by_outcome"]
    assert ([], 2, 0) == (told["in_doubt"], told["resent"], told["taken_as_sent"])
    assert {1: PEOPLE - 1, 2: 1} == Counter(Counter(server.recipients).values())
    first, second = (mail for mail in server.mails if mail.rcpt_tos == (KEPT,))
    assert first.mail_from == second.mail_from
    # A relay's log is searched by it before one decides.
    assert message(first.content)["Message-ID"].strip("<>").partition("@")[0] in ended.out
    for name in ("Message-ID", "Date", "List-Unsubscribe"):
        assert message(first.content)[name] == message(second.content)[name]
    assert "sent again as a person said: 2" in mailer(workspace, "report", KEY).out


def test_what_is_taken_as_sent_is_not_sent_and_is_counted_apart(mailer, doubted):
    """One of them, then the other, and the alert is over; no report says that a relay took them."""
    workspace, server, (one, two) = doubted
    mails = len(server.mails)
    store = Workspace.open(workspace).store
    with store.write() as connection:
        deliveries_in_doubt(connection, KEY, 2, datetime.now(UTC))
    ended = mailer(workspace, "resolve", KEY, "--delivery", one, "--take-as-sent", "--yes")
    assert 0 == ended.status, ended.text
    assert f"1 delivery of {KEY} taken as sent." in ended.out
    assert [two] == [left["delivery"] for left in report(mailer, workspace)["in_doubt"]]
    with store.read() as connection:
        assert 1 == len(lasting_alerts(connection, [AlertKind.IN_DOUBT]))
    ended = mailer(workspace, "resolve", KEY, "--take-as-sent", "--yes")
    assert 0 == ended.status, ended.text
    told = report(mailer, workspace)
    assert ("finished", 2, []) == (told["state"], told["taken_as_sent"], told["in_doubt"])
    assert {"accepted": PEOPLE - 2} == told["by_outcome"]
    shown = mailer(workspace, "report", KEY).out
    assert "taken as sent by a person" in shown
    listed = mailer(workspace, "deliveries", KEY, "--json").json()
    assert [one, two] == [row["delivery_id"] for row in listed if row["reason"] == "take_as_sent"]
    assert mails == len(server.mails)
    ended = mailer(workspace, "resolve", KEY, "--resend", "--yes")
    assert (1, f"{KEY} has nothing in doubt: there is nothing to settle.\n") == (
        ended.status, ended.err,
    )  # fmt: skip
    with store.read() as connection:
        assert [] == lasting_alerts(connection, [AlertKind.IN_DOUBT])
        rows = connection.execute(tables.settlement.select()).all()
        settled = AuditFilter(actions=frozenset({AuditAction.DOUBTS_SETTLED}))
        told = entries_before(connection, None, 9, settled)
    assert [[str(two)], [str(one)]] == [entry.facts["ids"] for entry in told]
    assert {"take_as_sent"} == {entry.facts["decision"] for entry in told}
    assert {f"terminal:{getpass.getuser()}"} == {row.decided_by for row in rows}


def test_what_is_not_said_clearly_changes_nothing(mailer, doubted):
    """Neither or both choices, unknown ids, another mailing, nobody there to confirm, an answer of no."""
    workspace, _, ids = doubted
    before = report(mailer, workspace)
    accepted = next(
        row["delivery_id"]
        for row in mailer(workspace, "deliveries", KEY, "--json").json()
        if row["state"] == "accepted"
    )
    both = ("--resend", "--take-as-sent")
    for options, status, words in (
        ((KEY,), 2, "Name one of --resend and --take-as-sent."),
        ((KEY, *both), 2, "Name one of --resend and --take-as-sent."),
        ((KEY, "--resend", "--delivery", "seven"), 2, "--delivery"),
        ((KEY, "--resend", "--delivery", ids[0], "--delivery", 999_999, "--yes"), 1,
         f"Not in doubt in {KEY}: delivery 999999 does not exist. Nothing was changed."),
        ((KEY, "--resend", "--delivery", accepted, "--yes"), 1, f"{accepted} is accepted"),
        (("nothing-1", "--resend", "--yes"), 1, 'There is no mailing "nothing-1".'),
        ((KEY, "--resend"), 1, "Nothing was changed: nobody is there to confirm it."),
    ):  # fmt: skip
        ended = mailer(workspace, "resolve", *options)
        assert status == ended.status, ended.text
        assert words in ended.err
    assert before == report(mailer, workspace)
