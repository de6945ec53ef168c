"""One tick after the other: what is due is frozen, started, held and finished."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from mailer.clock import SYSTEM_CLOCK
from mailer.model.audience import LanguageChoice, LanguageStep, ListDefinition
from mailer.model.mailing import Sender
from mailer.model.states import DeliveryState, MailingState
from mailer.schedule import runner
from mailer.schedule.housekeeping import Housekeeper, Retention
from mailer.schedule.ticker import Ticker
from mailer.store import mailings, stopping, tables
from mailer.store.audience import list_to_document
from tests.support.ground import lay_ground

DUE = datetime(2026, 12, 1, 7, tzinfo=UTC)
DEFINITION = ListDefinition(
    "news", {"en": "News"}, "harbor", "harbor", "news.example.org", "consent", (), "UTC"
)
SENDER = Sender(
    "harbor",
    "harbor",
    {"en": "H"},
    "n@example.org",
    "",
    "https://m.example.org",
    "bounces.example.org",
)


@dataclass
class HandClock:
    """A clock that is set by hand."""

    at: datetime = DUE
    seconds: float = 0.0

    def now(self):
        """Return the instant it was set to."""
        return self.at

    def monotonic(self):
        """Return seconds that grow a little with each look."""
        self.seconds += 0.001
        return self.seconds


@pytest.fixture
def clock():
    """A clock that stands at the hour the mailing is due."""
    return HandClock()


@pytest.fixture
def scheduled(store, seal_keys, service_keys):
    """Three people on a list and a mailing to it that is scheduled; no delivery yet."""
    addresses = [f"{name}@example.org" for name in "abc"]
    row_id, list_id = lay_ground(store, seal_keys, service_keys, addresses)
    with store.write() as connection:
        connection.execute(tables.delivery_list.delete())
        connection.execute(tables.delivery.delete())
        connection.execute(
            tables.mailing.update().values(
                state=MailingState.SCHEDULED,
                due_at=DUE,
                grace_s=7200,
                confirmed_count=3,
                sender=mailings.sender_to_document(SENDER),
            )
        )
        connection.execute(
            tables.mailing_target.update().values(definition=list_to_document(DEFINITION))
        )
        connection.execute(
            tables.mailing_list.update()
            .where(tables.mailing_list.c.id == list_id)
            .values(definition=list_to_document(DEFINITION))
        )
    return row_id


def _ticker(store, clock):
    choice = LanguageChoice("en", LanguageStep.FIRST, "en")
    return Ticker(store, clock, lambda _mailing: lambda _profile, _definition: choice)


def _mailing(store, row_id):
    with store.read() as connection:
        return mailings.load_mailing(connection, row_id)


def _due(store, row_id):
    with store.read() as connection:
        return mailings.due_count(connection, row_id)


def test_before_its_hour_nothing_happens(store, scheduled, clock):
    """A second early it stays scheduled."""
    clock.at = DUE - timedelta(seconds=1)
    assert _ticker(store, clock).tick() is True
    assert _mailing(store, scheduled).state is MailingState.SCHEDULED


def test_at_its_hour_it_is_frozen_and_started_once(store, scheduled, clock):
    """One tick makes a delivery per person; more ticks add none."""
    ticker = _ticker(store, clock)
    for _ in range(3):
        ticker.tick()
    found = _mailing(store, scheduled)
    assert (found.state, found.started_at) == (MailingState.RUNNING, DUE)
    assert _due(store, scheduled) == 3


def test_too_late_it_is_held_and_goes_when_released(store, scheduled, clock):
    """A day's outage: nothing is sent before a person says so; then it goes at once."""
    clock.at = DUE + timedelta(days=1)
    ticker = _ticker(store, clock)
    ticker.tick()
    held = _mailing(store, scheduled)
    assert held.state is MailingState.HELD
    assert "minutes ago" in held.held_reason
    with store.write() as connection:
        stopping.release(connection, held.key, clock.at)
    ticker.tick()
    assert _mailing(store, scheduled).state is MailingState.RUNNING


