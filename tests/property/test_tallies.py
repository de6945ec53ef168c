"""Counts that are kept against counting anew, after any order of whatever changes deliveries."""

import contextlib
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from mailer.audience import freezing
from mailer.audience.freezing import freeze_step
from mailer.feedback.acting import Told, act
from mailer.model.audience import MembershipState, UnsubscriptionSource
from mailer.model.breaker import RefusalReason
from mailer.model.feedback import Feedback, FeedbackClass, FeedbackFinding, Match, MatchedBy
from mailer.model.feedback_policy import SoftLimits
from mailer.model.mailing import AttemptResult, Reply
from mailer.model.states import (
    OPEN_STATES,
    DeliveryState,
    ForbiddenTransition,
    MailingState,
    Outcome,
    Settlement,
    SkipReason,
)
from mailer.store import tables
from mailer.store.claims import claim
from mailer.store.deliveries import Recorded, give_back, record, skip_all
from mailer.store.doubts import CannotResend, settle_doubts
from mailer.store.feedback import end_event, store_event
from mailer.store.following import Place, lead_to
from mailer.store.leaving import leave_lists, take_back
from mailer.store.mailings import change_state, load_mailing
from mailer.store.reports import progress, report
from mailer.store.restoring import Settled, open_deliveries, settle
from mailer.store.retention import clear_attempts, clear_deliveries
from mailer.store.stopping import cancel, cancel_open_deliveries
from mailer.store.tables_tallies import delivery_tally
from tests.support.audience_world import (
    NOW,
    OnList,
    Row,
    World,
    a_list,
    digest,
    resolve,
    wipe,
    write_mailing,
)
from tests.support.tallies import (
    counted_deliveries,
    counted_hours,
    deliveries_there,
    hours_there,
    memberships_differ,
)

PEOPLE = 8
WORKER = "w1"
D = DeliveryState
SUBSCRIBED = MembershipState.SUBSCRIBED


