"""Compare two states of a text word by word, or of a statement edition by edition.

In: two texts, editions or revisions. Out: runs of words that are the same, taken out or put in, as data for
a page or a terminal to set. The work is bounded: beyond a size whole lines are compared instead.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from mailer.model.statement import Edition, Revision
from mailer.statements.drafts import head_draft
from mailer.statements.writing import write_head

#: Words of a paragraph, or paragraphs of a text, that are compared one by one.
MOST_PARTS = 4_000
# A word, the blanks between two, or one mark: marks change without the word beside them.
_PART = re.compile(r"\w+(?:['’\u02bc]\w+)*|\s+|.", re.DOTALL)
#: What an edition is compared by, in the order a reader meets it.
EDITION_FIELDS = (
    "title",
    "subject",
    "preheader",
    "discreet_subject",
    "discreet_preheader",
    "body",
)
_ALIKE = 0.4


class RunKind(StrEnum):
    """What became of a run of words."""

    #: It is there before and after.
    EQUAL = "equal"
    #: It is there before only.
    REMOVED = "removed"
    #: It is there after only.
    ADDED = "added"


@dataclass(frozen=True)
class DiffRun:
    """Words in a row that share their fate."""

    kind: RunKind
    text: str


@dataclass(frozen=True)
class FieldDiff:
    """A field that differs."""

    #: Name of the field: "title", "body".
    field: str
    runs: tuple[DiffRun, ...]


@dataclass(frozen=True)
class EditionDiff:
    """An edition that differs between two revisions, or is in one of them only."""

    language: str
    #: Whether the other revision has none in this language.
    removed: bool
    added: bool
    fields: tuple[FieldDiff, ...]


@dataclass(frozen=True)
class PictureDiff:
    """A picture that differs between two revisions, or is in one of them only."""

    name: str
    removed: bool
    added: bool


@dataclass(frozen=True)
class RevisionDiff:
    """What differs between two revisions of a statement."""

    #: `statement.toml` as it would be written; empty when both say the same.
    head: tuple[DiffRun, ...]
    editions: tuple[EditionDiff, ...]
    pictures: tuple[PictureDiff, ...]

    @property
    def is_empty(self) -> bool:
        """Whether both are the same."""
        return not (self.head or self.editions or self.pictures)


def text_diff(before: str, after: str) -> tuple[DiffRun, ...]:
    """Return two texts as one row of runs; those that are not added make up `before` again."""
    runs = _merged(_line_runs(_lines(before), _lines(after)))
    return tuple(runs)


def edition_diff(before: Edition, after: Edition) -> tuple[FieldDiff, ...]:
    """Return the fields in which two states of an edition differ."""
    return tuple(
        FieldDiff(name, text_diff(getattr(before, name), getattr(after, name)))
        for name in EDITION_FIELDS
        if getattr(before, name) != getattr(after, name)
    )


def revision_diff(before: Revision, after: Revision) -> RevisionDiff:
    """Return what differs between two revisions of one statement."""
    heads = [write_head(head_draft(one)) for one in (before, after)]
    editions: list[EditionDiff] = []
    for language in dict.fromkeys((*after.editions, *before.editions)):
        old, new = before.editions.get(language), after.editions.get(language)
        empty = Edition(language, "", "", "", "", "", "", "", "")
        fields = edition_diff(old or empty, new or empty)
        if fields or not (old and new):
            editions.append(EditionDiff(language, new is None, old is None, fields))
    pictures = [
        PictureDiff(name, name not in after.pictures, name not in before.pictures)
        for name in sorted({*before.pictures, *after.pictures})
        if before.pictures.get(name) != after.pictures.get(name)
    ]
    head = text_diff(*heads) if heads[0] != heads[1] else ()
    return RevisionDiff(head, tuple(editions), tuple(pictures))


def _lines(text: str) -> list[str]:
    """Return the lines, each with its end."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _line_runs(before: Sequence[str], after: Sequence[str]) -> Iterator[DiffRun]:
    if len(before) + len(after) > MOST_PARTS:
        yield from _whole(before, after)
        return
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            yield DiffRun(RunKind.EQUAL, "".join(before[start:end]))
        else:
            yield from _changed("".join(before[start:end]), "".join(after[new_start:new_end]))


def _changed(before: str, after: str) -> Iterator[DiffRun]:
    """Yield the words of lines that differ; those that have little in common are not interwoven."""
    old, new = _PART.findall(before), _PART.findall(after)
    if not old or not new or len(old) + len(new) > MOST_PARTS:
        yield from _whole([before], [after])
        return
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    # Blanks are in every text and make no two alike.
    kept = sum(
        len("".join(old[one.a : one.a + one.size]).strip()) for one in matcher.get_matching_blocks()
    )
    if 2 * kept < _ALIKE * len("".join((before + after).split())):
        yield from _whole([before], [after])
        return
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            yield DiffRun(RunKind.EQUAL, "".join(old[start:end]))
        else:
            yield from _whole(old[start:end], new[new_start:new_end])


def _whole(before: Sequence[str], after: Sequence[str]) -> Iterator[DiffRun]:
    if before:
        yield DiffRun(RunKind.REMOVED, "".join(before))
    if after:
        yield DiffRun(RunKind.ADDED, "".join(after))


def _merged(runs: Iterator[DiffRun]) -> Iterator[DiffRun]:
    """Yield the runs, those of one kind in a row as one, and none that is empty."""
    for kind, group in groupby((run for run in runs if run.text), key=lambda run: run.kind):
        yield DiffRun(kind, "".join(run.text for run in group))
