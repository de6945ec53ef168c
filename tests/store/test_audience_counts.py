"""What staff see of an audience before there is anything to send: the figures, and who is left out."""

from collections import Counter
from datetime import timedelta

import pytest

from mailer.audience.segments import parse_segment
from mailer.model.audience import MembershipState
from mailer.model.states import SkipReason
from mailer.store.audience_counts import people_alike
from mailer.store.routes import make_rules
from tests.support.audience_world import ATTRIBUTES, NOW, OnList, Row, World, a_list

A1, A2, B = a_list("a1", "a"), a_list("a2", "a"), a_list("b", "b")
_LEFT = OnList(state=MembershipState.LEFT)


def count(store, world, targets, segment="", exclude=""):
    """People by (list, reason, country) of an audience."""
    list_ids, _ = world.write(store)
    keys = {row_id: key for key, row_id in list_ids.items()}
    read = [parse_segment(text, ATTRIBUTES) if text else None for text in (segment, exclude)]
    with store.read() as connection:
        rules = make_rules(connection, [list_ids[one.key] for one in targets], *read, [], NOW)
    found = Counter()
    for one in people_alike(store, rules):
        found[keys[one.list_id], one.reason, one.country] += one.people
    return dict(found)


def test_each_address_counts_once_with_the_first_list_it_may_be_mailed_through(store):
    """Consent decides which list that is; who is on no list, or left it, is not counted."""
    people = {
        1: (Row("a", {"a1": OnList(), "a2": OnList()}, country="MD"),),
        2: (Row("a", {"a1": OnList(basis=""), "a2": OnList()}, country="MD"),),
        3: (Row("a", {"a1": OnList(basis=""), "a2": OnList(basis="")}, country="UA"),),
        4: (Row("a", {"a1": _LEFT, "a2": OnList()}),),
        5: (Row("a", {"a1": OnList(staged=True)}),),
        6: (Row("b", {"b": OnList()}),),
    }
    assert {
        ("a1", None, "MD"): 1,
        ("a2", None, "MD"): 1,
        ("a1", SkipReason.NO_CONSENT, "UA"): 1,
        ("a2", None, ""): 1,
    } == count(store, World((A1, A2, B), people), (A1, A2))


def test_who_is_left_out_has_the_gravest_reason(store):
    """A suppression goes before a missing consent, that before a choice of staff, that before a mark."""
    consent = {"a1": OnList()}
    people = {
        1: (Row("a", {"a1": OnList(basis="")}, country="MD"),),
        2: (Row("a", {"a1": OnList(basis="")}, country="RO"),),
        3: (Row("a", consent, country="RO", paused=True),),
        4: (Row("a", consent, country="MD", paused=True, only_urgent=True),),
        5: (Row("a", consent, country="MD", only_urgent=True),),
        6: (Row("a", consent, country="MD", discreet=True),),
        7: (Row("a", consent, country="MD", tags=("press",)),),
        8: (Row("a", consent, country="MD"),),
        9: (Row("a", consent, country="MD"),),
    }
    suppressed = frozenset({(1, "all"), (8, "a"), (9, "b")})
    world = World((A1, B), {**people, 10: (Row("b", {"b": OnList()}),)}, suppressed)
    assert {
        ("a1", SkipReason.SUPPRESSED, "MD"): 2,
        ("a1", SkipReason.NO_CONSENT, "RO"): 1,
        ("a1", SkipReason.EXCLUDED, "RO"): 1,
        ("a1", SkipReason.SUPPORTER_PAUSED, "MD"): 1,
        ("a1", SkipReason.ONLY_URGENT, "MD"): 1,
        ("a1", SkipReason.DISCREET_NOT_READY, "MD"): 1,
        ("a1", SkipReason.EXCLUDED, "MD"): 1,
        ("a1", None, "MD"): 1,
    } == count(store, world, (A1,), "country = MD", '"press" in tags')


def test_a_mark_at_another_organisation_counts(store):
    """Whoever asked one organisation for a pause is paused for all."""
    people = {
        1: (Row("a", {"a1": OnList()}), Row("b", {"b": OnList()}, paused=True)),
        2: (Row("a", {"a1": OnList()}), Row("b", {"b": OnList()})),
    }
    assert {("a1", SkipReason.SUPPORTER_PAUSED, ""): 1, ("a1", None, ""): 1} == count(
        store, World((A1, B), people), (A1,)
    )


def test_several_organisations_may_know_one_address(store):
    """It counts once, with the first list that it may be mailed through; its own country counts."""
    people = {
        1: (Row("a", {"a1": OnList()}, country="MD"), Row("b", {"b": OnList()}, country="UA")),
        2: (
            Row("a", {"a1": OnList(basis="")}, country="MD"),
            Row("b", {"b": OnList()}, country="UA"),
        ),
        3: (Row("a", {"a1": OnList(basis="")}, country="MD"), Row("b", {"b": OnList(basis="")})),
        4: (Row("b", {"b": OnList()}, country="UA"),),
    }
    assert {
        ("a1", None, "MD"): 1,
        ("b", None, "UA"): 2,
        ("a1", SkipReason.NO_CONSENT, "MD"): 1,
    } == count(store, World((A1, B), people), (A1, B))


def test_nobody_is_on_lists_that_are_not_there(store):
    """An audience without lists is empty."""
    assert {} == count(store, World((A1,), {}), ())


@pytest.mark.parametrize("pause", [timedelta(0), timedelta(seconds=1)])
def test_a_pause_that_has_ended_is_none(store, pause):
    """The world's pauses end a day from now."""
    list_ids, _ = World((A1,), {1: (Row("a", {"a1": OnList()}, paused=True),)}).write(store)
    with store.read() as connection:
        later = NOW + timedelta(days=1) + pause
        rules = make_rules(connection, [list_ids["a1"]], None, None, [], later)
    assert [None] == [one.reason for one in people_alike(store, rules)]
