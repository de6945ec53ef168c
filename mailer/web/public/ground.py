"""What every part of the public pages stands on, and how it says which addresses it answers.

In: store, tokens, pages, clock. Out: `Ground`, handed to each part, and `Route`s, which the part
gives back. Whoever answers a form works in a thread, and never sooner than it may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from mailer.clock import Clock
from mailer.store.engine import Store
from mailer.store.suppression_log import SuppressionLog
from mailer.tokens import Tokens
from mailer.web.public.pages import Pages

READ = ("GET", "HEAD")
WRITE = ("POST",)
#: What a visitor or a provider is asked to wait when the database does not answer.
RETRY_AFTER_S = 30
#: At most this many forms of one part wait for the database at once; the others wait in line.
_WRITERS = 4
_T = TypeVar("_T")


class Route(NamedTuple):
    """One address that is answered."""

    path: str
    methods: tuple[str, ...]
    endpoint: Callable[[Request], Awaitable[Response]]
    #: What the log calls it: never the path, which may hold a token.
    name: str


@dataclass(frozen=True)
class Ground:
    """What a part of the public pages is given."""

    #: It may be away for a while.
    store: Store
    tokens: Tokens
    pages: Pages
    clock: Clock
    #: Keeps who left beside the database.
    log: SuppressionLog
    #: What absolute addresses begin with, without a final slash.
    base_url: str
    #: No answer to a form comes sooner, so that its time tells nothing.
    answer_floor_s: float


#: A part of the public pages: what it answers, given what it stands on.
Area = Callable[[Ground], Iterable[Route]]


class Answering:
    """Answers forms that cost a look at the database, or a write, in threads and not too soon."""

    def __init__(self, ground: Ground) -> None:
        self._clock = ground.clock
        self._floor_s = ground.answer_floor_s
        self._limiter: CapacityLimiter | None = None

    async def work(self, work: Callable[[], _T]) -> _T:
        """Do something in a thread, and come back no sooner than the floor after it was asked.

        Only a token that is ours costs a write to the disk: the time of an answer must not tell.
        """
        return await self.not_sooner(self._in_thread(work))

    async def not_sooner(self, work: Awaitable[_T]) -> _T:
        """Wait for something, and come back no sooner than the floor after it was asked."""
        began = self._clock.monotonic()
        try:
            return await work
        finally:
            await asyncio.sleep(began + self._floor_s - self._clock.monotonic())

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        if self._limiter is None:
            self._limiter = CapacityLimiter(_WRITERS)
        # A visitor who closes the page has been answered all the same: a thread is not cancelled.
        return await to_thread.run_sync(work, limiter=self._limiter)
