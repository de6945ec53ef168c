"""An SMTP server that writes down what it accepted, and knows at any instant what each client does.

In: connections on loopback. Out: a log with a line per accepted mail, written before the reply, and
a trap that springs in a chosen phase of the protocol. It takes everything and thinks a while about
each mail. Commands may come in any grouping (RFC 2920): they are read, and their instants noted, as
they come, and answered in order. Like a real relay it reads on what a dead client left in the pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

HOST = "127.0.0.1"
_SIZE = re.compile(rb" SIZE=(\d+)", re.IGNORECASE)
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*<([^>]+)>", re.IGNORECASE | re.MULTILINE)


class Phase(StrEnum):
    """Where in its work a sender is."""

    #: Connected, or about to begin a transaction.
    BEFORE_MAIL = "before MAIL"
    #: 354 was said; nothing of the content has come.
    AFTER_DATA = "after DATA"
    #: Half of the content has come.
    IN_CONTENT = "in the content"
    #: The end of the content has come; no reply was given, whether it was accepted or not.
    END_OF_DATA = "at the end of DATA"
    #: The reply was given a moment ago.
    AFTER_REPLY = "after the reply"
    #: The database is being written; no connection shows it.
    IN_COMMIT = "in the commit"


@dataclass
class Trap:
    """Springs once, when a connection is in a phase for the so-manieth time."""

    phase: Phase
    skip: int
    #: Whether a connection counts: one that its dead client left behind does not.
    heeds: Callable[[Connection], bool]
    spring: Callable[[Connection | None], None]


@dataclass
class _Content:
    """A mail as it comes in."""

    rcpt_to: str = ""
    announced: int = 0
    head: bytearray = field(default_factory=bytearray)
    size: int = 0
    halfway: bool = False
    #: A coin thrown beforehand: what becomes of it when its client is gone.
    kept: bool = True


class Sink:
    """The server."""

    def __init__(self, log: Path, *, wait_s: float = 0.02, dice: random.Random) -> None:
        self.wait_s = wait_s
        self.dice = dice
        self.port = 0
        self.connections: set[Connection] = set()
        #: How often each recipient, and each Message-ID, was accepted.
        self.recipients: Counter[str] = Counter()
        self.message_ids: Counter[str] = Counter()
        #: Recipient → when DATA for them last came, on the monotonic clock.
        self.data_at: dict[str, float] = {}
        self.trap: Trap | None = None
        #: Finds whose a connection is, by the port it comes from.
        self.owner_of: Callable[[int], int] = lambda _port: 0
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._admitted = 0
        self._more = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        """Listen; a port that was listened on before may be given again."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), HOST, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more and cut every connection, as a crash does."""
        if self._server is not None:
            self._server.close()
        for one in list(self.connections):
            one.cut()
        # Connections are told that they are lost at the next turn of the loop.
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Stop for good."""
        await self.stop()
        await asyncio.sleep(self.wait_s * 2)
        os.close(self._log)

    def admit(self, count: int) -> None:
        """Let so many more transactions begin; the others wait for the reply to MAIL."""
        self._admitted = count
        self._more.set()

    def hold(self) -> None:
        """Let no more transactions begin."""
        self._admitted = 0
        self._more.clear()

    async def admission(self) -> None:
        """Wait until a transaction may begin."""
        while self._admitted <= 0:
            self._more.clear()
            await self._more.wait()
        self._admitted -= 1

    def reached(self, phase: Phase, connection: Connection | None) -> bool:
        """Note that somebody is in a phase; return whether the trap sprang."""
        trap = self.trap
        if trap is None or trap.phase is not phase:
            return False
        if connection is not None and not trap.heeds(connection):
            return False
        if trap.skip > 0:
            trap.skip -= 1
            return False
        self.trap = None
        trap.spring(connection)
        return True

    def accept(self, content: _Content) -> None:
        """Write down, before anybody is told, that a mail is ours now."""
        found = _MESSAGE_ID.search(bytes(content.head))
        message_id = found[1].decode() if found else ""
        os.write(self._log, f"{time.time():.3f} {content.rcpt_to} {message_id}\n".encode())
        self.recipients[content.rcpt_to] += 1
        self.message_ids[message_id] += 1


class Connection(asyncio.BufferedProtocol):
    """One client."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        # Small, so that a mail comes in pieces, as over a network.
        self._room = bytearray(4096)
        self._unread = bytearray()
        #: What has come and is not answered: a command, or the end of a content.
        self._came: asyncio.Queue[tuple[bytes, _Content | None]] = asyncio.Queue()
        self._mail = _Content()
        self._in_content = False
        self._undecided = 0
        self.lost = False
        #: The client's process.
        self.pid = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.pid = self._sink.owner_of(transport.get_extra_info("peername")[1])
        self._sink.connections.add(self)
        self._task = asyncio.ensure_future(self._answer())
        self._say("220 sink.example.net ESMTP")

    def connection_lost(self, exc: Exception | None) -> None:
        """Answer nothing more; what has come whole is still decided about."""
        self.lost = True
        self._sink.connections.discard(self)
        if not self._undecided:
            self._task.cancel()

    def cut(self) -> None:
        """End it as a crash of ours would; what was not accepted until now is not."""
        self._task.cancel()
        self._transport.abort()
        self.lost = True
        self._sink.connections.discard(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Give room for what comes."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """Take apart what came."""
        self._unread += self._room[:nbytes]
        while self._take_content() if self._in_content else self._take_line():
            pass

    def _take_line(self) -> bool:
        end = self._unread.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._unread[:end])
        del self._unread[: end + 2]
        verb = line[:4].upper()
        if verb == b"MAIL":
            size = _SIZE.search(line)
            self._mail = _Content(announced=int(size[1]) if size else 0)
        elif verb == b"RCPT":
            self._mail.rcpt_to = line[line.index(b"<") + 1 : line.index(b">")].decode()
        elif verb == b"DATA":
            self._sink.data_at[self._mail.rcpt_to] = time.monotonic()
            self._in_content = True
        self._came.put_nowait((line, None))
        return True

    def _take_content(self) -> bool:
        mail = self._mail
        # A content begins at the start of a line, so that its end may be the first thing in it.
        at_once = mail.size == 0 and self._unread.startswith(b".\r\n")
        end = 0 if at_once else self._unread.find(b"\r\n.\r\n")
        # The last bytes may be the beginning of the end.
        usable = end + 2 if end >= 0 and not at_once else max(len(self._unread) - 4, 0)
        taken = b"" if at_once else bytes(self._unread[:usable])
        mail.size += len(taken)
        if len(mail.head) < 8192:
            mail.head += taken
        del self._unread[: len(taken)]
        if not mail.halfway and mail.announced and mail.size * 2 >= mail.announced:
            mail.halfway = True
            self._sink.reached(Phase.IN_CONTENT, self)
        if end < 0:
            return False
        del self._unread[:3]
        self._in_content = False
        self._undecided += 1
        mail.kept = self._sink.dice.random() < 0.5
        if not mail.kept:
            # The relay's own end comes before it took the mail.
            self._sink.reached(Phase.END_OF_DATA, self)
        self._came.put_nowait((b".", mail))
        return True

    def _say(self, reply: str) -> None:
        if not self.lost:
            self._transport.write(f"{reply}\r\n".encode())

    async def _answer(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while not self.lost or self._undecided:
                line, mail = await self._came.get()
                if mail is not None:
                    await self._decide(mail)
                else:
                    await self._obey(line)

    async def _obey(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"EHLO":
            self._say("250-sink.example.net\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250 8BITMIME")
            self._sink.reached(Phase.BEFORE_MAIL, self)
        elif verb == b"MAIL":
            self._sink.reached(Phase.BEFORE_MAIL, self)
            await self._sink.admission()
            self._say("250 2.1.0 Ok")
        elif verb == b"DATA":
            self._say("354 Go ahead")
            self._sink.reached(Phase.AFTER_DATA, self)
        elif verb == b"QUIT":
            self._say("221 2.0.0 Bye")
            self._transport.close()
        else:
            self._say("250 2.0.0 Ok")

    async def _decide(self, mail: _Content) -> None:
        await asyncio.sleep(self._sink.wait_s)
        self._undecided -= 1
        if not self.lost or mail.kept:
            self._sink.accept(mail)
            if mail.kept:
                self._sink.reached(Phase.END_OF_DATA, self)
        self._say("250 2.0.0 Ok: queued")
        self._sink.reached(Phase.AFTER_REPLY, self)
