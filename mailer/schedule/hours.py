"""Turn an hour as people write it into an instant, by one rule for clock changes.

In: "2026-12-01T09:00" and an IANA zone. Out: an aware UTC instant. An hour that the clock skips
becomes the next that exists; of an hour that comes twice the first is meant.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from mailer.model.faults import Fault, FaultsFound
from mailer.model.worded import worded

_HOUR = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?([+-]\d\d:?\d\d|Z)?")
#: Nothing is scheduled outside of these; days are counted on from an hour without running out.
_FIRST_YEAR, _LAST_YEAR = 1970, 2999


def instant_at(text: str, zone: str) -> datetime:
    """Return the instant of a local hour.

    Args:
        text: ISO 8601 without offset: "2026-12-01T09:00" or "2026-12-01 09:00".
        zone: an IANA name: "Europe/Chisinau".

    Raises:
        FaultsFound: for `--at` or `--timezone`, saying which of them cannot be understood.
    """
    return instant_of(local_hour(text, zone), zone)


def local_hour(text: str, zone: str) -> datetime:
    """Return the hour a person wrote, without a zone, once both it and the zone are understood.

    Raises:
        FaultsFound: for `--at` or `--timezone`, saying which of them cannot be understood.
    """
    faults = []
    local = None
    try:
        # A day alone would be read as midnight, which nobody meant.
        if _HOUR.fullmatch(text):
            local = datetime.fromisoformat(text)
    except ValueError:
        pass
    if local is None:
        faults.append(
            Fault(
                "",
                0,
                "--at",
                worded('"%(text)s" is not a date and hour', text=text),
                "Write 2026-12-01T09:00",
            )
        )
    if local is not None and not _FIRST_YEAR <= local.year <= _LAST_YEAR:
        faults.append(
            Fault(
                "",
                0,
                "--at",
                worded("the year %(year)s is too far off", year=local.year),
                "Write 2026-12-01T09:00",
            )
        )
    if local is not None and local.tzinfo is not None:
        faults.append(
            Fault("", 0, "--at", "has an offset of its own", "Leave it out; --timezone says it")
        )
    if zone not in available_timezones():
        faults.append(
            Fault(
                "",
                0,
                "--timezone",
                worded('"%(zone)s" is no time zone', zone=zone),
                "Write one like Europe/Kyiv",
            )
        )
    if faults or local is None:
        raise FaultsFound(faults)
    return local


def instant_of(local: datetime, zone: str) -> datetime:
    """Return the instant of a local hour in a zone, by the rule for clock changes."""
    # fold=0 takes the first of a repeated hour; a skipped one is read with the offset from before
    # the change, which lands as far behind the gap as the hour lay inside it.
    instant = local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local:
        return _end_of_gap(local, zone)
    return instant


def _end_of_gap(local: datetime, zone: str) -> datetime:
    """Return the first instant after the gap that `local` lies in."""
    after = local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    before = local.replace(tzinfo=ZoneInfo(zone), fold=1).astimezone(UTC)
    return change_between(min(before, after), max(before, after), zone)


def change_between(early: datetime, late: datetime, zone: str) -> datetime:
    """Return when the clocks of a zone change between two instants, given that they do, once."""
    offset = early.astimezone(ZoneInfo(zone)).utcoffset()
    # Halve what the change lies in until it is found to the second.
    while (late - early).total_seconds() > 1:
        middle = early + (late - early) / 2
        if middle.astimezone(ZoneInfo(zone)).utcoffset() == offset:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)


def day_bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """Return the instants at which a day begins and ends in a zone."""
    begin = datetime.combine(day, time(), ZoneInfo(zone))
    end = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone))
    return begin.astimezone(UTC), end.astimezone(UTC)
