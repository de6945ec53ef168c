"""Caps that grow by a plan, rates that fill up, and what was slowed and recovers."""

from datetime import date, timedelta

import pytest

from mailer.model.pacing import (
    RECOVERY_STEP,
    Bucket,
    DailyCap,
    Slowed,
    spendable,
    tighter,
)
from tests.support.clocks import NOW

FIRST = date(2026, 12, 1)


@pytest.mark.parametrize(
    ("cap", "day", "expected"),
    [
        (DailyCap(), 0, None),
        (DailyCap(500), 0, 500),
        # Before the plan begins its first number holds.
        (DailyCap(0, (50, 100), FIRST), -3, 50),
        (DailyCap(0, (50, 100), FIRST), 0, 50),
        (DailyCap(0, (50, 100), FIRST), 1, 100),
        # When it has ended per_day holds, or without it the last number.
        (DailyCap(0, (50, 100), FIRST), 2, 100),
        (DailyCap(900, (50, 100), FIRST), 2, 900),
        # A plan goes nowhere beyond per_day.
        (DailyCap(80, (50, 100), FIRST), 1, 80),
    ],
)
def test_a_cap_grows_by_its_plan(cap, day, expected):
    """Day by day from the first, with per_day above it and after it."""
    assert expected == cap.on(FIRST + timedelta(days=day))


def test_a_rate_fills_up_and_holds_no_more_than_a_second():
    """A new bucket is full; what was spent comes back with time, and a clock set back adds none."""
    full = spendable(None, 5.0, NOW)
    assert 5.0 == full.tokens
    assert 1.0 == spendable(Bucket(0.0, NOW), 5.0, NOW + timedelta(seconds=0.2)).tokens
    assert 5.0 == spendable(Bucket(0.0, NOW), 5.0, NOW + timedelta(hours=1)).tokens
    assert 2.0 == spendable(Bucket(2.0, NOW), 5.0, NOW - timedelta(hours=1)).tokens
    # Who waited for its turn comes with an earlier instant: no stretch counts twice.
    earlier = spendable(Bucket(0.0, NOW), 5.0, NOW - timedelta(seconds=0.4))
    assert Bucket(0.0, NOW) == earlier
    assert 1.0 == spendable(earlier, 5.0, NOW + timedelta(seconds=0.2)).tokens


def test_a_rate_below_one_a_second_still_lets_one_go():
    """One mail in ten seconds is one mail, not a tenth of one again and again."""
    assert 1 == int(spendable(None, 0.1, NOW).tokens)
    assert 0 == int(spendable(Bucket(0.0, NOW), 0.1, NOW + timedelta(seconds=9)).tokens)
    assert 1 == int(spendable(Bucket(0.0, NOW), 0.1, NOW + timedelta(seconds=10)).tokens)


def test_what_was_slowed_is_paused_and_then_recovers_step_by_step():
    """Nothing, a quarter, a half, and then no limit any more."""
    slowed = Slowed(8.0, 2, NOW + timedelta(minutes=30), "421 4.7.0")
    assert slowed.is_paused(NOW)
    over = slowed.paused_until
    assert [2.0, 4.0, 0.0] == [
        slowed.per_second(over + number * RECOVERY_STEP) for number in range(3)
    ]
    assert 0 == slowed.halvings_left(over + 2 * RECOVERY_STEP)


def test_the_tighter_limit_holds_and_none_is_none():
    """0 is no limit."""
    assert [2.0, 2.0, 2.0, 0.0] == [
        tighter(2.0, 0.0), tighter(0.0, 2.0), tighter(3.0, 2.0), tighter(0.0, 0.0),
    ]  # fmt: skip


def test_a_pause_that_a_clock_ahead_has_set_is_over_when_it_is_set_back():
    """It would last for as long as the clock was ahead; what is halved stays so until then."""
    slowed = Slowed(8.0, 1, NOW + timedelta(hours=3), "421 4.7.0")
    assert (False, 4.0) == (slowed.is_paused(NOW), slowed.per_second(NOW))
    assert slowed.is_paused(NOW + timedelta(hours=2, minutes=30))
