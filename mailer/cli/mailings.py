"""`mailer mailings list|coverage|show`: what there is, and who would be reached."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from mailer.app.documents import concern_document, paused_document, shares_document
from mailer.app.planning import Wish, make_plan
from mailer.app.stopping import OVER
from mailer.cli.breaker import print_breaker, print_paused
from mailer.cli.clocks import print_rules, print_shares, timing_document
from mailer.cli.common import console, open_workspace, plain_errors, print_json, shown
from mailer.cli.concern import Urgent, print_concern
from mailer.cli.plans import (
    AsJson,
    ExcludeText,
    Lists,
    SegmentText,
    SenderKey,
    Slug,
    coverage_document,
    print_plan,
)
from mailer.model.states import MailingState
from mailer.store.mailings import find_mailing, list_mailings
from mailer.store.reports import progress
from mailer.store.shares import held_shares, share_figures, shares_of

group = typer.Typer(
    help=("Mailings: what there is, and who would be reached.\n\nExample: mailer mailings list"),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@group.command("list")
@plain_errors
def list_command(as_json: AsJson = False) -> None:
    """List the mailings, the latest first.

    Example: mailer mailings list
    """
    workspace = open_workspace()
    with workspace.store.read() as connection:
        rows = [
            (mailing, progress(connection, mailing.row_id)) for mailing in list_mailings(connection)
        ]
        held = {one.row_id: len(held_shares(connection, one.row_id)) for one, _ in rows}
    if as_json:
        print_json(
            [
                {
                    "mailing": one.key,
                    "state": one.state,
                    "due_at": None if one.state is MailingState.DRAFT else one.due_at,
                    "confirmed": one.confirmed_count,
                    "done": figures.done,
                    "held_reason": one.held_reason,
                    "held_shares": held[one.row_id],
                }
                for one, figures in rows
            ]
        )
        return
    if not rows:
        console.print("No mailing yet. See: mailer schedule --help")
        return
    table = Table("Mailing", "State", "Due", box=None, header_style="bold")
    table.add_column("Done", justify="right")
    table.add_column("To mail", justify="right")
    for one, figures in rows:
        planned = str(figures.total or one.confirmed_count)
        style = "yellow" if one.state is MailingState.HELD else ""
        due = shown(one.due_at, one.time_zone)
        if one.state is MailingState.DRAFT:
            # It has no hour before a person gives it one.
            due, planned, style = "when you release it", "", "yellow"
        table.add_row(one.key, one.state.value, due, str(figures.done), planned, style=style)
        if one.held_reason:
            table.add_row("", "", one.held_reason, "", "", style="yellow")
        if held[one.row_id] and one.state not in OVER:
            words = (
                "1 share is held"
                if held[one.row_id] == 1
                else (f"{held[one.row_id]} shares are held")
            )
            told = f"{words}. See: mailer mailings show {one.key}"
            table.add_row("", "", told, "", "", style="yellow")
    console.print(table)


@group.command("coverage", no_args_is_help=True)
@plain_errors
def coverage_command(
    statement: Slug,
    lists: Lists,
    sender: SenderKey = "",
    segment: SegmentText = "",
    exclude: ExcludeText = "",
    urgent: Urgent = False,
    as_json: AsJson = False,
) -> None:
    """Say before sending who would be reached in which language, and which editions are missing.

    Example: mailer mailings coverage --statement her-rights --list harbor-news
    """
    workspace = open_workspace()
    plan = make_plan(workspace, Wish(statement, tuple(lists), sender, segment, exclude, urgent))
    if as_json:
        print_json(coverage_document(plan))
    else:
        print_plan(plan)


@group.command("show", no_args_is_help=True)
@plain_errors
def show_command(
    key: Annotated[str, typer.Argument(metavar="MAILING", help='Its key, like "her-rights-1".')],
    as_json: AsJson = False,
) -> None:
    """Show what a mailing pins: statement, lists, sender, hour, and where it stands.

    Example: mailer mailings show her-rights-1
    """
    workspace = open_workspace()
    with workspace.store.read() as connection:
        one = find_mailing(connection, key)
        shares, figures = shares_of(connection, one.row_id), share_figures(connection, one.row_id)
    if as_json:
        print_json(
            {
                "mailing": one.key,
                "state": one.state,
                "held_reason": one.held_reason,
                **paused_document(one),
                "due_at": None if one.state is MailingState.DRAFT else one.due_at,
                "time_zone": one.time_zone,
                "grace_s": one.grace_s,
                "sender": one.sender.key,
                "lists": [target.definition.key for target in one.targets],
                "corrects": one.corrects.key if one.corrects else None,
                "segment": one.segment,
                "exclude": one.exclude,
                **concern_document(one.concern),
                "confirmed": one.confirmed_count,
                "digest": one.digest,
                **timing_document(one.timing),
                "shares": shares_document(shares, figures),
            }
        )
        return
    console.print(f"{one.key}: {one.state.value}", style="bold")
    if one.state is MailingState.DRAFT:
        console.print(f"  no hour yet. Give it one: mailer schedule --draft {one.key}")
    else:
        due = shown(one.due_at, one.time_zone)
        console.print(f"  due {due}, grace {one.grace_s // 60} minutes")
        print_rules(one.timing)
    console.print(f"  from {one.sender.key}, to {', '.join(t.definition.key for t in one.targets)}")
    if one.corrects:
        console.print(f"  corrects {one.corrects.key} of {one.corrects.day}")
    if one.segment:
        console.print(f"  only {one.segment}", markup=False)
    if one.exclude:
        console.print(f"  but not {one.exclude}", markup=False)
    print_concern(one.concern)
    if one.state is not MailingState.DRAFT:
        console.print(f"  {one.confirmed_count} people were confirmed")
    if one.breaker:
        print_breaker(one.breaker, one.confirmed_count)
    print_paused(one, workspace.config.workspace.time_zone)
    console.print(f"  digest of what it pins: {one.digest}")
    if one.held_reason:
        console.print(
            f"  held: {one.held_reason} Let it go: mailer release {one.key}", markup=False
        )
    print_shares(one, shares, figures)


GROUPS = {"mailings": group}
