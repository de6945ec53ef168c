"""Decide what becomes of a scheduled mailing whose hour has come.

In: a mailing and the time. Out: a decision object; nothing is changed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from mailer.model.mailing import Mailing

#: Above what was confirmed by this share, a frozen mailing waits for a person.
LARGEST_GROWTH = 0.02


@dataclass(frozen=True)
class Start:
    """Freeze it and let it go."""


@dataclass(frozen=True)
class Wait:
    """Its hour has not come."""


@dataclass(frozen=True)
class Hold:
    """A person has to say whether it still goes."""

    reason: str


def when_due(mailing: Mailing, now: datetime) -> Start | Wait | Hold:
    """Decide for a scheduled mailing: start, wait, or hold since its hour has long passed."""
    if now < mailing.due_at:
        return Wait()
    if mailing.timing.recipient_time:
        # Each share is held by its own lateness, and keeps none of the others.
        return Start()
    late = now - mailing.due_at
    if late > timedelta(seconds=mailing.grace_s) and not mailing.released:
        minutes = int(late.total_seconds() // 60)
        allowed = mailing.grace_s // 60
        return Hold(f"Its hour passed {minutes} minutes ago; up to {allowed} were allowed.")
    return Start()


def when_frozen(mailing: Mailing, due_count: int) -> Start | Hold:
    """Decide for a frozen mailing: start, or hold since more people would get it than agreed."""
    most = mailing.confirmed_count * (1 + LARGEST_GROWTH)
    if due_count > most and not mailing.released:
        return Hold(f"It would go to {due_count} people; {mailing.confirmed_count} were confirmed.")
    return Start()
