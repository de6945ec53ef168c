"""Decide when a deferred delivery is tried again, or that it is given up.

In: how old it is and how often it was tried. Out: a decision; pure but for the jitter handed in.
RFC 5321 §4.5.4.1: the interval grows, and after some days the sender gives up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailer.model.feedback_policy import SoftLimits

#: Each pause is this many times the one before.
GROWTH = 2.0
#: So often a pause grows at most.
MOST_DOUBLED = 32
#: A pause is up to this share shorter or longer, so that a thousand retries do not come at once.
JITTER = 0.2


@dataclass(frozen=True)
class RetryPolicy:
    """The limits of retrying."""

    first_pause_s: float
    longest_pause_s: float
    give_up_after: timedelta
    #: Beyond which an address that is refused for now is mailed no more.
    soft_limits: SoftLimits = field(default_factory=SoftLimits)


@dataclass(frozen=True)
class RetryAt:
    """Try again then."""

    when: datetime


@dataclass(frozen=True)
class GiveUp:
    """It has grown too old: refused."""


def next_attempt(
    policy: RetryPolicy, *, attempt_number: int, first_attempt_at: datetime, now: datetime,
    jitter: float,
) -> RetryAt | GiveUp:  # fmt: skip
    """Decide what follows a temporary refusal.

    Args:
        policy: the limits.
        attempt_number: of the attempt that was just deferred, from 1.
        first_attempt_at: when the first one began.
        now: this instant.
        jitter: a random number from 0 to 1.
    """
    pause_s = _pause_s(policy, attempt_number) * (1 + JITTER * (2 * jitter - 1))
    when = now + timedelta(seconds=pause_s)
    if when - first_attempt_at > policy.give_up_after:
        return GiveUp()
    return RetryAt(when)


def longest_waits(policy: RetryPolicy) -> tuple[timedelta, ...]:
    """Return how long is waited at most after the first attempt, the second, and so on.

    The last one holds for all that follow.
    """
    pauses = [_pause_s(policy, number) for number in range(1, MOST_DOUBLED + 2)]
    growing = pauses.index(pauses[-1]) + 1
    return tuple(timedelta(seconds=pause_s * (1 + JITTER)) for pause_s in pauses[:growing])


def _pause_s(policy: RetryPolicy, attempt_number: int) -> float:
    doubled = min(attempt_number - 1, MOST_DOUBLED)
    return min(policy.first_pause_s * GROWTH**doubled, policy.longest_pause_s)
