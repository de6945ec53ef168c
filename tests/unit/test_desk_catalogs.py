"""The phrases of the desk, in every language it speaks."""

from __future__ import annotations

import re

import pytest

from mailer.desk.phrases import LANGUAGES, LOCALE_DIR
from mailer.statements.catalog import load_catalogs

_VALUE = re.compile(r"%\((\w+)\)s")
TRANSLATED = [one for one in LANGUAGES if one != "en"]


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_phrase_is_translated(language):
    """Nobody reads half a page in English."""
    assert load_catalogs(LOCALE_DIR)[language].untranslated == ()


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_names_what_the_phrase_names(language):
    """In each of its forms: no value is lost, and none is asked for that is not given."""
    catalog = load_catalogs(LOCALE_DIR)[language]
    wrong = [
        (phrase, form)
        for phrase, forms in catalog.forms.items()
        for form in forms
        if set(_VALUE.findall(form)) != set(_VALUE.findall(phrase))
    ]
    assert wrong == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_phrase_with_a_number_has_every_form(language):
    """As many as the language has."""
    catalogs = load_catalogs(LOCALE_DIR)
    catalog = catalogs[language]
    plurals = [phrase for phrase, forms in catalogs["en"].forms.items() if len(forms) > 1]
    assert [one for one in plurals if len(catalog.forms[one]) != catalog.form_count] == []
