"""A clock that stands where a test puts it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
