"""What real servers of our own have in common: a port of loopback, a log, and whether they can be."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_Started = TypeVar("_Started")


def why_not_as_root(name: str, package: str, *files: Path) -> str:
    """Return why a server that is started as root cannot be started here; "" when it can."""
    if not all(file.exists() for file in files):
        return f"{name} is not installed: apt install {package}"
    if os.geteuid() != 0:
        return f"{name} is started by root only"
    return ""


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class MailServer:
    """A running mail server, all of it in one folder."""

    folder: Path
    port: int
    host: str = "127.0.0.1"

    @property
    def log(self) -> str:
        """Return what it logged so far; it holds addresses, as every mail server's log does."""
        path = self.folder / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def wait_until_it_listens(
    name: str, port: int, process: subprocess.Popen[bytes], log: Callable[[], str]
) -> None:
    """Wait until a process takes connections on a port of 127.0.0.1.

    Raises:
        TimeoutError: with the log, when it ends or does not for half a minute.
    """
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2):
            return
        time.sleep(0.02)
    raise TimeoutError(f"{name} does not answer\n{log()}")


@contextlib.contextmanager
def instances(
    instance: Callable[..., AbstractContextManager[_Started]],
) -> Iterator[Callable[..., _Started]]:
    """Give a function that starts instances; all are stopped at the end."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: object, **settings: object) -> _Started:
            return stack.enter_context(instance(*arguments, **settings))

        yield start
