"""Ask a web server whether there is a page at an address; never more, and never a private server.

In: a web address that somebody wrote into a statement. Out: how it answered. Whoever writes
statements must not reach, by this machine, what they could not reach by themselves: the host is
looked up once, every address it has must be public, and what was looked at is what is connected to.
No redirect is followed, nothing is sent but the request, and at most the head of the answer is
read. Standards: RFC 9110 (HTTP), RFC 6890 (addresses with a special purpose).
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import SplitResult, urljoin, urlsplit

from mailer.compose.links import ascii_address
from mailer.model.characters import printable
from mailer.model.links import LinkAnswer, LinkLook

#: How long one request may take, from the first packet to the last.
PATIENCE_S = 5.0
#: Characters of where a page sends readers on to.
LONGEST_TARGET = 500
#: Says what it is, and neither which version nor where it runs.
USER_AGENT = "Mozilla/5.0 (compatible; link check)"
_PORTS = {"http": 80, "https": 443}
#: Pages are at these; what answers at others was not written for readers.
_ALLOWED_PORTS = frozenset({80, 443, 8080, 8443})
_NO_PAGE = frozenset({404, 410})
_CLOSED = frozenset({401, 402, 403, 405, 406, 407, 423, 429, 451, 501})
#: IPv6 networks whose last 32 bits are an IPv4 address, which decides (RFC 4291 §2.5.5.2, RFC 6052 §2.1).
_WITH_IPV4 = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
#: Ways through to IPv4 by which no page is served: translation within a site (RFC 8215), addresses
#: that are out of use (RFC 4291 §2.5.5.1), 6to4 (RFC 7526), Teredo, site-local (RFC 3879).
_NEVER = tuple(
    ipaddress.IPv6Network(one)
    for one in ("64:ff9b:1::/48", "::/96", "2002::/16", "2001::/32", "fec0::/10")
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: Host and port → the addresses of the host, as the system's resolver gives them.
Resolve = Callable[[str, int], Sequence[str]]
#: Whether a connection to this address and port may be opened.
Allowed = Callable[[Address, int], bool]


def system_addresses(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host, as the system finds them.

    Raises:
        OSError: when there is none, or the DNS does not answer.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


def is_public(address: Address, port: int) -> bool:
    """Tell whether an address is one of the public network, and the port one of pages."""
    if port not in _ALLOWED_PORTS:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _WITH_IPV4):
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF), port)
        if any(address in network for network in _NEVER):
            return False
    return address.is_global and not address.is_multicast


class _Refused(Exception):
    """The address leads where nobody connects."""


@dataclass(frozen=True)
class _Target:
    """Where one address leads, looked up."""

    parts: SplitResult
    host: str
    port: int
    #: The one address that is connected to.
    place: str

    @property
    def named(self) -> str:
        """Return the host as the field Host names it (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.parts.scheme] else f"{host}:{self.port}"

    @property
    def path(self) -> str:
        path = self.parts.path or "/"
        return f"{path}?{self.parts.query}" if self.parts.query else path


