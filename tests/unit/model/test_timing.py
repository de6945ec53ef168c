"""Windows and quiet days as people write them."""

from datetime import date, datetime, time

import pytest

from mailer.model.timing import QuietDays, Timing, Window, parse_quiet_days, parse_window


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("09:00-20:00", ["09:00", "19:59"], ["08:59", "20:00", "00:00"]),
        ("22:00-06:00", ["22:00", "23:59", "00:00", "05:59"], ["06:00", "21:59"]),
        ("09:00-24:00", ["09:00", "23:59"], ["00:00", "08:59"]),
        ("00:00-06:00", ["00:00"], ["06:00", "23:59"]),
    ],
)
def test_a_window_holds_from_its_start_up_to_its_end(text, inside, outside):
    """The end is outside; a window may go over midnight."""
    window = parse_window(text)
    assert [True] * len(inside) == [window.holds(time.fromisoformat(one)) for one in inside]
    assert [False] * len(outside) == [window.holds(time.fromisoformat(one)) for one in outside]


@pytest.mark.parametrize("text", ["9-20", "09:00", "09:00-25:00", "09:00-09:00", "", "24:00-09:00"])
def test_what_is_no_window_is_refused(text):
    """Also one that never opens."""
    with pytest.raises(ValueError, match=r"window|ends when it begins"):
        parse_window(text)


def test_quiet_days_are_days_of_the_week_and_dates():
    """They are written back in one order."""
    quiet = parse_quiet_days(["2026-12-25", " Sun", "sat"])
    assert QuietDays(frozenset({5, 6}), frozenset({date(2026, 12, 25)})) == quiet
    assert "sat,sun,2026-12-25" == str(quiet)
    held = [quiet.holds(date(2026, 12, day)) for day in (24, 25, 26, 27, 28)]
    assert [False, True, True, True, False] == held


@pytest.mark.parametrize(
    "words",
    [
        ["someday"],
        ["2026-13-01"],
        ["20261225"],
        [""],
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    ],
)
def test_what_is_no_quiet_day_is_refused(words):
    """A week without any day left neither."""
    with pytest.raises(ValueError, match=r"neither a day|every day"):
        parse_quiet_days(words)


def test_a_mailing_with_nothing_said_has_no_shares():
    """Only recipients' time, a window or quiet days cut it."""
    window = Window(time(9), time(20))
    cut = [
        Timing(), Timing(recipient_time=True), Timing(window=window),
        Timing(quiet_days=parse_quiet_days(["sat"])),
    ]  # fmt: skip
    assert [False, True, True, True] == [one.in_shares for one in cut]


def test_a_quiet_day_is_quiet_at_any_hour():
    """Also in the part of a night window that lies on it."""
    timing = Timing(window=parse_window("22:00-06:00"), quiet_days=parse_quiet_days(["sat"]))
    hours = [datetime(2026, 12, 4, 23), datetime(2026, 12, 5, 1), datetime(2026, 12, 6, 1)]
    assert [True, False, True] == [timing.allows(one) for one in hours]
