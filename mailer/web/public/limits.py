"""Limit how often one network may ask for mails to be sent, and keep nothing of who asked.

In: a request, an instant of the monotonic clock. Out: whether it is within the limit. A network is
known by a keyed digest alone, whose key is drawn when the process begins: neither the memory nor a
core dump names a visitor's address, and nothing is written anywhere.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.requests import Request

from mailer.clock import Clock

#: What one network may ask for at once: people at a stall share a device, and many an exit of Tor.
NETWORK_BURST = 20
#: How much of that comes back in an hour.
NETWORK_PER_HOUR = 20
# What a provider hands out to one customer: mostly these, and rarely anything larger.
_IPV4_PREFIX = 24
_IPV6_PREFIX = 48
#: Networks that are remembered: 20 MB. Those not seen for longest are forgotten first.
_MOST_NETWORKS = 100_000
_HOUR_S = 3_600
#: Visitors of whom no network is known share one.
_UNKNOWN = "unknown"


def network_of(request: Request) -> str:
    """Return the network a request comes from: "203.0.113.0/24", or "2001:db8:1::/48".

    Behind a proxy on this machine it is what that proxy saw, the last entry of X-Forwarded-For: the
    ones before it are the visitor's to invent, and so is the whole field for whoever comes straight.
    """
    peer = _address(request.client.host if request.client else "")
    fields = request.headers.getlist("x-forwarded-for")
    if fields and (peer is None or peer.is_loopback):
        peer = _address(fields[-1].rpartition(",")[2].strip())
    if peer is None:
        return _UNKNOWN
    prefix = _IPV6_PREFIX if isinstance(peer, IPv6Address) else _IPV4_PREFIX
    return str(ip_network((int(peer), prefix), strict=False))


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    # RFC 4291 §2.5.5.2: an IPv4 address as a socket for both families shows it.
    return getattr(address, "ipv4_mapped", None) or address


@dataclass
class _Bucket:
    """What a network may still ask for, as it was at an instant."""

    left: float
    at_s: float


class Limiter:
    """A token bucket for each network; threads may share it."""

    def __init__(
        self, clock: Clock, *, burst: int = NETWORK_BURST, per_hour: float = NETWORK_PER_HOUR
    ) -> None:
        """Begin with full buckets.

        Args:
            clock: For how long ago something was.
            burst: What may be asked for at once.
            per_hour: How much of that comes back in an hour.
        """
        self._clock = clock
        self._burst = burst
        self._per_s = per_hour / _HOUR_S
        self._key = secrets.token_bytes(32)
        # In the order in which they were last asked for.
        self._buckets: dict[bytes, _Bucket] = {}
        self._lock = threading.Lock()

    def allows(self, network: str) -> bool:
        """Tell whether a network, see `network_of`, is within its limit, and count this time."""
        name = hmac.digest(self._key, network.encode(), sha256)
        now_s = self._clock.monotonic()
        with self._lock:
            bucket = self._buckets.pop(name, None) or _Bucket(self._burst, now_s)
            left = min(self._burst, bucket.left + (now_s - bucket.at_s) * self._per_s)
            allowed = left >= 1
            self._buckets[name] = _Bucket(left - 1 if allowed else left, now_s)
            if len(self._buckets) > _MOST_NETWORKS:
                del self._buckets[next(iter(self._buckets))]
        return allowed
