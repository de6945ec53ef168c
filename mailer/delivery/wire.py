"""Our own SMTP protocol on a connection that is open, encrypted and logged in.

In: bytes to write. Out: replies, in order. It parses replies (RFC 5321 §4.2), keeps to the
transport's flow control and says plainly that a connection was lost. It knows no commands.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache

from mailer.delivery.replies import parse_reply
from mailer.model.mailing import Reply

# RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets; some servers write more and many lines.
LONGEST_REPLY = 65_536


class ConnectionLost(Exception):
    """The connection ended; the reason is safe to log."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@lru_cache(maxsize=512)
def _single(line: bytes) -> Reply:
    """Return a reply of one line; most of what a relay says it says again and again."""
    return parse_reply(int(line[:3]), line[4:].decode("utf-8", "replace"))


class WireProtocol(asyncio.Protocol):
    """Reads replies and writes bytes."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._lines: list[bytes] = []
        self.replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._paused = False
        self.lost: ConnectionLost | None = None
        #: When what is waited for is late, on the loop's clock, and what is said then.
        self._deadline, self._late = float("inf"), ""
        self._timer: asyncio.TimerHandle | None = None
        #: Asked when replies came, before whoever waits for one is woken: whether it dealt with them.
        self.dealt_with: Callable[[], bool] | None = None
        self._in_records = transport.get_extra_info("ssl_object") is not None
        transport.set_write_buffer_limits(high=256 * 1024)

    def data_received(self, data: bytes) -> None:
        """Take bytes of replies apart."""
        if self._buffer:
            data = self._buffer + data
        *lines, self._buffer = data.split(b"\n")
        for line in lines:
            self._take_line(line.rstrip(b"\r"))
        if self._lines or self._buffer:
            waiting = len(self._buffer) + sum(map(len, self._lines))
            if waiting > LONGEST_REPLY:
                self._fail("the reply has no end")
        if self.replies and not (self.dealt_with is not None and self.dealt_with()):
            self._wake()

    def _take_line(self, line: bytes) -> None:
        # RFC 5321 §4.2: three digits, then a hyphen where more lines follow, then text.
        code, mark = line[:3], line[3:4]
        if not (code.isdigit() and mark in (b"", b" ", b"-")):
            self._fail("what came is no SMTP reply")
            return
        if mark == b"-":
            self._lines.append(line[4:])
            return
        if not self._lines:
            self.replies.append(_single(line))
            return
        said = b"\n".join((*self._lines, line[4:])).decode("utf-8", "replace")
        self._lines.clear()
        self.replies.append(parse_reply(int(code), said))

    def _fail(self, reason: str) -> None:
        self._buffer = b""
        if self.lost is None:
            self.lost = ConnectionLost(reason)
        self.transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self.lost is not None and self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember that nothing more will come."""
        if self.lost is None:
            name = type(exc).__name__ if exc else "closed by the relay"
            self.lost = ConnectionLost(name)
        self._wake()
        self.resume_writing()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

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

    def write_all(self, pieces: Sequence[bytes]) -> None:
        """Hand pieces of bytes to the transport, to go out one behind the other at once.

        Raises:
            ConnectionLost: when there is nobody to write to.
        """
        if self.lost is not None:
            raise self.lost
        if self._in_records:
            # Each write would be a record of its own, and a packet.
            self.transport.write(b"".join(pieces))
        else:
            self.transport.writelines(pieces)

    async def drain(self, timeout_s: float) -> None:
        """Wait until the transport has room again.

        Raises:
            ConnectionLost: when the connection ended or the relay took nothing for `timeout_s`.
        """
        if self._paused and self.lost is None:
            self._drained = self._loop.create_future()
            await self._wait(self._drained, timeout_s, "the relay took no more bytes")
        if self.lost is not None:
            raise self.lost

    def reply_now(self) -> Reply | None:
        """Return the next reply if it is there."""
        return self.replies.popleft() if self.replies else None

    async def reply(self, timeout_s: float) -> Reply:
        """Return the next reply.

        Raises:
            ConnectionLost: when the connection ended or nothing came for `timeout_s`.
        """
        while not self.replies:
            if self.lost is not None:
                raise self.lost
            self._waiter = self._loop.create_future()
            await self._wait(self._waiter, timeout_s, "no reply in time")
        return self.replies.popleft()

    async def _wait(self, future: asyncio.Future[None], timeout_s: float, late: str) -> None:
        self._deadline, self._late = self._loop.time() + timeout_s, late
        if self._timer is None or self._timer.when() > self._deadline:
            self._set_timer()
        try:
            await future
        finally:
            self._deadline = float("inf")

    def wait_anew(self, timeout_s: float) -> None:
        """Let whoever waits for a reply wait for so long from now on."""
        self._deadline = self._loop.time() + timeout_s

    def break_off(self, reason: str) -> None:
        """Cut the connection; whoever waits is told so."""
        self._fail(reason)

    def _set_timer(self) -> None:
        # One timer is kept and looks again when it rings: making one for every wait costs more
        # than the wait.
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._deadline <= self._loop.time():
            self._fail(self._late)
        elif self._deadline != float("inf") and self.lost is None:
            self._set_timer()

    @property
    def unexpected(self) -> bool:
        """Whether the relay said something nobody asked for, such as 421 before it closes."""
        return bool(self.replies) or self.lost is not None

    def close(self) -> None:
        """Close the connection without another word."""
        self.transport.close()
