"""Tell what languages a visitor reads, and which of ours a page speaks to them.

In: the Accept-Language header, language tags. Out: tags. Nothing else about a visitor is looked at:
not a token, not an address. Standards: RFC 9110 §12.5.4 (Accept-Language).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence

from starlette.requests import Request

from mailer.model.audience import LanguageChoice, LanguageProfile
from mailer.statements.languages import MalformedTag, choose_edition, normalize_tag

#: What a page speaks when the visitor reads nothing it has.
DEFAULT_LANGUAGE = "en"
#: More than any browser sends; what comes after is not looked at.
_MOST_LANGUAGES = 20
_LONGEST_HEADER = 1_000
# RFC 9110 §12.4.2: a weight is 0 to 1 with at most three decimals.
_RANGE = re.compile(
    r"[ \t]*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)[ \t]*(?:;[ \t]*[qQ]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?[ \t]*"
)


def accepted_languages(header: str) -> tuple[str, ...]:
    """Return the tags of an Accept-Language header, the best liked first.

    Ranges with weight 0, the asterisk and what cannot be read are left out.
    """
    weighted = [(weight, tag) for weight, tag in _ranges(header) if weight > 0]
    # Sorting is stable: of equal weights the one that stands first is liked best.
    weighted.sort(key=lambda pair: -pair[0])
    return tuple(dict.fromkeys(tag for _, tag in weighted))


def refused_languages(header: str) -> tuple[str, ...]:
    """Return the tags that an Accept-Language header gives the weight 0: "not acceptable"."""
    return tuple(dict.fromkeys(tag for weight, tag in _ranges(header) if weight == 0))


def spoken_language(tag: str, spoken: Sequence[str]) -> str | None:
    """Return the language of an address where pages speak it; else None."""
    with contextlib.suppress(MalformedTag):
        tag = normalize_tag(tag)
        return tag if tag in spoken else None
    return None


def accepted_profile(request: Request) -> LanguageProfile:
    """Return what a visitor's browser says of languages."""
    said = request.headers.get("accept-language", "")
    return LanguageProfile(accepted_languages(said), refused_languages(said))


def best_edition(
    profile: LanguageProfile,
    editions: Sequence[str],
    source_language: str,
    chain: Sequence[str],
) -> LanguageChoice:
    """Return the edition that a visitor is shown; there always is one.

    RFC 9110 §12.5.4: where nothing acceptable is there, showing what is beats refusing.
    """
    choice = choose_edition(profile, editions, source_language, chain)
    if choice.language is None:
        profile = LanguageProfile(profile.languages, ())
        choice = choose_edition(profile, editions, source_language, chain)
    return choice


def edition_shown(
    profile: LanguageProfile,
    editions: Sequence[str],
    source_language: str,
    chain: Sequence[str],
) -> str:
    """Return the language of `best_edition`."""
    return best_edition(profile, editions, source_language, chain).language or source_language


def _ranges(header: str) -> Iterator[tuple[float, str]]:
    for part in header[:_LONGEST_HEADER].split(",")[:_MOST_LANGUAGES]:
        found = _RANGE.fullmatch(part)
        if found is None:
            continue
        with contextlib.suppress(MalformedTag):
            yield float(found[2]) if found[2] else 1.0, normalize_tag(found[1])


def page_language(wanted: Iterable[str], spoken: Sequence[str]) -> str:
    """Return which of the `spoken` languages a page uses for who reads `wanted`, best first."""
    profile = LanguageProfile(tuple(wanted), ())
    return choose_edition(profile, spoken, DEFAULT_LANGUAGE, ()).language or DEFAULT_LANGUAGE
