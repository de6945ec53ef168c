"""Complete catalogs for tests that are not about translations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tools.catalogs import PLURALS, renewed, used_phrases


def write_complete_catalogs(locale_dir: Path, languages: Iterable[str]) -> None:
    """Write a catalog per language in which every phrase that is used stands for itself."""
    text = renewed("en", "", used_phrases())
    for language in languages:
        path = locale_dir / language / "LC_MESSAGES" / "mailer.po"
        path.parent.mkdir(parents=True)
        # The rule of the language would want other numbers of forms; English counts in two.
        header = f"Plural-Forms: {PLURALS['en']}"
        assert header in text
        path.write_text(text.replace("Language: en", f"Language: {language}"), encoding="utf-8")
