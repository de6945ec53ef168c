"""Know time zones by name: one place asks the tzdata package.

In: a name as it stands in a file or on record. Out: the name the zone is called by today, or none;
and the zones of each country.
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
def zones_by_country() -> dict[str, tuple[str, ...]]:
    """Return the zones of each country's places, by its code (ISO 3166-1)."""
    found: dict[str, tuple[str, ...]] = {}
    for line in _read("zone.tab"):
        if line and not line.startswith("#"):
            country, _, name = line.split("\t")[:3]
            found[country] = (*found.get(country, ()), name)
    return found


@cache
def _places() -> frozenset[str]:
    """Return the names of zone.tab: the one of each place that is current."""
    return frozenset(name for names in zones_by_country().values() for name in names)


@cache
def _links() -> dict[str, str]:
    """Return what tzdata calls links: a name, and what it is another name of."""
    words = (line.split() for line in _read("tzdata.zi") if line.startswith("L "))
    return {name: target for _, target, name in words}


def _read(name: str) -> list[str]:
    return (files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8").splitlines()
