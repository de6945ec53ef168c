"""Kill the program again and again while it sends a mailing, and count what became of everybody.

In: a folder, how many people, senders and kills, and a seed. Out: `Verdict`: who was lost, who was
mailed twice, what is in doubt, and the most doubts that the connections open at one kill left.

The processes are those of `mailer run`, each started by itself: its pauses before it starts again
what keeps dying would make hours of three hundred kills. They send to a sink that says in which
phase each connection is; the kill is given at that very instant. Between kills the sink holds the
transactions back, so that the mailing lasts as long as the kills do.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import http.client
import json
import os
import random
import re
import signal
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from sqlalchemy import func, select

from mailer.app.demo import adapt_config, load_sample
from mailer.app.planning import Wish, make_plan
from mailer.app.scheduling import schedule
from mailer.app.workspace import Workspace
from mailer.audience.imports import import_csv
from mailer.cli.workspace import make_workspace
from mailer.model.staff import BY_ITSELF
from mailer.model.states import DeliveryState, MailingState
from mailer.store.mailings import has_open_deliveries, load_mailing
from mailer.store.tables import delivery
from mailer.store.workers import unended_workers, worker_process
from mailer.tokens import Purpose
from tests.acceptance.processes import Nursery, is_alive, ports
from tests.support.sink import HOST, Connection, Phase, Sink, Trap

SLUG, LIST = "her-rights", "harbor-news"
CONNECTIONS = 8
#: Within so many seconds of a commit no DATA may be written for who left (invariant 3).
LIMIT_S = 0.25
#: So long a step of ours may take on a machine that has much else to do.
PATIENCE_S = 300.0
#: So long after a reply its outcome may not be in the database yet.
UNRECORDED_S = 0.08
_IN_MODIFY = 2


class Victim(StrEnum):
    """What is killed."""

    SENDER = "sender"
    SCHEDULER = "scheduler"
    ALL = "all"


@dataclass(frozen=True)
class Strike:
    """One kill, as it was drawn."""

    victim: Victim
    phase: Phase
    #: Given while what was killed before is only just starting again.
    early: bool


@dataclass
class Verdict:
    """What became of everybody."""

    #: Were to be mailed, and were neither mailed nor are they in doubt or without mail for a reason.
    lost: int = 0
    #: Mails that were accepted beyond the first one.
    repeated: int = 0
    in_doubt: int = 0
    #: Of those in doubt, how many the sink had accepted.
    in_doubt_accepted: int = 0
    #: The most doubts that came of one kill.
    max_in_doubt: int = 0
    #: Doubts beyond the connections that were open.
    beyond: int = 0
    #: People who left, and those of them for whom DATA was written too long after that.
    left: int = 0
    late: int = 0
    states: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    taken_over: Counter[str] = field(default_factory=Counter)
    tracebacks: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing happened that never may."""
        return not (self.lost or self.repeated or self.beyond or self.late or self.tracebacks)

    def line(self) -> str:
        """Return the four figures."""
        return (
            f"lost {self.lost} repeated {self.repeated} in-doubt {self.in_doubt} "
            f"max-in-doubt {self.max_in_doubt}"
        )


