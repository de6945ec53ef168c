"""When a deferred delivery is tried again."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mailer.delivery.retry import GiveUp, RetryAt, RetryPolicy, longest_waits, next_attempt

NOW = datetime(2026, 12, 1, tzinfo=UTC)
POLICY = RetryPolicy(600, 21_600, timedelta(hours=96))


def _after(attempt_number, jitter=0.5, age=timedelta()):
    return next_attempt(
        POLICY, attempt_number=attempt_number, first_attempt_at=NOW - age, now=NOW, jitter=jitter
    )


def test_pauses_double_up_to_the_longest():
    """Ten minutes, twenty, forty, … six hours."""
    pauses = [_after(number).when - NOW for number in (1, 2, 3, 7, 50)]
    minutes = [pause.total_seconds() / 60 for pause in pauses]
    assert minutes == [10, 20, 40, 360, 360]


def test_jitter_spreads_them_by_a_fifth():
    """The earliest is a fifth sooner, the latest a fifth later."""
    assert _after(1, jitter=0).when - NOW == timedelta(seconds=480)
    assert _after(1, jitter=1).when - NOW == timedelta(seconds=720)


def test_no_pause_is_longer_than_it_can_be():
    """One for each attempt until they grow no more."""
    waits = longest_waits(POLICY)
    assert 7 == len(waits)
    assert list(waits) == [_after(number, jitter=1).when - NOW for number in range(1, 8)]
    assert waits[-1] == _after(60, jitter=1).when - NOW
    assert 1 == len(longest_waits(RetryPolicy(5, 5, timedelta(hours=1))))


def test_too_old_is_given_up():
    """After four days nobody waits for it any more."""
    assert _after(9, age=timedelta(hours=96)) == GiveUp()


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(0, 200))
def test_a_retry_is_always_later_and_never_past_the_end(number, jitter, hours):
    """Whatever the age: later than now and within the time allowed, or given up."""
    decision = _after(number, jitter, timedelta(hours=hours))
    if isinstance(decision, RetryAt):
        assert decision.when > NOW
        assert decision.when - (NOW - timedelta(hours=hours)) <= POLICY.give_up_after
