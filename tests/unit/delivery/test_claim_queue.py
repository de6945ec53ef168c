"""Which claim a free connection gets: a slow provider never has them all."""

import asyncio
import time

import pytest

from mailer.clock import SYSTEM_CLOCK
from mailer.delivery.claims import Claim
from mailer.delivery.queue import FIRST_ROOM, FURTHEST_TURN_S, ClaimQueue
from mailer.model.pacing import Pace, PaceKey, Pacing

GMAIL, MAILRU = PaceKey("gmail"), PaceKey("mailru")
SMALL = PaceKey("other", b"small")


def _claims(key, count):
    return [Claim(f"{key.domain_class}{number}", None, 0.0, key) for number in range(count)]


@pytest.fixture
def queue(clock):
    """A queue of a process with four connections and no limits."""
    made = ClaimQueue(clock)
    made.limit(Pacing(), 0, 1, 4)
    return made


async def _take(queue, count):
    """Take so many; None for each that waited in vain."""
    taken = []
    for _ in range(count):
        try:
            taken.append(await asyncio.wait_for(queue.take(), 0.01))
        except TimeoutError:
            taken.append(None)
    return taken


async def test_the_oldest_claim_of_whoever_has_the_fewest_under_way_is_next(queue):
    """Three providers are served in turn, however many wait for the first."""
    queue.extend([*_claims(GMAIL, 5), *_claims(MAILRU, 1), *_claims(SMALL, 1)])
    taken = await _take(queue, 3)
    assert ["gmail0", "mailru0", "other0"] == [one.outgoing for one in taken]
    assert 4 == len(queue)


async def test_a_slow_provider_leaves_one_connection_to_the_others(queue, clock):
    """Also while nothing else waits; with nobody else known it has them all."""
    queue.extend(_claims(GMAIL, 5))
    assert 4 == sum(one is not None for one in await _take(queue, 4))
    for number in range(4):
        clock.forward(seconds=5)
        queue.done(_claims(GMAIL, 4)[number], 5.0)
    queue.extend([*_claims(GMAIL, 5), *_claims(MAILRU, 1)])
    taken = await _take(queue, 4)
    # Of the second nothing is known yet: it could be as slow.
    assert [GMAIL, MAILRU, GMAIL, None] == [one and one.key for one in taken]
    queue.done(taken[1], 0.01)
    assert [GMAIL, None] == [one and one.key for one in await _take(queue, 2)]
    queue.extend(_claims(MAILRU, 1))
    assert [MAILRU] == [one.key for one in await _take(queue, 1)]


async def test_nobody_is_put_behind_the_mail_of_a_slow_provider(queue, clock):
    """Its reply may take seconds, and who comes behind would wait for it."""
    queue.extend([*_claims(GMAIL, 2), *_claims(MAILRU, 2)])
    slow, quick = await _take(queue, 2)
    clock.forward(seconds=5)
    queue.done(slow, 5.0)
    queue.done(quick, 0.01)
    assert queue.take_behind(slow) is None
    assert queue.take_behind(quick) is not None


async def test_a_limit_of_connections_is_kept_and_others_go_on(queue):
    """Two of one provider at once; the third waits until one has ended."""
    queue.limit(Pacing({"gmail": Pace(connections=2)}), 0, 1, 4)
    queue.extend([*_claims(GMAIL, 4), *_claims(MAILRU, 1)])
    taken = await _take(queue, 4)
    assert [GMAIL, MAILRU, GMAIL, None] == [one and one.key for one in taken]
    queue.done(taken[0], 0.01)
    assert ["gmail2"] == [one.outgoing for one in await _take(queue, 1)]


async def test_every_single_domain_has_its_limit(queue):
    """One at once of each; a class of a provider is no single domain."""
    queue.limit(Pacing(each_domain=Pace(connections=1)), 0, 1, 9)
    queue.extend([*_claims(SMALL, 2), *_claims(PaceKey("other", b"large"), 2), *_claims(GMAIL, 2)])
    taken = [one for one in await _take(queue, 5) if one is not None]
    assert [1, 1, 2] == [
        [one.key for one in taken].count(key) for key in (SMALL, PaceKey("other", b"large"), GMAIL)
    ]


