"""Leases as both databases keep them."""

from datetime import timedelta

from mailer.store.leases import drop_lease, take_lease
from tests.support.clocks import NOW


def test_a_lease_has_one_holder_until_it_runs_out(store):
    """A second process gets it only after the first one's time is over, or when given back."""
    until = NOW + timedelta(seconds=15)
    with store.write() as connection:
        assert take_lease(connection, "scheduler", "a", NOW, until) is True
        assert take_lease(connection, "scheduler", "a", NOW, until) is True
        assert take_lease(connection, "scheduler", "b", NOW, until) is False
        assert take_lease(connection, "scheduler", "b", until, until) is True
        drop_lease(connection, "scheduler", "b")
        assert take_lease(connection, "scheduler", "a", NOW, until) is True
        # Who held it is dead, and the clock was set back by a day since.
        yesterday = timedelta(days=-1)
        assert take_lease(connection, "scheduler", "b", NOW + yesterday, until + yesterday)
