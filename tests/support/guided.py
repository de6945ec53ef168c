"""Do what docs/first-mailing.md says, in a folder that stands for the server, on loopback.

In: the guide and the program as a wheel installs it. Out: for each command, what it printed. Paths,
ports and hours of the guide are replaced by a small table; what would change the real system is
marked in the guide, and for some of that something here stands in.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from mailer.app.routing import relay_digest
from mailer.app.workspace import Workspace
from mailer.store.relays import mark_relay_verified
from tests.support.guide import Block, Typed, blocks, unlike
from tests.support.pipe_door import RUNS_AS, PipeDoor
from tests.support.postfix import Postfix, start_postfix
from tests.support.servers import free_port
from tests.support.smtp_server import SmtpServer

GUIDE = Path(__file__).parent.parent.parent / "docs" / "first-mailing.md"
#: The hour of the real mailing in the guide; here it is near.
HOUR, ZONE, SOON_S = "2026-12-01T09:00", "Europe/Chisinau", 4
PORTS = ("2525", "8025", "8026", "8027")


@dataclass(frozen=True)
class Said:
    """What a command of the guide printed."""

    block: Block
    typed: Typed
    printed: list[str]
    status: int

    @property
    def fault(self) -> str:
        """Return "" when the guide is right about it."""
        if self.status:
            return f"`{self.typed.command}` ended with {self.status}: {self.printed}"
        different = unlike(self.typed.shown, self.printed)
        return different and f"`{self.typed.command}`: {different}"


class Server:
    """The folder that stands for the server, with the home of the user mailer, and a Postfix."""

    def __init__(
        self,
        folder: Path,
        program: Path,
        postfix: Postfix,
        run: Callable[[Path, list[str]], contextlib.AbstractContextManager[object]],
        nursery: Callable[..., Any],
        world: SmtpServer,
        open_to_all: Path,
    ) -> None:
        """Make what is there before the guide begins.

        Args:
            folder: Empty, to work in.
            program: The command `mailer`, installed.
            postfix: The files of a Postfix that is not started.
            run: Runs a command in the background of a folder, until its block ends.
            nursery: `nursery(folder, python, environment)`: forks commands of the program.
            world: Where all mail that leaves the Postfix comes out.
            open_to_all: A folder into which every user may write, for what Postfix calls.
        """
        self.folder, self.postfix, self._program = folder, postfix, program
        self.config = postfix.folder / "config"
        self.home = folder / "home"
        self.workspace = self.home / "campaign"
        self._bin = folder / "bin"
        for path in (self.home, self._bin, folder / "etc" / "caddy"):
            path.mkdir(parents=True)
        self._cwd = {True: folder, False: self.home}
        (self._bin / "mailer").symlink_to(program)
        shim = self._bin / "postconf"
        shim.write_text(f'#!/bin/sh\nexec /usr/sbin/postconf -c {self.config} "$@"\n')
        shim.chmod(0o755)
        self.ports = {port: str(free_port()) for port in PORTS}
        #: One thread at a time asks it: this one, and the one that answers Postfix.
        self._asking = threading.Lock()
        self.door = PipeDoor(open_to_all, self._called)
        self._to_here = {
            "/usr/local/bin/mailer feedback": f"{self.door.script} feedback",
            "user=mailer": f"user={RUNS_AS}",
            # Where Postfix's user may go; the program is told the workspace.
            "directory=/var/lib/mailer/campaign": f"directory={open_to_all}",
            "/var/lib/mailer": str(self.home),
            "/etc/postfix": str(self.config),
            "/etc/": f"{folder}/etc/",
            **self.ports,
        }
        #: The guide's hour as it is printed here, once it was typed.
        self._hour = ""
        self._run, self._world = run, world
        (folder / "nursery").mkdir()
        self._nursery = nursery(
            folder / "nursery", str(program.parent / "python"), self._environment()
        )
        self._running = contextlib.ExitStack()
        self._always = contextlib.ExitStack()
        self._always.enter_context(self.door.open())
        #: By how a command begins, what stands in for it.
        self._stand_ins: dict[str, Callable[[], None]] = {
            "systemctl restart postfix": lambda: start_postfix(postfix),
            "systemctl enable --now mailer": self._restart,
            "systemctl restart mailer": self._restart,
            "mailer relay verify": self._verify_relay,
        }

    # ------------------------------------------------------------------ the guide, step by step

    def follow(self, text: str, *, is_run: Callable[[Block], bool]) -> list[Said]:
        """Do everything a guide says, in order, and return what was printed."""
        said = []
        for block in blocks(text):
            if block.file:
                self._write(block)
            elif block.is_console:
                for typed in block.typed():
                    one = self._type(block, typed) if is_run(block) else None
                    # What is marked is tried when the guide is filled in; it may want the DNS, say.
                    if one is None or (block.not_yet and one.status):
                        self._stand_in(typed.command)
                    else:
                        said.append(one)
        return said

    def close(self) -> None:
        """End what was started."""
        self._running.close()
        self._always.close()
        self._nursery.close()

    def _here(self, text: str) -> str:
        """Return a text of the guide as it is meant on this server."""
        pattern = "|".join(map(re.escape, sorted(self._to_here, key=len, reverse=True)))
        text = re.sub(pattern, lambda found: self._to_here[found[0]], text)
        if HOUR in text:
            soon = datetime.now(ZoneInfo(ZONE)) + timedelta(seconds=SOON_S)
            self._hour = f"{soon:%Y-%m-%d %H:%M}"
            text = text.replace(HOUR, f"{soon:%Y-%m-%dT%H:%M:%S}")
        return text

    def _there(self, text: str) -> str:
        """Return what was printed here as it would be printed on the guide's server."""
        for there, here in self._to_here.items():
            text = text.replace(here, there)
        return text.replace(self._hour, HOUR.replace("T", " ")) if self._hour else text

    def _write(self, block: Block) -> None:
        name, body = block.file, self._here(block.body)
        adds = name.startswith(">> ")
        path = self._cwd[False] / self._here(name.removeprefix(">> "))
        with path.open("a" if adds else "w", encoding="utf-8") as file:
            file.write(body)

    def _type(self, block: Block, typed: Typed) -> Said:
        self._before(typed.command)
        words = shlex.split(typed.command)
        if words[0] == "mailer" and not {"<", ">", "|", "&&"} & set(words):
            # One process has the program loaded and forks: most of a command's time is its loading.
            arguments = shlex.split(self._here(typed.command))[1:]
            done = self.ask(*arguments, cwd=self._cwd[typed.is_root], together=True)
            return Said(block, typed, self._there(done.out).splitlines(), done.status)
        place = self.folder / "pwd"
        script = f"{self._here(typed.command)}\nstatus=$?; pwd > {place}; exit $status"
        ended = subprocess.run(
            ["/bin/bash", "-c", script], cwd=self._cwd[typed.is_root], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
            env=self._environment(),
        )  # fmt: skip
        self._cwd[typed.is_root] = Path(place.read_text().strip())
        return Said(block, typed, self._there(ended.stdout).splitlines(), ended.returncode)

    def ask(self, *arguments: str, **how: Any) -> Any:
        """Run a command of the program, and return how it ended."""
        with self._asking:
            return self._nursery.run(*arguments, **how)

    def _called(self, arguments: list[str], message: bytes) -> tuple[int, str]:
        """Do as Postfix's pipe does: call the program in the workspace."""
        ended = self.ask(*arguments, cwd=self.workspace, typed=message, together=True)
        return ended.status, ended.out

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self._bin}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "100",
        }

    def _before(self, command: str) -> None:
        """Do as its reader does before a command: wait for a mailing's end and bounces, save a mail."""
        if "received.eml" in command and self._world.mails:
            (self.workspace / "received.eml").write_bytes(self._world.mails[-1].content)
        found = re.fullmatch(r"mailer report (\S+)", command)
        deadline = time.monotonic() + 40
        while found and time.monotonic() < deadline:
            asked = self.ask("report", found[1], "--json", cwd=self.workspace)
            if asked.status or asked.json()["state"] == "finished":
                # What Postfix sends back has come in, too.
                self.postfix.wait_until_empty()
                return
            time.sleep(0.2)

    # ------------------------------------------------------------------------- what stands in

    def _stand_in(self, command: str) -> None:
        for begins, do in self._stand_ins.items():
            if command.startswith(begins):
                do()

    def _restart(self) -> None:
        """Do as systemd: end the program, if it runs, and start it in the workspace."""
        self._running.close()
        self._running.enter_context(
            self._run(self.workspace, [str(self._program), "-w", str(self.workspace), "run"])
        )

    def _verify_relay(self) -> None:
        workspace = Workspace.open(self.workspace)
        (section,) = workspace.config.relays
        with workspace.store.write() as connection:
            mark_relay_verified(connection, section.key, relay_digest(section))
        workspace.store.close()


