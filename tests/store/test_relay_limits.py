"""Caps, rates, pauses and relays that are aside, on record for all sender processes."""

from datetime import date, timedelta

import pytest

from mailer.model.pacing import DailyCap, Pace, PaceKey, Pacing, Slowed
from mailer.model.routing import RelayTerms, Routing
from mailer.store import tables
from mailer.store.claims import ClaimTerms, claim
from mailer.store.deliveries import give_back
from mailer.store.pacing import (
    claimed_on,
    forget_paces,
    read_slowed,
    slowed_now,
    write_slowed,
)
from mailer.store.relays import (
    mark_relay_verified,
    relay_contacts,
    relay_failed,
    relay_is_back,
    relay_met,
    set_relay_aside,
    standing,
)
from mailer.store.workers import register_worker
from tests.support.clocks import NOW
from tests.support.factories import LONG_AGO

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def _routing(pacing=None, **terms):
    relays = {"main": RelayTerms("main", **terms), "spare": RelayTerms("spare")}
    return Routing(relays, {}, ("main", "spare"), pacing or Pacing())


@pytest.fixture
def crowd(ground):
    """A running mailing to ten at Gmail, five at mail.ru, and five at each of two small domains."""
    key = ground.add_list()
    mailing = ground.add_mailing([key])
    for domain, count in (
        ("gmail.com", 10), ("mail.ru", 5), ("small.example.org", 5), ("tiny.example.net", 5),
    ):  # fmt: skip
        for number in range(count):
            person = ground.add_supporter(f"p{number}@{domain}", key)
            ground.add_delivery(mailing, person, next_attempt_at=LONG_AGO)
    with ground.store.write() as connection:
        register_worker(connection, "w", 1, "boot", NOW, relay="main")
    return ground.store


def _claim(store, routing, limit=100, now=NOW, relay="main"):
    with store.write() as connection:
        return claim(connection, "w", limit, now, ClaimTerms(relay, routing))


def _classes(claimed):
    names = [one.domain_class for one in claimed]
    return {name: names.count(name) for name in set(names)}


def test_a_claim_takes_from_every_class_in_turn(crowd):
    """Whoever stands first in the queue, nobody takes it all; what one has not, others have."""
    assert {"gmail": 2, "mailru": 2, "other": 2} == _classes(_claim(crowd, _routing(), 6))
    assert {"gmail": 8, "mailru": 3, "other": 8} == _classes(_claim(crowd, _routing(), 100))


def test_a_cap_is_counted_when_claimed_and_given_back_with_the_claim(crowd):
    """The next day it is open again; meanwhile the next relay takes over."""
    routing = _routing(cap=DailyCap(4))
    first = _claim(crowd, routing)
    assert (4, 0) == (len(first), len(_claim(crowd, routing)))
    with crowd.read() as connection:
        assert {"main": 4} == claimed_on(connection, "2026-12-01")
        assert frozenset({"spare"}) == standing(connection, routing, NOW).able
    with crowd.write() as connection:
        give_back(connection, "w", [first[0].delivery_id, first[1].delivery_id], NOW)
    assert 2 == len(_claim(crowd, routing))
    assert 3 == len(_claim(crowd, routing, 3, relay="spare"))
    assert 4 == len(_claim(crowd, routing, now=NOW + DAY))


def test_a_cap_grows_by_its_plan(crowd):
    """Two on the first day, five on the second."""
    routing = _routing(cap=DailyCap(0, (2, 5), date(2026, 12, 1)))
    assert [2, 5] == [len(_claim(crowd, routing, now=NOW + number * DAY)) for number in range(2)]


def test_a_rate_holds_over_all_that_claim(crowd):
    """A second's worth at once, then as time passes."""
    routing = _routing(per_second=4.0)
    taken = [len(_claim(crowd, routing, now=NOW + number * SECOND / 2)) for number in range(4)]
    assert [4, 2, 2, 2] == taken


def test_a_provider_has_its_own_rate_and_the_others_go_on(crowd):
    """Three at Gmail a second; everybody else at once."""
    routing = _routing(Pacing({"gmail": Pace(per_second=3.0)}))
    assert {"gmail": 3, "mailru": 5, "other": 10} == _classes(_claim(crowd, routing))
    assert {} == _classes(_claim(crowd, routing))
    assert {"gmail": 3} == _classes(_claim(crowd, routing, now=NOW + SECOND))


def test_single_domains_have_a_rate_and_what_is_put_off_comes_in_its_turn(crowd):
    """Two a second for each; the attempt does not count, and the queue is not blocked."""
    routing = _routing(Pacing(each_domain=Pace(per_second=2.0)))
    assert {"gmail": 10, "mailru": 5, "other": 4} == _classes(_claim(crowd, routing))
    with crowd.read() as connection:
        rows = connection.execute(
            tables.delivery.select().where(tables.delivery.c.state == "due")
        ).all()
    assert [0] * 6 == [row.attempts for row in rows]
    assert [0.5, 0.5, 1.0, 1.0, 1.5, 1.5] == sorted(
        (row.next_attempt_at - NOW).total_seconds() for row in rows
    )
    assert {"other": 4} == _classes(_claim(crowd, routing, now=NOW + SECOND))


