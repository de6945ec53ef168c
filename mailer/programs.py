"""Run a program that the config names, without a shell and in a bounded time.

In: the program with its arguments, a folder, bytes for its standard input. Out: what it printed
where that is wanted, or why it failed, in words that quote nothing of it. It sees nearly nothing of
our own environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path


class ProgramFailed(Exception):
    """A program could not be started, took too long, or ended with a status other than 0."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def run_program(
    command: Sequence[str],
    folder: Path,
    timeout_s: float,
    given: bytes = b"",
    *,
    read: bool = False,
) -> bytes:
    """Run a program to its end.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        timeout_s: it is ended when it takes longer, with all it has started.
        given: what it reads on its standard input.
        read: return what it prints. Without, what it leaves running in the background is not
            waited for.

    Raises:
        ProgramFailed: with the reason, which is safe to log.
    """
    try:
        process = subprocess.Popen(  # noqa: S603  (Named in the config; no shell reads it.)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if read else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            # Nothing of ours: an address of the database may stand in our own environment.
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            # A group of its own, so that what it has started ends with it.
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", "") or "not a program"
        raise ProgramFailed(f"it could not be started: {why}") from None
    try:
        printed, _ = process.communicate(given, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise ProgramFailed(f"it took longer than {timeout_s:g} s") from None
    if process.returncode:
        raise ProgramFailed(f"it ended with status {process.returncode}")
    return printed or b""
