"""Several at one database: writers keep nobody out, and who reads sees one state of it."""

import threading
import time

import pytest
from sqlalchemy.exc import SQLAlchemyError

from mailer.schedule.ticker import BREATHER_S
from mailer.store import tables


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
