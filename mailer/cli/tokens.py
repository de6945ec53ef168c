"""`mailer tokens`: by which other programs may use the API, for what, and until when.

In: names, purposes, a number of days. Out: a token, printed once; lists; what was done.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from mailer.app.api_tokens import ApiTokens
from mailer.cli.common import (
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
from mailer.model.api_token import LONGEST, ApiToken, MalformedToken, Purpose

Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is called: website.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

tokens = typer.Typer(
    help=(
        "Tokens by which other programs use the API.\n\n"
        "Example: mailer tokens add website --for supporters.write"
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@tokens.command("add", no_args_is_help=True)
@plain_errors
def add_command(
    name: Name,
    purposes: Annotated[
        list[Purpose], typer.Option("--for", help="What it may do; may be repeated.")
    ],
    days: Annotated[
        int,
        typer.Option("--days", min=1, max=LONGEST.days, help="How long it lasts."),
    ] = 90,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it; it is shown this once.

    Example: mailer tokens add website --for supporters.write --days 90
    """
    workspace = open_workspace()
    expires_at = workspace.clock.now() + timedelta(days=days)
    try:
        made = ApiTokens(workspace).make(terminal_actor(), name, frozenset(purposes), expires_at)
    except MalformedToken as error:
        fail(f"{error.problem}.", f"{error.remedy}.", WRONG_USE)
    if as_json:
        print_json({"token": made.secret, **_document(made.token, workspace.clock.now())})
        return
    console.print(made.secret, markup=False)
    zone = workspace.config.workspace.time_zone
    errors.print(
        f"It works until {shown(expires_at, zone)}, and is not shown again: hand it over by a way "
        f"that you trust. To end it before: mailer tokens revoke {name}",
        markup=False,
    )


@tokens.command("list")
@plain_errors
def list_command(as_json: AsJson = False) -> None:
    """List the tokens there are and were, what each is for, and when it was used last.

    Example: mailer tokens list
    """
    workspace = open_workspace()
    now, zone = workspace.clock.now(), workspace.config.workspace.time_zone
    found = ApiTokens(workspace).list()
    if as_json:
        print_json([_document(one, now) for one in found])
        return
    if not found:
        console.print("No token yet. See: mailer tokens add --help")
        return
    table = Table("token", "for", "until", "used", "made by", box=None, header_style="bold")
    for one in found:
        used = shown(one.last_used_at, zone) if one.last_used_at else "never"
        until = _state(one, now) or shown(one.expires_at, zone)
        purposes = ", ".join(sorted(each.value for each in one.purposes))
        table.add_row(one.name, purposes, until, used, one.made_by)
    console.print(table)


@tokens.command("revoke", no_args_is_help=True)
@plain_errors
def revoke_command(name: Name) -> None:
    """End a token at once; whoever has it is refused from now on.

    Example: mailer tokens revoke website
    """
    workspace = open_workspace()
    if ApiTokens(workspace).revoke(terminal_actor(), name):
        console.print(f"{name} opens nothing any more.")
    else:
        console.print(f"{name} opened nothing before.")


def _state(token: ApiToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "" if token.is_good_at(now) else "over"


def _document(token: ApiToken, now: datetime) -> dict[str, object]:
    return {
        "name": token.name,
        "purposes": sorted(one.value for one in token.purposes),
        "state": _state(token, now) or "good",
        "made_by": token.made_by,
        "made_at": token.made_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
    }


GROUPS = {"tokens": tokens}
