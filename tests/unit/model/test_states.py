"""State transitions: the table, row by row."""

import itertools

import pytest

from mailer.model.states import (
    DeliveryState,
    ForbiddenTransition,
    MailingState,
    check_mailing_transition,
    states_before,
)

MAILINGS = {
    "draft": "in_review approved scheduled cancelled",
    "in_review": "draft approved cancelled",
    "approved": "draft scheduled cancelled",
    "scheduled": "freezing held paused cancelled",
    "freezing": "running held paused cancelled finished",
    "running": "paused held cancelled finished",
    "paused": "scheduled freezing running held cancelled",
    "held": "scheduled freezing running cancelled",
    "cancelled": "",
    "finished": "running",
}
DELIVERIES = {
    "due": "sending skipped cancelled",
    "sending": "due accepted deferred refused in_doubt skipped cancelled",
    "accepted": "",
    "deferred": "sending refused skipped cancelled",
    "refused": "",
    "in_doubt": "due accepted refused",
    "skipped": "",
    "cancelled": "",
}


def _allowed(check, states):
    found = {state.value: set() for state in states}
    for current, wanted in itertools.product(states, repeat=2):
        try:
            check(current, wanted)
        except ForbiddenTransition as error:
            if (error.current, error.wanted) != (current, wanted):
                raise
        else:
            found[current.value].add(wanted.value)
    return found


@pytest.mark.parametrize("current", MAILINGS)
def test_a_mailing_goes_only_where_it_may(current):
    """Each row of the table, and nothing beside it."""
    allowed = _allowed(check_mailing_transition, MailingState)
    assert allowed[current] == set(MAILINGS[current].split())


@pytest.mark.parametrize("current", DELIVERIES)
def test_a_delivery_goes_only_where_it_may(current):
    """An outcome is final, but for doubts a person or a report settles."""
    allowed = {state.value for state in DeliveryState if current in states_before(state)}
    assert allowed == set(DELIVERIES[current].split())
