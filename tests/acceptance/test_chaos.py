"""Invariants 1 to 3 while the program is killed again and again; `make chaos` does it at length."""

import random

import pytest

from tests.support.chaos import Chaos, Victim, draw
from tests.support.sink import Phase

pytestmark = [pytest.mark.acceptance]


@pytest.mark.timeout(600)
async def test_thirty_kills_lose_and_repeat_nothing(nursery, tmp_path):
    """Two senders, scheduler and pages, killed in every phase: nobody is missed or mailed twice.

    In doubt is at most one delivery per connection that was open, and who leaves is let alone.
    """
    chaos = Chaos(nursery, tmp_path / "w", people=480, senders=2, kills=30, seed=3)
    verdict = await chaos.run()
    assert verdict.sound, (verdict, chaos.told())
    assert 30 * 2 == sum(verdict.kills.values())
    assert set(Phase) | set(Victim) == set(verdict.kills)
    assert 0 < verdict.max_in_doubt <= verdict.in_doubt
    assert 0 < verdict.left


def test_kills_are_drawn_evenly_over_the_phases_and_again_from_the_same_seed():
    """A run that found something can be had again."""
    drawn = draw(300, random.Random(5))
    assert drawn == draw(300, random.Random(5))
    assert dict.fromkeys(Phase, 50) == {
        phase: sum(one.phase is phase for one in drawn) for phase in Phase
    }
