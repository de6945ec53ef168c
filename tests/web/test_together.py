"""Wishes of several visitors are handed on in lots, and each gets its own result."""

import asyncio
import threading

import pytest

from mailer.web.public.together import Together


class Doubling:
    """Work that doubles each number, once it is let go, and keeps the lots it was handed."""

    def __init__(self) -> None:
        self.lots: list[list[int]] = []
        self.begun, self.may_go = threading.Event(), threading.Event()

    def work(self, numbers):
        """Do it for a lot."""
        self.lots.append(list(numbers))
        self.begun.set()
        assert self.may_go.wait(10)
        return [2 * one for one in numbers]


async def _asked(together, work, numbers):
    """Ask for the first alone, and for the others once it is under way."""
    first = asyncio.create_task(together.ask(numbers[0]))
    await asyncio.to_thread(work.begun.wait)
    others = [asyncio.create_task(together.ask(one)) for one in numbers[1:]]
    await asyncio.sleep(0)
    work.may_go.set()
    return await asyncio.gather(first, *others)


def test_who_comes_meanwhile_is_in_the_next_lot():
    """One does not wait for others; those who come while it is under way go together."""
    work = Doubling()
    assert [2, 4, 6, 8, 10] == asyncio.run(_asked(Together(work.work, 3), work, [1, 2, 3, 4, 5]))
    assert [[1], [2, 3, 4], [5]] == work.lots


def test_what_goes_wrong_reaches_everybody_of_the_lot_and_nobody_else():
    """A lot that fails is told to each of it, and the next one is done."""

    def work(numbers):
        if 13 in numbers:
            raise LookupError("thirteen")
        return numbers

    async def ask():
        together = Together(work, 10)
        with pytest.raises(LookupError):
            await together.ask(13)
        return await together.ask(14)

    assert 14 == asyncio.run(ask())


def test_a_visitor_who_goes_does_not_stop_the_others():
    """Whoever gives up waiting leaves the rest of the lot as it is."""
    work = Doubling()

    async def ask():
        together = Together(work.work, 10)
        first = asyncio.create_task(together.ask(1))
        await asyncio.to_thread(work.begun.wait)
        gone, stays = (asyncio.create_task(together.ask(one)) for one in (2, 3))
        await asyncio.sleep(0)
        gone.cancel()
        work.may_go.set()
        assert 2 == await first
        return await stays

    assert 6 == asyncio.run(ask())
    assert [[1], [2, 3]] == work.lots
