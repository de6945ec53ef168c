"""Shares fall due, open, shut and are held by the clocks of their zones; nobody is lost or mailed twice."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event

from mailer.model.states import DeliveryState, MailingState, SkipReason
from mailer.model.timing import LatePolicy, ShareState
from mailer.store import claims, shares, stopping, tables
from tests.support.share_world import ZONES, ShareWorld

HOUR = "2026-12-01T09:00"


def instant(text, zone):
    """The instant of a local hour."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.fixture
def world(ground):
    """A mailing at nine in everybody's zone, two people in each."""
    made = ShareWorld(ground, each=2)
    made.schedule(HOUR)
    return made


def pass_hours(world, count, step=timedelta(minutes=30)):
    """Let the clock run, with a tick and a sender at each step, at most until all is finished."""
    end = world.clock.at + timedelta(hours=count)
    while world.clock.at < end and world.mailing.state is not MailingState.FINISHED:
        world.tick()
        world.send()
        world.clock.at += step
    world.tick()
    world.send()


def test_everyone_is_mailed_once_at_nine_where_they_are(world):
    """Zones known by an older name, unknown or wrong ones included; then the mailing is finished."""
    assert instant(HOUR, "Pacific/Apia") == world.mailing.due_at
    pass_hours(world, 48)
    assert set(world.people) == set(world.sent)
    for person, times in world.sent.items():
        (one,) = times
        assert timedelta(0) <= one - instant(HOUR, str(world.local(person, one).tzinfo))
        assert "2026-12-01 09" == f"{world.local(person, one):%Y-%m-%d %H}"
    assert MailingState.FINISHED is world.mailing.state


def test_people_of_a_zone_nobody_had_before_get_a_share_at_freezing(world):
    """Who came after the scheduling is mailed at nine too, where they are."""
    added = world.add_person("late@example.org", "Asia/Tokyo")
    with world.ground.store.write() as connection:
        connection.execute(tables.mailing.update().values(confirmed_count=100))
    pass_hours(world, 48)
    assert [instant(HOUR, "Asia/Tokyo")] == world.sent[added]
    assert "Asia/Tokyo" in world.shares


def test_the_audience_is_frozen_with_the_first_share(world):
    """Before it nothing is written; with it everybody has a delivery, and only its own is sent."""
    world.clock.at = world.mailing.due_at - timedelta(seconds=1)
    world.tick()
    assert {} == world.deliveries()
    world.clock.at += timedelta(seconds=1)
    world.tick()
    assert set(world.people) == set(world.deliveries())
    assert {"Pacific/Apia"} == {world.people[person] for person in world.send()}


def test_a_share_later_than_its_grace_is_held_alone_and_released_alone(world):
    """Three hours of outage at nine in Bishkek and Kathmandu; the others go on."""
    world.clock.at = instant(HOUR, "Pacific/Apia")
    world.tick()
    world.send()
    world.clock.at = instant(HOUR, "Asia/Bishkek") + timedelta(hours=3)
    pass_hours(world, 30)
    held = {zone for zone, state in world.states().items() if state == "held"}
    assert {"Asia/Bishkek", "Asia/Kathmandu", "Australia/Lord_Howe"} == held
    assert MailingState.RUNNING is world.mailing.state
    kept = {person for person, zone in world.people.items() if zone in held}
    assert set(world.people) - kept == set(world.sent)
    with world.ground.store.write() as connection:
        assert 1 == shares.release_shares(connection, world.row_id, world.clock.at, "Asia/Bishkek")
    pass_hours(world, 1)
    assert {"Asia/Bishkek"} == {world.people[one] for one in world.sent if one in kept}
    with world.ground.store.write() as connection:
        assert 2 == shares.release_shares(connection, world.row_id, world.clock.at)
    pass_hours(world, 1)
    assert {1} == {len(times) for times in world.sent.values()}
    assert (set(world.people), MailingState.FINISHED) == (set(world.sent), world.mailing.state)


def test_after_a_days_outage_every_share_is_held_and_nobody_is_lost(world):
    """Nothing is made up for silently; a person lets all of them go."""
    world.clock.at = world.mailing.due_at + timedelta(days=2)
    pass_hours(world, 2)
    assert {"held"} == set(world.states().values())
    assert {} == world.sent
    with world.ground.store.write() as connection:
        shares.release_shares(connection, world.row_id, world.clock.at)
    pass_hours(world, 1)
    assert set(world.people) == set(world.sent)


