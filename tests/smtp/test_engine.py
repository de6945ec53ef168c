"""The sender, on a real database and over real sockets."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from mailer.clock import SYSTEM_CLOCK
from mailer.delivery.claims import Material
from mailer.delivery.engine import DeliveryEngine, EngineParts
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import Encryption, RelaySettings, Timeouts
from mailer.model.states import DeliveryState, MailingState
from mailer.sandbox.catcher import Mailbox, serve_catcher
from mailer.store import tables
from mailer.store.mailings import has_open_deliveries
from mailer.store.reports import report
from mailer.store.suppression_log import SuppressionLog
from tests.support.ground import PlainComposer, lay_ground
from tests.support.servers import free_port


@contextlib.asynccontextmanager
async def _catching(port, *, misbehave=True):
    mailbox, stop = Mailbox(10_000), asyncio.Event()
    serving = asyncio.create_task(
        serve_catcher(mailbox, SYSTEM_CLOCK, port, stop, misbehave=misbehave)
    )
    await asyncio.sleep(0.05)
    try:
        yield mailbox
    finally:
        stop.set()
        await serving


def _engine(store, seal_keys, tokens, folder, port, list_id, **changes):
    values = {
        "store": store, "seal_keys": seal_keys, "tokens": tokens, "journal_dir": folder / "journal",
        "log": SuppressionLog(folder / "suppressions.log"),
        "relay": RelaySettings("test", "127.0.0.1", port, Encryption.NONE,
                               timeouts=Timeouts(5, 5, 5, 5, 5)),
        "policy": RetryPolicy(0.2, 0.2, timedelta(hours=1)), "clock": SYSTEM_CLOCK,
        "material_for": lambda _: Material(PlainComposer(), {list_id: "news"}),
        "shutdown_grace_s": 2.0,
    }  # fmt: skip
    return DeliveryEngine(EngineParts(**{**values, **changes}))


async def _run_until_done(engine, store, mailing, patience_s=20):
    stop = asyncio.Event()
    running = asyncio.create_task(engine.run(stop))
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and not running.done():
        await asyncio.sleep(0.05)
        with store.read() as connection:
            if not has_open_deliveries(connection, mailing):
                break
    stop.set()
    await running


def _states(store, mailing):
    with store.read() as connection:
        return report(connection, mailing).by_state


async def test_every_outcome_is_recorded(store, seal_keys, service_keys, tokens, tmp_path, caplog):
    """Accepted, deferred and then accepted, refused, in doubt: each once, on record and in the log."""
    caplog.set_level("INFO", "mailer")
    people = [f"p{n}@example.org" for n in range(30)]
    odd = ["unknown.a@example.org", "busy.a@example.org", "vanishes.a@example.org"]
    mailing, list_id = lay_ground(store, seal_keys, service_keys, people + odd)
    port = free_port()
    async with _catching(port) as mailbox:
        engine = _engine(store, seal_keys, tokens, tmp_path, port, list_id)
        await _run_until_done(engine, store, mailing)
        caught = Counter(mail.rcpt_to for mail in mailbox)
    assert caught == Counter([*people, "busy.a@example.org"])
    assert _states(store, mailing) == {
        DeliveryState.ACCEPTED: 31, DeliveryState.REFUSED: 1, DeliveryState.IN_DOUBT: 1,
    }  # fmt: skip
    with store.read() as connection:
        figures = report(connection, mailing)
        suppressed = connection.execute(tables.suppression.select()).all()
        replies = connection.execute(tables.attempt.select()).all()
    assert figures.by_relay == {
        "test": {"accepted": 31, "refused": 1, "deferred": 1, "in_doubt": 1}
    }
    assert figures.refusals == {"550 5.1.1": 1}
    logged = Counter()
    for line in caplog.records:
        logged[line.message] += len(getattr(line, "rows", ()))
    assert {
        "delivery accepted": 31, "delivery refused": 1, "delivery deferred": 1,
        "delivery in doubt": 1,
    } == +logged  # fmt: skip
    assert [row.reason for row in suppressed] == ["bounced"]
    (line,) = [one for _, one in SuppressionLog(tmp_path / "suppressions.log").read()]
    assert (line.address_digest, line.reason) == (suppressed[0].address_digest, "bounced")
    assert [row for row in replies if "@" in row.reply] == []
    assert list((tmp_path / "journal").glob("*.journal")) == []


async def test_without_a_relay_nothing_is_lost(
    sqlite_store, seal_keys, service_keys, tokens, tmp_path
):
    """While nobody listens everything stays due; when somebody does, everyone is mailed."""
    people = [f"p{n}@example.org" for n in range(10)]
    mailing, list_id = lay_ground(sqlite_store, seal_keys, service_keys, people)
    port = free_port()
    stop = asyncio.Event()
    engine = _engine(sqlite_store, seal_keys, tokens, tmp_path, port, list_id)
    running = asyncio.create_task(engine.run(stop))
    await asyncio.sleep(0.6)
    async with _catching(port) as mailbox:
        for _ in range(200):
            await asyncio.sleep(0.05)
            if len(mailbox) == 10:
                break
        stop.set()
        await running
        assert Counter(mail.rcpt_to for mail in mailbox) == Counter(people)
    assert _states(sqlite_store, mailing) == {DeliveryState.ACCEPTED: 10}


async def test_a_paused_mailing_stops_and_goes_on(
    sqlite_store, seal_keys, service_keys, tokens, tmp_path
):
    """Paused before it begins: nothing leaves; running again: everything does."""
    _, list_id = lay_ground(sqlite_store, seal_keys, service_keys, ["a@example.org"])
    with sqlite_store.write() as connection:
        connection.execute(tables.mailing.update().values(state=MailingState.PAUSED))
    port = free_port()
    async with _catching(port) as mailbox:
        stop = asyncio.Event()
        engine = _engine(sqlite_store, seal_keys, tokens, tmp_path, port, list_id)
        running = asyncio.create_task(engine.run(stop))
        await asyncio.sleep(0.6)
        assert len(mailbox) == 0
        with sqlite_store.write() as connection:
            connection.execute(tables.mailing.update().values(state=MailingState.RUNNING))
        for _ in range(100):
            await asyncio.sleep(0.05)
            if len(mailbox):
                break
        stop.set()
        await running
        assert len(mailbox) == 1


async def test_who_left_since_the_freeze_is_not_mailed(
    store, seal_keys, service_keys, tokens, tmp_path
):
    """The claim looks once more: a list that was left leads nowhere."""
    mailing, list_id = lay_ground(
        store, seal_keys, service_keys, ["a@example.org", "b@example.org"]
    )
    with store.write() as connection:
        connection.execute(
            tables.membership.update()
            .where(tables.membership.c.supporter_id == 1)
            .values(state="left")
        )
    port = free_port()
    async with _catching(port) as mailbox:
        await _run_until_done(
            _engine(store, seal_keys, tokens, tmp_path, port, list_id), store, mailing
        )
        assert [mail.rcpt_to for mail in mailbox] == ["b@example.org"]
    with store.read() as connection:
        assert report(connection, mailing).not_mailed == {"no_consent": 1}


_CHILD = """
import asyncio, sys, uvloop
from pathlib import Path
from mailer.keys import load_seal_keys, load_service_keys
from mailer.store.engine import open_store
from mailer.tokens import Tokens
from tests.smtp.test_engine import _engine
store = open_store(sys.argv[1])
keys = Path(sys.argv[2])
tokens = Tokens(load_service_keys(keys / "service.key"))
engine = _engine(store, load_seal_keys(keys / "seal.key"), tokens, Path(sys.argv[3]),
                 int(sys.argv[4]), int(sys.argv[5]))
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(engine.run(asyncio.Event()))
"""


@pytest.mark.timeout(120)
async def test_killed_again_and_again_nobody_is_missed_or_mailed_twice(
    sqlite_store, seal_keys, service_keys, tokens, key_files, tmp_path
):
    """Kill -9 in mid-mailing, six times: each address once, or in doubt and at most once."""
    people = [f"p{n}@example.org" for n in range(400)]
    mailing, list_id = lay_ground(sqlite_store, seal_keys, service_keys, people)
    port = free_port()
    async with _catching(port, misbehave=False) as mailbox:
        for _ in range(6):
            before = len(mailbox)
            child = subprocess.Popen(  # noqa: ASYNC220  (It is killed, not talked to.)
                [sys.executable, "-c", _CHILD, str(sqlite_store.engine.url), key_files, tmp_path,
                 str(port), str(list_id)],
                env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            )  # fmt: skip
            for _ in range(400):
                await asyncio.sleep(0.01)
                if len(mailbox) >= before + 25:
                    break
            child.send_signal(signal.SIGKILL)
            child.wait()
        engine = _engine(sqlite_store, seal_keys, tokens, tmp_path, port, list_id)
        await _run_until_done(engine, sqlite_store, mailing)
        caught = Counter(mail.rcpt_to for mail in mailbox)
    states = _states(sqlite_store, mailing)
    doubts = states.get(DeliveryState.IN_DOUBT, 0)
    assert max(caught.values()) == 1
    assert states.get(DeliveryState.ACCEPTED, 0) + doubts == 400
    assert len(caught) >= 400 - doubts
    assert doubts <= 6 * 4
