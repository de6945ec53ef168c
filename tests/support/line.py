"""A line between a sender and a relay, on loopback, that can be cut in the ways networks are cut.

In: connections to its port. Out: the same bytes at another port, until trouble is made: connections
that are open then never work again, and new ones meet the same trouble until the line is mended.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from enum import StrEnum

from tests.support.sink import HOST


class Trouble(StrEnum):
    """How a line is cut."""

    #: Both ends are told at once (RST).
    RESET = "reset"
    #: What is sent arrives; nothing comes back, and nobody is told.
    HALF_OPEN = "half-open"
    #: Nothing arrives either way, and nobody is told.
    BLACK_HOLE = "black hole"


class Line:
    """Forwards connections to a port."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._trouble: Trouble | None = None
        self._ends: set[_End] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.get_running_loop().create_server(self._taken, HOST)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self, trouble: Trouble) -> None:
        """Cut it, for what is open and for what comes."""
        self._trouble = trouble
        for end in list(self._ends):
            end.trouble = trouble
            if trouble is Trouble.RESET:
                end.reset()

    def mend(self) -> None:
        """Let new connections through again."""
        self._trouble = None

    def close(self) -> None:
        """Stop for good."""
        self._server.close()
        for end in list(self._ends):
            end.transport.abort()

    def _taken(self) -> _End:
        near = _End(self._ends, self._trouble, replies=False)
        if self._trouble is not Trouble.BLACK_HOLE:
            near.far = asyncio.ensure_future(self._reach(near))
        return near

    async def _reach(self, near: _End) -> _End:
        loop = asyncio.get_running_loop()
        far = _End(self._ends, near.trouble, replies=True)
        far.far = loop.create_future()
        far.far.set_result(near)
        await loop.create_connection(lambda: far, HOST, self._target)
        return far


class _End(asyncio.Protocol):
    """One of the two ends of a connection."""

    def __init__(self, ends: set[_End], trouble: Trouble | None, *, replies: bool) -> None:
        self.far: asyncio.Future[_End] | None = None
        self.trouble = trouble
        self._ends = ends
        self._replies = replies
        self._passing: list[asyncio.Task[None]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._ends.add(self)
        if self.trouble is Trouble.RESET:
            self.reset()

    def data_received(self, data: bytes) -> None:
        if self.trouble is None or (self.trouble is Trouble.HALF_OPEN and not self._replies):
            self._passing.append(asyncio.ensure_future(self._pass_on(data)))

    async def _pass_on(self, data: bytes) -> None:
        if self.far is not None:
            (await self.far).transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ends.discard(self)
        if self.trouble is None and self.far is not None and self.far.done():
            self.far.result().transport.close()

    def reset(self) -> None:
        """End it with RST."""
        linger = struct.pack("ii", 1, 0)
        self.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        self.transport.abort()
