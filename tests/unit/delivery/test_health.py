"""When a relay that is aside is tried again."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

from mailer.delivery import health
from mailer.delivery.health import Health
from tests.support.clocks import NOW


async def test_a_relay_stays_aside_no_longer_when_the_clock_is_set_back(clock, monkeypatch):
    """A pause further ahead than any is long is none; a real one is waited for."""
    monkeypatch.setattr(health, "LOOK_S", 0.002)
    gate, tried = SimpleNamespace(aside_until=None), asyncio.Event()

    async def reach():
        tried.set()

    coming = asyncio.create_task(Health("main", clock, lambda _note: None).come_back(gate, reach))
    await asyncio.sleep(0.02)
    gate.aside_until = NOW + timedelta(minutes=4)
    await asyncio.sleep(0.02)
    assert not tried.is_set()
    gate.aside_until = NOW + timedelta(hours=3)
    await asyncio.wait_for(tried.wait(), 10)
    coming.cancel()
