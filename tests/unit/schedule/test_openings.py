"""When a share falls due, whether it may go out now, and when its opening ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
import time_machine
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailer.clock import SYSTEM_CLOCK
from mailer.model.timing import (
    LatePolicy,
    PlannedShare,
    Share,
    ShareState,
    Timing,
    parse_quiet_days,
    parse_window,
)
from mailer.schedule.hours import instant_of
from mailer.schedule.openings import (
    Change,
    NoDayLeft,
    due_in,
    first_due,
    is_allowed,
    next_allowed,
    next_state,
    plan_shares,
    shuts_at,
    with_policy,
    zone_of,
)

#: Where clocks change by half an hour, over midnight, in Ramadan, not at all, or by a whole day.
ZONES = (
    "America/New_York", "Europe/Chisinau", "Europe/Kyiv", "Asia/Bishkek", "Asia/Tehran",
    "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe", "Africa/Casablanca",
    "America/Sao_Paulo",
)  # fmt: skip
NINE = datetime(2026, 12, 1, 9)
GRACE_S = 7200


def timing(window="", quiet="", hour=NINE, **fields):
    """A timing at recipients' time."""
    return Timing(
        recipient_time=True,
        local_hour=hour,
        window=parse_window(window) if window else None,
        quiet_days=parse_quiet_days(quiet.split(",") if quiet else []),
        **fields,
    )


def share(state=ShareState.WAITING, zone="Europe/Chisinau", **fields):
    """A share of that timing's hour."""
    due = due_in(timing(), zone)
    return Share(1, 1, zone, due, state, 10, **fields)


