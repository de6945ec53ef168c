"""Deliveries in doubt are settled by a person, on either database: sent again, or taken as sent."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from mailer.model.mailing import AttemptResult, Reply
from mailer.model.states import DeliveryState, MailingState, Outcome, Settlement, SkipReason
from mailer.model.timing import ShareState
from mailer.schedule.ticker import Ticker
from mailer.store import tables
from mailer.store.claims import claim
from mailer.store.corrections import reached
from mailer.store.deliveries import Recorded, record
from mailer.store.doubts import (
    CannotResend,
    NotInDoubt,
    check_resend,
    choose_doubts,
    settle_doubts,
)
from mailer.store.mailings import load_mailing
from mailer.store.reports import deliveries, report
from mailer.store.retention import DeliveriesGone, clear_deliveries
from mailer.store.workers import open_claims
from tests.store.test_shares import pass_hours
from tests.support.clocks import NOW, FixedClock
from tests.support.share_world import ShareWorld

D = DeliveryState
LATER = NOW + timedelta(days=9)
WHY = "connection lost: reset"


class World:
    """A mailing with three deliveries in doubt, of which a relay said nothing."""

    def __init__(self, ground):
        self.ground, self.store = ground, ground.store
        self.tick = Ticker(ground.store, FixedClock(LATER), lambda _: None).tick
        ground.add_list()
        self.mailing = ground.add_mailing(["harbor-news"])
        self.people = [ground.add_supporter(f"p{n}@example.org", "harbor-news") for n in range(3)]
        self.ids = [ground.add_delivery(self.mailing, one) for one in self.people]
        with self.store.write() as connection:
            claim(connection, "w1", 10, NOW)
            record(connection, "w1", [ended(one, 1, D.IN_DOUBT) for one in self.ids], NOW)
        self.stand(MailingState.FINISHED)

    def stand(self, state):
        """Let the mailing stand in a state."""
        ended_at = NOW if state in (MailingState.FINISHED, MailingState.CANCELLED) else None
        with self.store.write() as connection:
            connection.execute(tables.mailing.update().values(state=state, finished_at=ended_at))
        self.mailing = self.loaded()

    def loaded(self):
        """Return the mailing as it is by now."""
        with self.store.read() as connection:
            return load_mailing(connection, self.mailing.row_id)

    def settle(self, decision, *numbers):
        """Settle some of the three, all when none is named."""
        ids = [self.ids[one] for one in numbers or range(3)]
        with self.store.write() as connection:
            return settle_doubts(connection, self.mailing, ids, decision, "editor", LATER)

    def choose(self, *ids):
        """Choose doubts to be sent again."""
        with self.store.read() as connection:
            chosen = choose_doubts(connection, self.loaded(), set(ids))
            check_resend(connection, self.loaded(), chosen)
        return chosen

    def rows(self):
        """Return the deliveries in order."""
        with self.store.read() as connection:
            return connection.execute(tables.delivery.select().order_by(tables.delivery.c.id)).all()

    def report(self):
        """Return the mailing's report."""
        with self.store.read() as connection:
            return report(connection, self.mailing.row_id)


def ended(delivery_id, number, state):
    """Return an attempt that is over."""
    reply = Reply(250, "2.0.0", "taken") if state is D.ACCEPTED else Reply(0, "", WHY)
    result = AttemptResult(delivery_id, Outcome(state.value), reply, NOW, 5, "main")
    return Recorded(result, number, state, None, mailing_id=1)


@pytest.fixture
def world(ground):
    """A mailing that is finished but for three doubts."""
    return World(ground)


def test_a_doubt_says_when_where_and_why(world):
    """That is what a person has to go by."""
    found = world.choose()
    assert world.ids == [one.delivery_id for one in found]
    assert {(NOW, "main", WHY)} == {(one.since, one.relay, one.why) for one in found}


def test_sent_again_the_mailing_runs_until_it_is_and_ends_again(world):
    """Ids, attempts and the first hour stay, so that Message-ID, return path and date do."""
    before = world.rows()
    assert world.ids[:2] == world.settle(Settlement.RESEND, 0, 1)
    assert (MailingState.RUNNING, None) == (world.loaded().state, world.loaded().finished_at)
    world.tick()
    assert MailingState.RUNNING is world.loaded().state
    with world.store.write() as connection:
        claimed = claim(connection, "w2", 10, LATER)
        assert world.ids[:2] == [one.delivery_id for one in claimed]
        assert {(2, NOW, LATER)} == {
            (one.attempt_number, one.first_attempt_at, one.resent_at) for one in claimed
        }
        # How long it is tried counts from when it was sent again, after a kill too.
        assert {LATER} == {one.first_attempt_at for one in open_claims(connection, "w2")}
        record(connection, "w2", [ended(one, 2, D.ACCEPTED) for one in world.ids[:2]], LATER)
    world.tick()
    assert (MailingState.FINISHED, LATER) == (world.loaded().state, world.loaded().finished_at)
    assert [D.ACCEPTED, D.ACCEPTED, D.IN_DOUBT] == [row.state for row in world.rows()]
    assert before[2] == world.rows()[2]
    figures = world.report()
    assert ({Settlement.RESEND: 2}, 0) == (figures.settled, figures.taken_as_sent)
    assert {"main": {"in_doubt": 3, "accepted": 2}} == figures.by_relay


