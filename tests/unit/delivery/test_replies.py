"""What a relay's words mean for the message and for the person."""

import pytest

from mailer.delivery.replies import LONGEST_TEXT, Scope, Stage, classify, parse_reply
from mailer.model.audience import SuppressionReason
from mailer.model.states import Outcome

BOUNCED = SuppressionReason.BOUNCED


@pytest.mark.parametrize(
    ("code", "text", "stage", "outcome", "suppress"),
    [
        (250, "2.0.0 Ok: queued", Stage.CONTENT, Outcome.ACCEPTED, None),
        (550, "5.1.1 User unknown", Stage.RCPT, Outcome.REFUSED, BOUNCED),
        (556, "5.1.10 Recipient address has null MX", Stage.RCPT, Outcome.REFUSED, BOUNCED),
        (550, "No such user here", Stage.RCPT, Outcome.REFUSED, BOUNCED),
        (550, "5.0.0 unknown user", Stage.RCPT, Outcome.REFUSED, BOUNCED),
        (550, "5.0.0 retry timeout exceeded", Stage.RCPT, Outcome.REFUSED, None),
        (550, "5.7.1 Message rejected as spam", Stage.CONTENT, Outcome.REFUSED, None),
        (550, "5.7.1 User unknown to our blocklist", Stage.RCPT, Outcome.REFUSED, None),
        (554, "5.7.1 blocked", Stage.MAIL, Outcome.REFUSED, None),
        (550, "5.2.1 mailbox disabled", Stage.RCPT, Outcome.REFUSED, None),
        (552, "5.2.2 mailbox full", Stage.CONTENT, Outcome.REFUSED, None),
        (552, "too many recipients", Stage.RCPT, Outcome.DEFERRED, None),
        (552, "5.3.4 message too big", Stage.MAIL, Outcome.REFUSED, None),
        (451, "4.7.1 Greylisted, try again", Stage.RCPT, Outcome.DEFERRED, None),
        (421, "4.3.2 shutting down", Stage.RCPT, Outcome.DEFERRED, None),
        (450, "4.1.1 unknown user, for now", Stage.RCPT, Outcome.DEFERRED, None),
        (500, "5.5.2 syntax", Stage.DATA, Outcome.REFUSED, None),
        (354, "go ahead", Stage.CONTENT, Outcome.DEFERRED, None),
        (999, "?", Stage.RCPT, Outcome.DEFERRED, None),
    ],
)
def test_replies_mean_what_the_table_says(code, text, stage, outcome, suppress):
    """Outcome by the first digit; suppression only where the words leave no doubt."""
    decision = classify(parse_reply(code, text), stage)
    assert (decision.outcome, decision.suppress) == (outcome, suppress)


def test_421_closes_the_connection_and_blames_nobody():
    """The server goes away; the person has nothing to do with it."""
    decision = classify(parse_reply(421, "4.7.0 Too many connections"), Stage.RCPT)
    assert (decision.reconnect, decision.scope) == (True, Scope.RELAY)


def test_an_enhanced_code_of_another_class_is_none():
    """RFC 2034: the class is the first digit of the reply; else it is some number in the text."""
    assert parse_reply(550, "4.2.1 odd").enhanced_code == ""
    assert parse_reply(550, "5.1.1").enhanced_code == "5.1.1"
    assert parse_reply(250, "2.0.0 ok\n2.0.0 more").enhanced_code == "2.0.0"


def test_a_reply_is_stored_without_addresses_and_bounded():
    """Relays quote the recipient; the record does not."""
    reply = parse_reply(550, "5.1.1 <anna@example.org>: no\nsuch " + "x" * 1000)
    assert "anna" not in reply.text
    assert "example.org" not in reply.text
    assert len(reply.text) == LONGEST_TEXT


@pytest.mark.parametrize("code", [530, 534, 535, 538])
def test_a_login_that_is_wanted_or_refused_is_no_refusal_of_anybody(code):
    """RFC 4954 §6: it is about us; elsewhere than at MAIL the numbers mean what they always do."""
    at_mail = classify(parse_reply(code, "5.7.0 Authentication required"), Stage.MAIL)
    assert (Outcome.DEFERRED, Scope.RELAY, True) == (
        at_mail.outcome, at_mail.scope, at_mail.reconnect,
    )  # fmt: skip
    assert Outcome.REFUSED is classify(parse_reply(code, "5.7.1 No"), Stage.CONTENT).outcome


@pytest.mark.parametrize(
    ("code", "text", "stage", "reason"),
    [
        (550, "5.1.1 User unknown", Stage.RCPT, "address"),
        (550, "No such user here; see our policy", Stage.RCPT, "address"),
        (550, "5.2.1 mailbox disabled", Stage.RCPT, "address"),
        (552, "5.2.2 mailbox full", Stage.CONTENT, "address"),
        (550, "5.7.1 Message rejected as spam", Stage.CONTENT, "spam"),
        (550, "5.7.26 This mail has been blocked because the sender is unauthenticated",
         Stage.CONTENT, "spam"),
        (550, "5.7.515 Access denied, sending domain does not meet the level", Stage.RCPT, "spam"),
        (550, "5.7.60 not allowed to send as this sender", Stage.MAIL, "spam"),
        (550, "spam message rejected. Please visit our help", Stage.CONTENT, "spam"),
        (554, "IP listed at zen.example.org blocklist", Stage.MAIL, "spam"),
        (554, "Transaction failed. Reject due to policy restrictions.", Stage.CONTENT, "spam"),
        (550, "5.0.0 Your host has been blocked", Stage.RCPT, "spam"),
        (550, "mailbox unavailable", Stage.RCPT, "address"),
        (552, "5.3.4 message too big", Stage.MAIL, "other"),
        (554, "5.6.0 not sent, it could not be made: To holds U+000A", Stage.MAIL, "other"),
        (500, "5.5.2 syntax", Stage.DATA, "other"),
        (451, "4.7.1 suspicious, try again later", Stage.RCPT, ""),
        (250, "2.0.0 Ok, no spam", Stage.CONTENT, ""),
    ],
)  # fmt: skip
def test_a_refusal_is_about_the_address_or_the_mail_or_something_else(code, text, stage, reason):
    """What others of the mailing will meet too is told apart from what is about one person."""
    assert reason == classify(parse_reply(code, text), stage).reason
