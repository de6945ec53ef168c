"""Several writers on one SQLite database: nobody is kept out by one who always comes back."""

import threading
import time

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
