"""Clear away, once an hour, what `[retention]` says is old: rows in small chunks, and files.

In: the database, the folders, how many days each thing is kept, the time. Out: old attempts and
deliveries made into counts, old journals and reject files deleted. A step does a little and lets
the next tick go on, so that nobody who leaves waits for it; what is not done is found again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mailer.clock import Clock
from mailer.delivery.journal import KEPT_SUFFIX
from mailer.delivery.survival import note_cleared
from mailer.events import emit, warn
from mailer.model.uploads import UPLOAD_WINDOW
from mailer.store.alerts import forget_alerts
from mailer.store.engine import Connection, Store
from mailer.store.own_data import CHANGE_WINDOW, forget_changes
from mailer.store.pacing import forget_paces
from mailer.store.retention import (
    clear_attempts,
    clear_deliveries,
    clear_feedback,
    clear_service_mails,
    clear_workers,
    drop_raw_feedback,
)
from mailer.store.sign_ups import clear_sign_ups
from mailer.store.undo import forget_old_changes
from mailer.store.uploads import forget_uploads

EVERY = timedelta(hours=1)
#: Rows of one transaction: far below 50 ms of write lock.
CHUNK = 100
#: The same of large rows.
FEW = 10
#: A step clears this long, then lets the ticker tick.
BUDGET_S = 0.3
#: Between two chunks the write lock is free for others.
BREATHER_S = 0.005


@dataclass(frozen=True)
class Retention:
    """How long things are kept, and where those lie that are files."""

    attempts: timedelta
    journals: timedelta
    deliveries: timedelta
    rejects: timedelta
    #: What imports overwrote: so long they can be undone.
    undo: timedelta
    #: What came back, as it came; what it says is kept as long as deliveries.
    feedback: timedelta
    journal_dir: Path
    rejects_dir: Path


class Housekeeper:
    """Clears, a step at a time, while its process holds the scheduler's lease."""

    def __init__(self, store: Store, clock: Clock, retention: Retention) -> None:
        self._store = store
        self._clock = clock
        self._retention = retention
        self._next_at: datetime | None = None
        #: The attempt after which to go on; None when this hour's are done.
        self._position: int | None = 0
        self._cleared = {"attempts": 0, "deliveries": 0, "others": 0, "files": 0}

    def step(self) -> bool:
        """Clear for a moment if it is time; return whether there is more to do.

        Raises:
            StoreUnavailable: when the database does not answer; nothing is lost.
        """
        now = self._clock.now()
        # Further ahead than that is an hour from before the clock was set back.
        if self._next_at is not None and now < self._next_at <= now + EVERY:
            return False
        begun = self._clock.monotonic()
        while self._clock.monotonic() - begun < BUDGET_S:
            if not self._chunk(now):
                self._end(now)
                return False
            time.sleep(BREATHER_S)
        return True

    def _chunk(self, now: datetime) -> bool:
        kept = self._retention
        with self._store.write(patient=True) as connection:
            if self._position is not None:
                before = now - kept.attempts
                done = clear_attempts(connection, self._position, before, CHUNK)
                self._position = done.position
                self._cleared["attempts"] += done.rows
                return True
            gone = clear_deliveries(connection, now - kept.deliveries, CHUNK, now)
            self._cleared["deliveries"] += gone
            more = self._clear_rest(connection, now) if not gone else 0
            return gone + more > 0

    def _clear_rest(self, connection: Connection, now: datetime) -> int:
        kept = self._retention
        rows = clear_service_mails(connection, now - kept.attempts, CHUNK)
        rows += drop_raw_feedback(connection, now - kept.feedback, CHUNK)
        rows += clear_feedback(connection, now - kept.deliveries, CHUNK)
        rows += forget_old_changes(connection, now - kept.undo, CHUNK)
        rows += clear_sign_ups(connection, now, CHUNK)
        rows += forget_changes(connection, now - CHANGE_WINDOW, CHUNK)
        # Each chunk is tens of thousands of octets, which secure deletion writes over.
        rows += forget_uploads(connection, now - UPLOAD_WINDOW, FEW)
        forget_alerts(connection, now - kept.attempts)
        clear_workers(connection, now - kept.journals)
        forget_paces(connection, now)
        self._cleared["others"] += rows
        return rows

    def _end(self, now: datetime) -> None:
        kept = self._retention
        if kept.journal_dir.is_dir():
            note_cleared(kept.journal_dir, now - kept.journals)
        for folder, pattern, age in (
            (kept.journal_dir, f"*{KEPT_SUFFIX}", kept.journals),
            (kept.rejects_dir, "*.csv", kept.rejects),
        ):
            self._cleared["files"] += _clear_files(folder, pattern, now - age)
        if any(self._cleared.values()):
            emit("cleared away", **self._cleared)
        self._cleared = dict.fromkeys(self._cleared, 0)
        self._position = 0
        self._next_at = now + EVERY


def _clear_files(folder: Path, pattern: str, before: datetime) -> int:
    cleared = 0
    for path in folder.glob(pattern):
        try:
            if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                path.unlink()
                cleared += 1
        except OSError as error:
            warn("an old file cannot be deleted", file=path.name, reason=error.strerror)
    return cleared
