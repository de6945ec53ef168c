"""`mailer import` and `mailer lists`: bring people onto lists, and show how many there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from mailer.alerts import import_done
from mailer.app.workspace import Workspace
from mailer.audience.imports import ImportResult, import_csv
from mailer.audience.lists import block_to_add, is_key
from mailer.cli.common import (
    NOT_DONE,
    Command,
    console,
    errors,
    open_workspace,
    plain_errors,
    print_json,
    report_faults,
)
from mailer.model.audience import ListDefinition
from mailer.model.faults import Fault, FaultsFound, errors_in
from mailer.model.statement import localized
from mailer.store.audience import members_by_language, unfinished_imports

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
#: Reasons of rejected rows that the terminal shows; the reject file has them all.
_SHOWN_REJECTS = 10


def _definition(workspace: Workspace, key: str) -> ListDefinition:
    """Return the list of that key, or say what to write so that there is one, and end."""
    config = workspace.config
    definitions, faults = workspace.lists
    if key in definitions:
        return definitions[key]
    file = f"{config.lists_dir.name}/{key}.toml"
    own = [fault for fault in errors_in(faults) if fault.file == file]
    if own:
        raise FaultsFound(own)
    known = ", ".join(sorted(definitions)) or "none yet"
    report_faults([Fault("", 0, "--list", f'there is no list "{key}"', f"There are: {known}")])
    if not is_key(key):
        errors.print("A list's key has lower-case letters, digits and single hyphens: harbor-news.")
        raise typer.Exit(NOT_DONE)
    errors.print(f"To add it, write this to {file} and mend what is not so:\n", markup=False)
    errors.print(block_to_add(key, config), markup=False)
    raise typer.Exit(NOT_DONE)


@plain_errors
def import_command(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="CSV with a header, UTF-8.")],
    list_key: Annotated[str, typer.Option("--list", help="Key of the list they go on.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would happen and change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the people of a CSV file onto a list; whoever left it is never brought back.

    Example: mailer import supporters.csv --list harbor-news --dry-run
    """
    workspace = open_workspace()
    definition = _definition(workspace, list_key)
    columns = (
        TextColumn("{task.description}"), BarColumn(40), TaskProgressColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(
        *columns, console=errors, transient=True, disable=as_json or not errors.is_terminal
    ) as bar:
        task = bar.add_task("Reading", total=None)
        result = import_csv(
            workspace.store,
            workspace.seal_keys,
            workspace.service_keys,
            file,
            definition,
            rejects_dir=workspace.config.data_dir / "rejects",
            now=workspace.clock.now(),
            dry_run=dry_run,
            progress=lambda done, total: bar.update(
                task, description="Importing", completed=done, total=total
            ),
        )
    if not dry_run:
        _tell(workspace, list_key, file, result)
    if as_json:
        print_json({"list": list_key, "dry_run": dry_run, **result.to_document()})
    else:
        _print_result(workspace, result, dry_run=dry_run)


def _tell(workspace: Workspace, list_key: str, file: Path, result: ImportResult) -> None:
    """Tell staff that an import is done; by the file's name and counts, nothing of anybody."""
    with workspace.store.write() as connection:
        import_done(
            connection, list_key, file.name, workspace.clock.now(), rows=result.rows,
            added=result.added, updated=result.updated, rejected=result.rejected,
        )  # fmt: skip


def _print_result(workspace: Workspace, result: ImportResult, *, dry_run: bool) -> None:
    meanings = (
        ("new on the list", result.added),
        ("on it already, now changed", result.updated),
        ("on it already, nothing new", result.unchanged),
        ("second rows of an address, merged", result.merged),
        ("left the list, not brought back", result.left),
        ("suppressed, not taken", result.suppressed),
        ("could not be taken", result.rejected),
    )
    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for words, count in meanings:
        if count:
            table.add_row(words, str(count))
    table.add_row("rows in all", str(result.rows), style="bold")
    console.print(table)
    if result.without_consent:
        console.print(
            f"{result.without_consent} of them have no consent on record: they are not mailed."
        )
    if result.sealed_columns:
        console.print(
            "Columns the list does not declare, kept sealed: " + ", ".join(result.sealed_columns),
            markup=False,
        )
    report_faults(result.reject_reasons[:_SHOWN_REJECTS])
    more = result.rejected - len(result.reject_reasons[:_SHOWN_REJECTS])
    if more > 0:
        errors.print(f"... and {more} more.")
    if result.reject_file is not None:
        shown = result.reject_file
        if shown.is_relative_to(workspace.config.root):
            shown = shown.relative_to(workspace.config.root)
        console.print(
            f"The rows that could not be taken, with their reasons: {shown}", markup=False
        )
    if dry_run:
        console.print("Nothing was changed: this was a dry run.", style="bold")


@plain_errors
def lists_command(as_json: AsJson = False) -> None:
    """Show the lists with their members, by first language.

    Example: mailer lists
    """
    workspace = open_workspace()
    definitions, faults = workspace.lists
    with workspace.store.read() as connection:
        members = members_by_language(connection)
        unfinished = unfinished_imports(connection)
    if as_json:
        print_json(
            [
                {
                    "list": key,
                    "owner": definition.owner,
                    "sender": definition.sender,
                    "members": sum(members.get(key, {}).values()),
                    "by_language": members.get(key, {}),
                    "unfinished_imports": unfinished.get(key, 0),
                }
                for key, definition in definitions.items()
            ]
        )
    else:
        _print_lists(definitions, members, unfinished)
    report_faults(faults)
    if errors_in(faults):
        raise typer.Exit(NOT_DONE)


def _print_lists(
    definitions: dict[str, ListDefinition],
    members: dict[str, dict[str, int]],
    unfinished: dict[str, int],
) -> None:
    if not definitions:
        console.print("No list yet. Write lists/<key>.toml; `mailer import` shows an example.")
        return
    table = Table("List", "Name", "Owner", box=None, header_style="bold")
    table.add_column("Members", justify="right")
    table.add_column("By first language")
    for key, definition in definitions.items():
        counts = sorted(members.get(key, {}).items(), key=lambda one: (-one[1], one[0]))
        table.add_row(
            key,
            localized(definition.name, "en", "en"),
            definition.owner,
            str(sum(count for _, count in counts)),
            ", ".join(f"{language or 'not named'} {count}" for language, count in counts),
        )
    console.print(table)
    for key in sorted(unfinished):
        errors.print(
            f"{key}: an import was broken off; nobody it brought is on the list. "
            "Import the file again.",
            markup=False,
            style="yellow",
        )


COMMANDS = (
    Command("import", import_command, needs_arguments=True),
    Command("lists", lists_command),
)
