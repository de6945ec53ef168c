"""Leaving lists, and taking it back, as both databases do it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from mailer.model.audience import MembershipState, UnsubscriptionSource
from mailer.model.states import SkipReason
from mailer.store.deliveries import skip_all
from mailer.store.leaving import (
    Leaver,
    leave_all,
    leave_lists,
    lists_to_leave,
    may_take_back,
    take_back,
)
from mailer.store.tables import membership, unsubscription
from tests.support.plans import scans
from tests.support.subscriptions import NOON, Subscriptions

ONE_CLICK = UnsubscriptionSource.ONE_CLICK


@pytest.fixture
def people(store):
    """Two organisations with lists; Ana is on three lists of both, Boris on one."""
    made = Subscriptions(store)
    made.add_list("letters", "harbor")
    made.add_list("appeals", "harbor")
    made.add_list("network", "lantern")
    return made


def _leave(store, delivery_id, supporter_id, at=NOON):
    with store.write() as connection:
        return leave_lists(connection, delivery_id, supporter_id, ONE_CLICK, at)


def test_every_list_the_delivery_came_through_is_left(store, people):
    """Lists of all organisations involved are left; one that is no route is kept."""
    ana_harbor = people.add_supporter("ana", "letters", "appeals")
    ana_lantern = people.add_supporter("ana", "network")
    delivery_id = people.add_delivery(
        people.add_mailing(), ("letters", ana_harbor), ("network", ana_lantern)
    )

    left = _leave(store, delivery_id, ana_harbor)

    expected = {(people.lists["letters"], ana_harbor), (people.lists["network"], ana_lantern)}
    assert expected == set(left.memberships)
    assert {"appeals"} == people.on(ana_harbor)
    assert set() == people.on(ana_lantern)
    assert [("one_click", False, expected)] == people.unsubscriptions()


def test_what_is_left_is_looked_up_by_its_key(sqlite_store):
    """However many are on lists: with the write lock held, nobody goes through them all."""
    people = Subscriptions(sqlite_store)
    people.add_list("letters", "harbor")
    people.add_list("appeals", "harbor")
    ana = people.add_supporter("ana", "letters", "appeals")
    delivery_id = people.add_delivery(people.add_mailing(), ("letters", ana), ("appeals", ana))
    leaver = Leaver(delivery_id, ana, ONE_CLICK)

    with scans(sqlite_store) as found, sqlite_store.write() as connection:
        ((*lists,),) = lists_to_leave(connection, [leaver])
        (left,) = leave_all(connection, [leaver], NOON)

    assert (2, 2) == (len(lists), len(left.memberships))
    assert [] == found


def test_who_is_skipped_is_looked_up_by_id(sqlite_store):
    """However many are due: a few that are skipped are not looked for among all of them."""
    with scans(sqlite_store) as found, sqlite_store.write() as connection:
        skip_all(connection, [1, 2], SkipReason.NO_CONSENT, NOON)

    assert [] == found


def test_nobody_else_leaves(store, people):
    """The token of one person never moves another, on the same lists and in the same mailing."""
    ana = people.add_supporter("ana", "letters")
    boris = people.add_supporter("boris", "letters")
    mailing_id = people.add_mailing()
    delivery_id = people.add_delivery(mailing_id, ("letters", ana))
    people.add_delivery(mailing_id, ("letters", boris))

    _leave(store, delivery_id, ana)

    assert {"letters"} == people.on(boris)


def test_when_the_delivery_is_cleared_away_all_lists_of_the_organisation_are_left(store, people):
    """Without the delivery's row, the supporter leaves every list of that organisation."""
    ana_harbor = people.add_supporter("ana", "letters", "appeals")
    ana_lantern = people.add_supporter("ana", "network")
    delivery_id = people.add_delivery(
        people.add_mailing(), ("letters", ana_harbor), ("network", ana_lantern)
    )
    people.forget_delivery(delivery_id)

    _leave(store, delivery_id, ana_harbor)

    assert set() == people.on(ana_harbor)
    assert {"network"} == people.on(ana_lantern)


