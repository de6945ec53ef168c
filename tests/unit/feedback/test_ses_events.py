"""What Amazon SES tells of mails, in both of its forms."""

import json
from datetime import UTC, datetime

import pytest

from mailer.feedback.hooks.receiving import Request, receive
from mailer.feedback.hooks.ses import SesHook
from mailer.model.feedback import FeedbackClass, FeedbackReason
from tests.support import sns

VERP = f"b+{'a' * 40}@bounces.harbor.example.org"
MAIL = {
    "timestamp": "2026-11-20T09:28:02.012Z",
    "source": VERP,
    "messageId": "0107019a7c191be4-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
    "destination": ["olena@example.org"],
    "headersTruncated": False,
    "headers": [
        {"name": "From", "value": "Harbor Solidarity <news@harbor.example.org>"},
        {"name": "To", "value": "olena@example.org"},
        {"name": "Subject", "value": "Her rights"},
        {"name": "Message-ID", "value": f"<{'b' * 40}@bounces.harbor.example.org>"},
    ],
    "commonHeaders": {"subject": "Her rights"},
    "tags": {"ses:operation": ["SendSmtpEmail"], "delivery": ["C" * 33]},
}


def told(event, now=sns.NOW, **changes):
    """Return what comes of an event in a signed notification."""
    hook = SesHook(frozenset({sns.TOPIC}), lambda _: sns.certificate())
    body = sns.notification({"mail": MAIL, **event}, **changes)
    return receive("ses", hook, Request({}, body, now))


def bounce(kind="Permanent", subtype="General", *, name="eventType", **recipient):
    """Return a bounce of one recipient."""
    one = {"emailAddress": "olena@example.org", "action": "failed", **recipient}
    return {
        name: "Bounce",
        "bounce": {
            "bounceType": kind,
            "bounceSubType": subtype,
            "bouncedRecipients": [one],
            "timestamp": "2026-11-20T09:29:00.500Z",
            "feedbackId": "0107019a-0000",
        },
    }


@pytest.mark.parametrize("name", ["eventType", "notificationType"])
def test_a_bounce_says_whom_why_and_by_which_mail(name):
    """Nothing of the mail is kept but what finds it again, and no address is in its words."""
    words = "smtp; 550 5.1.1 <olena@example.org>... User unknown"
    (event,) = told(bounce(name=name, status="5.1.1", diagnosticCode=words))
    assert FeedbackClass.HARD is event.kind
    assert ("ses", "165545c9-2a5c-472c-8df2-7ff2be2b3b1b:0") == (event.source, event.event_id)
    assert datetime(2026, 11, 20, 9, 29, 0, 500_000, UTC) == event.at
    assert "olena@example.org" == event.recipient
    assert "5.1.1" == event.status
    assert "smtp; 550 5.1.1 <[address]>... User unknown" == event.diagnostic
    assert f"{'b' * 40}@bounces.harbor.example.org" == event.message_id
    assert MAIL["messageId"] == event.provider_id
    assert ("a" * 40, "C" * 33) == event.tokens
    assert "olena" not in repr(event)


