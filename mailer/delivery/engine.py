"""The sender: claims due deliveries, hands them to its lanes, and records what became of them.

In: a store, keys, a relay. Out: outcomes on record. One event loop with a few connections; the
database is asked in threads only. What holds whatever happens: no DATA without a committed claim,
no end of DATA without its mark in the journal, nobody mailed who left a moment ago.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from mailer.clock import Clock
from mailer.delivery.claims import Claim, Claimer, MaterialFor
from mailer.delivery.health import Health
from mailer.delivery.journal import Journal, boot_id
from mailer.delivery.lane import Lane, LaneParts
from mailer.delivery.lanes import Lanes
from mailer.delivery.outcomes import not_composed, recorded
from mailer.delivery.pacing import THROTTLES, SlowDown, Throttle, part_of, slowed_down
from mailer.delivery.press import Press
from mailer.delivery.queue import ClaimQueue
from mailer.delivery.recorder import Recorder
from mailer.delivery.recovery import recover
from mailer.delivery.retry import RetryPolicy, longest_waits
from mailer.delivery.session import RelaySettings, Session
from mailer.delivery.watch import Watch
from mailer.delivery.work import Work, deliveries
from mailer.events import emit, failed, warn
from mailer.keys import SealKeys
from mailer.model.mailing import Reply
from mailer.model.pacing import WHOLE_RELAY, PaceKey
from mailer.model.routing import Routing, single_route
from mailer.store.claims import ClaimedDelivery, ClaimTerms
from mailer.store.engine import Connection, Store, StoreUnavailable
from mailer.store.pacing import read_slowed, write_slowed
from mailer.store.service_mails import ClaimedService
from mailer.store.suppression_log import SuppressionLog
from mailer.store.workers import register_worker, worker_name
from mailer.tokens import Tokens

T = TypeVar("T")

IDLE_S = 0.2
#: How often is looked for what another process left that died: so long its claims lie idle.
RECOVER_S = 1.0
#: A clock that goes back by less than this was put right and not set.
SET_BACK_S = 1.0
#: How often the journal is synced: a power cut puts what came since in doubt.
SYNC_S = 5.0
#: How long a transaction whose connection was cut may take to say how it ended.
CUT_S = 5.0
SMALLEST_CLAIM, MOST_AHEAD = 8, 500
#: How quickly the estimate of the rate follows what is seen.
SMOOTHING = 0.05
#: How long one that joins others leaves them to end connections, so that there are not too many.
MAKE_ROOM_S = 0.5
#: How often limits that hold over all processes are shared out anew, in seconds.
SHARE_OUT_S = 0.2


@dataclass(frozen=True)
class EngineParts:
    """What an engine works with."""

    store: Store
    seal_keys: SealKeys
    tokens: Tokens
    relay: RelaySettings
    journal_dir: Path
    #: Keeps whom refusals suppress beside the database.
    log: SuppressionLog
    policy: RetryPolicy
    clock: Clock
    material_for: MaterialFor
    shutdown_grace_s: float = 20.0
    #: What it sends; the deliveries of mailings when None.
    work: Work | None = None
    #: By which relays mailings go, on what terms; None: by this one, without limits.
    routing: Routing | None = None
    #: How long is paused when a provider or the relay asks for less.
    throttles: Mapping[SlowDown, Throttle] = field(default_factory=lambda: THROTTLES)
    #: Which of several sender processes it is in; 0 for the only one.
    number: int = 0


class DeliveryEngine:
    """One sender process."""

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts
        self.worker = worker_name(parts.number)
        self._relay = parts.relay
        self._routing = parts.routing or single_route(parts.relay.key)
        self._queue = ClaimQueue(parts.clock)
        self._press = Press(self._queue, parts.clock)
        self._lanes = Lanes(lambda: Lane(self._lane_parts()), self._wanted_lanes)
        self._stopping = asyncio.Event()
        self._rate = float(SMALLEST_CLAIM)
        #: Mailings whose material is to be loaded anew.
        self._stale: set[int] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set; then finish what is open, within the grace, and record it.

        Raises:
            JournalFull: when the journal cannot be written: nothing may be sent then.
            StoreUnavailable: when the database does not answer at the beginning.
            Exception: what else the database said of the outcomes; they stand in the journal.
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
                    self._share_out(),
                    self._health.come_back(self._watch, self._reach),
                )
            ]
            sending = asyncio.create_task(self._lanes.run(self._stopping))
            stopped = asyncio.create_task(stop.wait())
            failing = asyncio.create_task(self._stopping.wait())
            watched: set[asyncio.Task[Any]] = {stopped, failing, recorder, *helpers, sending}
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            self._queue.wake()
            self._lanes.nudge()
            stopped.cancel()
            failing.cancel()
            try:
                await self._finish(sending)
            finally:
                for task in helpers:
                    task.cancel()
                await asyncio.gather(*helpers, return_exceptions=True)
                self._give_back((*self._queue.empty(), *self._press.empty()))
                recording_over.set()
                await asyncio.wait({recorder})
                ended = {*(done - {stopped, failing}), sending, recorder}
                errors = (task.exception() for task in ended if not task.cancelled())
                for reason in {str(error) for error in errors if error is not None}:
                    warn("sending stops", worker=self.worker, reason=reason)
                await self._end()
            for task in ended:
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
        self._health = Health(parts.relay.key, parts.clock, self._recorder.note)
        await self._in_thread(self._register)
        await self._in_thread(self._recover)
        # The machine may have begun anew with another hour.
        await self._in_thread(self._bring_forward)
        await self._in_thread(self._watch.begin)
        if self._watch.place[1] > 1:
            # Whoever sends already gives up connections for ours, each after the mail under way.
            await asyncio.sleep(MAKE_ROOM_S)
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
                self._terms,
            )

        watch = Watch(parts.store, parts.clock, parts.relay.key, self.worker, lambda: self._routing)
        return Work(deliveries(self._parts.log), claims_for, watch, IDLE_S)

    def _lane_parts(self) -> LaneParts:
        parts = self._parts
        return LaneParts(
            relay=self._relay,
            policy=parts.policy,
            clock=parts.clock,
            tokens=parts.tokens,
            queue=self._queue,
            press=self._press,
            watch=self._watch,
            recorder=self._recorder,
            journal=self._journal,
            stopping=self._stopping,
            set_aside=self._set_aside,
            took=self._took,
            health=self._health,
            slow_down=self._slow_down,
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
                sends_mailings=self._parts.work is None,
            )

    def _recover(self) -> None:
        parts = self._parts
        recover(
            parts.store,
            parts.journal_dir,
            parts.log,
            relay=parts.relay.key,
            policy=parts.policy,
            now=parts.clock.now(),
            jitter=random.random,
        )

    async def _recover_often(self) -> None:
        ahead_s = self._clock_ahead_s()
        while True:
            await asyncio.sleep(RECOVER_S)
            try:
                await self._in_thread(self._recover)
                now_ahead_s = self._clock_ahead_s()
                if now_ahead_s < ahead_s - SET_BACK_S:
                    await self._in_thread(self._bring_forward)
                ahead_s = now_ahead_s
            except StoreUnavailable:
                failed("recovery put off")

    def _clock_ahead_s(self) -> float:
        """Return a number that grows smaller when the clock is set back."""
        return self._parts.clock.now().timestamp() - self._parts.clock.monotonic()

    def _bring_forward(self) -> None:
        parts = self._parts
        brought = self._work.books.bring_forward(
            parts.store, longest_waits(parts.policy), parts.clock.now()
        )
        if brought:
            warn("the clock was set back: retries keep their pauses", retries=brought)

    async def _sync_often(self) -> None:
        while True:
            await asyncio.sleep(SYNC_S)
            await self._in_thread(self._journal.sync)

    def _took(self, duration_s: float) -> None:
        # About as many as all connections send in a second, smoothed.
        rate = self._wanted_lanes() / max(duration_s, 0.001)
        self._rate += (rate - self._rate) * SMOOTHING

    def adjust(self, relay: RelaySettings, routing: Routing) -> None:
        """Keep to these limits from now on.

        Args:
            relay: the same one, with its connections and how many mails each takes.
            routing: by which relays mailings go, on what terms.
        """
        self._relay, self._routing = relay, routing
        self._lanes.adjust(relay)

    def _terms(self) -> ClaimTerms:
        return ClaimTerms(self._parts.relay.key, self._routing, self._queue)

    def _wanted_lanes(self) -> int:
        return part_of(self._relay.connections, *self._watch.place)

    @property
    def _per_second(self) -> float:
        """Return what the relay takes a second, over all processes; 0: no limit."""
        return self._routing.relays[self._parts.relay.key].per_second

    async def _share_out(self) -> None:
        """Keep to this process's part of the limits, and hold nothing while the relay is aside."""
        was_aside = False
        while True:
            lanes = self._wanted_lanes()
            self._queue.limit(self._routing.pacing, *self._watch.place, lanes, self._per_second)
            is_aside = self._watch.aside_until is not None
            if is_aside:
                self._give_back((*self._queue.empty(), *self._press.empty()))
            elif was_aside:
                self._lanes.nudge()
            was_aside = is_aside
            await asyncio.sleep(SHARE_OUT_S)

    def _give_back(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            self._recorder.give_back(claim.outgoing.delivery_id)

    async def _reach(self) -> None:
        session = await Session.open(self._relay)
        await session.close()

    def _slow_down(self, who: SlowDown, key: PaceKey, reply: Reply) -> None:
        """Send less to who asks for it, in every process, and hold none of its mails here."""
        relay, throttle = self._parts.relay.key, self._parts.throttles[who]
        everybody = who is SlowDown.RELAY
        about = WHOLE_RELAY if everybody else key
        seen = 0.0 if everybody else self._queue.per_second(key)
        base_per_s = (seen or self._rate) * self._watch.place[1]
        reason = f"{reply.code} {reply.enhanced_code}".strip()
        self._give_back(self._queue.empty() if everybody else self._queue.pull(key))

        def note(connection: Connection, now: datetime) -> None:
            before = read_slowed(connection, relay, about)
            slowed = slowed_down(before, base_per_s, reason, now, throttle)
            if slowed == before:
                return
            write_slowed(connection, relay, about, slowed)
            # The digest of a single domain tells nothing without our key, and names nobody.
            warn(
                "slowed down",
                relay=relay,
                domains=about.domain_class or "all",
                domain=about.domain_digest.hex()[:8],
                said=reason,
                pause_s=round((slowed.paused_until - now).total_seconds()),
            )

        self._recorder.note(note)

    async def _feed(self) -> None:
        """Keep up to a second of work claimed, half of it at a time."""
        while not self._stopping.is_set():
            ahead = int(min(max(self._rate, SMALLEST_CLAIM), MOST_AHEAD))
            if self._per_second:
                ahead = min(ahead, max(int(self._per_second / self._watch.place[1]), 1))
            wanted = (ahead + 1) // 2
            if not self._watch.claimable:
                await asyncio.sleep(IDLE_S)
                continue
            if not self._queue.is_short_of(wanted - len(self._press)):
                await asyncio.sleep(0.005)
                continue
            put_off = self._queue.put_off
            claims = await self._claim(wanted)
            self._press.extend(claims)
            if not claims and self._queue.put_off == put_off:
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

    async def _finish(self, sending: asyncio.Task[None]) -> None:
        """Let open transactions end within the grace; cut what is still open, and say so."""
        _, pending = await asyncio.wait({sending}, timeout=self._parts.shutdown_grace_s)
        if pending:
            warn("transactions cut: no reply within the grace", open=self._lanes.open)
            self._lanes.abort()
            await asyncio.wait(pending, timeout=CUT_S)
        self._lanes.cancel()
        await asyncio.gather(sending, return_exceptions=True)

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
