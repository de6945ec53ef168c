"""Reach a relay: the socket, and whom we believe when it shows a certificate.

In: a host and a port. Out: a connected socket that notices a peer that is gone, a TLS context, and
what is wrong with a certificate in words. Standards: RFC 5321 §5.1, RFC 8314, RFC 8997 (TLS 1.2).
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass

# OpenSSL's X509_V_ERR numbers, for what a person can do something about.
_EXPIRED, _NOT_YET = 10, 9
# Seven: signed with another key than that of the authority it names.
_SELF_SIGNED = frozenset({7, 18, 19})
_UNKNOWN_AUTHORITY = frozenset({2, 20, 21})
_OTHER_NAME = frozenset({62, 64})
_TRUST_LOCK = threading.Lock()


@dataclass(frozen=True)
class Trouble:
    """What is wrong, and what a person can do."""

    text: str
    remedy: str


async def open_socket(host: str, port: int, *, connect_s: float, silence_s: float) -> socket.socket:
    """Connect to the first address of a host that answers.

    Args:
        host: a name or an address.
        port: where it listens.
        connect_s: for all addresses together: one that swallows packets leaves time for the next.
        silence_s: a connection whose peer acknowledges nothing for so long is lost.

    Raises:
        OSError: when none answers; it is that of the last address.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(connect_s):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise TimeoutError("no DNS server answers in time") from None
    failure: OSError = OSError("it has no address")
    # RFC 5321 §5.1: every address is tried, in the order in which they were given.
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            _notice_silence(connection, silence_s)
            async with asyncio.timeout(connect_s / len(found)):
                await loop.sock_connect(connection, address)
        except TimeoutError:
            connection.close()
            failure = TimeoutError("no answer in time")
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure


def _notice_silence(connection: socket.socket, silence_s: float) -> None:
    """Have the system end a connection whose peer is gone without a word.

    A cable that was pulled, or a firewall that forgot us, sends no reset: without this a reply
    would be waited for the ten minutes that RFC 5321 grants to a relay that is there.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        # An idle peer is asked after a third of it, then six times.
        "TCP_KEEPIDLE": max(1, round(silence_s / 3)),
        "TCP_KEEPINTVL": max(1, round(silence_s / 9)),
        "TCP_KEEPCNT": 6,
        # Milliseconds in which what we wrote must have been acknowledged.
        "TCP_USER_TIMEOUT": max(1, round(silence_s * 1000)),
    }
    for name, value in options.items():
        # Not every system has them all; Linux does.
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def is_this_machine(connection: socket.socket) -> bool:
    """Tell whether a connection's other end is on this machine, whatever name it was reached by."""
    return ipaddress.ip_address(connection.getpeername()[0].partition("%")[0]).is_loopback


@functools.cache
def _system_trust() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    # RFC 8997 §3: no version before 1.2, whatever the system allows.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _trust_once() -> ssl.SSLContext:
    with _TRUST_LOCK:
        return _system_trust()


async def system_trust() -> ssl.SSLContext:
    """Return a context that believes the system's authorities, and wants the right host name.

    Reading them takes a tenth of a second, so that all connections share one.
    """
    return await asyncio.to_thread(_trust_once)


def forget_trust() -> None:
    """Read the system's authorities anew next time: a person may have added one meanwhile."""
    _system_trust.cache_clear()


def certificate_trouble(error: BaseException) -> Trouble | None:
    """Return what is wrong with the certificate that made a connection fail; None when it did not.

    The text goes after "the certificate".
    """
    for one in causes(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return _trouble(one)
    return None


def causes(error: BaseException) -> list[BaseException]:
    """Return an error and what it came from, the first cause last."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain


def _trouble(error: ssl.SSLCertVerificationError) -> Trouble:
    code = error.verify_code
    if code == _EXPIRED:
        return Trouble("has expired", "Ask the relay's operator to renew it")
    if code == _NOT_YET:
        return Trouble("is not valid yet", "See whether this machine's clock is right")
    if code in _OTHER_NAME:
        remedy = "Write the name that the operator gives, not an address or another name"
        return Trouble("is for another host", remedy)
    if code in _SELF_SIGNED:
        remedy = "Give the relay a certificate of an authority, or add its own to the system's"
        return Trouble("is signed by nobody this machine trusts", remedy)
    if code in _UNKNOWN_AUTHORITY:
        remedy = "Ask the operator to send the whole chain, or add the authority to the system's"
        return Trouble("comes from an authority this machine does not know", remedy)
    return Trouble(f"is not valid: {error.verify_message}", "Ask the operator")
