"""Facts of the audit log and evidence of bounces have words in the desk's languages."""

import ast
from pathlib import Path

import pytest

from mailer.audience.results import ImportResult
from mailer.audience.undoing import UndoResult
from mailer.desk import evidence_words, fact_words
from mailer.desk.phrases import LANGUAGES, LOCALE_DIR
from mailer.model.feedback import FeedbackClass, FeedbackEffect, FeedbackReason
from mailer.model.states import Settlement
from mailer.statements.catalog import load_catalogs

PROGRAM = Path(fact_words.__file__).parent.parent


def _names_of_facts() -> set[str]:
    """Return what facts are called wherever the program writes an entry."""
    found = set(ImportResult().counts()) | set(vars(UndoResult())) | {"corrected_by"}
    for path in PROGRAM.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "AuditAction" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and any(
                ast.unparse(one).startswith("AuditAction.") for one in node.args
            ):
                found |= {one.arg for one in node.keywords if one.arg}
    return found


def test_every_fact_has_a_name():
    """Of those that the program writes; an older log may hold others, which stay in English."""
    assert set() == _names_of_facts() - set(fact_words.NAMES)


def test_every_member_has_words():
    """Of what came back, why, and what followed; and of what was decided about doubts."""
    assert set(FeedbackClass) == set(evidence_words.KINDS)
    assert set(FeedbackReason) == set(evidence_words.REASONS)
    assert set(FeedbackEffect) == set(evidence_words.EFFECTS)
    assert set(Settlement) == set(fact_words.SETTLEMENTS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_is_in_the_catalogs(language):
    """So that none of them is asked for in vain."""
    forms = load_catalogs(LOCALE_DIR)[language].forms
    tables = (
        fact_words.NAMES, fact_words.SETTLEMENTS, fact_words.PROOFS, evidence_words.KINDS,
        evidence_words.REASONS, evidence_words.EFFECTS,
    )  # fmt: skip
    assert [] == [one for table in tables for one in table.values() if one and one not in forms]
