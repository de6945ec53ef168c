"""Who is to be sent less, for how long, and when a relay steps aside."""

from datetime import timedelta

import pytest

from mailer.delivery.pacing import (
    THROTTLES,
    SlowDown,
    aside_for,
    asks_to_slow_down,
    part_of,
    slowed_down,
)
from mailer.delivery.replies import Stage, parse_reply
from mailer.model.pacing import RECOVERY_STEP
from tests.support.clocks import NOW

DOMAIN, RELAY = SlowDown.DOMAIN, SlowDown.RELAY


@pytest.mark.parametrize(
    ("code", "text", "stage", "sent", "expected"),
    [
        (421, "4.7.0 [TSS04] Messages temporarily deferred", Stage.RCPT, 1, DOMAIN),
        (421, "4.7.28 Our system has detected an unusual rate", Stage.CONTENT, 3, DOMAIN),
        (450, "4.7.28 Too many from you", Stage.RCPT, 1, DOMAIN),
        (451, "Rate limited, slow down", Stage.RCPT, 1, DOMAIN),
        (452, "4.5.3 Too many recipients", Stage.RCPT, 1, DOMAIN),
        (421, "4.3.2 System not accepting", Stage.RCPT, 1, RELAY),
        (421, "4.3.2 Not now", Stage.MAIL, 1, RELAY),
        (454, "Throttling failure: Maximum sending rate exceeded", Stage.MAIL, 5, RELAY),
        # A relay that ends a connection after some mails takes the next one.
        (421, "4.3.2 Enough for this connection", Stage.MAIL, 2, None),
        # Greylisting, a full mailbox, and refusals for good ask to send nothing less.
        (450, "4.7.1 Greylisted, try again later", Stage.RCPT, 1, None),
        (452, "4.2.2 Mailbox full", Stage.RCPT, 1, None),
        (550, "5.7.1 Too many", Stage.RCPT, 1, None),
        (250, "2.0.0 Ok", Stage.CONTENT, 1, None),
    ],
)
def test_replies_ask_to_slow_down_or_not(code, text, stage, sent, expected):
    """The provider where the reply is to its recipient, else the relay."""
    assert expected == asks_to_slow_down(parse_reply(code, text), stage, sent)


def test_each_further_word_halves_again_and_pauses_longer():
    """Up to an hour; what was under way when the pause began changes nothing."""
    throttle = THROTTLES[DOMAIN]
    first = slowed_down(None, 8.0, "421 4.7.0", NOW, throttle)
    assert (1, NOW + timedelta(minutes=15)) == (first.halvings, first.paused_until)
    assert first is slowed_down(first, 8.0, "421 4.7.0", NOW + timedelta(seconds=1), throttle)
    second = slowed_down(first, 99.0, "421 4.7.28", first.paused_until, throttle)
    assert (8.0, 2) == (second.base_per_s, second.halvings)
    assert first.paused_until + timedelta(minutes=30) == second.paused_until
    later = second
    for _ in range(4):
        later = slowed_down(later, 8.0, "421", later.paused_until, throttle)
    assert (6, timedelta(hours=1)) == (
        later.halvings, slowed_down(later, 8.0, "", later.paused_until, throttle).paused_until
        - later.paused_until,
    )  # fmt: skip


def test_who_has_recovered_begins_anew():
    """With what it takes by then."""
    throttle = THROTTLES[DOMAIN]
    first = slowed_down(None, 8.0, "421", NOW, throttle)
    again = slowed_down(first, 20.0, "421", first.paused_until + RECOVERY_STEP, throttle)
    assert (20.0, 1) == (again.base_per_s, again.halvings)


def test_a_relay_steps_aside_after_three_failures_and_longer_each_time():
    """From five seconds to five minutes."""
    assert [None, None, 5.0, 10.0, 20.0, 300.0] == [
        pause.total_seconds() if pause else None for pause in map(aside_for, (1, 2, 3, 4, 5, 99))
    ]


def test_limits_are_shared_out_to_all_processes():
    """Each has its part, and at least one; 0 is no limit for everybody."""
    assert [4, 3, 3] == [part_of(10, place, 3) for place in range(3)]
    assert [1, 1, 1] == [part_of(2, place, 3) for place in range(3)]
    assert [0, 10] == [part_of(0, 1, 3), part_of(10, 0, 0)]
