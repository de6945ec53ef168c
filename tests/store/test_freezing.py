"""Freezing, case by case: routes, reasons, steps, and what happens on the way."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from mailer.audience import freezing
from mailer.audience.freezing import FreezeProgress, freeze_step
from mailer.audience.segments import MOST_LEVELS
from mailer.clock import SystemClock
from mailer.model.audience import LanguageProfile, LanguageStep, MembershipState
from mailer.model.faults import FaultsFound
from mailer.model.states import DeliveryState, MailingState, SkipReason
from mailer.store import tables
from mailer.store.audience import profile_id
from mailer.store.mailings import change_state
from mailer.store.stopping import LONGEST_REASON
from tests.support.audience_world import (
    NOW,
    OnList,
    Row,
    World,
    a_list,
    frozen,
    resolve,
    write_mailing,
)

NEWS = a_list("a-news", "a")
HELP = a_list("a-help", "a", languages=("ru",))
FRIENDS = a_list("b-friends", "b")
LISTS = (NEWS, HELP, FRIENDS)
ON = OnList()


def _freeze(store, mailing_id):
    """Freeze to the end and return how many steps it took."""
    for steps in range(1, 500):
        if freeze_step(store, mailing_id, resolve, NOW).done:
            return steps
    raise AssertionError("freezing did not end")


def _begin(store, mailing_id):
    """Freeze the first range; which edition each profile gets is a step of its own."""
    freeze_step(store, mailing_id, resolve, NOW)
    freeze_step(store, mailing_id, resolve, NOW)


def _outcome(store, people, targets=LISTS, **mailing):
    """Freeze a mailing to a world and return its deliveries by the number of the address."""
    world = World(LISTS, people)
    list_ids, _ = world.write(store)
    mailing_id = write_mailing(store, targets, list_ids, **mailing)
    _freeze(store, mailing_id)
    return frozen(store, mailing_id)


def test_the_first_list_in_the_order_given_is_merged_and_all_lists_are_kept(store):
    """Whatever order people were imported in, the mailing's order of lists decides."""
    people = {1: (Row("a", {"a-news": ON, "a-help": ON}), Row("b", {"b-friends": ON}))}
    found = _outcome(store, people, targets=(FRIENDS, HELP, NEWS))
    assert found[1].list_key == "b-friends"
    assert found[1].supporter_id == 2
    assert found[1].lists == {"a-news", "a-help", "b-friends"}


def test_a_list_the_person_left_is_no_route_and_not_counted(store):
    """Who left the first list is mailed through the second; who left all is not there at all."""
    left = OnList(MembershipState.LEFT)
    found = _outcome(
        store,
        {
            1: (Row("a", {"a-news": left, "a-help": ON}),),
            2: (Row("a", {"a-news": left}),),
        },
    )
    assert found.keys() == {1}
    assert found[1].list_key == "a-help"
    assert found[1].lists == {"a-help"}


def test_a_list_without_consent_is_no_route_but_another_may_be(store):
    """Consent belongs to the membership, not to the person."""
    silent = OnList(basis="")
    found = _outcome(
        store,
        {
            1: (Row("a", {"a-news": silent, "a-help": ON}),),
            2: (Row("a", {"a-news": silent}),),
        },
    )
    assert found[1].state is DeliveryState.DUE
    assert found[1].list_key == "a-help"
    assert found[2].reason is SkipReason.NO_CONSENT


@pytest.mark.parametrize("mark", ["paused", "discreet"])
def test_a_mark_on_any_row_of_the_address_counts(store, mark):
    """The row that has it belongs to an organisation that is no part of the mailing."""
    found = _outcome(
        store, {1: (Row("a", {"a-news": ON}), Row("b", {}, **{mark: True}))}, targets=(NEWS,)
    )
    wanted = {
        "paused": SkipReason.SUPPORTER_PAUSED,
        "discreet": SkipReason.DISCREET_NOT_READY,
    }
    assert found[1].reason is wanted[mark]


