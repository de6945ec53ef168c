"""Take SQLite's one write lock in turns: who writes for a visitor goes before who can wait.

In: a connection, and whether its writing can wait. Out: a transaction that may write. Who writes lot
after lot, as senders, freezing and imports do, leaves the lock free often but never for long: without
turns an unsubscription waits for several of their lots.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

#: How long SQLite itself waits each time it is asked for the write lock: a few short looks.
ASK_AGAIN_MS = 5
#: How long whoever can wait lets others go first; from then on they ask as everybody does.
PATIENCE_S = 0.25
#: How often they look whether somebody still goes first.
LOOK_S = 0.002


def take_turn(connection: Connection, folder: Path, timeout_s: float, *, patient: bool) -> None:
    """Begin a transaction that may write, asking for the lock every few milliseconds.

    SQLite's own waiting soon asks only every tenth of a second.

    Args:
        connection: whose transaction begins.
        folder: of the database; a shared lock on it, which ends with its process, tells those who
            are patient that somebody waits.
        timeout_s: how long is asked.
        patient: lets others go first.

    Raises:
        OperationalError: when the lock was not to be had for so long.
    """
    # Past SQLAlchemy, which takes a hundred times as long to say that the lock is not free yet.
    asking: sqlite3.Cursor = connection.connection.cursor()  # type: ignore[assignment]
    asking.execute(f"PRAGMA busy_timeout = {ASK_AGAIN_MS}")
    try:
        if not (_asked_patiently if patient else _asked)(asking, folder, timeout_s):
            # Once more by SQLAlchemy, in whose errors everybody looks for the reason.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        asking.execute(f"PRAGMA busy_timeout = {int(timeout_s * 1000)}")
        asking.close()


def fitting(count: int, held_s: float, target_s: float, fewest: int, most: int) -> int:
    """Return how many the next lot takes, from how long one of `count` held the lock.

    It grows by half at most, so that one lucky lot is not followed by a long one, and shrinks at
    once.

    Args:
        count: how many the last lot took.
        held_s: how long it held the lock, in seconds.
        target_s: how long a lot should.
        fewest: no lot is smaller.
        most: nor larger.
    """
    if held_s <= 0:
        return count
    return max(fewest, min(int(count * target_s / held_s), count + count // 2, most))


def _asked(asking: sqlite3.Cursor, folder: Path, timeout_s: float) -> bool:
    """Take the lock, telling others of it while it is waited for; False when it is not to be had."""
    end = time.monotonic() + timeout_s
    if _ask(asking):
        return True
    with _opened(folder) as mark:
        if mark is not None:
            fcntl.flock(mark, fcntl.LOCK_SH)
        while time.monotonic() < end:
            if _ask(asking):
                return True
    return False


def _asked_patiently(asking: sqlite3.Cursor, folder: Path, timeout_s: float) -> bool:
    """Take the lock once nobody waits who goes first; False when it is not to be had."""
    begun = time.monotonic()
    with _opened(folder) as mark:
        while (waited_s := time.monotonic() - begun) < timeout_s:
            if waited_s < PATIENCE_S and _somebody_waits(mark):
                time.sleep(LOOK_S)
            elif _ask(asking):
                return True
    return False


def _ask(asking: sqlite3.Cursor) -> bool:
    try:
        asking.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    return True


@contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """Give the folder to put a mark on; None where there are no such marks."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _somebody_waits(mark: int | None) -> bool:
    if mark is None:
        return False
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(mark, fcntl.LOCK_UN)
    return False
