"""Several at one database: writers keep nobody out, and who reads sees one state of it."""

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from mailer.delivery.claims import Claimer, Material
from mailer.model.routing import single_route
from mailer.schedule.ticker import BREATHER_S
from mailer.store import tables
from mailer.store.claims import ClaimTerms
from mailer.store.turns import PATIENCE_S, fitting
from tests.support.clocks import FixedClock
from tests.support.ground import PlainComposer, lay_ground


def test_a_writer_gets_in_beside_one_that_writes_range_after_range(sqlite_store):
    """As an unsubscription does while a large mailing is frozen: in a moment, not in seconds."""
    over = threading.Event()

    def freeze():
        while not over.is_set():
            with sqlite_store.write() as connection:
                connection.execute(tables.setting.select())
                time.sleep(0.025)
            time.sleep(BREATHER_S)

    freezing = threading.Thread(target=freeze)
    freezing.start()
    waits = []
    try:
        for number in range(20):
            begun = time.monotonic()
            with sqlite_store.write() as connection:
                waits.append(time.monotonic() - begun)
                connection.execute(tables.setting.insert().values(name=str(number), value=""))
            time.sleep(0.01)
    finally:
        over.set()
        freezing.join()
    assert [wait for wait in waits if wait > 1] == []


def _begin(store, *, patient, turns):
    """Wait for a turn in another thread; the order in which they got it is in `turns`."""

    def write():
        with store.write(patient=patient):
            turns.append(patient)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def _refuse(*_arguments):
    raise PermissionError


def test_who_can_wait_lets_others_go_first(sqlite_store):
    """As a sender's outcomes do for an unsubscription that came after them."""
    turns = []
    with sqlite_store.write():
        waiting = [_begin(sqlite_store, patient=True, turns=turns) for _ in range(3)]
        time.sleep(0.05)
        waiting.append(_begin(sqlite_store, patient=False, turns=turns))
        time.sleep(0.05)
    for thread in waiting:
        thread.join()
    assert [False, True, True, True] == turns


def test_nobody_waits_for_ever(sqlite_store):
    """Whoever is patient asks as the others do after a while, however many of them still wait."""
    folder = Path(sqlite_store.engine.url.database).parent
    mark = os.open(folder, os.O_RDONLY)
    fcntl.flock(mark, fcntl.LOCK_SH)
    begun = time.monotonic()
    with sqlite_store.write(patient=True):
        waited_s = time.monotonic() - begun
    os.close(mark)
    assert PATIENCE_S <= waited_s < 5
    begun = time.monotonic()
    with sqlite_store.write(patient=True):
        assert time.monotonic() - begun < PATIENCE_S


def test_where_the_folder_cannot_be_marked_everybody_writes_all_the_same(sqlite_store, monkeypatch):
    """Then nobody knows who waits."""
    monkeypatch.setattr("mailer.store.turns.os.open", _refuse)
    turns = []
    with sqlite_store.write():
        waiting = [_begin(sqlite_store, patient=one, turns=turns) for one in (True, False)]
        time.sleep(0.02)
    for thread in waiting:
        thread.join()
    assert [False, True] == sorted(turns)


@pytest.mark.parametrize(
    ("count", "held_s", "wanted"),
    [
        (5000, 0.040, 2500),
        (5000, 0.010, 7500),
        (5000, 0.016, 6250),
        (1200, 1.0, 1000),
        (19_000, 0.001, 20_000),
        (5000, 0.0, 5000),
    ],
)
def test_the_next_lot_follows_how_long_the_last_held_the_lock(count, held_s, wanted):
    """It shrinks at once, grows by half at most, and stays within bounds."""
    assert wanted == fitting(count, held_s, 0.020, 1_000, 20_000)


class _Hurried(FixedClock):
    """A clock by which claims hold the lock for as long as a test says."""

    held_s = 0.0

    def monotonic(self):
        self.forward(seconds=self.held_s)
        return super().monotonic()


def test_claims_shrink_where_they_hold_the_lock_for_long(sqlite_store, seal_keys, service_keys):
    """And grow again: an unsubscription waits for one of them at most."""
    people = [f"p{number}@example.org" for number in range(400)]
    _, list_id = lay_ground(sqlite_store, seal_keys, service_keys, people)
    clock = _Hurried()
    claimer = Claimer(
        sqlite_store, seal_keys, "worker", lambda _: Material(PlainComposer(), {list_id: "news"}), clock,
        lambda: ClaimTerms("main", single_route("main")),
    )  # fmt: skip
    sizes = []
    for held_s in (0.1, 0.001, 0.001):
        clock.held_s = held_s
        sizes.append(len(claimer.claim(200).claims))
    assert [200, 50, 75] == sizes


def test_who_reads_sees_one_state(store):
    """What is written meanwhile is seen by the next one."""
    with store.read() as reading:
        assert [] == reading.execute(tables.setting.select()).all()
        with store.write() as connection:
            connection.execute(tables.setting.insert().values(name="a", value="b"))
        assert [] == reading.execute(tables.setting.select()).all()
    with store.read() as reading:
        assert [("a", "b")] == reading.execute(tables.setting.select()).all()


def test_an_error_of_the_database_tells_no_values(store):
    """They may be of a person: it goes to logs and terminals."""
    row = {"name": "a", "value": "Mara Lind"}
    with store.write() as connection:
        connection.execute(tables.setting.insert().values(row))
        with pytest.raises(SQLAlchemyError) as caught:
            connection.execute(tables.setting.insert().values(row))
        connection.rollback()
    assert "Lind" not in str(caught.value)
