"""Put the command groups together under `mailer`.

In: the arguments. Out: an exit status: 0 done, 1 not done or faults found, 2 wrong use. A command's
module is imported when the command is used: what a sender process needs is far from all there is,
and nobody waits for a web server to load before their report.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import typer
from typer.core import TyperCommand, TyperGroup

from mailer.cli.common import set_workspace_folder
from mailer.events import show_warnings

Found = TypeVar("Found", TyperCommand, TyperGroup)

#: Command or group → the module here that has it, in the order `mailer --help` shows.
HOMES = {
    "init": "workspace",
    "check": "workspace",
    "status": "status",
    "backup": "keeping",
    "restore": "keeping",
    "upgrade": "keeping",
    "keys": "keys",
    "users": "users",
    "tokens": "tokens",
    "statements": "statements",
    "newsletters": "newsletters",
    "lists": "audience",
    "import": "audience",
    "segments": "segments",
    "export": "export",
    "supporters": "supporters",
    "sign-up": "sign_up",
    "mailings": "mailings",
    "preflight": "preflight",
    "schedule": "scheduling",
    "send": "scheduling",
    "preview": "preview",
    "test-send": "staff_sends",
    "pause": "control",
    "resume": "control",
    "cancel": "control",
    "release": "control",
    "resolve": "resolving",
    "report": "control",
    "deliveries": "control",
    "audit": "audit",
    "feedback": "feedback",
    "relay": "relay",
    "domain": "domain",
    "run": "run",
    "deploy": "deploy",
    "demo": "demo",
}


class LazyCommands(TyperGroup):
    """Commands that are imported when they are asked for."""

    def list_commands(self, ctx: object) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return list(HOMES)

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | TyperGroup | None:
        """Return a command, its module imported; None when there is none of that name."""
        del ctx
        if cmd_name not in HOMES:
            return None
        module = importlib.import_module(f"mailer.cli.{HOMES[cmd_name]}")
        group = getattr(module, "GROUPS", {}).get(cmd_name)
        if group is not None:
            return _named(typer.main.get_group(group), cmd_name)
        (one,) = (command for command in module.COMMANDS if command.name == cmd_name)
        alone = typer.Typer(
            add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
        )
        alone.command(cmd_name, no_args_is_help=one.needs_arguments)(one.function)
        return _named(cast("TyperCommand", typer.main.get_command(alone)), cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401  (As typer has it.)
        """Find the command that was typed, or say which one may have been meant."""
        # Of these only the names are looked at.
        self.commands = dict.fromkeys(HOMES, TyperGroup())
        return super().resolve_command(ctx, args)


def _named(command: Found, name: str) -> Found:
    command.name = name
    return command


app = typer.Typer(
    name="mailer",
    cls=LazyCommands,
    help=(
        "Send statements of solidarity campaigns to supporters, each in their own language, "
        "once, and keep on record what became of every mail.\n\nExample: mailer init campaign"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"max_content_width": 120},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mailer {version('mailer')}")
        raise typer.Exit


@app.callback()
def _options(
    folder: Annotated[
        Path,
        typer.Option(
            "--workspace",
            "-w",
            envvar="MAILER_WORKSPACE",
            help="Folder of the workspace; the one you are in when not named.",
        ),
    ] = Path(),
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Say which version this is."
        ),
    ] = False,
) -> None:
    set_workspace_folder(folder)
    show_warnings()


def main() -> None:
    """Run the command line."""
    app()