class LinkAsker:
    """Asks web servers, one address at a time; may be used by several threads at once."""

    def __init__(
        self,
        resolve: Resolve = system_addresses,
        allowed: Allowed = is_public,
        context: ssl.SSLContext | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Take how hosts are looked up, where one may connect, and whom to trust.

        Args:
            resolve: looks a host up; it is asked once per address.
            allowed: says where a connection may go. Only tests give another than `is_public`.
            context: for TLS; None for the system's authorities.
            patience_s: how long one request may take.
        """
        self._resolve = resolve
        self._allowed = allowed
        self._context = context or ssl.create_default_context()
        self._patience_s = patience_s

    def ask(self, address: str, now: datetime) -> LinkLook:
        """Return how an address answers; nothing is raised, whatever is there."""
        try:
            target = self._target(address)
            status, location = self._request(target, "HEAD")
            if status >= 400:
                # Many servers know no HEAD, and say so in many ways.
                status, location = self._request(target, "GET")
        except _Refused:
            return LinkLook(address, now, LinkAnswer.PRIVATE)
        except socket.gaierror as error:
            return LinkLook(address, now, _by_lookup(error))
        except ssl.SSLError:
            return LinkLook(address, now, LinkAnswer.UNTRUSTED)
        except http.client.HTTPException:
            return LinkLook(address, now, LinkAnswer.FAILING)
        except OSError:
            return LinkLook(address, now, LinkAnswer.SILENT)
        except ValueError:
            # Neither a host nor a path of HTTP can be made of it.
            return LinkLook(address, now, LinkAnswer.GONE)
        if 300 <= status < 400 and location:
            leads_to = printable(urljoin(address, location))[:LONGEST_TARGET]
            return LinkLook(address, now, LinkAnswer.LEADS_ON, status, leads_to)
        return LinkLook(address, now, _by_status(status), status)

    def _target(self, address: str) -> _Target:
        """Look up where an address leads, once.

        Raises:
            OSError: when the host is not found.
            ValueError: when it is no address.
            _Refused: when one of the host's addresses is not public, or it is no web address.
        """
        parts = urlsplit(ascii_address(address))
        if parts.scheme not in _PORTS or parts.username is not None or not parts.hostname:
            raise _Refused
        port = parts.port or _PORTS[parts.scheme]
        places = self._resolve(parts.hostname, port)
        # One that is not public among several tells of somebody who tries which is taken.
        for place in places:
            if not self._allowed(ipaddress.ip_address(place), port):
                raise _Refused
        if not places:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        return _Target(parts, parts.hostname, port, places[0])

    def _request(self, target: _Target, method: str) -> tuple[int, str]:
        """Return status and Location of an answer.

        Raises:
            OSError: when nobody answers in time.
            http.client.HTTPException: when what answers is no HTTP.
        """
        with self._connection(target) as opened:
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = opened
            headers = {
                "Host": target.named,
                "User-Agent": USER_AGENT,
                "Accept": "*/*",
                "Connection": "close",
            }
            if method == "GET":
                headers["Range"] = "bytes=0-0"
            connection.request(method, target.path, headers=headers)
            response = connection.getresponse()
            return response.status, response.getheader("Location") or ""

    @contextlib.contextmanager
    def _connection(self, target: _Target) -> Iterator[socket.socket]:
        """Open a connection to the place that was looked up, to be over in time.

        A server that sends a letter every second would keep a timeout of reading waiting for ever,
        so that the whole of it is cut off.
        """
        is_cut = threading.Event()
        with (
            socket.create_connection((target.place, target.port), self._patience_s) as plain,
            # TLS takes the socket over; this one stays at hand.
            plain.dup() as handle,
        ):
            cut = threading.Timer(self._patience_s, _cut_off, (handle, is_cut))
            cut.daemon = True
            cut.start()
            try:
                if target.parts.scheme == "https":
                    with self._context.wrap_socket(plain, server_hostname=target.host) as encrypted:
                        yield encrypted
                else:
                    yield plain
            except (OSError, http.client.HTTPException) as error:
                if is_cut.is_set():
                    raise TimeoutError from error
                raise
            finally:
                cut.cancel()


def _cut_off(handle: socket.socket, is_cut: threading.Event) -> None:
    is_cut.set()
    with contextlib.suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


def _by_lookup(error: socket.gaierror) -> LinkAnswer:
    nobody = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
    return LinkAnswer.GONE if error.errno in nobody else LinkAnswer.OFFLINE


def _by_status(status: int) -> LinkAnswer:
    if status in _NO_PAGE:
        return LinkAnswer.GONE
    # RFC 9110 §15.5.17: a range that cannot be had is of a page that is there.
    if status < 400 or status == 416:
        return LinkAnswer.FINE
    return LinkAnswer.CLOSED if status in _CLOSED else LinkAnswer.FAILING
