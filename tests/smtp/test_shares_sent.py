"""A sender keeps to shares: what is shut or held stops within a fraction of a second."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from mailer.delivery.claims import Material
from mailer.delivery.engine import DeliveryEngine, EngineParts
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import Encryption, RelaySettings
from mailer.model.states import DeliveryState, MailingState
from mailer.model.timing import ShareState
from mailer.store import tables
from mailer.store.suppression_log import SuppressionLog
from tests.support.ground import PlainComposer
from tests.support.share_world import ShareWorld
from tests.support.smtp_server import Misbehaviour

ZONES = ("Asia/Bishkek", "Europe/Kyiv")


class AtMachineTime:
    """The machine's clock, which is what the sender of a test goes by."""

    def now(self):
        """Return this instant."""
        return datetime.now(UTC)

    def monotonic(self):
        """Return seconds that never go back."""
        return time.monotonic()


def _open(world, zone, **values):
    with world.ground.store.write() as connection:
        connection.execute(
            tables.mailing_share.update()
            .where(tables.mailing_share.c.zone == zone)
            .values(**values)
        )


def _running(ground, tokens, folder, port):
    """Freeze a mailing to forty people in two zones; return it and a sender for it."""
    world = ShareWorld(ground, zones=ZONES, each=20, now=datetime(2026, 11, 1, tzinfo=UTC))
    world.schedule("2026-11-02T09:00")
    world.clock.at = world.mailing.due_at
    world.tick()
    assert MailingState.RUNNING is world.mailing.state
    list_id, _ = ground.lists[world.key]
    engine = DeliveryEngine(
        EngineParts(
            store=ground.store, seal_keys=ground.seal_keys, tokens=tokens,
            journal_dir=folder / "journal", log=SuppressionLog(folder / "suppressions.log"),
            relay=RelaySettings("test", "127.0.0.1", port, Encryption.NONE, connections=2),
            policy=RetryPolicy(1.0, 1.0, timedelta(hours=1)), clock=AtMachineTime(),
            material_for=lambda _: Material(PlainComposer(), {list_id: world.key}),
            shutdown_grace_s=2.0,
        )
    )  # fmt: skip
    return world, engine


async def _until(condition, patience_s=20):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_share_that_is_shut_or_ends_stops_at_once(
    sqlite_ground, tokens, smtp_server, tmp_path
):
    """Shut by the scheduler: within 250 ms. Ended with nobody to shut it: nothing goes after it."""
    server = smtp_server(Misbehaviour.SLOW_REPLY, slow_s=0.05)
    world, engine = _running(sqlite_ground, tokens, tmp_path, server.port)
    stop = asyncio.Event()
    running = asyncio.create_task(engine.run(stop))
    await _until(lambda: len(server.mails) >= 2)
    await asyncio.to_thread(_open, world, "Asia/Bishkek", state=ShareState.SHUT)
    await asyncio.sleep(0.25)
    # What was under way then may still end: one on each connection.
    after = len(server.mails)
    await asyncio.sleep(0.6)
    assert len(server.mails) - after <= 2
    assert after < 20
    ends = datetime.now(UTC) + timedelta(seconds=1)
    await asyncio.to_thread(_open, world, "Europe/Kyiv", state=ShareState.OPEN, shuts_at=ends)
    await _until(lambda: datetime.now(UTC) > ends + timedelta(seconds=0.2))
    settled = len(server.mails)
    await asyncio.sleep(0.5)
    assert settled == len(server.mails)
    for zone in ZONES:
        await asyncio.to_thread(_open, world, zone, state=ShareState.OPEN, shuts_at=None)
    await _until(lambda: len(server.mails) == 40)
    stop.set()
    await running
    assert len(set(server.recipients)) == 40 == len(server.recipients)
    assert {DeliveryState.ACCEPTED} == {row.state for row in world.deliveries().values()}
