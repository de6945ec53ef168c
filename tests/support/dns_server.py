"""A real DNS server on loopback that knows the records a test gives it.

    with dns_server({("example.org", "TXT"): ['"v=spf1 -all"']}) as server:
        resolver = SystemResolver(server.host, server.port)

A name without a record does not exist. What is in `silent` is never answered.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Records = Mapping[tuple[str, str], Sequence[str]]


@dataclass
class DnsServer:
    """A running server; `records` may be changed while it runs."""

    records: dict[tuple[str, str], Sequence[str]]
    silent: frozenset[str] = frozenset()
    host: str = "127.0.0.1"
    port: int = 0
    #: What was asked, in order.
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, wire: bytes) -> bytes | None:
        """Return the answer to one question; None for silence."""
        question = dns.message.from_wire(wire)
        asked = question.question[0]
        name = asked.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(asked.rdtype)
        self.asked.append((name, kind))
        if name in self.silent:
            return None
        reply = dns.message.make_response(question)
        reply.flags |= dns.flags.RA | dns.flags.AA
        values = self.records.get((name, kind))
        if values:
            reply.answer.append(dns.rrset.from_text(asked.name, 60, "IN", kind, *values))
        elif not any(known == name for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire(max_size=65_535)

    def serve(self, bound: socket.socket) -> None:
        """Answer until the socket is closed."""
        while True:
            try:
                wire, peer = bound.recvfrom(65_535)
            except OSError:
                return
            if not wire:
                return
            reply = self.answer(wire)
            if reply is not None:
                bound.sendto(reply, peer)


@contextlib.contextmanager
def dns_server(records: Records, silent: Sequence[str] = ()) -> Iterator[DnsServer]:
    """Run a server with these records: (name, type) → values as a zone file has them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        server = DnsServer(dict(records), frozenset(silent), port=bound.getsockname()[1])
        thread = threading.Thread(target=server.serve, args=(bound,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
                ending.sendto(b"", (server.host, server.port))
            thread.join(timeout=5)
