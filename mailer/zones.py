"""Know time zones by name: one place asks the tzdata package.

In: a name as it stands in a file or on record. Out: the name the zone is called by today, or none.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from zoneinfo import available_timezones

#: Names of the zone that people write as UTC.
_UTC = frozenset(
    {"Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT", "UTC", "Universal", "Zulu"}
)


def canonical_zone(name: str) -> str | None:
    """Return the name of a zone that is used today: Europe/Kiev is Europe/Kyiv; None if unknown.

    Two places that share their clocks keep their own names: nobody in Amsterdam looks for Brussels.
    """
    if name not in _known():
        return None
    if name in _UTC:
        return "UTC"
    return name if name in _places() else _links().get(name, name)


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _places() -> frozenset[str]:
    """Return the names of zone.tab: the one of each place that is current."""
    lines = _read("zone.tab")
    return frozenset(line.split("\t")[2] for line in lines if line and not line.startswith("#"))


@cache
def _links() -> dict[str, str]:
    """Return what tzdata calls links: a name, and what it is another name of."""
    words = (line.split() for line in _read("tzdata.zi") if line.startswith("L "))
    return {name: target for _, target, name in words}


def _read(name: str) -> list[str]:
    return (files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8").splitlines()
