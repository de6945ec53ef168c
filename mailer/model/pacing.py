"""How fast mails go by a relay, and by it to one provider or one domain; pure.

In: limits as they are configured, what was spent, what the other side said, and the time. Out: how
many may go now. What is spent and what was slowed stands in the database, so that every sender
process obeys it; the arithmetic is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from mailer.model.domain_classes import OTHER


class PaceKey(NamedTuple):
    """What a pace is about: a relay, a class of domains, or one domain of no provider's class."""

    #: "" for the relay as a whole.
    domain_class: str
    #: Keyed; empty for a whole class.
    domain_digest: bytes = b""


WHOLE_RELAY = PaceKey("")
#: Nobody is paused for longer.
LONGEST_PAUSE = timedelta(hours=1)
#: So far processes that spend from one bucket may be apart: each reads its machine's clock, and then
#: waits for its turn. What is further back is a clock that was set back.
APART_S = 1.0
#: After a pause it goes twice as fast after each such stretch without a further word.
RECOVERY_STEP = timedelta(minutes=10)


@dataclass(frozen=True)
class Pace:
    """Limits of one relay, or of it to one provider or domain; 0 is none."""

    #: Mails under way at once, over all sender processes.
    connections: int = 0
    per_second: float = 0.0


UNLIMITED = Pace()


@dataclass(frozen=True)
class DailyCap:
    """How many mails a relay takes on a day; it may grow by a plan."""

    #: 0 is no limit.
    per_day: int = 0
    #: The cap of the first day, the second, and so on.
    plan: tuple[int, ...] = ()
    plan_from: date | None = None

    def on(self, day: date) -> int | None:
        """Return the cap of a day; None for no limit.

        Before the plan begins its first number holds; when it has ended `per_day` does, or without
        that its last number.
        """
        if not self.plan or self.plan_from is None:
            return self.per_day or None
        number = max((day - self.plan_from).days, 0)
        if number >= len(self.plan):
            return self.per_day or self.plan[-1]
        planned = self.plan[number]
        return min(planned, self.per_day) if self.per_day else planned


NO_CAP = DailyCap()


@dataclass(frozen=True)
class Bucket:
    """A token bucket: what may go at once, filled up again as time passes; it holds a second's."""

    tokens: float
    filled_at: datetime


def spendable(bucket: Bucket | None, per_second: float, now: datetime) -> Bucket:
    """Return a bucket as it is at `now`; a new one is full.

    Args:
        bucket: as it was left; None where nothing was spent yet.
        per_second: what flows in.
        now: this instant; a clock that was set back adds nothing.
    """
    holds = max(1.0, per_second)
    if bucket is None:
        return Bucket(holds, now)
    passed_s = (now - bucket.filled_at).total_seconds()
    if -APART_S < passed_s < 0:
        # That stretch was filled already, and would be again if it were counted from `now`.
        return Bucket(min(holds, bucket.tokens), bucket.filled_at)
    return Bucket(min(holds, bucket.tokens + max(passed_s, 0.0) * per_second), now)


@dataclass(frozen=True)
class Slowed:
    """A relay, provider or domain that told us to slow down: a pause, then half, then more."""

    #: What it had taken a second before, from which it was halved.
    base_per_s: float
    #: How often it was halved when the pause was set.
    halvings: int
    paused_until: datetime
    #: The code and enhanced code that said so.
    reason: str

    def is_paused(self, now: datetime) -> bool:
        """Tell whether nothing may go.

        A pause that ends further ahead than any is long was set before the clock was set back.
        """
        return now < self.paused_until <= now + LONGEST_PAUSE

    def halvings_left(self, now: datetime) -> int:
        """Return how often it is halved still; 0 when it has recovered."""
        if self.is_paused(now):
            return self.halvings
        passed = max(now - self.paused_until, timedelta())
        return max(self.halvings - passed // RECOVERY_STEP, 0)

    def per_second(self, now: datetime) -> float:
        """Return what may go a second once the pause is over; 0 when it has recovered: no limit."""
        left = self.halvings_left(now)
        return 0.0 if left == 0 else self.base_per_s / 2.0**left


def tighter(first: float, second: float) -> float:
    """Return the smaller of two limits, of which 0 is none."""
    return min(first, second) if first and second else first or second


@dataclass(frozen=True)
class Pacing:
    """How fast providers are mailed, each by each relay."""

    #: Class of domains → its limits.
    of_class: Mapping[str, Pace] = field(default_factory=dict)
    #: Of every single domain that is in no provider's class.
    each_domain: Pace = UNLIMITED

    def of(self, domain_class: str) -> Pace:
        """Return the limits of a class: of all others together there are none."""
        return UNLIMITED if domain_class == OTHER else self.of_class.get(domain_class, UNLIMITED)


NO_PACING = Pacing()
