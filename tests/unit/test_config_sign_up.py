"""`[sign_up]` of config.toml: off by default, and nobody signs up without knowing to what."""

import pytest

from tests.support.sign_ups import OFF, switched_on
from tests.unit.config_texts import EXAMPLE, faults, load


def test_it_is_off_until_a_list_is_named(tmp_path):
    """As the example has it, and where nothing is written at all."""
    assert () == load(tmp_path, EXAMPLE).sign_up.lists
    assert () == load(tmp_path, "").sign_up.lists


def test_it_has_lists_and_what_people_agree_to(tmp_path):
    """Tags in their one form."""
    section = load(tmp_path, switched_on(EXAMPLE)).sign_up
    assert ("harbor-news",) == section.lists
    assert ["en", "ru", "fa"] == list(section.consent)


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        (EXAMPLE.replace(OFF, 'lists = ["a"]\nconsent_version = "1"'), "sign_up",
         "needs consent_version, and what people agree to under consent"),
        (switched_on(EXAMPLE).replace('"2026-11"', '""'), "sign_up",
         "needs consent_version, and what people agree to under consent"),
        (switched_on(EXAMPLE).replace('"2026-11"', '"a b"'), "sign_up.consent_version",
         "use up to 80 letters, digits, dots, hyphens and underscores"),
        (switched_on(EXAMPLE, lists='["a", "a"]'), "sign_up", "lists names one twice"),
        (switched_on(EXAMPLE, most_per_hour=0), "sign_up.most_per_hour",
         "is below 1"),
    ],
)  # fmt: skip
def test_what_cannot_hold_is_refused(tmp_path, text, field, problem):
    """With the place in the file."""
    assert [(field, problem)] == faults(tmp_path, text)
