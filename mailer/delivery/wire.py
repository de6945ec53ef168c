"""Our own SMTP protocol on a connection that is open, encrypted and logged in.

In: bytes to write. Out: replies, in order. It parses replies (RFC 5321 §4.2), keeps to the
transport's flow control and says plainly that a connection was lost. It knows no commands.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from mailer.delivery.replies import parse_reply
from mailer.model.mailing import Reply

# RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets; some servers write more and many lines.
LONGEST_REPLY = 65_536


class ConnectionLost(Exception):
    """The connection ended; the reason is safe to log."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class WireProtocol(asyncio.Protocol):
    """Reads replies and writes bytes."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._buffer = bytearray()
        self._lines: list[bytes] = []
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._paused = False
        self.lost: ConnectionLost | None = None
        transport.set_write_buffer_limits(high=256 * 1024)

    def data_received(self, data: bytes) -> None:
        """Take bytes of replies apart."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).rstrip(b"\r")
            del self._buffer[: end + 1]
            self._take_line(line)
        if len(self._buffer) + sum(map(len, self._lines)) > LONGEST_REPLY:
            self._fail("the reply has no end")

    def _take_line(self, line: bytes) -> None:
        # RFC 5321 §4.2: three digits, then a hyphen where more lines follow, then text.
        code, mark, text = line[:3], line[3:4], line[4:]
        if not (code.isdigit() and mark in (b"", b" ", b"-")):
            self._fail("what came is no SMTP reply")
            return
        self._lines.append(text)
        if mark == b"-":
            return
        said = b"\n".join(self._lines).decode("utf-8", "replace")
        self._lines.clear()
        self._replies.append(parse_reply(int(code), said))
        self._wake()

    def _fail(self, reason: str) -> None:
        if self.lost is None:
            self.lost = ConnectionLost(reason)
        self.transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember that nothing more will come."""
        if self.lost is None:
            name = type(exc).__name__ if exc else "closed by the relay"
            self.lost = ConnectionLost(name)
        self._wake()
        self.resume_writing()

    def eof_received(self) -> bool:
        """Treat a half-closed connection as closed: nobody will reply any more."""
        self._fail("closed by the relay")
        return False

    def pause_writing(self) -> None:
        """Note that the relay takes bytes slower than we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on writing."""
        self._paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def write(self, content: bytes) -> None:
        """Hand bytes to the transport.

        Raises:
            ConnectionLost: when there is nobody to write to.
        """
        if self.lost is not None:
            raise self.lost
        self.transport.write(content)

    async def drain(self, timeout_s: float) -> None:
        """Wait until the transport has room again.

        Raises:
            ConnectionLost: when the connection ended or the relay took nothing for `timeout_s`.
        """
        if self._paused and self.lost is None:
            self._drained = asyncio.get_running_loop().create_future()
            await self._wait(self._drained, timeout_s, "the relay took no more bytes")
        if self.lost is not None:
            raise self.lost

    async def reply(self, timeout_s: float) -> Reply:
        """Return the next reply.

        Raises:
            ConnectionLost: when the connection ended or nothing came for `timeout_s`.
        """
        while not self._replies:
            if self.lost is not None:
                raise self.lost
            self._waiter = asyncio.get_running_loop().create_future()
            await self._wait(self._waiter, timeout_s, "no reply in time")
        return self._replies.popleft()

    async def _wait(self, future: asyncio.Future[None], timeout_s: float, reason: str) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            self._fail(reason)
            raise cast("ConnectionLost", self.lost) from None

    @property
    def unexpected(self) -> bool:
        """Whether the relay said something nobody asked for, such as 421 before it closes."""
        return bool(self._replies) or self.lost is not None

    def close(self) -> None:
        """Close the connection without another word."""
        self.transport.close()
