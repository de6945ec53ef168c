"""A real SMTP server (aiosmtpd) on loopback that behaves, or misbehaves in a way that has a name.

Use the fixture `smtp_server`, which starts as many as a test asks for and stops them all:

    server = smtp_server(Misbehaviour.GREYLIST_ONCE, pipelining=False)
    ... connect to server.host, server.port ...
    assert server.mails[0].rcpt_tos == ("anna@example.org",)
    assert server.commands == ["EHLO localhost", "MAIL FROM:<…>", …]

It runs on an event loop in a thread of its own, so that tests with and without asyncio can use it.
"""

# ruff: noqa: N802  (aiosmtpd names its methods after the commands.)
from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.certificates import Authority, Certificate

HOST = "127.0.0.1"


class Misbehaviour(StrEnum):
    """What a server does that a good one would not, and the one that does nothing of the kind."""

    #: Take everything.
    ACCEPT = "accept"
    #: 550 5.1.1 to RCPT: there is no such person.
    REFUSE_RCPT = "refuse_rcpt"
    #: 550 5.2.2 to RCPT: the mailbox is full.
    MAILBOX_FULL = "mailbox_full"
    #: 554 5.7.1 to the content: taken for spam.
    REFUSE_CONTENT = "refuse_content"
    #: 550 5.7.60 to MAIL: this sender may not send here.
    REFUSE_MAIL = "refuse_mail"
    #: 451 4.7.1 to RCPT the first time an envelope is seen, then take it.
    GREYLIST_ONCE = "greylist_once"
    #: 451 4.7.1 to RCPT, always.
    DEFER_ALWAYS = "defer_always"
    #: 450 4.7.28 to RCPT: too many from us.
    THROTTLE_RCPT = "throttle_rcpt"
    #: Wait `slow_s` seconds before the reply to RCPT, then take it.
    SLOW_RCPT = "slow_rcpt"
    #: 452 4.3.1 to the content: no room.
    DEFER_CONTENT = "defer_content"
    #: Close the connection after the end of DATA; the mail is lost.
    DROP_AFTER_DATA = "drop_after_data"
    #: Keep the mail and close the connection without having said so.
    ACCEPT_THEN_DROP = "accept_then_drop"
    #: Close the connection after the first bytes of the content.
    DROP_IN_CONTENT = "drop_in_content"
    #: Close every connection before a word is said.
    CLOSE_AT_CONNECT = "close_at_connect"
    #: Accept connections and never greet.
    HANG_AT_CONNECT = "hang_at_connect"
    #: 554 5.3.2 instead of a greeting: not today.
    REFUSE_AT_CONNECT = "refuse_at_connect"
    #: Take one mail per connection, answer the next MAIL with 421 4.3.2 and close.
    SAY_421_MIDWAY = "421_midway"
    #: Say 421 4.4.2 unasked after a mail, and close: the idle time-out of many relays.
    SAY_421_WHEN_IDLE = "421_when_idle"
    #: Wait `slow_s` seconds before the reply to the content.
    SLOW_REPLY = "slow_reply"
    #: Never reply to the content.
    HANG_AFTER_DATA = "hang_after_data"
    #: Reply to the content with what is no SMTP reply.
    TALK_NONSENSE = "talk_nonsense"
    #: Reply to the content over several lines and with the recipient's address in it.
    QUOTE_THE_ADDRESS = "quote_the_address"


class Tls(StrEnum):
    """How a server is to be spoken to."""

    #: In clear only.
    NONE = "none"
    #: STARTTLS is offered and wanted before MAIL.
    STARTTLS = "starttls"
    #: TLS from the first byte.
    IMPLICIT = "implicit"


#: One for every mail, or chosen by the recipient's address.
Behaviour = Misbehaviour | Callable[[str], Misbehaviour]


@dataclass(frozen=True)
class ServerSettings:
    """What a server offers."""

    behaviour: Behaviour = Misbehaviour.ACCEPT
    pipelining: bool = True
    smtputf8: bool = True
    eightbitmime: bool = True
    dsn: bool = False
    #: Announced by SIZE and held to; None: SIZE is not offered.
    size: int | None = 10_000_000
    tls: Tls = Tls.NONE
    certificate: Certificate = Certificate.GOOD
    #: User and password it wants; None: it wants none.
    login: tuple[str, str] | None = None
    #: How that login may be made; with XOAUTH2 the password is the token.
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    #: How long `SLOW_REPLY` and `SLOW_RCPT` take.
    slow_s: float = 0.5