def test_taken_as_sent_counts_as_accepted_by_a_persons_word(world):
    """The mailing stays finished; a correction reaches them; the report and the list say so."""
    assert world.ids[:1] == world.settle(Settlement.TAKE_AS_SENT, 0)
    world.tick()
    assert MailingState.FINISHED is world.loaded().state
    row = world.rows()[0]
    assert (D.ACCEPTED, NOW, 1, None) == (
        row.state, row.finished_at, row.attempts, row.next_attempt_at,
    )  # fmt: skip
    figures = world.report()
    assert {D.ACCEPTED: 1, D.IN_DOUBT: 2} == figures.by_state
    assert (1, world.ids[1:]) == (
        figures.taken_as_sent, [one.delivery_id for one in figures.in_doubt],
    )  # fmt: skip
    with world.store.read() as connection:
        reasons = [one.reason for one in deliveries(connection, world.mailing.row_id)]
        got = reached(connection, world.mailing.row_id)
    assert ["take_as_sent", "", ""] == reasons
    assert (3, 2) == (got.people, got.in_doubt)


def test_who_decided_what_and_when_is_on_record(world):
    """Also that one was sent again, in doubt once more, and taken as sent then."""
    world.settle(Settlement.RESEND, 0)
    with world.store.write() as connection:
        claim(connection, "w2", 10, LATER)
        record(connection, "w2", [ended(world.ids[0], 2, D.IN_DOUBT)], LATER)
    world.settle(Settlement.TAKE_AS_SENT, 0)
    with world.store.read() as connection:
        rows = connection.execute(tables.settlement.select()).all()
    one = world.ids[0]
    assert [
        (one, 1, Settlement.RESEND, LATER, "editor"),
        (one, 2, Settlement.TAKE_AS_SENT, LATER, "editor"),
    ] == [
        (row.delivery_id, row.attempt, row.decision, row.decided_at, row.decided_by) for row in rows
    ]


@pytest.mark.parametrize("decision", Settlement)
def test_settling_twice_is_once(world, decision):
    """What is not in doubt any more is left as it is, and nothing is written about it."""
    world.settle(decision)
    assert [] == world.settle(Settlement.RESEND)
    assert [] == world.settle(Settlement.TAKE_AS_SENT)
    assert {decision: 3} == world.report().settled


@pytest.mark.parametrize("decision", Settlement)
def test_what_comes_late_from_the_first_sender_changes_nothing(world, decision):
    """Neither before the next claim nor while the same sender has it again."""
    world.settle(decision, 0)
    settled = world.rows()
    late = [ended(world.ids[0], 1, D.IN_DOUBT)]
    with world.store.write() as connection:
        record(connection, "w1", late, LATER)
    assert settled == world.rows()
    with world.store.write() as connection:
        claim(connection, "w1", 10, LATER)
        claimed = connection.execute(tables.delivery.select()).all()
        record(connection, "w1", late, LATER)
        assert claimed == connection.execute(tables.delivery.select()).all()


def test_only_what_is_in_doubt_in_this_mailing_may_be_named(world):
    """Each of the others is named with what is the matter, and nothing is settled."""
    world.settle(Settlement.TAKE_AS_SENT, 0)
    other = world.ground.add_mailing(["harbor-news"])
    stranger = world.ground.add_delivery(other, world.people[0], D.IN_DOUBT)
    with pytest.raises(NotInDoubt) as error:
        world.choose(world.ids[1], world.ids[0], stranger, 999)
    assert {
        world.ids[0]: "is accepted", stranger: f"is of {other.key}", 999: "does not exist",
    } == error.value.reasons  # fmt: skip
    assert f"delivery {world.ids[0]} is accepted" in str(error.value)
    assert f"mailer report {world.mailing.key}" in str(error.value)
    assert [world.ids[1]] == [one.delivery_id for one in world.choose(world.ids[1])]


@pytest.mark.parametrize("state", [MailingState.PAUSED, MailingState.HELD, MailingState.RUNNING])
def test_a_mailing_that_stands_still_keeps_what_is_to_be_sent_again(world, state):
    """It waits for the person who stopped it, as everything else of it does."""
    world.stand(state)
    world.settle(Settlement.RESEND)
    assert state is world.loaded().state
    with world.store.write() as connection:
        claimed = claim(connection, "w2", 10, LATER)
    assert (3 if state is MailingState.RUNNING else 0) == len(claimed)


def test_of_a_cancelled_mailing_nothing_is_sent_again(world):
    """It ended for good; its doubts can be taken as sent."""
    world.stand(MailingState.CANCELLED)
    with pytest.raises(CannotResend, match="is cancelled"):
        world.choose()
    with pytest.raises(CannotResend, match="--take-as-sent"):
        world.settle(Settlement.RESEND)
    assert {D.IN_DOUBT} == {row.state for row in world.rows()}
    assert world.ids == world.settle(Settlement.TAKE_AS_SENT)
    assert MailingState.CANCELLED is world.loaded().state


