"""Whatever is posted to a hook, it is refused or read, and never a fault of ours."""

import hashlib
import hmac
import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.feedback.hooks.mailgun import MailgunHook
from mailer.feedback.hooks.postmark import PostmarkHook
from mailer.feedback.hooks.receiving import Refused, Request, receive
from mailer.feedback.hooks.ses import SesHook
from mailer.model.feedback import Event
from tests.support import sns

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
SECRET = "correct-horse-battery"
#: Words that lead into the readers' branches.
WORDS = st.sampled_from(
    [
        "Bounce", "Complaint", "Delivery", "DeliveryDelay", "Subscription", "Reject", "Permanent",
        "NoEmail", "HardBounce", "SpamComplaint", "SubscriptionChange", "failed", "delivered",
        "complained", "permanent", "Notification", "SubscriptionConfirmation", "delayed", "opt-out",
        "olena@example.org", "5.1.1", "2026-11-20T09:29:00Z", "0001-01-01T00:00:00+14:00",
        sns.TOPIC, sns.CERTIFICATE, "2", "a" * 40, f"b+{'a' * 40}@example.org",
    ]
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | WORDS
)
NAMES = st.sampled_from(
    [
        "eventType", "notificationType", "mail", "bounce", "complaint", "delivery", "deliveryDelay",
        "subscription", "reject", "bounceType", "bounceSubType", "bouncedRecipients", "recipients",
        "complainedRecipients", "delayedRecipients", "destination", "emailAddress", "status",
        "diagnosticCode", "headers", "name", "value", "tags", "messageId", "source", "timestamp",
        "newTopicPreferences", "RecordType", "Type", "ID", "MessageID", "Email", "Recipient",
        "Details", "Metadata", "BouncedAt", "DeliveredAt", "SuppressSending", "event", "severity",
        "reason", "recipient", "message", "message-id", "delivery-status", "code", "enhanced-code",
        "user-variables", "envelope", "sender", "signature", "token", "event-data", "Message",
        "MessageId", "TopicArn", "Timestamp", "SigningCertURL", "SignatureVersion", "Signature",
    ]
)  # fmt: skip
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(NAMES | st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, TREES, max_size=6)
HOOKS = (
    SesHook(frozenset({sns.TOPIC}), lambda _: sns.certificate()),
    PostmarkHook(SECRET, username="postmark"),
    MailgunHook(SECRET, lambda _: False),
)


def check(events):
    """What a hook tells is as `Event` promises."""
    for one in events:
        assert isinstance(one, Event)
        assert one.at.tzinfo is UTC
        assert one.at <= NOW
        assert "@" not in one.diagnostic
        assert one.source == "key"
        assert one.event_id
        repr(one).encode()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2_000) | OBJECTS.map(lambda one: json.dumps(one).encode()))
def test_a_stranger_gets_nothing_but_a_refusal(body):
    """No octets make a hook believe them, or fail."""
    for hook in HOOKS:
        try:
            events = receive("key", hook, Request({"authorization": "Basic x"}, body, NOW))
        except Refused:
            continue
        raise AssertionError(events)


@settings(max_examples=60, deadline=None)
@given(OBJECTS)
def test_whatever_ses_publishes_is_read(told):
    """Values of any type, in any place."""
    check(receive("key", HOOKS[0], Request({}, sns.notification(told), NOW)))


@settings(max_examples=60, deadline=None)
@given(OBJECTS)
def test_whatever_postmark_posts_is_read(told):
    """Values of any type, in any place."""
    headers = {"x-mailer-secret": SECRET}
    hook = PostmarkHook(SECRET, header="X-Mailer-Secret")
    check(receive("key", hook, Request(headers, json.dumps(told).encode(), NOW)))


@settings(max_examples=60, deadline=None)
@given(OBJECTS)
def test_whatever_mailgun_posts_is_read(told):
    """Values of any type, in any place."""
    seconds, word = str(int(NOW.timestamp())), "a" * 50
    mac = hmac.new(SECRET.encode(), f"{seconds}{word}".encode(), hashlib.sha256).hexdigest()
    signature = {"timestamp": seconds, "token": word, "signature": mac}
    body = json.dumps({"signature": signature, "event-data": told}).encode()
    check(receive("key", HOOKS[2], Request({}, body, NOW)))
