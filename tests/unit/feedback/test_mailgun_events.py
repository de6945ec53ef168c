"""What Mailgun tells of mails, and how it proves that it is Mailgun."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from mailer.feedback.hooks.mailgun import MailgunHook
from mailer.feedback.hooks.receiving import RefusalReason, Refused, Request, receive
from mailer.model.feedback import FeedbackClass

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
KEY = "key-of-the-account-0123456789"
WORD = "651869375b9df3c98fc15c4889b102119add1235c38fc92824"
VERP = f"b+{'a' * 40}@bounces.harbor.example.org"
DELIVERED = {
    "event": "delivered",
    "id": "hTWCTD81RtiDN",
    "timestamp": 1795166940.153125,
    "log-level": "info",
    "recipient": "olena@example.org",
    "recipient-domain": "example.org",
    "tags": [],
    "user-variables": {"delivery": "C" * 33, "nested": {"a": 1}},
    "envelope": {"sender": VERP, "targets": "olena@example.org", "transport": "smtp"},
    "message": {
        "headers": {
            "to": "olena@example.org",
            "message-id": f"{'b' * 40}@bounces.harbor.example.org",
            "from": "news@harbor.example.org",
            "subject": "Her rights",
        },
        "attachments": [],
        "size": 809,
    },
    "delivery-status": {"code": 250, "message": "OK", "description": "", "attempt-no": 1},
}


def signed(told, *, at=NOW, word=WORD, key=KEY, seconds=None, **changes):
    """Return the body of a webhook."""
    seconds = str(int(at.timestamp())) if seconds is None else seconds
    mac = hmac.new(key.encode(), f"{seconds}{word}".encode(), hashlib.sha256).hexdigest()
    signature = {"timestamp": seconds, "token": word, "signature": mac, **changes}
    return json.dumps({"signature": signature, "event-data": told}).encode()


def post(body, known=()):
    """Receive what Mailgun posts."""
    hook = MailgunHook(KEY, lambda event_id: event_id in known)
    return receive("mg", hook, Request({}, body, NOW))


def refusal(body, known=()):
    """Return why it is refused."""
    with pytest.raises(Refused) as raised:
        post(body, known)
    return raised.value.reason


def failed(severity="permanent", reason="bounce", **reply):
    """Return a failure."""
    told = {"event": "failed", "severity": severity, "reason": reason, "delivery-status": reply}
    return {**DELIVERED, **told}


def test_an_event_says_whom_what_and_by_which_mail():
    """Our Message-ID and the return path find the delivery."""
    (event,) = post(signed(DELIVERED))
    assert FeedbackClass.DELIVERED is event.kind
    assert ("mg", WORD) == (event.source, event.event_id)
    assert datetime(2026, 11, 20, 9, 29, 0, 153_125, UTC) == event.at
    assert "olena@example.org" == event.recipient
    assert "250 OK" == event.diagnostic
    assert f"{'b' * 40}@bounces.harbor.example.org" == event.message_id
    assert ("a" * 40, "C" * 33) == event.tokens


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (failed(code=550, message="5.1.1 The account does not exist"), FeedbackClass.HARD),
        (failed(code=550, message="No such user here"), FeedbackClass.SOFT),
        (failed(code=550, **{"enhanced-code": "5.1.1", "message": ""}), FeedbackClass.HARD),
        (failed(code=550, message="5.7.1 spam"), FeedbackClass.SOFT),
        (failed(code=550, message="spam message rejected"), FeedbackClass.SOFT),
        (failed(code=552, message="5.2.2 over quota"), FeedbackClass.SOFT),
        (failed(code=605, reason="suppress-bounce"), FeedbackClass.SOFT),
        (failed(reason="old", code=602, message="user unknown"), FeedbackClass.SOFT),
        (failed(code=True, message=7), FeedbackClass.SOFT),
        (failed(code=607, reason="suppress-complaint"), FeedbackClass.COMPLAINT),
        (failed(code=606, reason="suppress-unsubscribe"), FeedbackClass.OPT_OUT),
        # It is tried again: a delay.
        (failed("temporary", "generic", code=450, message="5.1.1 later"), FeedbackClass.DELAYED),
        (failed("of the future", code=550, message="5.1.1 x"), FeedbackClass.DELAYED),
        ({**DELIVERED, "event": "complained"}, FeedbackClass.COMPLAINT),
        ({**DELIVERED, "event": "unsubscribed"}, FeedbackClass.OPT_OUT),
        ({**DELIVERED, "event": "rejected", "reject": {"reason": "x"}}, FeedbackClass.SOFT),
    ],
)
def test_every_event_has_its_meaning(told, wanted):
    """A bounce is hard only where nobody is at the address."""
    (event,) = post(signed(told))
    assert wanted is event.kind


@pytest.mark.parametrize("name", ["opened", "clicked", "accepted", "stored", "another", None, 7])
def test_what_supporters_do_with_a_mail_is_not_kept(name):
    """Opens and clicks tell of people what is not our business."""
    assert () == post(signed({**DELIVERED, "event": name}))


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": "0" * 64}, {"signature": ""}, {"signature": None}, {"signature": 7},
        {"token": WORD[::-1]}, {"token": None}, {"token": [WORD]}, {"timestamp": "1795167001"},
        {"timestamp": None}, {"timestamp": 1795167001}, {"timestamp": True}, {"token": "\ud800"},
    ],
)  # fmt: skip
def test_what_is_not_signed_with_the_key_is_refused(changes):
    """Each of the three is bound to the others."""
    assert RefusalReason.SIGNATURE is refusal(signed(DELIVERED, **changes))


def test_the_time_may_be_a_number():
    """Mailgun's own documents have it in both forms."""
    assert 1 == len(post(signed(DELIVERED, timestamp=int(NOW.timestamp()))))


def test_another_accounts_key_is_none_of_ours():
    """Everybody can have an account there."""
    assert RefusalReason.SIGNATURE is refusal(signed(DELIVERED, key="another"))
    assert RefusalReason.SIGNATURE is refusal(json.dumps({"event-data": DELIVERED}).encode())


def test_digits_do_not_change_sides_between_time_and_word():
    """The signature is over both without anything between them."""
    seconds = str(int(NOW.timestamp()))
    for split in (9, 11):
        text = f"{seconds}{WORD}"
        body = signed(DELIVERED, seconds=text[:split], word=text[split:])
        assert RefusalReason.SIGNATURE is refusal(body)


@pytest.mark.parametrize(
    ("age", "is_fresh"),
    [
        (timedelta(minutes=14), True), (timedelta(minutes=16), False),
        (timedelta(minutes=-14), True), (timedelta(minutes=-16), False), (timedelta(days=400), False),
    ],
)  # fmt: skip
def test_a_signature_is_good_for_a_quarter_of_an_hour(age, is_fresh):
    """It does not cover the event: with an old one anything could be told."""
    body = signed(DELIVERED, at=NOW - age)
    if is_fresh:
        assert 1 == len(post(body))
    else:
        assert RefusalReason.AGE is refusal(body)


def test_a_signature_is_good_once():
    """Whoever saw one go by cannot use it for an event of their own."""
    (event,) = post(signed(DELIVERED))
    forged = signed({**DELIVERED, "event": "complained", "recipient": "rustam@example.net"})
    assert RefusalReason.REPLAYED is refusal(forged, known={event.event_id})
