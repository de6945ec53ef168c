"""Build and run one role of the program: web, scheduler, senders, feedback or sandbox.

In: a workspace and a part. Out: an exit status, once SIGTERM or SIGINT came or the parent ended.
What a role needs is imported when it is run, so that a sender process never loads the web.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import uvloop

if TYPE_CHECKING:
    from fastapi import FastAPI

    from mailer.config import Config
    from mailer.model.statement import LocalizedText
    from mailer.web.public.ground import Area

from mailer.app.supervisor import HEEDED, STDIN, SUPERVISED, Part, Role
from mailer.app.workspace import Workspace
from mailer.events import configure_logging, emit

#: What a sender process runs; a parent of several loads it once for all.
_SENDERS_RUN = ("mailer.app.sending", "mailer.app.service", "mailer.delivery.fleet")
#: Where what is for this machine only listens.
LOOPBACK = "127.0.0.1"


def preload() -> None:
    """Load what a sender process runs, and nothing else, before one is forked."""
    for name in _SENDERS_RUN:
        importlib.import_module(name)


#: What has time: whoever answers people gets the processor before it.
_BEHIND = frozenset({Role.SENDERS, Role.SCHEDULER, Role.FEEDBACK})
_NICENESS = 5


def step_back() -> None:
    """Let processes that answer people go before this one, from now on."""
    os.nice(_NICENESS)


def run_part(part: Part, workspace: Workspace, above: Mapping[Role, Build] | None = None) -> int:
    """Run one part until told to stop; return 0 when it ended cleanly.

    Args:
        part: Which.
        workspace: What it works on.
        above: Builds the parts that stand above this package in the order of imports.

    Raises:
        FaultsFound: when it cannot do anything as the workspace is configured.
    """
    if part.role in _BEHIND:
        step_back()
    serve = {**_SERVE, **(above or {})}[part.role](workspace, part.number)
    # What is loaded stays for good: looking for cycles among it would stop everything for a fifth
    # of a second, now and then, whoever waits for an answer.
    gc.collect()
    gc.freeze()
    # Says that it has started, which must not be long before it can be told to end.
    configure_logging(process=part.name)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_until_told(part.name, serve))


#: Does a part's work until it is told to stop.
Serve = Callable[[asyncio.Event], Awaitable[None]]
#: Makes that of a workspace and the number of the part.
Build = Callable[[Workspace, int], Serve]


async def _until_told(name: str, serve: Serve) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if os.environ.get(SUPERVISED):
        # Ctrl-C reaches the whole process group; the parent passes on SIGTERM in its own time.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        _watch_parent(loop, stop)
    else:
        loop.add_signal_handler(signal.SIGINT, stop.set)
    # A parent that forks has them blocked until now.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
    await serve(stop)
    emit("ended", process=name)
    return 0


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends, which a parent that goes in whatever way brings about."""

    def readable() -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(STDIN, 1024):
                loop.remove_reader(STDIN)
                stop.set()

    os.set_blocking(STDIN, False)
    loop.add_reader(STDIN, readable)


def _scheduler(workspace: Workspace, _number: int) -> Serve:
    from mailer.app.discreet import heed_discreet_lists
    from mailer.app.languages import resolver_for
    from mailer.app.newsletters import IssueDrafter
    from mailer.app.watching import build_watchman
    from mailer.schedule.housekeeping import Housekeeper, Retention
    from mailer.schedule.runner import run_scheduler
    from mailer.schedule.ticker import Ticker

    store = workspace.store
    ticker = Ticker(
        store,
        workspace.clock,
        resolver_for(store),
        IssueDrafter(workspace),
        before_freezing=lambda: heed_discreet_lists(workspace),
    )
    watchman = build_watchman(workspace)
    config = workspace.config
    kept = config.retention
    retention = Retention(
        attempts=timedelta(days=kept.attempts_days),
        journals=timedelta(days=kept.journal_days),
        deliveries=timedelta(days=kept.deliveries_days),
        rejects=timedelta(days=kept.rejects_days),
        undo=timedelta(days=kept.undo_days),
        feedback=timedelta(days=kept.feedback_days),
        journal_dir=config.journal_dir,
        rejects_dir=config.data_dir / "rejects",
    )
    housekeeper = Housekeeper(store, workspace.clock, retention)

    async def serve(stop: asyncio.Event) -> None:
        await run_scheduler(ticker, housekeeper, store, stop, watchman)

    return serve


def _senders(workspace: Workspace, number: int) -> Serve:
    from mailer.app.senders import build_senders
    from mailer.app.service import build_service_engines

    return build_senders(workspace, build_service_engines(workspace, number), number).run


def _web(workspace: Workspace, _number: int) -> Serve:
    from mailer.web.public.app import create_public_app
    from mailer.web.public.server import serve_public

    config = workspace.config
    web = config.web
    app = create_public_app(
        workspace.store,
        workspace.tokens,
        workspace.page_catalogs,
        workspace.clock,
        log=workspace.suppression_log,
        base_url=web.base_url,
        organisation=_whose(config),
        time_zone=config.workspace.time_zone,
        areas=_areas(workspace),
    )

    async def serve(stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(serve_public(app, web.host, web.port, stop))
            if web.metrics_port:
                group.create_task(
                    serve_public(
                        _figures(workspace),
                        LOOPBACK,
                        web.metrics_port,
                        stop,
                        key="web.metrics_port",
                    )
                )

    return serve


def _whose(config: Config) -> LocalizedText:
    """Return whose public pages these are: the organisation that stands first, by language."""
    for one in config.organisations:
        return one.name
    return {"en": config.workspace.name}


def _areas(workspace: Workspace) -> list[Area]:
    """Return the parts of the public pages that need more than what all of them stand on."""
    from mailer.app.feedback import build_taker, served_hooks
    from mailer.app.own_data import OwnDataDesk
    from mailer.web.public.own_data import OwnData
    from mailer.web.public.webhooks import Webhooks

    hooks, taker, own = served_hooks(workspace), build_taker(workspace), OwnDataDesk(workspace)
    areas: list[Area] = [
        lambda ground: Webhooks(ground, hooks, taker.take_events).routes(),
        lambda ground: OwnData(ground, own).routes(),
    ]
    if workspace.config.sign_up.lists:
        from mailer.app.sign_up import SignUpDesk
        from mailer.web.public.joining import Joining

        desk = SignUpDesk(workspace)
        areas.append(lambda ground: Joining(ground, desk).routes())
    return areas


def _figures(workspace: Workspace) -> FastAPI:
    """Return what serves figures and health.

    The web's process does: it has a server already, wants no `seal.key`, and goes on where the
    scheduler or the senders have died, which is when it is asked.
    """
    from mailer.app.health import what_is_wrong
    from mailer.store.metrics import Metrics, metrics
    from mailer.web.metrics import create_metrics_app

    def look() -> Metrics:
        with workspace.store.read() as connection:
            return metrics(connection, workspace.clock.now())

    return create_metrics_app(look, lambda: what_is_wrong(workspace))


def _sandbox(workspace: Workspace, _number: int) -> Serve:
    from mailer.app.sandbox import build_sandbox

    return build_sandbox(workspace)


def _feedback(workspace: Workspace, _number: int) -> Serve:
    from mailer.app.mailboxes import build_watch

    return build_watch(workspace)


_SERVE: dict[Role, Build] = {
    Role.WEB: _web,
    Role.FEEDBACK: _feedback,
    Role.SCHEDULER: _scheduler,
    Role.SENDERS: _senders,
    Role.SANDBOX: _sandbox,
}
