"""Let APScheduler call the ticker once a second until told to stop.

In: a ticker and a stop event. Out: nothing; errors are logged and the next tick tries again. There
is no job per mailing or zone: what is due stands in our tables, so a restart loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from mailer.events import failed
from mailer.schedule.housekeeping import Housekeeper
from mailer.schedule.ticker import LEASE, Ticker
from mailer.schedule.watchman import LOOK_S, Watchman
from mailer.store.engine import Store, StoreUnavailable
from mailer.store.leases import drop_lease

TICK_S = 1


class _Every(BaseTrigger):  # type: ignore[misc]  # (APScheduler has no types.)
    """Fires so long after it last did, wherever the clock on the wall was set meanwhile."""

    def __init__(self, seconds: float) -> None:
        self.interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        """Return the next time: what a clock set forward has passed over is not gone through."""
        return now + self.interval


async def run_scheduler(
    ticker: Ticker,
    housekeeper: Housekeeper,
    store: Store,
    stop: asyncio.Event,
    watchman: Watchman | None = None,
) -> None:
    """Tick once a second until `stop` is set, then finish the tick under way and let go.

    While a mailing is freezing one tick follows on the other.
    """
    # A tick that takes longer than a second is nothing to warn of: the next one goes on.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)

    def tick() -> None:
        try:
            # Only who holds the lease clears away.
            while ticker.tick():
                housekeeper.step()
                if not ticker.is_freezing or stop.is_set():
                    break
        except StoreUnavailable:
            failed("tick put off")

    scheduler = BackgroundScheduler(
        # A command that tells staff may take its time; ticks do not wait for it.
        executors={"default": ThreadPoolExecutor(1), "watchman": ThreadPoolExecutor(1)},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        timezone="UTC",
    )
    scheduler.add_job(tick, _Every(TICK_S), id="tick")
    if watchman is not None:
        scheduler.add_job(watchman.look, _Every(LOOK_S), id="watchman", executor="watchman")
    scheduler.start()
    try:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK_S)
            _wake(scheduler)
    finally:
        await asyncio.to_thread(scheduler.shutdown, wait=True)
        with store.write() as connection:
            drop_lease(connection, LEASE, ticker.holder)
            if watchman is not None:
                watchman.let_go(connection)


def _wake(scheduler: BackgroundScheduler) -> None:
    """Wake APScheduler where the clock was set back: it sleeps until an hour on the wall."""
    now = datetime.now(UTC)
    for job in scheduler.get_jobs():
        if job.next_run_time - now > job.trigger.interval:
            job.modify(next_run_time=now)
