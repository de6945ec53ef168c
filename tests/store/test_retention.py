"""Retention: what is old becomes counts, and an answer about it becomes an error."""

from datetime import timedelta

import pytest

from mailer.feedback.unsubscribe import unsubscribe
from mailer.model.audience import UnsubscriptionSource
from mailer.model.states import DeliveryState, MailingState, Outcome, SkipReason
from mailer.schedule import housekeeping
from mailer.schedule.housekeeping import Housekeeper, Retention
from mailer.store.history import gone_deliveries
from mailer.store.reports import deliveries, report
from mailer.store.retention import DeliveriesGone, clear_deliveries
from mailer.store.suppression_log import SuppressionLog
from mailer.store.tables import attempt, delivery, delivery_list, mailing, membership
from mailer.tokens import Purpose
from tests.support.factories import make_revision
from tests.support.tallies import count_attempts

DAYS = {
    "undo": 30,
    "feedback": 30,
    "attempts": 90,
    "journals": 90,
    "deliveries": 400,
    "rejects": 30,
}


@pytest.fixture
def keeper(store, clock, tmp_path):
    """Clears away as the example config says."""
    ages = {name: timedelta(days=days) for name, days in DAYS.items()}
    folders = {"journal_dir": tmp_path / "journal", "rejects_dir": tmp_path / "rejects"}
    for folder in folders.values():
        folder.mkdir()
    return Housekeeper(store, clock, Retention(**ages, **folders))


def work(keeper):
    """Clear until nothing is left to do."""
    while keeper.step():
        pass


def add_sent(ground, store, slug, state=MailingState.FINISHED):
    """Write a mailing with an accepted, a refused and a skipped delivery; return it and a token."""
    revision = make_revision(slug=slug)
    made = ground.add_mailing(["harbor-news", "harbor-more"], revision=revision)
    people = [
        ground.add_supporter(f"{slug}{number}@example.org", "harbor-news", "harbor-more")
        for number in range(3)
    ]
    ids = [
        ground.add_delivery(made, people[0], DeliveryState.ACCEPTED),
        ground.add_delivery(
            made, people[1], DeliveryState.REFUSED, code=550, enhanced_code="5.1.1"
        ),
        ground.add_delivery(
            made, people[2], DeliveryState.SKIPPED, None, skip_reason=SkipReason.SUPPRESSED
        ),
    ]
    with store.write() as connection:
        for row_id, outcome in zip(ids[:2], (Outcome.ACCEPTED, Outcome.REFUSED), strict=True):
            connection.execute(
                attempt.insert().values(
                    delivery_id=row_id, number=1, relay="main", started_at=ground.now,
                    duration_ms=1, outcome=outcome, code=250, enhanced_code="", reply="",
                )
            )  # fmt: skip
        count_attempts(connection, made.row_id)
        connection.execute(
            mailing.update()
            .where(mailing.c.id == made.row_id)
            .values(state=state, finished_at=ground.now if state is MailingState.FINISHED else None)
        )
    return made, ids, people


@pytest.fixture
def sent(ground, store):
    """A mailing that has ended."""
    ground.add_list("harbor-news")
    ground.add_list("harbor-more")
    return add_sent(ground, store, "one")


def figures(store, made):
    """Return the report of a mailing."""
    with store.read() as connection:
        return report(connection, made.row_id)


def count(store, *tables):
    """Return how many rows each table has."""
    with store.read() as connection:
        return [len(connection.execute(table.select()).all()) for table in tables]


def test_nothing_is_cleared_before_its_day(store, keeper, clock, sent):
    """Not a day early; then attempts go, and the report tells the same."""
    before = figures(store, sent[0])
    clock.forward(days=90)
    work(keeper)
    assert [2, 3] == count(store, attempt, delivery)
    clock.forward(hours=2)
    work(keeper)
    assert [0, 3] == count(store, attempt, delivery)
    assert before == figures(store, sent[0])


