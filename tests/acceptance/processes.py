"""Run the program as real processes: commands that end, and `mailer run` with its children.

Starting Python and loading the program takes most of a short command's time. A `Nursery` loads it
once; each command is a process of its own that forks from it, with its own arguments, folder, files
and exit status.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
ENVIRONMENT.pop("MAILER_WORKSPACE", None)

_NURSERY = """
import ctypes, gc, importlib, json, os, pkgutil, sys, threading, traceback
import mailer
from mailer.cli import main

# The program loads what a command needs when it is asked for; here all of it is.
for module in pkgutil.walk_packages(mailer.__path__, "mailer."):
    if not module.name.endswith("__main__") and ".migrations" not in module.name:
        importlib.import_module(module.name)

def run(wish):
    os.setsid()
    os.chdir(wish["cwd"])
    os.environ.update(wish["environment"])
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND
        os.dup2(os.open(wish[name], flags), number)
    sys.stdin = open(0)
    sys.argv = ["mailer", *wish["arguments"]]
    try:
        main()
    except SystemExit as error:
        return error.code or 0
    except BaseException:
        traceback.print_exc()
    return 1

# What is loaded is shared with the children and not looked through again by each.
gc.freeze()
going_on = []
for line in sys.stdin:
    wish = json.loads(line)
    for pid in [pid for pid in going_on if os.waitpid(pid, os.WNOHANG)[0]]:
        going_on.remove(pid)
    child = os.fork()
    if child == 0:
        # PR_SET_PDEATHSIG: nothing that goes on is left behind, whatever becomes of us.
        ctypes.CDLL(None).prctl(1, 9)
        status = run(wish)
        # Threads are waited for as at every end; taking every module apart is left out.
        threading._shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    if wish["goes_on"]:
        going_on.append(child)
        print(child, flush=True)
        continue
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def text(self):
        """Everything it printed."""
        return self.out + self.err

    def json(self):
        """What it printed for other programs."""
        return json.loads(self.out)


class Nursery:
    """Forks commands from one process that has the program loaded."""

    def __init__(self, folder, python=sys.executable, environment=ENVIRONMENT):
        self._folder = folder
        self._process = subprocess.Popen(
            [python, "-c", _NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env=environment,
        )  # fmt: skip

    def run(self, *arguments, cwd, typed="", together=False, **environment):
        """Run `mailer ARGUMENTS` in a folder, type something into it, and wait for its end.

        With `together` errors stand among what it printed, as they do in a terminal.
        """
        files = {name: self._folder / name for name in ("stdin", "stdout", "stderr")}
        if together:
            files["stderr"] = files["stdout"]
        for path in files.values():
            path.write_text("")
        files["stdin"].write_bytes(typed if isinstance(typed, bytes) else typed.encode())
        status = self._wish(arguments, cwd, environment, files, goes_on=False)
        out, err = (files[name].read_text(encoding="utf-8") for name in ("stdout", "stderr"))
        return Ended(status, out, "" if together else err)

    def start(self, *arguments, cwd, log):
        """Start `mailer ARGUMENTS` in a folder, its output in a log, and return its process id.

        It goes on until it ends, is ended, or we end.
        """
        log.touch()
        files = {"stdin": Path("/dev/null"), "stdout": log, "stderr": log}
        return self._wish(arguments, cwd, {}, files, goes_on=True)

    def _wish(self, arguments, cwd, environment, files, *, goes_on):
        wish = {
            "arguments": [str(one) for one in arguments],
            "cwd": str(cwd),
            "environment": environment,
            "goes_on": goes_on,
            **{name: str(path) for name, path in files.items()},
        }
        self._process.stdin.write(json.dumps(wish) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self):
        """Let the process end, and wait for it."""
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


class Running:
    """A program that goes on until it is told to stop, and its children, by their ids."""

    def __init__(self, folder, command):
        self.folder = folder
        self.log = folder / "run.log"
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=ENVIRONMENT, start_new_session=True,
            )  # fmt: skip

    def lines(self):
        """Return what it has logged, an object a line; plain lines are left out."""
        text = self.log.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def children(self):
        """Return the ids of the processes it has started and that are alive, by their name."""
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                status = (entry / "stat").read_text().rpartition(")")[2].split()
                name = (entry / "comm").read_text().strip()
                if int(status[1]) == self.process.pid and status[0] != "Z":
                    found[name] = int(entry.name)
        return found

    def stop(self, number=signal.SIGTERM):
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def end_all(self):
        """Leave nothing behind, whatever a test has come to."""
        for pid in [self.process.pid, *self.children().values()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(30)


@contextlib.contextmanager
def background(folder, command):
    """Run a command, with its output in a log of its own, until the block ends."""
    program = Running(folder, command)
    try:
        yield program
    finally:
        program.end_all()


def running(folder, *arguments):
    """Run `mailer run ARGUMENTS` on a workspace until the block ends."""
    return in_background(folder, "run", *arguments)


def in_background(folder, *arguments):
    """Run `mailer ARGUMENTS` on a workspace until the block ends."""
    return background(
        folder, [sys.executable, "-m", "mailer", "--workspace", str(folder), *arguments]
    )


def is_alive(pid):
    """Tell whether a process is there and not merely waiting to be buried."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def until(condition, what, patience_s=60.0):
    """Wait until `condition()` is true, and return what it gave."""
    deadline = time.monotonic() + patience_s
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, f"waited {patience_s:.0f} s for {what}"
        time.sleep(0.05)


def answers(port):
    """Tell whether somebody listens on a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def health(port):
    """Return status and words of the health check; nothing while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None


def figures(port):
    """Return the figures for a monitor, as they are served."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


def ports(folder):
    """Return the ports of a workspace: web, smtp, inbox."""
    text = (folder / "config.toml").read_text(encoding="utf-8")
    names = (r"\nport = (\d+)", r"smtp_port = (\d+)", r"inbox_port = (\d+)")
    return tuple(int(re.search(name, text)[1]) for name in names)
