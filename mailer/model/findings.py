"""What a look at a relay, a domain or a received mail found, one fact at a time.

In: nothing. Out: `Finding`, which such looks return in a list, good news among them. A finding
never holds a supporter's address.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """What a finding means."""

    #: As it should be.
    OK = "ok"
    #: Worth a look; nothing is stopped.
    ADVICE = "advice"
    #: Must be mended first.
    WRONG = "wrong"
    #: It could not be asked, so that nobody knows: the network is away, say.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    grade: Grade
    #: What was looked at: "DKIM", "TLS", "MX of bounces.example.org".
    subject: str
    #: What was found, in one sentence without a full stop.
    text: str
    #: What to do about it; "" when there is nothing to do.
    remedy: str = ""


def ok(subject: str, text: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(Grade.OK, subject, text)


def advice(subject: str, text: str, remedy: str = "") -> Finding:
    """Return that something is worth a look."""
    return Finding(Grade.ADVICE, subject, text, remedy)


def wrong(subject: str, text: str, remedy: str = "") -> Finding:
    """Return that something must be mended."""
    return Finding(Grade.WRONG, subject, text, remedy)


def unknown(subject: str, text: str, remedy: str = "") -> Finding:
    """Return that something could not be asked."""
    return Finding(Grade.UNKNOWN, subject, text, remedy)


def passes(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing is wrong, and nothing is unknown."""
    return all(one.grade in (Grade.OK, Grade.ADVICE) for one in findings)
