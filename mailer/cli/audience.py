"""`mailer import` and `mailer lists`: bring people onto lists, and show how many there are."""

from __future__ import annotations

import codecs
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from mailer.app.importing import import_file, undo_import
from mailer.app.workspace import Workspace
from mailer.audience.decoding import UTF_8
from mailer.audience.lists import block_to_add, is_key
from mailer.audience.results import ImportResult, LineTold
from mailer.cli.common import (
    NOT_DONE,
    Command,
    console,
    errors,
    open_workspace,
    plain_errors,
    print_json,
    report_faults,
    shown,
    terminal_actor,
)
from mailer.model.audience import ListDefinition
from mailer.model.faults import Fault, FaultsFound, errors_in
from mailer.model.statement import localized
from mailer.store.audience import unfinished_imports
from mailer.store.audience_counts import members_by_language
from mailer.store.undo import batches

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
#: Reasons of rejected rows that the terminal shows; the reject file has them all.
_SHOWN_REJECTS = 10
#: Lines of a dry run that are printed unasked.
_SHOWN_LINES = 50
#: What becomes of a line, in words.
_WORDS = {
    "added": "new on the list",
    "updated": "on the list, would be changed",
    "unchanged": "on the list, nothing new",
    "merged": "merged",
    "left": "left the list, not brought back",
    "suppressed": "not taken",
    "taken_over": "becomes a suppression, no supporter",
    "rejected": "cannot be taken",
}


def _definition(workspace: Workspace, key: str) -> ListDefinition:
    """Return the list of that key, or say what to write so that there is one, and end."""
    try:
        return workspace.list_of(key)
    except FaultsFound as error:
        if key in workspace.faulty_lists:
            raise
        report_faults(error.faults)
    config = workspace.config
    if not is_key(key):
        errors.print("A list's key has lower-case letters, digits and single hyphens: harbor-news.")
        raise typer.Exit(NOT_DONE)
    file = f"{config.lists_dir.name}/{key}.toml"
    errors.print(f"To add it, write this to {file} and mend what is not so:\n", markup=False)
    errors.print(block_to_add(key, config), markup=False)
    raise typer.Exit(NOT_DONE)


