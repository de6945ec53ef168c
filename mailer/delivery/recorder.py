"""Write outcomes to the database in batches, and tell the journal that they are there.

In: outcomes, skips and claims given back, as they come. Out: one transaction every fraction of a
second. A database that does not answer loses nothing: the batch is kept and tried again. One that
refuses the batch for another reason ends the sender: every reply stands in the journal, and whoever
takes the claims over records them from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime

from mailer.clock import Clock
from mailer.delivery.journal import Journal
from mailer.delivery.outcomes import log_outcomes
from mailer.delivery.work import Books
from mailer.events import failed, warn
from mailer.model.states import DeliveryState, SkipReason
from mailer.store.deliveries import Recorded
from mailer.store.engine import Connection, Store, StoreUnavailable

FLUSH_S = 0.1
RETRY_S = 1.0
#: Writes something beside the outcomes, in their transaction.
Note = Callable[[Connection, datetime], None]


@dataclass
class _Batch:
    """What waits to be written."""

    recorded: list[Recorded] = field(default_factory=list)
    skipped: list[tuple[int, SkipReason]] = field(default_factory=list)
    given_back: list[int] = field(default_factory=list)
    #: Mailings' row ids → why they are held.
    held: dict[int, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def __len__(self) -> int:
        outcomes = len(self.recorded) + len(self.skipped) + len(self.given_back)
        return outcomes + len(self.held) + len(self.notes)


class Recorder:
    """Collects outcomes and writes them."""

    def __init__(
        self,
        store: Store,
        worker: str,
        journal: Journal,
        clock: Clock,
        executor: Executor,
        *,
        books: Books,
        held: Callable[[int], None],
    ) -> None:
        """Keep what it works with.

        Args:
            store: the database.
            worker: whose claims these are.
            journal: told which outcomes are on record.
            clock: says when.
            executor: runs what blocks.
            books: where the ends of these claims are written.
            held: told of each mailing whose hold is committed.
        """
        self._store = store
        self._worker = worker
        self._journal = journal
        self._clock = clock
        self._executor = executor
        self._books = books
        self._held = held
        self._batch = _Batch()
        self.written = 0
        #: How many of those are in doubt.
        self.doubts = 0

    @property
    def waiting(self) -> int:
        """Return how many outcomes are not in the database yet."""
        return len(self._batch)

    def record(self, one: Recorded) -> None:
        """Take the end of an attempt."""
        self._batch.recorded.append(one)

    def skip(self, delivery_id: int, reason: SkipReason) -> None:
        """Take a delivery that will not go."""
        self._batch.skipped.append((delivery_id, reason))

    def give_back(self, delivery_id: int) -> None:
        """Take a claim that was never ended; it is due again."""
        self._batch.given_back.append(delivery_id)

    def hold(self, mailing_id: int, reason: str) -> None:
        """Take a mailing that cannot go on without a person."""
        self._batch.held[mailing_id] = reason

    def note(self, note: Note) -> None:
        """Take something else to be written with the next batch."""
        self._batch.notes.append(note)

    async def run(self, stop: asyncio.Event) -> None:
        """Write a batch every fraction of a second until `stop`, then what is left.

        What the database does not take at the end is left to the journal.

        Raises:
            Exception: what the database said of a batch that it refused.
            JournalFull: when the journal cannot be written anew.
        """
        while not stop.is_set() or self.waiting:
            ending = stop.is_set()
            if not self.waiting or not await self.flush():
                if ending and self.waiting:
                    warn("outcomes left to the journal", waiting=self.waiting)
                    return
                await asyncio.sleep(RETRY_S if self.waiting else FLUSH_S)
            elif not stop.is_set():
                await asyncio.sleep(FLUSH_S)

    async def flush(self) -> bool:
        """Write what waits in one transaction; False when the database did not take it."""
        batch, self._batch = self._batch, _Batch()
        if not len(batch):
            return True
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._executor, self._write, batch)
        except StoreUnavailable:
            failed("outcomes kept back: the database does not answer", waiting=len(batch))
            # What came meanwhile stands behind what could not be written.
            batch.recorded += self._batch.recorded
            batch.skipped += self._batch.skipped
            batch.given_back += self._batch.given_back
            batch.held |= self._batch.held
            batch.notes += self._batch.notes
            self._batch = batch
            return False
        except Exception:
            failed("outcomes refused by the database: left to the journal", waiting=len(batch))
            raise
        self._journal.read((one.result.delivery_id, one.attempt_number) for one in batch.recorded)
        self.written += len(batch.recorded)
        self.doubts += sum(one.state is DeliveryState.IN_DOUBT for one in batch.recorded)
        for mailing_id in batch.held:
            self._held(mailing_id)
        return True

    def _write(self, batch: _Batch) -> None:
        now = self._clock.now()
        with self._store.write(patient=True) as connection:
            ended = self._books.record(connection, self._worker, batch.recorded, now)
            for delivery_id, reason in batch.skipped:
                self._books.skip(connection, delivery_id, reason, now)
            self._books.give_back(connection, self._worker, batch.given_back, now)
            for mailing_id, why in batch.held.items():
                self._books.hold(connection, mailing_id, why, now)
            for note in batch.notes:
                note(connection, now)
        # After the commit, and off the event loop: whoever reads the log may be slow.
        log_outcomes(self._books.kind, ended)
