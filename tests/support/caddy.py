"""A real Caddy with the Caddyfile that ships, on loopback and without certificates.

Use `caddy_before(port)`: it serves http on a free port of 127.0.0.1 and hands everything on to
`port`. Nothing of its config is changed but where it listens and where the program answers.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers import free_port, wait_until_it_listens

SHIPPED = Path(__file__).parent.parent.parent / "deploy" / "caddy" / "Caddyfile"


def why_not() -> str:
    """Return why Caddy cannot be started here; "" when it can."""
    return "" if shutil.which("caddy") else "Caddy is not installed: apt install caddy"


@dataclass(frozen=True)
class Caddy:
    """A running Caddy."""

    port: int
    log_file: Path

    @property
    def log(self) -> str:
        """Return all it said so far."""
        return self.log_file.read_text(encoding="utf-8")


@contextlib.contextmanager
def caddy_before(upstream_port: int, folder: Path) -> Iterator[Caddy]:
    """Run Caddy before what answers on a port, until the block ends.

    Args:
        upstream_port: Where the program answers, or nobody.
        folder: For its config, its log and what it would keep.
    """
    port = free_port()
    text = SHIPPED.read_text(encoding="utf-8")
    for old, new in {
        "@HOSTS@": f"http://127.0.0.1:{port}",
        "@UPSTREAM@": f"127.0.0.1:{upstream_port}",
        "@DESKROUTE@": "",
        "@DESKSITE@": "",
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "Caddyfile").write_text(text, encoding="utf-8")
    running = Caddy(port, folder / "caddy.log")
    with running.log_file.open("wb") as log:
        process = subprocess.Popen(
            ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder)},
        )  # fmt: skip
    try:
        wait_until_it_listens("Caddy", port, process, lambda: running.log)
        yield running
    finally:
        process.terminate()
        process.wait(20)