def test_who_left_meanwhile_is_not_mailed_again(world):
    """The claim looks, as at any other delivery, and the reason is named."""
    with world.store.write() as connection:
        connection.execute(
            tables.membership.update()
            .where(tables.membership.c.supporter_id == world.people[0])
            .values(state="left")
        )
    world.settle(Settlement.RESEND)
    with world.store.write() as connection:
        claimed = claim(connection, "w2", 10, LATER)
    assert world.ids[1:] == [one.delivery_id for one in claimed]
    assert {SkipReason.NO_CONSENT: 1} == world.report().not_mailed


def add_share(world, state, numbers, due_at=NOW):
    """Put some of the three into a share of their own."""
    with world.store.write() as connection:
        share_id = connection.execute(
            tables.mailing_share.insert()
            .values(mailing_id=world.mailing.row_id, zone=f"Etc/{state.value}", due_at=due_at,
                    state=state, people=len(numbers))
            .returning(tables.mailing_share.c.id)
        ).scalar_one()  # fmt: skip
        connection.execute(
            tables.delivery.update()
            .where(tables.delivery.c.id.in_([world.ids[one] for one in numbers]))
            .values(share_id=share_id)
        )
        connection.execute(tables.mailing.update().values(in_shares=True))
    return share_id


def share(world, share_id):
    """Return state and release of a share."""
    with world.store.read() as connection:
        row = connection.execute(
            tables.mailing_share.select().where(tables.mailing_share.c.id == share_id)
        ).one()
    return row.state, row.released_at


def test_lateness_does_not_hold_what_a_person_wants_sent_but_others_still_wait(world):
    """A late share goes where nothing else is in it; who else waits there was not asked about."""
    late = add_share(world, ShareState.WAITING, [0])
    begun = add_share(world, ShareState.SHUT, [1])
    held = add_share(world, ShareState.HELD, [2])
    world.ids.append(
        world.ground.add_delivery(
            world.mailing,
            world.ground.add_supporter("waits@example.org", "harbor-news"),
            share_id=held,
        )
    )
    world.settle(Settlement.RESEND)
    assert (ShareState.WAITING, LATER) == share(world, late)
    assert (ShareState.SHUT, None) == share(world, begun)
    assert (ShareState.HELD, None) == share(world, held)


def test_what_is_in_a_share_that_was_given_up_is_not_sent_again(world):
    """It says whose share; the others can be named."""
    add_share(world, ShareState.SKIPPED, [0])
    with pytest.raises(CannotResend, match="the share of Etc/skipped was given up"):
        world.choose()
    assert 2 == len(world.choose(*world.ids[1:]))


def test_a_window_holds_what_is_sent_again_days_later(ground):
    """Asked for in the night, it goes in the morning where the person is; then all is finished."""
    zones = ("Asia/Bishkek", "Europe/Kyiv")
    world = ShareWorld(ground, window="09:00-20:00", zones=zones)
    world.schedule("2026-12-01T09:00", time_zone="Europe/Kyiv")
    pass_hours(world, 48)
    assert MailingState.FINISHED is world.mailing.state
    person = next(iter(world.people))
    doubt = world.deliveries()[person].id
    with ground.store.write() as connection:
        connection.execute(
            tables.delivery.update().where(tables.delivery.c.id == doubt).values(state=D.IN_DOUBT)
        )
    # Half past eleven in the evening there.
    world.clock.at = datetime(2026, 12, 9, 17, 30, tzinfo=UTC)
    with ground.store.write() as connection:
        settle_doubts(
            connection, world.mailing, [doubt], Settlement.RESEND, "editor", world.clock.at
        )
    pass_hours(world, 48)
    _, again = world.sent[person]
    assert "2026-12-10 09:00" == f"{world.local(person, again):%Y-%m-%d %H:%M}"
    assert MailingState.FINISHED is world.mailing.state
    assert 3 == sum(len(times) for times in world.sent.values())


def test_deliveries_that_were_cleared_away_cannot_be_settled_and_stay_counted(world):
    """What people took as sent is told for ever; who is still in doubt then stays so."""
    world.settle(Settlement.TAKE_AS_SENT, 0)
    with world.store.write() as connection:
        assert 3 == clear_deliveries(connection, LATER, 10, LATER)
    figures = world.report()
    assert ({D.ACCEPTED: 1, D.IN_DOUBT: 2}, 1) == (figures.by_state, figures.taken_as_sent)
    with pytest.raises(DeliveriesGone):
        world.choose()


def test_a_mailing_is_not_finished_over_what_a_person_just_had_sent_again(world):
    """The scheduler that looks at the same moment waits, and then sees it."""
    world.stand(MailingState.RUNNING)
    with world.store.write() as connection:
        settle_doubts(connection, world.mailing, world.ids, Settlement.RESEND, "editor", LATER)
        ticking = threading.Thread(target=world.tick)
        ticking.start()
        ticking.join(0.3)
    ticking.join(20)
    assert MailingState.RUNNING is world.loaded().state
