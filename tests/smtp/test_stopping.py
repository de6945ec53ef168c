"""A mailing at full speed is paused, goes on and is cancelled: within two seconds of the commit."""

import asyncio
import contextlib
import time

import pytest

from mailer.delivery.session import Encryption, RelaySettings
from mailer.model.states import DeliveryState
from mailer.store.mailings import find_mailing
from mailer.store.reports import report
from mailer.store.stopping import (
    cancel,
    cancel_open_deliveries,
    has_cancelled_open_deliveries,
    pause,
    resume,
)
from tests.smtp.test_engine import _engine
from tests.smtp.test_engine_troubles import lay_whole_ground
from tests.support.clocks import NOW

PEOPLE = 3_000
CONNECTIONS = 10
WITHIN_S = 2.0
#: So long without a DATA, it has stopped: the sender looks several times as often.
QUIET_S = 0.5


class _Sink(asyncio.Protocol):
    """Takes every mail at once and notes when each DATA came."""

    def __init__(self, data_at):
        self._data_at = data_at
        self._waiting = b""
        self._in_content = False

    def connection_made(self, transport):
        """Greet."""
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data):
        """Answer every command and every end of a content that is complete."""
        self._waiting += data
        while True:
            end = b"\r\n.\r\n" if self._in_content else b"\r\n"
            line, found, rest = self._waiting.partition(end)
            if not found:
                return
            self._waiting = rest
            self._transport.write(self._answer(line))

    def _answer(self, line):
        if self._in_content:
            self._in_content = False
            return b"250 2.0.0 taken\r\n"
        if line == b"DATA":
            self._data_at.append(time.monotonic())
            self._in_content = True
            return b"354 go on\r\n"
        if line.startswith(b"EHLO"):
            return b"250-sink\r\n250 PIPELINING\r\n"
        return b"250 2.0.0 yes\r\n"


@contextlib.asynccontextmanager
async def _sink():
    data_at = []
    server = await asyncio.get_running_loop().create_server(lambda: _Sink(data_at), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], data_at
    finally:
        server.close()


async def _until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.timeout(120)
async def test_pause_resume_and_cancel_take_hold_at_full_speed(
    sqlite_store, seal_keys, service_keys, tokens, tmp_path
):
    """No DATA two seconds after the commit of either; the first one within two of going on."""
    store = sqlite_store
    people = [f"p{n}@example.org" for n in range(PEOPLE)]
    _, list_id = lay_whole_ground(store, seal_keys, service_keys, people)

    async def change(function, *arguments):
        def write():
            with store.write() as connection:
                function(connection, *arguments)
            return time.monotonic()

        return await asyncio.to_thread(write)

    async with _sink() as (port, data_at):
        relay = RelaySettings("test", "127.0.0.1", port, Encryption.NONE, connections=CONNECTIONS)
        engine = _engine(store, seal_keys, tokens, tmp_path, port, list_id, relay=relay)
        stop = asyncio.Event()
        running = asyncio.create_task(engine.run(stop))

        async def sent(count):
            await _until(lambda: len(data_at) >= count)

        async def last_after(instant):
            await _until(lambda: time.monotonic() - max(instant, data_at[-1]) > QUIET_S)
            return data_at[-1] - instant

        await sent(400)
        paused_at = await change(pause, "s-1")
        assert await last_after(paused_at) < WITHIN_S
        stood = len(data_at)
        assert stood < PEOPLE
        resumed_at = await change(resume, "s-1")
        await sent(stood + 1)
        assert data_at[stood] - resumed_at < WITHIN_S
        await sent(stood + 400)
        cancelled_at = await change(cancel, "s-1", NOW)
        assert await last_after(cancelled_at) < WITHIN_S
        assert len(data_at) < PEOPLE
        stop.set()
        await running
    with store.write() as connection:
        while has_cancelled_open_deliveries(connection):
            cancel_open_deliveries(connection, NOW)
    with store.read() as connection:
        found = find_mailing(connection, "s-1")
        figures = report(connection, found.row_id)
    accepted = len(data_at)
    assert {
        DeliveryState.ACCEPTED: accepted, DeliveryState.CANCELLED: PEOPLE - accepted,
    } == figures.by_state  # fmt: skip
