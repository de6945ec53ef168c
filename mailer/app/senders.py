"""Build the engines that send mailings, and take up limits that change while they send.

In: a workspace. Out: a `Fleet` of one engine for the sandbox, or once live one for each relay, and
beside them a look at config.toml every few seconds. A file with faults changes nothing. And one
mailing, sent in the foreground.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NoReturn

import uvloop

from mailer.app.discreet import heed_discreet_lists
from mailer.app.languages import resolver_for
from mailer.app.routing import (
    relay_settings,
    relays_to_run,
    routing_of,
    sandbox_settings,
    settings_of,
    with_limits,
)
from mailer.app.sending import material_for, retry_policy
from mailer.app.workspace import Workspace
from mailer.config import CONFIG_FILE, Config, RelaySection, load_config
from mailer.delivery.claims import MaterialFor
from mailer.delivery.engine import DeliveryEngine, EngineParts
from mailer.delivery.fleet import Fleet, Member
from mailer.delivery.session import RelaySettings
from mailer.events import emit, warn
from mailer.model.faults import FaultsFound
from mailer.model.mailing import Mailing
from mailer.model.routing import Routing
from mailer.model.states import MailingState
from mailer.schedule.ticker import Ticker
from mailer.store.engine import StoreUnavailable
from mailer.store.mailings import load_mailing
from mailer.store.reports import Progress, progress

#: How often config.toml is looked at, in seconds.
LOOK_S = 2.0
ENDED = (MailingState.FINISHED, MailingState.CANCELLED, MailingState.HELD, MailingState.PAUSED)


def build_senders(workspace: Workspace, others: Iterable[Member] = (), number: int = 0) -> Fleet:
    """Return the engines that send mailings, with others beside them, as one.

    Args:
        workspace: whose mailings they send.
        others: what runs beside them.
        number: which of several sender processes they are in; 0 for the only one.
    """
    senders = Senders(workspace, number)
    return Fleet([*senders.engines, senders, *others])


class Senders:
    """The engines that send mailings, and the limits they keep to."""

    def __init__(self, workspace: Workspace, number: int) -> None:
        self._number = number
        self._workspace = workspace
        self._config = workspace.config
        live = workspace.config.workspace.live
        #: How each relay was configured when this process began.
        self._sections = relays_to_run(workspace.config) if live else ()
        self._passwords = {one.key: _password(workspace, one) for one in self._sections}
        self._seen = _changed_at(workspace.config)
        settings, routing = self._terms(workspace.config)
        #: A relay that is not verified or has no password stops no other: what cannot go by another
        #: relay of its sender is held, with the reason.
        self.engines = [self._engine(one, routing) for one in settings]

    def _terms(self, config: Config) -> tuple[list[RelaySettings], Routing]:
        """Return how each relay is spoken to with the limits of a config, and the routing."""
        now = {one.key: one for one in config.relays}
        sections = [with_limits(one, now.get(one.key, one)) for one in self._sections]
        routing = routing_of(config, sections, self._passwords)
        if not self._sections:
            return [sandbox_settings(config)], routing
        return [settings_of(config, one, self._password_of(one)) for one in sections], routing

    def _password_of(self, section: RelaySection) -> str:
        password = self._passwords[section.key]
        return password if isinstance(password, str) else ""

    def _engine(self, relay: RelaySettings, routing: Routing) -> DeliveryEngine:
        workspace = self._workspace
        return DeliveryEngine(
            EngineParts(
                store=workspace.store,
                seal_keys=workspace.seal_keys,
                tokens=workspace.tokens,
                relay=relay,
                journal_dir=workspace.config.journal_dir,
                log=workspace.suppression_log,
                policy=retry_policy(workspace),
                clock=workspace.clock,
                material_for=self._material_for(relay.key),
                shutdown_grace_s=workspace.config.delivery.shutdown_grace_s,
                routing=routing,
                number=self._number,
            )
        )

    def _material_for(self, relay: str) -> MaterialFor:
        failure = self._passwords.get(relay)
        if isinstance(failure, FaultsFound):
            # Nothing reaches it: every mailing is held with the fault before a connection is made.
            return partial(_refuse, failure)
        section = next((one for one in self._sections if one.key == relay), None)
        return material_for(self._workspace, section)

    async def run(self, stop: asyncio.Event) -> None:
        """Look at config.toml every few seconds and take up its limits, until `stop`."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_S)
                return
            await self.look()

    async def look(self) -> None:
        """Take up the limits of config.toml if it has changed."""
        changed_at = _changed_at(self._workspace.config)
        if changed_at == self._seen:
            return
        self._seen = changed_at
        try:
            config = await asyncio.to_thread(load_config, self._workspace.config.root)
        except FaultsFound as error:
            # `mailer status` and every other command name the faults.
            warn("limits stay as they are: config.toml has faults", faults=len(error.faults))
            return
        settings, routing = self._terms(config)
        for engine, relay in zip(self.engines, settings, strict=True):
            engine.adjust(relay, routing)
        emit("limits taken up from config.toml", waits_for_a_start=self._waiting(config))
        self._config = config

    def _waiting(self, config: Config) -> str:
        """Return what a config changes that holds from the next start on, in words."""
        if config.workspace.live != self._workspace.config.workspace.live:
            return "workspace.live"
        now: Mapping[str, RelaySection] = {one.key: one for one in relays_to_run(config)}
        running = {one.key: one for one in self._sections}
        if not config.workspace.live:
            return ""
        changed = [
            key
            for key in sorted({*now, *running})
            if key not in now
            or key not in running
            or with_limits(running[key], now[key]) != now[key]
        ]
        return ", ".join(f"relays.{key}" for key in changed)


def _password(workspace: Workspace, section: RelaySection) -> str | FaultsFound:
    try:
        return relay_settings(workspace, section).password
    except FaultsFound as error:
        return error


def _refuse(failure: FaultsFound, _mailing_id: int) -> NoReturn:
    raise failure


def _changed_at(config: Config) -> int:
    """Return a number that changes with the file; 0 while it cannot be seen."""
    try:
        found = (config.root / CONFIG_FILE).stat()
    except OSError:
        return 0
    return hash((found.st_mtime_ns, found.st_size, found.st_ino))


def send_now(workspace: Workspace, row_id: int, show: Callable[[Mailing, Progress], None]) -> bool:
    """Freeze and send one mailing in this process; return whether it ended.

    The scheduler's lease is shared with `mailer run`: whoever holds it moves the mailing along.
    Ctrl-C stops sending in good order; what is left goes on with `mailer run`.
    """

    async def until_ended() -> bool:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        ticker = Ticker(
            workspace.store,
            workspace.clock,
            resolver_for(workspace.store),
            before_freezing=lambda: heed_discreet_lists(workspace),
        )
        sending = asyncio.create_task(build_senders(workspace).run(stop))
        ended = False
        while not stop.is_set() and not sending.done():
            with contextlib.suppress(StoreUnavailable):
                await asyncio.to_thread(ticker.tick)
                current, figures = await asyncio.to_thread(_look, workspace, row_id)
                show(current, figures)
                ended = current.state in ENDED
            if ended:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.25)
        stop.set()
        await sending
        return ended

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(until_ended())


def _look(workspace: Workspace, row_id: int) -> tuple[Mailing, Progress]:
    with workspace.store.read() as connection:
        return load_mailing(connection, row_id), progress(connection, row_id)
