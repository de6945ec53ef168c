"""Serve the public pages until told to stop.

In: the app, a host and a port. Out: nothing; it ends when the event is set, after the requests that
are being answered. There is no access log, since it would hold tokens and addresses of visitors, no
Server header, and no header that a proxy may add is believed. Standards: RFC 9112.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from mailer.config import CONFIG_FILE
from mailer.events import emit
from mailer.model.faults import Fault, FaultsFound

#: How long requests that are being answered may take once told to stop; a locked database is
#: waited for less long than this.
STOP_GRACE_S = 20
#: From the first connection, or the last answer, to the end of a request's head.
HEAD_TIMEOUT_S = 15.0
#: Connections and requests beyond this are answered 503, so that those before them are served.
MOST_CONNECTIONS = 500
_LONGEST_HEAD = 16 * 1024
_BACKLOG = 256


class _PatientForAWhile(H11Protocol):
    """HTTP/1.1 that closes a connection on which no whole request head arrives in time.

    A visitor who opens many connections and sends a byte now and then would keep others out.
    """

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # uvicorn writes its access log, tokens and all, as soon as anybody listens to that logger.
        self.access_log = False
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # None until the first request's head is whole, whatever its annotation says.
        cycle: RequestResponseCycle | None = getattr(self, "cycle", None)
        if cycle is not None and not cycle.response_complete:
            self._stop_waiting()
        elif self._head_timer is None:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        loop = asyncio.get_running_loop()
        self._head_timer = loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class _Server(uvicorn.Server):
    """A server that leaves signals to the process it runs in, and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _listen(host: str, port: int, key: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named TCP, since asyncio sends small answers at once only on sockets that say so.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise FaultsFound(
            [
                Fault(
                    CONFIG_FILE,
                    0,
                    key,
                    f"{host} port {port} cannot be listened on: {error.strerror}",
                    "See whether another program has it, or choose another port",
                )
            ]
        ) from error
    return listening


async def serve_public(
    app: ASGIApp,
    host: str,
    port: int,
    stop: asyncio.Event,
    *,
    key: str = "web.port",
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve `app` until `stop` is set, then finish what is being answered.

    Args:
        app: From `create_public_app`.
        host: Address to listen on; IPv6 without brackets.
        port: 0 takes a free one.
        stop: Ends it.
        key: What the port is called in config.toml.
        ready: Told the port once visitors are answered.

    Raises:
        FaultsFound: when the port cannot be listened on.
    """
    listening = _listen(host, port, key)
    config = uvicorn.Config(
        app,
        http=_PatientForAWhile,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=STOP_GRACE_S,
    )
    server = _Server(config)
    bound: int = listening.getsockname()[1]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    waiting = [asyncio.create_task(server.up.wait()), asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait({serving, waiting[0]}, return_when=asyncio.FIRST_COMPLETED)
        if server.up.is_set():
            emit("listening", host=host, port=bound)
            if ready is not None:
                ready(bound)
        await asyncio.wait({serving, waiting[1]}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        for task in waiting:
            task.cancel()
        await serving
        listening.close()
