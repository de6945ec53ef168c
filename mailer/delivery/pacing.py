"""Decide when a relay, provider or domain is to be sent less, and by how much; pure.

In: a reply, and what is on record. Out: whom it asks to slow down, and the pause and rate that
follow: half of what it was, less with every further such reply, and back again step by step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mailer.delivery.replies import Stage
from mailer.model.mailing import Reply
from mailer.model.pacing import LONGEST_PAUSE, Slowed

# RFC 3463 §3.8 and §3.4: security, unspecified; too many from you, as Gmail writes it; system not
# accepting messages.
_THROTTLING = frozenset({"4.7.0", "4.7.28", "4.7.650", "4.3.2"})
# RFC 5321 §4.5.3.1.10 and RFC 3463 §3.6: too many recipients at once.
_TOO_MANY = (452, "4.5.3")
_WORDS = re.compile(
    r"\b(rate[ -]?limit\w*|throttl\w+|too\s+(many|fast|much)|TSS04|deferred\s+due\s+to|"
    r"(sending|maximum|message)\s+(send\s+)?rate|try\s+again\s+slower)\b",
    re.IGNORECASE,
)


class SlowDown(StrEnum):
    """Who is to be sent less."""

    #: The relay, whoever the mails are for.
    RELAY = "relay"
    #: The provider or the domain of the recipient.
    DOMAIN = "domain"


@dataclass(frozen=True)
class Throttle:
    """How long is paused, at first and at most."""

    first_pause: timedelta
    longest_pause: timedelta


#: A provider that says so means the quarter of an hour, a relay the moment.
THROTTLES = {
    SlowDown.DOMAIN: Throttle(timedelta(minutes=15), LONGEST_PAUSE),
    SlowDown.RELAY: Throttle(timedelta(seconds=10), timedelta(minutes=10)),
}


def asks_to_slow_down(reply: Reply, stage: Stage, sent: int) -> SlowDown | None:
    """Return whom a reply asks to slow down; None when it asks nobody.

    Args:
        reply: what was said.
        stage: the command it answers.
        sent: which transaction of its connection it ended, from 1.
    """
    if not 400 <= reply.code < 500 or reply.enhanced_code == "4.7.1":
        # Greylisting asks to come back, not to come less (RFC 6647 §2).
        return None
    says_so = (
        reply.enhanced_code in _THROTTLING
        or (reply.code, reply.enhanced_code) == _TOO_MANY
        or _WORDS.search(reply.text) is not None
    )
    about_recipient = stage in (Stage.RCPT, Stage.CONTENT, Stage.DATA)
    if about_recipient and says_so and reply.enhanced_code != "4.3.2":
        return SlowDown.DOMAIN
    if reply.code == 421 and sent > 1 and not about_recipient:
        # Enough for one connection: many relays end it so after some mails, and take the next.
        return None
    return SlowDown.RELAY if says_so or reply.code == 421 else None


def slowed_down(
    before: Slowed | None, base_per_s: float, reason: str, now: datetime, throttle: Throttle
) -> Slowed:
    """Return how it goes on after a reply that asks for less.

    Args:
        before: how it was slowed before; None when it never was.
        base_per_s: what it takes a second now, where it is not slowed.
        reason: the code and enhanced code.
        now: this instant.
        throttle: how long is paused.
    """
    if before is not None and before.is_paused(now):
        # What was under way when the pause began says the same thing again.
        return before
    left = before.halvings_left(now) if before is not None else 0
    base = before.base_per_s if before is not None and left else base_per_s
    pause = min(throttle.first_pause * 2**left, throttle.longest_pause)
    return Slowed(base, left + 1, now + pause, reason)


#: So often in a row a relay fails before it steps aside, and how long it does then.
FAILURES_TO_STEP_ASIDE = 3
FIRST_ASIDE, LONGEST_ASIDE = timedelta(seconds=5), timedelta(minutes=5)


def aside_for(failures: int) -> timedelta | None:
    """Return how long a relay steps aside that failed so often in a row; None when it does not."""
    over = failures - FAILURES_TO_STEP_ASIDE
    return None if over < 0 else min(FIRST_ASIDE * 2 ** min(over, 16), LONGEST_ASIDE)


def part_of(total: int, place: int, processes: int) -> int:
    """Return the part of a limit that one of several processes has; at least one.

    Args:
        total: the limit; 0 is none.
        place: of this process among them, from 0.
        processes: how many there are.
    """
    processes = max(processes, 1)
    return 0 if not total else max(total // processes + (place < total % processes), 1)