def test_members_of_a_discreet_list_are_discreet_wherever_they_are_reached(store):
    """A list that is no part of the mailing marks its people, even those who left it."""
    quiet = a_list("a-quiet", "a", discreet=True)
    member = Row("a", {"a-news": ON, "a-quiet": OnList(MembershipState.LEFT)})
    world = World((*LISTS, quiet), {1: (member,), 2: (Row("a", {"a-news": ON}),)})
    list_ids, _ = world.write(store)
    mailing_id = write_mailing(store, (NEWS,), list_ids)
    _freeze(store, mailing_id)
    found = frozen(store, mailing_id)
    assert found[1].reason is SkipReason.DISCREET_NOT_READY
    assert found[2].state is DeliveryState.DUE


def test_a_suppression_of_one_organisation_leaves_the_others_routes(store):
    """The friends' network may still write to who complained to the harbor only."""
    rows = (Row("a", {"a-news": ON}), Row("b", {"b-friends": ON}))
    world = World(LISTS, {1: rows, 2: rows}, frozenset({(1, "a"), (2, "all")}))
    list_ids, _ = world.write(store)
    mailing_id = write_mailing(store, LISTS, list_ids)
    _freeze(store, mailing_id)
    found = frozen(store, mailing_id)
    assert found[1].list_key == "b-friends"
    assert found[1].state is DeliveryState.DUE
    assert found[2].reason is SkipReason.SUPPRESSED


def test_an_exclusion_matching_any_row_on_the_targets_excludes_the_address(store):
    """As one organisation knows them they are press, so none of the others mails them."""
    press = Row("b", {"b-friends": ON}, tags=("press",))
    left = replace(press, memberships={"b-friends": OnList(MembershipState.LEFT)})
    found = _outcome(
        store,
        {
            1: (Row("a", {"a-news": ON}), press),
            # Nobody is excluded by what a list they left has on record.
            2: (Row("a", {"a-news": ON}), left),
        },
        exclude='"press" in tags',
    )
    assert found[1].reason is SkipReason.EXCLUDED
    assert found[2].state is DeliveryState.DUE


def test_where_the_first_lists_chain_is_forbidden_the_next_list_is_the_route(store):
    """English is forbidden on a row elsewhere; the second list's chain leads to Russian."""
    found = _outcome(
        store,
        {
            1: (
                Row("a", {"a-news": ON, "a-help": ON}, languages=("uk",)),
                Row("b", {}, languages=("uk",), never=("en",)),
            )
        },
    )
    assert found[1].list_key == "a-help"
    assert (found[1].language, found[1].step) == ("ru", LanguageStep.FALLBACK)
    assert found[1].lists == {"a-news", "a-help"}


def test_the_notice_is_not_in_a_language_forbidden_elsewhere(store):
    """Their first language here is what another organisation knows they never want."""
    found = _outcome(
        store,
        {1: (Row("a", {"a-news": ON}, languages=("be", "en")), Row("b", {}, never=("be",)))},
    )
    assert found[1].language == "en"
    assert found[1].wanted is None


def test_nothing_acceptable_is_a_reason(store):
    """Both editions are forbidden."""
    found = _outcome(store, {1: (Row("a", {"a-news": ON}, never=("en", "ru")),)})
    assert found[1].reason is SkipReason.NO_ACCEPTABLE_EDITION
    assert found[1].language is None


def test_deliveries_are_due_at_the_mailings_hour_and_skipped_ones_are_over(store):
    """What is due has a time for its first attempt; what is skipped has an end.

    Both are of their supporter's class of domain, by which the queue is read.
    """
    world = World(
        LISTS, {1: (Row("a", {"a-news": ON}),), 2: (Row("a", {"a-news": OnList(basis="")}),)}
    )
    list_ids, _ = world.write(store)
    mailing_id = write_mailing(store, (NEWS,), list_ids)
    with store.write() as connection:
        connection.execute(
            update(tables.supporter).where(tables.supporter.c.id == 1).values(domain_class="gmail")
        )
    _freeze(store, mailing_id)
    columns = tables.delivery.c
    with store.read() as connection:
        rows = connection.execute(
            select(
                columns.state, columns.next_attempt_at, columns.finished_at, columns.domain_class
            ).order_by(columns.id)
        ).all()
    assert [tuple(row) for row in rows] == [
        (DeliveryState.DUE, NOW, None, "gmail"),
        (DeliveryState.SKIPPED, None, NOW, "other"),
    ]


