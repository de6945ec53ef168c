"""Keep up with who left and what may go out, and say whether a mail may still go.

In: the database, looked at several times a second while sending. Out: a yes or no right before
DATA, from facts that are younger than `FRESH_S`. What cannot be asked is never assumed: while the
database does not answer, nothing may go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from mailer.clock import Clock
from mailer.events import failed
from mailer.model.routing import Routing
from mailer.store.engine import Store, StoreUnavailable
from mailer.store.relays import standing
from mailer.store.shares import open_lanes
from mailer.store.withdrawals import last_withdrawals, withdrawals_since
from mailer.store.workers import workers_of

#: How often the database is looked at.
LOOK_S = 0.08
#: No DATA is written on older facts: the limit is 250 ms after the commit of an unsubscription.
FRESH_S = 0.2
#: Longer than any claim waits in the queue.
REMEMBER_S = 600.0


class Watch:
    """What a sender process knows of withdrawals and of what may go out."""

    def __init__(
        self, store: Store, clock: Clock, relay: str, worker: str, routing: Callable[[], Routing]
    ) -> None:
        """Keep what it works with.

        Args:
            store: the database.
            clock: says when.
            relay: key of the relay this process sends by.
            worker: name of the worker, to find its place among those of the relay.
            routing: whose mailings go by which relay; asked at each look.
        """
        self._store = store
        self._clock = clock
        self._relay = relay
        self._worker = worker
        self._routing = routing
        #: Something may go out that is to go by this relay now.
        self.claimable = False
        #: Until when this relay is aside; None when it is not.
        self.aside_until: datetime | None = None
        #: This worker's place among those that send by the relay, from 0, and how many they are.
        self.place = (0, 1)
        #: Running mailings with a share that is open, or without shares.
        self.running: frozenset[int] = frozenset()
        #: Row ids of a mailing and of a share of it.
        self._lanes: frozenset[tuple[int, int]] = frozenset()
        #: Address digest → when it was first seen to withdraw, on the monotonic clock.
        self._withdrawn: dict[bytes, float] = {}
        self._set_aside: frozenset[int] = frozenset()
        self._seen = (0, 0)
        #: When the last look that succeeded began, on the monotonic clock.
        self._looked_at = float("-inf")
        self._looked = asyncio.Event()

    def begin(self) -> None:
        """Note where withdrawals stand now, and look: earlier ones are the claims' affair.

        Raises:
            StoreUnavailable: when the database does not answer.
        """
        with self._store.read() as connection:
            self._seen = last_withdrawals(connection)
        self.look()

    def look(self) -> None:
        """Look at the database once; it blocks.

        Raises:
            StoreUnavailable: when it does not answer.
        """
        began = self._clock.monotonic()
        with self._store.read() as connection:
            now, routing = self._clock.now(), self._routing()
            # What was claimed may go, also when the next mails are to go by another relay.
            lanes = open_lanes(connection, now, routing.may_go_by(self._relay))
            stand = standing(connection, routing, now)
            ours = routing.go_by(self._relay, stand.ready, stand.able)
            claimable = bool(lanes) and bool(open_lanes(connection, now, ours))
            workers = workers_of(connection, self._relay)
            found = withdrawals_since(connection, *self._seen)
        seen_at = self._clock.monotonic()
        kept = {digest: at for digest, at in self._withdrawn.items() if seen_at - at < REMEMBER_S}
        # The lanes read this from another thread: facts first, then that they are fresh.
        self._withdrawn = kept | dict.fromkeys(found.digests, seen_at)
        self._seen = (found.last_unsubscription, found.last_suppression)
        self._lanes = frozenset((lane.mailing_id, lane.share_id) for lane in lanes)
        self.claimable = claimable
        self.aside_until = stand.aside.get(self._relay)
        if self._worker in workers:
            self.place = (workers.index(self._worker), len(workers))
        self.running = frozenset(lane.mailing_id for lane in lanes) - self._set_aside
        self._looked_at = began

    def set_aside(self, mailing_id: int) -> None:
        """Send nothing more of a mailing that is about to be held."""
        self._set_aside |= {mailing_id}
        self.running -= {mailing_id}

    def held(self, mailing_id: int) -> None:
        """Note that the hold is committed: from now on the database says whether it runs."""
        self._set_aside -= {mailing_id}

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.look)
            except StoreUnavailable:
                self.running = frozenset()
                self.claimable = False
                failed("sending waits: the database does not answer")
            self._looked.set()
            self._looked.clear()
            await asyncio.sleep(LOOK_S)

    async def fresh(self) -> None:
        """Wait for the next look when the facts are old; that look may have failed."""
        if not self._is_fresh():
            await self._looked.wait()

    def may_send(
        self, mailing_id: int, share_id: int, address_digest: bytes, claimed_at: float
    ) -> bool:
        """Tell whether DATA may be written now for a delivery claimed at `claimed_at`.

        It may not when the facts are old, the mailing does not run, its share is not open, or the
        person withdrew since the claim: then the next claim finds out whether another list still leads to them.
        """
        return (
            self._is_fresh()
            and mailing_id in self.running
            and (mailing_id, share_id) in self._lanes
            and self._withdrawn.get(address_digest, float("-inf")) < claimed_at
        )

    def _is_fresh(self) -> bool:
        return self._clock.monotonic() - self._looked_at <= FRESH_S
