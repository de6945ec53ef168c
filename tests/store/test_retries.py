"""What was deferred by a clock that ran ahead, for each kind of mail that is sent."""

from datetime import timedelta

import pytest

from mailer.model.states import DeliveryState
from mailer.store import retries, tables
from mailer.store.retries import bring_deliveries_forward, bring_service_mails_forward
from tests.store.test_service_mails import write
from tests.support.clocks import NOW

MINUTE = timedelta(minutes=1)
WAITS = (10 * MINUTE, 20 * MINUTE, 40 * MINUTE)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    """More rows than one transaction takes."""
    monkeypatch.setattr(retries, "CHUNK", 2)


#: Attempts so far, minutes until the next, and until it once the clock is right.
CASES = [
    (1, 9, 9),
    (1, 130, 10),
    (2, 20, 20),
    (2, 130, 20),
    (3, 130, 40),
    (9, 130, 40),
    (9, 39, 39),
]


def _deferred(attempts, minutes):
    return {
        "state": DeliveryState.DEFERRED,
        "attempts": attempts,
        "next_attempt_at": NOW + minutes * MINUTE,
    }


def _minutes(store, table):
    with store.read() as connection:
        rows = connection.execute(table.select().order_by(table.c.id)).all()
    return [(row.next_attempt_at - NOW) / MINUTE for row in rows]


def test_a_deferred_delivery_waits_no_longer_than_its_pause(ground):
    """What is nearer stays as it is, and so does what is due at an hour of the calendar."""
    key = ground.add_list()
    mailing = ground.add_mailing([key])
    for number, (attempts, minutes, _) in enumerate(CASES):
        person = ground.add_supporter(f"p{number}@example.org", key)
        ground.add_delivery(mailing, person, **_deferred(attempts, minutes))
    person = ground.add_supporter("due@example.org", key)
    ground.add_delivery(mailing, person, next_attempt_at=NOW + 130 * MINUTE)
    assert 4 == bring_deliveries_forward(ground.store, WAITS, NOW)
    assert [*(after for _, _, after in CASES), 130] == _minutes(ground.store, tables.delivery)
    assert 0 == bring_deliveries_forward(ground.store, WAITS, NOW)


def test_a_deferred_service_mail_waits_no_longer_than_its_pause(store, seal_keys):
    """In its own table; with one pause for all attempts, too."""
    for number, (attempts, minutes, _) in enumerate(CASES):
        service_id = write(store, seal_keys, request=f"alert-{number}")
        with store.write() as connection:
            connection.execute(
                tables.service_mail.update()
                .where(tables.service_mail.c.id == service_id)
                .values(**_deferred(attempts, minutes))
            )
    assert 4 == bring_service_mails_forward(store, WAITS, NOW)
    assert [after for _, _, after in CASES] == _minutes(store, tables.service_mail)
    assert 5 == bring_service_mails_forward(store, (15 * MINUTE,), NOW)
