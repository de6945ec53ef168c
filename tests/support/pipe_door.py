"""Let a Postfix's pipe(8) call the program as its user, where the tests' Python is root's alone.

Postfix runs the command of a pipe as an ordinary user. The tests run as root, from folders that no
other user may enter. So what stands in for the command is a script: it hands the message and the
arguments through a folder to a thread of the test, which runs the program with them, and ends with
the program's status and words. All else is Postfix's own doing.
"""

from __future__ import annotations

import contextlib
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

#: Whom Postfix runs the script as: a user of every Debian that owns nothing.
RUNS_AS = "nobody"

_SCRIPT = """\
#!/bin/sh
# Hands a message to the test and waits for what came of it.
wish={spool}/$$
cat > $wish.message
printf '%s\\n' "$@" > $wish.part
mv $wish.part $wish.arguments
until [ -e $wish.status ]; do sleep 0.05; done
cat $wish.said
exit $(cat $wish.status)
"""


class PipeDoor:
    """A script for Postfix to call, and what it was called with."""

    def __init__(self, folder: Path, call: Callable[[list[str], bytes], tuple[int, str]]) -> None:
        """Write the script.

        Args:
            folder: into which every user may write.
            call: runs the program with these arguments and this on its standard input; returns its
                status and what it printed.
        """
        self._spool = folder / "pipe"
        self._spool.mkdir(mode=0o777)
        self._spool.chmod(0o1777)
        self.script = folder / "mailer"
        self.script.write_text(_SCRIPT.format(spool=shlex.quote(str(self._spool))))
        self.script.chmod(0o755)
        self._call = call
        self._stop = threading.Event()
        #: Arguments, message, status and words of each call.
        self.calls: list[tuple[list[str], bytes, int, str]] = []

    @contextlib.contextmanager
    def open(self) -> Iterator[PipeDoor]:
        """Answer calls until the block ends."""
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(30)

    def wait_for(self, count: int, timeout_s: float = 60.0) -> None:
        """Wait until the program was called so often."""
        deadline = time.monotonic() + timeout_s
        while len(self.calls) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"called {len(self.calls)} times")
            time.sleep(0.05)

    def _serve(self) -> None:
        while not self._stop.wait(0.05):
            for wish in sorted(self._spool.glob("*.arguments")):
                arguments = wish.read_text(encoding="utf-8").splitlines()
                message = wish.with_suffix(".message").read_bytes()
                wish.unlink()
                status, said = self._call(arguments, message)
                self.calls.append((arguments, message, status, said))
                wish.with_suffix(".said").write_text(said, encoding="utf-8")
                wish.with_suffix(".part").write_text(str(status))
                wish.with_suffix(".part").rename(wish.with_suffix(".status"))
