"""Whoever is marked discreet, by their own mark or by a list's, is mailed through no door."""

import asyncio
from dataclasses import replace

import pytest

from mailer.app.discreet import heed_discreet_lists
from mailer.app.workspace import Workspace
from mailer.audience.coverage import coverage
from mailer.clock import SYSTEM_CLOCK
from mailer.model.audience import LanguageChoice, LanguageStep
from mailer.model.states import DeliveryState, MailingState, SkipReason
from mailer.schedule.ticker import Ticker
from mailer.store import tables
from mailer.store.audience import mark_discreet, sync_lists
from mailer.store.claims import claim
from mailer.store.mailings import load_mailing
from mailer.store.reports import report
from tests.smtp.test_engine import _engine
from tests.support.clocks import NOW, FixedClock

CHOICE = LanguageChoice("en", LanguageStep.FIRST, "en")
DISCREET = {SkipReason.DISCREET_NOT_READY: 1}


def claimed(store):
    """Claim what is due; return the supporters."""
    with store.write() as connection:
        return {one.supporter_id for one in claim(connection, "w", 10, NOW)}


def not_mailed(store, mailing):
    """Return the reasons on record, but for second lists of the same person."""
    with store.read() as connection:
        found = report(connection, mailing.row_id).not_mailed
    return {key: count for key, count in found.items() if key != SkipReason.DUPLICATE_ADDRESS}


@pytest.fixture
def two(ground):
    """A running mailing to two people who wait for it; one has a delivery on another list too."""
    ground.add_list("harbor-news")
    ground.add_list("harbor-quiet")
    mailing = ground.add_mailing(["harbor-news"])
    open_one = ground.add_supporter("anna@example.org", "harbor-news")
    other = ground.add_supporter("boris@example.org", "harbor-news", "harbor-quiet")
    for person in (open_one, other):
        ground.add_delivery(mailing, person)
    return mailing, open_one, other


def test_a_person_marked_after_freezing_is_not_claimed(store, two):
    """The mark counts at once, on the row that is merged."""
    mailing, open_one, other = two
    with store.write() as connection:
        connection.execute(
            tables.supporter.update().where(tables.supporter.c.id == other).values(discreet=True)
        )
    assert {open_one} == claimed(store)
    assert DISCREET == not_mailed(store, mailing)


def test_a_mark_on_another_organisations_row_counts_too(ground, store, two):
    """The address is one person, whoever knows of the danger."""
    mailing, open_one, _ = two
    ground.add_list("lantern-friends", "lantern")
    ground.add_supporter("boris@example.org", "lantern-friends", discreet=True)
    assert {open_one} == claimed(store)
    assert DISCREET == not_mailed(store, mailing)


@pytest.mark.parametrize("state", ["subscribed", "left"])
def test_a_list_marked_after_freezing_keeps_its_people_from_every_mailing(store, two, state):
    """Also from one that goes to another list, and also those who left it."""
    mailing, open_one, other = two
    with store.write() as connection:
        mark_discreet(connection, ["harbor-quiet"], NOW)
        quiet = tables.mailing_list.select().where(tables.mailing_list.c.key == "harbor-quiet")
        connection.execute(
            tables.membership.update()
            .where(tables.membership.c.list_id == connection.execute(quiet).one().id)
            .values(state=state)
        )
    assert {open_one} == claimed(store)
    assert DISCREET == not_mailed(store, mailing)
    assert other not in claimed(store)


def test_a_deferred_delivery_is_not_tried_again_once_marked(ground, store, two):
    """The next attempt is a claim like the first."""
    mailing, open_one, other = two
    with store.write() as connection:
        connection.execute(
            tables.delivery.update()
            .where(tables.delivery.c.supporter_id == other)
            .values(state=DeliveryState.DEFERRED, attempts=1)
        )
        mark_discreet(connection, ["harbor-quiet"], NOW)
    assert {open_one} == claimed(store)
    assert DISCREET == not_mailed(store, mailing)