def test_a_supporter_the_delivery_came_through_may_be_another_than_the_merged_one(store, people):
    """A token made before the delivery was merged for another row still leaves its routes only."""
    ana_harbor = people.add_supporter("ana", "letters", "appeals")
    ana_lantern = people.add_supporter("ana", "network")
    delivery_id = people.add_delivery(
        people.add_mailing(), ("letters", ana_harbor), ("network", ana_lantern)
    )

    _leave(store, delivery_id, ana_lantern)

    assert {"appeals"} == people.on(ana_harbor)
    assert set() == people.on(ana_lantern)


def test_several_leave_at_once_each_their_own(store, people):
    """In one lot each leaves what their delivery came through; the same person twice is once."""
    ana = people.add_supporter("ana", "letters", "appeals")
    boris = people.add_supporter("boris", "letters")
    mailing = people.add_mailing()
    of_ana = people.add_delivery(mailing, ("letters", ana))
    of_boris = people.add_delivery(mailing, ("letters", boris))
    page = UnsubscriptionSource.PAGE
    lot = [
        Leaver(of_ana, ana, ONE_CLICK),
        Leaver(4_711, 0, ONE_CLICK),
        Leaver(of_boris, boris, page),
        Leaver(of_ana, ana, page),
    ]

    with store.write() as connection:
        left = leave_all(connection, lot, NOON)

    letters = people.lists["letters"]
    assert [((letters, ana),), None, ((letters, boris),), None] == [
        one and one.memberships for one in left
    ]
    assert [
        ("one_click", False, {(letters, ana)}), ("page", False, {(letters, boris)})
    ] == people.unsubscriptions()  # fmt: skip
    assert {"appeals"} == people.on(ana)


def test_ids_that_name_nobody_leave_nothing(store, people):
    """A delivery and supporter that never were change nothing and put nothing on record."""
    ana = people.add_supporter("ana", "letters")

    with store.read() as connection:
        assert [()] == lists_to_leave(connection, [Leaver(4_711, 0, ONE_CLICK)])
    assert _leave(store, 4_711, 0) is None
    assert {"letters"} == people.on(ana)
    assert [] == people.unsubscriptions()


def test_a_second_time_changes_nothing(store, people):
    """What was left stays left at its first hour, with one entry on record."""
    ana = people.add_supporter("ana", "letters")
    delivery_id = people.add_delivery(people.add_mailing(), ("letters", ana))
    _leave(store, delivery_id, ana)

    again = _leave(store, delivery_id, ana, NOON + timedelta(days=400))

    assert again is None
    assert 1 == len(people.unsubscriptions())
    with store.read() as connection:
        assert NOON == connection.execute(select(membership.c.left_at)).scalar_one()


