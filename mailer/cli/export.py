"""`mailer export`: a list's people as a CSV file that can be imported again.

In: a list's key, and where the file is to be. Out: the file, for its owner alone, and counts.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mailer.app.importing import export_list
from mailer.cli.common import Command, errors, fail, open_workspace, plain_errors, terminal_actor
from mailer.durable import whole_or_gone


@plain_errors
def export_command(
    list_key: Annotated[str, typer.Option("--list", help="Key of the list.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="New file to write; standard output when not named."),
    ] = None,
) -> None:
    """Write the people of a list as CSV, readable to whoever has the file.

    Example: mailer export --list harbor-news --out people.csv
    """
    workspace = open_workspace()
    definition = workspace.list_of(list_key)
    actor = terminal_actor()
    if out is None:
        try:
            result = export_list(workspace, actor, definition, sys.stdout)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            fail(
                f"Standard output cannot be written: {error.strerror}.", "It is not the whole list."
            )
    else:
        try:
            descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            fail(f"{out.name} is there already; it was not touched.", "Name a new file.")
        except OSError as error:
            fail(f"{out.name} cannot be written: {error.strerror}.")
        try:
            with (
                whole_or_gone(out),
                os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file,
            ):
                result = export_list(workspace, actor, definition, file)
        except OSError as error:
            fail(f"{out.name} cannot be written: {error.strerror}.", "Nothing is left of it.")
    errors.print(f"{result.written} people written.")
    if result.suppressed:
        errors.print(f"{result.suppressed} are on the list, but suppressed: left out.")
    if out is not None:
        errors.print("It holds addresses in clear: delete it when it has done its work.")


COMMANDS = (Command("export", export_command, needs_arguments=True),)