class _Life:
    """A mailing to eight people on two lists, and everything that may happen to it."""

    def __init__(self, store):
        self.store = store
        self.now = NOW
        self._events = count()
        lists = (a_list("a-news", "a"), a_list("b-news", "b", languages=("ru",)))
        people = {}
        for number in range(1, PEOPLE + 1):
            row_a = Row("a", {"a-news": OnList()}, languages=("en",) if number % 3 else ("ru",))
            row_b = Row("b", {"b-news": OnList()}, paused=number == PEOPLE)
            people[number] = ((row_a,), (row_b,), (row_a, row_b))[number % 3]
        world = World(lists, people, frozenset({(2, "all")}))
        wipe(store)
        self.lists, self.rows = world.write(store)
        self.id = write_mailing(store, lists, self.lists, range_members=3)

    def freeze(self, _):
        """Freeze a range, and start when the last is in."""
        if freeze_step(self.store, self.id, resolve, self.now).done:
            with self.store.write() as connection:
                if self._state(connection) is MailingState.FREEZING:
                    change_state(
                        connection, self.id, MailingState.FREEZING, MailingState.RUNNING,
                        started_at=self.now,
                    )  # fmt: skip

    def claim(self, number):
        """Claim some; who left or was suppressed is skipped or reached by another list."""
        with self.store.write() as connection:
            claim(connection, WORKER, number, self.now)

    def dying(self, number):
        """Do several things in a transaction that is taken back."""
        with contextlib.suppress(InterruptedError), self.store.write() as connection:
            claim(connection, WORKER, number, self.now)
            self._record(connection, number)
            raise InterruptedError

    def record(self, number):
        """Record outcomes of what is held, each another one; twice is once."""
        with self.store.write() as connection:
            batch = self._record(connection, number)
            record(connection, WORKER, batch, self.now)

    def recover(self, number):
        """Give back some of what a dead process held."""
        with self.store.write() as connection:
            give_back(connection, WORKER, [row.id for row in self._held(connection)[:number]],
                      self.now)  # fmt: skip

    def skip(self, number):
        """Skip somebody whatever their delivery is."""
        with self.store.write() as connection:
            ids = connection.execute(select(tables.delivery.c.id)).scalars().all()
            skip_all(connection, ids[number : number + 2], SkipReason.EAI_UNSUPPORTED, self.now)

    def settle(self, number):
        """Settle doubts, one way or another."""
        decision = list(Settlement)[number % 3]
        with self.store.write() as connection:
            found = load_mailing(connection, self.id)
            doubts = connection.execute(
                select(tables.delivery.c.id).where(tables.delivery.c.state == D.IN_DOUBT)
            ).scalars()
            with contextlib.suppress(CannotResend):
                settle_doubts(connection, found, doubts.all()[:2], decision, "editor", self.now)

    def leave(self, number):
        """Leave lists by a token."""
        row = self._any(number)
        if row is not None:
            with self.store.write() as connection:
                source = UnsubscriptionSource.ONE_CLICK
                leave_lists(connection, row.id, row.supporter_id, source, self.now)

    def take_back(self, number):
        """Take that back."""
        row = self._any(number)
        if row is not None:
            with self.store.write() as connection:
                take_back(connection, row.id, row.supporter_id, NOW, self.now)

    def move_off(self, number):
        """Take somebody off one list, whatever they are on besides."""
        with self.store.write() as connection:
            connection.execute(
                update(tables.membership)
                .where(tables.membership.c.supporter_id == number + 1,
                       tables.membership.c.list_id == self.lists["a-news"])
                .values(state=MembershipState.LEFT, left_at=self.now)
            )  # fmt: skip

    def follow(self, number):
        """Let somebody's address be another: of nobody, or that somebody else has."""
        key = (number + 1, "a")
        if key not in self.rows:
            return
        row_id = self.rows[key]
        there = digest(number + 20)
        people = tables.supporter
        with self.store.write() as connection:
            old = connection.execute(
                select(people.c.address_digest).where(people.c.id == row_id)
            ).scalar_one()
            connection.execute(
                update(people).where(people.c.id == row_id).values(address_digest=there)
            )
            lead_to(connection, row_id, old, Place(row_id, there, "other"), self.now)

    def come_back(self, number):
        """Take a bounce, a complaint or a wish to leave."""
        row = self._any(number)
        kinds = (FeedbackClass.HARD, FeedbackClass.SOFT, FeedbackClass.COMPLAINT,
                 FeedbackClass.OPT_OUT, FeedbackClass.DELIVERED)  # fmt: skip
        if row is None:
            return
        finding = FeedbackFinding("", kinds[(number + next(self._events)) % 5])
        feedback = Feedback((finding,), Match(MatchedBy.VERP, row.id))
        with self.store.write() as connection:
            event = store_event(connection, "mail", str(next(self._events)), self.now, None)
            told = Told(event.row_id, feedback, self.now)
            act(connection, told, lambda _: None, SoftLimits(), self.now)
            end_event(connection, event.row_id, self.now)

    def restore(self, number):
        """Settle what a copy did not know by what a journal says."""
        outcomes = [Outcome.ACCEPTED, Outcome.REFUSED, Outcome.DEFERRED, Outcome.IN_DOUBT]
        with self.store.write() as connection:
            found = open_deliveries(connection, 0, number)
            states = [DeliveryState(outcomes[one.delivery_id % 4].value) for one in found]
            settle(
                connection,
                [
                    Settled(one.delivery_id, state, one.attempts + 1, 550, "5.1.1",
                            Outcome(state.value))
                    for one, state in zip(found, states, strict=True)
                ],
                self.now,
            )  # fmt: skip

    def cancel(self, number):
        """Cancel the mailing; its deliveries follow."""
        with self.store.write() as connection:
            if number == 0:
                with contextlib.suppress(ForbiddenTransition):
                    cancel(connection, load_mailing(connection, self.id).key, self.now)
            cancel_open_deliveries(connection, self.now)

    def pass_hours(self, number):
        """Let time pass, so that what is deferred is due again."""
        self.now += timedelta(minutes=25 * (number + 1))

    def _record(self, connection, number):
        states = (D.ACCEPTED, D.DEFERRED, D.REFUSED, D.IN_DOUBT)
        batch = []
        for place, row in enumerate(self._held(connection)):
            state = states[(number + place) % 4]
            code = {D.ACCEPTED: 250, D.DEFERRED: 451, D.REFUSED: 550 + place % 2}.get(state, 0)
            reply = Reply(code, "5.1.1" if code > 500 else "", "")
            result = AttemptResult(row.id, Outcome(state.value), reply, self.now, 1, "main")
            again = self.now + timedelta(minutes=5) if state is D.DEFERRED else None
            reason = RefusalReason.OTHER if state is D.REFUSED else RefusalReason.NONE
            batch.append(
                Recorded(result, row.attempts, state, again, mailing_id=self.id,
                         domain_class="other", reason=reason)
            )  # fmt: skip
        record(connection, WORKER, batch, self.now)
        return batch

    def _held(self, connection):
        held = tables.delivery.c.state == D.SENDING
        return connection.execute(
            tables.delivery.select().where(held).order_by(tables.delivery.c.id)
        ).all()

    def _any(self, number):
        with self.store.read() as connection:
            rows = connection.execute(
                tables.delivery.select().order_by(tables.delivery.c.id)
            ).all()  # fmt: skip
        return rows[number % len(rows)] if rows else None

    def _state(self, connection):
        return load_mailing(connection, self.id).state