@pytest.mark.parametrize(
    ("key", "others"),
    [
        (PaceKey("gmail"), {"mailru": 5, "other": 10}),
        (PaceKey(""), {}),
    ],
)
def test_what_is_paused_is_left_out(crowd, key, others):
    """One provider, or the whole relay; afterwards it goes at half its rate."""
    slowed = Slowed(4.0, 1, NOW + 60 * SECOND, "421 4.7.0")
    with crowd.write() as connection:
        write_slowed(connection, "main", key, slowed)
        assert slowed == read_slowed(connection, "main", key)
    assert others == _classes(_claim(crowd, _routing()))
    assert 2 == len(_claim(crowd, _routing(), now=slowed.paused_until))


def test_a_domain_that_is_paused_holds_up_no_other_of_its_class(crowd, service_keys):
    """Its mails go to the end of the pause, and on from there at half its rate."""
    digest = service_keys.domain_digest("small.example.org")
    slowed = Slowed(4.0, 1, NOW + 60 * SECOND, "450 4.7.28")
    with crowd.write() as connection:
        write_slowed(connection, "main", PaceKey("other", digest), slowed)
    claimed = _claim(crowd, _routing())
    assert {"gmail": 10, "mailru": 5, "other": 5} == _classes(claimed)
    assert digest not in {one.domain_digest for one in claimed}
    with crowd.read() as connection:
        rows = connection.execute(
            tables.delivery.select().where(tables.delivery.c.state == "due")
        ).all()
        assert {"main": {PaceKey("other", digest): slowed}} == slowed_now(connection, NOW)
    assert [60.5, 61.0, 61.5, 62.0, 62.5] == sorted(
        (row.next_attempt_at - NOW).total_seconds() for row in rows
    )


def test_a_relay_that_is_aside_claims_nothing_until_it_is_back(crowd):
    """Its mails go by the next one; a login that works brings it back, a transaction mends it."""
    routing = _routing()
    with crowd.write() as connection:
        assert [1, 2] == [
            relay_failed(connection, "main", "connect: refused", NOW, times=1) for _ in range(2)
        ]
        set_relay_aside(connection, "main", NOW + SECOND)
    # Only who tried knows that it is back, however long ago its pause ended.
    assert [] == _claim(crowd, routing, now=NOW + 60 * SECOND)
    assert 3 == len(_claim(crowd, routing, 3, relay="spare"))
    with crowd.write() as connection:
        relay_is_back(connection, "main")
        assert 3 == relay_failed(connection, "main", "connect: refused", NOW, times=1)
        relay_is_back(connection, "main")
    assert [] == _claim(crowd, routing, 3, relay="spare")
    assert 3 == len(_claim(crowd, routing, 3))
    with crowd.write() as connection:
        relay_met(connection, "main", NOW)
        assert 1 == relay_failed(connection, "main", "connect: refused", NOW, times=1)
        (contact,) = relay_contacts(connection)
    assert contact.aside_until is None


def test_a_relay_that_is_not_verified_as_it_is_takes_nothing_over(crowd):
    """Verified with another digest is not verified."""
    relays = {"main": RelayTerms("main"), "spare": RelayTerms("spare", digest="now")}
    routing = Routing(relays, {}, ("main", "spare"))
    with crowd.write() as connection:
        set_relay_aside(connection, "main", NOW)
        mark_relay_verified(connection, "spare", "before")
    assert [] == _claim(crowd, routing, relay="spare")
    with crowd.write() as connection:
        mark_relay_verified(connection, "spare", "now")
    assert 25 == len(_claim(crowd, routing, relay="spare"))


def test_what_says_nothing_any_more_is_forgotten(crowd):
    """Rates nobody spent from for a day, pauses that are over, and counts of two months ago."""
    routing = _routing(Pacing({"gmail": Pace(per_second=3.0)}), per_second=5.0)
    _claim(crowd, routing)
    with crowd.write() as connection:
        write_slowed(connection, "main", PaceKey("mailru"), Slowed(1.0, 1, NOW, "421"))
        forget_paces(connection, NOW + DAY / 2)
        assert 3 == len(connection.execute(tables.pace.select()).all())
        forget_paces(connection, NOW + 2 * DAY)
        assert [] == connection.execute(tables.pace.select()).all()
        assert {"main": 5} == claimed_on(connection, "2026-12-01")
        forget_paces(connection, NOW + 70 * DAY)
        assert {} == claimed_on(connection, "2026-12-01")
