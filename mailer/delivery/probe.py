"""See whether a relay can be reached as it is configured, step by step; no mail is handed over.

In: a relay's settings. Out: findings, one per step: name, connection and greeting, TLS with its
certificate, login, extensions. The first step that fails is the last. Each waits a few seconds and
no longer. Standards: RFC 5321 §3.1, RFC 3207, RFC 8314, RFC 4954 (login), RFC 8689 (REQUIRETLS).
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import aiosmtplib

from mailer.delivery.connecting import causes, certificate_trouble
from mailer.delivery.login import Auth, LoginFailed, log_in
from mailer.delivery.replies import parse_reply
from mailer.delivery.session import (
    Encryption,
    RelaySettings,
    RelayUnavailable,
    Timeouts,
    connect,
    encrypt,
)
from mailer.model.findings import Finding, advice, ok, wrong

#: How long a step may take, in seconds.
PATIENCE_S = 15.0
#: A certificate that ends sooner is worth a look.
_SOON_DAYS = 14
_AGAIN = "Try again; then ask the relay's operator"
#: Whether a token is used → what to do where the relay was not asked, or offers nothing of ours.
_WITHOUT_LOGIN: Mapping[bool, str] = {
    True: "Run token_command by hand in the workspace's folder; if it works, see auth",
    False: "See auth in config.toml, or take the port for those who log in (587 or 465)",
}
#: Extension as EHLO names it → what it is good for, and whether its absence is worth a word.
_EXTENSIONS: Mapping[str, tuple[str, bool]] = {
    "pipelining": ("sending is quicker", True),
    "8bitmime": ("not needed: our mails are 7-bit", False),
    "smtputf8": ("reaches addresses like елена@", True),
    "dsn": ("bounces can be told apart by their id", True),
    "requiretls": ("TLS all the way", False),
}


class _Failed(Exception):
    """A step failed, and none follows."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.text)


async def probe(
    relay: RelaySettings, now: datetime, patience_s: float = PATIENCE_S
) -> list[Finding]:
    """Return what each step found; the last is wrong when one failed.

    Args:
        relay: How it is reached.
        now: This instant, to tell how long its certificate is good for.
        patience_s: How long a step may take.
    """
    found: list[Finding] = []
    try:
        async for one in _steps(relay, now, patience_s):
            found.append(one)  # noqa: PERF401  (What was found before a failure is kept.)
    except _Failed as failed:
        found.append(failed.finding)
    # The event loop closes the socket at its next turns, and may have none after this.
    await asyncio.sleep(0.01)
    return found


async def _steps(relay: RelaySettings, now: datetime, patience_s: float) -> AsyncIterator[Finding]:
    yield await _looked_up(relay, patience_s)
    hasty = replace(relay, timeouts=Timeouts(connect_s=patience_s, command_s=patience_s))
    client, greeting = await _connected(hasty)
    try:
        yield greeting
        if relay.encryption is Encryption.NONE:
            yield ok("TLS", "none, as configured: the relay is on this machine")
        else:
            await _encrypted(client, relay)
            for one in _certificate(client, now):
                yield one
        await _greeted(client)
        if relay.username:
            yield await _logged_in(client, relay)
            await _greeted(client)
        else:
            yield ok("login", "none, as configured")
        for one in _features(client):
            yield one
    finally:
        client.close()


async def _looked_up(relay: RelaySettings, patience_s: float) -> Finding:
    loop = asyncio.get_running_loop()
    try:
        found = await asyncio.wait_for(
            loop.getaddrinfo(relay.host, relay.port, type=socket.SOCK_STREAM), patience_s
        )
    except (socket.gaierror, TimeoutError, UnicodeError):
        remedy = "Mend host, or check the network of this machine"
        raise _Failed(wrong("name", f"{relay.host} has no address", remedy)) from None
    addresses = ", ".join(sorted({str(one[4][0]) for one in found}))
    return ok("name", f"{relay.host} is {addresses}")


async def _connected(relay: RelaySettings) -> tuple[aiosmtplib.SMTP, Finding]:
    try:
        client, reply = await connect(relay)
    except RelayUnavailable as error:
        remedy = 'Take tls = "starttls" or "implicit"'
        raise _Failed(wrong(error.step, error.reason, remedy)) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _Failed(_no_connection(error, relay)) from None
    text = parse_reply(reply.code, reply.message).text.splitlines()
    place = f"{relay.host} port {relay.port}"
    return client, ok("connection", f"{place}: {reply.code} {text[0] if text else ''}")


