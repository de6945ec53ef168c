"""How long freezing holds up others: the scheduler freezes a mailing while people unsubscribe.

In: how many invented people, on two lists that three tenths of them are both on. Out: seconds, how
long the write lock was held, how long each unsubscription waited, and the scheduler's memory beside
that of freezing 10,000. Scheduler and unsubscriptions are processes of their own on one SQLite
database, which is made once per size and copied for each run.

    python bench/freezing.py --people 100000 --people 1000000 --json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path

from mailer.app.planning import Wish, make_plan
from mailer.app.roles import run_part
from mailer.app.scheduling import schedule
from mailer.app.supervisor import Part, Role
from mailer.app.workspace import Workspace
from mailer.cli.workspace import make_workspace
from mailer.feedback.unsubscribe import unsubscribe
from mailer.model.audience import LanguageProfile, UnsubscriptionSource
from mailer.model.staff import BY_ITSELF
from mailer.statements.source import read_statement
from mailer.store import tables
from mailer.store.audience import profile_id, sync_lists
from mailer.store.engine import Connection, Store
from mailer.store.statements import save_revision
from mailer.tokens import Purpose

STATEMENT = "her-rights"
#: Seven tenths of the people are on the first, six tenths on the second, three tenths on both.
LISTS = ("harbor-news", "harbor-volunteers")
#: Beside this many the memory of a larger freezing is held.
FEW = 10_000
UNSUBSCRIBE_EVERY_S = 0.1
#: It may lie for long before it is frozen: the database is made once and kept.
GRACE_S = 10 * 365 * 86_400
_CHUNK = 20_000
_PROFILES = (
    LanguageProfile(("ru",), ()), LanguageProfile(("uk", "ru"), ()), LanguageProfile(("en",), ()),
    LanguageProfile(("be", "ru"), ()), LanguageProfile(("ro",), ("ru",)), LanguageProfile((), ()),
)  # fmt: skip
#: Of a delivery that was cleared away long ago: its tokens leave every list of the supporter.
_GONE_DELIVERY = 2**40


@dataclass(frozen=True)
class Frozen:
    """What one freezing came to."""

    people: int
    deliveries: int
    seconds: float
    lock_median_ms: float
    lock_p99_ms: float
    lock_max_ms: float
    unsubscriptions: int
    wait_median_ms: float
    wait_max_ms: float
    #: The scheduler's processor time: others that work on the machine change it little.
    scheduler_cpu_s: float
    scheduler_peak_mb: float

    def line(self) -> str:
        """Return it as a person reads it."""
        return (
            f"{self.people:>9} people  {self.seconds:6.1f} s, {self.scheduler_cpu_s:.1f} s of CPU  "
            f"lock median {self.lock_median_ms:.1f} p99 {self.lock_p99_ms:.1f} "
            f"max {self.lock_max_ms:.1f} ms  "
            f"{self.unsubscriptions} unsubscribed, wait median {self.wait_median_ms:.1f} "
            f"max {self.wait_max_ms:.1f} ms  {self.scheduler_peak_mb:.0f} MB"
        )


def run(people: int, folder: Path) -> Frozen:
    """Freeze a mailing to so many people once.

    Args:
        people: how many.
        folder: where the databases are made, and kept for the next run.
    """
    made = folder / f"freezing-{people}"
    if not made.exists():
        _make_ground(made, people)
    fresh = folder / "freezing-now"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(made, fresh)
    # Else the first commit that waits for the disk waits for the copy too.
    os.sync()
    try:
        with _child("--leaver", fresh, people) as leaver, _child("--scheduler", fresh) as scheduler:
            seconds, deliveries = _watch(fresh, scheduler)
            held = _stop(scheduler)
            waits = _stop(leaver)
    finally:
        shutil.rmtree(fresh)
    held_ms = sorted(held["held_ms"])
    return Frozen(
        people, deliveries, seconds, statistics.median(held_ms),
        held_ms[len(held_ms) * 99 // 100], held_ms[-1],
        len(waits["waits_ms"]), statistics.median(waits["waits_ms"]), max(waits["waits_ms"]),
        held["cpu_s"], held["peak_mb"],
    )  # fmt: skip


def _watch(folder: Path, scheduler: subprocess.Popen[str]) -> tuple[float, int]:
    """Return how long the mailing was freezing, and how many deliveries came of it."""
    with closing(sqlite3.connect(Workspace.open(folder).store.engine.url.database)) as database:
        begun = None
        while True:
            (state,) = database.execute("SELECT state FROM mailing").fetchone()
            if begun is None and state != "scheduled":
                begun = time.perf_counter()
            if begun is not None and state != "freezing":
                seconds = time.perf_counter() - begun
                break
            if scheduler.poll() is not None:
                raise RuntimeError("the scheduler ended")
            time.sleep(0.01)
        if state != "running":
            raise RuntimeError(f"the mailing is {state}")
        return seconds, database.execute("SELECT count(*) FROM delivery").fetchone()[0]


@contextmanager
def _child(role: str, folder: Path, people: int = 0) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, __file__, role, str(folder), "--people", str(people)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def _stop(child: subprocess.Popen[str]) -> dict:
    child.send_signal(signal.SIGTERM)
    said, _ = child.communicate()
    return json.loads(said.splitlines()[-1])


class _Timed(Store):
    """A database that notes how long each writing holds its lock, the commit included."""

    @contextmanager
    def writing(self, connection: Connection, *, patient: bool = False) -> Iterator[None]:
        """Make a transaction of a connection that may write; committed at the end."""
        with super().writing(connection, patient=patient):
            begun = time.perf_counter()
            yield
        held_ms.append((time.perf_counter() - begun) * 1000)


held_ms: list[float] = []


def run_scheduler(folder: Path) -> None:
    """Be the scheduler until SIGTERM; print how long it held the lock."""
    workspace = Workspace.open(folder)
    # What a cached property has found stands in the object's own table.
    workspace.__dict__["store"] = _Timed(workspace.store.engine)
    before = time.process_time()
    run_part(Part(Role.SCHEDULER), workspace)
    cpu_s = time.process_time() - before
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"held_ms": held_ms, "cpu_s": cpu_s, "peak_mb": peak_mb}))


def run_leaver(folder: Path, people: int) -> None:
    """Unsubscribe somebody every so often until SIGTERM; print how long each waited."""
    over: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: over.append(number))
    workspace = Workspace.open(folder)
    tokens, log = workspace.tokens, workspace.suppression_log
    someone = iter(random.Random(people).sample(range(1, people + 1), min(people, FEW)))
    waits_ms = []
    while not over:
        token = tokens.person(Purpose.UNSUBSCRIBE, _GONE_DELIVERY, next(someone))
        begun = time.perf_counter()
        done = unsubscribe(
            workspace.store, tokens, token, UnsubscriptionSource.ONE_CLICK, workspace.clock.now(),
            log,
        )  # fmt: skip
        waits_ms.append((time.perf_counter() - begun) * 1000)
        if not done.left:
            raise RuntimeError("nobody left")
        time.sleep(max(0.0, UNSUBSCRIBE_EVERY_S - waits_ms[-1] / 1000))
    print(json.dumps({"waits_ms": waits_ms}))


def _make_ground(folder: Path, people: int) -> None:
    """Make a workspace with so many people and a mailing to them that is due."""
    half_made = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(half_made, ignore_errors=True)
    workspace = make_workspace(half_made)
    now = workspace.clock.now()
    source, _ = read_statement(workspace.config.templates_dir / "statements" / STATEMENT, half_made)
    if source is None:
        raise ValueError("the sample statement has faults")
    definitions, _ = workspace.lists
    with workspace.store.write() as connection:
        save_revision(connection, source, now)
        ids = sync_lists(connection, list(definitions.values()), now)
        list_ids = [ids[key] for key in LISTS]
        profiles = [profile_id(connection, one) for one in _PROFILES]
        organisation_id = (
            connection.execute(
                tables.mailing_list.select().where(tables.mailing_list.c.id == list_ids[0])
            )
            .one()
            .organisation_id
        )
        batches = [
            connection.execute(
                tables.import_batch.insert()
                .values(list_id=one, started_at=now, finished_at=now)
                .returning(tables.import_batch.c.id)
            ).scalar_one()
            for one in list_ids
        ]
    workspace.store.engine.dispose()
    with closing(sqlite3.connect(workspace.store.engine.url.database)) as database:
        database.execute("PRAGMA synchronous = OFF")
        _insert_people(database, people, now, organisation_id, list_ids, batches, profiles)
    plan = make_plan(workspace, Wish(STATEMENT, LISTS))
    due_at = now - timedelta(seconds=1)
    schedule(workspace, BY_ITSELF, plan, due_at=due_at, time_zone="UTC", grace_s=GRACE_S)
    workspace.store.close()
    half_made.rename(folder)


def _insert_people(
    database: sqlite3.Connection,
    people: int,
    now: datetime,
    organisation_id: int,
    list_ids: Sequence[int],
    batches: Sequence[int],
    profiles: Sequence[int],
) -> None:
    dice = random.Random(20_261_126)
    at = int(now.timestamp() * 1_000_000)
    for first in range(1, people + 1, _CHUNK):
        numbers = range(first, min(first + _CHUNK, people + 1))
        digests = {number: blake2b(b"%d" % number, digest_size=16).digest() for number in numbers}
        with database:
            database.executemany(
                "INSERT INTO supporter (id, organisation_id, address_digest, address_sealed,"
                " fields_sealed, profile_id, country, time_zone, domain_digest, created_at,"
                " updated_at) VALUES (?, ?, ?, ?, ?, ?, 'MD', ?, ?, ?, ?)",
                (
                    (number, organisation_id, digests[number], dice.randbytes(57),
                     dice.randbytes(100), dice.choice(profiles), dice.choice(("", "Europe/Berlin")),
                     digests[number], at, at)
                    for number in numbers
                ),
            )  # fmt: skip
            for list_id, batch, members in (
                (list_ids[0], batches[0], [one for one in numbers if one % 10 < 7]),
                (list_ids[1], batches[1], [one for one in numbers if one % 10 >= 4]),
            ):
                database.executemany(
                    "INSERT INTO membership (list_id, supporter_id, state, consent_basis,"
                    " consent_source_sealed, added_at, batch_id)"
                    " VALUES (?, ?, 'subscribed', 'consent', ?, ?, ?)",
                    ((list_id, one, dice.randbytes(90), at, batch) for one in members),
                )
            database.executemany(
                "INSERT INTO suppression (address_digest, scope, reason, source, since)"
                " VALUES (?, 'all', 'bounced', 'bounce', ?)",
                ((digests[number], at) for number in numbers if number % 97 == 0),
            )


def main() -> None:
    """Freeze for each count and print the figures."""
    parser = argparse.ArgumentParser(description="Freeze mailings while people unsubscribe.")
    parser.add_argument("--people", type=int, action="append", help="How many; may be repeated.")
    parser.add_argument("--folder", type=Path, help="Where databases are kept between runs.")
    parser.add_argument("--json", action="store_true", help="Print one line of JSON for each.")
    parser.add_argument("--scheduler", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--leaver", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.scheduler:
        run_scheduler(options.scheduler)
    elif options.leaver:
        run_leaver(options.leaver, options.people[0])
    else:
        with tempfile.TemporaryDirectory() as name:
            for people in options.people or [FEW, 100_000]:
                frozen = run(people, options.folder or Path(name))
                print(json.dumps(asdict(frozen)) if options.json else frozen.line(), flush=True)


if __name__ == "__main__":
    main()
