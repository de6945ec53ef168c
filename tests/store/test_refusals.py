"""Addresses that are refused while mail is handed over: evidence, and suppression, on either database."""

from datetime import timedelta

import pytest

from mailer.delivery.outcomes import recorded
from mailer.delivery.replies import Stage, parse_reply
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import Answer
from mailer.model.feedback_policy import SoftLimits
from mailer.store.claims import claim
from mailer.store.deliveries import record
from mailer.store.withdrawals import last_withdrawals, withdrawals_since
from tests.support.came_back import World
from tests.support.clocks import NOW


@pytest.fixture
def world(ground, tmp_path):
    """People on a list."""
    return World(ground, tmp_path, SoftLimits())


def hand_over(world, reply, stage=Stage.RCPT, name="clara", store=None):
    """Claim a new delivery to a person, and record what a relay said to it."""
    now = world.clock.now()
    delivery = world.ground.add_delivery(
        world.ground.add_mailing(["harbor-news"]), world.people[name], next_attempt_at=now
    )
    with (store or world.store).write() as connection:
        (one,) = [c for c in claim(connection, "w", 9, now) if c.delivery_id == delivery]
        ended = recorded(
            delivery_id=delivery, mailing_id=one.mailing_id, domain_class=one.domain_class,
            attempt_number=one.attempt_number, first_attempt_at=now - timedelta(days=9),
            answer=Answer(stage, parse_reply(*reply)), doubt="", relay="main", started_at=now,
            duration_ms=1, policy=RetryPolicy(600, 600, timedelta(hours=1)), now=now, jitter=0.5,
            address=f"{name}@example.org",
        )  # fmt: skip
        record(connection, "w", [ended], now)
    return delivery


def test_a_dead_address_is_suppressed_with_its_evidence(world):
    """In the transaction that records the refusal; senders see it at their next look."""
    with world.store.read() as connection:
        marks = last_withdrawals(connection)
    delivery = hand_over(world, (550, "5.1.1 <clara@example.org>: no user clara here"))
    assert world.suppressed("clara") == ["bounced"]
    (row,) = world.rows("suppression")
    assert (row.source, row.delivery_id) == ("bounce", delivery)
    (finding,) = world.rows("feedback_finding")
    assert (finding.status, finding.smtp_code) == ("5.1.1", 550)
    assert finding.diagnostic == "5.1.1 <[address]>: no user [address] here"
    assert world.effects() == [("hard", "verp", "suppressed")]
    with world.store.read() as connection:
        assert world.digest("clara") in withdrawals_since(connection, *marks).digests


@pytest.mark.parametrize(
    "reply", [(550, "5.2.1 disabled"), (450, "4.1.1 unknown for now"), (450, "4.2.1 not now")]
)
def test_an_address_that_is_refused_for_now_is_suppressed_on_the_third_day(world, reply):
    """By refusals at SMTP time alone; each delivery is given up as too old."""
    for days in (0, 1, 1):
        world.after(days=days)
        assert world.suppressed("clara") == []
        hand_over(world, reply)
    assert world.suppressed("clara") == ["soft_bounces"]


@pytest.mark.parametrize(
    ("reply", "stage"),
    [
        ((250, "2.0.0 Ok"), Stage.CONTENT),
        ((550, "5.7.1 Blocked"), Stage.RCPT),
        ((554, "5.7.1 Spam"), Stage.CONTENT),
        ((552, "5.3.4 Too big"), Stage.CONTENT),
        ((451, "4.7.1 Greylisted"), Stage.RCPT),
        ((550, "5.0.0 No"), Stage.RCPT),
    ],
)
def test_what_does_not_speak_of_the_address_leaves_no_evidence(world, reply, stage):
    """And costs nothing: an accepted mail writes no row of feedback."""
    hand_over(world, reply, stage)
    assert world.rows("feedback_event") == world.rows("suppression") == []
    assert world.clock.now() == NOW