def test_a_mailing_that_is_not_freezing_is_left_alone(store):
    """Paused by a person in the middle, it goes on from there when resumed."""
    world = World(LISTS, {number: (Row("a", {"a-news": ON}),) for number in range(5)})
    list_ids, _ = world.write(store)
    mailing_id = write_mailing(store, (NEWS,), list_ids, range_members=2)
    _begin(store, mailing_id)
    with store.write() as connection:
        change_state(connection, mailing_id, MailingState.FREEZING, MailingState.PAUSED)
    assert freeze_step(store, mailing_id, resolve, NOW) == FreezeProgress(done=False, stopped=True)
    assert len(frozen(store, mailing_id)) == 2
    with store.write() as connection:
        change_state(connection, mailing_id, MailingState.PAUSED, MailingState.FREEZING)
    _freeze(store, mailing_id)
    assert len(frozen(store, mailing_id)) == 5


def test_once_frozen_a_mailing_stays_as_it_is(store):
    """Who joins a list afterwards is not in the mailing; another step says done and no more."""
    world = World(
        LISTS, {1: (Row("a", {"a-news": ON, "a-help": ON}),), 2: (Row("a", {"a-help": ON}),)}
    )
    list_ids, row_ids = world.write(store)
    mailing_id = write_mailing(store, (NEWS,), list_ids)
    _freeze(store, mailing_id)
    with store.write() as connection:
        connection.execute(
            tables.membership.insert().values(
                list_id=list_ids["a-news"], supporter_id=row_ids[2, "a"],
                state=MembershipState.SUBSCRIBED, consent_basis="consent", added_at=NOW,
            )
        )  # fmt: skip
    assert freeze_step(store, mailing_id, resolve, NOW) == FreezeProgress(done=True)
    assert frozen(store, mailing_id).keys() == {1}


def test_a_profile_that_appears_on_the_way_is_resolved_too(store):
    """Somebody changes their languages between two ranges, to a profile nobody had before."""
    world = World(LISTS, {number: (Row("a", {"a-news": ON}),) for number in range(4)})
    list_ids, row_ids = world.write(store)
    mailing_id = write_mailing(store, (NEWS,), list_ids, range_members=2)
    _begin(store, mailing_id)
    with store.write() as connection:
        new = profile_id(connection, LanguageProfile(("ru", "be"), ()))
        connection.execute(
            update(tables.supporter)
            .where(tables.supporter.c.id == row_ids[3, "a"])
            .values(profile_id=new)
        )
    _freeze(store, mailing_id)
    assert frozen(store, mailing_id)[3].language == "ru"


def test_many_profiles_are_resolved_over_several_steps(store, monkeypatch):
    """The lock is not held for as long as it takes to choose for all of them."""
    monkeypatch.setattr(freezing, "PROFILES_PER_STEP", 2)
    languages = [("en",), ("ru",), ("uk",), ("be",), ("de",)]
    people = {
        number: (Row("a", {"a-news": ON}, languages=one),) for number, one in enumerate(languages)
    }
    world = World(LISTS, people)
    list_ids, _ = world.write(store)
    mailing_id = write_mailing(store, (NEWS,), list_ids)
    assert _freeze(store, mailing_id) == 4
    assert len(frozen(store, mailing_id)) == 5


