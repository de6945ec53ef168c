"""Look at what limits hold for relays now, and how much of them is used.

In: a workspace. Out: one `RelayLimits` for each relay that mailings may go by, with what is paused
or goes slower. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mailer.app.routing import SANDBOX, relays_to_run, routing_of, sandbox_settings
from mailer.app.workspace import Workspace
from mailer.model.domain_classes import OTHER
from mailer.model.pacing import PaceKey, Slowed
from mailer.store.engine import Connection
from mailer.store.pacing import claimed_on, slowed_now
from mailer.store.relays import standing
from mailer.store.workers import workers_of


@dataclass(frozen=True)
class SlowedStatus:
    """What was asked to be sent less."""

    #: A class of domains, "one domain" for a single one, "all" for the whole relay.
    domains: str
    #: None when the pause is over.
    paused_until: datetime | None
    #: What may go a second now, or once the pause is over.
    per_second: float
    #: The reply that asked for it last.
    said: str


@dataclass(frozen=True)
class RelayLimits:
    """What holds for one relay now."""

    key: str
    #: Nothing stops mailings from going by it now: it is verified, not aside and below its cap.
    able: bool
    verified: bool
    aside_until: datetime | None
    #: Deliveries claimed for it today, in the workspace's zone.
    today: int
    #: None for no cap.
    cap: int | None
    #: 0 for no limit.
    per_second: float
    connections: int
    #: Sender processes that share these limits.
    processes: int
    slowed: tuple[SlowedStatus, ...]


def relay_limits(workspace: Workspace) -> tuple[RelayLimits, ...]:
    """Return what holds for each relay that mailings may go by.

    Raises:
        StoreUnavailable: when the database cannot be read.
    """
    with workspace.store.read() as connection:
        return limits_on_record(workspace, connection)


def limits_on_record(workspace: Workspace, connection: Connection) -> tuple[RelayLimits, ...]:
    """Return what holds for each relay, read in a transaction."""
    config, now = workspace.config, workspace.clock.now()
    sections = relays_to_run(config) if config.workspace.live else ()
    # Whether a password can be read is nothing that is looked at here.
    routing = routing_of(config, sections, dict.fromkeys((one.key for one in sections), ""))
    connections = {one.key: one.connections for one in sections} or {
        SANDBOX: sandbox_settings(config).connections
    }
    stand = standing(connection, routing, now)
    slowed = slowed_now(connection, now)
    used = claimed_on(connection, routing.day_of(now).isoformat())
    return tuple(
        RelayLimits(
            key=key,
            able=key in stand.able and key in stand.ready,
            verified=key in stand.ready,
            aside_until=stand.aside.get(key),
            today=used.get(key, 0),
            cap=terms.cap.on(routing.day_of(now)),
            per_second=terms.per_second,
            connections=connections[key],
            processes=len(workers_of(connection, key)),
            slowed=_slowed(slowed.get(key, {}), now),
        )
        for key, terms in routing.relays.items()
    )


def _slowed(found: Mapping[PaceKey, Slowed], now: datetime) -> tuple[SlowedStatus, ...]:
    return tuple(
        SlowedStatus(
            domains=_name(key),
            paused_until=one.paused_until if one.is_paused(now) else None,
            per_second=round(one.per_second(max(now, one.paused_until)), 3),
            said=one.reason,
        )
        for key, one in sorted(found.items())
    )


def _name(key: PaceKey) -> str:
    if key.domain_class == OTHER:
        # Which one it is nobody can say: only its digest is on record.
        return "one domain"
    return key.domain_class or "all"