def test_killed_while_it_froze_it_is_held_after_a_days_outage(store, scheduled, clock):
    """Nobody was mailed at its hour, so nobody is a day later before a person says so."""
    with store.write() as connection:
        mailings.change_state(connection, scheduled, MailingState.SCHEDULED, MailingState.FREEZING)
    clock.at = DUE + timedelta(days=1)
    ticker = _ticker(store, clock)
    ticker.tick()
    held = _mailing(store, scheduled)
    assert (held.state, held.started_at) == (MailingState.HELD, None)
    assert "minutes ago" in held.held_reason
    with store.write() as connection:
        stopping.release(connection, held.key, clock.at)
    ticker.tick()
    assert _mailing(store, scheduled).state is MailingState.RUNNING
    assert _due(store, scheduled) == 3


def test_larger_than_confirmed_it_is_held_with_the_numbers(store, scheduled, clock):
    """Three came out where two were confirmed: a person decides."""
    with store.write() as connection:
        connection.execute(tables.mailing.update().values(confirmed_count=2))
    ticker = _ticker(store, clock)
    ticker.tick()
    held = _mailing(store, scheduled)
    assert held.state is MailingState.HELD
    assert held.held_reason == "It would go to 3 people; 2 were confirmed."
    with store.write() as connection:
        released = stopping.release(connection, held.key, clock.at)
    assert (released.state, released.started_at) == (MailingState.RUNNING, DUE)
    assert _due(store, scheduled) == 3


def test_with_every_outcome_it_is_finished(store, scheduled, clock):
    """When nothing is open any more, the mailing ends."""
    ticker = _ticker(store, clock)
    ticker.tick()
    with store.write() as connection:
        connection.execute(tables.delivery.update().values(state=DeliveryState.ACCEPTED))
    clock.at += timedelta(seconds=5)
    ticker.tick()
    found = _mailing(store, scheduled)
    assert (found.state, found.finished_at) == (MailingState.FINISHED, clock.at)


def test_what_a_cancelled_mailing_still_had_is_cancelled(store, scheduled, clock):
    """Also a claim that a sender gives back after the cancelling."""
    ticker = _ticker(store, clock)
    ticker.tick()
    with store.write() as connection:
        stopping.cancel(connection, _mailing(store, scheduled).key, clock.at)
    ticker.tick()
    with store.read() as connection:
        states = connection.execute(tables.delivery.select()).all()
    assert {row.state for row in states} == {DeliveryState.CANCELLED}


def test_two_schedulers_are_one(store, scheduled, clock):
    """The second does nothing while the first holds the lease, and takes over when it is gone."""
    first, second = _ticker(store, clock), _ticker(store, clock)
    assert first.tick() is True
    assert second.tick() is False
    clock.at += timedelta(seconds=60)
    assert second.tick() is True
    assert _due(store, scheduled) == 3


def test_a_mailing_that_cannot_be_frozen_is_held_and_stops_no_other(store, scheduled, clock):
    """Its segment was written for another version: a person is asked, and ticks go on."""
    with store.write() as connection:
        connection.execute(tables.mailing.update().values(segment="no such = thing"))
    ticker = _ticker(store, clock)
    assert ticker.tick()
    assert ticker.tick()
    with store.read() as connection:
        held = mailings.load_mailing(connection, scheduled)
    assert held.state is MailingState.HELD
    assert "segment" in held.held_reason


async def test_ticks_go_on_where_the_clock_of_the_machine_is_set(
    sqlite_store, tmp_path, monkeypatch
):
    """Back by a day and forward by thirty years: none is slept through, and none is made up for."""
    monkeypatch.setattr(runner, "TICK_S", 0.05)
    ticked, stop = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def note(_now):
        loop.call_soon_threadsafe(ticked.set)

    ticker = Ticker(sqlite_store, SYSTEM_CLOCK, lambda _: None, draft_issues=note)
    year = timedelta(days=365)
    housekeeper = Housekeeper(
        sqlite_store, SYSTEM_CLOCK, Retention(*[year] * 6, tmp_path, tmp_path)
    )
    running = asyncio.create_task(runner.run_scheduler(ticker, housekeeper, sqlite_store, stop))
    for step in (timedelta(0), timedelta(days=-1), 30 * year):
        with time_machine.travel(datetime.now(UTC) + step, tick=True):
            for _ in range(3):
                ticked.clear()
                await asyncio.wait_for(ticked.wait(), 10)
    stop.set()
    await running