def test_deliveries_become_counts_and_the_report_tells_the_same(store, keeper, clock, sent):
    """By state, language, list, relay, reply and reason; who got it nobody can say any more."""
    before = figures(store, sent[0])
    clock.forward(days=401)
    work(keeper)
    assert [0, 0, 0] == count(store, attempt, delivery, delivery_list)
    after = figures(store, sent[0])
    assert clock.now() == after.gone_at
    for name in ("by_state", "by_language", "by_list", "by_relay", "not_mailed", "refusals",
                 "memberships"):  # fmt: skip
        assert getattr(before, name) == getattr(after, name), name
    with store.read() as connection, pytest.raises(DeliveriesGone, match="only counts are left"):
        list(deliveries(connection, sent[0].row_id))


def test_a_mailing_that_had_no_deliveries_has_lost_none(store, ground, keeper, clock, sent):
    """Cancelled before its hour: that it reached nobody is known for good."""
    made = ground.add_mailing(["harbor-news"], revision=make_revision(slug="never"))
    with store.write() as connection:
        connection.execute(
            mailing.update()
            .where(mailing.c.id == made.row_id)
            .values(state=MailingState.CANCELLED, finished_at=ground.now)
        )
    clock.forward(days=401)
    work(keeper)
    with store.read() as connection:
        gone = gone_deliveries(connection, ["one", "never"])
    assert ["one"] == [one.slug for one in gone]


def test_a_mailing_half_cleared_is_whole_in_its_report(store, clock, sent):
    """At any instant a kill leaves rows and counts that add up; from the first on it is an error."""
    before = figures(store, sent[0])
    for _ in range(2):
        with store.write() as connection:
            clear_deliveries(connection, clock.now() + timedelta(days=1), 1, clock.now())
        now = figures(store, sent[0])
        assert (before.by_state, before.memberships) == (now.by_state, now.memberships)
        assert before.by_relay == now.by_relay
        with store.read() as connection, pytest.raises(DeliveriesGone):
            list(deliveries(connection, sent[0].row_id))


def test_a_mailing_that_has_not_ended_is_never_touched(store, ground, keeper, clock, sent):
    """Paused for years, say; those around it are cleared all the same."""
    made, _, _ = add_sent(ground, store, "two", MailingState.PAUSED)
    add_sent(ground, store, "three")
    clock.forward(days=2_000)
    work(keeper)
    assert [2, 3] == count(store, attempt, delivery)
    assert None is figures(store, made).gone_at


def test_the_link_of_a_mail_that_is_gone_still_leaves_every_list(
    store, tokens, keeper, clock, sent, tmp_path
):
    """Of the organisation that sent it."""
    _, ids, people = sent
    clock.forward(days=401)
    work(keeper)
    token = tokens.person(Purpose.UNSUBSCRIBE, ids[0], people[0])
    source = UnsubscriptionSource.ONE_CLICK
    log = SuppressionLog(tmp_path / "suppressions.log")
    assert 2 == unsubscribe(store, tokens, token, source, clock.now(), log).left
    with store.read() as connection:
        left = [row.supporter_id for row in connection.execute(
            membership.select().where(membership.c.left_at.is_not(None))
        )]  # fmt: skip
    assert [people[0]] * 2 == left


def test_small_steps_come_to_the_same(store, keeper, clock, sent, monkeypatch):
    """A step that runs out of time goes on with the next tick, and once an hour it begins anew."""
    monkeypatch.setattr(housekeeping, "CHUNK", 1)
    clock.forward(days=401)
    work(keeper)
    assert [0, 0] == count(store, attempt, delivery)
    assert not keeper.step()


def test_old_files_go_and_young_ones_stay(keeper, clock, tmp_path):
    """Kept journals and reject files; a journal that is in use is no kept one."""
    import os

    now = clock.now().timestamp()
    for name, days in (("journal/a.kept", 91), ("journal/b.kept", 89), ("journal/c.journal", 500),
                       ("rejects/1.csv", 31), ("rejects/2.csv", 29)):  # fmt: skip
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (now - days * 86_400,) * 2)
    work(keeper)
    left = sorted(path.name for path in (tmp_path / "journal").iterdir())
    assert ["b.kept", "c.journal", "cleared.until"] == left
    assert ["2.csv"] == [path.name for path in (tmp_path / "rejects").iterdir()]
