"""Run one engine per relay, side by side in one process, and end them together.

In: engines, and what runs beside them. Out: nothing; each records its own outcomes. One that fails
does not cut the others off in the middle of a mail: they are told to stop, finish what is open, and
then the failure is told.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from typing import Protocol


class Member(Protocol):
    """What runs in a sender process until it is told to stop."""

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set."""
        ...


#: How many more objects than went have to come before cycles are looked for.
GC_THRESHOLD = (50_000, 20, 50)


class Fleet:
    """The engines of a sender process."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set or one engine fails.

        Raises:
            JournalFull: when a journal cannot be written: nothing may be sent then.
            StoreUnavailable: when the database does not answer at the beginning.
        """
        # What was loaded until now stays for good, and what a mail leaves behind goes by itself:
        # looking for cycles among it took a fourteenth of the time.
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLD)
        ending = asyncio.Event()
        running = [asyncio.create_task(member.run(ending)) for member in self._members]
        told = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({told, *running}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            ending.set()
            ended = await asyncio.gather(*running, return_exceptions=True)
        for one in ended:
            if isinstance(one, BaseException):
                raise one
