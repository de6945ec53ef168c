"""What Postmark tells of mails, and how it proves that it is Postmark."""

import base64
import json
from datetime import UTC, datetime

import pytest

from mailer.feedback.hooks.postmark import PostmarkHook
from mailer.feedback.hooks.receiving import RefusalReason, Refused, Request, receive
from mailer.model.feedback import FeedbackClass

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
SECRET = "correct-horse-battery"
MAIL_ID = "883953f4-6105-42a2-a16a-77a8eac79483"
BOUNCE = {
    "RecordType": "Bounce",
    "MessageStream": "broadcasts",
    "ID": 4323372036854775807,
    "Type": "HardBounce",
    "TypeCode": 1,
    "Name": "Hard bounce",
    "Tag": "",
    "MessageID": MAIL_ID,
    "Metadata": {"delivery": "C" * 33, "other": "x", "number": 7},
    "ServerID": 23,
    "Description": "The server was unable to deliver your message.",
    "Details": "smtp;550 5.1.1 <olena@example.org>: user unknown",
    "Email": "olena@example.org",
    "From": "news@harbor.example.org",
    "BouncedAt": "2026-11-20T11:29:33.9070259+02:00",
    "DumpAvailable": True,
    "Inactive": True,
    "CanActivate": True,
    "Subject": "Her rights",
    "Content": "<the whole mail>",
}


def basic(text, scheme="Basic"):
    """Return the header field of basic authentication."""
    return {"authorization": f"{scheme} {base64.b64encode(text.encode()).decode()}"}


def post(document, hook=None, headers=None):
    """Receive what Postmark posts."""
    hook = hook or PostmarkHook(SECRET, username="postmark")
    headers = basic(f"postmark:{SECRET}") if headers is None else headers
    return receive("pm", hook, Request(headers, json.dumps(document).encode(), NOW))


def test_a_bounce_says_whom_why_and_by_which_mail():
    """Subject and content of the mail are not looked at."""
    (event,) = post(BOUNCE)
    assert FeedbackClass.HARD is event.kind
    assert ("pm", "Bounce:4323372036854775807") == (event.source, event.event_id)
    assert datetime(2026, 11, 20, 9, 29, 33, 907_025, UTC) == event.at
    assert "olena@example.org" == event.recipient
    assert "5.1.1" == event.status
    assert "smtp;550 5.1.1 <[address]>: user unknown" == event.diagnostic
    assert ("", MAIL_ID) == (event.message_id, event.provider_id)
    assert ("C" * 33,) == event.tokens


@pytest.mark.parametrize(
    ("kind", "details", "wanted"),
    [
        ("HardBounce", "", FeedbackClass.HARD),
        ("HardBounce", "smtp;550 no mailbox", FeedbackClass.HARD),
        ("BadEmailAddress", "", FeedbackClass.HARD),
        ("HardBounce", "smtp;550 5.7.1 blocked by policy", FeedbackClass.SOFT),
        ("HardBounce", "smtp;552 5.2.2 mailbox full", FeedbackClass.SOFT),
        ("SoftBounce", "smtp;550 5.1.1 user unknown", FeedbackClass.SOFT),
        ("Transient", "", FeedbackClass.SOFT),
        ("DnsError", "", FeedbackClass.SOFT),
        ("Blocked", "smtp;550 listed at dnsbl.example.org", FeedbackClass.SOFT),
        ("DMARCPolicy", "", FeedbackClass.SOFT),
        ("Unknown", "", FeedbackClass.SOFT),
        # A machine took it for spam: nobody complained.
        ("SpamNotification", "", FeedbackClass.SOFT),
        ("SpamComplaint", "", FeedbackClass.COMPLAINT),
        ("Unsubscribe", "", FeedbackClass.OPT_OUT),
        ("ManuallyDeactivated", "", FeedbackClass.NOT_A_REPORT),
        ("VirusNotification", "", FeedbackClass.SOFT),
        ("Subscribe", "", FeedbackClass.NOT_A_REPORT),
        ("OfTheFuture", "", FeedbackClass.NOT_A_REPORT),
        (7, "", FeedbackClass.NOT_A_REPORT),
    ],
)
def test_every_type_of_bounce_has_its_meaning(kind, details, wanted):
    """A type that nobody knows changes nothing."""
    (event,) = post({**BOUNCE, "Type": kind, "Details": details})
    assert wanted is event.kind


