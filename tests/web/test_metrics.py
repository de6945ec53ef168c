"""Figures for Prometheus, and whether all is well: from the database, on this machine only."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mailer.app.health import what_is_wrong
from mailer.app.workspace import Workspace
from mailer.cli.workspace import init
from mailer.delivery.journal import Journal, boot_id
from mailer.model.breaker import Breaker, Ending, RefusalReason
from mailer.model.states import DeliveryState, MailingState
from mailer.schedule.ticker import LEASE
from mailer.store import tables
from mailer.store.breaker import breaker_to_columns
from mailer.store.engine import StoreUnavailable
from mailer.store.leases import take_lease
from mailer.store.metrics import metrics
from mailer.store.outcomes import Counted, count_endings
from mailer.store.workers import register_worker
from mailer.web.metrics import create_metrics_app
from tests.support.clocks import NOW
from tests.support.factories import make_revision
from tests.support.public_web import serve_app

CANARY_ADDRESS = "zq9canary@secret.example.org"
LATER = NOW + timedelta(seconds=90)


@pytest.fixture
def filled(ground, store):
    """Two mailings with deliveries in every state and outcomes that were counted."""
    key = ground.add_list()
    person = ground.add_supporter(CANARY_ADDRESS, key)
    others = [ground.add_supporter(f"p{number}@example.org", key) for number in range(4)]
    running = ground.add_mailing([key])
    paused = ground.add_mailing([key], MailingState.PAUSED, make_revision(slug="other"))
    ground.add_delivery(running, person)
    ground.add_delivery(running, others[0], DeliveryState.DEFERRED, next_attempt_at=LATER)
    ground.add_delivery(running, others[1], DeliveryState.IN_DOUBT)
    ground.add_delivery(running, others[2], DeliveryState.ACCEPTED)
    ground.add_delivery(paused, others[3], next_attempt_at=NOW - timedelta(days=1))
    other = (running.row_id, "main", "other")
    spam = (paused.row_id, "main", "gmail", Ending.REFUSED, RefusalReason.SPAM)
    with store.write() as connection:
        count_endings(connection, {Counted(*other, Ending.ACCEPTED): 3, Counted(*spam): 1})
        count_endings(connection, {Counted(*other, Ending.ACCEPTED): 1, Counted(*spam): 1})
    return running


def look(store, now=LATER):
    """Return the figures as they are at an instant."""
    with store.read() as connection:
        return metrics(connection, now)


def test_the_figures_are_those_of_the_database(filled, store):
    """Sums over mailings, what waits, what is in doubt, and the oldest that may go out now."""
    seen = look(store)
    assert [
        ("main", "gmail", "refused", "spam", 2),
        ("main", "other", "accepted", "", 4),
    ] == [
        (one.relay, one.domain_class, one.ending, one.reason, one.deliveries)
        for one in seen.outcomes
    ]
    assert {"due": 2, "deferred": 1, "sending": 0} == seen.waiting
    assert 1 == seen.in_doubt
    assert (1, 1, 0) == (
        seen.mailings[MailingState.RUNNING], seen.mailings[MailingState.PAUSED],
        seen.mailings[MailingState.HELD],
    )  # fmt: skip
    # That of the mailing that is paused is older, and waits for a person.
    assert 90 == seen.oldest_due_s


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_what_waits_for_a_canary_is_not_late(filled, ground, store):
    """Nobody is to be woken for it."""
    with store.write() as connection:
        connection.execute(tables.mailing.update().values(breaker_to_columns(Breaker(canary=3))))
    assert 0 == look(store).oldest_due_s
    assert 30 == look(store, LATER + timedelta(seconds=30)).oldest_due_s


@pytest.fixture
def site(filled, store):
    """The figures served, with what is wrong in a list to be changed."""
    wrong = []
    with serve_app(create_metrics_app(lambda: look(store), lambda: wrong)) as served:
        yield served, wrong


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_prometheus_reads_them_and_nobody_is_in_them(site):
    """Its own parser does; counters end with _total."""
    served, _ = site
    with served.visitor() as visitor:
        answer = visitor.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert 2 == samples[("mailer_outcomes_total", "gmail", "main", "refused", "spam")]
    assert 2 == samples[("mailer_deliveries_waiting", "due")]
    assert 90 == samples[("mailer_oldest_due_seconds",)]
    assert "zq9canary" not in answer.text
    assert "secret" not in answer.text


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_health_is_said_in_a_word_or_in_what_is_wrong(site):
    """200 while all is well, else 503; and neither is read by a page of another name."""
    served, wrong = site
    with served.visitor() as visitor:
        well = visitor.get("/healthz")
        wrong.append("No sender is at work: nothing goes out.")
        ill = visitor.get("/healthz")
        strangers = [
            visitor.get(path, headers={"Host": "evil.example"}).status_code
            for path in ("/metrics", "/healthz")
        ]
    assert (200, "All is well.\n") == (well.status_code, well.text)
    assert (503, "No sender is at work: nothing goes out.\n") == (ill.status_code, ill.text)
    assert [421, 421] == strangers


def test_without_the_database_there_are_no_figures():
    """503 with the reason, and no traceback."""

    def gone():
        raise StoreUnavailable("The database cannot be opened", "Mend it")

    with serve_app(create_metrics_app(gone, list)) as served, served.visitor() as visitor:
        answer = visitor.get("/metrics")
    assert (503, "The database cannot be opened.\n") == (answer.status_code, answer.text)


@pytest.fixture
def workspace(tmp_path):
    """A new workspace with nothing at work in it."""
    init(tmp_path / "campaign")
    opened = Workspace.open(tmp_path / "campaign")
    yield opened
    opened.store.close()


def test_what_is_wrong_is_who_is_missing(workspace):
    """The scheduler is there by its lease, a sender by the journal that it holds open."""
    assert ["No scheduler", "No sender"] == [
        one.partition(" is ")[0] for one in what_is_wrong(workspace)
    ]
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        register_worker(connection, "7-dead", 7, boot_id(), now)
        take_lease(connection, LEASE, "x", now, now + timedelta(seconds=15))
    assert ["No sender"] == [one.partition(" is ")[0] for one in what_is_wrong(workspace)]
    journal = Journal(workspace.config.journal_dir, f"{os.getpid()}-alive")
    with workspace.store.write() as connection:
        register_worker(connection, f"{os.getpid()}-alive", os.getpid(), boot_id(), now)
    assert [] == what_is_wrong(workspace)
    journal.close()
