"""Put the command groups together under `mailer`.

In: the arguments. Out: an exit status: 0 done, 1 not done or faults found, 2 wrong use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mailer.cli import audience, control, demo, mailings, preview, run, statements, workspace
from mailer.cli.common import set_workspace_folder

app = typer.Typer(
    name="mailer",
    help=(
        "Send statements of solidarity campaigns to supporters, each in their own language, "
        "once, and keep on record what became of every mail."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
) -> None:
    set_workspace_folder(folder)


app.add_typer(statements.app, name="statements")
app.add_typer(mailings.group, name="mailings")
for command in (
    *workspace.COMMANDS,
    *audience.COMMANDS,
    *mailings.COMMANDS,
    *control.COMMANDS,
    *preview.COMMANDS,
    *run.COMMANDS,
    *demo.COMMANDS,
):
    app.command(command.name, no_args_is_help=command.needs_arguments)(command.function)


def main() -> None:
    """Run the command line."""
    app()
