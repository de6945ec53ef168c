"""Decide what becomes of a mailing whose hour has come.

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
    return _too_late(mailing, now) or Start()


def when_frozen(mailing: Mailing, due_count: int, now: datetime) -> Start | Hold:
    """Decide for a frozen mailing: start, or hold since its hour has passed or it has grown.

    The program may have ended while it froze, and its hour may have passed since. Who released it
    before it was frozen knew that it was late, not how many it had become. What is held here is not
    judged again: its reason says all that a person who releases it has to know.
    """
    reasons = []
    if (late := _too_late(mailing, now)) is not None:
        reasons.append(late.reason)
    most = mailing.confirmed_count * (1 + LARGEST_GROWTH)
    if due_count > most:
        reasons.append(
            f"It would go to {due_count} people; {mailing.confirmed_count} were confirmed."
        )
    return Hold(" ".join(reasons)) if reasons else Start()


def _too_late(mailing: Mailing, now: datetime) -> Hold | None:
    if mailing.timing.recipient_time or mailing.released:
        # Each share is held by its own lateness, and keeps none of the others.
        return None
    late = now - mailing.due_at
    if late <= timedelta(seconds=mailing.grace_s):
        return None
    minutes = int(late.total_seconds() // 60)
    allowed = mailing.grace_s // 60
    return Hold(f"Its hour passed {minutes} minutes ago; up to {allowed} were allowed.")
