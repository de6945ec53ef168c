"""What CLDR knows of languages, scripts and countries: the one place that asks it for codes.

In: tags and codes. Out: whether they are known, and the script a language is written in. What a
language is called, and how it is chosen, is the affair of `statements/`. Standards: BCP 47, ISO
3166-1, CLDR's likely subtags.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from babel import Locale
from babel.core import get_global

from mailer.model.tags import LanguageTag, MalformedTag, parse_tag

#: Codes that CLDR names as it names languages: several, unknown, none at all.
_NO_LANGUAGES = frozenset({"mul", "und", "zxx"})
#: Codes that CLDR names as it names countries: groups of them, and some that stand for none.
_NO_COUNTRIES = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})


@lru_cache(maxsize=1)
def _languages() -> frozenset[str]:
    return frozenset(map(str, Locale("en").languages)) - _NO_LANGUAGES


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    codes = frozenset(code for code in map(str, Locale("en").territories) if len(code) == 2)
    return codes - _NO_COUNTRIES


def is_language(text: str) -> bool:
    """Return whether the text is a tag of a language that has a name in CLDR."""
    try:
        return parse_tag(text).language in _languages()
    except MalformedTag:
        return False


@lru_cache(maxsize=4096)
def is_understood(tag: str) -> bool:
    """Return whether every part of a tag is known: language, script, region and variants.

    Raises:
        MalformedTag: when it is not a tag.
    """
    parsed = parse_tag(tag)
    cldr = Locale("en")
    return (
        is_language(tag)
        and (not parsed.script or parsed.script in cldr.scripts)
        and (not parsed.region or parsed.region in cldr.territories)
        and all(variant.upper() in cldr.variants for variant in parsed.variants)
    )


def is_country(code: str) -> bool:
    """Return whether the text is a code of a country, in capital letters: "MD" (ISO 3166-1)."""
    return code in _countries()


@lru_cache(maxsize=1024)
def script_of(tag: LanguageTag) -> str:
    """Return the script a tag says or, by CLDR's likely subtags, implies; "" when unknown."""
    return tag.script or _likely(tag).script


def _likely(tag: LanguageTag) -> LanguageTag:
    likely = get_global("likely_subtags")
    for key in (f"{tag.language}_{tag.region}", f"{tag.language}_{tag.script}", tag.language):
        full = likely.get(key)
        if full:
            return parse_tag(full)
    return tag


@lru_cache(maxsize=1024)
def region_of(tag: LanguageTag) -> str:
    """Return the region a tag says or, by CLDR's likely subtags, implies; "" when unknown."""
    return tag.region or _likely(tag).region


def is_never(tag: str, never: Iterable[str]) -> bool:
    """Return whether the never-list covers `tag`.

    A base tag covers all its regions and scripts, a tag with a script that script in every region.
    A tag with a region covers that region, and the edition without one that its reader would be
    given: never "ru-RU" covers "ru", never "zh-TW" does not cover "zh", which is in another script.

    Raises:
        MalformedTag: when the tag or an entry is not a tag.
    """
    return covered(parse_tag(tag), tuple(parse_tag(entry) for entry in never))


def covered(tag: LanguageTag, never: Iterable[LanguageTag]) -> bool:
    """Return what `is_never` does, of tags that were taken apart."""
    return any(_covers(entry, tag) for entry in never)


def _covers(entry: LanguageTag, tag: LanguageTag) -> bool:
    if entry.language != tag.language or not set(entry.variants) <= set(tag.variants):
        return False
    if entry.script and entry.script != script_of(tag):
        return False
    if not entry.region or entry.region == tag.region:
        return True
    return not tag.region and script_of(entry) == script_of(tag)
