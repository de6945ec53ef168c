"""What supporters chose is heeded until their mail is handed over: urgency, topics, no HTML."""

import pytest

from mailer.model.mailing import Concern
from mailer.model.states import SkipReason
from mailer.store import tables
from mailer.store.claims import claim
from mailer.store.mailings import load_mailing, pinned_digest
from mailer.store.reports import report
from mailer.store.supporters import erase, organisation_ids, topics_of
from mailer.store.undo import referred_to, remove_supporters
from tests.support.clocks import NOW
from tests.support.factories import make_sender

URGENT, PRESS = Concern(urgent=True), Concern(topics=("press", "courts"))


def choose(ground, supporter_id, key, *topics):
    """Let a person choose topics of a list."""
    with ground.store.write() as connection:
        connection.execute(
            tables.membership_topic.insert(),
            [
                {"list_id": ground.lists[key][0], "supporter_id": supporter_id, "topic": one}
                for one in topics
            ],
        )


def claimed(store):
    """Claim what is due; return by supporter the list it goes by."""
    with store.write() as connection:
        return {one.supporter_id: one.list_id for one in claim(connection, "w", 10, NOW)}


def not_mailed(store, mailing):
    """Return the reasons on record, but for second lists of the same person."""
    with store.read() as connection:
        found = report(connection, mailing.row_id).not_mailed
    return {key: count for key, count in found.items() if key != SkipReason.DUPLICATE_ADDRESS}


@pytest.fixture
def start(ground):
    """A function that makes a running mailing to two lists, and two people who wait for it."""
    for key in ("harbor-news", "harbor-help"):
        ground.add_list(key)

    def started(concern):
        mailing = ground.add_mailing(["harbor-news", "harbor-help"], concern=concern)
        people = (
            ground.add_supporter("anna@example.org", "harbor-news"),
            ground.add_supporter("boris@example.org", "harbor-news", "harbor-help"),
        )
        for one in people:
            ground.add_delivery(mailing, one)
        return mailing, *people

    return started


@pytest.mark.parametrize("row", ["own", "another organisation's"])
def test_who_wants_urgent_appeals_only_by_now_gets_no_other(ground, store, start, row):
    """Whichever row of the address says so; an urgent mailing goes to them."""
    mailing, anna, boris = start(Concern())
    if row == "own":
        with store.write() as connection:
            connection.execute(
                tables.supporter.update()
                .where(tables.supporter.c.id == boris)
                .values(only_urgent=True)
            )
    else:
        ground.add_list("lantern-friends", "lantern")
        ground.add_supporter("boris@example.org", "lantern-friends", only_urgent=True)
    assert {anna} == claimed(store).keys()
    assert {SkipReason.ONLY_URGENT: 1} == not_mailed(store, mailing)
    urgent = ground.add_mailing(["harbor-news"], concern=URGENT)
    ground.add_delivery(urgent, boris)
    assert {boris} == claimed(store).keys()


def test_who_chose_other_topics_by_now_is_passed_over(ground, store, start):
    """One of a mailing's topics is enough; a mailing without any goes to everybody."""
    mailing, anna, boris = start(PRESS)
    choose(ground, anna, "harbor-news", "women", "courts")
    for key in ("harbor-news", "harbor-help"):
        choose(ground, boris, key, "women")
    assert {anna} == claimed(store).keys()
    assert {SkipReason.TOPIC_NOT_CHOSEN: 1} == not_mailed(store, mailing)
    ground.add_delivery(ground.add_mailing(["harbor-news"]), boris)
    assert {boris} == claimed(store).keys()


def test_another_list_of_theirs_is_a_route_where_they_chose_none(ground, store, start):
    """What was chosen holds of one list."""
    mailing, _, boris = start(PRESS)
    choose(ground, boris, "harbor-news", "women")
    assert ground.lists["harbor-help"][0] == claimed(store)[boris]
    assert {} == not_mailed(store, mailing)


def test_who_wants_no_html_is_handed_out_so(ground, store, start):
    """It is read when the mail is claimed, not before."""
    _, anna, boris = start(Concern())
    with store.write() as connection:
        connection.execute(
            tables.supporter.update().where(tables.supporter.c.id == boris).values(text_only=True)
        )
        found = {one.supporter_id: bool(one.text_only) for one in claim(connection, "w", 10, NOW)}
    assert {anna: False, boris: True} == found


def test_a_mailing_keeps_what_it_is_about(ground, start):
    """As it was planned, whatever becomes of the statement; urgency is part of its digest."""
    mailing, *_ = start(Concern(urgent=True, topics=("press", "courts")))
    with ground.store.read() as connection:
        found = load_mailing(connection, mailing.row_id).concern
    assert Concern(urgent=True, topics=("courts", "press")) == found
    usual = pinned_digest("a", "b", make_sender())
    assert usual == pinned_digest("a", "b", make_sender(), urgent=False)
    assert usual != pinned_digest("a", "b", make_sender(), urgent=True)


def test_who_goes_with_an_import_that_is_taken_back_leaves_no_topics(ground, store, start):
    """Nothing of theirs keeps their row."""
    _, anna, boris = start(PRESS)
    someone = ground.add_supporter("vera@example.org", "harbor-news")
    choose(ground, someone, "harbor-news", "women")
    with store.write() as connection:
        connection.execute(
            tables.membership.delete().where(tables.membership.c.supporter_id == someone)
        )
        assert {anna, boris} == referred_to(connection, [anna, boris, someone])
        remove_supporters(connection, [someone])
        assert [] == topics_of(connection, someone, ground.lists["harbor-news"][0])


def test_erasing_a_person_leaves_none_of_their_topics(ground, store, start):
    """Those of everybody else stay."""
    _, anna, boris = start(PRESS)
    choose(ground, anna, "harbor-news", "women")
    choose(ground, boris, "harbor-news", "press")
    with store.write() as connection:
        erase(connection, ground.people[anna][1], list(organisation_ids(connection).values()))
        assert [] == topics_of(connection, anna, ground.lists["harbor-news"][0])
        assert ["press"] == topics_of(connection, boris, ground.lists["harbor-news"][0])
