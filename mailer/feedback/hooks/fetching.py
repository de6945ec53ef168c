"""Fetch what a host of Amazon SNS has at an address; nothing else in the world can be fetched.

In: an https address of SNS. Out: what is there, of bounded size and in bounded time. The host's name
is one of Amazon's, its certificate must be valid for that name, its address must be a public one,
and no redirect is followed. Standards: RFC 9110, RFC 9112.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from mailer.feedback.hooks.certificates import FetchFailed, NotThere

_HOST = re.compile(r"sns\.[a-z0-9-]{3,40}\.amazonaws\.com(\.cn)?")
_PATIENCE_S = 10.0
#: Certificates and confirmations are a few thousand octets.
_MOST_BYTES = 65_536
_PORT = 443

#: Opens a connection to port 443 of a host.
Connect = Callable[[str], socket.socket]


def connect_publicly(host: str) -> socket.socket:
    """Open a connection to a host, at the first of its addresses that is a public one.

    The name is looked up once, and what was looked at is what is connected to.

    Raises:
        OSError: when there is none, or nobody answers.
    """
    for _, _, _, _, place in socket.getaddrinfo(host, _PORT, type=socket.SOCK_STREAM):
        if ipaddress.ip_address(str(place[0])).is_global:
            return socket.create_connection((str(place[0]), _PORT), timeout=_PATIENCE_S)
    raise ConnectionRefusedError


class SnsFetcher:
    """Fetches addresses of SNS."""

    def __init__(
        self, connect: Connect = connect_publicly, context: ssl.SSLContext | None = None
    ) -> None:
        """Take how to connect, and whom to trust: the system's authorities when it is not said."""
        self._connect = connect
        self._context = context or ssl.create_default_context()

    def __call__(self, address: str) -> bytes:
        """Return what is at an address.

        Raises:
            NotThere: when it is no address of SNS, or SNS has nothing there.
            FetchFailed: when SNS cannot be reached, or is not well.
        """
        parts = urlsplit(address)
        host = parts.netloc
        if parts.scheme != "https" or not _HOST.fullmatch(host):
            raise NotThere
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        try:
            with (
                self._connect(host) as plain,
                self._context.wrap_socket(plain, server_hostname=host) as encrypted,
            ):
                encrypted.settimeout(_PATIENCE_S)
                return _get(encrypted, host, target)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchFailed from error


def _get(encrypted: ssl.SSLSocket, host: str, target: str) -> bytes:
    connection = http.client.HTTPConnection(host, timeout=_PATIENCE_S)
    connection.sock = encrypted
    connection.request("GET", target, headers={"Connection": "close"})
    response = connection.getresponse()
    body = response.read(_MOST_BYTES + 1)
    if len(body) > _MOST_BYTES or 300 <= response.status < 500:
        # RFC 9110 §15.4: a redirect would lead where we did not look.
        raise NotThere
    if response.status != http.client.OK:
        raise FetchFailed
    return body
