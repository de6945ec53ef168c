"""Run the parts of the program as child processes of one, and end them together.

In: the parts, and what a child does. Out: how it ended. The children are forked from a parent that
has loaded the program once: each begins in milliseconds, and they share what it loaded. One that
dies is started again after a pause that grows while it keeps dying. All stand in one process group.
SIGTERM or SIGINT is passed on once and every child is waited for.

A fork is sound only from a process with one thread and no event loop, so there is neither here.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import FrameType

from mailer.clock import SYSTEM_CLOCK
from mailer.events import emit, warn
from mailer.model.faults import Fault

#: Set in a child's environment: it leaves Ctrl-C to its parent and watches its standard input.
SUPERVISED = "MAILER_SUPERVISED"
STDIN = 0
#: A child that lived this long is no longer counted as one that keeps dying.
STEADY_S = 30.0
LONGEST_PAUSE_S = 30.0
#: What is waited for beyond the senders' own grace before a child is killed.
SLACK_S = 10.0
#: What a child leaves blocked until it can heed it.
HEEDED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


class Role(StrEnum):
    """What a process of the program does."""

    #: Public pages and unsubscribing.
    WEB = "web"
    #: The staff's pages.
    DESK = "desk"
    #: Mails and webhooks that come back.
    FEEDBACK = "feedback"
    #: When mailings fall due.
    SCHEDULER = "scheduler"
    #: Sends.
    SENDERS = "senders"
    #: Catches mail on loopback while the workspace is not live.
    SANDBOX = "sandbox"


@dataclass(frozen=True)
class Part:
    """One process of the program."""

    role: Role
    #: Which of several with this role it is, from 1 on; 0 for the only one.
    number: int = 0

    @property
    def name(self) -> str:
        """Return its name in events, in `mailer status` and in `ps`: "web", "senders-2"."""
        return f"{self.role.value}-{self.number}" if self.number else self.role.value


def longest_end_s(shutdown_grace_s: float) -> float:
    """Return how long all processes together may take to end, in seconds."""
    return shutdown_grace_s + SLACK_S


def sender_parts(count: int) -> list[Part]:
    """Return `count` sender processes, numbered where there are several."""
    numbers = range(1, count + 1) if count > 1 else [0]
    return [Part(Role.SENDERS, number) for number in numbers]


@dataclass(frozen=True)
class RestartPolicy:
    """Says how long to wait before a dead child is started again."""

    first_pause_s: float = 0.5
    longest_pause_s: float = LONGEST_PAUSE_S

    def pause_after(self, deaths_in_a_row: int) -> float:
        """Return seconds: doubling with each death in a row, up to the longest."""
        pause = self.first_pause_s * 2 ** min(deaths_in_a_row - 1, 16)
        return float(min(pause, self.longest_pause_s))


@dataclass(frozen=True)
class End:
    """How all of them ended."""

    #: When they were told to.
    told_at: datetime
    #: Every child ended by itself with status 0.
    clean: bool


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


def supervise(
    parts: Sequence[Part],
    serve: Callable[[Part], int],
    shutdown_grace_s: float,
    policy: RestartPolicy,
) -> End:
    """Keep one child per part alive until SIGTERM or SIGINT, then end them all.

    The caller has closed its database and has neither threads nor an event loop: each child is a
    fork. In a child this does not return: it exits with the status that `serve` gives.
    """
    # What is loaded is for all children, and looked through again by none of them.
    gc.collect()
    gc.freeze()
    return _Supervisor(parts, serve, shutdown_grace_s, policy).run()


@dataclass
class _Post:
    """A place that is always to be filled."""

    part: Part
    #: The child that fills it; 0 for none.
    pid: int = 0
    #: When it began, or is to begin, on the monotonic clock.
    at_s: float = 0.0
    deaths: int = 0


class _Supervisor:
    """The parent of the program's processes."""

    def __init__(
        self,
        parts: Sequence[Part],
        serve: Callable[[Part], int],
        grace_s: float,
        policy: RestartPolicy,
    ) -> None:
        self._posts = [_Post(part) for part in parts]
        self._serve = serve
        self._longest_s = longest_end_s(grace_s)
        self._policy = policy
        #: How often SIGTERM or SIGINT came.
        self._told = 0
        self._clean = True
        # Of this pipe the parent alone holds the end that is written to: it closes with the parent,
        # in whatever way that goes, and every child sees it. Nobody outlives a killed parent.
        self._watched, self._held = os.pipe()
        # Signals wake the parent through this one.
        self._woken, self._waking = os.pipe()
        for descriptor in (self._woken, self._waking):
            os.set_blocking(descriptor, False)
        # Of a parent that is itself a child, the end of standard input is the end of its own.
        self._above = bool(os.environ.get(SUPERVISED))

    def run(self) -> End:
        """Keep the posts filled until told to stop; then empty them."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_told)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._waking, warn_on_full_buffer=False)
        while not self._told:
            now_s = SYSTEM_CLOCK.monotonic()
            for post in self._posts:
                if not post.pid and post.at_s <= now_s and not self._told:
                    self._begin(post)
            waiting = [post.at_s for post in self._posts if not post.pid]
            self._wait(min(waiting) - SYSTEM_CLOCK.monotonic() if waiting else None)
            for post, code in self._buried():
                self._died(post, code)
        told_at = SYSTEM_CLOCK.now()
        self._end()
        emit("all processes ended", clean=self._clean)
        return End(told_at, self._clean)

    def _on_told(self, _number: int, _frame: FrameType | None) -> None:
        self._told += 1

    def _wait(self, longest_s: float | None) -> None:
        """Wait until a signal comes, the parent's own parent goes, or time has passed."""
        watched = [self._woken, *([STDIN] if self._above else [])]
        timeout_s = None if longest_s is None else max(longest_s, 0.0)
        ready, _, _ = select.select(watched, [], [], timeout_s)
        if self._woken in ready:
            os.read(self._woken, 4096)
        if STDIN in ready:
            with contextlib.suppress(BlockingIOError):
                if not os.read(STDIN, 1024):
                    self._above = False
                    self._told += 1

    def _begin(self, post: _Post) -> None:
        """Start a child; in the child, be it and do not return."""
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal between the fork and the child's own handlers waits for those.
        signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
        post.at_s = SYSTEM_CLOCK.monotonic()
        try:
            pid = os.fork()
        except OSError as error:
            # No memory or no more processes, for now.
            warn("process cannot be started", process=post.part.name, reason=error.strerror)
            self._died(post, 1)
        else:
            if not pid:
                raise SystemExit(self._become(post.part))
            post.pid = pid
            emit("process begun", process=post.part.name, pid=pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)

    def _become(self, part: Part) -> int:
        """Leave everything of the parent behind and be one part; return its exit status."""
        signal.set_wakeup_fd(-1)
        for number in HEEDED:
            signal.signal(number, signal.SIG_DFL)
        for descriptor in (self._held, self._woken, self._waking):
            os.close(descriptor)
        if self._watched != STDIN:
            os.dup2(self._watched, STDIN)
            os.close(self._watched)
        os.environ[SUPERVISED] = "1"
        with contextlib.suppress(OSError):
            # What `ps -o comm` and `top` show; the command line is the parent's.
            Path("/proc/self/comm").write_text(part.name, encoding="ascii")
        return self._serve(part)

    def _buried(self) -> list[tuple[_Post, int]]:
        """Return the posts whose children have ended, with their exit statuses."""
        found = []
        for post in self._posts:
            if post.pid:
                pid, status = os.waitpid(post.pid, os.WNOHANG)
                if pid:
                    post.pid = 0
                    found.append((post, os.waitstatus_to_exitcode(status)))
        return found

    def _died(self, post: _Post, code: int) -> None:
        if self._told:
            self._clean = self._clean and code == 0
            return
        now_s = SYSTEM_CLOCK.monotonic()
        post.deaths = 1 if now_s - post.at_s > STEADY_S else post.deaths + 1
        pause_s = self._policy.pause_after(post.deaths)
        post.at_s = now_s + pause_s
        warn("process died", process=post.part.name, code=code, again_in_s=pause_s)

    def _end(self) -> None:
        """Tell every child once and wait; kill what does not end in time."""
        deadline_s = SYSTEM_CLOCK.monotonic() + self._longest_s
        self._signal(signal.SIGTERM)
        heard = self._told
        while living := [post.part.name for post in self._posts if post.pid]:
            left_s = deadline_s - SYSTEM_CLOCK.monotonic()
            if left_s <= 0:
                self._kill(living)
                return
            if self._told > heard:
                # Going sooner would only put more in doubt; nothing is sent anew meanwhile.
                heard = self._told
                warn(
                    "ending already: open transactions wait for their final replies, what gets "
                    "none is in doubt",
                    processes=", ".join(living),
                    at_most_s=round(left_s, 1),
                )
            self._wait(left_s)
            for post, code in self._buried():
                self._died(post, code)

    def _kill(self, living: Sequence[str]) -> None:
        self._clean = False
        for name in living:
            warn("process killed: it did not end in time", process=name)
        self._signal(signal.SIGKILL)
        for post in self._posts:
            if post.pid:
                os.waitpid(post.pid, 0)
                post.pid = 0

    def _signal(self, number: signal.Signals) -> None:
        for post in self._posts:
            if post.pid:
                # It is not buried yet, so its id is still its own.
                os.kill(post.pid, number)