def at(text, zone="Europe/Chisinau"):
    """The instant of a local hour that exists."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("zone", "hour", "utc"),
    [
        # Skipped hours: the next instant that exists.
        ("America/New_York", "2026-03-08T02:30", "2026-03-08T07:00"),
        ("Europe/Chisinau", "2026-03-29T03:30", "2026-03-29T01:00"),
        ("Europe/Kyiv", "2026-03-29T03:30", "2026-03-29T01:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30"),
        ("America/Sao_Paulo", "2018-11-04T00:30", "2018-11-04T03:00"),
        ("Africa/Casablanca", "2026-03-22T02:30", "2026-03-22T02:00"),
        ("Pacific/Apia", "2011-12-30T09:00", "2011-12-30T10:00"),
        # Repeated hours: the first.
        ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30"),
        ("Europe/Kyiv", "2026-10-25T03:30", "2026-10-25T00:30"),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45"),
        ("America/Sao_Paulo", "2019-02-16T23:30", "2019-02-17T01:30"),
        ("Africa/Casablanca", "2026-02-15T02:30", "2026-02-15T01:30"),
        # No change of clocks any more.
        ("Asia/Tehran", "2026-03-22T00:30", "2026-03-21T21:00"),
        ("Asia/Bishkek", "2026-03-29T02:30", "2026-03-28T20:30"),
        ("Asia/Kathmandu", "2026-12-01T09:00", "2026-12-01T03:15"),
    ],
)
def test_an_hour_is_resolved_by_one_rule_in_every_zone(zone, hour, utc):
    """Skipped: the next valid instant; repeated: the first."""
    expected = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert expected == instant_of(datetime.fromisoformat(hour), zone)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(available_timezones())),
    st.datetimes(datetime(2008, 1, 1), datetime(2036, 1, 1)),
)
@example("Pacific/Apia", datetime(2011, 12, 30, 9))
@example("Australia/Lord_Howe", datetime(2026, 4, 5, 1, 45))
def test_a_shares_instant_shows_its_hour_unless_that_is_skipped(zone, local):
    """It is the first such instant; where the hour is skipped, the first after it."""
    local = local.replace(microsecond=0)
    due = due_in(timing(hour=local), zone)

    def wall(instant):
        return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)

    if wall(due) == local:
        # No instant of the day before shows it too.
        same = {fold: local.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1)}
        assert due == min(
            one.astimezone(UTC) for one in same.values() if wall(one.astimezone(UTC)) == local
        )
    else:
        assert wall(due) > local
        assert wall(due - timedelta(seconds=1)) < local


def test_a_share_on_a_quiet_day_moves_to_the_next_that_is_not():
    """At the same hour; each zone by its own calendar."""
    found = plan_shares(
        timing(quiet="sat,sun", hour=datetime(2026, 12, 5, 9)),
        {"Pacific/Apia": 1},
        NINE.replace(tzinfo=UTC),
    )
    expected = PlannedShare("Pacific/Apia", at("2026-12-07T09:00", "Pacific/Apia"), 1, moved=True)
    assert [expected] == found


def test_an_hour_that_is_never_allowed_is_said():
    """The window excludes it on every day."""
    with pytest.raises(NoDayLeft):
        due_in(timing("10:00-12:00"), "UTC")


def test_shares_come_in_the_order_they_fall_due_and_late_ones_are_marked():
    """East goes before west; what has passed is late, and goes now or not at all."""
    now = at("2026-12-01T08:30")
    rule = timing("08:00-20:00")
    people = {"America/New_York": 3, "Europe/Chisinau": 2, "Asia/Bishkek": 5}
    found = plan_shares(rule, people, now)
    assert [("Asia/Bishkek", True), ("Europe/Chisinau", False), ("America/New_York", False)] == [
        (one.zone, one.late) for one in found
    ]
    assert at("2026-12-01T09:00") == first_due(found, LatePolicy.SKIP, now)
    going = with_policy(found, rule, LatePolicy.NOW, now)
    assert now == going[0].due_at == first_due(going, LatePolicy.NOW, now)


def test_a_late_share_that_is_to_go_now_keeps_to_its_window():
    """In Bishkek it is night: it falls due when the window opens there."""
    now = at("2026-12-01T22:00", "Asia/Bishkek")
    (late,) = plan_shares(timing("08:00-20:00"), {"Asia/Bishkek": 1}, now)
    (going,) = with_policy([late], timing("08:00-20:00"), LatePolicy.NOW, now)
    assert at("2026-12-02T08:00", "Asia/Bishkek") == going.due_at


@pytest.mark.parametrize("zone", ZONES)
def test_an_opening_ends_where_it_ends_by_the_wall_clock(zone):
    """Over a year of clock changes, each opening is open to its last second and no longer."""
    rule = timing("02:15-23:30", "sun,2026-05-01")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    openings = 0
    while now < datetime(2027, 1, 1, tzinfo=UTC):
        began = next_allowed(rule, zone, now)
        assert is_allowed(rule, zone, began)
        now = shuts_at(rule, zone, began)
        assert is_allowed(rule, zone, now - timedelta(seconds=1))
        assert not is_allowed(rule, zone, now)
        assert now - began <= timedelta(hours=23)
        openings += 1
    assert 311 <= openings <= 313


def test_an_hour_shown_again_ends_or_begins_an_opening():
    """Where the clocks go back in the middle of it, or into it from behind its end."""
    beirut, chatham = datetime(2027, 10, 30, 21), datetime(2027, 4, 3, 14)
    for ask, window, zone, change in (
        (shuts_at, "23:30-24:00", "Asia/Beirut", beirut),
        (next_allowed, "02:00-03:00", "Pacific/Chatham", chatham),
    ):
        change = change.replace(tzinfo=UTC)
        assert change == ask(timing(window), zone, change - timedelta(minutes=5))


def test_without_a_window_an_opening_ends_with_the_day_before_a_quiet_one():
    """Where no day is quiet, no end is in sight."""
    assert at("2026-12-05T00:00") == shuts_at(
        timing(quiet="sat"), "Europe/Chisinau", at("2026-12-01T09:00")
    )
    assert None is shuts_at(timing(), "Europe/Chisinau", at("2026-12-01T09:00"))


@pytest.mark.parametrize(
    ("before", "now", "after"),
    [
        (ShareState.WAITING, "2026-12-01T08:59", None),
        (ShareState.WAITING, "2026-12-01T09:00", ShareState.OPEN),
        (ShareState.WAITING, "2026-12-01T11:00", ShareState.OPEN),
        (ShareState.WAITING, "2026-12-01T11:01", ShareState.HELD),
        (ShareState.WAITING, "2026-12-02T09:00", ShareState.HELD),
        (ShareState.OPEN, "2026-12-01T19:59", None),
        (ShareState.OPEN, "2026-12-01T20:00", ShareState.SHUT),
        (ShareState.SHUT, "2026-12-02T08:59", None),
        (ShareState.SHUT, "2026-12-02T09:00", ShareState.OPEN),
        (ShareState.SHUT, "2026-12-09T09:00", ShareState.OPEN),
        (ShareState.HELD, "2026-12-02T09:00", None),
        (ShareState.SKIPPED, "2026-12-01T09:00", None),
    ],
)
def test_what_becomes_of_a_share(before, now, after):
    """Late only before it begins; then it follows its window, also days later."""
    rule = timing("09:00-20:00")
    shuts = at("2026-12-01T20:00") if before is ShareState.OPEN else None
    change = next_state(share(before, shuts_at=shuts), rule, GRACE_S, at(now))
    assert after == (change.state if change else None)


def test_a_released_share_goes_however_late_but_within_its_window():
    """At night it waits for the morning, and is not held again."""
    rule = timing("09:00-20:00")
    freed = share(released=True)
    assert None is next_state(freed, rule, GRACE_S, at("2026-12-03T23:00"))
    opened = next_state(freed, rule, GRACE_S, at("2026-12-04T09:00"))
    assert Change(ShareState.OPEN, at("2026-12-04T20:00")) == opened


def test_a_share_that_could_not_begin_before_its_window_ended_is_held():
    """The next morning would be a silent making up."""
    rule = timing("09:00-20:00", hour=datetime(2026, 12, 1, 19, 30))
    late = replace(share(), due_at=at("2026-12-01T19:30"))
    assert None is next_state(late, rule, GRACE_S, at("2026-12-01T20:30"))
    assert Change(ShareState.HELD) == next_state(late, rule, GRACE_S, at("2026-12-01T21:31"))


def test_clocks_that_step_back_shut_what_is_open_outside_its_window():
    """And open it again in time; it does not begin anew."""
    rule = timing("09:00-20:00")
    opened = share(ShareState.OPEN, shuts_at=at("2026-12-01T20:00"))
    assert Change(ShareState.SHUT) == next_state(opened, rule, GRACE_S, at("2026-12-01T03:00"))


def test_an_unknown_zone_falls_to_the_lists():
    """Data ages: a name that is no zone counts as none."""
    found = [zone_of(one, "Europe/Kiev") for one in ("", "Mars/Olympus", "Asia/Calcutta")]
    assert ["Europe/Kyiv", "Europe/Kyiv", "Asia/Kolkata"] == found
    assert "UTC" == zone_of("", "Mars/Olympus")


@pytest.mark.parametrize("zone", ZONES)
def test_the_wall_clock_of_the_zone_opens_and_shuts(zone):
    """With the machine's clock set, tick by tick over a day of clock changes."""
    rule = timing("09:00-20:00", hour=datetime(2026, 3, 29, 9))
    due = due_in(rule, zone)
    one = Share(1, 1, zone, due, ShareState.WAITING, 1)
    seen = []
    with time_machine.travel(due - timedelta(hours=10), tick=False) as machine:
        for _ in range(36 * 4):
            change = next_state(one, rule, GRACE_S, SYSTEM_CLOCK.now())
            if change:
                local = SYSTEM_CLOCK.now().astimezone(ZoneInfo(zone))
                seen.append((change.state, f"{local:%d %H:%M}"))
                one = replace(one, state=change.state, shuts_at=change.shuts_at)
            machine.shift(timedelta(minutes=15))
    expected = [
        (ShareState.OPEN, "29 09:00"),
        (ShareState.SHUT, "29 20:00"),
        (ShareState.OPEN, "30 09:00"),
    ]
    assert expected == seen