@dataclass(frozen=True)
class ReceivedMail:
    """One mail a server took."""

    mail_from: str
    rcpt_tos: tuple[str, ...]
    #: Parameters of MAIL and RCPT as they came: "SIZE=25", "ENVID=…".
    mail_parameters: tuple[str, ...]
    rcpt_parameters: tuple[str, ...]
    #: Dots unstuffed, CRLF kept.
    content: bytes
    #: Which connection it came on, counted from 0.
    connection: int
    encrypted: bool
    #: When the whole of it was there, on the monotonic clock.
    at: float


@dataclass
class ConnectionRecord:
    """What was said on one connection."""

    #: Commands with their arguments; passwords are recorded too, since tests look for leaks.
    commands: list[str] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    #: Every byte after decryption, and in which pieces it came.
    received: list[bytes] = field(default_factory=list)


class _Protocol(SMTP):
    """aiosmtpd's SMTP with a record of all that is said, and DSN parameters (RFC 3461)."""

    def __init__(self, server: SmtpServer, context: ssl.SSLContext | None) -> None:
        settings = server.settings
        # RFC 8314 §3.3: with implicit TLS the connection is encrypted before SMTP begins.
        starttls = settings.tls is Tls.STARTTLS
        with warnings.catch_warnings():
            # A login in clear is what some tests are about.
            warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS")
            super().__init__(
                _Handler(server),
                hostname="relay.example.net",
                ident="ESMTP test",
                data_size_limit=settings.size,
                enable_SMTPUTF8=settings.smtputf8,
                tls_context=context if starttls else None,
                require_starttls=starttls,
                auth_required=settings.login is not None,
                auth_require_tls=starttls,
                auth_exclude_mechanism={"PLAIN", "LOGIN", "XOAUTH2"} - set(settings.mechanisms),
                authenticator=_check_login(settings),
                loop=asyncio.get_running_loop(),
            )
        self.server = server
        self.record = ConnectionRecord()
        self.index = len(server.connections)
        server.connections.append(self.record)
        # aiosmtpd keeps one table of limits for all connections and empties it at each new one.
        self.command_size_limits = defaultdict(lambda: 2048)
        self._smtp_methods = {
            name: self._noted(name, method) for name, method in self._smtp_methods.items()
        }
        self.mail_parameters: tuple[str, ...] = ()
        self.rcpt_parameters: tuple[str, ...] = ()
        #: The next reply is the last: 421 closes the connection (RFC 5321 §3.8).
        self.closing = False

    def _noted(self, name: str, method: Callable[[str | None], Any]) -> Callable[..., Any]:
        async def noted(argument: str | None) -> None:
            self.record.commands.append(f"{name} {argument}" if argument else name)
            await method(argument)

        # HELP looks at the attributes of every method.
        noted.__dict__.update(vars(method))
        return noted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.server.transports.add(transport)
        self.server.open += 1
        self.server.most_open = max(self.server.most_open, self.server.open)
        if self.server.general_behaviour is Misbehaviour.CLOSE_AT_CONNECT:
            transport.abort()
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.open -= 1
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self.record.received.append(data)
        super().data_received(data)

    async def push(self, status: str | bytes) -> None:
        if not self.record.replies:
            behaviour = self.server.general_behaviour
            if behaviour is Misbehaviour.HANG_AT_CONNECT:
                await _until_cancelled()
            if behaviour is Misbehaviour.REFUSE_AT_CONNECT:
                status = "554 5.3.2 No service here"
                self.closing = True
        self.record.replies.append(status if isinstance(status, str) else status.decode())
        await super().push(status)
        if self.closing and self.transport is not None:
            self.transport.close()
            await _until_cancelled()

    async def drop(self) -> None:
        """Cut the connection, as a crash would."""
        if self.transport is not None:
            self.transport.abort()
        await _until_cancelled()

    async def auth_XOAUTH2(self, _server: SMTP, args: list[str]) -> AuthResult:
        given = args[1] if len(args) > 1 else ""
        said = base64.b64decode(given) if given else await self.challenge_auth("")
        user, token = self.server.settings.login or ("", "")
        if said == f"user={user}\x01auth=Bearer {token}\x01\x01".encode():
            return AuthResult(success=True)
        # As Google and Microsoft do: the error first, the refusal after an empty line.
        await self.challenge_auth('{"status":"400","schemes":"Bearer"}')
        return AuthResult(success=False, handled=False)

    async def smtp_MAIL(self, arg: str | None) -> None:
        arg, self.mail_parameters = self._without_dsn(arg, ("RET=", "ENVID="))
        await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:
        arg, self.rcpt_parameters = self._without_dsn(arg, ("NOTIFY=", "ORCPT="))
        await super().smtp_RCPT(arg)

    def _without_dsn(
        self, arg: str | None, known: tuple[str, ...]
    ) -> tuple[str | None, tuple[str, ...]]:
        """Return the argument as aiosmtpd reads it, and all its parameters."""
        address, *parameters = (arg or "").split() or [""]
        if not self.server.settings.dsn:
            return arg, tuple(parameters)
        left = [one for one in parameters if not one.upper().startswith(known)]
        return " ".join([address, *left]), tuple(parameters)

    async def smtp_DATA(self, arg: str | None) -> None:
        envelope = self.envelope
        recipient = envelope.rcpt_tos[0] if envelope and envelope.rcpt_tos else ""
        behaviour = self.server.behaviour_for(recipient)
        if recipient and behaviour is Misbehaviour.DROP_IN_CONTENT:
            await self.push("354 Go ahead")
            await self._reader.read(16)
            await self.drop()
        await super().smtp_DATA(arg)
        if recipient and behaviour is Misbehaviour.SAY_421_WHEN_IDLE:
            self.closing = True
            await self.push("421 4.4.2 Idle for too long")


