"""`mailer users`: who may sign in at the desk, what they may do, and where they are signed in.

In: logins, names, roles. Out: one-time links, lists, what was done. A password is never asked for
here: people choose their own, by their link.
"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from mailer.app.accounts import Accounts
from mailer.app.workspace import Workspace
from mailer.cli.common import (
    Yes,
    console,
    errors,
    fail,
    meant,
    open_workspace,
    plain_errors,
    print_json,
    shown,
    terminal_actor,
)
from mailer.model.sign_in import Invitation
from mailer.model.staff import StaffRole, StaffUser

Login = Annotated[
    str, typer.Argument(metavar="LOGIN", help="Whose: the name they sign in by, like ana.")
]
Roles = Annotated[
    list[StaffRole],
    typer.Option("--role", help="What they may do; may be repeated."),
]
Languages = Annotated[
    list[str],
    typer.Option("--language", help="For a translator, a language they write in; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_NONE: list[str] = []

users = typer.Typer(
    help=(
        "Who may sign in at the desk.\n\n"
        'Example: mailer users add ana --name "Ana Munteanu" --role administrator'
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)


@users.command("add", no_args_is_help=True)
@plain_errors
def add_command(
    login: Login,
    name: Annotated[str, typer.Option("--name", help="What colleagues call them.")],
    roles: Roles,
    languages: Languages = _NONE,
) -> None:
    """Make an account, and print the link by which its owner chooses a password.

    Example: mailer users add ana --name "Ana Munteanu" --role administrator
    """
    workspace, accounts = _opened()
    invitation = accounts.invite(terminal_actor(), login, name, roles, languages)
    _print_link(workspace, accounts, invitation)


def _print_link(workspace: Workspace, accounts: Accounts, invitation: Invitation) -> None:
    console.print(accounts.welcome_address(invitation), markup=False)
    until = shown(invitation.expires_at, workspace.config.workspace.time_zone)
    errors.print(
        f"Hand this link to {escape(invitation.name)} by a way that you trust; whoever has it gets "
        f"the account. It works once, until {until}. They choose a password and scan a picture "
        "with an authenticator app.",
    )
    if not workspace.config.desk.enabled:
        errors.print("The desk is off: set enabled = true under [desk] in config.toml.")


@users.command("list")
@plain_errors
def list_command(as_json: AsJson = False) -> None:
    """List who may sign in, who was invited and who is shut out.

    Example: mailer users list
    """
    workspace, accounts = _opened()
    found = accounts.users()
    if as_json:
        print_json([_document(one) for one in found])
        return
    if not found:
        console.print(
            'There is nobody yet. Begin: mailer users add ana --name "Ana" --role administrator'
        )
        return
    table = Table(box=None, header_style="bold")
    for title in ("Login", "Name", "Roles", "Languages", "Since"):
        table.add_column(title, overflow="fold")
    zone = workspace.config.workspace.time_zone
    for one in found:
        roles = ", ".join(sorted(role.value for role in one.roles))
        table.add_row(
            one.login, escape(one.name), roles, ", ".join(one.languages), _since(one, zone)
        )
    console.print(table)


def _since(user: StaffUser, zone: str) -> str:
    if user.disabled_at is not None:
        return f"disabled {shown(user.disabled_at, zone)}"
    return shown(user.confirmed_at, zone) if user.confirmed_at else "link not used yet"


def _document(user: StaffUser) -> dict[str, object]:
    return {
        "login": user.login,
        "name": user.name,
        "roles": sorted(role.value for role in user.roles),
        "languages": list(user.languages),
        "confirmed_at": user.confirmed_at,
        "disabled_at": user.disabled_at,
    }


@users.command("roles", no_args_is_help=True)
@plain_errors
def roles_command(login: Login, roles: Roles, languages: Languages = _NONE) -> None:
    """Say what somebody may do from now on: these roles and no others. They sign in again.

    Example: mailer users roles bob --role author --role translator --language ro
    """
    _, accounts = _opened()
    accounts.set_roles(terminal_actor(), login, roles, languages)
    console.print(f"{login} is now: {', '.join(sorted(role.value for role in roles))}")


@users.command("disable", no_args_is_help=True)
@plain_errors
def disable_command(login: Login) -> None:
    """Shut somebody out at once, in every browser. What they did stays on record.

    Example: mailer users disable bob
    """
    _, accounts = _opened()
    accounts.disable(terminal_actor(), login)
    console.print(f"{login} is shut out.")


@users.command("enable", no_args_is_help=True)
@plain_errors
def enable_command(login: Login) -> None:
    """Let somebody in again, also who has to wait after too many wrong passwords.

    Example: mailer users enable bob
    """
    _, accounts = _opened()
    user = accounts.enable(terminal_actor(), login)
    if user.may_sign_in:
        console.print(f"{login} may sign in.")
    else:
        console.print(f"{login} is let in, but needs a link: mailer users reset {login}")


@users.command("reset", no_args_is_help=True)
@plain_errors
def reset_command(login: Login, yes: Yes = False) -> None:
    """Take password, authenticator app and sessions away, and print a new link.

    For whoever lost their telephone or fears that another knows their password.

    Example: mailer users reset ana
    """
    workspace, accounts = _opened()
    accounts.user(login)
    meant(f"{login} cannot sign in until the new link is used.", yes=yes)
    invitation = accounts.reset(terminal_actor(), login)
    _print_link(workspace, accounts, invitation)


@users.command("sessions", no_args_is_help=True)
@plain_errors
def sessions_command(login: Login, as_json: AsJson = False) -> None:
    """List the browsers in which somebody is signed in.

    Example: mailer users sessions ana
    """
    workspace, accounts = _opened()
    found = accounts.sessions_of(accounts.user(login))
    if as_json:
        print_json(
            [
                {
                    "session": one.session_id,
                    "browser": one.browser,
                    "started_at": one.started_at,
                    "seen_at": one.seen_at,
                }
                for one in found
            ]
        )
        return
    if not found:
        console.print(f"{login} is signed in nowhere.")
        return
    table = Table(box=None, header_style="bold")
    for title in ("Session", "Browser", "Since", "Seen"):
        table.add_column(title, overflow="fold")
    zone = workspace.config.workspace.time_zone
    for one in found:
        began, seen = shown(one.started_at, zone), shown(one.seen_at, zone)
        table.add_row(str(one.session_id), escape(one.browser), began, seen)
    console.print(table)


@users.command("end-sessions", no_args_is_help=True)
@plain_errors
def end_sessions_command(
    login: Login,
    session: Annotated[
        int | None, typer.Option("--session", help="This one only, by its number.")
    ] = None,
) -> None:
    """Sign somebody out in every browser, or in one.

    Example: mailer users end-sessions ana --session 17
    """
    _, accounts = _opened()
    if session is None:
        ended = accounts.end_all(terminal_actor(), login)
    else:
        ended = int(accounts.end_session(terminal_actor(), login, session))
    if session is not None and not ended:
        fail(f"{login} has no session {session}.", f"See: mailer users sessions {login}")
    console.print(f"Sessions ended: {ended}")


def _opened() -> tuple[Workspace, Accounts]:
    workspace = open_workspace()
    return workspace, Accounts(workspace)


GROUPS = {"users": users}
COMMANDS = ()
