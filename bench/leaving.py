"""Whether who leaves is left alone: 10,000 one-click requests, 200 a second, while a mailing runs.

The web process, a sender at full speed or at one mail a second, a relay that keeps the instant of
each DATA, and who presses the buttons, as four processes on one SQLite database. In: counts. Out:
how long answers took, whether each person left, and how long after their unsubscription was begun
to be written the last of them was given DATA: 250 ms are allowed, counted from the commit. People
are taken from those who are mailed meanwhile, so that the sender is close to them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import secrets
import shutil
import signal
import sqlite3
import statistics
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.ground import Ground, make_ground, person_address
from bench.sending import await_port, free_port
from mailer.app.roles import run_part
from mailer.app.supervisor import Part, Role
from mailer.app.workspace import Workspace
from mailer.audience.addresses import normalize_address
from mailer.tokens import Purpose

REQUESTS = 10_000
PER_SECOND = 200.0
#: What is mailed at full speed meanwhile, and a reserve.
PEOPLE = 150_000
#: From the commit of an unsubscription on; DATA that was written before it comes a little later.
ALLOWED_MS = 250.0
P99_ALLOWED_MS = 200.0
#: How long the sender runs before the first and after the last request, in seconds.
AROUND_S = 2.0


@dataclass(frozen=True)
class Left:
    """What one run came to."""

    #: Mails a second that the sender was held to; 0: none.
    per_second: float
    requests: int
    answered_200: int
    #: Of those that were answered, who is not on record as having left.
    lost: int
    median_ms: float
    p99_ms: float
    max_ms: float
    #: Mails taken by the relay in all.
    mails: int
    #: People who were mailed after their unsubscription was begun to be written.
    mailed_after: int
    #: The latest of these, from that beginning on, in milliseconds; 0 for none.
    latest_ms: float
    #: People not mailed because they had left in time.
    spared: int

    def line(self) -> str:
        """Return it as a person reads it."""
        pace = f"{self.per_second:g} mails/s" if self.per_second else "full speed"
        return (
            f"{pace:<12} {self.requests} requests, {self.answered_200} answered 200, {self.lost} "
            f"lost; answers median {self.median_ms:.0f} p99 {self.p99_ms:.0f} max {self.max_ms:.0f} "
            f"ms; {self.mails} mails meanwhile, {self.spared} people spared, {self.mailed_after} "
            f"given DATA after, the latest {self.latest_ms:.0f} ms after"
        )


def run(ground: Ground, per_second: float, requests: int, rate: float) -> Left:
    """Press so many buttons while the mailing runs, once."""
    folder = ground.workspace("none")
    sink_port, web_port = free_port(), free_port()
    _set_port(folder, web_port)
    wanted, by_delivery = _wanted(folder, ground.people, requests, per_second)
    for_s = requests / rate + 2 * AROUND_S
    os.sync()
    with (
        _child("bench.clocking_sink", "--port", str(sink_port)) as sink,
        _child("bench.leaving", "--web", str(folder)) as web,
    ):
        await_port(sink_port)
        await_port(web_port)
        options = ["--port", str(sink_port), "--for-s", str(for_s)]
        options += ["--per-second", str(per_second), "--behind"]
        with _child("bench.sender", str(folder), *options) as sender:
            time.sleep(AROUND_S)
            pressed = _press(wanted, web_port, rate)
            sender.communicate()
        data_at = {int(number): at for number, at in json.loads(_stop(sink)).items()}
        _stop(web)
    return _judge(folder, per_second, pressed, data_at, by_delivery)


def _wanted(
    folder: Path, people: int, requests: int, per_second: float
) -> tuple[list[str], dict[int, int]]:
    """Return who presses, spread over those who are mailed meanwhile, and whose each delivery is."""
    workspace = Workspace.open(folder)
    keys, tokens = workspace.service_keys, workspace.tokens
    numbers = {
        keys.address_digest(normalize_address(person_address(number)).normal_form): number
        for number in range(people)
    }
    with workspace.store.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT id, supporter_id, address_digest FROM delivery WHERE state = 'due' ORDER BY id"
        ).all()
    workspace.store.close()
    if per_second:
        # Those who come next, in any order: some have pressed when their turn comes, some have not.
        chosen = rows[:requests]
        random.Random(requests).shuffle(chosen)
    else:
        chosen = rows[:: max(len(rows) // requests, 1)][:requests]
    by_delivery = {row.id: numbers[row.address_digest] for row in rows}
    return [
        f"{by_delivery[row.id]} {tokens.person(Purpose.UNSUBSCRIBE, row.id, row.supporter_id)}"
        for row in chosen
    ], by_delivery


def _judge(
    folder: Path,
    per_second: float,
    pressed: Sequence[Sequence[float]],
    data_at: dict[int, float],
    by_delivery: dict[int, int],
) -> Left:
    with closing(sqlite3.connect(Workspace.open(folder).config.data_dir / "mailer.db")) as database:
        begun = {
            by_delivery[delivery_id]: at / 1_000_000
            for delivery_id, at in database.execute("SELECT delivery_id, at FROM unsubscription")
        }
        (spared,) = database.execute(
            "SELECT count(*) FROM delivery WHERE state = 'skipped' AND skip_reason = 'no_consent'"
        ).fetchone()
    after_ms = [
        (data_at[number] - at) * 1000
        for number, at in begun.items()
        if number in data_at and data_at[number] > at
    ]
    took_ms = sorted(one[3] for one in pressed)
    done = {int(one[0]) for one in pressed if one[2] == 200}
    return Left(
        per_second, len(pressed), len(done), len(done - set(begun)),
        took_ms[len(took_ms) // 2], took_ms[len(took_ms) * 99 // 100], took_ms[-1],
        len(data_at), len(after_ms), max(after_ms, default=0.0), spared,
    )  # fmt: skip


@dataclass(frozen=True)
class Told:
    """Whether answers tell a token of ours from one that is not."""

    #: Tokens drawn at random, and as many of people who leave for the first time.
    each: int
    #: Different answers, the date aside.
    answers: int
    median_ours_ms: float
    median_random_ms: float
    #: Of the times of both (Mann-Whitney): that they differ so much by chance.
    probability: float

    def line(self) -> str:
        """Return it as a person reads it."""
        return (
            f"{self.each} tokens of ours and as many random ones: {self.answers} different "
            f"answer(s), median {self.median_ours_ms:.1f} and {self.median_random_ms:.1f} ms, "
            f"p = {self.probability:.3f}"
        )


def tell_apart(ground: Ground, each: int, rate: float) -> Told:
    """Press with tokens of ours and with random ones, mixed, while nothing else goes on."""
    folder = ground.workspace("none")
    port = free_port()
    _set_port(folder, port)
    wanted, _ = _wanted(folder, ground.people, each, 0.0)
    alphabet = string.ascii_letters + string.digits + "-_"
    mixed = []
    for line in wanted:
        drawn = "".join(secrets.choice(alphabet) for _ in line.split()[1])
        mixed += [line, f"-1 {drawn}"]
    # In any order: what always follows the other kind meets what that one left behind.
    random.Random(each).shuffle(mixed)
    with _child("bench.leaving", "--web", str(folder)) as web:
        await_port(port)
        # What a process does for the first time takes longer.
        _press([f"-1 {'x' * 39}"] * 100, port, rate)
        pressed = _press(mixed, port, rate)
        _stop(web)
    ours = [one[3] for one in pressed if one[0] >= 0]
    others = [one[3] for one in pressed if one[0] < 0]
    return Told(
        each, len({one[4] for one in pressed}), statistics.median(ours),
        statistics.median(others), _mann_whitney(ours, others),
    )  # fmt: skip


def _mann_whitney(ours: Sequence[float], others: Sequence[float]) -> float:
    """Return the two-sided probability of the rank-sum test, by its normal approximation."""
    ranked = sorted([(one, True) for one in ours] + [(one, False) for one in others])
    ranks = sum(rank for rank, (_, is_ours) in enumerate(ranked, 1) if is_ours)
    count, other = len(ours), len(others)
    over = ranks - count * (count + 1) / 2 - count * other / 2
    deviation = math.sqrt(count * other * (count + other + 1) / 12)
    return math.erfc(abs(over) / deviation / math.sqrt(2))


@contextmanager
def _child(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def _stop(child: subprocess.Popen[str]) -> str:
    child.send_signal(signal.SIGTERM)
    said, _ = child.communicate()
    return said.splitlines()[-1] if said else ""


def _press(wanted: list[str], port: int, rate: float) -> list[list[float]]:
    command = ["--port", str(port), "--per-second", str(rate)]
    ended = subprocess.run(
        [sys.executable, "-m", "bench.clickers", *command],
        input="\n".join(wanted), check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(ended.stdout)


def _set_port(folder: Path, port: int) -> None:
    path = folder / "config.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("port = 8025", f"port = {port}"), encoding="utf-8")


def measure(folder: Path, people: int, requests: int, rate: float) -> Iterator[Left | Told]:
    """Yield what came of a run at full speed, of one at a mail a second, and of random tokens."""
    ground = make_ground(folder, people, ("none",))
    for per_second in (0.0, 1.0):
        yield run(ground, per_second, requests, rate)
    yield tell_apart(ground, requests, rate / 2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Unsubscribe while a mailing runs.")
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--rate", type=float, default=PER_SECOND, help="Requests a second.")
    parser.add_argument("--json", action="store_true", help="Print one line of JSON for each run.")
    parser.add_argument("--web", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.web:
        run_part(Part(Role.WEB), Workspace.open(options.web))
        return
    folder = Path(tempfile.mkdtemp(prefix="mailer-bench-"))
    try:
        for left in measure(folder, options.people, options.requests, options.rate):
            print(json.dumps(asdict(left)) if options.json else left.line(), flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
