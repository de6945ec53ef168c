"""Show when the people of a mailing are mailed, and let shares go or give them up.

In: what was worked out or is on record. Out: tables that stay readable at 320 zones, the same in
full for other programs, and shares as a person decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from mailer.app import stopping
from mailer.app.clocks import Clocks
from mailer.app.workspace import Workspace
from mailer.cli.common import WRONG_USE, console, fail, terminal_actor
from mailer.model.mailing import Mailing
from mailer.model.states import MailingState
from mailer.model.timing import LatePolicy, PlannedShare, Share, ShareState, Timing
from mailer.store.shares import ShareFigures

RecipientTime = Annotated[
    bool,
    typer.Option("--recipient-time", help="At that hour in each supporter's own zone."),
]
WindowText = Annotated[
    str, typer.Option("--window", help="Mail goes out only within it: 09:00-20:00.")
]
QuietDaysText = Annotated[
    str,
    typer.Option("--quiet-days", help="Nothing goes out on them: sat,sun,2026-12-25, or none."),
]
Late = Annotated[
    LatePolicy | None,
    typer.Option("--late", help="What becomes of shares whose hour has passed."),
]

#: Zones that one line names; `--json` has them all.
_NAMED = 3
#: Lines of a table of shares; more are summed up.
_LINES = 60
_WORDS = {
    ShareState.WAITING: "waits for its hour",
    ShareState.OPEN: "going out",
    ShareState.SHUT: "waits for its window",
    ShareState.HELD: "held: later than its grace",
    ShareState.SKIPPED: "given up",
}


def print_clocks(clocks: Clocks) -> None:
    """Say when mail goes out, and show the shares in the order they fall due."""
    print_rules(clocks.timing)
    if not clocks.timing.recipient_time:
        return
    table = Table("Zone", box=None, header_style="bold")
    table.add_column("Local hour", no_wrap=True)
    table.add_column("UTC", no_wrap=True)
    table.add_column("People", justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    groups = [
        list(group)
        for _, group in groupby(clocks.shares, lambda one: (one.due_at, one.late, one.moved))
    ]
    for group in groups[:_LINES]:
        first = group[0]
        table.add_row(
            named([one.zone for one in group]),
            _local_of(group),
            f"{first.due_at.astimezone(UTC):%Y-%m-%d %H:%M}",
            str(sum(one.people for one in group)),
            _remark(first, clocks.timing.late),
            style="yellow" if first.late else "",
        )
    console.print(table)
    if len(groups) > _LINES:
        console.print(f"  and {len(groups) - _LINES} more; --json has them all")


def _remark(share: PlannedShare, late: LatePolicy | None) -> str:
    if share.late:
        told = {LatePolicy.NOW: ": goes all the same", LatePolicy.SKIP: ": not mailed", None: ""}
        return f"passed{told[late]}"
    return "day was quiet" if share.moved else ""


def named(zones: Sequence[str]) -> str:
    """Return the first few zones by name, and how many more there are."""
    more = len(zones) - _NAMED
    return ", ".join(zones[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _local_of(group: Sequence[PlannedShare] | Sequence[Share]) -> str:
    """Return the local hour of shares due at one instant; late ones have none in common."""
    hours = {f"{one.due_at.astimezone(ZoneInfo(one.zone)):%Y-%m-%d %H:%M}" for one in group}
    return hours.pop() if len(hours) == 1 else "at once"


def print_rules(timing: Timing) -> None:
    """Say in which hours and on which days mail goes out, where that is limited."""
    whose = "in each supporter's own zone" if timing.recipient_time else "in the mailing's zone"
    if timing.recipient_time and timing.local_hour is not None:
        console.print(f"  at {timing.local_hour:%Y-%m-%d %H:%M} {whose}")
    if timing.window is not None:
        console.print(
            f"  only from {timing.window.start:%H:%M} to {timing.window.end:%H:%M} {whose}"
        )
    if timing.quiet_days:
        console.print(f"  not on {str(timing.quiet_days).replace(',', ', ')}")


def refuse_undecided(clocks: Clocks, late: LatePolicy | None) -> None:
    """End with wrong use when shares are late and nobody said what is to become of them."""
    shares = clocks.late_shares
    if not shares:
        return
    if len(shares) == len(clocks.shares):
        fail("That hour has passed in every zone.", "Name an hour to come, or: mailer send")
    if late is None:
        local = clocks.timing.local_hour
        zones = "1 zone" if len(shares) == 1 else f"{len(shares)} zones"
        fail(
            f"{clocks.late_people:,} people in {zones} where it is past {local:%H:%M} already: "
            f"{named([one.zone for one in shares])}.",
            "Write --late now to mail them at once, or --late skip to leave them out.",
            WRONG_USE,
        )


def planned_document(clocks: Clocks) -> dict[str, object]:
    """Return timing and shares of a plan as other programs read them."""
    return {
        **timing_document(clocks.timing),
        "shares": [
            {
                "zone": one.zone,
                "local": _iso_local(one.due_at, one.zone),
                "due_at": one.due_at,
                "people": one.people,
                "late": one.late,
                "moved": one.moved,
            }
            for one in clocks.shares
        ],
    }


def timing_document(timing: Timing) -> dict[str, object]:
    """Return a timing as other programs read it."""
    return {
        "recipient_time": timing.recipient_time,
        "local_hour": timing.local_hour.isoformat() if timing.local_hour else None,
        "window": str(timing.window or ""),
        "quiet_days": str(timing.quiet_days),
        "late": timing.late.value if timing.late else "",
    }


def _iso_local(moment: datetime, zone: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).isoformat()


def share_word(share: Share, figures: ShareFigures | None, *, frozen: bool) -> str:
    """Return where a share stands, in words for people."""
    over = frozen and (figures is None or figures.open == 0)
    return "done" if over and share.state is not ShareState.SKIPPED else _WORDS[share.state]


def print_shares(
    mailing: Mailing, shares: Sequence[Share], figures: dict[int, ShareFigures]
) -> None:
    """Show the shares of a mailing with where they stand, and how to let held ones go."""
    if not shares:
        return
    frozen = mailing.started_at is not None
    table = Table("Zone", box=None, header_style="bold")
    table.add_column("Local hour", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("To mail", justify="right")
    table.add_column("Open", justify="right")
    words = {one.row_id: share_word(one, figures.get(one.row_id), frozen=frozen) for one in shares}
    groups = [
        list(group) for _, group in groupby(shares, lambda one: (one.due_at, words[one.row_id]))
    ]
    for group in groups[:_LINES]:
        first = group[0]
        found = [figures.get(one.row_id, ShareFigures(0, 0)) for one in group]
        # Before the audience is frozen there is only what was counted.
        people = sum(one.to_mail for one in found) if frozen else sum(one.people for one in group)
        still = sum(one.open for one in found) if frozen else people
        table.add_row(
            named([one.zone for one in group]),
            _local_of(group),
            words[first.row_id],
            str(people),
            str(still),
            style="yellow" if first.state is ShareState.HELD else "",
        )
    console.print()
    console.print(table)
    if len(groups) > _LINES:
        console.print(f"  and {len(groups) - _LINES} more; --json has them all")
    held = [one for one in shares if one.state is ShareState.HELD]
    if held:
        console.print(
            f"  Let them go: mailer release {mailing.key}, "
            f"or one alone: mailer release {mailing.key} --share {held[0].zone}",
            style="yellow",
        )


def release_held_shares(workspace: Workspace, key: str, zone: str | None) -> bool:
    """Let held shares of a mailing go that is not held itself; False when it has none."""
    try:
        done = stopping.release_held_shares(workspace, terminal_actor(), key, zone)
    except stopping.ShareNotHeld as error:
        fail(f"The share {zone} of {key} is not held ({_WORDS[error.state]}).")
    if done is None:
        return False
    console.print(f"Released of {key}: {named(done.zones)}.")
    if done.mailing.state is not MailingState.RUNNING:
        console.print(f"{key} itself is {done.mailing.state.value}.")
    return True
