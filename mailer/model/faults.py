"""A fault found in something a person wrote: what is wrong, where, and what to do.

In: nothing. Out: `Fault`, which every check returns in a list, and `FaultsFound`, which a loader
raises with all of them at once. A fault never holds a supporter's address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mailer.model.worded import from_document, to_document


class Severity(StrEnum):
    """Whether a fault stops the work."""

    #: Must be mended first.
    ERROR = "error"
    #: Worth a look; nothing is stopped.
    WARNING = "warning"


class FaultKind(StrEnum):
    """What sort of fault it is, where somebody is to tell it from others."""

    OTHER = "other"
    #: A template or a text names a variable or a field that nobody fills.
    UNKNOWN_NAME = "unknown_name"
    #: A letter that looks right and is not.
    LETTERS = "letters"
    #: A picture without words for who does not see it.
    PICTURE = "picture"
    #: A mail so long that programs clip it.
    CLIPPED = "clipped"
    #: A relay that nobody has verified as it is configured now.
    UNVERIFIED = "unverified"


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a file, a setting or an option."""

    #: The file as the person named it, relative to the workspace; "" for an option.
    file: str
    #: Line counted from 1; 0 when the whole file is meant.
    line: int
    #: The field, key or option: "subject", "relays[0].host", "--segment".
    field: str
    #: What is wrong, in one sentence without a full stop.
    problem: str
    #: What to do about it, in one sentence without a full stop; may be "".
    remedy: str = ""
    #: Column counted from 1; 0 when unknown.
    column: int = 0
    #: Whether it stops the work.
    severity: Severity = Severity.ERROR
    kind: FaultKind = FaultKind.OTHER

    def __lt__(self, other: Fault) -> bool:
        """Put faults in the order in which a person comes upon them: by file, line and column."""
        return self._place() < other._place()

    def _place(self) -> tuple[str, int, int, str, str, str, str]:
        return (
            self.file, self.line, self.column, self.field, self.problem, self.remedy, self.severity,
        )  # fmt: skip

    def __str__(self) -> str:
        """Give `file:line:column: field: problem. Remedy.`, leaving out what is unknown."""
        place = self.file
        if self.line:
            place += f":{self.line}"
            if self.column:
                place += f":{self.column}"
        field = self.field
        if self.column and not self.line:
            field += f", column {self.column}"
        parts = [part for part in (place, field) if part]
        text = ": ".join([*parts, self.problem])
        mark = "warning: " if self.severity is Severity.WARNING else ""
        return f"{mark}{text}. {self.remedy}." if self.remedy else f"{mark}{text}."


class FaultsFound(Exception):
    """Something could not be used because of the faults it carries, all at once."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(sorted(faults))
        super().__init__("\n".join(str(fault) for fault in self.faults))


def kept_fault(fault: Fault) -> dict[str, object]:
    """Return a fault as JSON can hold it, to be told in any language later on."""
    return {
        "file": fault.file,
        "line": fault.line,
        "field": fault.field,
        "problem": to_document(fault.problem),
        "remedy": to_document(fault.remedy),
    }


def told_fault(document: Mapping[str, Any]) -> Fault:
    """Return the fault that `kept_fault` was asked of."""
    problem, remedy = from_document(document["problem"]), from_document(document["remedy"])
    return Fault(document["file"], document["line"], document["field"], problem, remedy)


def errors_in(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return the faults that stop the work, leaving the warnings out."""
    return tuple(fault for fault in faults if fault.severity is Severity.ERROR)