def test_what_fell_due_while_paused_obeys_its_grace(world):
    """Resumed within it, it goes; later, it is held."""
    world.clock.at = instant(HOUR, "Pacific/Apia")
    world.tick()
    with world.ground.store.write() as connection:
        stopping.pause(connection, world.mailing_key)
    world.clock.at = instant(HOUR, "Asia/Kathmandu") + timedelta(hours=1)
    pass_hours(world, 1)
    assert {} == world.sent
    with world.ground.store.write() as connection:
        stopping.resume(connection, world.mailing_key)
    world.tick()
    states = world.states()
    assert "open" == states["Pacific/Apia"] == states["Asia/Kathmandu"]
    assert "held" == states["Australia/Lord_Howe"]
    assert "waiting" == states["America/New_York"]


def test_late_shares_are_skipped_with_a_reason_and_counted(ground):
    """Scheduled when it is past nine in the east: the rest goes, and the audience is still whole."""
    world = ShareWorld(ground, late=LatePolicy.SKIP, now=instant(HOUR, "Asia/Tehran"))
    world.schedule(HOUR)
    gone = {"Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Bishkek"}
    assert gone == {zone for zone, state in world.states().items() if state == "skipped"}
    pass_hours(world, 24)
    rows = world.deliveries()
    expired = {one for one, row in rows.items() if row.skip_reason is SkipReason.EXPIRED}
    assert gone == {world.people[one] for one in expired}
    assert {DeliveryState.SKIPPED} == {rows[one].state for one in expired}
    assert set(world.people) - expired == set(world.sent)
    assert MailingState.FINISHED is world.mailing.state


def test_late_shares_go_at_once_where_a_person_said_so(ground):
    """They fall due when the mailing is scheduled; after an outage they are held like any other."""
    now = instant(HOUR, "Asia/Tehran") + timedelta(minutes=5)
    world = ShareWorld(ground, late=LatePolicy.NOW, now=now)
    world.schedule(HOUR)
    assert now == world.mailing.due_at == world.shares["Pacific/Apia"].due_at
    world.clock.at += timedelta(hours=3)
    world.tick()
    assert "held" == world.states()["Pacific/Apia"]


def test_first_tries_and_retries_keep_to_the_window(ground):
    """What is deferred in the evening goes on in the morning, and is not late."""
    world = ShareWorld(ground, window="09:00-20:00", recipient_time=False)
    world.schedule("2026-12-01T19:30")
    world.clock.at = instant("2026-12-01T19:30", "Europe/Chisinau")
    world.tick()
    again = instant("2026-12-01T20:10", "Europe/Chisinau")
    first = world.send(limit=4, state=DeliveryState.DEFERRED, again_at=again)
    assert 4 == len(first)
    # Nobody shuts it, and yet nothing goes once its window has ended.
    world.clock.at = instant("2026-12-01T20:00", "Europe/Chisinau")
    assert [] == world.send()
    pass_hours(world, 12.5)
    assert {"Europe/Chisinau": "shut"} == world.states()
    assert len(first) == len(world.sent)
    pass_hours(world, 1)
    morning = instant("2026-12-02T09:00", "Europe/Chisinau")
    assert {morning} == {times[-1] for times in world.sent.values()}
    assert MailingState.FINISHED is world.mailing.state


def test_nothing_goes_on_a_quiet_day(ground):
    """A mailing of Friday evening goes on on Monday."""
    world = ShareWorld(ground, quiet_days="sat,sun", recipient_time=False)
    world.schedule("2026-12-04T22:00")
    world.clock.at = instant("2026-12-04T22:00", "Europe/Chisinau")
    world.tick()
    world.send(limit=3)
    world.clock.at = instant("2026-12-05T00:00", "Europe/Chisinau")
    pass_hours(world, 50)
    assert set(world.people) == set(world.sent)
    days = sorted(
        {f"{times[0].astimezone(ZoneInfo('Europe/Chisinau')):%a}" for times in world.sent.values()}
    )
    assert ["Fri", "Mon"] == days


def test_clocks_that_step_back_and_forth_repeat_nothing(world):
    """A day ahead and back, or hours back in the middle: one mail each, once released."""
    world.clock.at = instant(HOUR, "Asia/Bishkek")
    pass_hours(world, 1)
    for step in (timedelta(days=1), timedelta(days=-1), timedelta(hours=-5), timedelta(hours=5)):
        world.clock.at += step
        for _ in range(3):
            world.tick()
            world.send()
    pass_hours(world, 24)
    with world.ground.store.write() as connection:
        shares.release_shares(connection, world.row_id, world.clock.at)
    pass_hours(world, 1)
    assert set(world.people) == set(world.sent)
    assert {1} == {len(times) for times in world.sent.values()}


