"""Who waits for whom on PostgreSQL: ids in order come before rows, so that nobody waits in a ring."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from mailer.delivery.outcomes import recorded
from mailer.delivery.replies import Stage, parse_reply
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import Answer
from mailer.delivery.work import deliveries
from mailer.feedback.acting import Told, act
from mailer.feedback.own_data import erase_own
from mailer.feedback.preferences import save_preferences
from mailer.feedback.unsubscribe import unsubscribe
from mailer.model.audience import UnsubscriptionSource
from mailer.model.feedback import Feedback, FeedbackClass, FeedbackFinding, Match, MatchedBy
from mailer.model.feedback_policy import SoftLimits
from mailer.model.states import DeliveryState
from mailer.store import tables
from mailer.store.claims import claim
from mailer.store.feedback import MAIL_SOURCE, store_event
from mailer.store.ordering import Ids, keep_ids_in_order
from mailer.store.preferences import Choices
from mailer.tokens import Purpose
from tests.support.came_back import World
from tests.support.clocks import NOW
from tests.support.own_data import change_address

#: Rows that others lock while they hold ids.
ROWS = (tables.supporter, tables.membership, tables.delivery, tables.address_change)


@pytest.fixture
def world(ground, tmp_path):
    """People on a list."""
    return World(ground, tmp_path, SoftLimits())


def report(world, *kinds, by=MatchedBy.VERP):
    """Act on a report about Anna's mail that says all of this."""
    findings = tuple(FeedbackFinding("anna@example.org", kind) for kind in kinds)
    is_ours = by is MatchedBy.VERP
    match = Match(by, delivery_id=world.deliveries["anna"]) if is_ours else Match()
    with world.store.write() as connection:
        event = store_event(connection, MAIL_SOURCE, f"report-{by}", NOW, None)
        told = Told(event.row_id, Feedback(findings, match), NOW)
        act(connection, told, lambda _: world.digest("anna"), SoftLimits(), NOW)


def complain_and_leave(world):
    """Take in a report that is a complaint and a wish to leave."""
    report(world, FeedbackClass.OPT_OUT, FeedbackClass.COMPLAINT)


def bounce(world):
    """Take in a report of a dead address."""
    report(world, FeedbackClass.HARD)


def leave(world):
    """Unsubscribe by the link."""
    token = world.tokens.person(Purpose.UNSUBSCRIBE, world.deliveries["anna"], world.people["anna"])
    unsubscribe(world.store, world.tokens, token, UnsubscriptionSource.PAGE, NOW, world.log)


def choose(world):
    """Leave a list on the page of preferences."""
    token = world.tokens.person(Purpose.PREFERENCES, world.deliveries["anna"], world.people["anna"])
    lists = frozenset(row_id for row_id, _ in world.ground.lists.values())

    def choices(standing):
        return Choices(standing.profile, "", False, False, None, lists)

    save_preferences(world.store, world.tokens, token, choices, NOW, world.log)


def be_refused(world):
    """Record that a relay refused an address."""
    (one,) = world.claimed
    ended = recorded(
        delivery_id=one.delivery_id, mailing_id=one.mailing_id, domain_class=one.domain_class,
        attempt_number=one.attempt_number, first_attempt_at=NOW,
        answer=Answer(Stage.RCPT, parse_reply(550, "5.1.1 no such user")), doubt="",
        relay="main", started_at=NOW, duration_ms=1,
        policy=RetryPolicy(600, 600, timedelta(hours=1)), now=NOW, jitter=0.5,
        address="clara@example.org",
    )  # fmt: skip
    with world.store.write() as connection:
        deliveries(world.log).record(connection, "w", [ended], NOW)


def move(world):
    """Change to an address that is known already."""
    change_address(world.ground, world.tokens, world.log, world.people["anna"], "boris@example.org")


def erase(world):
    """Erase oneself."""
    erase_own(world.store, world.people["anna"], NOW, world.log)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "work", [complain_and_leave, bounce, leave, choose, be_refused, move, erase]
)
def test_who_waits_for_ids_has_no_row_that_others_may_want(world, work):
    """Else two that need each other's would wait until the database ends one of them."""
    world.deliver("clara", DeliveryState.DUE)
    with world.store.write() as connection:
        world.claimed = claim(connection, "w", 9, NOW)
    with ThreadPoolExecutor() as pool:
        with world.store.write() as connection:
            keep_ids_in_order(connection, *Ids)
            done = pool.submit(work, world)
            _wait_until_somebody_waits(connection, done)
            for table in ROWS:
                connection.execute(select(table).with_for_update(nowait=True))
        done.result(20)


def _wait_until_somebody_waits(connection, done):
    waiting = text(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    end = time.monotonic() + 20
    while not connection.execute(waiting).scalar():
        assert not done.done(), "nothing was waited for"
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_what_changes_nobody_waits_for_nobody(world):
    """Providers tell so of every mail, and strangers what they like: neither suppresses anybody."""
    with world.store.write() as connection:
        keep_ids_in_order(connection, *Ids)
        report(world, FeedbackClass.DELIVERED)
        report(world, FeedbackClass.HARD, by=MatchedBy.NOTHING)
        found = select(func.count()).select_from(tables.feedback_finding)
        assert 2 == connection.execute(found).scalar()
