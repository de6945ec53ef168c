"""Corrections: those whom the mailing reached, in their language then, and nobody else."""

import itertools

import pytest
from sqlalchemy import func, insert, select, update

from mailer.audience import freezing
from mailer.audience.corrections import correction_coverage, correction_of
from mailer.audience.freezing import freeze_step
from mailer.clock import SystemClock
from mailer.model.audience import LanguageProfile, LanguageStep, MembershipState
from mailer.model.faults import FaultsFound
from mailer.model.states import DeliveryState, MailingState, SkipReason
from mailer.store import tables
from mailer.store.audience import profile_id
from mailer.store.corrections import reached
from mailer.store.mailings import corrected_from, load_mailing
from tests.support.audience_world import (
    NOW,
    OnList,
    Row,
    World,
    a_list,
    digest,
    frozen,
    resolve,
    write_mailing,
)

NEWS, HELP, FRIENDS = a_list("a-news", "a"), a_list("a-help", "a"), a_list("b-friends", "b")
LISTS = (NEWS, HELP, FRIENDS)
ON = OnList()
LEFT = OnList(MembershipState.LEFT)


def never_called(_profile, _definition):
    """Choosing a language anew is what a correction must not do."""
    raise AssertionError


class Corrections:
    """A world with a finished mailing that is to be corrected."""

    def __init__(self, store, people):
        self.store = store
        self.list_ids, self.row_ids = World(LISTS, people).write(store)
        self.first = write_mailing(store, LISTS, self.list_ids)
        while not freeze_step(store, self.first, resolve, NOW).done:
            pass
        with store.write() as connection:
            connection.execute(
                update(tables.delivery)
                .where(tables.delivery.c.state == DeliveryState.DUE)
                .values(state=DeliveryState.ACCEPTED)
            )
            connection.execute(
                update(tables.mailing).values(state=MailingState.FINISHED, started_at=NOW)
            )
            # The edition names of the revision that corrects it.
            connection.execute(
                update(tables.revision).values(
                    document={"editions": [{"language": "en"}, {"language": "ru"}]}
                )
            )

    def change(self, table, where, **values):
        """Change rows of a table."""
        with self.store.write() as connection:
            connection.execute(update(table).where(where).values(**values))

    def settle(self, number, state):
        """Let a delivery of the first mailing have come out otherwise."""
        self.change(
            tables.delivery, tables.delivery.c.address_digest == digest(number), state=state
        )

    def correct(self, corrects=None, number=2):
        """Write the mailing that corrects the first, or another; return its row id."""
        with self.store.write() as connection:
            row = connection.execute(
                select(tables.mailing).where(tables.mailing.c.id == self.first)
            ).mappings().one()  # fmt: skip
            values = {
                **row, "number": number, "key": f"s-{number}", "state": MailingState.FREEZING,
                "corrects_id": corrects or self.first, "freeze_after": None, "frozen_at": None,
                "freeze_members": 2,
            }  # fmt: skip
            del values["id"]
            second = connection.execute(
                insert(tables.mailing).values(values).returning(tables.mailing.c.id)
            ).scalar_one()
            for position, one in enumerate(
                connection.execute(
                    select(tables.mailing_target)
                    .where(tables.mailing_target.c.mailing_id == self.first)
                    .order_by(tables.mailing_target.c.position)
                )
            ):
                connection.execute(
                    insert(tables.mailing_target).values(
                        mailing_id=second, position=position, list_id=one.list_id,
                        definition=one.definition,
                    )
                )  # fmt: skip
        return second

    def freeze(self, clock=None, **correction):
        """Freeze the correction, whatever dies on the way; return its deliveries by number."""
        second = self.correct(**correction)
        for _ in range(500):
            try:
                if freeze_step(self.store, second, never_called, NOW, clock or SystemClock()).done:
                    break
            except InterruptedError:
                continue
        return frozen(self.store, second)

    def counted(self):
        """Return what the plan would say."""
        with self.store.read() as connection:
            found = load_mailing(connection, self.first)
            rule = correction_of(
                connection, corrected_from(connection, self.first), found.revision_id
            )
            targets = [(self.list_ids[one.key], one) for one in LISTS]
            return correction_coverage(connection, targets, rule, NOW)


@pytest.fixture
def corrections(store):
    """A function that makes a world with a finished mailing."""
    return lambda people: Corrections(store, people)


