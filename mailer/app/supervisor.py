"""Run the roles of the program as child processes of one, and end them together.

In: the roles and the workspace. Out: an exit status. Each role is this same program started with
`run --only ROLE`; one that dies is started again after a pause that grows while it keeps dying.
All stand in one process group. SIGTERM or SIGINT is passed on once and every child is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mailer.events import emit, warn
from mailer.model.faults import Fault

#: Set in a child's environment: it leaves Ctrl-C to its parent and watches its standard input.
SUPERVISED = "MAILER_SUPERVISED"
#: A child that lived this long is no longer counted as one that keeps dying.
STEADY_S = 30.0
LONGEST_PAUSE_S = 30.0
#: What is waited for beyond the senders' own grace before a child is killed.
SLACK_S = 10.0


class Role(StrEnum):
    """What a process of the program does."""

    #: Public pages and unsubscribing.
    WEB = "web"
    #: Mails and webhooks that come back.
    FEEDBACK = "feedback"
    #: When mailings fall due.
    SCHEDULER = "scheduler"
    #: Sends.
    SENDERS = "senders"
    #: Catches mail on loopback while the workspace is not live.
    SANDBOX = "sandbox"


@dataclass(frozen=True)
class RestartPolicy:
    """Says how long to wait before a dead child is started again."""

    first_pause_s: float = 0.5
    longest_pause_s: float = LONGEST_PAUSE_S

    def pause_after(self, deaths_in_a_row: int) -> float:
        """Return seconds: doubling with each death in a row, up to the longest."""
        pause = self.first_pause_s * 2 ** min(deaths_in_a_row - 1, 16)
        return float(min(pause, self.longest_pause_s))


def taken_ports(ports: Mapping[str, tuple[str, int]]) -> list[Fault]:
    """Return a fault for every port that another program listens on.

    Args:
        ports: key in config.toml → host and port; port 0 takes any that is free.
    """
    faults = []
    for key, (host, port) in ports.items():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                problem = f"{host} port {port} cannot be listened on: {error.strerror}"
                remedy = "See which program has it, or choose another port"
                faults.append(Fault("config.toml", 0, key, problem, remedy))
    return faults


async def supervise(
    roles: Sequence[Role], workspace: Path, shutdown_grace_s: float, policy: RestartPolicy
) -> int:
    """Keep one child per role alive until SIGTERM or SIGINT; return 0 when all ended cleanly."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if os.environ.get(SUPERVISED):
        watch_parent(loop, stop)
    ends = await asyncio.gather(
        *(_keep(role, workspace, stop, shutdown_grace_s, policy) for role in roles)
    )
    emit("all processes ended", clean=all(code == 0 for code in ends))
    return 0 if all(code == 0 for code in ends) else 1


def watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends, which a parent that goes in whatever way brings about."""
    descriptor = sys.stdin.fileno()

    def readable() -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(descriptor, 1024):
                loop.remove_reader(descriptor)
                stop.set()

    os.set_blocking(descriptor, False)
    loop.add_reader(descriptor, readable)


async def _keep(
    role: Role, workspace: Path, stop: asyncio.Event, grace_s: float, policy: RestartPolicy
) -> int:
    deaths = 0
    loop = asyncio.get_running_loop()
    while True:
        begun = loop.time()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mailer", "--workspace", str(workspace), "run",
            "--only", role.value,
            # The child ends by itself when this pipe closes: nobody outlives a killed parent.
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, SUPERVISED: "1"},
        )  # fmt: skip
        ended = asyncio.create_task(child.wait())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            stopping.cancel()
            return await _end(child, ended, role, grace_s)
        stopping.cancel()
        deaths = 1 if loop.time() - begun > STEADY_S else deaths + 1
        pause_s = policy.pause_after(deaths)
        warn("process died", role=role, code=ended.result(), again_in_s=pause_s)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)
            return 0


async def _end(
    child: asyncio.subprocess.Process, ended: asyncio.Task[int], role: Role, grace_s: float
) -> int:
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)
    try:
        return await asyncio.wait_for(ended, grace_s + SLACK_S)
    except TimeoutError:
        warn("process killed: it did not end in time", role=role)
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        return 1
