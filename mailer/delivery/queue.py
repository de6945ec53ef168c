"""The claims of one sender process that wait for a free connection, oldest first.

In: claims, a batch at a time. Out: one claim to each lane that asks. It lives on one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from mailer.delivery.claims import Claim


class ClaimQueue:
    """A queue that wakes whoever waits, also when there will be nothing more."""

    def __init__(self) -> None:
        self._claims: deque[Claim] = deque()
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._claims)

    def extend(self, claims: Iterable[Claim]) -> None:
        """Add claims and wake the lanes that wait."""
        self._claims.extend(claims)
        if self._claims:
            self._wake.set()

    def wake(self) -> None:
        """Wake the lanes that wait, although there may be nothing for them."""
        self._wake.set()

    async def take(self) -> Claim | None:
        """Return the next claim; None when another lane was quicker or the engine stops."""
        if not self._claims:
            self._wake.clear()
            await self._wake.wait()
        return self._claims.popleft() if self._claims else None

    def take_now(self) -> Claim | None:
        """Return the next claim if there is one."""
        return self._claims.popleft() if self._claims else None

    def put_back(self, claim: Claim) -> None:
        """Let a claim that was taken be the next again."""
        self._claims.appendleft(claim)
        self._wake.set()

    def empty(self) -> list[Claim]:
        """Return everything that waits and hold nothing more."""
        left = list(self._claims)
        self._claims.clear()
        return left
