"""Alerts as rows: raised once, resolved, raised again; and what raises them."""

from datetime import timedelta

import pytest

from mailer.alerts import (
    deliveries_in_doubt,
    hold_and_tell,
    hold_running_and_tell,
    import_done,
    raise_alert,
    resolve_alert,
)
from mailer.model.alerts import AlertKind
from mailer.model.states import ForbiddenTransition, MailingState
from mailer.store.alerts import forget_alerts, last_alerts
from mailer.store.mailings import load_mailing
from tests.support.clocks import NOW


@pytest.fixture
def told(store):
    """A function that returns kind and subject of all alerts, the first raised first."""

    def look():
        with store.read() as connection:
            return [(one.kind, one.subject) for one in reversed(last_alerts(connection, 100))]

    return look


def test_a_condition_is_told_once_until_it_is_over(store, told):
    """Then it is told anew; and after a day it is told again while it lasts."""
    lost = (AlertKind.AUTHENTICATION_LOST, "main")
    with store.write() as connection:
        assert raise_alert(connection, *lost, NOW, reason="535")
        assert not raise_alert(connection, *lost, NOW + timedelta(hours=23), reason="535 again")
        assert raise_alert(connection, AlertKind.AUTHENTICATION_LOST, "second", NOW, reason="535")
        assert raise_alert(connection, *lost, NOW + timedelta(hours=25), reason="535")
        assert resolve_alert(connection, *lost, NOW + timedelta(hours=26))
        assert not resolve_alert(connection, *lost, NOW + timedelta(hours=26))
        assert raise_alert(connection, *lost, NOW + timedelta(hours=27), reason="535")
    second = (AlertKind.AUTHENTICATION_LOST, "second")
    assert [lost, second, lost, lost] == told()


def test_a_condition_that_flaps_is_told_once(store, told):
    """A relay that takes every other login floods nobody; it lasts until it is over for long."""
    lost = (AlertKind.AUTHENTICATION_LOST, "main")
    with store.write() as connection:
        for seconds in range(0, 290, 10):
            at = NOW + timedelta(seconds=seconds)
            assert (seconds == 0) == raise_alert(connection, *lost, at, reason="535")
            assert resolve_alert(connection, *lost, at + timedelta(seconds=5))
        assert raise_alert(connection, *lost, NOW + timedelta(minutes=5), reason="535")
    assert [lost, lost] == told()


def test_the_same_event_twice_in_a_moment_is_one(store):
    """With other facts, or later, it is another."""
    with store.write() as connection:
        facts = {"rows": 5, "added": 5, "updated": 0, "rejected": 0}
        for minutes, more in ((0, {}), (1, {}), (2, {"rows": 6}), (30, {"rows": 6})):
            at = NOW + timedelta(minutes=minutes)
            import_done(connection, "harbor-news", "people.csv", at, **{**facts, **more})
        assert 3 == len(last_alerts(connection, 10))


def test_more_doubts_are_told_again_though_not_at_every_one(store):
    """Ten minutes lie between, and fewer doubts are no news."""
    with store.write() as connection:
        for minutes, count in ((0, 1), (1, 5), (11, 6), (30, 4), (31, 6)):
            deliveries_in_doubt(connection, "s-1", count, NOW + timedelta(minutes=minutes))
        alerts = last_alerts(connection, 10)
    assert [6, 1] == [one.facts["count"] for one in alerts]
    assert [False, True] == [one.resolved_at is not None for one in alerts]


def test_what_looks_like_an_address_is_in_no_alert(store):
    """Also where a relay quotes it in the reason."""
    with store.write() as connection:
        raise_alert(
            connection, AlertKind.AUTHENTICATION_LOST, "main", NOW, reason="535 no anna@example.org"
        )
        (one,) = last_alerts(connection, 1)
    assert "535 no [address]" == one.facts["reason"]


def test_holding_a_mailing_tells_staff_in_the_same_transaction(ground, store, told):
    """One that moved on meanwhile is neither held nor told of."""
    mailing = ground.add_mailing([ground.add_list()])
    with store.write() as connection:
        hold_and_tell(connection, mailing, MailingState.RUNNING, "It is late.", NOW)
    with pytest.raises(ForbiddenTransition), store.write() as connection:
        hold_and_tell(connection, mailing, MailingState.RUNNING, "Again.", NOW)
    with store.write() as connection:
        hold_running_and_tell(connection, mailing.row_id, "And again.", NOW)
        assert MailingState.HELD is load_mailing(connection, mailing.row_id).state
    assert [(AlertKind.MAILING_HELD, mailing.key)] == told()


def test_old_alerts_are_forgotten_but_for_what_lasts(store, told):
    """For whoever clears old rows away."""
    with store.write() as connection:
        raise_alert(connection, AlertKind.DISK_LOW, "data", NOW, free_mb=1, limit_mb=2)
        raise_alert(connection, AlertKind.MAILING_PAUSED, "s-1", NOW)
        raise_alert(connection, AlertKind.MAILING_PAUSED, "s-2", NOW + timedelta(days=2))
        assert 1 == forget_alerts(connection, NOW + timedelta(days=1))
    assert [(AlertKind.DISK_LOW, "data"), (AlertKind.MAILING_PAUSED, "s-2")] == told()
