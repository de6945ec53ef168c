"""The sender when relays die, lines are cut, disks are full, databases locked, clocks stepped.

Whatever happens: once it is over everybody was mailed once, or is in doubt and at most once.
"""

import asyncio
import contextlib
import os
import random
import resource
import sqlite3
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from mailer.delivery import engine as engine_module
from mailer.delivery.journal import SUFFIX, JournalFull, replay
from mailer.delivery.session import Encryption, RelaySettings, Timeouts
from mailer.model.states import DeliveryState
from mailer.store import engine as store_engine
from mailer.store import tables
from mailer.store.engine import open_store
from tests.smtp.test_engine import _engine, _run_until_done, _states
from tests.support.clocks import SteppedClock
from tests.support.ground import lay_ground
from tests.support.line import Line, Trouble
from tests.support.sink import Sink

PEOPLE = [f"p{n}@example.org" for n in range(80)]
CONNECTIONS = 4
PATIENT = Timeouts(5, 5, 5, 5, 5)
SHORT = Timeouts(2, 2, 2, 2, 2)


async def _until(condition, patience_s=30):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


@dataclass
class World:
    """A running mailing, the relay it goes to, and what makes a sender of it."""

    store: object
    mailing: int
    sink: Sink
    #: `engine(store=…, port=…, …)`.
    engine: object
    folder: object

    async def until(self, count):
        """Wait until the relay has accepted so many."""
        await _until(lambda: len(self.sink.recipients) >= count)

    def check(self, doubts_at_most, store=None):
        """Hold the database against what the relay accepted; return how many are in doubt."""
        states = _states(store or self.store, self.mailing)
        doubts = states.get(DeliveryState.IN_DOUBT, 0)
        assert {1} == set(self.sink.recipients.values())
        assert {DeliveryState.ACCEPTED, DeliveryState.IN_DOUBT} >= states.keys()
        assert doubts <= doubts_at_most
        assert len(PEOPLE) - doubts <= len(self.sink.recipients)
        return doubts


@pytest.fixture
async def world(sqlite_store, seal_keys, service_keys, tokens, tmp_path):
    """Everything but the mishap."""
    mailing, list_id = lay_ground(sqlite_store, seal_keys, service_keys, PEOPLE)
    sink = Sink(Path(os.devnull), wait_s=0.01, dice=random.Random(1))
    await sink.start()
    sink.admit(10**9)

    def engine(store=sqlite_store, port=0, folder=tmp_path, timeouts=PATIENT, **changes):
        relay = RelaySettings("test", "127.0.0.1", port or sink.port, Encryption.NONE,
                              connections=CONNECTIONS, timeouts=timeouts)  # fmt: skip
        return _engine(store, seal_keys, tokens, folder, 0, list_id, relay=relay,
                       **{"shutdown_grace_s": 1.0, **changes})  # fmt: skip

    yield World(sqlite_store, mailing, sink, engine, tmp_path)
    await sink.close()


