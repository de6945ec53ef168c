"""Bring people onto a list who come as rows of fields and not as a file.

In: rows, each a mapping of fields. Out: what became of each. They go the way of an imported file, which
lies in memory alone, so whoever left or is suppressed is never brought back by it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from mailer.app.importing import import_file
from mailer.app.workspace import Workspace
from mailer.audience.cells import disarmed, joined_tags
from mailer.audience.exports import COLUMNS
from mailer.audience.results import ImportResult, LineTold
from mailer.model.audience import ListDefinition
from mailer.model.faults import Fault, FaultsFound
from mailer.model.staff import Actor
from mailer.model.worded import worded

#: Lines before the first row: the header.
_HEAD = 2


@dataclass(frozen=True, repr=False)
class RowsTold:
    """What became of rows."""

    result: ImportResult
    #: Place of each row, from 0, with what became of it.
    told: tuple[tuple[int, LineTold], ...]


@dataclass(frozen=True, repr=False)
class _MemoryFile:
    """A file of people that lies on no disk."""

    name: str
    content: bytes

    def open(self) -> BinaryIO:
        """Open it from its start, as bytes."""
        return io.BytesIO(self.content)


def take_rows(
    workspace: Workspace,
    actor: Actor,
    definition: ListDefinition,
    rows: Sequence[Mapping[str, Any]],
    *,
    dry_run: bool = False,
) -> RowsTold:
    """Bring people onto a list; a dry run changes nothing.

    Args:
        workspace: where it is.
        actor: in whose name.
        definition: of the list.
        rows: by the names of `COLUMNS`, with topics and a mapping of attributes; text on one line.
        dry_run: only say what would come of it.

    Raises:
        FaultsFound: when a row has an attribute that the list does not declare.
        KeyFileError, WrongKeys: when a key file cannot be used; nothing is changed.
        LogNotWritten: when suppressions.log cannot be written.
    """
    _refuse_undeclared(definition, rows)
    told: list[tuple[int, LineTold]] = []
    result = import_file(
        workspace,
        actor,
        _MemoryFile(str(actor), _written(definition, rows)),
        definition,
        dry_run=dry_run,
        encoding="utf-8",
        separator=",",
        told=lambda one: told.append((one.line - _HEAD, one)),
    )
    return RowsTold(result, tuple(told))


def _refuse_undeclared(definition: ListDefinition, rows: Sequence[Mapping[str, Any]]) -> None:
    known = definition.attributes
    unknown = sorted({name for row in rows for name in row["attributes"] if name not in known})
    faults = [
        Fault(
            f"lists/{definition.key}.toml", 0, f"attributes.{name}", "is not declared by this list",
            worded("There are: %(known)s", known=', '.join(sorted(known)) or worded("none")),
        )
        for name in unknown
    ]  # fmt: skip
    if any(row["topics"] for row in rows) and not definition.topics:
        file = f"lists/{definition.key}.toml"
        faults.append(
            Fault(file, 0, "topics", "this list declares no topics", "Leave the topics out")
        )
    if faults:
        raise FaultsFound(faults)


def _written(definition: ListDefinition, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return rows as the file that an export would be."""
    columns = [*COLUMNS, *(("topics",) if definition.topics else ())]
    columns += [name for name in definition.attributes if name not in columns]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        attributes = row["attributes"]
        cells = (attributes[one] if one in attributes else row.get(one, "") for one in columns)
        writer.writerow([disarmed(_cell(one)) for one in cells])
    return text.getvalue().encode()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return joined_tags(value)
    return str(value)
