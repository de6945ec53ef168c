"""Say when a share falls due, whether it may go out now, and when its opening ends.

In: a mailing's timing, a zone, an instant. Out: UTC instants and decisions; nothing is changed
here. Every question is answered from the wall clock of the zone, so that a change of its clocks
needs no rule of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mailer.model.timing import LatePolicy, PlannedShare, Share, ShareState, Timing
from mailer.schedule.hours import change_between, instant_of
from mailer.zones import canonical_zone

#: How far ahead a day is looked for: more than a year of holidays is a mistake.
_DAYS_AHEAD = 400


class NoDayLeft(Exception):
    """Every day ahead is quiet, or the hour is outside the window on all of them."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        super().__init__(f"No day is left on which it could go out in {zone}")


def is_allowed(timing: Timing, zone: str, now: datetime) -> bool:
    """Tell whether mail may go out in a zone at this instant."""
    return timing.allows(now.astimezone(ZoneInfo(zone)))


def due_in(timing: Timing, zone: str) -> datetime:
    """Return when the share of a zone falls due: at its hour, on the first day that is not quiet.

    Raises:
        NoDayLeft: when there is none.
    """
    if timing.local_hour is None:
        raise NoDayLeft(zone)
    for days in range(_DAYS_AHEAD):
        instant = instant_of(timing.local_hour + timedelta(days=days), zone)
        # An hour that the clock skips may lie within the window, and the next that exists outside.
        if is_allowed(timing, zone, instant):
            return instant
    raise NoDayLeft(zone)


def next_allowed(timing: Timing, zone: str, now: datetime) -> datetime:
    """Return the first instant from `now` on at which mail may go out in a zone.

    Raises:
        NoDayLeft: when there is none.
    """
    if is_allowed(timing, zone, now):
        return now
    for instant in _edges(timing, zone, now):
        if is_allowed(timing, zone, instant):
            return instant
    raise NoDayLeft(zone)


def shuts_at(timing: Timing, zone: str, now: datetime) -> datetime | None:
    """Return when the opening that `now` lies in ends; None when no end is in sight.

    A sender goes by it where the scheduler is not there to shut the share.
    """
    for instant in _edges(timing, zone, now):
        if not is_allowed(timing, zone, instant):
            return instant
    return None


def _edges(timing: Timing, zone: str, now: datetime) -> Iterator[datetime]:
    """Yield the instants after `now` at which an opening may begin or end, in their order."""
    today = now.astimezone(ZoneInfo(zone)).date()
    window = timing.window
    hours = {time()} if window is None else {time(), window.start, window.end}
    for days in range(_DAYS_AHEAD):
        day = today + timedelta(days=days)
        found = set()
        for hour in hours:
            local = datetime.combine(day, hour)
            # Of an hour that comes twice, either may be the one.
            again = local.replace(tzinfo=ZoneInfo(zone), fold=1).astimezone(UTC)
            found |= {instant_of(local, zone), again}
        found |= _changes(day, zone)
        yield from sorted(one for one in found if one > now)


def _changes(day: date, zone: str) -> set[datetime]:
    """Return when the clocks of a zone change on a day: an hour shown again may be outside."""
    begin, end = (
        instant_of(datetime.combine(day + timedelta(days=more), time()), zone) for more in (0, 1)
    )
    offsets = {one.astimezone(ZoneInfo(zone)).utcoffset() for one in (begin, end)}
    return {change_between(begin, end, zone)} if len(offsets) > 1 else set()


@dataclass(frozen=True)
class Change:
    """What a share becomes."""

    state: ShareState
    shuts_at: datetime | None = None


def next_state(share: Share, timing: Timing, grace_s: int, now: datetime) -> Change | None:
    """Decide what becomes of a share of a running mailing at `now`; None when nothing does.

    A share that has not begun is late by its own hour, and later than the grace it waits for a
    person. One that has begun only follows its window: what is left overnight is not late.
    """
    allowed = is_allowed(timing, share.zone, now)
    if share.state is ShareState.WAITING:
        late = now - share.due_at
        if late < timedelta(0) and not share.released:
            return None
        if late > timedelta(seconds=grace_s) and not share.released:
            return Change(ShareState.HELD)
        return Change(ShareState.OPEN, shuts_at(timing, share.zone, now)) if allowed else None
    if share.state is ShareState.SHUT and allowed:
        return Change(ShareState.OPEN, shuts_at(timing, share.zone, now))
    if share.state is ShareState.OPEN and not allowed:
        return Change(ShareState.SHUT)
    if share.state is ShareState.OPEN and share.shuts_at is not None and share.shuts_at <= now:
        # The time zone data changed under it: it is still open by the wall clock.
        return Change(ShareState.OPEN, shuts_at(timing, share.zone, now))
    return None


def zone_of(recorded: str, list_zone: str) -> str:
    """Return the zone a person is mailed in: their own, the list's where that is not known."""
    return canonical_zone(recorded) or canonical_zone(list_zone) or "UTC"


def plan_shares(timing: Timing, people: Mapping[str, int], now: datetime) -> list[PlannedShare]:
    """Return the shares of a mailing in the order they fall due.

    Args:
        timing: whose hour it is, and when mail may go out.
        people: canonical zone → how many would be mailed there.
        now: what has passed is late.

    Raises:
        NoDayLeft: when one would never fall due.
    """
    shares = []
    for zone, count in people.items():
        due = due_in(timing, zone)
        assert timing.local_hour is not None  # noqa: S101  (`due_in` refuses it.)
        moved = due.astimezone(ZoneInfo(zone)).date() > timing.local_hour.date()
        shares.append(PlannedShare(zone, due, count, late=due < now, moved=moved))
    return sorted(shares, key=lambda one: (one.due_at, one.zone))


def with_policy(
    shares: Sequence[PlannedShare], timing: Timing, late: LatePolicy | None, now: datetime
) -> list[PlannedShare]:
    """Return the shares as they go once it is decided what becomes of the late ones.

    A late one that is to go falls due when it may next go out, and from then on it is late like
    any other.

    Raises:
        NoDayLeft: when one would never go out.
    """
    if late is not LatePolicy.NOW:
        return list(shares)
    return [
        replace(one, due_at=next_allowed(timing, one.zone, now)) if one.late else one
        for one in shares
    ]


def first_due(shares: Sequence[PlannedShare], late: LatePolicy | None, now: datetime) -> datetime:
    """Return when the first share goes that is not left out: then the audience is frozen."""
    going = [one.due_at for one in shares if not (one.late and late is LatePolicy.SKIP)]
    return min(going, default=now)
