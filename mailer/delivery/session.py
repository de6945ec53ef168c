"""One connection to a relay, kept open for many transactions.

In: a relay's settings, then envelopes with content. Out: what the relay replied and at which stage.
aiosmtplib greets, encrypts and reads the extensions; then our own protocol takes the connection.
Where the relay offers PIPELINING (RFC 2920), the end of one message and MAIL, RCPT and DATA of the
next travel together; the next content still waits for its own 354.
Nothing is ever sent in clear where TLS was asked for, or to another machine.
Standards: RFC 5321, 2920, 3461, 6531, 6533, 1870, 3207, 8314.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, cast

import aiosmtplib

from mailer.delivery.connecting import (
    certificate_trouble,
    forget_trust,
    is_this_machine,
    open_socket,
    system_trust,
)
from mailer.delivery.login import Auth, Credentials, LoginFailed, TokenSource, log_in
from mailer.delivery.replies import AUTHENTICATION_CODES, Stage, parse_reply
from mailer.delivery.wire import ConnectionLost, WireProtocol
from mailer.events import scrub
from mailer.model.mailing import ComposedMail, Reply

#: The steps of opening a connection; LOGIN is where user name and password are given.
CONNECT, ENCRYPT, LOGIN, EXTENSIONS = "connect", "TLS", "login", "EHLO"


class Encryption(StrEnum):
    """How a connection is encrypted."""

    #: STARTTLS, required.
    STARTTLS = "starttls"
    #: TLS from the first byte (RFC 8314 §3.3).
    IMPLICIT = "implicit"
    #: None: for a relay on this machine only.
    NONE = "none"


@dataclass(frozen=True)
class Timeouts:
    """How long is waited, in seconds; RFC 5321 §4.5.3.2 gives the least a client should wait."""

    #: Until a connection is there, all addresses of the relay together.
    connect_s: float = 60.0
    #: Greeting, MAIL, RCPT and every other command: five minutes each.
    command_s: float = 300.0
    #: DATA: two minutes.
    data_s: float = 120.0
    #: Each block of content: three minutes.
    block_s: float = 180.0
    #: The reply to the end of DATA: ten minutes.
    end_s: float = 600.0
    #: Until a peer that acknowledges nothing at all, not even a keepalive, is taken for gone.
    silence_s: float = 180.0


@dataclass(frozen=True, repr=False)
class RelaySettings:
    """Where a relay is and how to talk to it; never printed, since it holds the password."""

    key: str
    host: str
    port: int
    encryption: Encryption
    username: str = ""
    password: str = ""
    auth: Auth = Auth.AUTO
    #: Tells the token that XOAUTH2 takes instead of a password.
    tokens: TokenSource | None = None
    ehlo: str = "localhost"
    connections: int = 4
    messages_per_connection: int = 500
    timeouts: Timeouts = Timeouts()
    #: Certificates to trust instead of the system's; for tests and private authorities.
    tls_context: ssl.SSLContext | None = None

    @property
    def credentials(self) -> Credentials:
        """Return who we are to it."""
        return Credentials(self.username, self.password, self.auth, self.tokens)


_STAGES = (Stage.MAIL, Stage.RCPT, Stage.DATA)
#: Content up to so many octets goes out in one write with its end.
_AT_ONCE = 65_536
#: What may stand in no path of an envelope.
_UNFIT = re.compile(r"[\x00-\x20<>\x7f]")


class RelayUnavailable(Exception):
    """No connection could be made; says at which step and why, without secrets."""

    def __init__(
        self, relay: str, step: str, reason: str, code: int = 0, *, login_lost: bool = False
    ) -> None:
        self.relay = relay
        self.step = step
        self.reason = reason
        #: Of the relay's reply; 0 where there was none.
        self.code = code
        self._login_lost = login_lost
        super().__init__(f"{relay}: {step}: {reason}")

    @property
    def is_authentication_lost(self) -> bool:
        """Whether the relay takes our login no more, which does not mend itself."""
        return self._login_lost or (self.step != LOGIN and self.code in AUTHENTICATION_CODES)


class Withheld(Exception):
    """Right before DATA the mail was not to go any more; nothing of it was sent."""


class Smtputf8Missing(Exception):
    """The address needs SMTPUTF8 and the relay does not offer it."""


class Answer(NamedTuple):
    """The reply that decided a transaction, and the command it answered."""

    stage: Stage
    reply: Reply


class Transaction(NamedTuple):
    """One message to hand over."""

    mail: ComposedMail
    needs_smtputf8: bool
    #: ENVID of RFC 3461 §4.4, opaque; "" for none.
    envelope_id: str
    #: Asked right before DATA is written: whether the mail may still go.
    may_send: Callable[[], bool]
    #: Called right before the end of DATA is written; what it raises stops it.
    before_end_of_data: Callable[[], None]


class Feed(Protocol):
    """What goes over a connection one after the other."""

    def follow(self) -> Transaction | None:
        """Return what comes next, right before the end of the content before it is written.

        Where it can, its commands travel along; it is to be handed over next in any case.
        """
        ...

    def accepted(self, reply: Reply) -> None:
        """Take the reply that accepted what was handed over; what comes next is handed over now."""
        ...


class InDoubt(Exception):
    """The connection was lost after the end of DATA was written and before its reply."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def dot_stuffed(content: bytes) -> bytes:
    """Return content as DATA carries it, without the final dot (RFC 5321 §4.5.2).

    Raises:
        ValueError: for a bare CR or LF, which some servers would take for the end of the message.
    """
    # RFC 5321 §2.3.8: CR and LF never stand alone.
    if not content.endswith(b"\r\n"):
        raise ValueError("the content does not end with CRLF")
    pairs = content.count(b"\r\n")
    if content.count(b"\n") != pairs or content.count(b"\r") != pairs:
        raise ValueError("the content holds a bare CR or LF")
    if b"\0" in content:
        # RFC 5322 §4: NUL is obsolete and never made; some servers cut a mail off at it.
        raise ValueError("the content holds a NUL")
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..")


