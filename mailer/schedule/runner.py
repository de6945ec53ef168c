"""Let APScheduler call the ticker once a second until told to stop.

In: a ticker and a stop event. Out: nothing; errors are logged and the next tick tries again. There
is no job per mailing or zone: what is due stands in our tables, so a restart loses nothing.
"""

from __future__ import annotations

import asyncio
import logging

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from mailer.events import failed
from mailer.schedule.housekeeping import Housekeeper
from mailer.schedule.ticker import LEASE, Ticker
from mailer.schedule.watchman import LOOK_S, Watchman
from mailer.store.engine import Store, StoreUnavailable
from mailer.store.mailings import drop_lease

TICK_S = 1


async def run_scheduler(
    ticker: Ticker,
    housekeeper: Housekeeper,
    store: Store,
    stop: asyncio.Event,
    watchman: Watchman | None = None,
) -> None:
    """Tick once a second until `stop` is set, then finish the tick under way and let go."""
    # A tick that takes longer than a second is nothing to warn of: the next one goes on.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)

    def tick() -> None:
        try:
            # Only who holds the lease clears away.
            if ticker.tick():
                housekeeper.step()
        except StoreUnavailable:
            failed("tick put off")

    scheduler = BackgroundScheduler(
        # A command that tells staff may take its time; ticks do not wait for it.
        executors={"default": ThreadPoolExecutor(1), "watchman": ThreadPoolExecutor(1)},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        timezone="UTC",
    )
    scheduler.add_job(tick, "interval", seconds=TICK_S, id="tick")
    if watchman is not None:
        scheduler.add_job(
            watchman.look, "interval", seconds=LOOK_S, id="watchman", executor="watchman"
        )
    scheduler.start()
    try:
        await stop.wait()
    finally:
        await asyncio.to_thread(scheduler.shutdown, wait=True)
        with store.write() as connection:
            drop_lease(connection, LEASE, ticker.holder)
            if watchman is not None:
                watchman.let_go(connection)
