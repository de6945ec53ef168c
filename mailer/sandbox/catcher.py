"""Take every mail on loopback, keep it in memory, and misbehave for some when asked to.

In: SMTP on 127.0.0.1. Out: a `Mailbox` of caught mails; nothing is ever written to a disk. With
`misbehave` the first label of a recipient's local part decides: `unknown.` is refused, `busy.` is
deferred once (greylisting), for `vanishes.` the connection is dropped after the end of DATA.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from mailer.clock import Clock

HOST = "127.0.0.1"
REFUSED, DEFERRED, DROPPED = "unknown.", "busy.", "vanishes."
LARGEST_MAIL = 10_000_000


@dataclass(frozen=True)
class CaughtMail:
    """One mail the sandbox took."""

    number: int
    at: datetime
    mail_from: str
    rcpt_to: str
    content: bytes


class Mailbox:
    """The caught mails, newest first; the oldest are forgotten."""

    def __init__(self, keep: int) -> None:
        self._mails: deque[CaughtMail] = deque(maxlen=keep)
        self._numbers = itertools.count(1)
        #: All that were caught, the forgotten ones too.
        self.total = 0

    def add(self, at: datetime, mail_from: str, rcpt_to: str, content: bytes) -> None:
        """Keep a mail."""
        self.total += 1
        self._mails.append(CaughtMail(next(self._numbers), at, mail_from, rcpt_to, content))

    def newest(self, limit: int) -> list[CaughtMail]:
        """Return up to `limit` mails, newest first."""
        return list(itertools.islice(reversed(self._mails), limit))

    def find(self, number: int) -> CaughtMail | None:
        """Return the mail of that number, unless it was forgotten."""
        return next((mail for mail in self._mails if mail.number == number), None)

    def __iter__(self) -> Iterator[CaughtMail]:
        """Yield the mails, oldest first."""
        return iter(list(self._mails))

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._mails)


class Catcher:
    """Answers the commands of aiosmtpd."""

    def __init__(self, mailbox: Mailbox, clock: Clock, *, misbehave: bool) -> None:
        self._mailbox = mailbox
        self._clock = clock
        self._misbehave = misbehave
        self._greylisted: set[str] = set()

    async def handle_RCPT(  # noqa: N802  (aiosmtpd calls it so.)
        self,
        server: SMTP,  # noqa: ARG002  (aiosmtpd's signature.)
        session: Session,  # noqa: ARG002  (aiosmtpd's signature.)
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Take a recipient, or refuse or defer the ones made for it."""
        if self._misbehave and address.startswith(REFUSED):
            return "550 5.1.1 User unknown"
        if self._misbehave and address.startswith(DEFERRED) and address not in self._greylisted:
            self._greylisted.add(address)
            return "451 4.7.1 Greylisted, please try again later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Recipient ok"

    async def handle_DATA(  # noqa: N802  (aiosmtpd calls it so.)
        self,
        server: SMTP,
        session: Session,  # noqa: ARG002  (aiosmtpd's signature.)
        envelope: Envelope,
    ) -> str:
        """Keep a mail, or drop the connection where the recipient is made for it."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        for address in envelope.rcpt_tos:
            if self._misbehave and address.startswith(DROPPED):
                transport: Any = server.transport
                transport.abort()
                return "421 4.3.0 Dropped"
            self._mailbox.add(self._clock.now(), envelope.mail_from or "", address, content)
        return "250 2.0.0 Caught by the sandbox"


async def serve_catcher(
    mailbox: Mailbox, clock: Clock, port: int, stop: asyncio.Event, *, misbehave: bool
) -> None:
    """Take mail on loopback until `stop` is set."""
    loop = asyncio.get_running_loop()
    catcher = Catcher(mailbox, clock, misbehave=misbehave)
    open_now: set[SMTP] = set()

    def answer() -> SMTP:
        protocol = SMTP(
            catcher,
            hostname="sandbox",
            ident="sandbox",
            enable_SMTPUTF8=True,
            data_size_limit=LARGEST_MAIL,
            loop=loop,
        )
        open_now.add(protocol)
        return protocol

    server = await loop.create_server(answer, HOST, port)
    try:
        await stop.wait()
    finally:
        server.close()
        for protocol in open_now:
            transport: Any = protocol.transport
            if transport is not None:
                transport.close()
        await server.wait_closed()
