"""How often one network may ask for mails: buckets that fill again, and who counts as one network."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from mailer.web.public.limits import Limiter, network_of
from tests.support.clocks import FixedClock


def asked(peer: str | None, *forwarded: str) -> Request:
    """Return a request from a peer, with X-Forwarded-For as given."""
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    client = (peer, 50_000) if peer is not None else None
    return Request({"type": "http", "client": client, "headers": headers})


@pytest.mark.parametrize(
    ("peer", "forwarded", "network"),
    [
        ("203.0.113.7", (), "203.0.113.0/24"),
        ("::ffff:203.0.113.7", (), "203.0.113.0/24"),
        ("2001:db8:1:2::7", (), "2001:db8:1::/48"),
        # Straight from outside the field is anybody's invention.
        ("203.0.113.7", ("198.51.100.1",), "203.0.113.0/24"),
        ("127.0.0.1", ("198.51.100.1",), "198.51.100.0/24"),
        ("::1", ("198.51.100.1",), "198.51.100.0/24"),
        ("127.0.0.1", ("192.0.2.1, 198.51.100.1",), "198.51.100.0/24"),
        ("127.0.0.1", ("192.0.2.1", "198.51.100.1"), "198.51.100.0/24"),
        ("127.0.0.1", ("2001:db8:1:2::7",), "2001:db8:1::/48"),
        ("127.0.0.1", ("somewhere",), "unknown"),
        ("127.0.0.1", (), "127.0.0.0/24"),
        (None, ("198.51.100.1",), "198.51.100.0/24"),
        (None, (), "unknown"),
    ],
)
def test_the_network_is_the_visitors(peer, forwarded, network):
    """The proxy's word counts where the proxy is on this machine, and of it the last entry only."""
    assert network == network_of(asked(peer, *forwarded))


def test_a_network_gets_its_burst_and_then_what_comes_back():
    """After so many at once the next is refused, until time has brought one back."""
    clock = FixedClock()
    limiter = Limiter(clock, burst=3, per_hour=60)
    asked_for = [limiter.allows("203.0.113.0/24") for _ in range(5)]
    assert [True, True, True, False, False] == asked_for
    assert limiter.allows("198.51.100.0/24"), "another network has its own"
    clock.forward(seconds=59)
    assert not limiter.allows("203.0.113.0/24")
    clock.forward(seconds=2)
    assert limiter.allows("203.0.113.0/24")
    assert not limiter.allows("203.0.113.0/24")


def test_a_long_silence_brings_back_no_more_than_the_burst():
    """Whoever was not there for a day may ask for as much at once as at the beginning."""
    clock = FixedClock()
    limiter = Limiter(clock, burst=2, per_hour=60)
    assert limiter.allows("203.0.113.0/24")
    clock.forward(days=1)
    assert [True, True, False] == [limiter.allows("203.0.113.0/24") for _ in range(3)]


def test_memory_is_bounded_and_names_nobody(monkeypatch):
    """The networks not seen for longest are forgotten, and none is kept as it is written."""
    monkeypatch.setattr("mailer.web.public.limits._MOST_NETWORKS", 10)
    limiter = Limiter(FixedClock(), burst=1, per_hour=1)
    for number in range(100):
        assert limiter.allows(f"203.0.{number}.0/24")
    assert not limiter.allows("203.0.99.0/24")
    assert 10 == len(limiter._buckets)
    assert not any(b"203" in name for name in limiter._buckets)
