"""Cron expressions mean what they mean in a crontab, also on days when clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.schedule.cron import NotCron, Recurrence
from mailer.schedule.hours import instant_at

#: A Tuesday.
NOW = datetime(2026, 12, 1, 7, tzinfo=UTC)


def next_days(expression, count=7, zone="UTC"):
    """Return the days of the week and of the month on which the next hours fall."""
    hours, found, at = Recurrence(expression, zone), [], NOW
    for _ in range(count):
        at = hours.after(at)
        found.append(at.astimezone(ZoneInfo(zone)))
    return found


@pytest.mark.parametrize(
    ("field", "day"),
    [("0", "Sun"), ("1", "Mon"), ("2", "Tue"), ("3", "Wed"), ("4", "Thu"), ("5", "Fri"),
     ("6", "Sat"), ("7", "Sun"), ("sun", "Sun"), ("MON", "Mon"), ("fri", "Fri")],
)  # fmt: skip
def test_days_of_the_week_are_counted_as_in_a_crontab(field, day):
    """0 and 7 are Sunday and 1 is Monday, which is not how APScheduler counts."""
    assert {day} == {one.strftime("%a") for one in next_days(f"0 9 * * {field}", 3)}


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("1-5", "Mon Tue Wed Thu Fri"),
        ("5-7", "Fri Sat Sun"),
        ("0-2", "Mon Sun Tue"),
        ("0,3", "Sun Wed"),
        ("1-5/2", "Fri Mon Wed"),
        ("*", "Fri Mon Sat Sun Thu Tue Wed"),
    ],
)
def test_ranges_and_rows_of_days(field, days):
    """A range may begin with Sunday or end with it."""
    found = {one.strftime("%a") for one in next_days(f"0 9 * * {field}", 14)}
    assert sorted(days.split()) == sorted(found)


def test_where_both_days_are_given_either_will_do():
    """The first of the month and every Monday."""
    found = next_days("0 9 1 * 1", 9)
    assert all(one.day == 1 or one.weekday() == 0 for one in found)
    assert {1, 7, 14, 21, 28} <= {one.day for one in found}
    both = next_days("0 9 */2 * 1", 5)
    assert all(one.weekday() == 0 and one.day % 2 == 1 for one in both)


def test_months_by_number_and_name():
    """The first of June, either way."""
    for month in ("6", "jun"):
        (found,) = next_days(f"30 18 1 {month} *", 1)
        assert (2027, 6, 1, 18, 30) == found.timetuple()[:5]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 9 * *", "has 4 fields"),
        ("", "has 0 fields"),
        ("0 9 * * 1 2026", "has 6 fields"),
        ("60 9 * * 1", '"60" is no minute'),
        ("0 24 * * 1", '"24" is no hour'),
        ("0 9 0 * *", '"0" is no day of the month'),
        ("0 9 * 13 *", '"13" is no month'),
        ("0 9 * * 8", '"8" is no day of the week'),
        ("0 9 * * monday", '"monday" is no day of the week'),
        ("0 9 * * 5-1", "runs backward"),
        ("*/0 9 * * 1", "step of 0"),
        ("5/10 9 * * 1", "step and no range"),
        ("0 9 last * *", "is no day of the month"),
        ("0 9 30 2 *", "never comes"),
        ("0 9 31 4,6 *", "never comes"),
        ("@weekly", "has 1 fields"),
        ("0 9 * * ۱", "is no day of the week"),
    ],
)
def test_what_is_no_cron_expression_is_refused_with_its_reason(expression, said):
    """And with what to write."""
    with pytest.raises(NotCron) as refused:
        Recurrence(expression, "UTC")
    assert said in refused.value.problem
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("zone", "expression", "from_", "expected"),
    [
        # Brussels skips 02:00 to 02:59 on March 29, 2026: 03:00 is the next that exists.
        ("Europe/Brussels", "30 2 * * *", "2026-03-28T12:00", "2026-03-29T01:00"),
        # Chișinău has 03:00 to 03:59 twice on October 25, 2026: the first is meant.
        ("Europe/Chisinau", "0 9 25 10 *", "2026-10-01T12:00", "2026-10-25T07:00"),
        # Lord Howe Island moves its clocks by half an hour.
        ("Australia/Lord_Howe", "15 2 4 10 *", "2026-10-01T12:00", "2026-10-03T15:30"),
        # Kathmandu is at a quarter to.
        ("Asia/Kathmandu", "0 9 * * 1", "2026-12-01T00:00", "2026-12-07T03:15"),
    ],
)
def test_clock_changes_go_by_the_same_rule_as_mailings(zone, expression, from_, expected):
    """A skipped hour becomes the next that exists, of a repeated one the first counts."""
    start = datetime.fromisoformat(from_).replace(tzinfo=UTC)
    expected = datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert expected == Recurrence(expression, zone).after(start)


def test_a_repeated_hour_comes_once():
    """Brussels has 02:30 twice on October 25, 2026; the next one is a day later."""
    hours = Recurrence("30 2 * * *", "Europe/Brussels")
    first = hours.after(datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert datetime(2026, 10, 25, 0, 30, tzinfo=UTC) == first
    assert datetime(2026, 10, 26, 1, 30, tzinfo=UTC) == hours.after(first)
    between = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    assert datetime(2026, 10, 26, 1, 30, tzinfo=UTC) == hours.after(between)
    assert first == hours.latest(between)


def test_a_day_that_comes_every_four_years_is_found_both_ways():
    """February 29."""
    hours = Recurrence("0 9 29 2 *", "UTC")
    assert datetime(2028, 2, 29, 9, tzinfo=UTC) == hours.after(NOW)
    assert datetime(2024, 2, 29, 9, tzinfo=UTC) == hours.latest(NOW)


@given(
    expression=st.sampled_from(
        ["0 9 * * 1", "30 2 * * *", "*/20 * * * *", "0 0 1 * *", "15 3 * * 0,3", "59 23 31 * 5"]
    ),
    zone=st.sampled_from(
        ["UTC", "Europe/Chisinau", "Australia/Lord_Howe", "America/Havana", "Africa/Casablanca"]
    ),
    at=st.datetimes(datetime(2024, 1, 1), datetime(2029, 1, 1)),
)
def test_the_last_hour_is_the_last_one_before_the_next(expression, zone, at):
    """No hour lies between them, each is one on the wall by the rule, and none is passed over."""
    hours, moment = Recurrence(expression, zone), at.replace(tzinfo=UTC)
    latest, following = hours.latest(moment), hours.after(moment)
    assert latest is not None
    assert latest <= moment < following == hours.after(latest)
    assert latest == hours.latest(latest)
    assert latest == hours.latest(following - timedelta(microseconds=1))
    wall = following.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert following == instant_at(wall.isoformat(), zone)
