"""Make the pictures of docs/desk.md anew: the main pages of the desk, as they are in a demo.

In: nothing but the sample. Out: docs/pictures/desk-*.png. Needs Chromium, and playwright, which a
developer has. The demo's people are invented.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
WIDTH_PX, TALLEST_PX = 1000, 1100
#: How long the demo may take to have sent its mailing, in seconds.
_PATIENCE_S = 180
#: Name of the picture → path of the page below /desk, and the frame to wait for, if any.
PAGES = (
    ("home", ""),
    ("statement", "/statements/her-rights"),
    ("edition", "/statements/her-rights/editions/ru"),
    ("mailing", "/mailings/her-rights-1"),
    ("preview", "/mailings/her-rights-1/preview?language=ru"),
    ("checks", "/mailings/her-rights-1/checks"),
    ("watch", "/mailings/her-rights-1/watch"),
    ("report", "/mailings/her-rights-1/report"),
    ("audience", "/audience"),
)


def take(page: Page, address: str, name: str) -> None:
    """Take a picture of a page, in few colors, cut where it gets long."""
    page.goto(address)
    page.wait_for_timeout(700)
    with Image.open(io.BytesIO(page.screenshot(full_page=True))) as taken:
        top = taken.convert("RGB").crop((0, 0, taken.width, min(taken.height, TALLEST_PX)))
    top.quantize(64).save(PICTURES / f"desk-{name}.png", optimize=True)


def main() -> None:
    """Run a demo, sign in, and take a picture of each page."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        command = [sys.executable, "-m", "mailer", "demo", "--dir", f"{scratch}/demo"]
        with out.open("w") as file:
            demo = subprocess.Popen(  # noqa: S603  (Our own program.)
                command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env={**os.environ, "COLUMNS": "200"},
            )  # fmt: skip
        try:
            _look(_until_served(out, demo))
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(60)


def _until_served(out: Path, demo: subprocess.Popen[bytes]) -> str:
    """Return what the demo has printed once its mailing is over."""
    deadline = time.monotonic() + _PATIENCE_S
    while "Serving until Ctrl-C." not in (said := out.read_text(encoding="utf-8")):
        if demo.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"The demo did not come up:\n{said}")
        time.sleep(0.5)
    return said


def _look(said: str) -> None:
    address = re.search(r"The desk: (\S+)", said)
    login = re.search(r"(\w+) \([^)]*sender\), password (\S+)\s+codes, each once: (\S+)", said)
    if address is None or login is None:
        raise SystemExit(f"The demo names no desk:\n{said}")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or "", args=flags
        )
        page = browser.new_page(viewport={"width": WIDTH_PX, "height": 700}, locale="en")
        page.goto(address[1])
        for field, value in zip(("login", "password", "code"), login.groups(), strict=True):
            page.fill(f"#{field}", value)
        page.click("main button")
        # Somebody begins to write on, so that there is an editor to be shown.
        page.goto(f"{address[1]}/statements/her-rights")
        page.click("main form .actions button")
        for name, path in PAGES:
            take(page, f"{address[1]}{path}", name)
        browser.close()


if __name__ == "__main__":
    main()
