"""Deliveries counted by segments that people match now."""

import pytest
from sqlalchemy import delete

from mailer.model.segments import Compare, Field, Not, Operator
from mailer.model.states import DeliveryState
from mailer.store import segment_figures, tables
from mailer.store.segment_figures import count_by_segment
from tests.support.factories import Ground

MOLDOVA = Compare(Field.COUNTRY, Operator.EQUAL, "MD")
D = DeliveryState


@pytest.fixture
def sent(store, seal_keys, service_keys):
    """A mailing to twelve people, of whom every third lives in Moldova."""
    ground = Ground(store, seal_keys, service_keys)
    ground.add_list()
    mailing, other = ground.add_mailing(["harbor-news"]), ground.add_mailing(["harbor-news"])
    states = [D.ACCEPTED, D.REFUSED, D.SENDING, D.DUE]
    people = []
    for number in range(12):
        country = "MD" if number % 3 == 0 else "UA" if number % 3 == 1 else ""
        person = ground.add_supporter(f"p{number}@example.org", "harbor-news", country=country)
        ground.add_delivery(mailing, person, states[number % 4])
        ground.add_delivery(other, person, D.ACCEPTED)
        people.append(person)
    return store, mailing.row_id, people


def test_deliveries_count_by_segment_and_state(sent):
    """Each under every segment it matches; what is sending counts as due; other mailings do not."""
    store, mailing_id, _ = sent
    found = count_by_segment(store, mailing_id, {"md": MOLDOVA, "not-md": Not(MOLDOVA)})
    assert {D.ACCEPTED: 1, D.REFUSED: 1, D.DUE: 2} == found["md"]
    assert {D.ACCEPTED: 2, D.REFUSED: 2, D.DUE: 4} == found["not-md"]


def test_whoever_is_erased_is_in_no_segment(sent):
    """Their deliveries are counted in the other tables, and here no more."""
    store, mailing_id, people = sent
    with store.write() as connection:
        connection.execute(delete(tables.membership))
        connection.execute(delete(tables.supporter).where(tables.supporter.c.id == people[0]))
    found = count_by_segment(store, mailing_id, {"md": MOLDOVA})
    assert {D.REFUSED: 1, D.DUE: 2} == found["md"]


def test_many_segments_and_many_parts_come_to_the_same(sent, monkeypatch):
    """However many are asked at once, and in however many parts."""
    store, mailing_id, _ = sent
    whole = count_by_segment(store, mailing_id, {"md": MOLDOVA})["md"]
    monkeypatch.setattr(segment_figures, "_FEW", 0)
    monkeypatch.setattr(segment_figures, "_AT_ONCE", 3)
    many = count_by_segment(store, mailing_id, {f"md-{n}": MOLDOVA for n in range(7)})
    assert [whole] * 7 == list(many.values())


def test_nothing_asked_and_nobody_mailed_are_nothing(sent):
    """No pass over the deliveries where there is no question."""
    store, mailing_id, _ = sent
    assert {} == count_by_segment(store, mailing_id, {})
    assert {"md": {}} == count_by_segment(store, mailing_id + 100, {"md": MOLDOVA})