#: What xtext writes as its number (RFC 3461 §4).
_NOT_XTEXT = re.compile(r"[^!-~]|[+=]")
#: What unitext writes as its number (RFC 6533 §3).
_NOT_UNITEXT = re.compile(r"[\x00-\x20\x7f+=\\]")


def _original_recipient(address: str) -> str:
    """Return an address as ORCPT carries it, so that a bounce can tell it."""
    if address.isascii():
        if not _NOT_XTEXT.search(address):
            return "rfc822;" + address
        return "rfc822;" + _NOT_XTEXT.sub(lambda found: f"+{ord(found[0]):02X}", address)
    # Unitext may be used since the relay offers SMTPUTF8.
    return "utf-8;" + _NOT_UNITEXT.sub(lambda found: f"\\x{{{ord(found[0]):02X}}}", address)


async def connect(relay: RelaySettings) -> tuple[aiosmtplib.SMTP, aiosmtplib.SMTPResponse]:
    """Connect to a relay, inside TLS where that comes first; return its greeting, too.

    Raises:
        RelayUnavailable: when it is on another machine and is not to be spoken to encrypted.
        OSError: when it cannot be reached.
        SMTPException: when it does not greet us.
    """
    timeouts = relay.timeouts
    implicit = relay.encryption is Encryption.IMPLICIT
    context = relay.tls_context
    if context is None and relay.encryption is not Encryption.NONE:
        context = await system_trust()
    connection = await open_socket(
        relay.host, relay.port, connect_s=timeouts.connect_s, silence_s=timeouts.silence_s
    )
    if relay.encryption is Encryption.NONE and not is_this_machine(connection):
        connection.close()
        reason = "the relay is on another machine, and the connection is not encrypted"
        raise RelayUnavailable(relay.key, ENCRYPT, reason)
    client = aiosmtplib.SMTP(
        # The name that the certificate has to have, which never ends with the root's dot.
        hostname=relay.host.rstrip("."),
        sock=connection,
        local_hostname=relay.ehlo,
        # RFC 5321 §4.5.3.2.1: the greeting may take as long as a command.
        timeout=timeouts.command_s,
        use_tls=implicit,
        # A step of its own, which is never left out: see `encrypt`.
        start_tls=False,
        tls_context=context,
    )
    return client, await client.connect()