def test_at_once_from_two_sides_is_one_unsubscription(store, people):
    """Two requests at the same instant put one unsubscription on record, not two."""
    ana = people.add_supporter("ana", "letters", "appeals")
    delivery_id = people.add_delivery(people.add_mailing(), ("letters", ana), ("appeals", ana))
    results = []
    together = threading.Barrier(4)

    def leave():
        together.wait()
        results.append(_leave(store, delivery_id, ana))

    threads = [threading.Thread(target=leave) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 == len([left for left in results if left])
    assert 1 == len(people.unsubscriptions())


def test_unsubscriptions_come_to_light_in_the_order_of_their_ids(store, people):
    """While one is uncommitted no later one is committed: a poll by id can miss none."""
    ana = people.add_supporter("ana", "letters")
    boris = people.add_supporter("boris", "letters")
    mailing_id = people.add_mailing()
    of_ana = people.add_delivery(mailing_id, ("letters", ana))
    of_boris = people.add_delivery(mailing_id, ("letters", boris))
    done = threading.Event()

    def leave():
        _leave(store, of_boris, boris)
        done.set()

    with store.write() as connection:
        leave_lists(connection, of_ana, ana, ONE_CLICK, NOON)
        second = threading.Thread(target=leave)
        second.start()
        assert not done.wait(0.3)
    second.join(10)

    assert done.is_set()
    with store.read() as connection:
        order = connection.execute(
            select(unsubscription.c.supporter_id).order_by(unsubscription.c.id)
        ).scalars()
        assert [ana, boris] == list(order)


def test_undo_puts_back_exactly_what_was_left(store, people):
    """A list the person had left before stays left; consent and its source are as they were."""
    ana = people.add_supporter("ana", "letters", "appeals")
    mailing_id = people.add_mailing()
    first = people.add_delivery(mailing_id, ("appeals", ana))
    _leave(store, first, ana, NOON - timedelta(days=30))
    second = people.add_delivery(people.add_mailing(), ("letters", ana), ("appeals", ana))
    with store.read() as connection:
        before = connection.execute(
            select(membership).where(membership.c.list_id == people.lists["letters"])
        ).one()
    _leave(store, second, ana)

    with store.write() as connection:
        put_back = take_back(connection, second, ana, NOON - timedelta(minutes=30), NOON)

    assert 1 == put_back
    assert {"letters"} == people.on(ana)
    with store.read() as connection:
        after = connection.execute(
            select(membership).where(membership.c.list_id == people.lists["letters"])
        ).one()
    assert before == after


def test_undo_comes_back_over_organisations(store, people):
    """Memberships of every organisation that the unsubscription left are put back."""
    ana_harbor = people.add_supporter("ana", "letters")
    ana_lantern = people.add_supporter("ana", "network")
    delivery_id = people.add_delivery(
        people.add_mailing(), ("letters", ana_harbor), ("network", ana_lantern)
    )
    _leave(store, delivery_id, ana_harbor)

    with store.write() as connection:
        assert 2 == take_back(connection, delivery_id, ana_harbor, NOON, NOON)

    assert ({"letters"}, {"network"}) == (people.on(ana_harbor), people.on(ana_lantern))
    assert [True] == [undone for _, undone, _ in people.unsubscriptions()]


def test_an_older_unsubscription_is_not_taken_back(store, people):
    """What was left before `since` stays left."""
    ana = people.add_supporter("ana", "letters")
    delivery_id = people.add_delivery(people.add_mailing(), ("letters", ana))
    _leave(store, delivery_id, ana, NOON - timedelta(minutes=31))
    since = NOON - timedelta(minutes=30)

    with store.write() as connection:
        assert not may_take_back(connection, delivery_id, ana, since)
        assert 0 == take_back(connection, delivery_id, ana, since, NOON)

    assert set() == people.on(ana)


def test_undoing_twice_changes_nothing_more(store, people):
    """After undo the person may leave again, and an old undo does not reach that."""
    ana = people.add_supporter("ana", "letters")
    delivery_id = people.add_delivery(people.add_mailing(), ("letters", ana))
    _leave(store, delivery_id, ana)
    with store.write() as connection:
        take_back(connection, delivery_id, ana, NOON, NOON)
        assert 0 == take_back(connection, delivery_id, ana, NOON, NOON)
    _leave(store, delivery_id, ana, NOON + timedelta(minutes=1))

    assert set() == people.on(ana)
    assert [True, False] == [undone for _, undone, _ in people.unsubscriptions()]


def test_what_was_left_again_by_another_way_stays_left(store, people):
    """A membership that has since been left at another hour is not this undo's to put back."""
    ana = people.add_supporter("ana", "letters")
    delivery_id = people.add_delivery(people.add_mailing(), ("letters", ana))
    _leave(store, delivery_id, ana)
    with store.write() as connection:
        connection.execute(
            membership.update().values(
                state=MembershipState.LEFT, left_at=NOON + timedelta(minutes=5)
            )
        )
        put_back = take_back(connection, delivery_id, ana, NOON, NOON + timedelta(minutes=6))

    assert 0 == put_back
    assert set() == people.on(ana)