def _due(found):
    return {number for number, one in found.items() if one.state is DeliveryState.DUE}


def _people(count, **row):
    return {number: (Row("a", {"a-news": ON}, **row),) for number in range(1, count + 1)}


def test_it_goes_to_those_whom_the_mailing_reached(corrections):
    """Accepted or in doubt; refused, cancelled and skipped are no reason to be corrected."""
    world = corrections(_people(5))
    for number, state in enumerate(
        (DeliveryState.IN_DOUBT, DeliveryState.REFUSED, DeliveryState.CANCELLED,
         DeliveryState.SKIPPED), start=2,
    ):  # fmt: skip
        world.settle(number, state)
    counted = world.counted()
    found = world.freeze()
    assert {1, 2} == _due(found)
    assert {SkipReason.EXCLUDED} == {found[number].reason for number in (3, 4, 5)}
    assert (2, {SkipReason.EXCLUDED: 3}) == (counted.to_mail, dict(counted.not_mailed))
    with world.store.read() as connection:
        got = reached(connection, world.first)
    assert (2, 1, 0, ("en",)) == (got.people, got.in_doubt, got.left, got.languages)


def test_the_language_is_what_it_was_and_not_chosen_anew(corrections):
    """Edition, step and notice are the delivery's, though the person reads something else now."""
    world = corrections(_people(2, languages=("uk", "ru")))
    with world.store.write() as connection:
        english = profile_id(connection, LanguageProfile(("en",), ()))
    world.change(tables.supporter, tables.supporter.c.id == world.row_ids[1, "a"],
                 profile_id=english)  # fmt: skip
    counted, found = world.counted(), world.freeze()
    assert [("ru", LanguageStep.LATER, "uk")] * 2 == [
        (one.language, one.step, one.wanted) for one in found.values()
    ]
    assert (2, {"ru": 2}) == (counted.later, dict(counted.by_language))


def test_a_language_that_any_row_forbids_by_now_is_not_sent(corrections):
    """Another organisation's row counts; unreadable wishes forbid everything."""
    both = (Row("a", {"a-news": ON}, languages=("ru",)), Row("b", {}, languages=("ru",)))
    own = (Row("a", {"a-news": ON}, languages=("ru",)),)
    world = corrections({1: both, 2: own, 3: own, 4: own})
    with world.store.write() as connection:
        never = profile_id(connection, LanguageProfile(("uk",), ("ru",)))
        odd = profile_id(connection, LanguageProfile(("uk",), ("???",)))
        other = profile_id(connection, LanguageProfile(("uk",), ("en",)))
    for key, profile in (((1, "b"), never), ((2, "a"), never), ((3, "a"), odd), ((4, "a"), other)):
        world.change(tables.supporter, tables.supporter.c.id == world.row_ids[key],
                     profile_id=profile)  # fmt: skip
    counted, found = world.counted(), world.freeze()
    reasons = {number: one.reason for number, one in found.items()}
    forbidden = SkipReason.NO_ACCEPTABLE_EDITION
    assert {1: forbidden, 2: forbidden, 3: forbidden, 4: None} == reasons
    assert (1, {forbidden: 3}) == (counted.to_mail, dict(counted.not_mailed))


def test_leaving_pausing_and_suppression_since_are_heeded(corrections):
    """Each has its reason; who left all lists is on none of them any more and is counted so."""
    world = corrections(_people(4))
    rows = world.row_ids
    world.change(tables.membership, tables.membership.c.supporter_id == rows[1, "a"],
                 state=MembershipState.LEFT)  # fmt: skip
    world.change(tables.supporter, tables.supporter.c.id == rows[2, "a"],
                 paused_until=NOW.replace(year=2030))  # fmt: skip
    with world.store.write() as connection:
        connection.execute(
            insert(tables.suppression).values(
                address_digest=digest(3), scope="all", reason="manual", source="test", since=NOW
            )
        )
        assert 1 == reached(connection, world.first).left
    counted, found = world.counted(), world.freeze()
    assert {2: SkipReason.SUPPORTER_PAUSED, 3: SkipReason.SUPPRESSED, 4: None} == {
        number: one.reason for number, one in found.items()
    }
    assert 1 == counted.to_mail


