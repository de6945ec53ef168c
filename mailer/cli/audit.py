"""`mailer audit`: list who did what, check that nothing of it was changed, write it out.

In: what narrows the entries. Out: lines for a person, JSON or CSV; for `verify` a status of 1 where
the log does not hold.
"""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape
from rich.table import Table

from mailer.app.audit_log import entry_document, note_export, write_csv, write_json_lines
from mailer.app.workspace import Workspace
from mailer.cli.common import (
    NOT_DONE,
    WRONG_USE,
    console,
    errors,
    fail,
    open_workspace,
    plain_errors,
    print_json,
    shown,
    terminal_actor,
)
from mailer.durable import whole_or_gone
from mailer.model.audit import (
    AuditAction,
    AuditCheck,
    AuditEntry,
    AuditFilter,
    AuditFlaw,
    AuditHead,
    Fact,
)
from mailer.model.staff import ActorKind
from mailer.store.audit import EntryUnreadable, entries_before, entries_in_order, verify

app = typer.Typer(
    help=(
        "The audit log: who did what, and when. Each entry holds the digest of the one before."
        "\n\nExample: mailer audit list"
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)

Who = Annotated[
    str, typer.Option("--who", metavar="NAME", help="Only by this login, token or link.")
]
Kind = Annotated[
    ActorKind | None, typer.Option("--kind", help="Only by staff, the terminal, the program …")
]
Actions = Annotated[
    list[AuditAction] | None,
    typer.Option("--action", metavar="WORD", help="Only this; may be repeated: mailing_paused."),
]
About = Annotated[
    str, typer.Option("--about", metavar="SUBJECT", help='Only about this: "her-rights-1".')
]
Since = Annotated[str, typer.Option("--since", metavar="DAY", help="From this day on: 2026-12-01.")]
Until = Annotated[str, typer.Option("--until", metavar="DAY", help="Up to this day, and on it.")]

_FLAWS = {
    AuditFlaw.CHANGED: "Entry {id} is not what was written: it was changed, or made up.",
    AuditFlaw.MISSING_BEFORE: "Entries are missing before entry {id}, or their order was changed.",
    AuditFlaw.NOT_LINKED: "Entry {id} does not follow from the one before it.",
    AuditFlaw.CUT_OFF: "Entry {id} and what followed is missing: the end was cut off.",
    AuditFlaw.ADDED: "Entry {id} and what follows is not counted: it was added, or the count lost.",
    AuditFlaw.NOT_AS_NOTED: (
        "The log does not go on from what was noted: from entry {id} on, or before, it is another. "
        "It is so, too, after a restore from a backup of before that."
    ),
}


class Format(StrEnum):
    """How the log is written out."""

    #: For spreadsheets.
    CSV = "csv"
    #: For other programs: one JSON object to a line.
    JSON_LINES = "jsonl"


def _day(workspace: Workspace, text: str, option: str, *, end: bool = False) -> datetime | None:
    """Return the instant at which a day begins or ends in the workspace's zone."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        fail(f'{option}: "{text}" is no day.', "Write it as 2026-12-01.", WRONG_USE)
    zone = ZoneInfo(workspace.config.workspace.time_zone)
    at = time.max if end else time.min
    return datetime.combine(day, at, zone).astimezone(UTC)


def _filter(
    workspace: Workspace,
    who: str,
    kind: ActorKind | None,
    actions: list[AuditAction] | None,
    about: str,
    since: str,
    until: str,
) -> AuditFilter:
    return AuditFilter(
        actor_kind=kind,
        actor_name=who or None,
        actions=frozenset(actions or ()),
        subject=about or None,
        since=_day(workspace, since, "--since"),
        until=_day(workspace, until, "--until", end=True),
    )


@app.command("list")
@plain_errors
def list_command(
    who: Who = "",
    kind: Kind = None,
    actions: Actions = None,
    about: About = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="So many.")] = 50,
    before: Annotated[
        int, typer.Option("--before", metavar="ENTRY", min=0, help="Only entries before this one.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List who did what, the latest first.

    Example: mailer audit list --about her-rights-1

    Example: mailer audit list --who ana --since 2026-12-01
    """
    workspace = open_workspace()
    wanted = _filter(workspace, who, kind, actions, about, since, until)
    try:
        with workspace.store.read() as connection:
            found = entries_before(connection, before or None, limit, wanted)
    except EntryUnreadable as error:
        fail(str(error))
    if as_json:
        print_json([entry_document(one) for one in found])
        return
    _print_entries(found, workspace.config.workspace.time_zone)
    if len(found) == limit and found[-1].entry_id > 1:
        errors.print(f"Earlier ones: mailer audit list --before {found[-1].entry_id}")


def _print_entries(found: list[AuditEntry], zone: str) -> None:
    if not found:
        console.print("Nothing is on record.")
        return
    table = Table(box=None, header_style="bold")
    table.add_column("Entry", justify="right", no_wrap=True)
    table.add_column("When", no_wrap=True)
    for heading in ("Who", "What", "About", "Facts"):
        table.add_column(heading, overflow="fold")
    for one in found:
        facts = ", ".join(
            f"{name.replace('_', ' ')}: {_in_words(fact)}" for name, fact in one.facts.items()
        )
        what = one.action.value.replace("_", " ")
        who = str(one.actor)
        table.add_row(
            str(one.entry_id), shown(one.at, zone), *map(escape, (who, what, one.subject, facts))
        )
    console.print(table)


def _in_words(fact: Fact) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if fact is None or fact == "":
        return "none"
    return str(fact) if isinstance(fact, str | int) else ", ".join(fact)


@app.command("verify")
@plain_errors
def verify_command(
    noted: Annotated[
        str,
        typer.Option(
            "--noted", metavar="COUNT:DIGEST", help="What this command said before: it must go on."
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that no entry was changed, taken out, put in or cut off.

    Whoever can write to the database can write a whole log anew, with digests that agree. Keep what
    this command says somewhere else, and give it back with --noted: then that shows, too.

    Example: mailer audit verify --noted 17:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    """
    head = _noted(noted)
    workspace = open_workspace()
    with workspace.store.read() as connection:
        found = verify(connection, head)
    if as_json:
        print_json(
            {
                "whole": found.flaw is None,
                "entries": found.head.entries,
                "head": str(found.head),
                "flaw": found.flaw,
                "broken_entry": found.broken_id,
            }
        )
    else:
        _print_check(found)
    if found.flaw is not None:
        raise typer.Exit(NOT_DONE)


def _noted(text: str) -> AuditHead | None:
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,15}):([0-9a-f]{64})", text.strip().lower())
    if found is None:
        fail("--noted: that is not what `mailer audit verify` says.", status=WRONG_USE)
    return AuditHead(int(found[1]), found[2])


def _print_check(found: AuditCheck) -> None:
    if found.flaw is None:
        console.print(f"The audit log is whole: {found.head.entries} entries.")
        console.print("Keep this elsewhere, for --noted of the next time:")
        console.print(f"  {found.head}", soft_wrap=True)
        return
    errors.print(_FLAWS[found.flaw].format(id=found.broken_id), style="red")
    if found.flaw is not AuditFlaw.NOT_AS_NOTED:
        errors.print(f"The {found.head.entries} entries before that hold.")


@app.command("export")
@plain_errors
def export_command(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="New file to write; standard output when not named."),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="For spreadsheets, or lines of JSON.")
    ] = Format.CSV,
    who: Who = "",
    kind: Kind = None,
    actions: Actions = None,
    about: About = "",
    since: Since = "",
    until: Until = "",
) -> None:
    """Write the log out, the first entry first, as CSV or as lines of JSON.

    Example: mailer audit export --out audit.csv

    Example: mailer audit export --format jsonl --since 2026-12-01
    """
    workspace = open_workspace()
    wanted = _filter(workspace, who, kind, actions, about, since, until)
    write = write_csv if form is Format.CSV else write_json_lines
    if out is not None and out.exists():
        fail("That file is there already; it was not touched.", "Name a new file.")
    # Before anything is read: whoever stops the writing half-way has read it all the same.
    note_export(workspace.store, terminal_actor(), workspace.clock.now(), form.value)
    try:
        with workspace.store.read() as connection:
            entries = entries_in_order(connection, wanted)
            if out is None:
                count = write(entries, sys.stdout)
                sys.stdout.flush()
            else:
                descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with (
                    whole_or_gone(out),
                    os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file,
                ):
                    count = write(entries, file)
    except FileExistsError:
        fail("That file is there already; it was not touched.", "Name a new file.")
    except EntryUnreadable as error:
        fail(str(error))
    errors.print(f"{count} entries written.")


GROUPS = {"audit": app}