@pytest.mark.parametrize(
    ("kind", "subtype", "status", "words", "wanted"),
    [
        ("Permanent", "NoEmail", "", "", FeedbackClass.HARD),
        ("Permanent", "NoEmail", "5.1.1", "smtp; 550 5.1.1 no such user", FeedbackClass.HARD),
        ("Permanent", "NoEmail", "5.0.0", "smtp; 550 user unknown", FeedbackClass.HARD),
        ("Permanent", "General", "5.1.1", "", FeedbackClass.HARD),
        ("Permanent", "General", "", "smtp; 550 5.1.10 null MX", FeedbackClass.HARD),
        ("Permanent", "General", "5.0.0", "smtp; 550 user unknown", FeedbackClass.SOFT),
        # Permanent for this mail, and no word about the mailbox.
        ("Permanent", "General", "", "", FeedbackClass.SOFT),
        ("Permanent", "General", "5.7.1", "smtp; 550 5.7.1 spam", FeedbackClass.SOFT),
        ("Permanent", "NoEmail", "5.7.1", "smtp; 550 5.7.1 blocked", FeedbackClass.SOFT),
        ("Permanent", "General", "5.2.2", "smtp; 552 5.2.2 full", FeedbackClass.SOFT),
        ("Permanent", "General", "5.0.0", "smtp; 550 spam rejected", FeedbackClass.SOFT),
        # The words are nearer to the mailbox than a status that says nothing.
        ("Permanent", "General", "5.0.0", "smtp; 550 5.7.1 user unknown", FeedbackClass.SOFT),
        ("Permanent", "General", "5.0.0 (other)", "550 5.1.1 x", FeedbackClass.HARD),
        # SES has not tried.
        ("Permanent", "Suppressed", "5.1.1", "", FeedbackClass.SOFT),
        ("Permanent", "OnAccountSuppressionList", "5.1.1", "", FeedbackClass.SOFT),
        ("Transient", "MailboxFull", "5.2.2", "", FeedbackClass.SOFT),
        ("Transient", "General", "5.1.1", "user unknown", FeedbackClass.SOFT),
        ("Undetermined", "Undetermined", "", "", FeedbackClass.SOFT),
        ("Another", "", "5.1.1", "", FeedbackClass.SOFT),
    ],
)
def test_a_bounce_is_hard_only_where_nobody_is_at_the_address(kind, subtype, status, words, wanted):
    """A wrong suppression silences a supporter."""
    (event,) = told(bounce(kind, subtype, status=status, diagnosticCode=words))
    assert wanted is event.kind


def test_each_recipient_is_an_event_of_its_own():
    """One may be gone and the other told to wait."""
    two = bounce()
    two["bounce"]["bouncedRecipients"] = [
        {"emailAddress": "olena@example.org", "status": "5.1.1", "action": "failed"},
        {"emailAddress": "Rustam <rustam@example.net>", "status": "4.0.0", "action": "delayed"},
    ]
    events = told(two)
    assert ["olena@example.org", "rustam@example.net"] == [one.recipient for one in events]
    assert [FeedbackClass.HARD, FeedbackClass.DELAYED] == [one.kind for one in events]
    assert 2 == len({one.event_id for one in events})


@pytest.mark.parametrize(
    ("feedback_type", "wanted"),
    [
        ("abuse", FeedbackClass.COMPLAINT), ("Fraud", FeedbackClass.COMPLAINT), (None, FeedbackClass.COMPLAINT),
        ("other", FeedbackClass.COMPLAINT), ("opt-out", FeedbackClass.OPT_OUT),
        ("opt-out-list", FeedbackClass.OPT_OUT), ("not-spam", FeedbackClass.AUTHENTICATION_REPORT),
        ("auth-failure", FeedbackClass.AUTHENTICATION_REPORT),
        ("virus", FeedbackClass.AUTHENTICATION_REPORT),
    ],
)  # fmt: skip
def test_a_complaint_is_what_a_person_complains_of(feedback_type, wanted):
    """Reports on authentication, viruses and mistaken filters are about nobody."""
    complaint = {
        "complainedRecipients": [{"emailAddress": "olena@example.org"}],
        "timestamp": "2026-11-20T09:29:00Z",
        "userAgent": "Example Feedback Loop",
        "complaintFeedbackType": feedback_type,
    }
    (event,) = told({"notificationType": "Complaint", "complaint": complaint})
    assert (wanted, "olena@example.org") == (event.kind, event.recipient)


def test_a_delivery_is_noted_with_the_servers_words():
    """It settles what was in doubt."""
    delivery = {
        "timestamp": "2026-11-20T09:29:00Z",
        "recipients": ["olena@example.org"],
        "smtpResponse": "250 2.6.0 Message received",
        "processingTimeMillis": 546,
    }
    (event,) = told({"eventType": "Delivery", "delivery": delivery})
    assert FeedbackClass.DELIVERED is event.kind
    assert ("2.6.0", "250 2.6.0 Message received") == (event.status, event.diagnostic)


