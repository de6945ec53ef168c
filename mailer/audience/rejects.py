"""Keep the rows that could not be taken, with line and reason, for their owner's eyes only.

In: rows and reasons. Out: a CSV file of mode 0600, made with the first of them, and the first
reasons without anything of the row, for the terminal. A file that cannot be written is a
`FaultsFound`: nobody would know whom an import left out.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

from mailer.audience.cells import disarmed
from mailer.model.faults import Fault, FaultsFound
from mailer.model.worded import worded

#: Reasons that are kept for showing.
_KEPT = 100


class Rejects:
    """The reject file of one import; without a path it only counts."""

    def __init__(self, path: Path | None, file_name: str, header: Sequence[str]) -> None:
        self._path = path
        self._file_name = file_name
        self._header = header
        self._file: TextIO | None = None
        self._reasons: list[Fault] = []
        self.count = 0

    def __enter__(self) -> Rejects:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def finish(self) -> None:
        """Write what is still in memory: from here on the file holds every row."""
        if self._file is not None:
            with self._or_said():
                self._file.close()

    @contextmanager
    def _or_said(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            problem = worded("cannot be written: %(reason)s", reason=error.strerror)
            remedy = "Make room or mend its folder, then import the file again"
            name = f"rejects/{self._path.name}" if self._path else ""
            raise FaultsFound([Fault(name, 0, "", problem, remedy)]) from error

    @property
    def written(self) -> Path | None:
        """Return the file; None when nothing was rejected or nothing was to be written."""
        return self._path if self._file is not None else None

    @property
    def reasons(self) -> tuple[Fault, ...]:
        """Return the first reasons, each with its line and without anything of the row."""
        return tuple(self._reasons)

    def add(self, line: int, reason: str, cells: Sequence[str]) -> None:
        """Note a row that could not be taken."""
        self.count += 1
        if len(self._reasons) < _KEPT:
            self._reasons.append(Fault(self._file_name, line, "", reason))
        if self._path is None:
            return
        with self._or_said():
            if self._file is None:
                self._file = private_file(self._path)
                csv.writer(self._file).writerow(["line", "reason", *map(disarmed, self._header)])
            csv.writer(self._file).writerow([line, reason, *map(disarmed, cells)])


def private_file(path: Path) -> TextIO:
    """Open a file for writing that is its owner's alone, in a folder that is so too."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    # A file of that name may have been there, open to others.
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")
