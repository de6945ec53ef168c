"""Say of a language tag whether all of it is understood, and which edition would serve its reader.

In: tags in their normal form. Out: answers by CLDR. Standards: RFC 5646, CLDR's likely subtags.
"""

from __future__ import annotations

from functools import lru_cache

from babel import Locale
from babel.core import get_global

from mailer.config.values import is_language
from mailer.model.tags import LanguageTag, parse_tag


@lru_cache(maxsize=4096)
def is_understood(tag: str) -> bool:
    """Tell whether every part of a tag is known: language, script, region and variants.

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


def edition_tag(wanted: str) -> str:
    """Return the tag of the edition that would serve a reader: without region and variants.

    The script is kept where it is not the one the language is written in by itself: whoever reads
    zh-TW is served by zh-Hant and not by zh.

    Raises:
        MalformedTag: when it is not a tag.
    """
    tag = parse_tag(wanted)
    script = tag.script or _likely_script(tag.language, tag.region)
    own = _likely_script(tag.language)
    return str(LanguageTag(tag.language, "" if script == own else script))


def _likely_script(language: str, region: str = "") -> str:
    """Return the script of a language, in a region if one is named; "" when CLDR does not know."""
    likely = get_global("likely_subtags")
    full = likely.get(f"{language}_{region}") or likely.get(language)
    return parse_tag(full).script if full else ""
