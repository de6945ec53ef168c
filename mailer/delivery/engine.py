"""The sender: claims due deliveries, composes, hands them to the relay and records what it said.

In: a store, keys, a relay. Out: outcomes on record. One event loop with a few connections; the
database is asked in threads only. What holds whatever happens: no DATA without a committed claim,
no end of DATA without its mark in the journal, nobody mailed who left a moment ago.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from mailer.clock import Clock
from mailer.delivery.claims import Claim, Claimer, MaterialFor
from mailer.delivery.journal import Journal, JournalFull, boot_id
from mailer.delivery.outcomes import lost, recorded
from mailer.delivery.recorder import Recorder
from mailer.delivery.recovery import recover
from mailer.delivery.replies import Stage, classify
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import (
    Answer,
    InDoubt,
    RelaySettings,
    RelayUnavailable,
    Session,
    Smtputf8Missing,
    Transaction,
)
from mailer.delivery.wire import ConnectionLost
from mailer.events import emit, failed, warn
from mailer.keys import SealKeys
from mailer.model.mailing import Reply
from mailer.model.states import SkipReason
from mailer.store.deliveries import (
    end_worker,
    last_withdrawals,
    register_worker,
    running_mailings,
    withdrawals_since,
)
from mailer.store.engine import Store, StoreUnavailable
from mailer.tokens import Tokens

T = TypeVar("T")

#: How often withdrawals and states of mailings are looked at: well inside 250 ms.
LOOK_S = 0.1
IDLE_S = 0.2
#: Longer than any claim waits in the queue.
REMEMBER_S = 600.0
RECOVER_S = 5.0
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 60.0
SMALLEST_CLAIM, LARGEST_CLAIM = 8, 500


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


class DeliveryEngine:
    """One sender process."""

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts
        self.worker = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._queue: deque[Claim] = deque()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._running: frozenset[int] = frozenset()
        #: Address digest → when it was last seen to withdraw, on the monotonic clock.
        self._withdrawn: dict[bytes, float] = {}
        self._seen = (0, 0)
        self._sessions: set[Session] = set()
        self._rate = float(SMALLEST_CLAIM)
        self._in_flight = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set; then finish what is open, within the grace, and record it.

        Raises:
            JournalFull: when the journal cannot be written: nothing may be sent then.
        """
        with ThreadPoolExecutor(3, "database") as self._executor:
            await self._begin()
            recording_over = asyncio.Event()
            recorder = asyncio.create_task(self._recorder.run(recording_over))
            helpers = [
                asyncio.create_task(loop)
                for loop in (self._feed(), self._look(), self._recover_often())
            ]
            lanes = [
                asyncio.create_task(self._lane()) for _ in range(self._parts.relay.connections)
            ]
            stopped = asyncio.create_task(stop.wait())
            watched: set[asyncio.Task[Any]] = {stopped, *helpers, *lanes}
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            self._wake.set()
            stopped.cancel()
            try:
                await self._finish(lanes)
            finally:
                for task in helpers:
                    task.cancel()
                await asyncio.gather(*helpers, return_exceptions=True)
                self._give_back_queue()
                recording_over.set()
                await recorder
                await self._end()
            for task in done - {stopped}:
                task.result()

    async def _begin(self) -> None:
        parts = self._parts
        self._journal = Journal(parts.journal_dir, self.worker)
        self._recorder = Recorder(
            parts.store, self.worker, self._journal, parts.clock, self._executor
        )
        self._claimer = Claimer(parts.store, parts.seal_keys, self.worker, parts.material_for)
        await self._in_thread(self._register)
        await self._in_thread(self._recover)
        await self._in_thread(self._look_first)
        await self._in_thread(self._look_once)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    def _register(self) -> None:
        with self._parts.store.write() as connection:
            register_worker(
                connection, self.worker, os.getpid(), boot_id(), self._parts.clock.now()
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
                await self._in_thread(self._journal.sync)
            except StoreUnavailable:
                failed("recovery put off")

    def _look_first(self) -> None:
        """Withdrawals from before are the claims' affair; only later ones are looked for here."""
        with self._parts.store.read() as connection:
            self._seen = last_withdrawals(connection)

    def _look_once(self) -> None:
        with self._parts.store.read() as connection:
            self._running = running_mailings(connection)
            found = withdrawals_since(connection, *self._seen)
        seen_at = self._parts.clock.monotonic()
        self._withdrawn = {
            digest: at for digest, at in self._withdrawn.items() if seen_at - at < REMEMBER_S
        } | dict.fromkeys(found.digests, seen_at)
        self._seen = (found.last_unsubscription, found.last_suppression)

    async def _look(self) -> None:
        """Keep up with who left and which mailings were stopped."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._in_thread(self._look_once)
            except StoreUnavailable:
                # What cannot be asked must not be assumed: nothing is sent until it answers.
                self._running = frozenset()
                failed("sending waits: the database does not answer")

    async def _feed(self) -> None:
        """Keep about a second of work claimed."""
        while not self._stopping.is_set():
            wanted = int(min(max(self._rate, SMALLEST_CLAIM), LARGEST_CLAIM))
            if len(self._queue) >= wanted // 2 or not self._running:
                await asyncio.sleep(0.01 if self._running else IDLE_S)
                continue
            claims = await self._claim(wanted)
            self._queue.extend(claims)
            if claims:
                self._wake.set()
            else:
                await asyncio.sleep(IDLE_S)

    async def _claim(self, wanted: int) -> list[Claim]:
        now, claimed_at = self._parts.clock.now(), self._parts.clock.monotonic()
        try:
            return await self._in_thread(lambda: self._claimer.claim(wanted, now, claimed_at))
        except StoreUnavailable:
            failed("claiming put off")
            return []

    async def _lane(self) -> None:
        """Keep one connection busy."""
        session: Session | None = None
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping.is_set():
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            claim = self._queue.popleft()
            self._in_flight += 1
            try:
                if session is None or not session.usable:
                    await self._drop(session)
                    session = None
                    session = await self._open()
                    backoff_s = FIRST_BACKOFF_S
                if not await self._deliver(session, claim):
                    await self._drop(session)
                    session = None
            except RelayUnavailable as error:
                self._recorder.give_back(claim.outgoing.delivery_id)
                warn("relay unavailable", relay=error.relay, step=error.step, reason=error.reason)
                await self._pause(backoff_s * random.uniform(0.8, 1.2))  # noqa: S311  (Jitter.)
                backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)
            finally:
                self._in_flight -= 1
        await self._drop(session)

    async def _pause(self, pause_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def _open(self) -> Session:
        session = await Session.open(self._parts.relay)
        self._sessions.add(session)
        return session

    async def _drop(self, session: Session | None) -> None:
        if session is not None:
            self._sessions.discard(session)
            await session.close()

    async def _deliver(self, session: Session, claim: Claim) -> bool:
        """Send one mail; return False when the connection is of no more use."""
        outgoing = claim.outgoing
        begun = self._parts.clock.monotonic()
        now = self._parts.clock.now()
        if outgoing.mailing_id not in self._running or self._stopping.is_set():
            self._recorder.give_back(outgoing.delivery_id)
            return True
        try:
            mail = claim.material.composer.compose(outgoing, now)
        except ValueError:
            failed("mail could not be composed", delivery=outgoing.delivery_id)
            refusal = Answer(Stage.MAIL, Reply(554, "5.6.0", "the mail could not be composed"))
            self._record(claim, refusal, now, begun)
            return True
        # Right before the commands: whoever withdrew since the claim is not mailed on it. It is
        # given back, and the next claim finds out whether another list still leads to them.
        if self._withdrawn.get(outgoing.address_digest, -1.0) >= claim.claimed_at:
            self._recorder.give_back(outgoing.delivery_id)
            return True
        transaction = Transaction(
            mail=mail,
            needs_smtputf8=outgoing.needs_smtputf8,
            envelope_id=self._parts.tokens.feedback(outgoing.delivery_id),
            before_end_of_data=lambda: self._journal.mark(
                outgoing.delivery_id, outgoing.attempt_number
            ),
        )
        return await self._transact(session, transaction, claim, now, begun)

    async def _transact(
        self,
        session: Session,
        transaction: Transaction,
        claim: Claim,
        now: datetime,
        begun: float,
    ) -> bool:
        outgoing = claim.outgoing
        try:
            answer = await session.transact(transaction)
        except Smtputf8Missing:
            self._recorder.skip(outgoing.delivery_id, SkipReason.EAI_UNSUPPORTED)
            return True
        except ConnectionLost as error:
            self._record(claim, lost(error.reason), now, begun)
            return False
        except InDoubt as error:
            warn("delivery in doubt", delivery=outgoing.delivery_id, reason=error.reason)
            self._record(claim, None, now, begun, doubt=f"connection lost: {error.reason}")
            return False
        except JournalFull:
            session.abort()
            self._recorder.give_back(outgoing.delivery_id)
            raise
        if answer.stage is Stage.CONTENT:
            self._journal.reply(
                outgoing.delivery_id,
                outgoing.attempt_number,
                answer.reply.code,
                answer.reply.enhanced_code,
            )
        self._record(claim, answer, now, begun)
        return not classify(answer.reply, answer.stage).reconnect

    def _record(
        self, claim: Claim, answer: Answer | None, now: datetime, begun: float, doubt: str = ""
    ) -> None:
        duration_s = self._parts.clock.monotonic() - begun
        # About as many as all connections send in a second, smoothed.
        rate = self._parts.relay.connections / max(duration_s, 0.001)
        self._rate += (rate - self._rate) * 0.05
        outgoing = claim.outgoing
        self._recorder.record(
            recorded(
                delivery_id=outgoing.delivery_id,
                attempt_number=outgoing.attempt_number,
                first_attempt_at=outgoing.first_attempt_at or now,
                answer=answer,
                doubt=doubt,
                relay=self._parts.relay.key,
                started_at=now,
                duration_ms=round(duration_s * 1000),
                policy=self._parts.policy,
                now=self._parts.clock.now(),
                jitter=random.random(),  # noqa: S311  (Spreads retries; no secret.)
            )
        )

    async def _finish(self, lanes: list[asyncio.Task[None]]) -> None:
        """Let open transactions end within the grace; cut what is still open, and say so."""
        _, pending = await asyncio.wait(lanes, timeout=self._parts.shutdown_grace_s)
        if pending:
            warn("transactions cut: no reply within the grace", open=len(pending))
            for session in list(self._sessions):
                session.abort()
            await asyncio.wait(pending, timeout=5)
        for lane in lanes:
            if not lane.done():
                lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)

    def _give_back_queue(self) -> None:
        while self._queue:
            self._recorder.give_back(self._queue.popleft().outgoing.delivery_id)

    async def _end(self) -> None:
        def ended() -> None:
            with self._parts.store.write() as connection:
                end_worker(connection, self.worker, self._parts.clock.now())

        await self._in_thread(ended)
        self._journal.close()
        emit("sender ended", worker=self.worker, recorded=self._recorder.written)
