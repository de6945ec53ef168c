"""The fixed phrases of the desk, in the languages it speaks.

In: the catalogs beside this module. Out: a `Catalog` per language. A phrase that one lacks is told in
English: staff of a program that was renewed half read half a page, not none. A test wants all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from mailer.statements.catalog import Catalog, load_catalogs

LOCALE_DIR = Path(__file__).parent / "locale"
#: What the desk speaks, the default first.
LANGUAGES = ("en", "ru", "uk", "ro")


@lru_cache(maxsize=1)
def desk_catalogs() -> Mapping[str, Catalog]:
    """Return the phrases by language."""
    found = load_catalogs(LOCALE_DIR)
    english = found["en"]
    return {
        language: replace(
            found[language],
            forms={
                **{
                    msgid: forms if len(forms) == 1 else _in_every_form(forms, found[language])
                    for msgid, forms in english.forms.items()
                },
                **found[language].forms,
            },
        )
        for language in LANGUAGES
    }


def _in_every_form(english: tuple[str, ...], catalog: Catalog) -> tuple[str, ...]:
    """Return English words for as many forms as another language has."""
    return (english[0], *[english[-1]] * (catalog.form_count - 1))


def mark(phrase: str) -> str:
    """Return a phrase as it is; the catalogs take it from here, and a page speaks it later."""
    return phrase
