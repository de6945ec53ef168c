"""Turn what a person said of hours, windows and quiet days into shares with their numbers.

In: options as they were written, and the people of a plan by zone. Out: `Clocks`: the timing that
the mailing pins, its shares, and which zone on record belongs to which. Nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mailer.model.audience import ListDefinition
from mailer.model.faults import Fault, FaultsFound
from mailer.model.timing import (
    NO_QUIET_DAYS,
    WEEKDAYS,
    LatePolicy,
    PlannedShare,
    QuietDays,
    Timing,
    Window,
    parse_quiet_days,
    parse_window,
)
from mailer.schedule.hours import instant_of, local_hour
from mailer.schedule.openings import NoDayLeft, first_due, plan_shares, with_policy, zone_of

#: What `--quiet-days` takes where the configured ones are not to hold.
NO_DAYS = "none"


@dataclass(frozen=True)
class Hours:
    """What a person wrote about when a mailing goes."""

    at: str
    #: "" takes the workspace's zone; only where each supporter has their own.
    time_zone: str = ""
    recipient_time: bool = False
    #: "09:00-20:00"; "" for any hour.
    window: str = ""
    #: "sat,sun,2026-12-25", "none"; "" takes what is configured.
    quiet_days: str = ""
    late: LatePolicy | None = None


@dataclass(frozen=True)
class Clocks:
    """When the people of a plan would be mailed."""

    timing: Timing
    time_zone: str
    #: When the first of them is: then the audience is frozen.
    due_at: datetime
    #: In the order they fall due; none unless the timing asks for shares.
    shares: tuple[PlannedShare, ...] = ()
    #: Row id of a list, zone as on record there, zone of its share.
    zones: tuple[tuple[int, str, str], ...] = ()

    @property
    def late_shares(self) -> tuple[PlannedShare, ...]:
        """Return the shares whose hour has passed already."""
        return tuple(one for one in self.shares if one.late)

    @property
    def late_people(self) -> int:
        """Return how many people are in them."""
        return sum(one.people for one in self.late_shares)

    def decided(self, late: LatePolicy | None, now: datetime) -> Clocks:
        """Return the same with what is to become of late shares."""
        if not self.timing.recipient_time:
            return self
        timing = replace(self.timing, late=late)
        shares = tuple(with_policy(self.shares, timing, late, now))
        return replace(self, timing=timing, shares=shares, due_at=first_due(shares, late, now))


def read_hours(hours: Hours, default_zone: str, configured: Sequence[str]) -> tuple[Timing, str]:
    """Return the timing a person asked for, and the mailing's own zone.

    Args:
        hours: the options as they were written.
        default_zone: the workspace's.
        configured: the quiet days of `config.toml`.

    Raises:
        FaultsFound: naming the options that cannot be understood or contradict each other.
    """
    faults: list[Fault] = []
    if not hours.time_zone and not hours.recipient_time:
        faults.append(
            Fault("", 0, "--timezone", "is missing", "Write one like --timezone Europe/Chisinau")
        )
    zone = hours.time_zone or default_zone
    window = _window(hours.window, faults)
    quiet = _quiet_days(hours.quiet_days, configured, faults)
    try:
        local = local_hour(hours.at, zone)
    except FaultsFound as error:
        raise FaultsFound([*error.faults, *faults]) from None
    if window is not None and not window.holds(local.time()):
        faults.append(
            Fault(
                "", 0, "--at", f"{local:%H:%M} is outside the window {window}",
                "Name an hour within it, or another --window",
            )
        )  # fmt: skip
    if not hours.recipient_time and quiet.holds(local.date()):
        faults.append(
            Fault(
                "", 0, "--at", f"{local:%Y-%m-%d} ({WEEKDAYS[local.weekday()]}) is a quiet day",
                "Name another day, or write --quiet-days none",
            )
        )  # fmt: skip
    if hours.late is not None and not hours.recipient_time:
        faults.append(
            Fault("", 0, "--late", "says something of shares only", "Add --recipient-time")
        )
    if faults:
        raise FaultsFound(faults)
    return Timing(hours.recipient_time, local, window, quiet), zone


def _window(text: str, faults: list[Fault]) -> Window | None:
    try:
        return parse_window(text) if text else None
    except ValueError as error:
        faults.append(Fault("", 0, "--window", str(error), "Write one like 09:00-20:00"))
        return None


def _quiet_days(text: str, configured: Sequence[str], faults: list[Fault]) -> QuietDays:
    if text == NO_DAYS:
        return NO_QUIET_DAYS
    try:
        return parse_quiet_days(text.split(",") if text else configured)
    except ValueError as error:
        remedy = "Write days and dates like sat,sun,2026-12-25, or none"
        faults.append(Fault("", 0, "--quiet-days", str(error), remedy))
        return NO_QUIET_DAYS


def make_clocks(
    timing: Timing,
    time_zone: str,
    people: Mapping[tuple[int, str], int],
    lists: Sequence[tuple[int, ListDefinition]],
    now: datetime,
) -> Clocks:
    """Return when the people of a plan would be mailed.

    Args:
        timing: what a person asked for.
        time_zone: the mailing's own.
        people: row id of a list and zone on record → how many would be mailed.
        lists: row id and definition of each list.
        now: what has passed is late.

    Raises:
        FaultsFound: when a share would never fall due.
    """
    assert timing.local_hour is not None  # noqa: S101  (`read_hours` has set it.)
    if not timing.in_shares:
        return Clocks(timing, time_zone, instant_of(timing.local_hour, time_zone))
    if timing.recipient_time:
        list_zones = {row_id: definition.time_zone for row_id, definition in lists}
        zones = tuple(
            (list_id, recorded, zone_of(recorded, list_zones[list_id]))
            for list_id, recorded in sorted(people)
        )
        counts: Counter[str] = Counter()
        for list_id, recorded, zone in zones:
            counts[zone] += people[list_id, recorded]
    else:
        zones = ()
        counts = Counter({zone_of(time_zone, time_zone): sum(people.values())})
    try:
        shares = plan_shares(timing, counts, now)
    except NoDayLeft as error:
        remedy = "Leave some day and hour on which it may go"
        raise FaultsFound([Fault("", 0, "--quiet-days", str(error), remedy)]) from None
    if not timing.recipient_time:
        # The mailing itself is late or not; its one share only keeps to window and quiet days.
        shares = [replace(one, late=False) for one in shares]
        due_at = shares[0].due_at
    else:
        due_at = first_due(shares, None, now)
    return Clocks(timing, time_zone, due_at, tuple(shares), zones)
