"""The sender when something is wrong with a person, a mailing, the journal or the hour."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from mailer.compose.composer import CannotCompose
from mailer.delivery.claims import Material
from mailer.delivery.journal import JournalFull
from mailer.delivery.login import Auth, TokenSource
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import Encryption, RelaySettings
from mailer.model.audience import UnsubscriptionSource
from mailer.model.faults import Fault, FaultsFound
from mailer.model.states import DeliveryState, MailingState
from mailer.store import tables
from mailer.store.leaving import leave_lists
from mailer.store.mailings import find_mailing
from mailer.store.reports import report
from mailer.store.stopping import release
from tests.smtp.test_engine import _engine, _run_until_done, _states
from tests.smtp.test_service_mails import lost_logins, run_until
from tests.support.clocks import NOW, SteppedClock
from tests.support.ground import PlainComposer, lay_ground
from tests.support.smtp_server import Misbehaviour

PEOPLE = [f"p{n}@example.org" for n in range(6)]


@dataclass(frozen=True)
class Failing(PlainComposer):
    """Composes for all but some deliveries, for which it raises."""

    raised: dict[int, Exception] = field(default_factory=dict)

    def compose(self, outgoing, now):  # noqa: D102  (The protocol says it.)
        if outgoing.delivery_id in self.raised:
            raise self.raised[outgoing.delivery_id]
        return super().compose(outgoing, now)


def _with(composer, list_id):
    return {"material_for": lambda _: Material(composer, {list_id: "news"})}


def _mailing(store):
    with store.read() as connection:
        return find_mailing(connection, "s-1")


def lay_whole_ground(store, seal_keys, service_keys, people):
    """Lay ground whose mailing can be loaded whole; return its row id and list id."""
    laid = lay_ground(store, seal_keys, service_keys, people)
    # What `find_mailing` reads is a whole sender and a whole list.
    with store.write() as connection:
        connection.execute(tables.mailing_target.delete())
        connection.execute(
            tables.mailing.update().values(
                sender={
                    "key": "harbor", "organisation": "harbor", "name": {}, "address": "",
                    "reply_to": "", "base_url": "", "return_path_domain": "", "dkim": [],
                }
            )
        )  # fmt: skip
    return laid


@pytest.fixture
def sqlite_world(sqlite_store, seal_keys, service_keys, tokens, tmp_path, smtp_server):
    """A running mailing to six people, and a function that makes its engine."""
    mailing, list_id = lay_whole_ground(sqlite_store, seal_keys, service_keys, PEOPLE)

    def engine(port, **changes):
        return _engine(sqlite_store, seal_keys, tokens, tmp_path, port, list_id, **changes)

    return sqlite_store, mailing, list_id, engine, smtp_server, tmp_path


async def test_one_mail_that_cannot_be_made_does_not_stop_the_others(sqlite_world):
    """It is refused with the reason; everyone else is mailed."""
    store, mailing, list_id, engine, smtp_server, _ = sqlite_world
    server = smtp_server()
    composer = Failing(raised={3: CannotCompose(3, "To is not one plain mail address")})
    await _run_until_done(engine(server.port, **_with(composer, list_id)), store, mailing)
    assert _states(store, mailing) == {DeliveryState.ACCEPTED: 5, DeliveryState.REFUSED: 1}
    with store.read() as connection:
        (row,) = connection.execute(
            tables.attempt.select().where(tables.attempt.c.delivery_id == 3)
        ).all()
    assert (row.code, row.enhanced_code) == (554, "5.6.0")
    assert row.reply == "not sent, it could not be made: To is not one plain mail address"


async def test_what_is_sent_again_days_later_is_tried_as_long_as_anything(sqlite_world):
    """A relay that says "later" then is asked again: how old the first attempt is says nothing."""
    store, mailing, _, engine, smtp_server, _ = sqlite_world
    server = smtp_server(Misbehaviour.GREYLIST_ONCE)
    now = datetime.now(UTC)
    with store.write() as connection:
        connection.execute(
            tables.delivery.update().values(
                attempts=1, first_attempt_at=now - timedelta(days=9), resent_at=now
            )
        )
    await _run_until_done(engine(server.port), store, mailing)
    assert {DeliveryState.ACCEPTED: 6} == _states(store, mailing)
    assert 6 == len(server.mails)


async def test_a_row_sealed_for_another_does_not_stop_the_others(sqlite_world):
    """Who took one person's sealed address and put it in another's row gets nothing by it."""
    store, mailing, _, engine, smtp_server, _ = sqlite_world
    server = smtp_server()
    with store.write() as connection:
        people = {row.id: row for row in connection.execute(tables.supporter.select())}
        connection.execute(
            tables.supporter.update()
            .where(tables.supporter.c.id == 2)
            .values(address_sealed=people[1].address_sealed)
        )
    await _run_until_done(engine(server.port), store, mailing)
    assert sorted(server.recipients) == [one for one in PEOPLE if one != "p1@example.org"]
    assert _states(store, mailing) == {DeliveryState.ACCEPTED: 5, DeliveryState.REFUSED: 1}


@pytest.mark.parametrize("where", ["loading", "composing"])
async def test_a_mailing_that_cannot_be_made_is_held_and_goes_on_once_it_can(sqlite_world, where):
    """Nobody is refused for a lost key or a broken template: a person is asked, then all go."""
    store, mailing, list_id, engine, smtp_server, _ = sqlite_world
    server = smtp_server()
    fault = FaultsFound([Fault("dkim.key", 0, "senders.harbor.dkim.m", "is missing", "Make one")])
    broken = True

    def material_for(_mailing):
        if where == "loading" and broken:
            raise fault
        failing = dict.fromkeys(range(1, 7), fault) if broken else {}
        return Material(Failing(raised=failing), {list_id: "news"})

    stop = asyncio.Event()
    running = asyncio.create_task(engine(server.port, material_for=material_for).run(stop))
    for _ in range(100):
        await asyncio.sleep(0.05)
        if _mailing(store).state is MailingState.HELD:
            break
    held = _mailing(store)
    assert held.state is MailingState.HELD
    assert "dkim.key" in held.held_reason
    assert server.recipients == []
    broken = False
    with store.write() as connection:
        release(connection, "s-1", NOW)
    await asyncio.to_thread(server.wait_for, 6, 10)
    stop.set()
    await running
    assert sorted(server.recipients) == PEOPLE
    assert _states(store, mailing) == {DeliveryState.ACCEPTED: 6}


@pytest.mark.parametrize("again", [False, True])
async def test_a_retry_keeps_its_pause_when_the_clock_is_set_back(sqlite_world, again):
    """By three hours, while the sender runs or before it begins anew: all are tried seconds later."""
    store, mailing, _, engine, smtp_server, _ = sqlite_world
    server = smtp_server(Misbehaviour.GREYLIST_ONCE)
    clock = SteppedClock(timedelta(hours=3))
    policy = RetryPolicy(2.0, 2.0, timedelta(hours=9))
    deferred = lambda: _states(store, mailing) == {DeliveryState.DEFERRED: 6}  # noqa: E731

    def go_on():
        if deferred():
            clock.step = timedelta()
        return len(server.mails) == 6

    if again:
        await run_until(engine(server.port, clock=clock, policy=policy), deferred)
        clock.step = timedelta()
    await run_until(engine(server.port, clock=clock, policy=policy), go_on)
    assert {DeliveryState.ACCEPTED: 6} == _states(store, mailing)
    assert timedelta() == clock.step


def _not_mailed(store, mailing):
    with store.read() as connection:
        return report(connection, mailing).not_mailed


async def test_who_leaves_while_the_relay_thinks_about_rcpt_gets_no_data(sqlite_world):
    """Invariant 3 where commands are not pipelined: asked once more right before DATA."""
    store, mailing, _, engine, smtp_server, _ = sqlite_world
    server = smtp_server(
        lambda rcpt: Misbehaviour.SLOW_RCPT if rcpt == PEOPLE[0] else Misbehaviour.ACCEPT,
        pipelining=False, slow_s=1.0,
    )  # fmt: skip
    stop = asyncio.Event()
    running = asyncio.create_task(engine(server.port).run(stop))
    for _ in range(2_000):
        if any(PEOPLE[0] in command for command in server.commands):
            break
        await asyncio.sleep(0.01)
    with store.write() as connection:
        leave_lists(connection, 1, 1, UnsubscriptionSource.ONE_CLICK, NOW)
    # It is given back, and the next claim finds out that no list leads to them.
    for _ in range(400):
        if _not_mailed(store, mailing):
            break
        await asyncio.sleep(0.05)
    stop.set()
    await running
    assert sorted(server.recipients) == PEOPLE[1:]
    assert _not_mailed(store, mailing) == {"no_consent": 1}


async def test_no_data_is_written_more_than_a_quarter_second_after_leaving(
    sqlite_store, seal_keys, service_keys, tokens, tmp_path, smtp_server
):
    """People leave one after the other at full speed; the wire is held against the commits."""
    people = [f"p{n}@example.org" for n in range(1200)]
    _, list_id = lay_ground(sqlite_store, seal_keys, service_keys, people)
    server = smtp_server(Misbehaviour.SLOW_REPLY, slow_s=0.02)
    taken: dict[str, float] = {}
    took = server.take

    def noting(mail):
        taken.setdefault(mail.rcpt_tos[0], time.monotonic())
        took(mail)

    server.take = noting
    stop = asyncio.Event()
    engine = _engine(sqlite_store, seal_keys, tokens, tmp_path, server.port, list_id)
    running = asyncio.create_task(engine.run(stop))
    left: dict[str, float] = {}

    def leave(number):
        with sqlite_store.write() as connection:
            leave_lists(connection, number + 1, number + 1, UnsubscriptionSource.ONE_CLICK, NOW)
        left[people[number]] = time.monotonic()

    # From the end, where nobody has been mailed yet, towards the sender that comes from the front.
    for number in range(1199, 700, -7):
        await asyncio.to_thread(leave, number)
        await asyncio.sleep(0.02)
    stop.set()
    await running
    late = {one: taken[one] - at for one, at in left.items() if one in taken and taken[one] > at}
    assert len(left) > 50
    # The content follows its DATA command within the few milliseconds that the server takes.
    assert [gap for gap in late.values() if gap > 0.25] == []


async def test_a_full_disk_under_the_journal_sends_nothing_and_says_so(sqlite_world, monkeypatch):
    """No mark, no end of DATA: the engine ends with the reason, and every delivery is due."""
    store, mailing, _, engine, smtp_server, folder = sqlite_world
    server = smtp_server()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(JournalFull) as raised:
        await asyncio.wait_for(engine(server.port).run(asyncio.Event()), 20)
    assert raised.value.reason == "No space left on device"
    assert server.recipients == []
    assert _states(store, mailing) == {DeliveryState.DUE: 6}
    assert list((folder / "journal").glob("*.journal")) == []


async def test_what_is_open_when_the_grace_ends_is_in_doubt_and_the_rest_due(sqlite_world):
    """Stopping waits for final replies so long and no longer; then nobody is mailed twice."""
    store, mailing, _, engine, smtp_server, folder = sqlite_world
    server = smtp_server(Misbehaviour.HANG_AFTER_DATA)
    stop = asyncio.Event()
    running = asyncio.create_task(engine(server.port, shutdown_grace_s=0.3).run(stop))
    await asyncio.to_thread(server.wait_for, 4)
    stop.set()
    await asyncio.wait_for(running, 10)
    assert _states(store, mailing) == {DeliveryState.IN_DOUBT: 4, DeliveryState.DUE: 2}
    assert list((folder / "journal").glob("*.journal")) == []


async def test_stopping_while_the_relay_does_not_greet_leaves_everything_due(sqlite_world):
    """Connections that were never open are given up, and their claims with them."""
    store, mailing, _, engine, smtp_server, _ = sqlite_world
    server = smtp_server(Misbehaviour.HANG_AT_CONNECT)
    stop = asyncio.Event()
    running = asyncio.create_task(engine(server.port, shutdown_grace_s=0.3).run(stop))
    await asyncio.sleep(0.5)
    stop.set()
    await asyncio.wait_for(running, 15)
    assert _states(store, mailing) == {DeliveryState.DUE: 6}


async def test_without_a_token_nothing_is_lost_and_staff_are_told(sqlite_world):
    """Everyone stays due while the program fails; when it tells a token again, everyone is mailed."""
    store, mailing, _, engine, smtp_server, folder = sqlite_world
    server = smtp_server(login=("news@example.org", "ya29.token"), mechanisms=("XOAUTH2",))
    relay = RelaySettings(
        "test", "127.0.0.1", server.port, Encryption.NONE, connections=1,
        username="news@example.org", auth=Auth.XOAUTH2,
        tokens=TokenSource(["cat", "token"], folder),
    )  # fmt: skip
    await run_until(engine(server.port, relay=relay), lambda: lost_logins(store))
    assert ([False], []) == (lost_logins(store), server.mails)
    with store.read() as connection:
        (told,) = connection.execute(tables.alert.select()).all()
    assert "token_command failed: it ended with status 1" == told.facts["reason"]
    assert {DeliveryState.DUE: len(PEOPLE)} == _states(store, mailing)
    (folder / "token").write_text("ya29.token")
    await run_until(engine(server.port, relay=relay), lambda: lost_logins(store) == [True])
    assert [True] == lost_logins(store)
    await _run_until_done(engine(server.port, relay=relay), store, mailing)
    assert {DeliveryState.ACCEPTED: len(PEOPLE)} == _states(store, mailing)
