"""What is hard, what is soft, and why."""

import pytest

from mailer.feedback.reading.judging import LONGEST_DIAGNOSTIC, Failure, judge
from mailer.model.feedback import FeedbackClass, FeedbackReason

HARD, SOFT = FeedbackClass.HARD, FeedbackClass.SOFT


@pytest.mark.parametrize(
    ("diagnostic", "kind", "reason"),
    [
        ("550 5.1.1 <anna@example.org>: User unknown", HARD, FeedbackReason.UNKNOWN_USER),
        ("550 5.1.1 <anna@example.org>: in words nobody knows", HARD, FeedbackReason.UNKNOWN_USER),
        ("550 No such user (in reply to RCPT TO command)", HARD, FeedbackReason.UNKNOWN_USER),
        ("550 No such user (in reply to end of DATA command)", SOFT, FeedbackReason.UNKNOWN_USER),
        ("550 No such user", SOFT, FeedbackReason.UNKNOWN_USER),
        ("550 5.1.0 No such user", HARD, FeedbackReason.UNKNOWN_USER),
        ("550 5.7.1 No such user (in reply to RCPT TO command)", SOFT, FeedbackReason.UNKNOWN_USER),
        ("450 4.1.1 User unknown (in reply to RCPT TO command)", SOFT, FeedbackReason.UNKNOWN_USER),
        ("550 5.1.1 blocked using zen.spamhaus.org", SOFT, FeedbackReason.BLOCKED_AS_SPAM),
        ("550 5.1.1 has sent to too many recipients", SOFT, FeedbackReason.TOO_MUCH),
        ("556 5.1.10 Recipient address has null MX", HARD, FeedbackReason.UNKNOWN_DOMAIN),
        ("Unrouteable address", HARD, FeedbackReason.UNKNOWN_DOMAIN),
        ("553 example.net does not exist after end of data", SOFT, FeedbackReason.UNCLEAR),
        ("553 5.1.8 Domain of sender address does not exist", SOFT, FeedbackReason.SENDER_REFUSED),
        ("User Anna not listed in Domino Directory", HARD, FeedbackReason.UNKNOWN_USER),
        ("551 5.1.6 User has moved to another town", HARD, FeedbackReason.MOVED),
        ("551 5.7.1 User has moved to another town", SOFT, FeedbackReason.MOVED),
        ("550 5.2.1 account is disabled", SOFT, FeedbackReason.DISABLED),
        ("552 5.2.2 Mailbox full", SOFT, FeedbackReason.MAILBOX_FULL),
        ("552 5.3.4 Message size exceeds fixed maximum", SOFT, FeedbackReason.TOO_BIG),
        ("550 5.7.26 Unauthenticated email", SOFT, FeedbackReason.AUTHENTICATION),
        ("554 5.7.1 spam message rejected", SOFT, FeedbackReason.BLOCKED_AS_SPAM),
        ("451 4.4.3 Host not found, try again", SOFT, FeedbackReason.DNS),
        ("retry timeout exceeded", SOFT, FeedbackReason.EXPIRED),
        ("550 5.6.7 SMTPUTF8 is required", SOFT, FeedbackReason.NEEDS_SMTPUTF8),
        ("550 : User unknown", SOFT, FeedbackReason.POLICY),
        ("550 5.7.1 No such user!", HARD, FeedbackReason.UNKNOWN_USER),
        ("550 5.1.1 RCP-P2 Refused due to recipient preferences", SOFT, FeedbackReason.POLICY),
        ("550 5.4.1 Recipient address rejected: Access denied", HARD, FeedbackReason.UNKNOWN_USER),
        ("550 5.7.1 Recipient address rejected: Access denied", SOFT, FeedbackReason.POLICY),
        ("host not found; user unknown after MAIL FROM", SOFT, FeedbackReason.UNKNOWN_USER),
        ("550 in words nobody knows", SOFT, FeedbackReason.UNCLEAR),
        ("", SOFT, FeedbackReason.UNCLEAR),
    ],
)
def test_words_and_codes_decide_together(diagnostic, kind, reason):
    """Hard takes a code that says so, RCPT, or the system that keeps the mailboxes."""
    found = judge(Failure("anna@example.org", action="failed", diagnostic=diagnostic))
    assert (kind, reason) == (found.kind, found.reason)


@pytest.mark.parametrize(
    ("status", "diagnostic", "kind"),
    [
        ("5.1.1", "", HARD),
        ("5.1.1 (bad address)", "", HARD),
        ("5.0.0", "", SOFT),
        ("5.1.1", "550 in words nobody knows", SOFT),
        ("5.1.1", "550 5.7.1 in words nobody knows", SOFT),
        ("5.0.0", "550 5.1.1 in words nobody knows", HARD),
        ("4.0.0", "550 User unknown (in reply to RCPT TO command)", SOFT),
        ("2.0.0", "", SOFT),
    ],
)
def test_the_refusing_systems_own_code_counts_first(status, diagnostic, kind):
    """Status is what the reporting system made of it: some make 5.1.1 of anything."""
    failure = Failure("anna@example.org", action="failed", status=status, diagnostic=diagnostic)
    assert kind is judge(failure).kind


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("delayed", FeedbackClass.DELAYED),
        ("delivered", FeedbackClass.DELIVERED),
        ("relayed", FeedbackClass.DELIVERED),
        ("expanded", FeedbackClass.DELIVERED),
    ],
)
def test_what_did_not_fail_is_no_bounce(action, kind):
    """RFC 3464 §2.3.3, whatever the words say."""
    found = judge(Failure("anna@example.org", action=action, diagnostic="550 5.1.1 User unknown"))
    assert (kind, FeedbackReason.NONE) == (found.kind, found.reason)


def test_a_diagnostic_is_kept_cut_and_without_addresses_and_controls():
    """What a stranger wrote is shown to staff one day."""
    hostile = "550 \x1b[31m<anna@example.org>\n\u202e<script>alert(1)</script> " + "x" * 5000
    found = judge(Failure("anna@example.org", diagnostic=hostile))
    assert "@" not in found.diagnostic
    assert found.diagnostic.isprintable()
    assert LONGEST_DIAGNOSTIC == len(found.diagnostic)
