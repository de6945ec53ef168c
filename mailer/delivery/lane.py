"""Keep one connection to the relay busy: take a claim, compose it, hand it over, record the end.

In: claims from the engine's queue. Out: what became of each, given to the recorder. Whatever
happens to a connection, every claim taken is recorded, given back, or left to the recovery that
reads the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from mailer.clock import Clock
from mailer.compose.composer import CannotCompose
from mailer.delivery.claims import Claim
from mailer.delivery.health import Health
from mailer.delivery.journal import Journal, JournalFull
from mailer.delivery.outcomes import lost, not_composed, recorded
from mailer.delivery.pacing import SlowDown, asks_to_slow_down
from mailer.delivery.press import Press
from mailer.delivery.queue import ClaimQueue
from mailer.delivery.recorder import Recorder
from mailer.delivery.replies import Stage, classify, wants_login
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import (
    Answer,
    InDoubt,
    RelaySettings,
    RelayUnavailable,
    Session,
    Smtputf8Missing,
    Transaction,
    Withheld,
)
from mailer.delivery.wire import ConnectionLost
from mailer.delivery.work import Gate
from mailer.events import failed, warn
from mailer.model.faults import FaultsFound
from mailer.model.mailing import Reply
from mailer.model.pacing import PaceKey
from mailer.model.states import SkipReason
from mailer.tokens import Tokens

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 60.0


@dataclass(frozen=True)
class LaneParts:
    """What the lanes of one engine share."""

    relay: RelaySettings
    policy: RetryPolicy
    clock: Clock
    tokens: Tokens
    queue: ClaimQueue
    press: Press
    watch: Gate
    recorder: Recorder
    journal: Journal
    stopping: asyncio.Event
    #: Puts a mailing aside that cannot be composed, for a person; says why.
    set_aside: Callable[[int, str], None]
    #: Told how long each transaction took, in seconds.
    took: Callable[[float], None]
    #: Told how meeting the relay goes.
    health: Health
    #: Told who is to be sent less, and by what reply.
    slow_down: Callable[[SlowDown, PaceKey, Reply], None]


class Going(NamedTuple):
    """A claim that is being handed over."""

    claim: Claim
    transaction: Transaction
    #: When it began.
    started_at: datetime
    began: float


class Lane:
    """One connection and the deliveries that go over it, one after the other."""

    def __init__(self, parts: LaneParts) -> None:
        self._parts = parts
        self._relay = parts.relay
        self._session: Session | None = None
        self._backoff_s = FIRST_BACKOFF_S
        #: When the last transaction was over, on the monotonic clock.
        self._over_at = 0.0
        self._nudged = asyncio.Event()
        #: How long the last transaction took; None where there was none.
        self._took_s: float | None = None
        #: It ends after the mail it has under way.
        self.leaves = False
        #: What is being handed over, and what comes next: its commands may be on the wire already.
        self._going: Going | None = None
        self._next: Going | None = None

    async def run(self) -> None:
        """Deliver until the engine stops; end with QUIT.

        Raises:
            JournalFull: when the journal cannot be written: nothing may be sent then.
        """
        parts = self._parts
        try:
            while not parts.stopping.is_set() and not self.leaves:
                claim = await parts.queue.take()
                if claim is not None:
                    await self._handle(claim)
            await self._drop()
        finally:
            # After a failure or a cut nobody says QUIT; the relay sees the connection end.
            self.abort()

    def abort(self) -> bool:
        """Cut the connection at once: what is open on it ends as lost or in doubt.

        Returns:
            Whether there was one; without, nothing of ours will end by itself.
        """
        if self._session is None:
            return False
        self._session.abort()
        return True

    def leave(self) -> None:
        """End after the mail that is under way."""
        self.leaves = True
        self.nudge()
        self._parts.queue.wake()

    def nudge(self) -> None:
        """Try the relay again now, if it waits to."""
        self._backoff_s = FIRST_BACKOFF_S
        self._nudged.set()

    def adjust(self, relay: RelaySettings) -> None:
        """Speak to the relay with these limits from now on."""
        self._relay = relay
        if self._session is not None:
            self._session.relay = relay

    async def _handle(self, claim: Claim) -> None:
        if self._session is not None and not self._session.usable:
            await self._drop()
        if self._session is None:
            try:
                self._session = await Session.open(self._relay)
            except RelayUnavailable as error:
                self._give_back(claim)
                await self._unavailable(error)
                return
        await self._parts.watch.fresh()
        if self._parts.stopping.is_set() or not self._may_send(claim):
            self._give_back(claim)
            return
        self._going = self._made(claim)
        while self._going is not None:
            is_of_use = await self._transact(self._session, self._going)
            self._move_on()
            if not is_of_use:
                going, self._going = self._going, None
                if going is not None:
                    # Whatever of it was written, it was never ended.
                    self._give_back(going.claim)
                await self._drop()
                return

    def _move_on(self) -> None:
        """Turn to what comes next."""
        going, self._going, self._next = self._going, self._next, None
        if going is not None:
            self._parts.queue.done(going.claim, self._took_s)
        self._took_s = None

    def _give_back(self, claim: Claim) -> None:
        """Give a claim back of which nothing was ended."""
        self._parts.recorder.give_back(claim.outgoing.delivery_id)
        self._parts.queue.done(claim, None)

    async def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _unavailable(self, error: RelayUnavailable) -> None:
        warn("relay unavailable", relay=error.relay, step=error.step, reason=error.reason)
        self._parts.health.met(error)
        await self._back_off()

    async def _back_off(self) -> None:
        pause_s = self._backoff_s * random.uniform(0.8, 1.2)  # noqa: S311  (Jitter.)
        self._backoff_s = min(self._backoff_s * 2, LONGEST_BACKOFF_S)
        self._nudged.clear()
        if self._parts.stopping.is_set():
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._nudged.wait(), pause_s)

    def _made(self, claim: Claim) -> Going | None:
        """Return a claim with its mail; None when it cannot be made, and that is on record."""
        parts, outgoing = self._parts, claim.outgoing
        began, now = parts.clock.monotonic(), parts.clock.now()
        delivery_id = outgoing.delivery_id
        try:
            mail = parts.press.mail_of(claim)
        except CannotCompose as error:
            # Something about this one person: the others of the mailing go on.
            warn("mail not composed", delivery=delivery_id, problem=error.problem)
            self._record(claim, now, began, not_composed(error.problem))
        except (FaultsFound, ValueError) as error:
            # Something about the statement or its design: nobody's fault, and everybody's mail.
            self._set_aside(claim, error)
        else:
            transaction = Transaction(
                mail,
                outgoing.needs_smtputf8,
                mail.envelope_id or parts.tokens.feedback(delivery_id),
                may_send=lambda: self._may_send(claim),
                before_end_of_data=lambda: parts.journal.mark(delivery_id, outgoing.attempt_number),
            )
            return Going(claim, transaction, now, began)
        self._took_s = None
        parts.queue.done(claim, None)
        return None

    def follow(self) -> Transaction | None:
        """Take the claim whose commands may travel with the end of the content before it."""
        parts = self._parts
        if self._going is None or parts.stopping.is_set() or self.leaves:
            return None
        claim = parts.queue.take_behind(self._going.claim)
        if claim is None:
            return None
        if not self._may_send(claim):
            # Whether the facts are old or the person left is found out in its turn.
            parts.queue.put_back(claim)
            return None
        self._next = self._made(claim)
        return None if self._next is None else self._next.transaction

    def accepted(self, reply: Reply) -> None:
        """Record that what was handed over is accepted, and turn to what comes next.

        Raises:
            JournalFull: when the journal cannot be written; the outcome is recorded all the same.
        """
        if self._going is not None:
            try:
                self._answered(self._going, Answer(Stage.CONTENT, reply))
            finally:
                self._move_on()

    def _may_send(self, claim: Claim) -> bool:
        outgoing = claim.outgoing
        return self._parts.watch.may_send(
            outgoing.mailing_id, outgoing.share_id, outgoing.address_digest, claim.claimed_at
        )

    def _set_aside(self, claim: Claim, error: Exception) -> None:
        failed("mailing set aside", mailing=claim.outgoing.mailing_id)
        self._parts.recorder.give_back(claim.outgoing.delivery_id)
        # What a library says could quote a person's value, and the reason is shown to staff.
        kind = type(error).__name__
        reason = str(error) if isinstance(error, FaultsFound) else f"A mail cannot be made ({kind})"
        self._parts.set_aside(claim.outgoing.mailing_id, reason)

    async def _transact(self, session: Session, going: Going) -> bool:
        """Send mails until one is not accepted; return False when the connection is of no more use."""
        try:
            answer = await session.transact(going.transaction, self)
        except Exception as error:  # noqa: BLE001  (Raised again unless it is told what to do.)
            return self._not_answered(session, self._going or going, error)
        # All before it were accepted: see `accepted`.
        going = self._going or going
        if wants_login(answer.reply, answer.stage):
            self._parts.recorder.give_back(going.claim.outgoing.delivery_id)
            said = f"{answer.reply.code} {answer.reply.text}"
            await self._unavailable(
                RelayUnavailable(self._relay.key, answer.stage.value, said, answer.reply.code)
            )
            return False
        if answer.reply.code >= 400:
            slow_down = asks_to_slow_down(answer.reply, answer.stage, session.sent)
            if slow_down is not None:
                self._parts.slow_down(slow_down, going.claim.key, answer.reply)
        self._answered(going, answer)
        return not classify(answer.reply, answer.stage).reconnect

    def _not_answered(self, session: Session, going: Going, error: Exception) -> bool:
        """See to a mail that nothing was replied to; return False when the connection is of no use."""
        parts, (claim, _, now, began) = self._parts, going
        delivery_id = claim.outgoing.delivery_id
        match error:
            case Withheld():
                parts.recorder.give_back(delivery_id)
                return True
            case Smtputf8Missing():
                parts.recorder.skip(delivery_id, SkipReason.EAI_UNSUPPORTED)
                return True
            case ConnectionLost():
                parts.health.lost(error.reason)
                self._record(claim, now, began, lost(error.reason))
            case InDoubt():
                parts.health.lost(error.reason)
                self._record(claim, now, began, None, f"connection lost: {error.reason}")
            case ValueError():
                # What may not go over the wire at all; nothing of it was written.
                self._set_aside(claim, error)
            case JournalFull():
                session.abort()
                for one in (going, self._next):
                    if one is not None:
                        parts.recorder.give_back(one.claim.outgoing.delivery_id)
                raise error
            case _:
                raise error
        return False

    def _answered(self, going: Going, answer: Answer) -> None:
        """Record the reply that decided a mail.

        Raises:
            JournalFull: when the journal cannot be written; the outcome is recorded all the same.
        """
        # Only a transaction shows that a relay takes our mail: one may greet us and want a login.
        self._parts.health.met(None)
        self._backoff_s = FIRST_BACKOFF_S
        outgoing, reply = going.claim.outgoing, answer.reply
        try:
            if answer.stage is Stage.CONTENT:
                self._parts.journal.reply(
                    outgoing.delivery_id, outgoing.attempt_number, reply.code, reply.enhanced_code
                )
        finally:
            # Also when the journal is full: what is known is told to the database.
            self._record(going.claim, going.started_at, going.began, answer)

    def _record(
        self, claim: Claim, now: datetime, began: float, answer: Answer | None, doubt: str = ""
    ) -> None:
        parts, outgoing = self._parts, claim.outgoing
        over_at = parts.clock.monotonic()
        duration_s = over_at - began
        # The commands of this one may have gone while the one before was waited for.
        self._took_s = over_at - max(began, self._over_at)
        parts.took(self._took_s)
        self._over_at = over_at
        parts.recorder.record(
            recorded(
                delivery_id=outgoing.delivery_id,
                mailing_id=outgoing.mailing_id,
                domain_class=outgoing.domain_class,
                attempt_number=outgoing.attempt_number,
                first_attempt_at=outgoing.resent_at or outgoing.first_attempt_at or now,
                answer=answer,
                doubt=doubt,
                relay=parts.relay.key,
                started_at=now,
                duration_ms=round(duration_s * 1000),
                policy=parts.policy,
                now=parts.clock.now(),
                jitter=random.random(),  # noqa: S311  (Spreads retries; no secret.)
                address=outgoing.address,
            )
        )
