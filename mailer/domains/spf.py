"""Read a domain's SPF record and count what evaluating it costs.

In: a domain and a resolver. Out: `SpfRecord` with its mechanisms and the number of its DNS-querying
terms, those of what it includes among them. Standards: RFC 7208 §4.5 (one record), §4.6.4 (at most
ten such terms).
"""

from __future__ import annotations

from dataclasses import dataclass

from mailer.domains.resolver import Resolver

#: RFC 7208 §4.6.4: more than ten is a permanent error.
MOST_LOOKUPS = 10
_VERSION = "v=spf1"
_QUERYING = ("include", "a", "mx", "ptr", "exists")


@dataclass(frozen=True)
class SpfRecord:
    """A domain's SPF record."""

    domain: str
    #: How many records there are; only one may be.
    records: int
    #: Terms of the first, without the version, in their order.
    terms: tuple[str, ...]
    #: Domains it includes, directly or by another.
    includes: frozenset[str]
    #: DNS-querying terms, counted through all it includes.
    lookups: int


def _name(term: str) -> str:
    return term.lstrip("+-~?").partition(":")[0].partition("/")[0].lower()


def _records(domain: str, resolver: Resolver) -> list[list[str]]:
    texts = resolver.texts(domain)
    return [text.split() for text in texts if text.split()[:1] == [_VERSION]]


def read_spf(domain: str, resolver: Resolver) -> SpfRecord | None:
    """Return the SPF record of a domain; None when there is none.

    Raises:
        NoAnswer: when the DNS could not be asked.
    """
    records = _records(domain, resolver)
    if not records:
        return None
    includes: set[str] = set()
    lookups = _count(records[0][1:], resolver, includes, MOST_LOOKUPS + 1)
    return SpfRecord(domain, len(records), tuple(records[0][1:]), frozenset(includes), lookups)


def _count(terms: list[str], resolver: Resolver, includes: set[str], budget: int) -> int:
    """Return the DNS-querying terms, and stop when the budget is used up."""
    used = 0
    for term in terms:
        if used > budget:
            break
        name = _name(term)
        target = ""
        if term.lower().startswith("redirect="):
            target = term.partition("=")[2].lower()
        elif name not in _QUERYING:
            continue
        elif name == "include":
            target = term.partition(":")[2].lower()
        used += 1
        # A macro is filled in per mail; what it leads to cannot be counted here.
        if target and "%" not in target and target not in includes:
            includes.add(target)
            inner = _records(target, resolver)
            if inner:
                used += _count(inner[0][1:], resolver, includes, budget - used)
    return used


def names_host(record: SpfRecord, host: str, addresses: tuple[str, ...]) -> bool:
    """Tell whether a record names a host or one of its addresses in so many words."""
    wanted = {f"a:{host.lower()}", *(f"ip4:{one}" for one in addresses)}
    wanted |= {f"ip6:{one}" for one in addresses}
    return any(term.lstrip("+").lower() in wanted for term in record.terms)
