"""Freezing against a plain account of the rules, over worlds nobody would think of."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer.audience import freezing
from mailer.audience.coverage import coverage
from mailer.audience.freezing import freeze_step, rules_of
from mailer.audience.one_person import foreseen
from mailer.audience.segments import parse_segment
from mailer.clock import SystemClock
from mailer.model.audience import LanguageStep, MembershipState
from mailer.model.mailing import Concern
from mailer.model.states import DeliveryState, SkipReason
from mailer.store.mailings import load_mailing
from tests.support.audience_world import (
    ATTRIBUTES,
    NOW,
    OnList,
    Row,
    World,
    a_list,
    digest,
    expected,
    frozen,
    resolve,
    wipe,
    write_mailing,
)

#: Expression → the same as a predicate over a row.
_SEGMENTS = {
    "": None,
    "country = MD": lambda row: row.country == "MD",
    'not "press" in tags': lambda row: "press" not in row.tags,
    'ru in languages or "press" in tags': lambda row: "ru" in row.languages or "press" in row.tags,
}
_TAGS = st.sampled_from(["en", "ru", "uk", "de"])
_MEMBERS = st.one_of(
    st.none(),
    st.builds(
        OnList,
        st.sampled_from([MembershipState.SUBSCRIBED] * 5 + [MembershipState.LEFT]),
        st.sampled_from(["consent"] * 5 + [""]),
        st.sampled_from([False] * 7 + [True]),
    ),
)
_RARELY = st.sampled_from([False] * 9 + [True])


@st.composite
def _rows(draw, owner, keys):
    members = {key: draw(_MEMBERS) for key in keys}
    return Row(
        organisation=owner,
        memberships={key: one for key, one in members.items() if one is not None},
        languages=tuple(draw(st.lists(_TAGS, max_size=2, unique=True))),
        never=tuple(draw(st.lists(_TAGS, max_size=2, unique=True))),
        country=draw(st.sampled_from(["", "MD", "UA"])),
        tags=tuple(draw(st.lists(st.sampled_from(["press", "donor"]), unique=True))),
        paused=draw(_RARELY),
        discreet=draw(_RARELY),
        only_urgent=draw(_RARELY),
        topics={
            key: tuple(draw(st.lists(st.sampled_from(["press", "women"]), unique=True)))
            for key in keys
        },
    )


@st.composite
def _worlds(draw):
    lists = (
        a_list("a-news", "a", languages=draw(st.sampled_from([(), ("ru",), ("en",)]))),
        a_list("a-help", "a", languages=("ru",), discreet=draw(_RARELY)),
        a_list("b-news", "b", languages=draw(st.sampled_from([(), ("ru", "en")]))),
    )
    people = {}
    suppressed = set()
    for number in range(draw(st.integers(1, 7))):
        rows = [
            draw(_rows(owner, [one.key for one in lists if one.owner == owner]))
            for owner in draw(st.sampled_from([("a",), ("b",), ("a", "b"), ("a", "b")]))
        ]
        people[number] = tuple(rows)
        scope = draw(st.sampled_from([None] * 7 + ["all", "a", "b"]))
        if scope:
            suppressed.add((number, scope))
    targets = draw(st.permutations(lists))[: draw(st.integers(1, 3))]
    return World(lists, people, frozenset(suppressed)), targets


class _DyingClock(SystemClock):
    """A clock that kills the step that looks at it for the n-th time."""

    def __init__(self, after):
        self._left = after

    def monotonic(self):
        self._left -= 1
        if self._left == 0:
            raise InterruptedError
        return super().monotonic()


def _freeze(store, mailing_id, clock):
    """Freeze to the end, whatever dies on the way."""
    for _ in range(500):
        try:
            if freeze_step(store, mailing_id, resolve, NOW, clock).done:
                return
        except InterruptedError:
            continue
    pytest.fail("freezing did not end")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    world=_worlds(),
    segment=st.sampled_from(sorted(_SEGMENTS)),
    exclude=st.sampled_from(sorted(_SEGMENTS)),
    concern=st.builds(
        Concern, st.booleans(), st.sampled_from([(), ("press",), ("press", "courts")])
    ),
    range_members=st.integers(1, 5),
    dies_after=st.integers(0, 12),
)
def test_freezing_and_coverage_do_what_the_rules_say(
    store, world, segment, exclude, concern, range_members, dies_after
):
    """Every delivery is the one the rules give; killed on the way or frozen twice, it is the same.

    The figures shown beforehand are those that come out.
    """
    world, targets = world
    wipe(store)
    list_ids, row_ids = world.write(store)
    mailing_id = write_mailing(
        store, targets, list_ids, segment=segment, exclude=exclude, range_members=range_members,
        concern=concern,
    )  # fmt: skip
    with store.read() as connection:
        covered = coverage(
            connection,
            [(list_ids[one.key], one) for one in targets],
            parse_segment(segment, ATTRIBUTES) if segment else None,
            parse_segment(exclude, ATTRIBUTES) if exclude else None,
            resolve,
            NOW,
            concern,
        )
    foretold = _foretold(store, mailing_id, world)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(freezing, "FEWEST_PEOPLE", 1)
        patched.setattr(freezing, "MOST_PEOPLE", range_members)
        _freeze(store, mailing_id, _DyingClock(dies_after))
    wanted = expected(
        world, row_ids, targets, is_meant=_SEGMENTS[segment], is_excluded=_SEGMENTS[exclude],
        concern=concern,
    )  # fmt: skip
    assert wanted == frozen(store, mailing_id)
    _freeze(store, mailing_id, SystemClock())
    assert wanted == frozen(store, mailing_id)
    _compare(covered, wanted)
    assert foretold == {
        number: (one.supporter_id, list_ids[one.list_key], one.reason, one.language, one.step)
        for number, one in wanted.items()
    }


def _foretold(store, mailing_id, world):
    """What each person alone is told that they would get, by the number of their address."""
    found = {}
    with store.read() as connection:
        mailing = load_mailing(connection, mailing_id)
        rules = rules_of(connection, mailing, NOW)
        for number in world.people:
            way = foreseen(connection, mailing, rules, digest(number), resolve)
            if way is not None:
                due = way.choice if way.reason is None else None
                found[number] = (
                    way.supporter_id, way.list_id, way.reason,
                    due and due.language, due and due.step,
                )  # fmt: skip
    return found


def _compare(covered, wanted):
    due = [one for one in wanted.values() if one.state is DeliveryState.DUE]
    steps = Counter(one.step for one in due)
    assert (covered.first, covered.later, covered.fallback) == (
        steps[LanguageStep.FIRST],
        steps[LanguageStep.LATER],
        steps[LanguageStep.FALLBACK],
    )
    assert dict(covered.by_language) == dict(Counter(one.language for one in due))
    reasons = Counter(one.reason for one in wanted.values() if one.reason is not None)
    duplicates = sum(len(one.lists) for one in wanted.values()) - len(wanted)
    if duplicates:
        reasons[SkipReason.DUPLICATE_ADDRESS] = duplicates
    assert dict(covered.not_mailed) == dict(reasons)


def test_nobody_gets_a_language_that_any_of_their_rows_forbids(store):
    """Russian is forbidden by the second organisation's row only, and still not sent."""
    lists = (a_list("a-news", "a", languages=("ru",)), a_list("b-news", "b"))
    row_a = Row("a", {"a-news": OnList()}, languages=("uk",))
    row_b = Row("b", {}, languages=("uk",), never=("ru",))
    world = World(lists, {1: (row_a, row_b), 2: (row_a,)})
    list_ids, _ = world.write(store)
    mailing_id = write_mailing(store, lists[:1], list_ids)
    _freeze(store, mailing_id, SystemClock())
    found = frozen(store, mailing_id)
    assert found[1].language == "en"
    assert found[2].language == "ru"