@contextlib.asynccontextmanager
async def _running(engine):
    stop = asyncio.Event()
    task = asyncio.create_task(engine.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait({task})


async def test_a_relay_that_dies_and_comes_back_gets_everybody_once(world):
    """What it had not accepted is sent to it again; in doubt is what it died over."""
    async with _running(world.engine()):
        await world.until(20)
        await world.sink.stop()
        await asyncio.sleep(0.3)
        await world.sink.start(world.sink.port)
        await world.until(60)
    await _run_until_done(world.engine(), world.store, world.mailing)
    world.check(CONNECTIONS)


@pytest.mark.parametrize("trouble", Trouble)
async def test_a_line_that_is_cut_leaves_in_doubt_only_what_was_on_it(world, trouble):
    """Whether both ends are told, one, or none: nobody is missed, and nobody mailed twice."""
    line = Line(world.sink.port)
    await line.start()
    async with _running(world.engine(port=line.port, timeouts=SHORT)):
        await world.until(20)
        line.cut(trouble)
        await asyncio.sleep(0.3)
        line.mend()
        await world.until(50)
    await _run_until_done(world.engine(port=line.port, timeouts=SHORT), world.store, world.mailing)
    line.close()
    world.check(CONNECTIONS)


async def test_a_database_locked_for_long_keeps_outcomes_back_and_loses_none(
    world, monkeypatch, caplog
):
    """Another program holds the lock: what is claimed is sent, and recorded once it can be."""
    monkeypatch.setattr(store_engine, "BUSY_TIMEOUT_S", 0.2)
    async with _running(world.engine()):
        await world.until(10)
        other = sqlite3.connect(world.store.engine.url.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await _until(lambda: "outcomes kept back" in caplog.text)
        other.execute("ROLLBACK")
        other.close()
        await world.until(len(PEOPLE))
    assert 0 == world.check(0)


async def test_a_stop_while_the_database_is_locked_leaves_the_outcomes_to_the_journal(
    world, monkeypatch, caplog
):
    """It ends all the same; the next sender records them as they were, and mails nobody again."""
    monkeypatch.setattr(store_engine, "BUSY_TIMEOUT_S", 0.2)
    other = sqlite3.connect(world.store.engine.url.database, isolation_level=None)
    async with _running(world.engine()) as task:
        await world.until(10)
        other.execute("BEGIN IMMEDIATE")
        await asyncio.sleep(0.1)
    assert task.exception() is None
    assert "outcomes left to the journal" in caplog.text
    other.execute("ROLLBACK")
    other.close()
    await _run_until_done(world.engine(), world.store, world.mailing)
    assert 0 == world.check(0)


async def test_a_database_that_refuses_outcomes_ends_the_sender_and_loses_none(world, caplog):
    """Whatever it says: nothing more is sent, it is said, and the journal has the replies."""
    with world.store.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER broken BEFORE INSERT ON attempt "
            "WHEN (SELECT count(*) FROM attempt) >= 10 BEGIN SELECT RAISE(ABORT, 'out of order'); END"
        )
    async with _running(world.engine()) as task:
        await asyncio.wait({task}, timeout=20)
        assert task.done()
    assert "out of order" in str(task.exception())
    assert "outcomes refused by the database: left to the journal" in caplog.text
    assert ["sending stops"] == [
        one.message for one in caplog.records if one.levelname == "WARNING"
    ]
    assert len(world.sink.recipients) < len(PEOPLE)
    with world.store.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER broken")
    await _run_until_done(world.engine(), world.store, world.mailing)
    assert 0 == world.check(0)


async def test_a_full_disk_keeps_outcomes_back_until_there_is_room(world, caplog):
    """Nothing grows any more: what was claimed is sent and kept, and no other sender begins."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with _running(world.engine()) as task:
        await world.until(20)
        # No file of this process can be written beyond this, as if the disk were full.
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        try:
            await _until(lambda: "outcomes kept back" in caplog.text)
            assert "the disk is full or failing" in caplog.text
            with pytest.raises(JournalFull):
                await world.engine().run(asyncio.Event())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        await world.until(len(PEOPLE))
    assert task.exception() is None
    assert 0 == world.check(0)


async def test_a_journal_that_cannot_be_synced_stops_the_sender(world, monkeypatch, caplog):
    """A disk that fails may have lost what was written: nothing more is sent, and it is said."""
    monkeypatch.setattr(engine_module, "SYNC_S", 0.1)
    real = os.fdatasync

    def failing(descriptor):
        if len(world.sink.recipients) > 20:
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", failing)
    with pytest.raises(JournalFull):
        await asyncio.wait_for(world.engine().run(asyncio.Event()), 20)
    (said,) = [one.fields["reason"] for one in caplog.records if "sending stops" in one.message]
    assert "the journal cannot be written: Input/output error" == said
    monkeypatch.undo()
    await _run_until_done(world.engine(), world.store, world.mailing)
    assert 0 == world.check(0)


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_clock_that_is_set_loses_and_repeats_nothing(world, hours):
    """What decides whether a mail may go is measured in seconds that nobody can set."""
    clock = SteppedClock()
    async with _running(world.engine(clock=clock)):
        await world.until(20)
        clock.step = timedelta(hours=hours)
        await world.until(60)
    await _run_until_done(world.engine(), world.store, world.mailing)
    assert 0 == world.check(0)


@dataclass
class Disk:
    """What a power cut leaves: each journal as it was when it was last synced."""

    synced: dict[int, bytes] = field(default_factory=dict)

    def noting(self, fdatasync):
        """Return `fdatasync` with a note of what it made safe."""

        def sync(descriptor):
            fdatasync(descriptor)
            content = Path(f"/proc/self/fd/{descriptor}").read_bytes()
            self.synced[os.fstat(descriptor).st_ino] = content

        return sync

    def cut(self, source, database, target):
        """Write to `target` what is there after the power came back.

        SQLite syncs its log at every commit, so that what was committed is there.
        """
        (target / "journal").mkdir(parents=True)
        for path in (source / "journal").glob(f"*{SUFFIX}"):
            (target / "journal" / path.name).write_bytes(self.synced[path.stat().st_ino])
        with (
            contextlib.closing(sqlite3.connect(database)) as there,
            contextlib.closing(sqlite3.connect(target / "test.db")) as here,
        ):
            there.backup(here)


@pytest.mark.parametrize("lost", ["what was not synced", "the journal"])
async def test_after_a_power_cut_what_was_claimed_is_in_doubt_and_nobody_is_mailed_twice(
    world, monkeypatch, lost
):
    """A reply that reached the disk is recorded; the rest of the claims could have been sent."""
    disk = Disk()
    monkeypatch.setattr(os, "fdatasync", disk.noting(os.fdatasync))
    monkeypatch.setattr(engine_module, "SYNC_S", 0.1)
    after = world.folder / "after"
    accept, ended = world.sink.accept, asyncio.Event()

    def accept_and_cut(mail):
        if not ended.is_set() and len(world.sink.recipients) == 50:
            # Nothing that happens from here on has happened.
            disk.cut(world.folder, world.store.engine.url.database, after)
            ended.set()
        elif not ended.is_set():
            accept(mail)

    world.sink.accept = accept_and_cut
    async with _running(world.engine(shutdown_grace_s=0.1)):
        await asyncio.wait_for(ended.wait(), 30)
        await world.sink.stop()
    world.sink.accept = accept
    for place in ("journal", "recovery", "engine"):
        monkeypatch.setattr(f"mailer.delivery.{place}.boot_id", lambda: "another boot")
    (journal,) = (after / "journal").glob(f"*{SUFFIX}")
    replies = replay(journal.read_bytes(), journal.stem).marked
    if lost == "the journal":
        journal.unlink()
        replies = {}
    store = open_store(f"sqlite:///{after / 'test.db'}")
    with store.read() as connection:
        claimed = connection.execute(
            tables.delivery.select().where(tables.delivery.c.state == DeliveryState.SENDING)
        ).all()
    known = {number for (number, _), reply in replies.items() if reply is not None}
    unknown = {row.id for row in claimed} - known
    await world.sink.start(world.sink.port)
    await _run_until_done(world.engine(store=store, folder=after), store, world.mailing)
    assert len(unknown) == world.check(len(unknown), store)
    assert unknown
    with store.read() as connection:
        doubted = connection.execute(
            tables.delivery.select().where(tables.delivery.c.state == DeliveryState.IN_DOUBT)
        ).all()
    assert unknown == {row.id for row in doubted}
    store.close()
