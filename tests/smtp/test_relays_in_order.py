"""Relays that fail, fill up or slow down, and providers that do, over real sockets."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from mailer.clock import SYSTEM_CLOCK
from mailer.delivery import health, pacing
from mailer.delivery.claims import Material
from mailer.delivery.engine import DeliveryEngine, EngineParts
from mailer.delivery.fleet import Fleet
from mailer.delivery.pacing import SlowDown, Throttle
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import Encryption, RelaySettings, Timeouts
from mailer.model.pacing import DailyCap, PaceKey
from mailer.model.routing import RelayTerms, Routing, single_route
from mailer.model.states import DeliveryState
from mailer.store.pacing import slowed_now
from mailer.store.relays import relay_contacts
from mailer.store.reports import report
from mailer.store.suppression_log import SuppressionLog
from tests.support.factories import LONG_AGO
from tests.support.ground import PlainComposer
from tests.support.smtp_server import Misbehaviour

PATIENCE_S = 30.0


@pytest.fixture
def quick(monkeypatch):
    """Failures count and pauses end within tenths of a second."""
    monkeypatch.setattr(health, "COUNT_AGAIN_S", 0.05)
    monkeypatch.setattr(health, "LOOK_S", 0.05)
    monkeypatch.setattr(pacing, "FIRST_ASIDE", timedelta(seconds=0.2))
    monkeypatch.setattr(pacing, "LONGEST_ASIDE", timedelta(seconds=0.4))


class World:
    """People, a running mailing to them, and engines that send it."""

    def __init__(self, ground, tokens, folder):
        self.ground, self.tokens, self.folder = ground, tokens, folder
        self.list_key = ground.add_list()
        self.mailing = ground.add_mailing([self.list_key])
        self.count = 0

    def add(self, domain, count):
        """Add people at a domain, whose mails are due."""
        for _ in range(count):
            person = self.ground.add_supporter(f"p{self.count}@{domain}", self.list_key)
            self.ground.add_delivery(self.mailing, person, next_attempt_at=LONG_AGO)
            self.count += 1

    def engine(self, key, server, routing, **relay):
        """Return an engine for a server under the name of a relay."""
        keys = {row: key for key, (row, _) in self.ground.lists.items()}
        settings = RelaySettings(
            key, "127.0.0.1", server.port, Encryption.NONE, timeouts=Timeouts(5, 5, 5, 5, 10)
        )
        brief = Throttle(timedelta(seconds=1.5), timedelta(seconds=1.5))
        return DeliveryEngine(
            EngineParts(
                store=self.ground.store, seal_keys=self.ground.seal_keys, tokens=self.tokens,
                relay=replace(settings, **relay), journal_dir=self.folder / "journal",
                log=SuppressionLog(self.folder / "suppressions.log"),
                policy=RetryPolicy(0.2, 0.2, timedelta(hours=1)), clock=SYSTEM_CLOCK,
                material_for=lambda _: Material(PlainComposer(), keys), shutdown_grace_s=2.0,
                routing=routing, throttles={SlowDown.DOMAIN: brief, SlowDown.RELAY: brief},
            )
        )  # fmt: skip

    @property
    def accepted(self):
        """How many mails were accepted, by relay."""
        with self.ground.store.read() as connection:
            by_relay = report(connection, self.mailing.row_id).by_relay
        return {key: found.get("accepted", 0) for key, found in by_relay.items()}

    @property
    def states(self):
        """How many deliveries are in each state."""
        with self.ground.store.read() as connection:
            return report(connection, self.mailing.row_id).by_state


@pytest.fixture
def world(sqlite_ground, tokens, tmp_path):
    """A mailing without people."""
    return World(sqlite_ground, tokens, tmp_path)


@asynccontextmanager
async def _running(*engines):
    stop = asyncio.Event()
    running = asyncio.create_task(Fleet(engines).run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def _until(true, patience_s=PATIENCE_S):
    """Wait until something is so, and look once more when the time is over."""
    for _ in range(round(patience_s / 0.05)):
        if await asyncio.to_thread(true):
            return
        await asyncio.sleep(0.05)
    assert true()


def _in_order(**main):
    relays = {"main": RelayTerms("main", **main), "spare": RelayTerms("spare")}
    return Routing(relays, {}, ("main", "spare"))


async def test_a_relay_that_fails_steps_aside_and_comes_back_by_itself(world, smtp_server, quick):
    """Its mails go by the next one meanwhile; nobody is missed or mailed twice."""
    main, spare = smtp_server(Misbehaviour.CLOSE_AT_CONNECT), smtp_server()
    world.add("example.org", 6)
    routing = _in_order()
    engines = [world.engine("main", main, routing), world.engine("spare", spare, routing)]
    async with _running(*engines):
        await _until(lambda: world.accepted.get("spare") == 6)
        main.behaviour = Misbehaviour.ACCEPT
        with world.ground.store.read() as connection:
            assert relay_contacts(connection)[0].aside_until is not None
        await _until(lambda: _aside(world, "main") is None)
        world.add("example.org", 4)
        await _until(lambda: world.accepted.get("main") == 4)
    assert {"main": 4, "spare": 6} == world.accepted
    assert 10 == len({*main.recipients, *spare.recipients})


def _aside(world, key):
    with world.ground.store.read() as connection:
        return {one.relay: one.aside_until for one in relay_contacts(connection)}.get(key)


async def test_a_full_relay_leaves_the_rest_to_the_next_one(world, smtp_server):
    """Its cap is kept to the mail."""
    main, spare = smtp_server(), smtp_server()
    world.add("example.org", 9)
    routing = _in_order(cap=DailyCap(5))
    async with _running(world.engine("main", main, routing), world.engine("spare", spare, routing)):
        await _until(lambda: sum(world.accepted.values()) == 9)
    assert {"main": 5, "spare": 4} == world.accepted


async def test_without_a_next_relay_a_full_one_keeps_the_rest_for_tomorrow(world, smtp_server):
    """What is left is due still."""
    main = smtp_server()
    world.add("example.org", 6)
    routing = Routing({"main": RelayTerms("main", cap=DailyCap(4))}, {}, ("main",))
    async with _running(world.engine("main", main, routing)):
        await _until(lambda: world.accepted == {"main": 4})
        await asyncio.sleep(0.5)
    assert {DeliveryState.ACCEPTED: 4, DeliveryState.DUE: 2} == world.states


async def test_a_slow_provider_holds_up_nobody_else(world, smtp_server):
    """While Gmail takes five seconds a mail, everybody else has theirs."""

    def behaviour(address):
        slow = address.endswith("@gmail.com")
        return Misbehaviour.SLOW_REPLY if slow else Misbehaviour.ACCEPT

    server = smtp_server(behaviour, slow_s=5.0)
    world.add("gmail.com", 60)
    world.add("mail.ru", 20)
    world.add("small.example.org", 40)
    engine = world.engine("main", server, single_route("main"))
    async with _running(engine):
        others = lambda: sum(not one.endswith("@gmail.com") for one in server.recipients)  # noqa: E731
        await _until(lambda: others() == 60)
        slow = len(server.recipients) - others()
    assert slow <= 20, f"{slow} slow ones before the last of the others"


async def test_a_provider_that_minds_the_rate_is_paused_for_all(world, smtp_server):
    """Nothing more is tried for it until the pause is over; then all are mailed."""
    throttled = True

    def behaviour(address):
        minds = throttled and address.endswith("@gmail.com")
        return Misbehaviour.THROTTLE_RCPT if minds else Misbehaviour.ACCEPT

    server = smtp_server(behaviour)
    world.add("gmail.com", 20)
    world.add("mail.ru", 5)
    async with _running(world.engine("main", server, single_route("main"))):
        await _until(lambda: _slowed(world))
        assert [PaceKey("gmail")] == list(_slowed(world))
        throttled = False
        tried = sum("gmail.com" in one for one in server.commands)
        await _until(lambda: len(server.recipients) == 25)
    # What was on its way when the pause began was tried, and no more.
    assert tried < 20
    assert {"main": 25} == world.accepted


def _slowed(world):
    with world.ground.store.read() as connection:
        return slowed_now(connection, SYSTEM_CLOCK.now()).get("main", {})


async def test_limits_are_taken_up_while_mails_are_sent(world, smtp_server):
    """One connection and a slow rate become three and none; no mail is lost by it."""
    server = smtp_server(Misbehaviour.SLOW_REPLY, slow_s=0.05)
    world.add("example.org", 30)
    slowly = Routing({"main": RelayTerms("main", per_second=4.0)}, {}, ("main",))
    engine = world.engine("main", server, slowly, connections=1)
    async with _running(engine):
        await _until(lambda: len(server.recipients) >= 5)
        assert 1 == len(server.connections)
        relay = RelaySettings("main", "127.0.0.1", server.port, Encryption.NONE, connections=3)
        engine.adjust(relay, single_route("main"))
        await _until(lambda: len(server.connections) == 3)
        engine.adjust(
            replace(relay, connections=1, messages_per_connection=2), single_route("main")
        )
        await _until(lambda: world.accepted == {"main": 30})
    assert {1: 30} == dict(Counter(Counter(server.recipients).values()))
    assert len(server.connections) > 3