_STEPS = ("freeze", "claim", "dying", "record", "recover", "skip", "settle", "leave", "take_back",
          "move_off", "follow", "come_back", "restore", "cancel", "pass_hours")  # fmt: skip
#: What mostly happens, so that deliveries come to something.
_OFTEN = ("freeze", "claim", "record", "pass_hours", "come_back")
_LIVES = st.lists(
    st.tuples(st.sampled_from(_STEPS + _OFTEN * 3), st.integers(0, PEOPLE - 1)),
    min_size=5, max_size=40,
)  # fmt: skip


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=_LIVES, frozen_first=st.booleans())
# Left one list of two: reached by the other.
@example(steps=[("move_off", 5), ("claim", 7), ("record", 0)], frozen_first=True)
# At an address that is frozen later.
@example(steps=[("freeze", 0)] * 3 + [("follow", 2)] + [("freeze", 0)] * 6, frozen_first=False)
@example(steps=[("leave", 0), ("take_back", 0)], frozen_first=True)
def test_counts_are_what_counting_anew_gives(store, steps, frozen_first):
    """After every step, on either database; cleared away, the report tells the same."""
    life = _Life(store)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(freezing, "FEWEST_PEOPLE", 1)
        patched.setattr(freezing, "MOST_PEOPLE", 3)
        for name, number in [("freeze", 0)] * (8 if frozen_first else 0) + steps:
            getattr(life, name)(number)
            _compare(store, name)
    _clear_away(life)


def _compare(store, after):
    with store.read() as connection:
        assert deliveries_there(connection) == counted_deliveries(connection), after
        assert hours_there(connection) == counted_hours(connection), after
        assert [] == memberships_differ(connection), after
        fewest = connection.execute(select(func.min(delivery_tally.c.deliveries))).scalar_one()
        assert (fewest or 0) >= 0, after
        by_state = dict(
            connection.execute(
                select(tables.delivery.c.state, func.count()).group_by(tables.delivery.c.state)
            ).all()
        )
        for (mailing_id,) in connection.execute(select(tables.mailing.c.id)).all():
            assert by_state == progress(connection, mailing_id).by_state, after


def _clear_away(life):
    """End the mailing and clear it away: the report stays what it was."""
    with life.store.write() as connection:
        for name in (MailingState.CANCELLED,):
            connection.execute(update(tables.mailing).values(state=name, finished_at=life.now))
        connection.execute(
            update(tables.delivery)
            .where(tables.delivery.c.state == D.SENDING)
            .values(state=D.DUE)
        )  # fmt: skip
    with life.store.write() as connection:
        cancel_open_deliveries(connection, life.now)
    before = _report(life)
    assert not any(before.by_state.get(one) for one in OPEN_STATES)
    years = life.now + timedelta(days=900)
    with life.store.write() as connection:
        clear_attempts(connection, 0, years, 2)
    for _ in range(2):
        with life.store.write() as connection:
            clear_deliveries(connection, years, 3, years)
        after = _report(life)
        for name in ("by_state", "by_language", "by_list", "by_relay", "by_domain_class",
                     "not_mailed", "refusals", "memberships", "over_time"):  # fmt: skip
            assert getattr(before, name) == getattr(after, name), name


def _report(life):
    with life.store.read() as connection:
        return report(connection, life.id)
