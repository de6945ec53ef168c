"""Make the pictures of the README anew: a mail on a phone, and the report of a mailing.

In: nothing but the sample. Out: docs/pictures/mail.png and report.svg, of a demo made for it. Needs
Chromium.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
#: Characters of a line of the report.
COLUMNS = 72
#: The mail's beginning says enough.
TALLEST_PX = 1100


def mailer(*arguments: str) -> str:
    """Run a command of the program and return what it printed."""
    command = [sys.executable, "-m", "mailer", *arguments]
    done = subprocess.run(  # noqa: S603  (Our own program.)
        command, cwd=ROOT, check=True, capture_output=True, text=True,
        # Tables as wide as the picture: wider ones would be broken in it.
        env={**os.environ, "COLUMNS": str(COLUMNS)},
    )  # fmt: skip
    return done.stdout


def main() -> None:
    """Make both."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = f"{scratch}/demo"
        mailer("demo", "--once", "--dir", folder)
        mailer("-w", folder, "preview", "her-rights-1", "--language", "ru", "--out", scratch)
        with Image.open(f"{scratch}/her-rights-1-ru-phone-light.png") as whole:
            top = whole.crop((0, 0, whole.width, min(whole.height, TALLEST_PX)))
        top.quantize(64).save(PICTURES / "mail.png", optimize=True)
        report = mailer("-w", folder, "report", "her-rights-1")
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text(report.rstrip()))
    svg = console.export_svg(title="mailer report her-rights-1")
    # Its fonts would be fetched from elsewhere; any fixed-width one of the reader's does.
    svg = re.sub(r"<!--.*?-->", "", svg)
    svg = re.sub(r"@font-face\s*\{[^}]*\}", "", svg).replace("Fira Code", "monospace")
    (PICTURES / "report.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
