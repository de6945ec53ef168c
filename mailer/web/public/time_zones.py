"""Offer time zones as people look for them: by country and city, in the page's language.

In: a language, and the zone on record. Out: groups of options for a select element. Names are
CLDR's; the zones most readers live in come first, so that they need not search.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from babel import Locale

from mailer.statements.languages import country_name, find_locale
from mailer.zones import canonical_zone, zones_by_country

#: Where most live who read the languages that ship; the others stand below, by country.
_COMMON = (
    "Europe/Moscow", "Europe/Kyiv", "Europe/Minsk", "Europe/Chisinau", "Europe/Bucharest",
    "Asia/Bishkek", "Asia/Almaty", "Asia/Tehran", "Asia/Kabul", "Asia/Tbilisi", "Asia/Yerevan",
    "Europe/Istanbul", "Europe/Warsaw", "Europe/Vilnius", "Europe/Berlin", "Europe/London",
    "America/New_York",
)  # fmt: skip
#: Zones whose cities CLDR keeps under the names that they had first.
_FIRST_NAMES = {
    "Africa/Asmara": "Africa/Asmera",
    "America/Argentina/Buenos_Aires": "America/Buenos_Aires",
    "America/Argentina/Catamarca": "America/Catamarca",
    "America/Argentina/Cordoba": "America/Cordoba",
    "America/Argentina/Jujuy": "America/Jujuy",
    "America/Argentina/Mendoza": "America/Mendoza",
    "America/Atikokan": "America/Coral_Harbour",
    "America/Indiana/Indianapolis": "America/Indianapolis",
    "America/Kentucky/Louisville": "America/Louisville",
    "America/Nuuk": "America/Godthab",
    "Asia/Ho_Chi_Minh": "Asia/Saigon",
    "Asia/Kathmandu": "Asia/Katmandu",
    "Asia/Kolkata": "Asia/Calcutta",
    "Asia/Yangon": "Asia/Rangoon",
    "Atlantic/Faroe": "Atlantic/Faeroe",
    "Europe/Kyiv": "Europe/Kiev",
    "Pacific/Chuuk": "Pacific/Truk",
    "Pacific/Pohnpei": "Pacific/Ponape",
}


@dataclass(frozen=True)
class ZoneGroup:
    """Zones under one heading."""

    #: A country; "" for the common ones.
    heading: str
    #: (IANA name, what it is called), in order.
    zones: tuple[tuple[str, str], ...]


@lru_cache(maxsize=1)
def offered_zones() -> frozenset[str]:
    """Return the names of all zones that can be chosen."""
    return frozenset(zone for zones in zones_by_country().values() for zone in zones)


def current_zone(name: str) -> str:
    """Return the zone on record by the name it is offered under; as it stands where none is."""
    return canonical_zone(name) or name


@lru_cache(maxsize=64)
def zone_groups(language: str) -> tuple[ZoneGroup, ...]:
    """Return the zones to choose from, the common ones first, then country by country.

    Raises:
        MalformedTag: when the language is not a tag.
    """
    locale = find_locale(language) or Locale("en")
    country_of = {zone: code for code, zones in zones_by_country().items() for zone in zones}
    common = tuple(
        (zone, f"{_city(zone, locale)} ({country_name(country_of[zone], language)})")
        for zone in _COMMON
    )
    countries = sorted(_countries(language, locale), key=lambda one: one.heading.casefold())
    return (ZoneGroup("", common), *countries)


def _countries(language: str, locale: Locale) -> Iterator[ZoneGroup]:
    for code, zones in zones_by_country().items():
        named = sorted(((zone, _city(zone, locale)) for zone in zones), key=lambda one: one[1])
        yield ZoneGroup(country_name(code, language), tuple(named))


def _city(zone: str, locale: Locale) -> str:
    named = locale.time_zones.get(_FIRST_NAMES.get(zone, zone), {})
    return str(named.get("city") or zone.rpartition("/")[2].replace("_", " "))
