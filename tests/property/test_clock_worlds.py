"""Two days of a mailing in shares, with kills, outages and clocks that step: once each, in the window."""

from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from mailer.model.states import DeliveryState, MailingState
from mailer.store import shares, tables
from mailer.store.engine import create_tables, open_store
from tests.support.factories import Ground
from tests.support.share_world import ShareWorld

BEGIN = datetime(2026, 11, 30, 18, tzinfo=UTC)
STEP = timedelta(hours=1)
HOURS = 48


@pytest.fixture(scope="module")
def quick_ground(tmp_path_factory, seal_keys, service_keys):
    """A database that does not wait for the disk."""
    path = tmp_path_factory.mktemp("clocks") / "test.db"
    with closing(open_store(f"sqlite:///{path}", synchronous="OFF")) as store:
        create_tables(store)
        yield lambda: Ground(store, seal_keys, service_keys)


def wipe(ground):
    """Empty every table, so that the next world stands alone."""
    with ground.store.write() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(delete(table))


def live(world, kills, outage, steps):
    """Let two days pass: a tick and a sender every hour, as far as they are up."""
    asleep = range(outage[0], outage[0] + outage[1])
    for number in range(HOURS):
        if number not in asleep:
            world.tick(left=kills.get(number))
            # Some of what is tried once a day is deferred, and tried again after an hour.
            if number % 24 == 12:
                again = world.clock.at + timedelta(hours=1)
                world.send(limit=3, state=DeliveryState.DEFERRED, again_at=again)
            world.send()
        world.clock.at += STEP + steps.get(number, timedelta(0))


def release(world):
    """Let everything go that waits for a person, and a day more pass."""
    for _ in range(2):
        with world.ground.store.write() as connection:
            shares.release_shares(connection, world.row_id, world.clock.at)
        if world.mailing.state is MailingState.FINISHED:
            return
        live(world, {}, (0, 0), {})


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kills=st.dictionaries(st.integers(0, 40), st.integers(0, 14), max_size=15),
    outage=st.tuples(st.integers(0, 35), st.sampled_from([0, 0, 2, 4, 24])),
    steps=st.dictionaries(
        st.integers(0, 45),
        st.sampled_from([-26, -3, 2, 26]).map(lambda hours: timedelta(hours=hours)),
        max_size=3,
    ),
    window=st.sampled_from(["", "09:00-20:00", "08:30-11:00", "09:00-01:00"]),
    quiet=st.sampled_from(["", "wed", "tue,2026-12-02"]),
)
def test_everyone_is_mailed_once_within_the_window(
    quick_ground, kills, outage, steps, window, quiet
):
    """Whatever is killed between two transactions, sleeps, or turns the clock."""
    ground = quick_ground()
    wipe(ground)
    world = ShareWorld(ground, window=window, quiet_days=quiet, now=BEGIN - timedelta(hours=12))
    world.schedule("2026-12-01T09:00")
    world.clock.at = BEGIN - timedelta(hours=1)
    live(world, kills, outage, steps)
    before = {one: list(times) for one, times in world.sent.items()}
    states = world.states()
    release(world)
    for person, times in before.items():
        zone = str(world.local(person, times[0]).tzinfo)
        zone = {"Europe/Kiev": "Europe/Kyiv"}.get(zone, zone)
        # Nothing was let go by a person: who was mailed was mailed at their hour or by the grace.
        assert states[zone] in ("open", "shut")
    accepted = Counter(row.state for row in world.deliveries().values())
    assert {DeliveryState.ACCEPTED: len(world.people)} == accepted
    with ground.store.read() as connection:
        attempts = Counter(
            row.delivery_id
            for row in connection.execute(tables.attempt.select())
            if row.outcome.value == "accepted"
        )
    assert {1} == set(attempts.values())
    due = {zone: share.due_at for zone, share in world.shares.items()}
    for person, times in world.sent.items():
        for one in times:
            local = world.local(person, one)
            assert world.timing.allows(local)
            zone = {"Europe/Kiev": "Europe/Kyiv"}.get(str(local.tzinfo), str(local.tzinfo))
            stepped_back = any(step < timedelta(0) for step in steps.values())
            assert one >= due[zone] or stepped_back
    assert MailingState.FINISHED is world.mailing.state


def test_a_tick_killed_after_any_transaction_loses_nothing(quick_ground):
    """Every number of transactions from none to all of a tick, at the hour of the first share."""
    for left in range(14):
        ground = quick_ground()
        wipe(ground)
        world = ShareWorld(ground, window="09:00-20:00", zones=("Pacific/Apia", "", "US/Eastern"))
        world.schedule("2026-12-01T09:00")
        world.clock.at = world.mailing.due_at
        world.tick(left=left)
        world.tick()
        world.send()
        assert {"Pacific/Apia"} == {world.people[one] for one in world.sent}
        assert set(world.people) == set(world.deliveries())
