"""Clocks that stand where a test puts them, or that are set while they go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mailer.clock import SYSTEM_CLOCK

#: A Tuesday morning; the sample mailing's hour.
NOW = datetime(2026, 12, 1, 7, 0, tzinfo=UTC)


class FixedClock:
    """A `mailer.clock.Clock` whose instant and seconds move only when told to."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now
        self._seconds = 1000.0

    def now(self) -> datetime:
        """Return the instant it stands at."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds it was moved on, from a start of no meaning."""
        return self._seconds

    def forward(self, **parts: float) -> None:
        """Move it on, by the arguments of `timedelta`: `clock.forward(minutes=31)`."""
        step = timedelta(**parts)
        self._now += step
        self._seconds += step.total_seconds()


@dataclass
class SteppedClock:
    """The machine's clock, set forward or back while it goes on."""

    step: timedelta = field(default_factory=timedelta)

    def now(self):
        """Return the instant that somebody thinks it is."""
        return SYSTEM_CLOCK.now() + self.step

    def monotonic(self):
        """Return the machine's own seconds, which nobody sets."""
        return SYSTEM_CLOCK.monotonic()
