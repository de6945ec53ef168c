"""When a mailing may go out: whose hour, within which window, on which days, and how it is cut.

In: what a person wrote: "09:00-20:00", "sat,sun,2026-12-25". Out: frozen dataclasses and enums,
standard library only. Nothing here knows what time it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum

#: Names of the days of the week, as `--quiet-days` takes them, Monday first.
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


class LatePolicy(StrEnum):
    """What becomes of shares whose hour has passed when the mailing is scheduled."""

    #: They go as soon as the mailing starts.
    NOW = "now"
    #: Nobody in them is mailed.
    SKIP = "skip"


class ShareState(StrEnum):
    """Where a share of a mailing stands."""

    #: Its time has not come, or its window has not opened since.
    WAITING = "waiting"
    #: Its deliveries go out.
    OPEN = "open"
    #: Begun, and outside its window or on a quiet day: goes on by itself.
    SHUT = "shut"
    #: Later than the grace: waits for a person, alone.
    HELD = "held"
    #: Given up: whoever is left in it is not mailed.
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Window:
    """The hours of the day at which mail may go out, from `start` up to `end`."""

    start: time
    #: Before `start` when it ends on the next day.
    end: time

    def holds(self, at: time) -> bool:
        """Tell whether a local time of day lies within."""
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end

    def __str__(self) -> str:
        """Return it as people write it: "09:00-20:00"."""
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


@dataclass(frozen=True)
class QuietDays:
    """Days on which no mail goes out."""

    #: 0 is Monday.
    weekdays: frozenset[int] = frozenset()
    dates: frozenset[date] = frozenset()

    def holds(self, day: date) -> bool:
        """Tell whether a local day is quiet."""
        return day.weekday() in self.weekdays or day in self.dates

    def __str__(self) -> str:
        """Return them as people write them: "sat,sun,2026-12-25"; "" for none."""
        names = [WEEKDAYS[number] for number in sorted(self.weekdays)]
        return ",".join([*names, *(day.isoformat() for day in sorted(self.dates))])

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.weekdays or self.dates)


NO_QUIET_DAYS = QuietDays()


@dataclass(frozen=True)
class Timing:
    """When a mailing's deliveries may go out, as it is pinned when scheduled."""

    #: Each supporter's share goes at the hour in their own zone.
    recipient_time: bool = False
    #: The hour as it was written, without a zone; None for "now".
    local_hour: datetime | None = None
    window: Window | None = None
    quiet_days: QuietDays = NO_QUIET_DAYS
    late: LatePolicy | None = None

    @property
    def in_shares(self) -> bool:
        """Tell whether the mailing is cut into shares that open and shut by themselves."""
        return self.recipient_time or self.window is not None or bool(self.quiet_days)

    def allows(self, local: datetime) -> bool:
        """Tell whether mail may go out at this local instant."""
        if self.quiet_days.holds(local.date()):
            return False
        return self.window is None or self.window.holds(local.time())


#: At the mailing's own hour, at any time of any day: no shares.
AT_ONCE = Timing()


@dataclass(frozen=True)
class PlannedShare:
    """A share as it is worked out before the mailing is on record."""

    #: Canonical name of the zone.
    zone: str
    #: When it falls due, UTC.
    due_at: datetime
    people: int = 0
    #: Its hour has passed already.
    late: bool = False
    #: Its own day is quiet there: it falls due on the next that is not.
    moved: bool = False


@dataclass(frozen=True)
class Share:
    """A share of a mailing, as it stands."""

    row_id: int
    mailing_id: int
    zone: str
    due_at: datetime
    state: ShareState
    #: How many people were counted in it when it was scheduled.
    people: int
    #: A person let it go, however late.
    released: bool = False
    #: The end of the opening it is in; None when there is none in sight.
    shuts_at: datetime | None = None


def parse_window(text: str) -> Window:
    """Return the window that "09:00-20:00" or "22:00-06:00" means.

    Raises:
        ValueError: saying what is wrong with it.
    """
    found = _WINDOW.fullmatch(text)
    try:
        if not found:
            raise ValueError
        start = time(int(found[1]), int(found[2]))
        end = time() if found.group(3, 4) == ("24", "00") else time(int(found[3]), int(found[4]))
    except ValueError:
        raise ValueError(f'"{text}" is not a window') from None
    if start == end:
        raise ValueError(f'"{text}" ends when it begins')
    return Window(start, end)


def parse_quiet_days(words: Iterable[str]) -> QuietDays:
    """Return the quiet days that "sat", "sun" and "2026-12-25" mean.

    Raises:
        ValueError: naming the first word that is neither a day of the week nor a date.
    """
    weekdays, dates = set(), set()
    for word in (one.strip().lower() for one in words):
        if word in WEEKDAYS:
            weekdays.add(WEEKDAYS.index(word))
            continue
        try:
            if not re.fullmatch(r"\d{4}-\d\d-\d\d", word):
                raise ValueError
            dates.add(date.fromisoformat(word))
        except ValueError:
            raise ValueError(f'"{word}" is neither a day like sat nor a date') from None
    if len(weekdays) == len(WEEKDAYS):
        raise ValueError("every day is quiet")
    return QuietDays(frozenset(weekdays), frozenset(dates))