def test_a_delay_and_a_rejection_are_no_bounces():
    """SES tries on, or did not want the mail at all."""
    delayed = [{"emailAddress": "olena@example.org", "status": "4.4.1", "diagnosticCode": "x"}]
    delay = {"delayedRecipients": delayed, "delayType": "IPFailure"}
    (event,) = told({"eventType": "DeliveryDelay", "deliveryDelay": delay})
    assert (FeedbackClass.DELAYED, "4.4.1") == (event.kind, event.status)
    (event,) = told({"eventType": "Reject", "reject": {"reason": "Bad content"}})
    assert (FeedbackClass.SOFT, "Bad content") == (event.kind, event.diagnostic)


def test_leaving_by_a_link_of_ses_is_leaving():
    """Whoever leaves all topics there has left; another choice says nothing that we know of."""
    subscription = {"newTopicPreferences": {"unsubscribeAll": True}}
    (event,) = told({"eventType": "Subscription", "subscription": subscription})
    assert (FeedbackClass.OPT_OUT, "olena@example.org") == (event.kind, event.recipient)
    subscription = {"newTopicPreferences": {"unsubscribeAll": False}}
    assert () == told({"eventType": "Subscription", "subscription": subscription})


def test_what_ses_makes_of_a_vacation_notice_is_not_kept():
    """A bounce of no known kind without any report behind it; it tells where a person is."""
    assert () == told(bounce("Transient", "General"))


@pytest.mark.parametrize(
    ("subtype", "words", "reason"),
    [
        ("MailboxFull", "", FeedbackReason.MAILBOX_FULL),
        ("MessageTooLarge", "", FeedbackReason.TOO_BIG),
        ("ContentRejected", "", FeedbackReason.BLOCKED_AS_SPAM),
        ("General", "smtp; 452 4.2.2 mailbox full", FeedbackReason.MAILBOX_FULL),
        ("ContentRejected", "smtp; 452 4.2.2 mailbox full", FeedbackReason.MAILBOX_FULL),
    ],
)
def test_the_reason_is_the_servers_else_the_providers(subtype, words, reason):
    """By it the circuit breaker learns that a mail is taken for spam."""
    (event,) = told(bounce("Transient", subtype, diagnosticCode=words))
    assert (FeedbackClass.SOFT, reason) == (event.kind, event.reason)


@pytest.mark.parametrize("name", ["Open", "Click", "Send", "Rendering Failure", "Received", "", 7])
def test_what_supporters_do_with_a_mail_is_not_kept(name):
    """Opens and clicks tell of people what is not our business."""
    part = {"ipAddress": "192.0.2.1", "userAgent": "x", "link": "https://example.org"}
    assert () == told({"eventType": name, "open": part, "click": part})


def test_the_sentence_with_which_ses_begins_is_no_event():
    """It is not JSON."""
    hook = SesHook(frozenset({sns.TOPIC}), lambda _: sns.certificate())
    first = "Successfully validated SNS topic for Amazon SES event publishing."
    for words in (first, "[]", "7", "{" * 50):
        signed = json.dumps(sns.sign(sns.message(Message=words))).encode()
        assert () == receive("ses", hook, Request({}, signed, sns.NOW))


def test_an_event_without_a_time_happened_when_it_was_published():
    """And never later than it came."""
    timeless = bounce(status="5.1.1")
    del timeless["bounce"]["timestamp"]
    (event,) = told(timeless)
    assert datetime(2026, 11, 20, 9, 29, 58, 123_000, UTC) == event.at
    timeless["bounce"]["timestamp"] = "2027-01-01T00:00:00Z"
    (event,) = told(timeless)
    assert sns.NOW == event.at