def test_a_share_that_is_given_up_ends_with_a_reason(world):
    """Its people are not mailed, also what a sender gives back later; the others are."""
    world.clock.at = instant(HOUR, "Pacific/Apia")
    world.tick()
    with world.ground.store.write() as connection:
        assert shares.skip_share(connection, world.row_id, "Asia/Tehran")
        assert not shares.skip_share(connection, world.row_id, "Asia/Tehran")
    pass_hours(world, 48)
    reasons = {
        world.people[one]: row.skip_reason
        for one, row in world.deliveries().items()
        if row.state is DeliveryState.SKIPPED
    }
    assert {"Asia/Tehran": SkipReason.EXPIRED} == reasons
    assert MailingState.FINISHED is world.mailing.state


def test_a_mailing_held_for_its_size_lets_its_shares_go_when_released(ground):
    """What fell due while it was held is not held again; what comes later keeps its hour."""
    world = ShareWorld(ground)
    world.schedule(HOUR, confirmed_count=1)
    world.clock.at = instant(HOUR, "Pacific/Apia")
    world.tick()
    assert MailingState.HELD is world.mailing.state
    world.clock.at = instant(HOUR, "Asia/Bishkek") + timedelta(hours=1)
    with world.ground.store.write() as connection:
        stopping.release(connection, world.mailing_key, world.clock.at)
    world.tick()
    states = world.states()
    assert {"open"} == {states[zone] for zone in ("Pacific/Apia", "Asia/Bishkek")}
    assert "waiting" == states["America/New_York"]


def test_shares_and_what_may_go_out_agree(world):
    """Only open shares of running mailings are lanes, until their opening ends."""
    world.clock.at = instant(HOUR, "Pacific/Apia")
    world.tick()
    open_one = world.shares["Pacific/Apia"]
    assert ShareState.OPEN is open_one.state
    with world.ground.store.write() as connection:
        lanes = shares.open_lanes(connection, world.clock.at)
        assert [shares.Lane(world.row_id, open_one.row_id)] == lanes
        ends = world.clock.at + timedelta(hours=1)
        shares.change_share(connection, open_one, ShareState.OPEN, ends)
        assert lanes == shares.open_lanes(connection, ends - timedelta(seconds=1))
        assert [] == shares.open_lanes(connection, ends)
        stopping.pause(connection, world.mailing_key)
        assert [] == shares.open_lanes(connection, world.clock.at)


def test_a_share_nobody_has_is_said_plainly(world):
    """With where to look."""
    with (
        world.ground.store.read() as connection,
        pytest.raises(shares.ShareNotFound, match="mailer mailings show"),
    ):
        shares.find_share(connection, world.row_id, world.mailing_key, "Asia/Tokyo")


def test_every_zone_on_record_has_its_share(world):
    """Aliases share one, unknown ones have the list's."""
    assert len(ZONES) - 1 == len(world.shares)
    assert 4 == world.shares["Europe/Chisinau"].people
    assert 2 == world.shares["Europe/Kyiv"].people


def test_a_claim_reads_the_queue_by_its_index_and_sorts_nothing(sqlite_ground):
    """However much is due: the index is read in its own order, for one share or for many."""
    world = ShareWorld(sqlite_ground)
    world.schedule(HOUR)
    world.clock.at = instant(HOUR, "Pacific/Apia")
    world.tick()
    asked = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if "FROM delivery" in statement and "LIMIT" in statement:
            asked.append((statement, parameters))

    with sqlite_ground.store.write() as connection:
        connection.execute(tables.mailing_share.update().values(state=ShareState.OPEN))
        event.listen(sqlite_ground.store.engine, "before_cursor_execute", note)
        assert claims.claim(connection, "sender", 100, world.clock.at)
        event.remove(sqlite_ground.store.engine, "before_cursor_execute", note)
        plans = [
            row[3]
            for statement, parameters in asked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    # Retries and first tries, and those again of which the first look left some.
    assert 2 <= len(asked) <= 4
    read = [plan for plan in plans if "delivery" in plan]
    assert {True} == {"USING COVERING INDEX ix_delivery_queue" in plan for plan in read}
    assert [] == [plan for plan in plans if "TEMP B-TREE" in plan]


def test_a_mailing_written_without_its_share_gets_it_when_frozen(ground):
    """Whoever writes a mailing with quiet days need not know of shares."""
    world = ShareWorld(ground, quiet_days="sat", recipient_time=False)
    world.schedule(HOUR)
    with ground.store.write() as connection:
        connection.execute(tables.mailing_share.delete())
    world.clock.at = instant(HOUR, "Europe/Chisinau")
    world.tick()
    assert {"Europe/Chisinau": "open"} == world.states()
    assert set(world.people) == set(world.send())
