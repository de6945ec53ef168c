"""Choose the edition a person gets, and say what languages are called and how they run.

In: what a person reads and never wants, the editions there are, the list's chain. Out: a
`LanguageChoice`, a pure decision. A language is never chosen for being near another by some measure
of likeness: such tables call Russian a close match for Ukrainian. Standards: RFC 4647, RFC 5646,
CLDR for names, scripts and their direction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date

from mailer.cldr import covered, is_never, region_of, script_of
from mailer.model.audience import LanguageChoice, LanguageProfile, LanguageStep
from mailer.model.tags import LanguageTag, MalformedTag, normalize_tag, parse_tag

#: Scripts that run from right to left (Unicode, property Bidi_Class R and AL).
_RIGHT_TO_LEFT = frozenset(
    re.findall(
        "[A-Z][a-z]{3}",
        """
    Adlm Arab Aran Armi Avst Chrs Cprt Elym Gara Hatr Hebr Hung Khar Lydi Mand
    Mani Mend Merc Mero Narb Nbat Nkoo Orkh Ougr Palm Phli Phlp Phnx Prti Rohg
    Samr Sarb Sogd Sogo Syrc Syre Syrj Syrn Thaa Yezi
        """,
    )
)
#: Scripts in which quoted text is set in italics; others have none, or one that nobody reads.
_ITALIC = frozenset({"Latn", "Cyrl", "Grek", "Armn"})
#: The comma between items of a list, by script, where it is not ", ".
_COMMAS = {"Arab": "، ", "Hans": "、", "Hant": "、", "Jpan": "、"}

#: Digits by CLDR's numbering system, where a language has its own.
_DIGITS = {
    "arab": str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"),
    "arabext": str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"),
}
#: (language, in language) → what those concerned call it, where CLDR's word is taken amiss.
_LANGUAGE_NAMES = {
    ("ky", "ru"): "кыргызский",
    ("be", "de"): "Belarusisch",
    ("fa", "be"): "персідская",
}
#: (country, in language) → the same for countries.
_COUNTRY_NAMES = {("KG", "ru"): "Кыргызстан"}

Direction = Literal["ltr", "rtl"]


def choose_edition(
    profile: LanguageProfile,
    editions: Sequence[str],
    source_language: str,
    chain: Sequence[str],
) -> LanguageChoice:
    """Choose the edition for a profile.

    The person's languages are tried in order, then the list's chain, then the source edition. Each
    takes the exact tag, else a shorter one of the same script, else any edition of the same base
    language and script. Nothing on the never-list is ever chosen. A language that is on both lists
    counts as never wanted. A never-list with an entry that cannot be read forbids everything: it
    is not for us to guess what a person must not be sent.

    Args:
        profile: Ordered languages and the never-list; entries need not be normalised.
        editions: Tags of the editions there are; the choice is one of these, as written here.
        source_language: Tag of the edition the others were translated from.
        chain: Tags the list tries after the person's own.
    """
    try:
        never = tuple(parse_tag(tag) for tag in profile.never)
    except MalformedTag:
        return LanguageChoice(None, LanguageStep.NONE, _first_readable(profile.languages, ()))
    offered = [(tag, parsed) for tag, parsed in _readable(editions) if not covered(parsed, never)]
    wanted = [parsed for _, parsed in _readable(profile.languages) if not covered(parsed, never)]
    first = str(wanted[0]) if wanted else None
    for position, language in enumerate(wanted):
        found = _match(language, offered)
        if found is not None:
            step = LanguageStep.LATER if position else LanguageStep.FIRST
            return LanguageChoice(found, step, first)
    for _, language in _readable((*chain, source_language)):
        found = _match(language, offered)
        if found is not None:
            return LanguageChoice(found, LanguageStep.FALLBACK, first)
    return LanguageChoice(None, LanguageStep.NONE, first)


@lru_cache(maxsize=4096)
def edition_in(language: str, editions: tuple[str, ...]) -> str | None:
    """Return the edition that readers of a language have something in; None without one.

    No chain and no source edition are tried: what is in another language is none for them.
    """
    return choose_edition(LanguageProfile((language,), ()), editions, language, ()).language


def _readable(tags: Iterable[str]) -> list[tuple[str, LanguageTag]]:
    """Take the tags apart, each beside its text; text that is no tag can match no edition."""
    found: list[tuple[str, LanguageTag]] = []
    for tag in tags:
        try:
            found.append((tag, parse_tag(tag)))
        except MalformedTag:
            continue
    return found


def _first_readable(tags: Iterable[str], never: tuple[LanguageTag, ...]) -> str | None:
    return next((str(tag) for _, tag in _readable(tags) if not covered(tag, never)), None)


def _match(wanted: LanguageTag, offered: Sequence[tuple[str, LanguageTag]]) -> str | None:
    """Find the edition a reader of `wanted` reads, nearest first."""
    script = script_of(wanted)
    readable = [
        (tag, parsed)
        for tag, parsed in offered
        if parsed.language == wanted.language and script_of(parsed) == script
    ]
    # RFC 4647 §3.4: the range is cut from its end until something matches.
    for candidate in _shorter_and_shorter(wanted):
        for tag, parsed in readable:
            if parsed == candidate:
                return tag
    return readable[0][0] if readable else None


def _shorter_and_shorter(tag: LanguageTag) -> list[LanguageTag]:
    return [
        *(
            LanguageTag(tag.language, tag.script, tag.region, tag.variants[:length])
            for length in range(len(tag.variants), -1, -1)
        ),
        LanguageTag(tag.language, tag.script),
        LanguageTag(tag.language),
    ]


def direction(tag: str) -> Direction:
    """Return how text in that language runs: "ltr" or "rtl".

    Raises:
        MalformedTag: when it is not a tag.
    """
    return "rtl" if script_of(parse_tag(tag)) in _RIGHT_TO_LEFT else "ltr"


def locale_name(tag: str) -> str:
    """Return a language and its country as Open Graph writes them: "ru_RU" for "ru".

    Where the tag says no country it is the likeliest by CLDR, since the form wants one.
    """
    parsed = parse_tag(tag)
    region = region_of(parsed)
    return f"{parsed.language}_{region}" if region else parsed.language


def has_italics(tag: str) -> bool:
    """Return whether quoted text in that language can be set in italics.

    Raises:
        MalformedTag: when it is not a tag.
    """
    return script_of(parse_tag(tag)) in _ITALIC


@lru_cache(maxsize=256)
def find_locale(tag: str) -> Locale | None:
    """Return CLDR's locale for a tag, or that of its base language; None when it has none.

    Raises:
        MalformedTag: when it is not a tag.
    """
    parsed = parse_tag(tag)
    written = LanguageTag(parsed.language, script_of(parsed), parsed.region)
    for candidate in (
        *_shorter_and_shorter(parsed),
        written,
        LanguageTag(written.language, written.script),
    ):
        try:
            locale = Locale.parse(str(candidate), sep="-", resolve_likely_subtags=False)
        except (UnknownLocaleError, ValueError):
            continue
        if script_of(candidate) == script_of(parsed):
            return locale
    return None


@lru_cache(maxsize=4096)
def language_name(tag: str, in_language: str) -> str:
    """Return what a language is called in another: "rusă", "русский"; with few exceptions by CLDR.

    Where the other language has no word for it, its own name for itself, else the tag.

    Raises:
        MalformedTag: when either is not a tag.
    """
    parsed = parse_tag(tag)
    for locale in (find_locale(in_language), find_locale(tag)):
        if locale is not None:
            name = _name(parsed, locale)
            if name:
                return name
    return str(parsed)


def _name(tag: LanguageTag, locale: Locale) -> str:
    chosen = _LANGUAGE_NAMES.get((tag.language, locale.language))
    whole = locale.languages.get(str(tag).replace("-", "_"))
    if whole and not chosen:
        return str(whole)
    name = chosen or locale.languages.get(tag.language)
    if not name:
        return ""
    details = [locale.scripts.get(tag.script), locale.territories.get(tag.region)]
    said = comma(str(locale.language)).join(str(detail) for detail in details if detail)
    return f"{name} ({said})" if said else str(name)


def country_name(country: str, in_language: str) -> str:
    """Return what a country is called in a language, with few exceptions by CLDR; else its code.

    Raises:
        MalformedTag: when the language is not a tag.
    """
    locale = find_locale(in_language)
    if locale is None:
        return country
    chosen = _COUNTRY_NAMES.get((country, locale.language))
    return chosen or str(locale.territories.get(country, country))


def long_date(day: date, in_language: str) -> str:
    """Return a day as a language writes it out, in its own digits; ISO 8601 where that is unknown.

    Raises:
        MalformedTag: when the language is not a tag.
    """
    locale = find_locale(in_language)
    if locale is None:
        return day.isoformat()
    return own_digits(str(format_date(day, "long", locale)), in_language)


def own_digits(text: str, in_language: str) -> str:
    """Return text with its digits as the language writes them.

    Raises:
        MalformedTag: when the language is not a tag.
    """
    locale = find_locale(in_language)
    digits = _DIGITS.get(locale.default_numbering_system) if locale else None
    return text.translate(digits) if digits else text


def comma(in_language: str) -> str:
    """Return what stands between the items of a list in that language, its space included.

    Raises:
        MalformedTag: when it is not a tag.
    """
    return _COMMAS.get(script_of(parse_tag(in_language)), ", ")


def join_languages(tags: Iterable[str], in_language: str) -> str:
    """Return the names of languages as a list in another: "engleză, rusă".

    Raises:
        MalformedTag: when one is not a tag.
    """
    return comma(in_language).join(language_name(tag, in_language) for tag in tags)


__all__ = [
    "Direction",
    "MalformedTag",
    "choose_edition",
    "comma",
    "country_name",
    "direction",
    "find_locale",
    "has_italics",
    "is_never",
    "join_languages",
    "language_name",
    "long_date",
    "normalize_tag",
    "own_digits",
    "parse_tag",
    "script_of",
]
