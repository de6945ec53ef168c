"""Show what a mailing's circuit breaker holds back and pauses at, and where it stands.

In: a breaker, or a mailing that pins one. Out: lines for a person, documents for other programs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from mailer.cli.common import console, shown
from mailer.model.breaker import Breaker
from mailer.model.mailing import Mailing

CanaryText = Annotated[
    str | None,
    typer.Option(
        "--canary",
        metavar="N",
        help="So many go first, 200 or 5%, and the rest if few are refused; none: all at once.",
    ),
]


def print_breaker(breaker: Breaker, people: int) -> None:
    """Say how many go first, when the rest follows, and at what it pauses by itself."""
    if breaker.canary:
        minutes = breaker.canary_wait_s // 60
        later = f" {minutes} minutes later" if minutes else ""
        rest = people - breaker.canary
        console.print(f"  {breaker.canary} go first; the other {rest} follow{later} if all is well")
    limits = breaker.limits
    console.print(
        f"  pauses by itself above {limits.refused_percent:g} % refused, "
        f"{limits.spam_percent:g} % refused as spam, {limits.bounced_percent:g} % returned, "
        f"{limits.complained_percent:g} % reported as abuse"
    )


def print_paused(mailing: Mailing, zone: str) -> None:
    """Say why a mailing paused by itself, and what its canary waits for."""
    if mailing.pause_reason:
        told = f"  paused by itself: {mailing.pause_reason}"
        console.print(told, style="yellow", markup=False)
    waits = canary_in_words(mailing, zone)
    if waits:
        console.print(f"  {waits}")


def canary_in_words(mailing: Mailing, zone: str) -> str:
    """Return which mails of a mailing go first and until when the rest waits; "" without any."""
    breaker = mailing.breaker
    if breaker is None or not breaker.canary:
        return ""
    if not mailing.canary_holds:
        return f"{breaker.canary} went first, and the rest was let go"
    if mailing.canary_until is None:
        return f"{breaker.canary} go first; the rest waits for what comes of them"
    return f"{breaker.canary} went first; the rest waits until {shown(mailing.canary_until, zone)}"
