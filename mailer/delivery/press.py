"""Make the mails of claims, ahead of the lanes that send them.

In: claims. Out: the same claims with their mails. Where making one takes long, as an RSA signature
does, two threads make them, a few at a time, while the event loop sends: a signature lets go of the
interpreter. The others are made when a lane asks for one, and with it those that will be next: one
after the other they take half as long as each by itself, between two mails on the wire. What went
wrong with one travels with its claim, and the lane that takes it deals with it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from mailer.clock import Clock
from mailer.compose.composer import CannotCompose
from mailer.delivery.claims import Claim
from mailer.delivery.queue import ClaimQueue
from mailer.model.faults import FaultsFound
from mailer.model.mailing import ComposedMail

THREADS = 2
#: Mails that are made one after the other.
AT_ONCE = 8
#: Mails that wait for a lane: at some ten kilobytes each they are kept few.
AHEAD = 128
#: What composing may raise that is about the mail.
TROUBLES = (CannotCompose, FaultsFound, ValueError)


class Press:
    """Makes mails for one engine's queue."""

    def __init__(self, queue: ClaimQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._waiting: deque[Claim] = deque()
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def extend(self, claims: Sequence[Claim]) -> None:
        """Take claims: those whose mails take long are made here, the lanes make the others."""
        quick = [one for one in claims if not one.material.composer.is_slow]
        self._queue.extend(quick)
        if len(quick) < len(claims):
            self._waiting.extend(one for one in claims if one.material.composer.is_slow)
            self._wake.set()

    async def run(self) -> None:
        """Make mails until cancelled; what was begun then is finished and thrown away."""
        with ThreadPoolExecutor(THREADS, "press") as threads:
            await asyncio.gather(*(self._work(threads) for _ in range(THREADS)))

    async def _work(self, threads: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            elif not self._queue.is_short_of(AHEAD):
                await asyncio.sleep(0.002)
            else:
                some = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
                try:
                    await loop.run_in_executor(threads, _make, some, self._clock.now())
                except asyncio.CancelledError:
                    self._waiting.extendleft(reversed(some))
                    raise
                self._queue.extend(some)

    def mail_of(self, claim: Claim) -> ComposedMail:
        """Return the mail of a claim that was taken; make it, and a few that will be next.

        Raises:
            Exception: what composing raised, see `TROUBLES`.
        """
        if claim.made is None:
            _make((claim, *self._queue.next_few(AT_ONCE - 1)), self._clock.now())
        made = claim.made
        if not isinstance(made, ComposedMail):
            raise made or ValueError("nothing was made")
        return made

    def empty(self) -> list[Claim]:
        """Return everything that waits and hold nothing more."""
        left = list(self._waiting)
        self._waiting.clear()
        return left


def _make(claims: Iterable[Claim], now: datetime) -> None:
    for claim in claims:
        if claim.made is None:
            try:
                claim.made = claim.material.composer.compose(claim.outgoing, now)
            except TROUBLES as error:
                claim.made = error