async def _until_cancelled() -> None:
    # aiosmtpd cancels what it is doing for a connection once that is lost.
    await asyncio.Event().wait()


def _check_login(settings: ServerSettings) -> Callable[..., AuthResult] | None:
    if settings.login is None:
        return None

    def check(
        _server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        if not (mechanism in ("LOGIN", "PLAIN") and isinstance(data, LoginPassword)):
            return AuthResult(success=False, handled=False)
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == settings.login, handled=False)

    return check


class _Handler:
    """Where aiosmtpd gets its answers."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._taken = 0

    async def handle_EHLO(
        self,
        server: _Protocol,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        settings = self._server.settings
        name, *offered = responses[:-1]
        if not settings.eightbitmime:
            offered.remove("250-8BITMIME")
        if settings.login is None:
            offered = [one for one in offered if not one.startswith("250-AUTH")]
        offered += ["250-PIPELINING"] if settings.pipelining else []
        offered += ["250-DSN"] if settings.dsn else []
        return [name, *offered, "250 ENHANCEDSTATUSCODES"]

    async def handle_MAIL(
        self,
        server: _Protocol,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        behaviour = self._server.general_behaviour
        if behaviour is Misbehaviour.REFUSE_MAIL:
            return "550 5.7.60 Not allowed to send as this sender"
        if behaviour is Misbehaviour.SAY_421_MIDWAY and self._taken:
            server.closing = True
            return "421 4.3.2 Enough for this connection"
        if "BODY=8BITMIME" in options and not self._server.settings.eightbitmime:
            return "555 5.5.4 BODY is not offered"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self,
        server: _Protocol,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        behaviour = self._server.behaviour_for(address)
        if behaviour is Misbehaviour.REFUSE_RCPT:
            return "550 5.1.1 User unknown"
        if behaviour is Misbehaviour.MAILBOX_FULL:
            return "550 5.2.2 The mailbox is over quota"
        if behaviour is Misbehaviour.DEFER_ALWAYS or (
            behaviour is Misbehaviour.GREYLIST_ONCE
            and self._server.is_new(envelope.mail_from, address)
        ):
            return "451 4.7.1 Greylisted, please try again later"
        if behaviour is Misbehaviour.THROTTLE_RCPT:
            return "450 4.7.28 An unusual rate of mails from you, try later"
        if behaviour is Misbehaviour.SLOW_RCPT:
            await asyncio.sleep(self._server.settings.slow_s)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: _Protocol, session: Session, envelope: Envelope) -> str:
        recipient = envelope.rcpt_tos[0]
        behaviour = self._server.behaviour_for(recipient)
        if behaviour is Misbehaviour.DROP_AFTER_DATA:
            await server.drop()
        if behaviour is Misbehaviour.REFUSE_CONTENT:
            return "554 5.7.1 Message refused as spam"
        if behaviour is Misbehaviour.DEFER_CONTENT:
            return "452 4.3.1 Insufficient storage"
        self._taken += 1
        self._server.take(
            ReceivedMail(
                mail_from=envelope.mail_from or "",
                rcpt_tos=tuple(envelope.rcpt_tos),
                mail_parameters=server.mail_parameters,
                rcpt_parameters=server.rcpt_parameters,
                content=bytes(envelope.original_content or b""),
                connection=server.index,
                encrypted=session.ssl is not None or self._server.settings.tls is Tls.IMPLICIT,
                at=time.monotonic(),
            )
        )
        if behaviour is Misbehaviour.ACCEPT_THEN_DROP:
            await server.drop()
        if behaviour is Misbehaviour.HANG_AFTER_DATA:
            await _until_cancelled()
        if behaviour is Misbehaviour.SLOW_REPLY:
            await asyncio.sleep(self._server.settings.slow_s)
        if behaviour is Misbehaviour.TALK_NONSENSE:
            return "Thank you, that was lovely"
        if behaviour is Misbehaviour.QUOTE_THE_ADDRESS:
            return f"250-2.0.0 For <{recipient}>\r\n250 2.0.0 queued for {recipient}"
        return "250 2.0.0 Ok: queued"


class SmtpServer:
    """A running server and what it has seen."""

    def __init__(self, settings: ServerSettings, authority: Authority) -> None:
        self.settings = settings
        self.authority = authority
        #: May be changed while it runs; holds for what comes next.
        self.behaviour: Behaviour = settings.behaviour
        self.host = HOST
        self.port = 0
        #: Mails taken, in order.
        self.mails: list[ReceivedMail] = []
        self.connections: list[ConnectionRecord] = []
        self.transports: set[Any] = set()
        #: Connections that are open now, and the most that ever were.
        self.open = self.most_open = 0
        self._seen: set[tuple[str | None, str]] = set()
        self._came = threading.Condition()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="smtp-server", daemon=True)
        self._failed: BaseException | None = None

    @property
    def commands(self) -> list[str]:
        """Return every command of every connection, in order of the connections."""
        return [command for record in self.connections for command in record.commands]

    @property
    def recipients(self) -> list[str]:
        """Return whom the mails taken were for, in order."""
        return [address for mail in self.mails for address in mail.rcpt_tos]

    @property
    def general_behaviour(self) -> Misbehaviour:
        """Return the behaviour where no recipient is known yet."""
        behaviour = self.behaviour
        return behaviour if isinstance(behaviour, Misbehaviour) else Misbehaviour.ACCEPT

    def behaviour_for(self, recipient: str) -> Misbehaviour:
        """Return the behaviour for a mail to this recipient."""
        behaviour = self.behaviour
        return behaviour if isinstance(behaviour, Misbehaviour) else behaviour(recipient)

    def is_new(self, mail_from: str | None, recipient: str) -> bool:
        """Tell whether an envelope comes for the first time, as greylisting wants to know."""
        known = (mail_from, recipient) in self._seen
        self._seen.add((mail_from, recipient))
        return not known

    def take(self, mail: ReceivedMail) -> None:
        """Keep a mail and wake whoever waits for it."""
        with self._came:
            self.mails.append(mail)
            self._came.notify_all()

    def wait_for(self, count: int, timeout_s: float = 5.0) -> list[ReceivedMail]:
        """Wait until `count` mails were taken and return them; blocks, so no event loop of its own.

        In an async test: `await asyncio.to_thread(server.wait_for, 3)`.
        """
        with self._came:
            if not self._came.wait_for(lambda: len(self.mails) >= count, timeout_s):
                raise TimeoutError(f"{len(self.mails)} of {count} mails came in {timeout_s} s")
            return list(self.mails)

    def start(self) -> None:
        """Start it; it answers when this returns."""
        self._thread.start()
        self._ready.wait(10)
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        """Stop it and cut its connections."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  (Raised again in the thread that asked.)
            self._failed = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        # A client that refuses our certificate is a test, not an event to report.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        context = None
        if self.settings.tls is not Tls.NONE:
            context = self.authority.server_context(self.settings.certificate)
        server = await self._loop.create_server(
            lambda: _Protocol(self, context),
            HOST,
            0,
            ssl=context if self.settings.tls is Tls.IMPLICIT else None,
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            await self._stopping.wait()
        finally:
            server.close()
            for transport in self.transports:
                transport.abort()
            await server.wait_closed()
            # Connections are told that they are lost at the next turns of the loop.
            await asyncio.sleep(0.01)


@contextlib.contextmanager
def smtp_servers(authority: Authority) -> Iterator[StartServer]:
    """Give a function that starts servers; all are stopped at the end."""
    started: list[SmtpServer] = []

    def start(behaviour: Behaviour = Misbehaviour.ACCEPT, **settings: Any) -> SmtpServer:
        server = SmtpServer(ServerSettings(behaviour=behaviour, **settings), authority)
        server.start()
        started.append(server)
        return server

    try:
        yield start
    finally:
        for server in started:
            server.stop()


#: `start(behaviour, **fields of ServerSettings)`.
StartServer = Callable[..., SmtpServer]