def test_two_processes_at_once_freeze_no_range_twice(store):
    """Should the lease ever fail, the mailing's row is the lock."""
    people = {number: (Row("a", {"a-news": ON, "a-help": ON}),) for number in range(40)}
    world = World(LISTS, people)
    list_ids, _ = world.write(store)
    mailing_id = write_mailing(store, (NEWS, HELP), list_ids, range_members=3)
    failures = []

    def run():
        try:
            _freeze(store, mailing_id)
        except Exception as error:  # noqa: BLE001  (Whatever it was, the test shows it.)
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = frozen(store, mailing_id)
    assert len(found) == 40
    assert {one.lists for one in found.values()} == {frozenset({"a-news", "a-help"})}


def test_a_step_that_dies_in_its_transaction_leaves_nothing(store):
    """The range and the progress are written together or not at all."""

    class Dying(SystemClock):
        calls = 0

        def monotonic(self):
            self.calls += 1
            if self.calls == 2:
                raise InterruptedError
            return super().monotonic()

    world = World(LISTS, {1: (Row("a", {"a-news": ON}),)})
    list_ids, _ = world.write(store)
    mailing_id = write_mailing(store, (NEWS,), list_ids)
    with pytest.raises(InterruptedError):
        freeze_step(store, mailing_id, resolve, NOW, Dying())
    assert frozen(store, mailing_id) == {}
    _freeze(store, mailing_id)
    assert frozen(store, mailing_id).keys() == {1}


def test_a_segment_that_cannot_be_read_any_more_changes_nothing(sqlite_store):
    """The error names the mailing and the column."""
    world = World(LISTS, {1: (Row("a", {"a-news": ON}),)})
    list_ids, _ = world.write(sqlite_store)
    mailing_id = write_mailing(sqlite_store, (NEWS,), list_ids, segment="gone = 1")
    with pytest.raises(FaultsFound) as caught:
        freeze_step(sqlite_store, mailing_id, resolve, NOW)
    assert caught.value.faults[0].field == "segment of s-1"
    assert caught.value.faults[0].column == 1


def test_the_deepest_expression_can_be_frozen(sqlite_store):
    """SQLite bounds nesting; through several lists, as who is meant and as who is left out."""
    text, around = "not not received(s)", "country = MD"
    for level in range(MOST_LEVELS):
        text = f"{around} {('and', 'or')[level % 2]} not not not ({text})"
    people = {1: (Row("a", {"a-news": ON, "a-help": ON}),), 2: (Row("b", {"b-friends": ON}),)}
    assert {1, 2} == _outcome(sqlite_store, people, segment=text, exclude=text).keys()


@pytest.mark.parametrize("option", ["segment", "exclude"])
def test_deliveries_that_are_deleted_before_the_hour_are_not_taken_for_none(sqlite_store, option):
    """Nothing is frozen; what the mailing is held for is short enough to be shown whole."""
    world = World(LISTS, {1: (Row("a", {"a-news": ON}),)})
    list_ids, _ = world.write(sqlite_store)
    write_mailing(sqlite_store, (NEWS,), list_ids, slug="a-rather-long-slug")
    asked = {option: "not received(a-rather-long-slug)"}
    second = write_mailing(sqlite_store, (NEWS,), list_ids, slug="another-long-slug", **asked)
    with sqlite_store.write() as connection:
        connection.execute(
            update(tables.mailing)
            .where(tables.mailing.c.id != second)
            .values(deliveries_gone_at=NOW)
        )
    with pytest.raises(FaultsFound) as caught:
        freeze_step(sqlite_store, second, resolve, NOW)
    assert frozen(sqlite_store, second) == {}
    said = str(caught.value)
    assert len(said) <= LONGEST_REASON
    assert said.startswith(f"{option} of another-long-slug-1, column 14: the deliveries of ")
    assert said.endswith("is not known any more. Cancel it.")


def test_an_empty_list_is_frozen_at_once(sqlite_store):
    """Nobody is on it; the mailing is frozen with nothing in it."""
    list_ids, _ = World(LISTS, {}).write(sqlite_store)
    mailing_id = write_mailing(sqlite_store, (NEWS,), list_ids)
    _freeze(sqlite_store, mailing_id)
    assert frozen(sqlite_store, mailing_id) == {}