def test_at_freezing_and_in_the_count_before_they_are_left_out(ground, store):
    """A list that turned discreet after the mailing was scheduled, as the database has it."""
    ground.add_list("harbor-news")
    mailing = ground.add_mailing(["harbor-news"], state=MailingState.SCHEDULED)
    ground.add_supporter("anna@example.org", "harbor-news")
    row_id, definition = ground.lists["harbor-news"]
    with store.write() as connection:
        sync_lists(connection, [replace(definition, discreet=True)], NOW)
    ticker = Ticker(store, FixedClock(NOW), lambda _: lambda _profile, _list: CHOICE)
    ticker.tick()
    assert DISCREET == not_mailed(store, mailing)
    with store.read() as connection:
        planned = coverage(
            connection, [(row_id, definition)], None, None, lambda _profile, _list: CHOICE, NOW
        )
    assert (0, 1) == (planned.to_mail, planned.not_mailed[SkipReason.DISCREET_NOT_READY])


def test_a_file_that_turns_discreet_after_scheduling_is_heeded_before_freezing(tmp_path, ground):
    """Nobody has to import or schedule anything for it; the tick that freezes looks first."""
    folder = tmp_path / "ws"
    (folder / "lists").mkdir(parents=True)
    (folder / "config.toml").write_text(
        '[[organisations]]\nkey = "harbor"\nname = { en = "Harbor" }\n'
        '[[senders]]\nkey = "harbor"\norganisation = "harbor"\nname = { en = "Harbor" }\n'
        'address = "news@harbor.example.org"\nreturn_path_domain = "bounces.harbor.example.org"\n'
    )
    text = (
        'name = { en = "News" }\nowner = "harbor"\nsender = "harbor"\n'
        'list_id = "news.harbor.example.org"\nconsent_basis = "consent"\nlanguages = ["en"]\n'
        'time_zone = "UTC"\n'
    )
    path = folder / "lists" / "harbor-news.toml"
    path.write_text(text)
    workspace = Workspace.open(folder, FixedClock(NOW))
    workspace.__dict__["store"] = ground.store
    ground.add_list("harbor-news")
    mailing = ground.add_mailing(["harbor-news"], state=MailingState.SCHEDULED)
    ground.add_supporter("anna@example.org", "harbor-news")
    heed_discreet_lists(workspace)
    path.write_text(text + "discreet = true\n")
    ticker = Ticker(
        ground.store, FixedClock(NOW), lambda _: lambda _profile, _list: CHOICE,
        before_freezing=lambda: heed_discreet_lists(workspace),
    )  # fmt: skip
    ticker.tick()
    assert DISCREET == not_mailed(ground.store, mailing)
    # A broken file takes no mark back, nor does one that is gone.
    path.write_text("no list")
    heed_discreet_lists(workspace)
    path.unlink()
    heed_discreet_lists(workspace)
    with ground.store.read() as connection:
        (row,) = connection.execute(tables.mailing_list.select()).all()
    assert row.definition["discreet"] is True


async def test_the_real_sender_mails_nobody_who_was_marked_late(
    ground, store, two, seal_keys, tokens, tmp_path, smtp_server
):
    """The whole way, over a socket: the other person is mailed and the mailing can finish."""
    mailing, _, _ = two
    with store.write() as connection:
        mark_discreet(connection, ["harbor-quiet"], NOW)
        connection.execute(tables.delivery.update().values(next_attempt_at=NOW.replace(year=2020)))
    server = smtp_server()
    list_id = ground.lists["harbor-news"][0]
    engine = _engine(store, seal_keys, tokens, tmp_path, server.port, list_id)
    stop = asyncio.Event()
    running = asyncio.create_task(engine.run(stop))
    await asyncio.to_thread(server.wait_for, 1)
    await asyncio.sleep(0.5)
    stop.set()
    await running
    assert ["anna@example.org"] == server.recipients
    assert DISCREET == not_mailed(store, mailing)
    with store.read() as connection:
        assert MailingState.RUNNING is load_mailing(connection, mailing.row_id).state
    assert SYSTEM_CLOCK.now() > NOW.replace(year=2020)
