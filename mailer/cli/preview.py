"""`mailer preview`: exactly the mail that would go, as files to open."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from mailer.app.preview import chromium, preview_mail, take_pictures, write_preview
from mailer.cli.common import Command, console, errors, fail, open_workspace, plain_errors
from mailer.store.mailings import find_mailing


@plain_errors
def preview(
    key: Annotated[str, typer.Argument(metavar="MAILING", help="Key of the mailing.")],
    language: Annotated[str, typer.Option("--language", help="The reader's language, like ro.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write the files to.")],
) -> None:
    """Write the mail that a reader of a language would get: HTML, text, source and pictures.

    The reader is invented. Where there is no edition in that language, the mail shows what such a
    reader would get instead, and the notice that says so. The pictures need Chromium.

    Example: mailer preview her-rights-1 --language ro --out preview
    """
    workspace = open_workspace()
    with workspace.store.read() as connection:
        mailing = find_mailing(connection, key)
    made = preview_mail(workspace, mailing, language)
    if made.choice.notice:
        console.print(
            f"There is no edition for {language}: it shows the one in {made.choice.language}, "
            "with the notice."
        )
    page: Path | None = None
    try:
        for path in write_preview(made, out, f"{key}-{language}"):
            console.print(f"  {path}", markup=False)
            page = path if path.suffix == ".html" else page
        if page is None or not chromium():
            errors.print("No pictures of it: Chromium is not installed (apt install chromium).")
            return
        for path in take_pictures(page):
            console.print(f"  {path}", markup=False)
    except OSError as error:
        fail(f"{out}: cannot be written: {error.strerror}.", "Name another folder with --out.")
    except subprocess.SubprocessError:
        fail("Chromium could not take the pictures.", "Open the HTML file in a browser.")


COMMANDS = (Command("preview", preview, needs_arguments=True),)
