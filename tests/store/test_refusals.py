"""Addresses that are refused while mail is handed over: evidence, and suppression, on either database."""

from datetime import timedelta

import pytest

from mailer.delivery.outcomes import recorded
from mailer.delivery.replies import Stage, parse_reply
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import Answer
from mailer.delivery.work import deliveries
from mailer.feedback.unsubscribe import write_missing
from mailer.model.alerts import AlertKind
from mailer.model.feedback_policy import SoftLimits
from mailer.store.alerts import last_alerts
from mailer.store.claims import claim
from mailer.store.missing_lines import are_missing, note_missing_refusals
from mailer.store.suppressions import lift, standing
from mailer.store.withdrawals import last_withdrawals, withdrawals_since
from tests.support.came_back import World
from tests.support.clocks import NOW


@pytest.fixture
def world(ground, tmp_path):
    """People on a list."""
    return World(ground, tmp_path, SoftLimits())


class Killed(Exception):
    """Nothing was committed."""


def hand_over(world, reply, stage=Stage.RCPT, name="clara", *, dies=False):
    """Claim a new delivery to a person, and record what a relay said to it."""
    now = world.clock.now()
    delivery = world.ground.add_delivery(
        world.ground.add_mailing(["harbor-news"]), world.people[name], next_attempt_at=now
    )
    with world.store.write() as connection:
        (one,) = [c for c in claim(connection, "w", 9, now) if c.delivery_id == delivery]
        ended = recorded(
            delivery_id=delivery, mailing_id=one.mailing_id, domain_class=one.domain_class,
            attempt_number=one.attempt_number, first_attempt_at=now - timedelta(days=9),
            answer=Answer(stage, parse_reply(*reply)), doubt="", relay="main", started_at=now,
            duration_ms=1, policy=RetryPolicy(600, 600, timedelta(hours=1)), now=now, jitter=0.5,
            address=f"{name}@example.org",
        )  # fmt: skip
    with world.store.write() as connection:
        deliveries(world.log).record(connection, "w", [ended], now)
        if dies:
            raise Killed
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
    assert not world.log.path.exists()


def lines(world):
    """Return whom the log bars, in which words."""
    return [(one.address_digest, one.scope, one.reason) for _, one in world.log.read()]


def lacks(world):
    """Tell whether the log lacks lines."""
    with world.store.read() as connection:
        return are_missing(connection)


DEAD = (550, "5.1.1 no such user")


def test_a_suppression_is_in_the_log_before_it_is_committed(world):
    """So that a database put back from a copy does not write there; once, however often it is said."""
    with pytest.raises(Killed):
        hand_over(world, DEAD, dies=True)
    assert ([(world.digest("clara"), "all", "bounced")], []) == (
        lines(world), world.suppressed("clara")
    )  # fmt: skip
    hand_over(world, DEAD, name="boris")
    assert [world.digest("clara"), world.digest("boris")] == [one[0] for one in lines(world)]


def test_outcomes_are_recorded_though_the_log_cannot_be_written(world, caplog):
    """It is said aloud, and what the log lacks is written as soon as it can be."""
    hand_over(world, DEAD, name="anna")
    world.log.path.rename(world.log.path.with_suffix(".kept"))
    world.log.path.mkdir()
    names = ("boris", "clara")
    for name in names:
        hand_over(world, DEAD, name=name)

    assert ["refused"] * 3 == [row.state.value for row in world.rows("delivery")[-3:]]
    assert [["bounced"]] * 2 == [world.suppressed(name) for name in names]
    assert "suppressions.log cannot be written" in caplog.text
    with world.store.read() as connection:
        (told,) = last_alerts(connection, 9)
    assert (AlertKind.LOG_NOT_WRITTEN, "Is a directory") == (told.kind, told.facts["reason"])
    assert (True, "Is a directory") == (lacks(world), write_missing(world.store, world.log))
    world.log.path.rmdir()
    world.log.path.with_suffix(".kept").rename(world.log.path)
    for _ in range(2):
        assert ("", False) == (write_missing(world.store, world.log), lacks(world))
        assert [world.digest(name) for name in ("anna", *names)] == [one[0] for one in lines(world)]


def test_what_is_missing_is_written_in_parts(world, monkeypatch):
    """No more at once than the lock may be held for; from the first on, in whatever order noted."""
    world.log.path.mkdir()
    first, *_, last = [hand_over(world, DEAD, name=name) for name in ("anna", "boris", "clara")]
    world.log.path.rmdir()
    monkeypatch.setattr("mailer.feedback.unsubscribe._CHUNK", 1)
    with world.store.write() as connection:
        note_missing_refusals(connection, [last])
        note_missing_refusals(connection, [first])

    assert "" == write_missing(world.store, world.log)
    assert [world.digest(name) for name in ("anna", "boris", "clara")] == [
        one[0] for one in lines(world)
    ]


def test_what_was_lifted_meanwhile_has_no_line(world):
    """Whoever proved since that mail arrives is not barred by a line that comes late."""
    world.log.path.mkdir()
    hand_over(world, DEAD)
    world.log.path.rmdir()
    with world.store.write() as connection:
        lift(connection, standing(connection, world.digest("clara")))
    assert ("", []) == (write_missing(world.store, world.log), lines(world))
