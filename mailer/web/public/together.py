"""Do the same thing for several visitors at once, where each alone would wait for the disk.

In: one visitor's wish at a time. Out: its result, once the work on all that waited with it is done.
Who comes while work is under way is in the next lot, so that nobody waits for a lot to fill.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from anyio import to_thread

_Wish = TypeVar("_Wish")
_Result = TypeVar("_Result")


class Together(Generic[_Wish, _Result]):
    """Hands wishes to a function in lots, in a thread, one lot at a time."""

    def __init__(self, work: Callable[[Sequence[_Wish]], Sequence[_Result]], most: int) -> None:
        """Begin with nobody waiting.

        Args:
            work: does it for a lot, and returns a result for each in the same order; what it
                raises reaches everybody in the lot.
            most: wishes in a lot.
        """
        self._work = work
        self._most = most
        self._waiting: list[tuple[_Wish, asyncio.Future[_Result]]] = []
        self._working: asyncio.Task[None] | None = None

    async def ask(self, wish: _Wish) -> _Result:
        """Return what came of one wish.

        Raises:
            Exception: whatever the work on its lot raised.
        """
        future: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((wish, future))
        if self._working is None:
            self._working = asyncio.create_task(self._go_on())
        # A visitor who closes the page has been answered all the same: the lot goes on.
        return await asyncio.shield(future)

    async def _go_on(self) -> None:
        try:
            while self._waiting:
                lot, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._do(lot)
        finally:
            self._working = None

    async def _do(self, lot: Sequence[tuple[_Wish, asyncio.Future[_Result]]]) -> None:
        try:
            results = await to_thread.run_sync(self._work, [wish for wish, _ in lot])
        except Exception as error:  # noqa: BLE001  (Each of the lot is told, as if alone.)
            for _, future in lot:
                future.set_exception(error)
                # Who has gone does not ask; that nobody did is not worth a warning.
                future.exception()
            return
        for (_, future), result in zip(lot, results, strict=True):
            future.set_result(result)
