"""The circuit breaker in the database: what is counted, who goes first, what pauses a mailing."""

import tempfile
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from mailer.delivery.outcomes import recorded
from mailer.delivery.replies import Stage, parse_reply
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import Answer
from mailer.delivery.work import deliveries
from mailer.model.alerts import AlertKind
from mailer.model.breaker import Breaker
from mailer.model.states import DeliveryState, MailingState, SkipReason
from mailer.schedule.ticker import Ticker
from mailer.store import mailings, stopping, tables
from mailer.store.alerts import last_alerts
from mailer.store.breaker import breaker_to_columns
from mailer.store.claims import claim
from mailer.store.deliveries import give_back, skip
from mailer.store.mailings import find_mailing
from mailer.store.retention import clear_deliveries
from mailer.store.stopping import PausedByItself
from mailer.store.suppression_log import FILE_NAME, SuppressionLog
from mailer.store.workers import open_claims
from tests.support.clocks import NOW
from tests.support.factories import make_sender
from tests.support.ground import lay_ground

POLICY = RetryPolicy(600, 600, timedelta(hours=1))
SPAM = Answer(Stage.CONTENT, parse_reply(554, "5.7.1 Rejected as spam"))
UNKNOWN = Answer(Stage.RCPT, parse_reply(550, "5.1.1 User unknown"))
LATER = Answer(Stage.RCPT, parse_reply(451, "4.7.1 Greylisted"))
TAKEN = Answer(Stage.CONTENT, parse_reply(250, "2.0.0 Ok"))
#: What does not depend on the database is tested on one.
on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


@pytest.fixture
def people(store, seal_keys, service_keys):
    """A running mailing to seventy people; returns its row id."""
    addresses = [f"p{number}@example.org" for number in range(70)]
    row_id, _ = lay_ground(store, seal_keys, service_keys, addresses)
    pin(store, Breaker())
    return row_id


def pin(store, breaker):
    """Let the mailing pin a circuit breaker."""
    sender = mailings.sender_to_document(make_sender())
    definition = {
        "key": "news", "name": {}, "owner": "harbor", "sender": "harbor",
        "list_id": "news.example.org", "consent_basis": "consent", "languages": [],
        "time_zone": "UTC", "attributes": {},
    }  # fmt: skip
    with store.write() as connection:
        connection.execute(
            tables.mailing.update().values(sender=sender, **breaker_to_columns(breaker))
        )
        connection.execute(tables.mailing_target.update().values(definition=definition))


def take(store, limit=100, name="one", now=NOW):
    """Claim as a sender of that name does."""
    with store.write() as connection:
        return claim(connection, name, limit, now)


