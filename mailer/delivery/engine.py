"""The sender: claims due deliveries, hands them to its lanes, and records what became of them.

In: a store, keys, a relay. Out: outcomes on record. One event loop with a few connections; the
database is asked in threads only. What holds whatever happens: no DATA without a committed claim,
no end of DATA without its mark in the journal, nobody mailed who left a moment ago.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from mailer.alerts import raise_alert, resolve_alert
from mailer.clock import Clock
from mailer.delivery.claims import Claim, Claimer, MaterialFor
from mailer.delivery.journal import Journal, boot_id
from mailer.delivery.lane import Lane, LaneParts
from mailer.delivery.outcomes import not_composed, recorded
from mailer.delivery.press import Press
from mailer.delivery.queue import ClaimQueue
from mailer.delivery.recorder import Recorder
from mailer.delivery.recovery import recover
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import RelaySettings, RelayUnavailable
from mailer.delivery.watch import Watch
from mailer.delivery.work import DELIVERIES, Work
from mailer.events import emit, failed, warn
from mailer.keys import SealKeys
from mailer.model.alerts import AlertKind
from mailer.model.relays import EVERY_SENDER, SenderChoice
from mailer.store.claims import ClaimedDelivery
from mailer.store.engine import Connection, Store, StoreUnavailable
from mailer.store.relays import relay_failed, relay_met
from mailer.store.service_mails import ClaimedService
from mailer.store.workers import register_worker, worker_name
from mailer.tokens import Tokens

T = TypeVar("T")

IDLE_S = 0.2
#: How often is looked for what another process left that died: so long its claims lie idle.
RECOVER_S = 1.0
#: How often the journal is synced: a power cut puts what came since in doubt.
SYNC_S = 5.0
#: How long a transaction whose connection was cut may take to say how it ended.
CUT_S = 5.0
SMALLEST_CLAIM, MOST_AHEAD = 8, 2_000
#: How quickly the estimate of the rate follows what is seen.
SMOOTHING = 0.05
#: How often it is written that the relay is there, or that it is not, in seconds.
MET_AGAIN_S = 60.0
FAILED_AGAIN_S = 10.0


@dataclass(frozen=True)
class EngineParts:
    """What an engine works with."""

    store: Store
    seal_keys: SealKeys
    tokens: Tokens
    relay: RelaySettings
    journal_dir: Path
    policy: RetryPolicy
    clock: Clock
    material_for: MaterialFor
    shutdown_grace_s: float = 20.0
    #: What it sends; the deliveries of mailings when None.
    work: Work | None = None
    #: Whose mailings it sends.
    senders: SenderChoice = EVERY_SENDER
    #: Which of several sender processes it is in; 0 for the only one.
    number: int = 0


class DeliveryEngine:
    """One sender process."""

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts
        self.worker = worker_name(parts.number)
        self._queue = ClaimQueue()
        self._press = Press(self._queue, parts.clock)
        self._stopping = asyncio.Event()
        self._rate = float(SMALLEST_CLAIM)
        #: Mailings whose material is to be loaded anew.
        self._stale: set[int] = set()
        #: When meeting the relay was last written down, on the monotonic clock, and how it went.
        self._met_at = float("-inf")
        self._met: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set; then finish what is open, within the grace, and record it.

        Raises:
            JournalFull: when the journal cannot be written: nothing may be sent then.
            StoreUnavailable: when the database does not answer at the beginning.
        """
        with ThreadPoolExecutor(3, "database") as self._executor:
            await self._begin()
            recording_over = asyncio.Event()
            recorder = asyncio.create_task(self._recorder.run(recording_over))
            helpers = [
                asyncio.create_task(loop)
                for loop in (
                    self._feed(),
                    self._press.run(),
                    self._watch.run(),
                    self._recover_often(),
                    self._sync_often(),
                )
            ]
            lanes = [Lane(self._lane_parts()) for _ in range(self._parts.relay.connections)]
            sending = [asyncio.create_task(lane.run()) for lane in lanes]
            stopped = asyncio.create_task(stop.wait())
            watched: set[asyncio.Task[Any]] = {stopped, *helpers, *sending}
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            self._queue.wake()
            stopped.cancel()
            try:
                await self._finish(lanes, sending)
            finally:
                for task in helpers:
                    task.cancel()
                await asyncio.gather(*helpers, return_exceptions=True)
                for claim in (*self._queue.empty(), *self._press.empty()):
                    self._recorder.give_back(claim.outgoing.delivery_id)
                recording_over.set()
                await recorder
                await self._end()
            for task in done - {stopped}:
                task.result()

    async def _begin(self) -> None:
        parts = self._parts
        self._journal = Journal(parts.journal_dir, self.worker)
        work = parts.work or self._mailings()
        self._work = work
        self._claimer = work.claims_for(self.worker)
        self._watch = work.gate
        self._recorder = Recorder(
            parts.store,
            self.worker,
            self._journal,
            parts.clock,
            self._executor,
            books=work.books,
            held=self._held,
        )
        await self._in_thread(self._register)
        await self._in_thread(self._recover)
        await self._in_thread(self._watch.begin)

    def _mailings(self) -> Work:
        """Return the deliveries of mailings as work."""
        parts = self._parts

        def claims_for(worker: str) -> Claimer:
            return Claimer(
                parts.store,
                parts.seal_keys,
                worker,
                parts.material_for,
                parts.clock,
                parts.senders,
            )

        watch = Watch(parts.store, parts.clock, parts.senders)
        return Work(DELIVERIES, claims_for, watch, IDLE_S)

    def _lane_parts(self) -> LaneParts:
        parts = self._parts
        return LaneParts(
            relay=parts.relay,
            policy=parts.policy,
            clock=parts.clock,
            tokens=parts.tokens,
            queue=self._queue,
            watch=self._watch,
            recorder=self._recorder,
            journal=self._journal,
            stopping=self._stopping,
            set_aside=self._set_aside,
            took=self._took,
            met=self._met_relay,
        )

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    def _register(self) -> None:
        with self._parts.store.write() as connection:
            register_worker(
                connection,
                self.worker,
                os.getpid(),
                boot_id(),
                self._parts.clock.now(),
                relay=self._parts.relay.key,
            )

    def _recover(self) -> None:
        parts = self._parts
        recover(
            parts.store,
            parts.journal_dir,
            relay=parts.relay.key,
            policy=parts.policy,
            now=parts.clock.now(),
            jitter=random.random,
        )

    async def _recover_often(self) -> None:
        while True:
            await asyncio.sleep(RECOVER_S)
            try:
                await self._in_thread(self._recover)
            except StoreUnavailable:
                failed("recovery put off")

    async def _sync_often(self) -> None:
        while True:
            await asyncio.sleep(SYNC_S)
            await self._in_thread(self._journal.sync)

    def _took(self, duration_s: float) -> None:
        # About as many as all connections send in a second, smoothed.
        rate = self._parts.relay.connections / max(duration_s, 0.001)
        self._rate += (rate - self._rate) * SMOOTHING

    def _met_relay(self, error: RelayUnavailable | None) -> None:
        """Have it written how meeting the relay went, and staff told of a login it refuses."""
        now_s = self._parts.clock.monotonic()
        how = None if error is None else f"{error.step}: {error.reason}"
        again_s = MET_AGAIN_S if how is None else FAILED_AGAIN_S
        if how == self._met and now_s - self._met_at < again_s:
            return
        self._met, self._met_at = how, now_s
        relay = self._parts.relay.key
        lost = error is not None and error.is_authentication_lost

        def note(connection: Connection, now: datetime) -> None:
            if how is not None:
                relay_failed(connection, relay, how, now)
            else:
                relay_met(connection, relay, now)
                resolve_alert(connection, AlertKind.AUTHENTICATION_LOST, relay, now)
            if lost:
                reason = error.reason if error is not None else ""
                raise_alert(connection, AlertKind.AUTHENTICATION_LOST, relay, now, reason=reason)

        self._recorder.note(note)

    async def _feed(self) -> None:
        """Keep up to a second of work claimed, half of it at a time."""
        while not self._stopping.is_set():
            ahead = int(min(max(self._rate, SMALLEST_CLAIM), MOST_AHEAD))
            wanted = (ahead + 1) // 2
            if len(self._queue) + len(self._press) >= wanted or not self._watch.running:
                await asyncio.sleep(0.005 if self._watch.running else IDLE_S)
                continue
            claims = await self._claim(wanted)
            self._press.extend(claims)
            if not claims:
                await asyncio.sleep(self._work.idle_s)

    async def _claim(self, wanted: int) -> list[Claim]:
        # Not while a claim is made: it would put back what is forgotten.
        while self._stale:
            self._claimer.forget(self._stale.pop())
        try:
            claimed = await self._in_thread(lambda: self._claimer.claim(wanted))
        except StoreUnavailable:
            failed("claiming put off")
            return []
        for delivery_id in claimed.given_back:
            self._recorder.give_back(delivery_id)
        for mailing_id, reason in claimed.unusable.items():
            self._set_aside(mailing_id, reason)
        for one in claimed.sealed:
            warn("delivery refused: its row does not open", delivery=one.delivery_id)
            self._refuse(one, "the address was sealed with another key or for another row")
        return claimed.claims

    def _set_aside(self, mailing_id: int, reason: str) -> None:
        """Hold a mailing that cannot be composed, and stop sending it at once."""
        warn("mailing held", mailing=mailing_id, reason=reason)
        self._watch.set_aside(mailing_id)
        self._recorder.hold(mailing_id, reason)

    def _held(self, mailing_id: int) -> None:
        """Note that a hold is committed: whoever releases the mailing has mended something."""
        self._watch.held(mailing_id)
        self._stale.add(mailing_id)

    def _refuse(self, one: ClaimedDelivery | ClaimedService, problem: str) -> None:
        now = self._parts.clock.now()
        self._recorder.record(
            recorded(
                delivery_id=one.delivery_id,
                mailing_id=one.mailing_id,
                domain_class=one.domain_class,
                attempt_number=one.attempt_number,
                first_attempt_at=one.first_attempt_at,
                answer=not_composed(problem),
                doubt="",
                relay=self._parts.relay.key,
                started_at=now,
                duration_ms=0,
                policy=self._parts.policy,
                now=now,
                jitter=0.0,
            )
        )

    async def _finish(self, lanes: list[Lane], sending: list[asyncio.Task[None]]) -> None:
        """Let open transactions end within the grace; cut what is still open, and say so."""
        _, pending = await asyncio.wait(sending, timeout=self._parts.shutdown_grace_s)
        if pending:
            warn("transactions cut: no reply within the grace", open=len(pending))
            for lane, task in zip(lanes, sending, strict=True):
                if not lane.abort():
                    task.cancel()
            await asyncio.wait(pending, timeout=CUT_S)
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)

    async def _end(self) -> None:
        """Close the journal and settle by it whatever is still claimed, as if we had died."""
        self._journal.close()
        try:
            await self._in_thread(self._recover)
        except StoreUnavailable:
            failed("the next sender settles what is still claimed")
        emit(
            "sender ended",
            worker=self.worker,
            recorded=self._recorder.written,
            in_doubt=self._recorder.doubts,
        )