def draw(kills: int, dice: random.Random) -> list[Strike]:
    """Return so many kills: every phase as often as any other, mostly of senders."""
    phases = (list(Phase) * (kills // len(Phase) + 1))[:kills]
    dice.shuffle(phases)
    victims = dice.choices(list(Victim), weights=(7, 1, 2), k=kills)
    return [
        Strike(
            victim,
            phase,
            early=phase in (Phase.BEFORE_MAIL, Phase.IN_COMMIT) and dice.random() < 0.5,
        )
        for victim, phase in zip(victims, phases, strict=True)
    ]


def prepare(folder: Path, people: int) -> tuple[Workspace, int, list[str]]:
    """Make a workspace with a mailing that is due; return it, the mailing's row id and the people."""
    make_workspace(folder).store.close()
    adapt_config(folder, desk=False)
    path = folder / "config.toml"
    text = path.read_text(encoding="utf-8")
    for name, value in (
        ("sandbox_connections", CONNECTIONS), ("first_retry_s", 0.5), ("longest_retry_s", 1.0)
    ):  # fmt: skip
        text = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
    path.write_text(text, encoding="utf-8")
    workspace = Workspace.open(folder)
    load_sample(workspace)
    addresses = [f"person{number}@mail{number % 50}.example.org" for number in range(people)]
    source = folder / "people.csv"
    # One language: each that is met costs every sender that starts a quarter of a second.
    source.write_text("\n".join(["email,languages", *(f"{one},en" for one in addresses)]))
    definitions, _ = workspace.lists
    import_csv(
        workspace.store, workspace.seal_keys, workspace.service_keys, source, definitions[LIST],
        rejects_dir=folder / "data" / "rejects", now=workspace.clock.now(),
    )  # fmt: skip
    plan = make_plan(workspace, Wish(SLUG, (LIST,), sender="harbor"))
    mailing = schedule(
        workspace, BY_ITSELF, plan, due_at=workspace.clock.now() - timedelta(seconds=1), time_zone="UTC",
        grace_s=86_400,
    )  # fmt: skip
    return workspace, mailing.row_id, addresses


class Crew:
    """The processes of the program, by name."""

    def __init__(self, nursery: Nursery, folder: Path, senders: int) -> None:
        self._nursery = nursery
        self._folder = folder
        self.log = folder / "run.log"
        self.senders = [f"senders {number}" for number in range(senders)]
        self.pids: dict[str, int] = dict.fromkeys(["scheduler", "web", *self.senders], 0)

    def start_missing(self) -> None:
        """Start what is not there."""
        for name, pid in self.pids.items():
            if not pid or not is_alive(pid):
                self.pids[name] = self._nursery.start(
                    "run", "--only", name.split()[0], cwd=self._folder, log=self.log
                )

    def kill(self, names: list[str]) -> list[int]:
        """Kill processes at once; return the ids of those that were alive."""
        killed = []
        for pid in filter(None, (self.pids[name] for name in names)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
        return killed

    def owner_of(self, server_port: int, port: int) -> int:
        """Return which sender a connection to our port comes from."""
        wanted = (f"0100007F:{port:04X}", f"0100007F:{server_port:04X}")
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if (fields[1], fields[2]) == wanted:
                socket = f"socket:[{fields[9]}]"
                break
        else:
            return 0
        for name in self.senders:
            with contextlib.suppress(OSError):
                for one in Path(f"/proc/{self.pids[name]}/fd").iterdir():
                    with contextlib.suppress(OSError):
                        if str(one.readlink()) == socket:
                            return self.pids[name]
        return 0

    async def end(self) -> None:
        """Let all of them end in good order."""
        for pid in self.pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        await _until(lambda: not any(map(is_alive, self.pids.values())), "the processes to end")


class Chaos:
    """One mailing, and all that befalls it."""

    def __init__(
        self, nursery: Nursery, folder: Path, *, people: int, senders: int, kills: int, seed: int
    ) -> None:
        self._dice = random.Random(seed)
        self._folder = folder
        self._workspace, self._mailing, self._people = prepare(folder, people)
        self._crew = Crew(nursery, folder, senders)
        self._sink = Sink(folder / "accepted.log", dice=self._dice)
        self._strikes = draw(kills, self._dice)
        digest = self._workspace.service_keys.address_digest
        self._address_of = {digest(address): address for address in self._people}
        self._verdict = Verdict()
        #: Killed, and what they had claimed not known to be taken over.
        self._unsettled: set[int] = set()
        self._open_then = 0
        self._doubts = 0
        self._senders_fresh = True
        #: Address → when the answer to leaving came.
        self._left: dict[str, float] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def run(self, show: Callable[[int, Verdict], None] = lambda *_: None) -> Verdict:
        """Send the mailing to its end, whatever happens on the way; `show` is told of each kill."""
        port = ports(self._folder)[1]
        sink = self._sink
        await sink.start(port)
        sink.owner_of = lambda client: self._crew.owner_of(port, client)
        try:
            with _database_written(self._folder / "data", self._written):
                await self._send(show)
        finally:
            self._crew.kill(list(self._crew.pids))
            await sink.close()
        self._judge()
        self._workspace.store.close()
        return self._verdict

    async def _send(self, show: Callable[[int, Verdict], None]) -> None:
        self._crew.start_missing()
        await _until(self._is_running, "the mailing to be frozen")
        for number, strike in enumerate(self._strikes):
            await self._strike(strike, len(self._strikes) - number)
            show(number + 1, self._verdict)
        await self._settled()
        self._sink.admit(10**9)
        await _until(self._is_over, "every delivery to have its outcome")
        await asyncio.gather(*self._leaving)
        await self._crew.end()

    def told(self) -> str:
        """Return the last that the processes logged."""
        return self._crew.log.read_text(encoding="utf-8")[-4000:]

    def _written(self) -> None:
        self._sink.reached(Phase.IN_COMMIT, None)

    def _is_running(self) -> bool:
        with self._workspace.store.read() as connection:
            return load_mailing(connection, self._mailing).state is MailingState.RUNNING

    def _is_over(self) -> bool:
        self._crew.start_missing()
        # At full speed most is claimed ahead: who leaves now has their mail waiting.
        self._let_one_leave()
        with self._workspace.store.read() as connection:
            return not has_open_deliveries(connection, self._mailing)

    async def _strike(self, strike: Strike, left: int) -> None:
        """Kill once, in the phase and of the process that were drawn, and start it again."""
        early = strike.early and self._senders_fresh
        sprung = asyncio.Event()
        if not early:
            await self._settled()
        todo = len(self._people) * 9 // 10 - len(self._sink.recipients) - len(self._left)
        room = max(todo // left, 1)
        # One connection is opened for certain, and MAIL written on it.
        begun = 2 if strike.phase is Phase.BEFORE_MAIL else CONNECTIONS
        skip = self._dice.randrange(begun if early else room)

        def spring(connection: Connection | None) -> None:
            self._sink.hold()
            if strike.phase is Phase.AFTER_REPLY:
                pause_s = self._dice.random() * UNRECORDED_S
                asyncio.get_running_loop().call_later(pause_s, kill, connection)
            else:
                kill(connection)

        def kill(connection: Connection | None) -> None:
            self._kill(strike.victim, connection)
            sprung.set()

        def heeds(connection: Connection) -> bool:
            return connection.pid in self._crew.pids.values()

        self._sink.trap = Trap(strike.phase, skip, heeds, spring)
        if not early:
            # So many on an average that what is left lasts for the kills that are left.
            self._sink.admit(skip + 1 + room // 2)
            if self._dice.random() < 0.5:
                self._let_one_leave()
        try:
            await asyncio.wait_for(sprung.wait(), PATIENCE_S)
        except TimeoutError:
            raise AssertionError(f"waited in vain for a sender {strike.phase}") from None
        self._verdict.kills[strike.phase] += 1
        self._verdict.kills[strike.victim] += 1
        self._senders_fresh = strike.victim is not Victim.SCHEDULER
        await _until(lambda: not any(map(is_alive, self._unsettled)), "what was killed to be gone")
        self._crew.start_missing()

    def _kill(self, victim: Victim, connection: Connection | None) -> None:
        crew = self._crew
        if victim is Victim.ALL:
            names = list(crew.pids)
        elif victim is Victim.SCHEDULER:
            names = ["scheduler"]
        elif connection is None:
            names = [self._dice.choice(crew.senders)]
        else:
            names = [name for name in crew.senders if crew.pids[name] == connection.pid]
        killed = crew.kill(names)
        assert killed, f"nobody to kill: {victim}"
        self._open_then += sum(one.pid in killed for one in self._sink.connections)
        self._unsettled.update(killed)

    async def _settled(self) -> None:
        """Wait until what the killed had claimed is taken over, and count the doubts it left."""

        def is_settled() -> bool:
            self._crew.start_missing()
            with self._workspace.store.read() as connection:
                pids = {worker_process(name)[0] for name, *_ in unended_workers(connection)}
            return not pids & self._unsettled

        await _until(is_settled, "the claims of the killed to be taken over")
        with self._workspace.store.read() as connection:
            now = connection.execute(
                select(func.count()).where(delivery.c.state == DeliveryState.IN_DOUBT)
            ).scalar_one()
        new, self._doubts = now - self._doubts, now
        verdict = self._verdict
        verdict.max_in_doubt = max(verdict.max_in_doubt, new)
        verdict.beyond += max(new - self._open_then, 0)
        self._open_then = 0
        self._unsettled.clear()

    def _let_one_leave(self) -> None:
        with self._workspace.store.read() as connection:
            rows = connection.execute(
                select(delivery.c.id, delivery.c.supporter_id, delivery.c.address_digest)
                .where(
                    delivery.c.mailing_id == self._mailing,
                    # Best one who is claimed: the claim looks at who left, and so it is too late for it.
                    delivery.c.state.in_((DeliveryState.SENDING, DeliveryState.DUE)),
                )
                .order_by(delivery.c.state.desc(), delivery.c.id.desc())
                .limit(20)
            ).all()
        known = self._left.keys() | self._sink.data_at.keys()
        rows = [row for row in rows if self._address_of[row.address_digest] not in known]
        if not rows:
            return
        row = self._dice.choice(rows)
        token = self._workspace.tokens.person(Purpose.UNSUBSCRIBE, row.id, row.supporter_id)
        address = self._address_of[row.address_digest]
        self._left[address] = float("inf")
        task = asyncio.create_task(self._leave(address, f"/u/{token}"))
        self._leaving.add(task)

    async def _leave(self, address: str, path: str) -> None:
        """Leave by one click (RFC 8058); again where the pages were killed meanwhile."""
        web = ports(self._folder)[0]
        await asyncio.to_thread(_post, web, path)
        self._left[address] = time.monotonic()

    def _judge(self) -> None:
        verdict, accepted = self._verdict, self._sink.recipients
        with self._workspace.store.read() as connection:
            rows = connection.execute(
                select(delivery.c.address_digest, delivery.c.state, delivery.c.skip_reason).where(
                    delivery.c.mailing_id == self._mailing
                )
            ).all()
        verdict.lost = len(self._people) - len(rows)
        for row in rows:
            state, mails = DeliveryState(row.state), accepted[self._address_of[row.address_digest]]
            verdict.states[row.skip_reason or state] += 1
            if state is DeliveryState.IN_DOUBT:
                verdict.in_doubt_accepted += mails
            elif state is DeliveryState.ACCEPTED:
                verdict.lost += mails == 0
            elif mails or not row.skip_reason:
                # Nobody here is refused, and who was mailed is not on record as left out.
                verdict.lost += 1
        verdict.repeated = max(
            sum(counted.values()) - len(counted) for counted in (accepted, self._sink.message_ids)
        )
        verdict.in_doubt = verdict.states[DeliveryState.IN_DOUBT]
        verdict.left = len(self._left)
        verdict.late = sum(
            self._sink.data_at.get(address, 0.0) - at > LIMIT_S
            for address, at in self._left.items()
        )
        for line in self._crew.log.read_text(encoding="utf-8").splitlines():
            verdict.tracebacks += line.startswith("Traceback")
            if "claims of a dead sender taken over" in line:
                told = json.loads(line)
                verdict.taken_over.update(
                    {name: told[name] for name in ("recorded", "in_doubt", "due_again")}
                )


def _post(port: int, path: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        client = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_S)
        with contextlib.closing(client), contextlib.suppress(OSError, http.client.HTTPException):
            client.request("POST", path, "List-Unsubscribe=One-Click", form)
            if client.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the pages did not take a click")


@contextlib.contextmanager
def _database_written(folder: Path, told):
    """Call `told` whenever SQLite's log is written, while it is being written."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert libc.inotify_add_watch(descriptor, os.fsencode(folder), _IN_MODIFY) >= 0

    def read() -> None:
        told_of = os.read(descriptor, 65_536)
        while told_of:
            (length,) = struct.unpack_from("12xI", told_of)
            if told_of[16 : 16 + length].rstrip(b"\0") == b"mailer.db-wal":
                told()
            told_of = told_of[16 + length :]

    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:.0f} s for {what}"
        await asyncio.sleep(0.03)
