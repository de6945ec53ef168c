"""A statement's files as a program writes them."""

from pathlib import Path

import pytest

from mailer.statements.drafts import (
    EditionDraft,
    HeadDraft,
    edition_draft,
    head_draft,
    read_edition_draft,
    read_head_draft,
)
from mailer.statements.source import read_statement
from mailer.statements.writing import CannotBeWritten, one_line, write_edition, write_head

ROOT = Path(__file__).parents[3]
SAMPLES = sorted((ROOT / "templates/statements").glob("*/"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_the_samples_are_the_same_revision_after_they_were_written_anew(sample, tmp_path):
    """Reading, writing and reading a statement gives the same digest."""
    folder = tmp_path / sample.name
    folder.mkdir()
    before, _ = read_statement(sample, ROOT)
    for path in sample.glob("*.png"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "statement.toml").write_text(write_head(head_draft(before)), encoding="utf-8")
    for language, edition in before.editions.items():
        text = write_edition(edition_draft(edition))
        (folder / f"{language}.md").write_text(text, encoding="utf-8")
    after, _ = read_statement(folder, tmp_path)
    assert before.digest == after.digest


def test_an_edition_is_written_as_people_write_it():
    """Fields in their order, those that are empty left out, but for title and subject."""
    draft = EditionDraft(title='"Quoted"', preheader="It's: time", body="Text.\r\n\r\nMore.\n\n")
    expected = """---
title: '"Quoted"'
subject:
preheader: It's: time
---

Text.

More.
"""
    assert expected == write_edition(draft)
    assert "---\ntitle:\nsubject:\n---\n" == write_edition(EditionDraft())


@pytest.mark.parametrize("value", ["two\nlines", '"it\'s"'])
def test_what_a_field_cannot_hold_is_refused(value):
    """The error names the field; nothing is changed unsaid."""
    with pytest.raises(CannotBeWritten) as raised:
        write_edition(EditionDraft(title=value))
    assert "title" == raised.value.field
    assert "two lines" == one_line(" two\n lines ")


def test_what_a_draft_does_not_hold_is_told():
    """Comments, unknown keys and lines that are no field are named before they are lost."""
    read = read_edition_draft("---\n# a note\ntitle: A\nnonsense\ncolor: red\n---\nText.")
    assert EditionDraft(title="A", body="Text.") == read.draft
    assert ("# a note", "nonsense", "color: red") == read.lost
    head = read_head_draft(
        'slug = "a" # why\ncolor = "#fff"\nand_others = "yes"\nsupports = [1]\n'
        "[[hashtags]]\nsize = 3\n[action]\nwhere = 1\n"
    )
    expected = ("# why", "supports[0]", "hashtags[0].size", "action.where", "color", "and_others")
    assert expected == head.lost


def test_a_file_without_a_head_is_all_text():
    """Nothing that somebody uploaded is lost, and a file that is no TOML is told."""
    assert "Only text." == read_edition_draft("\nOnly text.\n").draft.body
    assert read_head_draft("slug = ") is None


def test_a_head_with_faults_keeps_them():
    """What the check will name stands where it was typed."""
    draft = HeadDraft("a", kind="poem", published="tomorrow", deadline="2026-13-01")
    written = write_head(draft)
    assert 'published = "tomorrow"\ndeadline = "2026-13-01"\n' in written
    assert draft == read_head_draft(written).draft
