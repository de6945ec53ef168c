"""Service mails by the real sender: outcomes, deaths, refused logins."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from mailer.clock import SYSTEM_CLOCK
from mailer.delivery.engine import DeliveryEngine, EngineParts
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.service import service_work
from mailer.delivery.session import Encryption, RelaySettings, Timeouts
from mailer.keys import load_seal_keys, load_service_keys
from mailer.model.alerts import AlertKind
from mailer.model.service import ServiceMail, ServicePurpose
from mailer.model.states import DeliveryState
from mailer.store import tables
from mailer.store.alerts import last_alerts
from mailer.store.engine import open_store
from mailer.store.relays import relay_contacts
from mailer.store.service_mails import take_service_id, write_service_mail
from mailer.store.suppression_log import SuppressionLog
from mailer.tokens import ServiceTokens
from tests.smtp.test_engine import _engine, _states
from tests.support.ground import lay_ground
from tests.support.smtp_server import Misbehaviour


def engine_for(store, seal_keys, tokens, folder, port, login=("", ""), **changes):
    """Return the sender of the service mails of the relay "main", which listens on a port."""
    relay = RelaySettings(
        "main", "127.0.0.1", port, Encryption.NONE, username=login[0], password=login[1],
        connections=1, timeouts=Timeouts(5, 5, 5, 5, 5),
    )  # fmt: skip
    values = {
        "store": store, "seal_keys": seal_keys, "tokens": tokens, "relay": relay,
        "journal_dir": folder / "journal",
        "log": SuppressionLog(folder / "suppressions.log"),
        "policy": RetryPolicy(0.2, 0.2, timedelta(hours=1)),
        "clock": SYSTEM_CLOCK, "material_for": lambda _: None, "shutdown_grace_s": 2.0,
        "work": service_work(store, seal_keys, "main", SYSTEM_CLOCK, idle_s=0.05),
    }  # fmt: skip
    return DeliveryEngine(EngineParts(**{**values, **changes}))


def write_mails(store, seal_keys, addresses, content="Subject: hello\r\n\r\nhello\r\n"):
    """Write a service mail to each address; return their ids."""
    ids = []
    now = SYSTEM_CLOCK.now()
    with store.write() as connection:
        for number, address in enumerate(addresses):
            service_id = take_service_id(connection)
            mail = ServiceMail(
                service_id, ServicePurpose.ALERT, f"alert-{number}", address, b"d" * 16,
                f"b+{service_id}@bounces.example.org", content.encode(), "main",
            )  # fmt: skip
            assert write_service_mail(connection, seal_keys, mail, now)
            ids.append(service_id)
    return ids


def states(store):
    """Return how many service mails are in each state."""
    with store.read() as connection:
        return dict(Counter(row.state for row in connection.execute(tables.service_mail.select())))


async def run_until(engine, done, patience_s=20):
    """Run an engine until something holds, and end it."""
    stop = asyncio.Event()
    running = asyncio.create_task(engine.run(stop))
    for _ in range(int(patience_s / 0.05)):
        await asyncio.sleep(0.05)
        if running.done() or await asyncio.to_thread(done):
            break
    stop.set()
    await running


@pytest.fixture
def service_tokens(service_keys):
    """Tokens of service mails."""
    return ServiceTokens(service_keys)


async def test_each_outcome_is_on_record_as_for_deliveries(
    store, seal_keys, service_tokens, tmp_path, smtp_server
):
    """Accepted, refused, deferred and then accepted, in doubt, and one that may not be sent."""
    behaviour = {
        "no": Misbehaviour.REFUSE_RCPT, "later": Misbehaviour.GREYLIST_ONCE,
        "drop": Misbehaviour.ACCEPT_THEN_DROP,
    }  # fmt: skip
    server = smtp_server(
        lambda rcpt: behaviour.get(rcpt.partition("@")[0], Misbehaviour.ACCEPT), dsn=True
    )
    names = ("yes", "no", "later", "drop")
    first, *_ = write_mails(store, seal_keys, [f"{name}@staff.example.org" for name in names])
    with store.write() as connection:
        service_id = take_service_id(connection)
        broken = ServiceMail(
            service_id, ServicePurpose.ALERT, "alert-9", "bare@staff.example.org", b"d" * 16,
            "b@bounces.example.org", b"Subject: a\n\nbare\n", "main",
        )  # fmt: skip
        write_service_mail(connection, seal_keys, broken, SYSTEM_CLOCK.now())
    wanted = {
        DeliveryState.ACCEPTED: 2, DeliveryState.REFUSED: 2, DeliveryState.IN_DOUBT: 1,
    }  # fmt: skip
    engine = engine_for(store, seal_keys, service_tokens, tmp_path, server.port)
    await run_until(engine, lambda: states(store) == wanted)
    assert wanted == states(store)
    assert ["yes@staff.example.org", "drop@staff.example.org", "later@staff.example.org"] == (
        server.recipients
    )
    # No bounce of it can be taken for one of a delivery.
    (envelope,) = [one for one in server.mails[0].mail_parameters if one.startswith("ENVID=")]
    assert first == service_tokens.read_feedback(envelope.removeprefix("ENVID="))
    # What is all on record is kept beside: a restore settles by it.
    assert [] == list((tmp_path / "journal").glob("*.journal"))
    with store.read() as connection:
        (met,) = relay_contacts(connection)
    assert ("main", False) == (met.relay, met.is_failing)


_CHILD = """
import asyncio, sys, uvloop
from pathlib import Path
from tests.smtp.test_service_mails import child
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(child(*sys.argv[1:]))
"""


async def child(url, keys, folder, port):
    """Send in a process of its own, until it is killed."""
    store, keys = open_store(url), Path(keys)
    tokens = ServiceTokens(load_service_keys(keys / "service.key"))
    seal_keys = load_seal_keys(keys / "seal.key")
    engine = engine_for(store, seal_keys, tokens, Path(folder), int(port))
    await engine.run(asyncio.Event())


@pytest.mark.timeout(120)
async def test_killed_again_and_again_nothing_is_missed_or_sent_twice(
    sqlite_store, seal_keys, service_keys, service_tokens, tokens, key_files, tmp_path, smtp_server
):
    """Kill -9, beside a mailing's sender: each service mail once, or in doubt, one per death.

    Deliveries have the same ids as the service mails, and none is taken for the other.
    """
    addresses = [f"s{n}@staff.example.org" for n in range(40)]
    people = [f"p{n}@example.org" for n in range(40)]
    mailing, list_id = lay_ground(sqlite_store, seal_keys, service_keys, people)
    write_mails(sqlite_store, seal_keys, addresses)
    server = smtp_server(Misbehaviour.SLOW_REPLY, slow_s=0.03)
    for deaths in range(2):
        process = subprocess.Popen(  # noqa: ASYNC220  (It is killed, not talked to.)
            [sys.executable, "-c", _CHILD, str(sqlite_store.engine.url), key_files, tmp_path,
             str(server.port)],
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )  # fmt: skip
        await asyncio.to_thread(server.wait_for, 7 * deaths + 5, 30)
        process.send_signal(signal.SIGKILL)
        process.wait()
    # The mailing's own sender takes over the dead worker, as whoever comes first does.
    mailings = _engine(sqlite_store, seal_keys, tokens, tmp_path, server.port, list_id)
    await run_until(mailings, lambda: _states(sqlite_store, mailing).get("accepted") == 40)
    assert {DeliveryState.ACCEPTED: 40} == _states(sqlite_store, mailing)
    engine = engine_for(sqlite_store, seal_keys, service_tokens, tmp_path, server.port)
    ended = {DeliveryState.ACCEPTED, DeliveryState.IN_DOUBT}
    await run_until(engine, lambda: states(sqlite_store).keys() <= ended)
    caught, found = Counter(server.recipients), states(sqlite_store)
    assert 1 == max(caught.values())
    assert 40 == found[DeliveryState.ACCEPTED] + found.get(DeliveryState.IN_DOUBT, 0)
    assert 40 - found.get(DeliveryState.IN_DOUBT, 0) <= sum(one in caught for one in addresses)
    assert found.get(DeliveryState.IN_DOUBT, 0) <= 2


def lost_logins(store):
    """Return whether each alert of a lost login is resolved, the first raised first."""
    with store.read() as connection:
        alerts = reversed(last_alerts(connection, 10))
        return [
            one.resolved_at is not None
            for one in alerts
            if one.kind is AlertKind.AUTHENTICATION_LOST
        ]


async def test_a_refused_login_is_told_once_loses_nothing_and_is_told_again_after_recovery(
    store, seal_keys, service_tokens, tmp_path, smtp_server
):
    """Everything stays due while it lasts; with the right password it goes."""
    server = smtp_server(login=("mailer", "right"))

    def engine(password):
        return engine_for(
            store, seal_keys, service_tokens, tmp_path, server.port, ("mailer", password)
        )

    write_mails(store, seal_keys, ["a@staff.example.org"])
    for _ in range(2):
        await run_until(engine("wrong"), lambda: lost_logins(store) == [False])
    assert [False] == lost_logins(store)
    assert {DeliveryState.DUE: 1} == states(store)
    await run_until(engine("right"), lambda: lost_logins(store) == [True])
    assert ([True], {DeliveryState.ACCEPTED: 1}) == (lost_logins(store), states(store))
    with store.write() as connection:
        connection.execute(tables.service_mail.delete())
        # A while later.
        connection.execute(
            tables.alert.update().values(raised_at=SYSTEM_CLOCK.now() - timedelta(minutes=6))
        )
    write_mails(store, seal_keys, ["b@staff.example.org"])
    await run_until(engine("wrong"), lambda: lost_logins(store) == [True, False])
    assert [True, False] == lost_logins(store)


async def test_a_relay_that_wants_a_login_refuses_nobody(
    sqlite_store, seal_keys, service_keys, tokens, tmp_path, smtp_server
):
    """530 to MAIL is about us: people stay due, staff are told once, and nothing is sent."""
    mailing, list_id = lay_ground(
        sqlite_store, seal_keys, service_keys, [f"p{n}@example.org" for n in range(5)]
    )
    server = smtp_server(login=("mailer", "right"))
    engine = _engine(sqlite_store, seal_keys, tokens, tmp_path, server.port, list_id)
    await run_until(engine, lambda: lost_logins(sqlite_store), 5)
    await run_until(
        _engine(sqlite_store, seal_keys, tokens, tmp_path, server.port, list_id),
        lambda: False, 1.5,
    )  # fmt: skip
    assert [False] == lost_logins(sqlite_store)
    assert {DeliveryState.DUE: 5} == _states(sqlite_store, mailing)
    assert [] == server.mails
