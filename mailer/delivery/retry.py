"""Decide when a deferred delivery is tried again, or that it is given up.

In: how old it is and how often it was tried. Out: a decision; pure but for the jitter handed in.
RFC 5321 §4.5.4.1: the interval grows, and after some days the sender gives up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

#: Each pause is this many times the one before.
GROWTH = 2.0
#: A pause is up to this share shorter or longer, so that a thousand retries do not come at once.
JITTER = 0.2


@dataclass(frozen=True)
class RetryPolicy:
    """The limits of retrying."""

    first_pause_s: float
    longest_pause_s: float
    give_up_after: timedelta


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
    pause_s = min(
        policy.first_pause_s * GROWTH ** min(attempt_number - 1, 32), policy.longest_pause_s
    )
    pause_s *= 1 + JITTER * (2 * jitter - 1)
    when = now + timedelta(seconds=pause_s)
    if when - first_attempt_at > policy.give_up_after:
        return GiveUp()
    return RetryAt(when)
