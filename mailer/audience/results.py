"""What an import tells: counts, reasons and places, and never anything of a person.

In: nothing. Out: `ImportResult` for a whole file, `LineTold` for one line of a dry run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mailer.model.faults import Fault


@dataclass(frozen=True)
class ImportResult:
    """What became of the rows; every row is in exactly one of the counts."""

    #: New on this list.
    added: int = 0
    #: On the list already, and something about them changed.
    updated: int = 0
    #: On the list already, with nothing new.
    unchanged: int = 0
    #: The address came earlier in the same file; merged into one.
    merged: int = 0
    #: Left this list by their own wish; not brought back.
    left: int = 0
    #: On the suppression list; not taken.
    suppressed: int = 0
    #: Left, bounced or complained by another system's export; suppressions now, and no supporters.
    taken_over: int = 0
    #: Could not be taken; in the reject file.
    rejected: int = 0
    #: Of those on the list now, how many have no consent on record and so are not mailed.
    without_consent: int = 0
    #: Of those on record before, how many keep their topics and plain text, whatever the file says.
    kept_choices: int = 0
    #: Columns that the list does not declare; they are kept sealed.
    sealed_columns: tuple[str, ...] = ()
    #: The first rejected rows: line and reason, nothing of the row.
    reject_reasons: tuple[Fault, ...] = ()
    #: Where the rejected rows are; None when there are none or nothing was to be written.
    reject_file: Path | None = None
    #: Its number, for undoing it; 0 for a dry run.
    batch: int = 0
    #: What the file was taken to be.
    encoding: str = ""
    separator: str = ""
    #: Whose export it is; "" for a file of one's own.
    system: str = ""
    #: Whether a column of that export says who unsubscribed there.
    says_who_left: bool = True

    @property
    def rows(self) -> int:
        """Return how many rows the file had."""
        return sum(self.counts().values())

    def counts(self) -> dict[str, int]:
        """Return the counts that add up to the rows of the file, by name."""
        names = ("added", "updated", "unchanged", "merged", "left", "suppressed", "taken_over",
                 "rejected")  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def summary(self) -> str:
        """Return the counts that are not zero, in words."""
        words = [
            f"{count} {name.replace('_', ' ')}" for name, count in self.counts().items() if count
        ]
        if self.without_consent:
            words.append(f"{self.without_consent} without consent")
        return ", ".join(words) or "no rows"

    def to_document(self) -> dict[str, object]:
        """Return the result as other programs read it."""
        return {
            "rows": self.rows,
            **self.counts(),
            "without_consent": self.without_consent,
            "kept_choices": self.kept_choices,
            "sealed_columns": list(self.sealed_columns),
            "batch": self.batch,
            "encoding": self.encoding,
            "separator": self.separator,
            "system": self.system,
            "says_who_left": self.says_who_left,
            "rejects": [_reject_document(fault) for fault in self.reject_reasons],
            "reject_file": str(self.reject_file) if self.reject_file else None,
        }


def _reject_document(fault: Fault) -> dict[str, object]:
    field, colon, problem = fault.problem.partition(": ")
    if not colon:
        field, problem = "", fault.problem
    return {"line": fault.line, "field": field, "problem": problem}


@dataclass(frozen=True)
class LineTold:
    """What would become of one line; nothing of the person is in it."""

    line: int
    #: A name of `ImportResult.counts`.
    what: str
    reason: str = ""
