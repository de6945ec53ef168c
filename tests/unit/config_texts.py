"""Texts of `config.toml` for tests: the example, with something changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailer.config import CONFIG_FILE, load_config
from mailer.model.faults import FaultsFound

EXAMPLE = (Path(__file__).parents[2] / "config.example.toml").read_text(encoding="utf-8")
DKIM = """
[[senders.dkim]]
domain = "harbor.example.org"
selector = "mail2026"
key_file = "dkim.key"
"""


def changed(*changes):
    """The example with values in place of others; each must be in it."""
    text = EXAMPLE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def load(folder, text):
    """Load a config of this text."""
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    return load_config(folder)


def faults(folder, text):
    """Return what is wrong with a config of this text, as (field, problem)."""
    with pytest.raises(FaultsFound) as raised:
        load(folder, text)
    assert {CONFIG_FILE} == {fault.file for fault in raised.value.faults}
    return [(fault.field, fault.problem) for fault in raised.value.faults]
