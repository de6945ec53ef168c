"""One sender process of a measurement: sends what is due in a workspace, then says what it cost.

In: a workspace and where the relay is. Out: a line of JSON. Counted from the first claim to the last
outcome on record; starting Python is not, as it is not for the yardstick.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import ssl
import time
from dataclasses import replace
from pathlib import Path

import uvloop
from sqlalchemy import text

from mailer.app.roles import step_back
from mailer.app.sending import material_for, retry_policy
from mailer.app.workspace import Workspace
from mailer.delivery.claims import Claimer
from mailer.delivery.engine import DeliveryEngine, EngineParts
from mailer.delivery.fleet import Fleet
from mailer.delivery.session import Encryption, RelaySettings
from mailer.model.routing import Routing, single_route
from mailer.store.claims import ClaimTerms

_OPEN = text("SELECT 1 FROM delivery WHERE state IN ('due', 'sending', 'deferred') LIMIT 1")
_COUNTS = text("SELECT state, count(*) FROM delivery GROUP BY state")
LOOK_S = 0.05


def cpu_s() -> float:
    """Return the processor time of this process so far, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mb() -> float:
    """Return the most memory this process had; `getrusage` counts what its parent had, too."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else 0.0


async def until_sent(workspace: Workspace, engine: DeliveryEngine, for_s: float) -> float:
    """Run the engine until nothing is open, or so long; return how long that took, in seconds."""
    stop = asyncio.Event()
    begun = time.perf_counter()
    running = asyncio.create_task(Fleet([engine]).run(stop))

    def is_open() -> bool:
        with workspace.store.read() as connection:
            return connection.execute(_OPEN).first() is not None

    until = begun + for_s if for_s else float("inf")
    while (  # noqa: ASYNC110  (The database is what is waited for.)
        not running.done() and time.perf_counter() < until and await asyncio.to_thread(is_open)
    ):
        await asyncio.sleep(LOOK_S)
    took = time.perf_counter() - begun
    stop.set()
    await running
    return took


def mail_size(workspace: Workspace) -> int:
    """Return the octets of the first mail that is due."""
    terms = ClaimTerms("sandbox", single_route("sandbox"))
    claimer = Claimer(
        workspace.store, workspace.seal_keys, "size", material_for(workspace, None),
        workspace.clock, lambda: terms,
    )  # fmt: skip
    (claim,) = claimer.claim(1).claims
    return len(claim.material.composer.compose(claim.outgoing, workspace.clock.now()).content)


def _routing(per_second: float) -> Routing:
    route = single_route("sandbox")
    terms = {key: replace(one, per_second=per_second) for key, one in route.relays.items()}
    return replace(route, relays=terms)


def main() -> None:
    """Send and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--tls", type=Path, help="Certificate to trust; TLS from the first byte.")
    parser.add_argument("--size", action="store_true", help="Say how large a mail is.")
    parser.add_argument("--per-second", type=float, default=0.0, help="Rate; 0: no limit.")
    parser.add_argument("--for-s", type=float, default=0.0, help="End after so long; 0: when sent.")
    parser.add_argument("--behind", action="store_true", help="Step back, as beside other roles.")
    options = parser.parse_args()
    if options.behind:
        step_back()
    workspace = Workspace.open(options.workspace)
    if options.size:
        print(json.dumps({"size": mail_size(workspace)}))
        return
    relay = RelaySettings(
        key="sandbox", host="localhost" if options.tls else "127.0.0.1", port=options.port,
        encryption=Encryption.IMPLICIT if options.tls else Encryption.NONE,
        connections=options.connections, messages_per_connection=1_000_000,
        tls_context=ssl.create_default_context(cafile=str(options.tls)) if options.tls else None,
    )  # fmt: skip
    engine = DeliveryEngine(
        EngineParts(
            store=workspace.store, seal_keys=workspace.seal_keys, tokens=workspace.tokens,
            relay=relay, journal_dir=workspace.config.journal_dir, log=workspace.suppression_log,
            policy=retry_policy(workspace), clock=workspace.clock,
            material_for=material_for(workspace, None), routing=_routing(options.per_second),
        )
    )  # fmt: skip
    before = cpu_s()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        took_s = runner.run(until_sent(workspace, engine, options.for_s))
    used_s = cpu_s() - before
    with workspace.store.read() as connection:
        counts = dict(connection.execute(_COUNTS).all())
    print(json.dumps({"seconds": took_s, "cpu_s": used_s, "peak_mb": peak_mb(), "states": counts}))


if __name__ == "__main__":
    main()
