"""Deliveries follow a person to another address or row: none is lost, and nobody is mailed twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from mailer.model.audience import MembershipState, UnsubscriptionSource
from mailer.model.states import DeliveryState, SkipReason
from mailer.store import tables
from mailer.store.claims import claim
from mailer.store.leaving import Leaver, lists_to_leave
from mailer.store.reports import report
from mailer.store.suppression_log import SuppressionLog
from tests.support.clocks import NOW
from tests.support.factories import make_revision
from tests.support.own_data import ANNA, NEW, change_address
from tests.support.plans import scans

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def log(tmp_path):
    """The log of who left."""
    return SuppressionLog(tmp_path / "suppressions.log")


def on_record(ground):
    """Write Anna, on a list of Harbor; Lantern has a list as well."""
    for key, owner in (("news", "harbor"), ("letters", "harbor"), ("lights", "lantern")):
        ground.add_list(key, owner)
    return ground.add_supporter(ANNA, "news")


@pytest.fixture
def anna(ground):
    """Anna, on either database."""
    return on_record(ground)


def mailing_to(ground, slug, *lists):
    """Write a mailing that runs."""
    return ground.add_mailing(lists or ["news"], revision=make_revision(slug=slug))


def row_of(ground, delivery_id):
    """Return a delivery."""
    query = select(tables.delivery).where(tables.delivery.c.id == delivery_id)
    with ground.store.read() as connection:
        return connection.execute(query).one()


def ways_of(ground, delivery_id):
    """Return the lists a delivery came through, with whose row was on each."""
    table = tables.delivery_list
    keys = {row_id: key for key, (row_id, _) in ground.lists.items()}
    with ground.store.read() as connection:
        rows = connection.execute(select(table).where(table.c.delivery_id == delivery_id))
        return {keys[row.list_id]: row.supporter_id for row in rows}


def claimed(ground, times=1, at=LATER):
    """Claim all that is due so often; return delivery → the address that is mailed."""
    found = {}
    for _ in range(times):
        with ground.store.write() as connection:
            rows = claim(connection, "w", 100, at)
        for one in rows:
            address = ground.seal_keys.unseal(
                one.address_sealed, "supporter", "address_sealed", one.supporter_id
            )
            found[one.delivery_id] = address
            assert ground.service_keys.address_digest(address) == one.address_digest
    return found


def put(ground, delivery_id, **values):
    """Set columns of a delivery."""
    with ground.store.write() as connection:
        connection.execute(
            tables.delivery.update().where(tables.delivery.c.id == delivery_id).values(**values)
        )


def leave(ground, list_key, supporter_id):
    """Take somebody off a list."""
    table = tables.membership
    with ground.store.write() as connection:
        connection.execute(
            table.update()
            .where(
                table.c.list_id == ground.lists[list_key][0], table.c.supporter_id == supporter_id
            )
            .values(state=MembershipState.LEFT, left_at=NOW)
        )


@pytest.mark.parametrize("state", [DeliveryState.DUE, DeliveryState.DEFERRED])
def test_open_deliveries_come_to_the_row_that_stays(ground, tokens, log, anna, state):
    """With the lists they came through; what has ended stays what it was, under the old address."""
    kept = ground.add_supporter(NEW, "letters")
    waits = ground.add_delivery(mailing_to(ground, "one"), anna, state)
    ended = ground.add_delivery(mailing_to(ground, "two"), anna, DeliveryState.ACCEPTED)
    before = row_of(ground, ended)

    change_address(ground, tokens, log, anna)

    assert {"news": kept} == ways_of(ground, waits)
    assert (before, {"news": anna}) == (row_of(ground, ended), ways_of(ground, ended))
    assert {waits: NEW} == claimed(ground)


def test_a_mailing_that_reaches_the_new_address_anyway_comes_once(ground, tokens, log, anna):
    """It comes through the lists of both then: who leaves one is reached by the other."""
    kept = ground.add_supporter(NEW, "letters")
    mailing = mailing_to(ground, "one", "news", "letters")
    old, new = ground.add_delivery(mailing, anna), ground.add_delivery(mailing, kept)

    change_address(ground, tokens, log, anna)
    leave(ground, "letters", kept)

    assert SkipReason.DUPLICATE_ADDRESS == row_of(ground, old).skip_reason
    assert {"news": kept, "letters": kept} == ways_of(ground, new)
    assert {new: NEW} == claimed(ground)
    with ground.store.read() as connection:
        told = report(connection, mailing.row_id)
    assert ({SkipReason.DUPLICATE_ADDRESS: 1}, 2) == (told.not_mailed, told.memberships)


def test_what_was_sent_there_before_takes_over_no_lists(ground, tokens, log, anna):
    """The link in a mail leaves what it left when the mail came."""
    kept = ground.add_supporter(NEW, "letters")
    mailing = mailing_to(ground, "one", "news", "letters")
    old = ground.add_delivery(mailing, anna)
    sent = ground.add_delivery(mailing, kept, DeliveryState.ACCEPTED)

    change_address(ground, tokens, log, anna)

    assert SkipReason.DUPLICATE_ADDRESS == row_of(ground, old).skip_reason
    assert {"letters": kept} == ways_of(ground, sent)
    assert {} == claimed(ground)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("state", [DeliveryState.SENDING, DeliveryState.IN_DOUBT])
def test_what_is_on_its_way_follows_when_it_is_tried_again(ground, tokens, log, anna, known, state):
    """It is left alone until its outcome is there; nobody is mailed under an address they left."""
    kept = ground.add_supporter(NEW, "letters") if known else anna
    going = ground.add_delivery(mailing_to(ground, "one"), anna, state)
    before = row_of(ground, going)
    change_address(ground, tokens, log, anna)
    assert before == row_of(ground, going)

    put(ground, going, state=DeliveryState.DEFERRED, next_attempt_at=NOW)

    assert {going: NEW} == claimed(ground, times=2)
    assert {"news": kept} == ways_of(ground, going)


@pytest.mark.parametrize("known", [False, True])
def test_what_is_tried_again_comes_not_twice(ground, tokens, log, anna, known):
    """Where the mailing reaches the new address by itself, the one that comes late is skipped."""
    other = ground.add_supporter(NEW, "letters" if known else "lights")
    mailing = mailing_to(ground, "one", "news", "letters", "lights")
    going = ground.add_delivery(mailing, anna, DeliveryState.SENDING)
    new = ground.add_delivery(mailing, other)
    change_address(ground, tokens, log, anna)
    put(ground, going, state=DeliveryState.DEFERRED, next_attempt_at=NOW)

    assert {new: NEW} == claimed(ground, times=3)
    assert SkipReason.DUPLICATE_ADDRESS == row_of(ground, going).skip_reason


def test_who_is_led_on_to_a_list_is_mailed_where_they_are_on_it(ground, tokens, log, anna):
    """Two organisations know two addresses by now: suppressions of the one mailed count."""
    lantern = ground.add_supporter(ANNA, "lights")
    delivery = ground.add_delivery(mailing_to(ground, "one", "news", "lights"), anna)
    with ground.store.write() as connection:
        connection.execute(
            tables.delivery_list.insert().values(
                delivery_id=delivery, list_id=ground.lists["lights"][0], supporter_id=lantern
            )
        )
    change_address(ground, tokens, log, anna)
    assert ground.service_keys.address_digest(NEW) == row_of(ground, delivery).address_digest

    leave(ground, "news", anna)

    assert {delivery: ANNA} == claimed(ground, times=3)


def test_a_delivery_to_another_organisation_stays_with_it(ground, tokens, log, anna):
    """Only what it came through changes hands, so that leaving by its link leaves both."""
    kept = ground.add_supporter(NEW, "letters")
    lantern = ground.add_supporter(ANNA, "lights")
    mailing = mailing_to(ground, "one", "lights", "news")
    delivery = ground.add_delivery(mailing, lantern)
    with ground.store.write() as connection:
        connection.execute(
            tables.delivery_list.insert().values(
                delivery_id=delivery, list_id=ground.lists["news"][0], supporter_id=anna
            )
        )

    change_address(ground, tokens, log, anna)

    assert {"lights": lantern, "news": kept} == ways_of(ground, delivery)
    assert {delivery: ANNA} == claimed(ground)


def test_links_in_mails_of_an_earlier_attempt_leave_its_lists_alone(ground, tokens, log, anna):
    """The token names the row that is gone: the lists of the delivery are left, and no others."""
    ground.add_supporter(NEW, "letters")
    delivery = ground.add_delivery(mailing_to(ground, "one"), anna, DeliveryState.DEFERRED)
    change_address(ground, tokens, log, anna)

    leaver = Leaver(delivery, anna, UnsubscriptionSource.PAGE)
    with ground.store.read() as connection:
        (scopes,) = lists_to_leave(connection, [leaver])

    assert ["news"] == [one.list_key for one in scopes]


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    ("shield", "reason"),
    [
        ({"discreet": True}, SkipReason.DISCREET_NOT_READY),
        ({"only_urgent": True}, SkipReason.ONLY_URGENT),
        ({"paused_until": LATER + timedelta(days=1)}, SkipReason.SUPPORTER_PAUSED),
        ("list", SkipReason.DISCREET_NOT_READY),
    ],
)
def test_whatever_another_organisation_knows_goes_along(
    sqlite_ground, tokens, log, known, shield, reason
):
    """It counts for all at one address, so it counts at the next: nobody is uncovered by moving."""
    ground = sqlite_ground
    anna = on_record(ground)
    if known:
        ground.add_supporter(NEW, "letters")
    if shield == "list":
        ground.add_list("lights", "lantern", discreet=True)
        ground.add_supporter(ANNA, "lights", state=MembershipState.LEFT)
    else:
        ground.add_supporter(ANNA, "lights", **shield)
    delivery = ground.add_delivery(mailing_to(ground, "one"), anna)

    change_address(ground, tokens, log, anna)

    assert {} == claimed(ground)
    assert reason == row_of(ground, delivery).skip_reason


@pytest.mark.parametrize("known", [False, True])
def test_deliveries_are_found_by_their_address(sqlite_ground, tokens, log, known):
    """The write lock is not held while all deliveries are gone through: only mailings are."""
    ground = sqlite_ground
    anna = on_record(ground)
    if known:
        ground.add_supporter(NEW, "news")
    ground.add_delivery(mailing_to(ground, "one"), anna)
    going = ground.add_delivery(mailing_to(ground, "two"), anna, DeliveryState.SENDING)
    with scans(ground.store) as found:
        change_address(ground, tokens, log, anna)
        put(ground, going, state=DeliveryState.DEFERRED, next_attempt_at=NOW)
        claimed(ground, times=2)

    people = {"delivery", "delivery_list", "supporter", "merged_supporter", "membership"}
    assert set() == people & {step.split()[1] for step in found}
