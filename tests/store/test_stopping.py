"""Stopping mailings and letting them go on, as both databases do it."""

import pytest

from mailer.model.states import DeliveryState, ForbiddenTransition, MailingState
from mailer.store import stopping, tables
from mailer.store.mailings import find_mailing, has_open_deliveries
from tests.support.clocks import NOW


@pytest.fixture
def scheduled(ground):
    """A mailing that waits for its hour."""
    return ground.add_mailing([ground.add_list()], MailingState.SCHEDULED)


def test_pause_and_resume_go_back_to_where_it_stood(store, scheduled):
    """A paused scheduled mailing is scheduled again, not running."""
    with store.write() as connection:
        assert stopping.pause(connection, scheduled.key).state is MailingState.PAUSED
    with store.write() as connection:
        assert stopping.resume(connection, scheduled.key).state is MailingState.SCHEDULED


def test_a_forbidden_change_is_refused_and_changes_nothing(store, scheduled):
    """What is not paused cannot be resumed."""
    with pytest.raises(ForbiddenTransition), store.write() as connection:
        stopping.resume(connection, scheduled.key)
    with store.read() as connection:
        loaded = find_mailing(connection, scheduled.key)
    assert loaded.state is MailingState.SCHEDULED


def test_a_released_mailing_is_marked_so(store, scheduled):
    """Release goes back to where it was held and remembers that a person agreed."""
    with store.write() as connection:
        stopping.hold(connection, scheduled, MailingState.SCHEDULED, "too late")
    with store.read() as connection:
        assert find_mailing(connection, scheduled.key).held_reason == "too late"
    with store.write() as connection:
        released = stopping.release(connection, scheduled.key, NOW)
    assert released.state is MailingState.SCHEDULED
    assert released.released is True
    assert released.held_reason == ""


def test_cancelling_cancels_what_is_due_and_nothing_else(store, scheduled):
    """What was accepted stays accepted; what was due is cancelled."""
    states = [DeliveryState.DUE, DeliveryState.ACCEPTED, DeliveryState.DEFERRED]
    with store.write() as connection:
        for number, state in enumerate(states):
            connection.execute(
                tables.delivery.insert().values(
                    mailing_id=scheduled.row_id,
                    address_digest=bytes([number]) * 16,
                    supporter_id=number,
                    list_id=1,
                    state=state,
                )
            )
        stopping.cancel(connection, scheduled.key, NOW)
        assert stopping.cancel_open_deliveries(connection, NOW) == 2
        assert has_open_deliveries(connection, scheduled.row_id) is False