async def test_a_rate_holds_when_they_go_and_not_only_when_they_are_claimed(queue, clock):
    """Of ten a second two processes send five each: one after the other, whatever has piled up."""
    queue.limit(Pacing(), 0, 2, 4, 10.0)
    queue.extend(_claims(GMAIL, 20))
    taken = []
    for _ in range(20):
        taken += [one for one in await _take(queue, 2) if one is not None]
        clock.forward(seconds=0.1)
    # The one that was late by less than a tenth of a second is made up for.
    assert 10 <= len(taken) <= 11
    last = taken.pop()
    queue.put_back(last)
    assert [last] == await _take(queue, 1)
    queue.limit(Pacing(), 0, 1, 4)
    assert 4 == sum(one is not None for one in await _take(queue, 4))


async def test_a_providers_rate_holds_when_they_go_and_others_go_on(queue, clock):
    """One a second of it; no more of it is held than goes in a second."""
    queue.limit(Pacing({"gmail": Pace(per_second=2.0)}), 0, 2, 9)
    queue.extend([*_claims(GMAIL, 4), *_claims(MAILRU, 3)])
    taken = [one for one in await _take(queue, 6) if one is not None]
    assert [1, 3] == [[one.key for one in taken].count(key) for key in (GMAIL, MAILRU)]
    for one in taken:
        queue.done(one, 0.01)
    assert [None] == await _take(queue, 1)
    clock.forward(seconds=1)
    assert ["gmail1"] == [one.outgoing for one in await _take(queue, 1)]
    assert -1 == queue.of_class("gmail")


async def test_whoever_waits_for_a_rate_is_woken_when_its_time_comes():
    """Without anything else that happens."""
    queue = ClaimQueue(SYSTEM_CLOCK)
    queue.limit(Pacing(), 0, 1, 4, 20.0)
    queue.extend(_claims(GMAIL, 4))
    began = time.monotonic()
    taken = 0
    while taken < 4:
        taken += await queue.take() is not None
    assert 0.04 <= time.monotonic() - began < 2


async def test_a_claim_put_back_is_the_next_of_its_provider(queue):
    """As if it had not been taken."""
    queue.extend(_claims(GMAIL, 2))
    (first,) = await _take(queue, 1)
    queue.put_back(first)
    assert [first] == await _take(queue, 1)
    assert 1 == len(queue)


async def test_no_more_is_claimed_than_is_used_in_a_second(queue, clock):
    """A few while nothing is known; then what was seen; a slow one gets few."""
    assert FIRST_ROOM == queue.of_class("gmail")
    assert queue.of_class("other") is None
    queue.extend(_claims(GMAIL, 1))
    (claim,) = await _take(queue, 1)
    queue.done(claim, 0.01)
    assert 100 == queue.of_class("gmail")
    queue.extend(_claims(SMALL, 1))
    (claim,) = await _take(queue, 1)
    queue.done(claim, 5.0)
    assert 8 == queue.of_domain(b"small")


async def test_what_is_put_off_has_its_turn_expected_one_after_the_other(queue, clock):
    """By its rate, not further ahead than five minutes; of who is not known, in a second."""
    assert [1.0, 1.0] == queue.turn_of(b"small", 0.0, 2)
    assert [0.5, 1.0] == queue.turn_of(b"small", 2.0, 2)
    clock.forward(seconds=0.5)
    assert [1.0] == queue.turn_of(b"small", 2.0, 1)
    assert [FURTHEST_TURN_S] * 2 == queue.turn_of(b"large", 0.001, 2)
    assert 7 == queue.put_off


async def test_what_waits_for_a_paused_provider_can_be_given_back(queue):
    """Its part alone; what is empty stays empty."""
    queue.extend([*_claims(GMAIL, 3), *_claims(MAILRU, 1)])
    assert 3 == len(queue.pull(GMAIL))
    assert ([], 1) == (queue.pull(GMAIL), len(queue))
    assert [MAILRU] == [one.key for one in queue.empty()]
