"""Gather the faults of one file while it is read, so that all of them are told at once.

In: places in a file. Out: `Fault`s.
"""

from __future__ import annotations

from mailer.model.faults import Fault, FaultKind, Severity, errors_in


def by_place(fault: Fault) -> tuple[str, int, int, Fault]:
    """Return what sorts faults as a reader meets them: by file, line, column."""
    return fault.file, fault.line, fault.column, fault


class FaultCollector:
    """The faults of one file, in the order found."""

    def __init__(self, file: str) -> None:
        #: The file as faults name it, relative to the workspace.
        self.file = file
        self.faults: list[Fault] = []

    @property
    def clean(self) -> bool:
        """Whether nothing that stops the work has been found."""
        return not errors_in(self.faults)

    def error(
        self,
        line: int,
        field: str,
        problem: str,
        remedy: str = "",
        *,
        column: int = 0,
        kind: FaultKind = FaultKind.OTHER,
    ) -> None:
        """Note something that must be mended first."""
        self.faults.append(Fault(self.file, line, field, problem, remedy, column, kind=kind))

    def warning(
        self,
        line: int,
        field: str,
        problem: str,
        remedy: str = "",
        *,
        column: int = 0,
        kind: FaultKind = FaultKind.OTHER,
    ) -> None:
        """Note something worth a look."""
        self.faults.append(
            Fault(self.file, line, field, problem, remedy, column, Severity.WARNING, kind)
        )
