"""Which edition would serve a reader."""

import pytest

from mailer.audience.coverage import edition_tag
from mailer.model.audience import LanguageProfile, LanguageStep
from mailer.statements.languages import choose_edition

SERVED = {
    "ru": "ru",
    "en-GB": "en",
    "be-tarask": "be",
    "zh": "zh",
    "zh-CN": "zh",
    "zh-Hans": "zh",
    "zh-TW": "zh-Hant",
    "zh-Hant-HK": "zh-Hant",
    "sr": "sr",
    "sr-RS": "sr",
    "sr-Cyrl-ME": "sr",
    "sr-ME": "sr-Latn",
    "sr-Latn": "sr-Latn",
    "pa-PK": "pa-Arab",
    "uz-AF": "uz-Arab",
    "tlh": "tlh",
}


@pytest.mark.parametrize(("wanted", "tag"), SERVED.items())
def test_the_script_is_kept_where_it_is_not_the_languages_own(wanted, tag):
    """And an edition of that tag is one that the rule of choice gives to the reader."""
    assert tag == edition_tag(wanted)
    choice = choose_edition(LanguageProfile((wanted,), ()), ("eo", tag), "eo", ())
    assert (tag, LanguageStep.FIRST) == (choice.language, choice.step)
