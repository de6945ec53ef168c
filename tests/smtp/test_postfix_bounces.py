"""What a real Postfix sends back is read for what it is, and finds the delivery it is about."""

import smtplib

import pytest

from mailer.feedback.reading.matching import MatchReaders
from mailer.feedback.reading.reader import read
from mailer.keys import load_service_keys
from mailer.model.feedback import FeedbackClass, FeedbackReason, Match, MatchedBy, Taken
from mailer.model.states import DeliveryState
from mailer.store.feedback import evidence_of
from mailer.tokens import ServiceTokens, Tokens
from tests.support.came_back import World
from tests.support.smtp_server import Misbehaviour

#: Local part → what the server says to who has it.
PEOPLE = {
    "nobody": Misbehaviour.REFUSE_RCPT,
    "full": Misbehaviour.MAILBOX_FULL,
    "shy": Misbehaviour.REFUSE_CONTENT,
    "slow": Misbehaviour.DEFER_ALWAYS,
}
DELIVERY = 4711


@pytest.fixture(scope="module")
def readers(key_files):
    """What reads our tokens."""
    keys = load_service_keys(key_files / "service.key")
    return MatchReaders(Tokens(keys), ServiceTokens(keys))


@pytest.fixture
def bounced(postfix, smtp_server, key_files):
    """A function that hands a mail to Postfix and returns what comes back."""
    tokens = Tokens(load_service_keys(key_files / "service.key"))
    server = smtp_server(
        lambda recipient: PEOPLE.get(recipient.partition("@")[0], Misbehaviour.ACCEPT), size=20_000
    )
    # Without a day in which it is tried again: it gives up what is deferred at once.
    relay = postfix(server.port, maximal_queue_lifetime="0", message_size_limit="0")

    def hand_over(name, words=b"hello\r\n"):
        address = f"{name}@example.org"
        sender = f"b+{tokens.return_path(DELIVERY)}@bounces.example.org"
        message_id = f"<{tokens.message_id(DELIVERY)}@bounces.example.org>"
        head = f"From: news@example.org\r\nTo: {address}\r\nMessage-ID: {message_id}\r\n\r\n"
        before = len(server.mails)
        with smtplib.SMTP(relay.host, relay.port, "localhost", timeout=10) as client:
            client.ehlo()
            options = ["RET=HDRS", f"ENVID={tokens.feedback(DELIVERY)}"]
            client.sendmail(sender, [address], head.encode() + words, mail_options=options)
        bounce = server.wait_for(before + 1, 20)[-1]
        assert ("<>", (sender,)) == (bounce.mail_from, bounce.rcpt_tos)
        return bounce.content

    return hand_over


def test_what_it_bounces_is_read(bounced, readers):
    """Unknown user, full mailbox, taken for spam, given up, too large: each for what it is."""
    large = b"x" * 70 + b"\r\n"
    for name, words, kind, reason, status in (
        ("nobody", large, FeedbackClass.HARD, FeedbackReason.UNKNOWN_USER, "5.1.1"),
        ("full", large, FeedbackClass.SOFT, FeedbackReason.MAILBOX_FULL, "5.2.2"),
        ("shy", large, FeedbackClass.SOFT, FeedbackReason.BLOCKED_AS_SPAM, "5.7.1"),
        ("slow", large, FeedbackClass.SOFT, FeedbackReason.SYSTEM, "4.7.1"),
        ("anna", large * 400, FeedbackClass.SOFT, FeedbackReason.TOO_BIG, "5.3.4"),
    ):
        raw = bounced(name, words)
        found = read(raw, readers)
        (one,) = found.findings
        assert (f"{name}@example.org", kind, reason, status) == (
            one.recipient, one.kind, one.reason, one.status,
        )  # fmt: skip
        assert Match(MatchedBy.VERP, delivery_id=DELIVERY) == found.match
        # Without the return path the envelope id tells, and without that the Message-ID.
        for hidden, by in (
            (b"b+", MatchedBy.ENVID),
            (b"Original-Envelope-Id", MatchedBy.MESSAGE_ID),
        ):
            raw = raw.replace(hidden, b"x" * 41 if hidden == b"b+" else b"X-Other")
            assert Match(by, delivery_id=DELIVERY) == read(raw, readers).match


def test_what_it_bounces_suppresses_with_its_evidence(bounced, sqlite_ground, tmp_path):
    """The supporter is not mailed any more, and staff see why, in Postfix's own words."""
    world = World(sqlite_ground, tmp_path)
    world.people["nobody"] = sqlite_ground.add_supporter("nobody@example.org", "harbor-news")
    sqlite_ground.add_delivery(
        world.mailing, world.people["nobody"], DeliveryState.ACCEPTED, id=DELIVERY
    )
    raw = bounced("nobody")
    assert [world.taker.take(raw) for _ in range(2)] == [Taken.RECORDED, Taken.KNOWN]
    assert world.suppressed("nobody") == ["bounced"]
    with world.store.read() as connection:
        (found,) = evidence_of(connection, world.digest("nobody"), 9)
    assert (found.reason, found.status, found.matched_by) == (
        FeedbackReason.UNKNOWN_USER,
        "5.1.1",
        MatchedBy.VERP,
    )
    assert "said: 550" in found.diagnostic or found.diagnostic.startswith("550")
