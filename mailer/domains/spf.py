"""Read a domain's SPF record and count what evaluating it costs.

In: a domain and a resolver. Out: `SpfRecord` with its mechanisms, what of them cannot be evaluated,
and the number of its DNS-querying terms, those of what it includes among them. Standards: RFC 7208
§4.5 (one record), §4.6.4 (at most ten such terms), §5 (mechanisms), §6 (modifiers).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from mailer.domains.resolver import Resolver

#: RFC 7208 §4.6.4: more than ten is a permanent error.
MOST_LOOKUPS = 10
_VERSION = "v=spf1"
_QUERYING = frozenset({"include", "a", "mx", "ptr", "exists"})
_MODIFIER = re.compile(r"[a-z][a-z0-9_.-]*=", re.IGNORECASE)


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
    #: What nobody can evaluate, in it or in what it includes; one is enough that none of it counts.
    broken: tuple[str, ...]

    @property
    def lets_everybody(self) -> bool:
        """Whether whoever is not named may send all the same."""
        # RFC 7208 §5.1: "all" matches always, so that the first one decides.
        ends = [one.lower() for one in self.terms if _name(one) == "all"]
        return ends[:1] in (["all"], ["+all"])


def _name(term: str) -> str:
    return re.sub(r"^[-+~?]|[:/].*", "", term).lower()


def _is_readable(term: str) -> bool:
    """Tell whether a term is a modifier or a mechanism that there is."""
    name, value = _name(term), term.partition(":")[2]
    if name in ("ip4", "ip6"):
        try:
            return ipaddress.ip_network(value, strict=False).version == int(name[-1])
        except ValueError:
            return False
    if name in ("include", "exists"):
        return bool(value)
    return name == "all" or name in _QUERYING or bool(_MODIFIER.match(term))


def _records(domain: str, resolver: Resolver) -> list[list[str]]:
    texts = resolver.texts(domain)
    return [text.split() for text in texts if text.lower().split()[:1] == [_VERSION]]


def read_spf(domain: str, resolver: Resolver) -> SpfRecord | None:
    """Return the SPF record of a domain; None when there is none.

    Raises:
        NoAnswer: when the DNS could not be asked.
    """
    records = _records(domain, resolver)
    if not records:
        return None
    terms = records[0][1:]
    includes: set[str] = set()
    broken: dict[str, None] = {}
    lookups = _count(terms, resolver, includes, broken, MOST_LOOKUPS + 1)
    return SpfRecord(
        domain, len(records), tuple(terms), frozenset(includes), lookups, tuple(broken)
    )


def _count(
    terms: list[str],
    resolver: Resolver,
    includes: set[str],
    broken: dict[str, None],
    budget: int,
) -> int:
    """Return the DNS-querying terms, and stop when the budget is used up."""
    # RFC 7208 §4.6: one term that cannot be read spoils the record.
    broken |= dict.fromkeys(term for term in terms if not _is_readable(term))
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
        if target and "%" not in target:
            includes.add(target)
            inner = _records(target, resolver)
            if len(inner) != 1:
                # RFC 7208 §5.2 and §6.1: to include no record is an error, two of them are one.
                broken[term] = None
            else:
                used += _count(inner[0][1:], resolver, includes, broken, budget - used)
    return used


def names_host(record: SpfRecord, host: str, addresses: tuple[str, ...]) -> bool:
    """Tell whether a record names a host or one of its addresses in so many words."""
    wanted = {f"a:{host.lower()}", *(f"ip4:{one}" for one in addresses)}
    wanted |= {f"ip6:{one}" for one in addresses}
    return any(term.lstrip("+").lower() in wanted for term in record.terms)