def open_folder(stack: contextlib.ExitStack) -> Path:
    """Make a folder into which every user of the system may write, until the stack ends."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailer-spool-")))
    os.chmod(folder, 0o1777)  # noqa: PTH101
    return folder


def _as_shown(said: Said) -> list[str]:
    """Return a command and what it printed, hours as "…" except the guide's own."""
    instant = re.compile(rf"(?!{HOUR.replace('T', ' ')})\d{{4}}-\d\d-\d\d \d\d:\d\d")
    return [said.typed.lines[0], *(instant.sub("…", line) for line in said.printed)]


def filled(text: str, said: list[Said]) -> str:
    """Return the guide with what was printed in the place of what it showed and that differs.

    The marks of blocks that were run are taken out, and nobody knew what those would print.
    """
    by_block: dict[int, list[Said]] = {}
    for one in said:
        by_block.setdefault(one.block.start, []).append(one)
    for block in sorted(blocks(text), key=lambda one: one.start, reverse=True):
        told = by_block.get(block.start)
        if not told:
            continue
        lines = [
            line
            for one in told
            for line in (_as_shown(one) if one.fault or block.not_yet else one.typed.lines)
        ]
        fence = "```console\n" + "".join(f"{line.rstrip()}\n" for line in lines)
        before = text[: block.start].removesuffix("```")
        before = before.removesuffix(f"<!-- not yet: {block.not_yet} -->\n")
        text = before + fence + text[block.end :]
    return text
