"""The circuit breaker: how many mails go first, and beyond which refusals a mailing pauses by itself.

In: counts of what came of a mailing's deliveries, by domain class. Out: a decision; pure. A limit is
a share in percent, and never reached by fewer than `at_least` mails: one refusal of three says
nothing. Frozen dataclasses and enums, standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from mailer.model.worded import worded

#: A canary of fewer mails tells nothing about the rest.
SMALLEST_CANARY = 50
#: Of mail domains that belong to no large provider, see `mailer.audience.addresses`.
OTHER_CLASS = "other"
#: Words for "everybody goes at once".
NO_CANARY = ("", "0", "none")


class Ending(StrEnum):
    """What is counted of deliveries: the outcomes of attempts, and what comes back later."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"
    #: Taken by the relay, and came back.
    BOUNCED = "bounced"
    #: Reported as abuse by who got it.
    COMPLAINED = "complained"


class RefusalReason(StrEnum):
    """Why a mail was refused."""

    #: It was not.
    NONE = ""
    #: The person's address: there is none, it is full or shut.
    ADDRESS = "address"
    #: What the mail or its sender is: spam, policy, a blocklist. Others will meet the same.
    SPAM = "spam"
    #: It was deferred until it was too old.
    GAVE_UP = "gave_up"
    #: Anything else: its size, its syntax, or it could not be made.
    OTHER = "other"


@dataclass(frozen=True)
class Canary:
    """So many mails go first: a number, or a share of the people."""

    count: int = 0
    percent: float = 0.0

    def size(self, people: int) -> int:
        """Return how many of so many people that is; 0 where nobody would be left for later."""
        wanted = self.count
        if self.percent:
            wanted = max(math.ceil(people * self.percent / 100), SMALLEST_CANARY)
        return wanted if wanted < people else 0


def parse_canary(text: str) -> Canary:
    """Return what "200", "5%" or "none" means.

    Raises:
        ValueError: for anything else, saying what to write.
    """
    if text.strip().lower() in NO_CANARY:
        return Canary()
    found = re.fullmatch(r"\s*(\d{1,7}|\d{1,2}\.\d{1,3})\s*(%?)\s*", text, re.ASCII)
    if not found or ("." in found[1] and not found[2]):
        raise ValueError(worded("is neither a number of mails like 200 nor a share like 5%"))
    if found[2]:
        percent = float(found[1])
        if not 0 < percent <= 50:
            raise ValueError(worded("is no share from above 0% to 50%"))
        return Canary(percent=percent)
    if int(found[1]) < SMALLEST_CANARY:
        raise ValueError(
            worded(
                "is fewer than %(least)s mails, which tell nothing of the rest",
                least=SMALLEST_CANARY,
            )
        )
    return Canary(count=int(found[1]))


@dataclass(frozen=True)
class Limits:
    """Beyond which a mailing pauses by itself, in percent of the mails that have an end."""

    #: Refused for whatever reason.
    refused_percent: float = 10.0
    #: Refused as spam or by policy.
    spam_percent: float = 2.0
    #: Came back later.
    bounced_percent: float = 10.0
    #: Reported as abuse by those who got them.
    complained_percent: float = 0.3
    #: Fewer than so many of a kind are never beyond a limit.
    at_least: int = 6


@dataclass(frozen=True)
class Breaker:
    """What a mailing pins of the circuit breaker when it is scheduled."""

    limits: Limits = Limits()
    #: So many deliveries go first; 0: all at once.
    canary: int = 0
    #: What is waited after the last of them was tried, for bounces and complaints to come.
    canary_wait_s: int = 600


@dataclass(frozen=True)
class Figures:
    """How many mails came to which end."""

    #: Accepted or refused.
    ended: int = 0
    #: For whatever reason, spam included.
    refused: int = 0
    spam: int = 0
    bounced: int = 0
    complained: int = 0

    def __add__(self, other: Figures) -> Figures:
        """Return both together."""
        return Figures(
            *(getattr(self, one.name) + getattr(other, one.name) for one in fields(self))
        )

    def __sub__(self, other: Figures) -> Figures:
        """Return what came since `other`."""
        return Figures(
            *(getattr(self, one.name) - getattr(other, one.name) for one in fields(self))
        )


#: Domain class → its figures.
FiguresByClass = Mapping[str, Figures]

#: Of what → which limit holds, and what is said of those mails. The gravest first.
_MEASURES = (
    ("spam", "spam_percent", "refused as spam or by policy"),
    ("complained", "complained_percent", "reported as abuse"),
    ("refused", "refused_percent", "refused"),
    ("bounced", "bounced_percent", "returned"),
)


@dataclass(frozen=True)
class Tripped:
    """A limit is passed: the mailing pauses."""

    #: Why, in a sentence without its full stop.
    reason: str


def judge(limits: Limits, counted: FiguresByClass, before: FiguresByClass) -> Tripped | None:
    """Decide whether a mailing pauses; None when it goes on.

    All mails together are held against the limits, and those of each domain class: a provider that
    refuses everything may have one percent of the people.

    Args:
        limits: what the mailing pins.
        counted: the counts by domain class.
        before: what they were when a person let it go on; empty when nobody did.
    """
    since = {name: one - before.get(name, Figures()) for name, one in counted.items()}
    whole = sum(since.values(), Figures())
    for measure, limit, said in _MEASURES:
        allowed = getattr(limits, limit)
        for name, figures in (("", whole), *sorted(since.items())):
            bad = getattr(figures, measure)
            if bad < limits.at_least or bad * 100 <= allowed * figures.ended:
                continue
            mails = f"{figures.ended} mails{_to(name)}"
            which = f"{mails} since it was resumed" if before else f"the first {mails}"
            mostly = "" if name else _mostly(measure, since)
            reason = f"{bad} of {which} were {said}{mostly}; the limit is {allowed:g} %"
            return Tripped(reason)
    return None


def _to(name: str) -> str:
    if name == OTHER_CLASS:
        return " to addresses of other providers"
    return f" to {name} addresses" if name else ""


def _mostly(measure: str, since: FiguresByClass) -> str:
    """Return at which provider most of it happened; "" where none stands out."""
    name = max(since, key=lambda one: int(getattr(since[one], measure)))
    most: int = getattr(since[name], measure)
    stands_out = (
        name != OTHER_CLASS
        and len(since) > 1
        and most * 2 > sum(getattr(one, measure) for one in since.values())
    )
    return f", {most} of them by {name}" if stands_out else ""
