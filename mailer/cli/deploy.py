"""`mailer deploy`: write what a server needs beside the program, filled in for this workspace."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from mailer.app.deploying import Site, server_files
from mailer.cli.common import (
    WRONG_USE,
    Command,
    console,
    fail,
    open_workspace,
    plain_errors,
)

#: First part of a file's path → where its like is at home on Debian.
_HOMES = {
    "caddy": "/etc/caddy",
    "journald": "/etc/systemd/journald.conf.d",
    "postfix": "/etc/postfix",
    "systemd": "/etc/systemd/system",
}


def _this_program() -> Path:
    """Return where the command is that was called: its own path, and not what that links to."""
    called = shutil.which(sys.argv[0]) or shutil.which("mailer")
    if called is None:
        fail("There is no command mailer in the PATH.", "Install it as docs/first-mailing.md says.")
    return Path(called).absolute()


@plain_errors
def deploy(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write them into.")],
    user: Annotated[
        str, typer.Option("--user", help="The system's user that runs the program.")
    ] = "mailer",
) -> None:
    """Write the files a server needs beside the program: systemd, Caddy, Postfix, journal.

    They are filled in for this workspace, and nothing outside DIR is touched. Files of theirs that
    are in DIR are written anew.

    Example: mailer deploy server
    """
    files = server_files(open_workspace().config, Site(_this_program(), user))
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except (FileExistsError, NotADirectoryError):
        fail(f"{folder} is not a folder.", "Name another one.", WRONG_USE)
    console.print("Wrote, to be copied by root:")
    width = max(map(len, files))
    for name in files:
        console.print(
            f"  {folder / name!s:{len(str(folder)) + 1 + width}}  → {_HOMES[name.partition('/')[0]]}/",
            markup=False,
        )
    console.print("docs/first-mailing.md says what each is for and how to start it.")


COMMANDS = (Command("deploy", deploy, needs_arguments=True),)