def end(store, claims, answer, name="one", now=NOW):
    """Record that all of these came to the same end."""
    batch = [
        recorded(
            delivery_id=one.delivery_id, mailing_id=one.mailing_id, domain_class=one.domain_class,
            attempt_number=one.attempt_number, first_attempt_at=one.first_attempt_at,
            answer=answer, doubt="", relay="main", started_at=now, duration_ms=1, policy=POLICY,
            now=now, jitter=0.5,
        )
        for one in claims
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, store.write() as connection:
        log = SuppressionLog(Path(folder) / FILE_NAME)
        return deliveries(log).record(connection, name, batch, now)


def counts(store):
    """Return what is counted: class, ending and reason → how many."""
    with store.read() as connection:
        rows = connection.execute(tables.outcome_count.select()).all()
    return {(row.domain_class, row.ending, row.reason): row.deliveries for row in rows}


def mailing_of(store):
    """Return the mailing."""
    with store.read() as connection:
        return find_mailing(connection, "s-1")


def test_every_ending_is_counted_once_under_relay_class_and_reason(store, people):
    """With what recording it twice would add: nothing."""
    with store.write() as connection:
        # Every fifth of them, as freezing writes it.
        connection.execute(
            tables.delivery.update()
            .where(tables.delivery.c.supporter_id % 5 == 0)
            .values(domain_class="gmail")
        )
    claims = take(store)
    other = [one for one in claims if one.domain_class == "other"]
    gmail = [one for one in claims if one.domain_class == "gmail"]
    for part, answer in (
        (other[:30], TAKEN), (other[30:33], UNKNOWN), (other[33:35], LATER), (other[35:36], None),
        (gmail[:2], SPAM), (gmail[2:], TAKEN),
    ):  # fmt: skip
        assert len(part) == len(end(store, part, answer))
        assert [] == end(store, part, answer)
    assert {
        ("other", "accepted", ""): 30, ("other", "refused", "address"): 3,
        ("other", "deferred", ""): 2, ("other", "in_doubt", ""): 1,
        ("gmail", "refused", "spam"): 2, ("gmail", "accepted", ""): 12,
    } == counts(store)  # fmt: skip
    assert MailingState.RUNNING is mailing_of(store).state


@on_sqlite
def test_who_is_deferred_until_too_old_is_counted_as_given_up(store, people):
    """Deferred the first time, refused the last."""
    (one,) = take(store, 1)
    end(store, [one], LATER)
    later = NOW + timedelta(hours=2)
    (again,) = take(store, 1, now=later)
    end(store, [again], LATER, now=later)
    key = one.domain_class
    assert {(key, "deferred", ""): 1, (key, "refused", "gave_up"): 1} == counts(store)


def test_beyond_a_limit_it_pauses_in_the_transaction_that_recorded_it(store, people):
    """Reason, alert and outcomes come together; nobody is suppressed; what is open is finished."""
    claims = take(store, 56)
    end(store, claims[:44], TAKEN)
    end(store, claims[44:49], SPAM)
    assert MailingState.RUNNING is mailing_of(store).state
    end(store, claims[49:50], SPAM)
    paused = mailing_of(store)
    assert MailingState.PAUSED is paused.state
    assert paused.pause_reason.startswith("6 of the first 50 mails were refused as spam or by")
    assert [] == take(store)
    end(store, claims[50:], SPAM)
    assert paused == mailing_of(store)
    with store.read() as connection:
        (told,) = last_alerts(connection, 9)
        assert [] == connection.execute(tables.suppression.select()).all()
    assert (AlertKind.PAUSED_BY_ITSELF, "s-1") == (told.kind, told.subject)
    assert paused.pause_reason == told.facts["reason"]


@on_sqlite
def test_nothing_is_recorded_where_pausing_fails(store, people, monkeypatch):
    """The counts, the outcomes and the pause are one: all of them or none."""
    claims = take(store, 10)

    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr("mailer.alerts.pause_by_itself", fail)
    with pytest.raises(RuntimeError):
        end(store, claims, SPAM)
    assert {} == counts(store)
    monkeypatch.undo()
    assert 10 == len(end(store, claims, SPAM))
    assert MailingState.PAUSED is mailing_of(store).state


@on_sqlite
def test_a_person_who_lets_it_go_on_has_to_say_so_and_it_is_judged_anew(store, people):
    """Five more of the same are few again, and the sixth pauses it again."""
    end(store, take(store, 6), SPAM)
    with pytest.raises(PausedByItself, match="--anyway") as raised, store.write() as connection:
        stopping.resume(connection, "s-1")
    assert "6 of the first 6 mails" in raised.value.reason
    with store.write() as connection:
        assert MailingState.RUNNING is stopping.resume(connection, "s-1", anyway=True).state
    assert "" == mailing_of(store).pause_reason
    end(store, take(store, 5), SPAM)
    assert MailingState.RUNNING is mailing_of(store).state
    end(store, take(store, 1), SPAM)
    assert "6 of 6 mails since it was resumed" in mailing_of(store).pause_reason


@on_sqlite
def test_a_person_who_paused_it_needs_no_more_words_to_resume(store, people):
    """And nothing that was counted is forgotten: it is judged from the beginning."""
    end(store, take(store, 5), SPAM)
    with store.write() as connection:
        stopping.pause(connection, "s-1")
        stopping.resume(connection, "s-1")
    end(store, take(store, 1), SPAM)
    assert "6 of the first 6" in mailing_of(store).pause_reason


@on_sqlite
def test_a_mailing_without_limits_never_pauses_by_itself(store, people):
    """One that was scheduled before there were any."""
    pin(store, None)
    end(store, take(store), SPAM)
    assert MailingState.RUNNING is mailing_of(store).state
    assert 70 == sum(counts(store).values())


def test_no_more_than_the_canary_is_claimed_though_many_claim_at_once(store, people):
    """Each in a transaction of its own, over and over: fifty of seventy, and none twice."""
    pin(store, Breaker(canary=50))
    taken, go = [], threading.Barrier(4)

    def claims(name):
        go.wait()
        for _ in range(4):
            taken.extend(one.delivery_id for one in take(store, 7, name))

    threads = [threading.Thread(target=claims, args=(str(number),)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (50, 50) == (len(taken), len(set(taken)))
    assert [] == take(store)


@on_sqlite
def test_who_did_not_go_after_all_leaves_room_for_another(store, people):
    """Given back, or skipped on the way: the canary is what was tried."""
    pin(store, Breaker(canary=50))
    first = take(store)
    with store.write() as connection:
        give_back(connection, "one", [one.delivery_id for one in first[:3]], NOW)
        skip(connection, first[3].delivery_id, SkipReason.EAI_UNSUPPORTED, NOW)
    assert 4 == len(take(store))
    assert [] == take(store)


@pytest.fixture
def tick(store, clock):
    """A function that lets the scheduler tick, some seconds later."""
    ticker = Ticker(store, clock, lambda _: None)

    def later(seconds=0):
        clock.forward(seconds=seconds)
        assert ticker.tick()
        return mailing_of(store)

    return later


def test_the_rest_goes_when_the_canary_has_come_out_and_the_wait_is_over(store, people, tick):
    """Not while one is being sent, and not a second before."""
    pin(store, Breaker(canary=50, canary_wait_s=600))
    claims = take(store)
    end(store, claims[:49], TAKEN)
    assert tick().canary_holds
    assert tick().canary_tried_at is None
    end(store, claims[49:], UNKNOWN)
    assert tick().canary_tried_at is not None
    assert tick(599).canary_holds
    assert [] == take(store)
    assert not tick(1).canary_holds
    assert 20 == len(take(store))


@on_sqlite
def test_deferred_canaries_have_been_tried_unless_they_are_more_than_half(store, people, tick):
    """They come back by themselves: each retry is of the canary and takes nobody else's room."""
    pin(store, Breaker(canary=50, canary_wait_s=0))
    claims = take(store)
    end(store, claims[:24], TAKEN)
    end(store, claims[24:], LATER)
    assert tick().canary_tried_at is None
    later = NOW + timedelta(minutes=11)
    again = take(store, 1, now=later)
    assert again[0].delivery_id in {one.delivery_id for one in claims[24:]}
    end(store, again, TAKEN, now=later)
    assert tick().canary_tried_at is not None
    assert not tick(1).canary_holds


@on_sqlite
def test_a_canary_beyond_a_limit_lets_nobody_go(store, people, tick):
    """It is paused before the scheduler looks; let go on, it waits as it would have."""
    pin(store, Breaker(canary=50, canary_wait_s=0))
    claims = take(store)
    end(store, claims[:44], TAKEN)
    end(store, claims[44:], SPAM)
    assert (MailingState.PAUSED, True) == (tick(60).state, mailing_of(store).canary_holds)
    with store.write() as connection:
        stopping.resume(connection, "s-1", anyway=True)
    assert tick().canary_tried_at is not None
    assert not tick(1).canary_holds
    assert 20 == len(take(store))


@on_sqlite
def test_what_a_mailing_pins_of_the_breaker_comes_back_as_it_was(store, ground):
    """And nothing comes back where nothing was pinned."""
    key = ground.add_list()
    breaker = Breaker(canary=77, canary_wait_s=5)
    assert breaker == ground.add_mailing([key], breaker=breaker).breaker
    assert ground.add_mailing([key]).breaker is None


def test_a_dead_senders_outcomes_are_counted_as_any(store, people):
    """By whoever takes its claims over: what it claimed says whose they are."""
    take(store, 3)
    with store.read() as connection:
        found = open_claims(connection, "one")
    assert [(people, True)] * 3 == [
        (one.mailing_id, one.domain_class in ("other", "gmail")) for one in found
    ]
    end(store, found, None)
    assert {"in_doubt": 3} == _by_ending(store)
    with store.read() as connection:
        states = connection.execute(tables.delivery.select()).all()
    assert 3 == sum(row.state is DeliveryState.IN_DOUBT for row in states)


def _by_ending(store):
    found = {}
    for (_, ending, _), count in counts(store).items():
        found[ending.value] = found.get(ending.value, 0) + count
    return found


@on_sqlite
def test_counts_outlast_the_deliveries_that_they_count(store, people):
    """As every count does: what is cleared away was counted when it was recorded."""
    end(store, take(store), TAKEN)
    before = counts(store)
    with store.write() as connection:
        connection.execute(
            tables.mailing.update().values(state=MailingState.FINISHED, finished_at=NOW)
        )
        assert 70 == clear_deliveries(connection, NOW + timedelta(days=1), 100, NOW)
    assert before == counts(store)