def test_it_goes_through_a_list_they_came_by(corrections):
    """Who joined another of the lists since is not written to by it, were it the first."""
    world = corrections(
        {
            1: (Row("a", {"a-help": ON}), Row("b", {"b-friends": ON})),
            2: (Row("a", {"a-news": ON, "a-help": ON}),),
            3: (Row("a", {"a-help": ON}),),
        }
    )
    with world.store.write() as connection:
        for number in (1, 3):
            connection.execute(
                insert(tables.membership).values(
                    list_id=world.list_ids["a-news"], supporter_id=world.row_ids[number, "a"],
                    state=MembershipState.SUBSCRIBED, consent_basis="consent", added_at=NOW,
                )
            )  # fmt: skip
    # The third left the list they came by, and is on one only that they did not come by.
    world.change(
        tables.membership,
        (tables.membership.c.supporter_id == world.row_ids[3, "a"])
        & (tables.membership.c.list_id == world.list_ids["a-help"]),
        state=MembershipState.LEFT,
    )
    counted, found = world.counted(), world.freeze()
    assert {1: ("a-help", None), 2: ("a-news", None), 3: ("a-news", SkipReason.EXCLUDED)} == {
        number: (one.list_key, one.reason) for number, one in found.items()
    }
    assert 2 == counted.to_mail


def test_nobody_gets_one_correction_twice(corrections):
    """Who has the revision by a correction, of whichever mailing of the chain, is left out."""
    world = corrections(_people(3))
    world.settle(3, DeliveryState.REFUSED)
    assert {1, 2} == _due(world.freeze())
    with world.store.read() as connection:
        second = connection.execute(select(func.max(tables.mailing.c.id))).scalar_one()
    sent, whose = tables.delivery.c.mailing_id == second, tables.delivery.c.address_digest
    world.change(tables.delivery, sent & (whose == digest(1)), state=DeliveryState.ACCEPTED)
    world.change(tables.delivery, sent & (whose == digest(2)), state=DeliveryState.REFUSED)
    world.change(tables.mailing, tables.mailing.c.id == second, state=MailingState.FINISHED)
    # The second has the mistake still; only the first got the correction, and may have another.
    counted = world.counted()
    assert (1, {SkipReason.EXCLUDED: 2}) == (counted.to_mail, dict(counted.not_mailed))
    assert set() == _due(world.freeze(number=3, corrects=second))
    assert {2} == _due(world.freeze(number=4))


def test_killed_on_the_way_it_is_the_same(corrections, monkeypatch):
    """Whichever range dies, the deliveries are those of a freezing nothing happened to."""
    world = corrections(_people(7, languages=("ru",)))
    monkeypatch.setattr(freezing, "FEWEST_PEOPLE", 1)
    monkeypatch.setattr(freezing, "MOST_PEOPLE", 2)

    class Dying(SystemClock):
        calls = itertools.count(1)

        def monotonic(self):
            if next(self.calls) % 5 == 0:
                raise InterruptedError
            return super().monotonic()

    found = world.freeze(Dying())
    assert [("ru", DeliveryState.DUE)] * 7 == [(one.language, one.state) for one in found.values()]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": MailingState.RUNNING}, "s-1 is running: whom it reaches is not known yet"),
        ({"deliveries_gone_at": NOW}, "the deliveries of s-1 were deleted on 2026-12-01"),
    ],
)
def test_it_waits_for_a_person_where_it_cannot_be_told_whom_it_reached(corrections, changes, words):
    """Opened again by a doubt that is sent anew, or its deliveries gone: nothing is frozen."""
    world = corrections(_people(2))
    second = world.correct()
    world.change(tables.mailing, tables.mailing.c.id == world.first, **changes)
    with pytest.raises(FaultsFound, match=words):
        freeze_step(world.store, second, never_called, NOW)
    assert {} == frozen(world.store, second)


def test_deliveries_that_go_while_a_range_is_frozen_take_it_back(corrections, monkeypatch):
    """The mark is seen in the transaction that wrote the range; none of it stays."""
    world = corrections(_people(2))
    second = world.correct()
    real = freezing._Step.run

    def gone_meanwhile(step, connection, choices):
        connection.execute(
            update(tables.mailing)
            .where(tables.mailing.c.id == world.first)
            .values(deliveries_gone_at=NOW)
        )
        return real(step, connection, choices)

    monkeypatch.setattr(freezing._Step, "run", gone_meanwhile)
    with pytest.raises(FaultsFound, match="were deleted"):
        freeze_step(world.store, second, never_called, NOW)
    assert {} == frozen(world.store, second)
