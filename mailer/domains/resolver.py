"""Ask the DNS: texts, mail servers, addresses, names of addresses.

In: names. Out: what stands there, nothing where nothing does, or `NoAnswer` where nobody could say.
Those two are never mixed up: a network that is away is no missing record. Standards: RFC 1035.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dns.resolver import Resolver as DnspythonResolver

#: How long one question may take, in seconds, all servers and tries together.
PATIENCE_S = 5.0


class NoAnswer(Exception):
    """The DNS could not be asked: no network, no server, a server that fails."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name}: {reason}")


class Resolver(Protocol):
    """Answers questions; every method raises `NoAnswer` when it cannot."""

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the TXT records of a name, the strings of each joined (RFC 7208 §3.3)."""
        ...

    def mail_servers(self, name: str) -> tuple[tuple[int, str], ...]:
        """Return preference and host of the MX records of a name, the best first."""
        ...

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return the IPv4 and IPv6 addresses of a host."""
        ...

    def names(self, address: str) -> tuple[str, ...]:
        """Return the names that an address says it has (PTR)."""
        ...


@dataclass
class SystemResolver:
    """Asks the servers this machine asks, or one that was named."""

    #: IP address of the server to ask; "" for the system's.
    server: str = ""
    port: int = 53
    patience_s: float = PATIENCE_S
    _known: dict[tuple[str, str], Any] = field(default_factory=dict)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the TXT records of a name."""
        # RFC 7208 §3.3 and RFC 6376 §3.6.2.2: the strings of a record are joined without blanks.
        return tuple(
            b"".join(one.strings).decode("utf-8", "replace") for one in self._ask(name, "TXT")
        )

    def mail_servers(self, name: str) -> tuple[tuple[int, str], ...]:
        """Return the MX records of a name."""
        found = self._ask(name, "MX")
        return tuple(sorted((one.preference, _plain(one.exchange)) for one in found))

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return the addresses of a host."""
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            pass
        found = [one.address for kind in ("A", "AAAA") for one in self._ask(host, kind)]
        return tuple(found)

    def names(self, address: str) -> tuple[str, ...]:
        """Return the names of an address."""
        pointer = ipaddress.ip_address(address).reverse_pointer
        return tuple(_plain(one.target) for one in self._ask(pointer, "PTR"))

    def _ask(self, name: str, kind: str) -> Any:  # noqa: ANN401  (Records of any type.)
        key = (name.lower().rstrip("."), kind)
        if key not in self._known:
            self._known[key] = self._asked(*key)
        return self._known[key]

    def _asked(self, name: str, kind: str) -> Any:  # noqa: ANN401  (Records of any type.)
        import dns.exception
        import dns.name
        import dns.resolver

        try:
            return tuple(self._resolver().resolve(f"{name}.", kind, lifetime=self.patience_s))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except (dns.name.EmptyLabel, dns.name.LabelTooLong, dns.name.NameTooLong):
            # RFC 1035 §2.3.4: no such name can be.
            return ()
        except dns.resolver.LifetimeTimeout as error:
            raise NoAnswer(name, "no server answered in time") from error
        except (dns.exception.DNSException, OSError) as error:
            raise NoAnswer(name, f"the question failed ({type(error).__name__})") from error

    def _resolver(self) -> DnspythonResolver:
        import dns.resolver

        if not self.server:
            return dns.resolver.Resolver()
        asking = dns.resolver.Resolver(configure=False)
        asking.nameservers = [self.server]
        asking.port = self.port
        return asking


def _plain(name: object) -> str:
    return str(name).rstrip(".").lower()