async def encrypt(client: aiosmtplib.SMTP, relay: RelaySettings) -> None:
    """Encrypt a connection as it is configured, or fail: nothing goes on in clear.

    Raises:
        SMTPException: when the relay offers no STARTTLS or refuses it.
        OSError: when TLS cannot be begun; its certificate is not valid, say.
    """
    if relay.encryption is Encryption.STARTTLS:
        # RFC 3207 §4.2: what was said before is forgotten, and what came with the reply is not read.
        await client.starttls()
    if relay.encryption is not Encryption.NONE and client.get_transport_info("ssl_object") is None:
        raise aiosmtplib.SMTPException("the connection is not encrypted")


def _close(client: aiosmtplib.SMTP | None) -> None:
    if client is not None:
        client.close()


class Session:
    """An open connection to a relay."""

    def __init__(
        self, relay: RelaySettings, wire: WireProtocol, extensions: dict[str, str]
    ) -> None:
        self.relay = relay
        self._wire = wire
        self._extensions = extensions
        #: Extensions that are asked about for every message.
        self._pipelining = "pipelining" in extensions
        self._size, self._dsn = "size" in extensions, "dsn" in extensions
        limit = extensions.get("size", "")
        #: RFC 1870 §3: 0 announces nothing.
        self._limit = int(limit) if limit.isdigit() else 0
        self._needs_reset = False
        #: The transaction whose commands went with the end of the one before.
        self._begun: Transaction | None = None
        self._feed: Feed | None = None
        #: What went wrong while the one who waits for an answer was not woken.
        self._trouble: Exception | None = None
        self.sent = 0
        wire.dealt_with = self._go_on

    @classmethod
    async def open(cls, relay: RelaySettings) -> Session:
        """Connect, encrypt, log in and read the extensions.

        Raises:
            RelayUnavailable: at whatever step it failed; nothing was sent in clear.
        """
        step = CONNECT
        client: aiosmtplib.SMTP | None = None
        try:
            client, _ = await connect(relay)
            step = ENCRYPT
            await encrypt(client, relay)
            step = EXTENSIONS
            await client.ehlo()
            if relay.username:
                step = LOGIN
                await log_in(client, relay.credentials)
                step = EXTENSIONS
                # Some relays offer more to who is logged in: larger mails, say.
                await client.ehlo()
        except LoginFailed as error:
            _close(client)
            raise RelayUnavailable(
                relay.key, step, error.reason, error.code, login_lost=error.lasts
            ) from None
        except (aiosmtplib.SMTPException, OSError, ValueError, TimeoutError) as error:
            _close(client)
            trouble = certificate_trouble(error)
            if trouble is not None:
                forget_trust()
                raise RelayUnavailable(
                    relay.key, ENCRYPT, f"the certificate {trouble.text}"
                ) from error
            code = getattr(error, "code", 0)
            code = code if isinstance(code, int) else 0
            raise RelayUnavailable(relay.key, step, _safe(error), code) from error
        except BaseException:
            _close(client)
            raise
        # uvloop's transports are none of asyncio's classes, but do as they do.
        transport = cast("asyncio.Transport | None", client.transport)
        if transport is None or transport.is_closing():
            raise RelayUnavailable(relay.key, step, "the connection closed")
        wire = WireProtocol(transport)
        transport.set_protocol(wire)
        extensions = {name.lower(): value for name, value in client.esmtp_extensions.items()}
        return cls(relay, wire, extensions)

    def offers(self, extension: str) -> bool:
        """Tell whether the relay named this extension, in lower case."""
        return extension in self._extensions

    @property
    def usable(self) -> bool:
        """Whether another transaction may be begun on this connection."""
        return not self._wire.unexpected and self.sent < self.relay.messages_per_connection

    async def transact(self, transaction: Transaction, feed: Feed | None = None) -> Answer:
        """Hand one message over and return the reply that decided it.

        Where the relay offers PIPELINING and takes one after the other, all that `feed` has goes
        over before this returns: it was told of each that was accepted, and the answer, or what is
        raised, is about the one that it moved on to.

        Args:
            transaction: the message.
            feed: what comes after it; None for nothing.

        Raises:
            ConnectionLost: before the end of DATA was written: it may be tried again.
            InDoubt: after it.
            Smtputf8Missing: nothing was sent.
            Withheld: nothing was sent, since `may_send` said so.
        """
        mail = transaction.mail
        self._feed = feed
        if self._begun is transaction:
            self._begun = None
            refused = await self._take_replies(transaction, pipelined=True)
        else:
            if transaction.needs_smtputf8 and not self.offers("smtputf8"):
                raise Smtputf8Missing
            too_big = self._too_big(mail.size)
            if too_big is not None:
                return too_big
            if not mail.is_plain:
                mail = mail._replace(pieces=(dot_stuffed(mail.content),))
            self.sent += 1
            refused = await self._begin(transaction)
        if refused is not None:
            self._needs_reset = True
            return refused
        return await self._content(mail, transaction.before_end_of_data)

    def _too_big(self, size: int) -> Answer | None:
        # RFC 1870 §6.1: what is larger than announced is not worth trying.
        if 0 < self._limit < size:
            reply = Reply(552, "5.3.4", f"larger than the relay takes ({self._limit} octets)")
            return Answer(Stage.MAIL, reply)
        return None

    def _commands(self, transaction: Transaction) -> list[bytes]:
        mail_from, rcpt_to = transaction.mail.envelope
        # RFC 5321 §2.3.11: quoted local parts are refused at import; nothing else holds these.
        if _UNFIT.search(mail_from + rcpt_to):
            raise ValueError("the envelope holds a blank, a bracket or a control character")
        mail = f"MAIL FROM:<{mail_from}>"
        rcpt = f"RCPT TO:<{rcpt_to}>"
        if self._size:
            mail += f" SIZE={transaction.mail.size}"
        if transaction.needs_smtputf8:
            # RFC 6531 §3.4: only where it is needed. §3.6: its header fields are 8-bit then.
            mail += " SMTPUTF8 BODY=8BITMIME" if self.offers("8bitmime") else " SMTPUTF8"
        if self._dsn and transaction.envelope_id:
            # RFC 3461 §4.3: headers only, so that no bounce carries the statement in clear.
            mail += f" RET=HDRS ENVID={transaction.envelope_id}"
            rcpt += f" NOTIFY=FAILURE ORCPT={_original_recipient(rcpt_to)}"
        return [f"{mail}\r\n".encode(), f"{rcpt}\r\n".encode(), b"DATA\r\n"]

    async def _begin(self, transaction: Transaction) -> Answer | None:
        """Write MAIL, RCPT and DATA; return the refusal, or None when content may follow."""
        commands = self._commands(transaction)
        if self._needs_reset:
            await self._reset()
        if self._pipelining:
            if not transaction.may_send():
                raise Withheld
            # RFC 2920 §3.1: DATA may be the last command of a group.
            self._wire.write(b"".join(commands))
            return await self._take_replies(transaction, pipelined=True)
        return await self._take_replies(transaction, pipelined=False, commands=commands)

    async def _take_replies(
        self, transaction: Transaction, *, pipelined: bool, commands: Sequence[bytes] = ()
    ) -> Answer | None:
        """Return the refusal among the replies to MAIL, RCPT and DATA, or None."""
        timeouts = self.relay.timeouts
        refused: Answer | None = None
        for number, stage in enumerate(_STAGES):
            is_data = stage is Stage.DATA
            if not pipelined:
                if is_data and not transaction.may_send():
                    # MAIL and RCPT may have taken minutes to be answered.
                    self._needs_reset = True
                    raise Withheld
                self._wire.write(commands[number])
            # Those of a group mostly come together, and need not be waited for one by one.
            reply = self._wire.reply_now() or await self._wire.reply(
                timeouts.data_s if is_data else timeouts.command_s
            )
            wanted = reply.code == 354 if is_data else 200 <= reply.code < 300
            if is_data and wanted and refused is not None:
                # RFC 2920 §3.1: it takes content although nobody is to get it: give it none.
                self._wire.write(b".\r\n")
                await self._wire.reply(timeouts.end_s)
                return refused
            if not wanted and refused is None:
                refused = Answer(stage, reply)
                if not pipelined:
                    return refused
        return refused

    async def _reset(self) -> None:
        self._wire.write(b"RSET\r\n")
        reply = await self._wire.reply(self.relay.timeouts.command_s)
        if reply.code != 250:
            self._wire.close()
            raise ConnectionLost("the relay refused RSET")
        self._needs_reset = False

    async def _content(self, mail: ComposedMail, before_end_of_data: Callable[[], None]) -> Answer:
        timeouts = self.relay.timeouts
        pieces = mail.pieces
        if mail.size > _AT_ONCE:
            self._wire.write_all(pieces)
            await self._wire.drain(timeouts.block_s)
            pieces = ()
        self._write_end(pieces, before_end_of_data)
        try:
            reply = await self._wire.reply(timeouts.end_s)
        except ConnectionLost as error:
            if self._trouble is not None:
                raise self._trouble from None
            # RFC 5321 §4.5.3.2.6: repeating now could deliver it twice.
            raise InDoubt(error.reason) from error
        return Answer(Stage.CONTENT, reply)

    def _write_end(self, pieces: Sequence[bytes], before_end_of_data: Callable[[], None]) -> None:
        """Write content with its end, and the commands of what comes next behind it."""
        if self._wire.unexpected:
            # A reply before the end of the content, or a lost connection: the dot was not written.
            raise self._wire.lost or ConnectionLost("the relay replied before the end of DATA")
        following = self._commands_of_next()
        before_end_of_data()
        try:
            self._wire.write_all((*pieces, b".\r\n" + b"".join(following)))
        except ConnectionLost as error:
            raise InDoubt(error.reason) from error

    def _go_on(self) -> bool:
        """Hand over the next content as soon as the relay took the one before and waits for it.

        Returns:
            Whether it was so; else whoever waits for the answer sees to what was replied.
        """
        begun, feed, replies = self._begun, self._feed, self._wire.replies
        if begun is None or feed is None or len(replies) != 1 + len(_STAGES):
            return False
        ended, mail, rcpt, data = replies
        if not (
            data.code == 354
            and 200 <= ended.code < 300
            and 200 <= mail.code < 300
            and 200 <= rcpt.code < 300
            and begun.mail.size <= _AT_ONCE
        ):
            return False
        replies.clear()
        self._begun = None
        try:
            feed.accepted(ended)
            self._write_end(begun.mail.pieces, begun.before_end_of_data)
        except Exception as error:  # noqa: BLE001  (Raised where the answer is waited for.)
            self._trouble = error
            self._wire.break_off("nothing more could be handed over")
        else:
            self._wire.wait_anew(self.relay.timeouts.end_s)
        return True

    def _commands_of_next(self) -> Sequence[bytes]:
        """Return the commands of what comes next where they may travel with an end of content."""
        if self._feed is None or not self._pipelining or not self.usable:
            return ()
        transaction = self._feed.follow()
        if (
            transaction is None
            or transaction.needs_smtputf8
            or not transaction.mail.is_plain
            or self._too_big(transaction.mail.size) is not None
            or not transaction.may_send()
        ):
            return ()
        # RFC 2920 §3.1: the content may be the first of a group that MAIL, RCPT and DATA follow.
        commands = self._commands(transaction)
        self._begun = transaction
        self.sent += 1
        return commands

    async def close(self) -> None:
        """Say QUIT and close; a relay that does not answer is left alone."""
        try:
            self._wire.write(b"QUIT\r\n")
            await self._wire.reply(2.0)
        except ConnectionLost:
            pass
        finally:
            self._wire.close()

    def abort(self) -> None:
        """Cut the connection at once."""
        self._wire.transport.abort()


def _safe(error: Exception) -> str:
    """Return what went wrong in words without addresses, hosts' secrets or credentials."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        reply = parse_reply(code, str(getattr(error, "message", "")))
        return f"{reply.code} {reply.text}".strip()
    return scrub(f"{type(error).__name__}: {error}")
