"""Bring people onto a list from a file, take that back, and write a list's people, in somebody's name.

In: a workspace, who does it, a file and a list, or the number of an import. Out: what came of it,
staff told, and an entry in the audit log: with counts and the file's name, nothing of anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from mailer.alerts import import_done
from mailer.app.workspace import Workspace
from mailer.audience.decoding import CsvFile
from mailer.audience.exports import ExportResult, MembersPage, members_page
from mailer.audience.exports import export_list as write_list
from mailer.audience.imports import import_csv
from mailer.audience.results import ImportResult, LineTold
from mailer.audience.undoing import UndoResult
from mailer.audience.undoing import undo_import as undo_batch
from mailer.model.audience import ListDefinition
from mailer.model.audit import AuditAction
from mailer.model.staff import Actor
from mailer.store.audit import write_audit
from mailer.store.engine import Connection


def import_file(
    workspace: Workspace,
    actor: Actor,
    file: Path | CsvFile,
    definition: ListDefinition,
    *,
    dry_run: bool = False,
    encoding: str = "",
    separator: str = "",
    progress: Callable[[int, int], None] | None = None,
    told: Callable[[LineTold], None] | None = None,
    targets: Sequence[str] | None = None,
) -> ImportResult:
    """Bring the people of a CSV file onto a list; a dry run changes nothing and leaves no entry.

    What cannot be taken is kept beside the database where the file lies on this machine as well;
    `targets` is what each column is, where a person chose.

    Raises:
        FaultsFound: when the file cannot be read as one of people; nothing is changed.
        LogNotWritten: when suppressions.log cannot be written.
        OSError: when the file cannot be read.
    """
    now = workspace.clock.now()

    def put_on_record(connection: Connection, batch: int, counts: Mapping[str, int]) -> None:
        rows = sum(counts.values())
        told = {name: counts[name] for name in ("added", "updated", "rejected")}
        import_done(connection, definition.key, file.name, now, rows=rows, **told)
        write_audit(
            connection, actor, AuditAction.IMPORT_DONE, definition.key, workspace.clock.now(),
            batch=batch, file=file.name, rows=rows, **{k: n for k, n in counts.items() if n},
        )  # fmt: skip

    return import_csv(
        workspace.store,
        workspace.seal_keys,
        workspace.service_keys,
        file,
        definition,
        rejects_dir=workspace.config.data_dir / "rejects" if isinstance(file, Path) else None,
        now=now,
        dry_run=dry_run,
        progress=progress,
        encoding=encoding,
        separator=separator,
        told=told,
        log=workspace.suppression_log,
        also=put_on_record,
        targets=targets,
    )


def undo_import(
    workspace: Workspace,
    actor: Actor,
    batch: int,
    progress: Callable[[UndoResult], None] | None = None,
) -> UndoResult:
    """Take an import back.

    Raises:
        FaultsFound: when it cannot be undone; nothing is changed.
    """

    def put_on_record(connection: Connection, key: str, result: UndoResult) -> None:
        counts = {name: count for name, count in asdict(result).items() if count}
        write_audit(
            connection, actor, AuditAction.IMPORT_UNDONE, key, workspace.clock.now(),
            batch=batch, **counts,
        )  # fmt: skip

    return undo_batch(
        workspace.store,
        workspace.seal_keys,
        batch,
        workspace.clock.now(),
        progress,
        workspace.suppression_log,
        put_on_record,
    )


def export_list(
    workspace: Workspace, actor: Actor, definition: ListDefinition, file: TextIO
) -> ExportResult:
    """Write a list's people as CSV, in clear; that it was asked for is on record before the first one.

    Raises:
        WrongSealKey: when who is on record was sealed with another key.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        write_audit(connection, actor, AuditAction.SUPPORTERS_EXPORTED, definition.key, now)
    return write_list(workspace.store, workspace.seal_keys, definition, file)


def list_members(
    workspace: Workspace, actor: Actor, definition: ListDefinition, after: int, limit: int
) -> MembersPage:
    """Return a page of a list's people, in clear; that it was asked for is on record before.

    Raises:
        KeyFileError, WrongKeys, WrongSealKey: when they cannot be opened.
    """
    keys = workspace.seal_keys
    with workspace.store.write() as connection:
        write_audit(
            connection, actor, AuditAction.SUPPORTERS_EXPORTED, definition.key,
            workspace.clock.now(), after=after, limit=limit,
        )  # fmt: skip
    return members_page(workspace.store, keys, definition, after, limit)