@pytest.mark.parametrize("kind", ["AutoResponder", "AddressChange", "ChallengeVerification"])
def test_answers_that_no_person_wrote_are_not_kept(kind):
    """They tell where a person is."""
    assert () == post({**BOUNCE, "Type": kind})


def test_a_complaint_is_a_complaint():
    """It has a number of its own."""
    (event,) = post({**BOUNCE, "RecordType": "SpamComplaint", "Type": "SpamComplaint"})
    assert FeedbackClass.COMPLAINT is event.kind
    assert "SpamComplaint:4323372036854775807" == event.event_id


def test_a_delivery_has_an_id_that_comes_again_with_it():
    """Postmark gives it none: mail and time make one, and no address is in it."""
    document = {
        "RecordType": "Delivery",
        "MessageID": MAIL_ID,
        "Recipient": "olena@example.org",
        "DeliveredAt": "2026-11-20T09:29:00Z",
        "Details": "250 2.0.0 OK",
    }
    (event,) = post(document)
    assert (FeedbackClass.DELIVERED, "olena@example.org") == (event.kind, event.recipient)
    assert f"Delivery:{MAIL_ID}:2026-11-20T09:29:00Z" == event.event_id
    assert post(document) == (event,)


@pytest.mark.parametrize("gone", ["MessageID", "DeliveredAt"])
def test_what_cannot_be_told_from_another_event_is_left_out(gone):
    """Else the first of them would be taken for all."""
    document = {"RecordType": "Delivery", "MessageID": MAIL_ID, "DeliveredAt": "2026-11-20T09:29Z"}
    assert 1 == len(post(document))
    assert () == post({**document, gone: None})


@pytest.mark.parametrize(
    ("reason", "origin", "suppressing", "wanted"),
    [
        ("ManualSuppression", "Recipient", True, FeedbackClass.OPT_OUT),
        ("ManualSuppression", "Customer", True, FeedbackClass.NOT_A_REPORT),
        ("SpamComplaint", "Recipient", True, FeedbackClass.COMPLAINT),
        ("HardBounce", "Recipient", True, FeedbackClass.NOT_A_REPORT),
        ("ManualSuppression", "Recipient", False, FeedbackClass.NOT_A_REPORT),
        ("ManualSuppression", "Recipient", "true", FeedbackClass.NOT_A_REPORT),
    ],
)
def test_only_recipients_themselves_leave(reason, origin, suppressing, wanted):
    """What staff do at Postmark changes nothing here."""
    document = {
        "RecordType": "SubscriptionChange",
        "MessageID": MAIL_ID,
        "Recipient": "olena@example.org",
        "ChangedAt": "2026-11-20T09:29:00Z",
        "Origin": origin,
        "SuppressSending": suppressing,
        "SuppressionReason": reason,
    }
    (event,) = post(document)
    assert wanted is event.kind


@pytest.mark.parametrize("record", ["Open", "Click", "Inbound", "OfTheFuture", None, 7])
def test_what_supporters_do_with_a_mail_is_not_kept(record):
    """Opens and clicks tell of people what is not our business."""
    assert () == post({**BOUNCE, "RecordType": record})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": SECRET},
        {"authorization": "Basic"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic /////w=="},
        basic(f"postmark:{SECRET}", "Bearer"),
        basic(f"postmark:{SECRET}x"),
        basic(f"postmark:{SECRET[:-1]}"),
        basic(f"Postmark:{SECRET}"),
        basic(f":{SECRET}"),
        basic(SECRET),
        {"x-mailer-secret": SECRET},
    ],
)
def test_without_user_name_and_password_nothing_is_believed(headers):
    """Whatever else is in its place."""
    with pytest.raises(Refused) as raised:
        post(BOUNCE, headers=headers)
    assert RefusalReason.SECRET is raised.value.reason


def test_the_secret_may_be_in_a_header_field_instead():
    """Of the name that was chosen, and of no other."""
    hook = PostmarkHook(SECRET, header="X-Mailer-Secret")
    assert 1 == len(post(BOUNCE, hook, {"x-mailer-secret": SECRET}))
    for headers in ({}, {"x-mailer-secret": SECRET[1:]}, basic(f"postmark:{SECRET}")):
        with pytest.raises(Refused):
            post(BOUNCE, hook, headers)