@plain_errors
def import_command(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.csv", help="CSV with a header.")
    ] = None,
    list_key: Annotated[str, typer.Option("--list", help="Key of the list they go on.")] = "",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would happen, line by line; change nothing."),
    ] = False,
    lines: Annotated[
        bool,
        typer.Option(
            "--lines", help=f"Of a dry run, print all lines, not the first {_SHOWN_LINES}."
        ),
    ] = False,
    encoding: Annotated[
        str, typer.Option("--encoding", help="What the file is written in: utf-8, utf-16, cp1251.")
    ] = "",
    delimiter: Annotated[
        str, typer.Option("--delimiter", help='What separates cells: "," ";" "|" or tab.')
    ] = "",
    undo: Annotated[
        int, typer.Option("--undo", metavar="BATCH", help="Take back the import of this number.")
    ] = 0,
    list_batches: Annotated[
        bool, typer.Option("--list-batches", help="Show the imports there were.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the people of a CSV file onto a list; whoever left it is never brought back.

    Example: mailer import supporters.csv --list harbor-news --dry-run
    """
    if list_batches or undo:
        if file is not None or list_key or dry_run or (list_batches and undo):
            raise typer.BadParameter("--undo and --list-batches stand alone.")
        workspace = open_workspace()
        if undo:
            _undo(workspace, undo, as_json=as_json)
        else:
            _print_batches(workspace, as_json=as_json)
        return
    if file is None or not list_key:
        raise typer.BadParameter("FILE.csv and --list are needed.")
    workspace = open_workspace()
    definition = _definition(workspace, list_key)
    told: list[LineTold] = []
    told_all = 0

    def tell(one: LineTold) -> None:
        nonlocal told_all
        told_all += 1
        if not as_json and (lines or told_all <= _SHOWN_LINES):
            reason = f" ({one.reason})" if one.reason else ""
            console.print(f"line {one.line}: {_WORDS[one.what]}{reason}", markup=False)
        elif as_json and lines:
            told.append(one)

    columns = (
        TextColumn("{task.description}"), BarColumn(40), TaskProgressColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(
        *columns, console=errors, transient=True,
        disable=as_json or dry_run or not errors.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("Reading, or waiting for another import", total=None)
        result = import_file(
            workspace,
            terminal_actor(),
            file,
            definition,
            dry_run=dry_run,
            progress=lambda done, total: bar.update(
                task, description="Importing", completed=done, total=total
            ),
            encoding=_encoding(encoding),
            separator=_delimiter(delimiter),
            told=tell if dry_run else None,
        )
    if as_json:
        document = {"list": list_key, "dry_run": dry_run, **result.to_document()}
        print_json(document | ({"lines": told} if lines and dry_run else {}))
        return
    if dry_run and told_all > _SHOWN_LINES and not lines:
        console.print(f"... and {told_all - _SHOWN_LINES} more lines; --lines prints them all.")
    _print_result(workspace, result, dry_run=dry_run)


def _encoding(name: str) -> str:
    if not name:
        return ""
    try:
        known = codecs.lookup(name).name
        # What turns bytes into no text, or addresses into something else, is none for a file.
        if "a@b".encode(known).decode(known) != "a@b":
            raise LookupError
    except (LookupError, UnicodeError, TypeError):
        raise FaultsFound(
            [Fault("", 0, "--encoding", f'"{name}" is no encoding known here', "Leave it out")]
        ) from None
    return UTF_8 if known == "utf-8" else known


def _delimiter(text: str) -> str:
    found = {"tab": "\t", "\\t": "\t"}.get(text.lower(), text)
    if found not in ("", ",", ";", "|", "\t"):
        raise FaultsFound([Fault("", 0, "--delimiter", "is none of , ; | and tab", "Leave it out")])
    return found


def _undo(workspace: Workspace, batch_id: int, *, as_json: bool) -> None:
    result = undo_import(workspace, terminal_actor(), batch_id)
    if as_json:
        print_json({"batch": batch_id, **asdict(result)})
        return
    for words, count in (
        ("brought by it, deleted", result.removed),
        ("brought by it, off the list; a mailing, a list or a person's word refers to them",
         result.kept),
        ("changed by it, as they were before", result.restored),
        ("changed again since, left as they are", result.changed_since),
        ("suppressions of it, lifted", result.lifted),
    ):  # fmt: skip
        if count:
            console.print(f"{count} {words}")
    console.print(f"Import {batch_id} is undone.")


def _print_batches(workspace: Workspace, *, as_json: bool) -> None:
    with workspace.store.read() as connection:
        found = batches(connection)
    if as_json:
        print_json(
            [
                {
                    "batch": one.id,
                    "list": one.key,
                    "started_at": one.started_at,
                    "finished_at": one.finished_at,
                    "undone_at": one.undone_at,
                    "counts": one.counts,
                }
                for one in found
            ]
        )
        return
    if not found:
        console.print("No import yet.")
        return
    zone = workspace.config.workspace.time_zone
    table = Table("Import", "List", "Begun", "What came of it", box=None, header_style="bold")
    for one in found:
        counts = ", ".join(
            f"{count} {name.replace('_', ' ')}"
            for name, count in (one.counts or {}).items()
            if count
        )
        state = "broken off" if one.finished_at is None else counts or "no rows"
        if one.undone_at:
            state = f"undone {shown(one.undone_at, zone)}"
        elif not one.can_be_undone:
            state += " (cannot be undone any more)"
        table.add_row(str(one.id), one.key, shown(one.started_at, zone), state)
    console.print(table)


def _print_result(workspace: Workspace, result: ImportResult, *, dry_run: bool) -> None:
    meanings = (
        ("new on the list", result.added),
        ("on it already, now changed", result.updated),
        ("on it already, nothing new", result.unchanged),
        ("second rows of an address, merged", result.merged),
        ("left the list, not brought back", result.left),
        ("suppressed, not taken", result.suppressed),
        ("suppressions taken over: left or bounced elsewhere", result.taken_over),
        ("could not be taken", result.rejected),
    )
    separator = "tab" if result.separator == "\t" else f'"{result.separator}"'
    of = f"an export of {result.system}" if result.system else "a file of people"
    encoding = result.encoding.removesuffix("-sig")
    console.print(f"Read as {of}, written in {encoding}, separated by {separator}.", markup=False)
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
    if result.kept_choices:
        console.print(
            f"{result.kept_choices} of them keep what is on record: topics and text_only of whoever is "
            "known, and the languages and time_zone that people chose themselves."
        )
    if result.sealed_columns:
        console.print(
            "Columns the list does not declare, kept sealed: " + ", ".join(result.sealed_columns),
            markup=False,
        )
    if not result.says_who_left:
        errors.print(
            f"Nothing in this file says who unsubscribed in {result.system}: they would be written "
            "to again. docs/lists.md says how to bring them in too.",
            markup=False, style="yellow",
        )  # fmt: skip
    report_faults(result.reject_reasons[:_SHOWN_REJECTS])
    more = result.rejected - len(result.reject_reasons[:_SHOWN_REJECTS])
    if more > 0:
        errors.print(f"... and {more} more.")
    if result.reject_file is not None:
        file = result.reject_file
        if file.is_relative_to(workspace.config.root):
            file = file.relative_to(workspace.config.root)
        console.print(f"The rows that could not be taken, with their reasons: {file}", markup=False)
    if result.batch:
        console.print(f"To take it back: mailer import --undo {result.batch}")
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
