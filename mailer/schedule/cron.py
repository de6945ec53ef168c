"""Read a cron expression as a crontab means it, and say when it falls due.

In: "0 9 * * 1" and an IANA zone. Out: instants in UTC, by the same rule for clock changes as
`mailer.schedule.hours`: an hour that the clock skips becomes the next that exists, of one that comes
twice the first is meant. APScheduler counts days of the week from Monday as 0; a crontab from Sunday
as 0, and 7 is Sunday too. Here the crontab's counting holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from mailer.model.worded import worded
from mailer.schedule.hours import instant_at

_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTH_NAMES = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART = re.compile(r"(?:\*|([a-z0-9]{1,3})(?:-([a-z0-9]{1,3}))?)(?:/(\d{1,2}))?")
#: How far back the latest hour is looked for, nearest first; February 29 comes every eight years
#: at worst.
_LOOKS_BACK = tuple(timedelta(days=days) for days in (1 / 24, 1, 8, 32, 367, 8 * 366))


class NotCron(ValueError):
    """A text is no cron expression."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}. {remedy}.")


@dataclass(frozen=True)
class _Field:
    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        """Return the number of "7" or "mon".

        Raises:
            NotCron: when it is neither, or out of bounds.
        """
        if text in self.names:
            return self.names.index(text) + self.lowest
        if text.isdecimal() and self.lowest <= int(text) <= self.highest:
            return int(text)
        raise NotCron(
            worded('"%(text)s" is no %(name)s', text=text, name=worded(self.name)),
            worded(
                "Write %(lowest)s to %(highest)s or an asterisk",
                lowest=self.lowest,
                highest=self.highest,
            ),
        )

    def read(self, text: str) -> frozenset[int]:
        """Return the numbers that a field of the expression names."""
        found: set[int] = set()
        for part in text.split(","):
            taken = _PART.fullmatch(part)
            if taken is None:
                raise NotCron(
                    worded('"%(part)s" is no %(name)s', part=part, name=worded(self.name)),
                    "Write it like 9, 1-5, 1,15 or */2",
                )
            first, last, step = taken.groups()
            if first is None:
                low, high = self.lowest, self.highest
            else:
                low = self.number(first)
                high = self.number(last) if last else low
                if step and not last:
                    raise NotCron(
                        worded('"%(part)s" has a step and no range', part=part),
                        "Write it like 1-12/2",
                    )
            if low > high:
                raise NotCron(
                    worded('"%(part)s" runs backward', part=part), "Write the smaller number first"
                )
            if step and not int(step):
                raise NotCron(
                    worded('"%(part)s" has a step of 0', part=part), "Write a step of 1 or more"
                )
            found.update(range(low, high + 1, int(step or 1)))
        return frozenset(found)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTH_NAMES),
    _Field("day of the week", 0, 7, _DAY_NAMES),
)


class Recurrence:
    """The hours that a cron expression names in a zone."""

    def __init__(self, expression: str, zone: str) -> None:
        """Read the expression.

        Raises:
            NotCron: when it is none, or names no day there is.
        """
        parts = expression.lower().split()
        if len(parts) != len(_FIELDS):
            raise NotCron(
                worded("has %(count)s fields and not five", count=len(parts)),
                "Write minute, hour, day of the month, month, day of the week: 0 9 * * 1",
            )
        numbers = [field.read(part) for field, part in zip(_FIELDS, parts, strict=True)]
        days, months = numbers[2], numbers[3]
        every_day, every_weekday = parts[2].startswith("*"), parts[4].startswith("*")
        if every_weekday and not any(
            day <= _LONGEST_MONTHS[month - 1] for day in days for month in months
        ):
            raise NotCron("names a day that never comes", "Choose a day that each month has")
        self._zone = zone
        if every_day or every_weekday:
            self._triggers = [_trigger(numbers)]
        else:
            # As in a crontab: where both days are given, either will do.
            self._triggers = [
                _trigger([*numbers[:4], _FIELDS[4].read("*")]),
                _trigger([*numbers[:2], _FIELDS[2].read("*"), *numbers[3:]]),
            ]

    def after(self, instant: datetime) -> datetime:
        """Return the first hour after an instant."""
        wall = instant.astimezone(ZoneInfo(self._zone)).replace(tzinfo=None)
        while True:
            wall = self._next_on_wall(wall)
            # An hour shown twice was meant when it was shown first; it may lie behind us.
            found = _instant(wall, self._zone)
            if found > instant:
                return found

    def latest(self, instant: datetime) -> datetime | None:
        """Return the last hour that is not after an instant; None where it is years ago."""
        for back in _LOOKS_BACK:
            found = self.after(instant - back)
            if found <= instant:
                break
        else:
            return None
        while (following := self.after(found)) <= instant:
            found = following
        return found

    def _next_on_wall(self, wall: datetime) -> datetime:
        """Return the next hour as a clock on the wall shows it, clock changes left aside."""
        start = wall.replace(tzinfo=UTC) + timedelta(microseconds=1)
        found: list[datetime | None] = [
            one.get_next_fire_time(None, start) for one in self._triggers
        ]
        return min(one for one in found if one is not None).replace(tzinfo=None)


def _trigger(numbers: list[frozenset[int]]) -> CronTrigger:
    minute, hour, day, month = (",".join(map(str, sorted(one))) for one in numbers[:4])
    weekdays = ",".join(sorted({_DAY_NAMES[number % 7] for number in numbers[4]}))
    return CronTrigger(
        minute=minute, hour=hour, day=day, month=month, day_of_week=weekdays, timezone=UTC
    )


@lru_cache(maxsize=1024)
def _instant(wall: datetime, zone: str) -> datetime:
    return instant_at(wall.isoformat(timespec="seconds"), zone)
