"""What follows from what came back: the table of STANDARDS, a row each."""

from datetime import date, timedelta

import pytest

from mailer.model.audience import SuppressionReason
from mailer.model.breaker import Ending, RefusalReason
from mailer.model.feedback import FeedbackClass, FeedbackReason
from mailer.model.feedback_policy import (
    Decision,
    Said,
    SoftBounce,
    SoftLimits,
    are_too_many,
    decide,
)

K, R, S = FeedbackClass, FeedbackReason, SuppressionReason
TODAY = date(2026, 12, 1)
LIMITS = SoftLimits()


def earlier(reason, *days_ago):
    """Return soft bounces of so many days ago."""
    return [SoftBounce(TODAY - timedelta(days=ago), reason) for ago in days_ago]


@pytest.mark.parametrize(
    ("said", "suppress"),
    [
        (Said(K.HARD, R.UNKNOWN_USER, "5.1.1"), S.BOUNCED),
        (Said(K.HARD, R.UNKNOWN_DOMAIN, "5.1.2"), S.BOUNCED),
        (Said(K.HARD, R.UNKNOWN_USER, "5.1.1", is_theirs=False), None),
        (Said(K.SOFT, R.DISABLED, "5.2.1"), None),
        (Said(K.COMPLAINT), S.COMPLAINED),
        (Said(K.COMPLAINT, is_theirs=False), S.COMPLAINED),
        (Said(K.OPT_OUT), None),
        (Said(K.DELAYED), None),
        (Said(K.DELIVERED), None),
        (Said(K.AUTHENTICATION_REPORT), None),
        (Said(K.NOT_A_REPORT), None),
    ],
)
def test_what_is_said_once_suppresses_or_not(said, suppress):
    """A dead address and a complaint do at once."""
    assert decide(said, [], TODAY, LIMITS).suppress is suppress


@pytest.mark.parametrize(
    ("reason", "counted", "tells_staff"),
    [
        (R.BLOCKED_AS_SPAM, RefusalReason.SPAM, False),
        (R.POLICY, RefusalReason.SPAM, False),
        (R.AUTHENTICATION, RefusalReason.SPAM, True),
        (R.TOO_MUCH, RefusalReason.SPAM, False),
        (R.SENDER_REFUSED, RefusalReason.OTHER, True),
        (R.RELAYING, RefusalReason.OTHER, True),
        (R.MALFORMED, RefusalReason.OTHER, True),
        (R.TOO_BIG, RefusalReason.OTHER, True),
        (R.NEEDS_SMTPUTF8, RefusalReason.OTHER, False),
    ],
)
def test_what_is_about_the_mail_never_suppresses(reason, counted, tells_staff):
    """However often; it counts for the circuit breaker, and goes to staff where they can mend it."""
    often = earlier(reason, *range(1, 90))
    assert decide(Said(K.SOFT, reason), often, TODAY, LIMITS) == Decision(
        ending=Ending.BOUNCED, reason=counted, tells_staff=tells_staff
    )


def test_a_code_of_security_is_about_us_whatever_the_reason():
    """5.7.x: staff are told, and nobody is suppressed."""
    said = Said(K.SOFT, R.UNCLEAR, "5.7.1")
    found = decide(said, earlier(R.UNCLEAR, 1, 2, 3), TODAY, LIMITS)
    assert (found.suppress, found.reason, found.tells_staff) == (None, RefusalReason.SPAM, True)


def test_greylisting_that_lasted_too_long_is_nobodys_trouble():
    """4.7.x: neither the person's nor staff's, and no spam."""
    said = Said(K.SOFT, R.SYSTEM, "4.7.1")
    found = decide(said, earlier(R.SYSTEM, 20, 40), TODAY, LIMITS)
    assert found == Decision(ending=Ending.BOUNCED, reason=RefusalReason.OTHER)


@pytest.mark.parametrize(
    ("reason", "days_ago", "too_many"),
    [
        (R.DISABLED, (), False),
        (R.DISABLED, (1,), False),
        (R.DISABLED, (0, 0, 0), False),
        (R.DISABLED, (0, 1, 1), False),
        (R.DISABLED, (1, 2), True),
        (R.DISABLED, (1, 30), True),
        (R.DISABLED, (1, 31), False),
        (R.UNKNOWN_USER, (10, 20), True),
        (R.UNCLEAR, (10, 20), True),
        (R.MAILBOX_FULL, (1, 2), False),
        (R.MAILBOX_FULL, (1, 2, 3, 4, 29), False),
        (R.MAILBOX_FULL, (15, 30), True),
        (R.MAILBOX_FULL, (30,), False),
        (R.MAILBOX_FULL, (45, 90), True),
        (R.MAILBOX_FULL, (45, 91), False),
        (R.NETWORK, (1, 2), False),
        (R.EXPIRED, (15, 31), True),
    ],
)
def test_soft_bounces_are_too_many(reason, days_ago, too_many):
    """On three days in thirty; what may pass, on three days over thirty."""
    found = decide(Said(K.SOFT, reason), earlier(reason, *days_ago), TODAY, LIMITS)
    assert found.suppress is (S.SOFT_BOUNCES if too_many else None)


def test_no_bounce_is_never_too_many():
    """Nor are two for a limit of three, over whatever time."""
    assert not are_too_many([], LIMITS)
    assert are_too_many(earlier(R.UNCLEAR, 0, 1), SoftLimits(2, 1))


@pytest.mark.parametrize(
    ("kind", "proves"),
    [
        (K.HARD, True),
        (K.SOFT, True),
        (K.DELAYED, True),
        (K.DELIVERED, True),
        (K.COMPLAINT, True),
        (K.OPT_OUT, True),
        (K.AUTHENTICATION_REPORT, False),
        (K.NOT_A_REPORT, False),
        (K.AUTO_REPLY, False),
    ],
)
def test_what_proves_that_a_mail_was_taken(kind, proves):
    """Whatever became of it later."""
    assert Said(kind).proves_taken is proves