def _no_connection(error: Exception, relay: RelaySettings) -> Finding:
    place = f"{relay.host} port {relay.port}"
    chain = causes(error)
    if isinstance(error, aiosmtplib.SMTPConnectResponseError):
        text = f"it does not want to talk: {_said(error)}"
        return wrong("greeting", text, "Ask the relay's operator why")
    if any(isinstance(one, ssl.SSLError | ssl.CertificateError) for one in chain):
        return _bad_tls(error)
    if any(isinstance(one, ConnectionRefusedError) for one in chain):
        remedy = "Mend host and port, or start the relay"
        return wrong("connection", f"nobody listens at {place}", remedy)
    # The connection is there; its time-out is one of the language and none of the library.
    if any(isinstance(one, aiosmtplib.SMTPTimeoutError) for one in chain):
        remedy = 'With tls = "implicit" the port is 465; with "starttls" it is 587'
        return wrong("greeting", f"{place} says nothing", remedy)
    if any(isinstance(one, TimeoutError) for one in chain):
        remedy = "A firewall may drop it: ask who runs this machine to let the port out"
        return wrong("connection", f"{place} does not answer in time", remedy)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return wrong("greeting", f"{place} speaks no SMTP", "Mend host and port")
    return wrong("connection", f"{place} closes the connection", _AGAIN)


async def _encrypted(client: aiosmtplib.SMTP, relay: RelaySettings) -> None:
    if relay.encryption is Encryption.STARTTLS:
        await _greeted(client)
        if "starttls" not in client.esmtp_extensions:
            remedy = 'Take the port for encrypted connections, 465 with tls = "implicit"'
            raise _Failed(wrong("TLS", f"{relay.host} does not offer STARTTLS", remedy))
    try:
        await encrypt(client, relay)
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _Failed(_bad_tls(error)) from None


def _said(error: aiosmtplib.SMTPResponseException) -> str:
    return f"{error.code} {parse_reply(error.code, error.message).text}"


def _ended(error: BaseException) -> str:
    # The library's own errors of both kinds are those of the language, too.
    is_late = isinstance(error, TimeoutError)
    return "the relay does not answer in time" if is_late else "the relay closes the connection"


def _bad_tls(error: Exception) -> Finding:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return wrong("TLS", f"STARTTLS is refused: {_said(error)}", "Ask the relay's operator why")
    trouble = certificate_trouble(error)
    if trouble is not None:
        return wrong("certificate", trouble.text, trouble.remedy)
    for one in causes(error):
        if isinstance(one, ssl.SSLError):
            reason = one.reason or "no common version"
            remedy = 'With tls = "implicit" the port is 465; with "starttls" it is 587'
            return wrong("TLS", f"the connection cannot be encrypted: {reason}", remedy)
    return wrong("TLS", f"{_ended(error)} while it is being encrypted", _AGAIN)


def _certificate(client: aiosmtplib.SMTP, now: datetime) -> list[Finding]:
    encrypted = client.get_transport_info("ssl_object")
    cipher = (encrypted.cipher() or ("?",))[0]
    found = [ok("TLS", f"{encrypted.version()}, {cipher}")]
    told = encrypted.getpeercert() or {}
    names = ", ".join(value for _, value in told.get("subjectAltName", ()))
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(told["notAfter"]), UTC)
    days = (until - now).days
    text = f"for {names}, until {until:%Y-%m-%d} ({days} days)"
    if days < _SOON_DAYS:
        return [*found, advice("certificate", text, "See that it is renewed in time")]
    return [*found, ok("certificate", text)]


async def _logged_in(client: aiosmtplib.SMTP, relay: RelaySettings) -> Finding:
    try:
        mechanism = await log_in(client, relay.credentials)
    except LoginFailed as error:
        if error.code:
            text, remedy = f"refused: {error.reason}", _login_remedy(error.code, relay.auth)
        else:
            text, remedy = error.reason, _WITHOUT_LOGIN[relay.tokens is not None]
        raise _Failed(wrong("login", text, remedy)) from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise _Failed(wrong("login", _ended(error), _AGAIN)) from None
    return ok("login", f"accepted, by {mechanism.upper()}")


def _login_remedy(code: int, auth: Auth) -> str:
    # RFC 4954 §6: what each code of a refused login means.
    match code:
        case 534 | 538:
            return "The mechanism is too weak for this relay: see its page on SMTP passwords"
        case 530:
            return "It wants encryption first: see tls in config.toml"
        case 454 | 421:
            return "It cannot check logins now: try again later"
        case _ if auth is Auth.XOAUTH2:
            return "Check username, and that the token is this mailbox's and may send by SMTP"
        case _:
            return "Check username and password; some relays want one made for SMTP alone"


async def _greeted(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except (aiosmtplib.SMTPException, OSError) as error:
        code = getattr(error, "code", "")
        text = f"EHLO was not accepted{f': {code}' if code else ''}"
        raise _Failed(wrong("greeting", text, "See ehlo in config.toml")) from None


def _features(client: aiosmtplib.SMTP) -> list[Finding]:
    offered = {name.lower(): value for name, value in client.esmtp_extensions.items()}
    found: list[Finding] = []
    for name, (good_for, missed) in _EXTENSIONS.items():
        if name in offered:
            found.append(ok(name.upper(), "offered"))
        elif missed:
            found.append(advice(name.upper(), f"not offered; with it {good_for}"))
        else:
            found.append(ok(name.upper(), f"not offered ({good_for})"))
    size = offered.get("size", "")
    limit = re.sub(r"\D", "", size)
    text = f"mails of up to {int(limit):,} octets" if limit and int(limit) else "no limit announced"
    return [*found, ok("SIZE", text)]
