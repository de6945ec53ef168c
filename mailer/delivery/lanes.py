"""Keep as many lanes as the relay has connections for us, also when that number changes.

In: how a lane is made, and how many are wanted, asked again and again. Out: lanes that run. One
more is begun at once; one too many ends after the mail it has under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mailer.delivery.lane import Lane
from mailer.delivery.session import RelaySettings

LOOK_S = 0.2


class Lanes:
    """The lanes of one engine."""

    def __init__(self, make: Callable[[], Lane], wanted: Callable[[], int]) -> None:
        self._make = make
        self._wanted = wanted
        self._tasks: dict[asyncio.Task[None], Lane] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Keep lanes busy until `stopping` is set and all have ended; set it when one fails.

        Raises:
            JournalFull: when the journal cannot be written: nothing may be sent then.
        """
        failure: BaseException | None = None
        while not stopping.is_set():
            self._fit()
            ended, _ = await asyncio.wait(
                self._tasks, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED
            )
            failure = self._forget(ended)
            if failure is not None:
                stopping.set()
        while self._tasks:
            ended, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            failure = self._forget(ended) or failure
        if failure is not None:
            raise failure

    def _fit(self) -> None:
        staying = [lane for lane in self._tasks.values() if not lane.leaves]
        wanted = max(self._wanted(), 1)
        for lane in staying[wanted:]:
            lane.leave()
        for _ in range(wanted - len(staying)):
            lane = self._make()
            self._tasks[asyncio.create_task(lane.run())] = lane

    def _forget(self, ended: set[asyncio.Task[None]]) -> BaseException | None:
        """Drop lanes that have ended; return why one failed."""
        for task in ended:
            del self._tasks[task]
        failed = (None if task.cancelled() else task.exception() for task in ended)
        return next((one for one in failed if one is not None), None)

    def nudge(self) -> None:
        """Let lanes that wait before they try the relay again try now."""
        for lane in self._tasks.values():
            lane.nudge()

    def adjust(self, relay: RelaySettings) -> None:
        """Speak to the relay with these limits from now on."""
        for lane in self._tasks.values():
            lane.adjust(relay)

    @property
    def open(self) -> int:
        """Return how many have not ended."""
        return len(self._tasks)

    def abort(self) -> None:
        """Cut every connection; what has none is cancelled, since nothing of it ends by itself."""
        for task, lane in self._tasks.items():
            if not lane.abort():
                task.cancel()

    def cancel(self) -> None:
        """Cancel what runs still."""
        for task in self._tasks:
            task.cancel()
