"""Find a domain's DMARC record and its organizational domain, and say what is aligned with it.

In: a domain and a resolver. Out: `Policy`, organizational domains, a yes or no. Standards: RFC 9989
§4.10 (the DNS tree walk, which takes the place of lists of public suffixes), §4.7 (the record; its
unknown tags are ignored, and `pct` is one of them now).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mailer.domains.resolver import Resolver

#: A walk that begins deeper goes on with this many labels (RFC 9989 §4.10).
_LONGEST_WALK = 8
_POLICIES = frozenset({"none", "quarantine", "reject"})


@dataclass(frozen=True)
class Policy:
    """A DMARC record, at the domain it was found at."""

    domain: str
    tags: Mapping[str, str]

    @property
    def is_readable(self) -> bool:
        """Whether it has a policy, and none that is not known."""
        said = [self.tags[tag].lower() for tag in ("p", "sp", "np") if tag in self.tags]
        return "p" in self.tags and _POLICIES.issuperset(said)

    @property
    def counts(self) -> bool:
        """Whether receivers heed it."""
        # RFC 9989 §4.10.1: one that cannot be read is p=none where reports are asked for.
        return self.is_readable or "mailto:" in self.tags.get("rua", "").lower()

    def wants(self, author: str) -> str:
        """Return what is asked of receivers for mail from a domain: "p=none", "sp=reject"."""
        if not self.is_readable:
            return "p=none"
        # RFC 9989 §4.10.1: of a domain below, sp says it, and p only without.
        is_below = author.lower().rstrip(".") != self.domain
        tag = "sp" if is_below and "sp" in self.tags else "p"
        return f"{tag}={self.tags[tag].lower()}"

    def is_strict(self, tag: str) -> bool:
        """Tell whether "adkim" or "aspf" asks for the very same domain."""
        return self.tags.get(tag, "r").lower() == "s"


def parse_policy(domain: str, text: str) -> Policy | None:
    """Return the record that a TXT record is; None when it is another kind of text."""
    parts = [part.strip() for part in text.split(";") if part.strip()]
    tags: dict[str, str] = {}
    for part in parts:
        name, _, value = part.partition("=")
        tags.setdefault(name.strip().lower(), value.strip())
    # RFC 9989 §4.7: the version comes first, and its value is case-sensitive.
    first = parts[0].partition("=") if parts else ("", "", "")
    is_one = first[0].strip().lower() == "v" and first[2].strip() == "DMARC1"
    return Policy(domain, tags) if is_one else None


def records_at(domain: str, resolver: Resolver) -> list[Policy]:
    """Return the DMARC records of a domain itself."""
    found = [parse_policy(domain, text) for text in resolver.texts(f"_dmarc.{domain}")]
    return [one for one in found if one is not None]


def record_at(domain: str, resolver: Resolver) -> Policy | None:
    """Return the one DMARC record of a domain itself; None when there is none, or several."""
    records = records_at(domain, resolver)
    # RFC 9989 §4.10: with more than one record at a name, none of them counts.
    return records[0] if len(records) == 1 else None


def _walk(domain: str) -> list[str]:
    """Return the names that a tree walk asks, the longest first."""
    labels = domain.lower().rstrip(".").split(".")
    names = [".".join(labels)]
    # RFC 9989 §4.10: from more than eight labels, the walk goes on with the last seven.
    rest = labels[-(_LONGEST_WALK - 1) :] if len(labels) > _LONGEST_WALK else labels[1:]
    while rest:
        names.append(".".join(rest))
        rest = rest[1:]
    return names


def organizational_domain(domain: str, resolver: Resolver) -> str:
    """Return the domain that stands for an organization, by the DNS tree walk.

    Raises:
        NoAnswer: when the DNS could not be asked.
    """
    domain = domain.lower().rstrip(".")
    found: list[Policy] = []
    for name in _walk(domain):
        record = record_at(name, resolver)
        if record is None:
            continue
        psd = record.tags.get("psd", "u").lower()
        if psd == "n":
            return name
        if psd == "y" and name != domain:
            # A public suffix: the organization is one label below it.
            return ".".join(domain.split(".")[-(name.count(".") + 2) :])
        found.append(record)
        if psd == "y":
            break
    # RFC 9989 §4.10.2: else the one with the fewest labels; without any, the domain itself.
    return min((one.domain for one in found), key=lambda name: name.count("."), default=domain)


def policy_of(domain: str, resolver: Resolver) -> Policy | None:
    """Return the DMARC record that holds for mail from a domain; None when there is none.

    Raises:
        NoAnswer: when the DNS could not be asked.
    """
    # RFC 9989 §4.10.1: the domain's own, else its organization's, else that of the suffix above.
    domain = domain.lower().rstrip(".")
    own = record_at(domain, resolver)
    if own is not None:
        return own
    above = organizational_domain(domain, resolver)
    record = record_at(above, resolver) if above != domain else None
    suffix = above.partition(".")[2]
    if record is not None or not suffix:
        return record
    public = record_at(suffix, resolver)
    return public if public is not None and public.tags.get("psd", "").lower() == "y" else None


def is_aligned(author: str, other: str, resolver: Resolver, *, strict: bool) -> bool:
    """Tell whether a signature's or a return path's domain counts for the From domain.

    Raises:
        NoAnswer: when the DNS could not be asked.
    """
    author, other = author.lower().rstrip("."), other.lower().rstrip(".")
    if author == other:
        return True
    if strict:
        return False
    return organizational_domain(author, resolver) == organizational_domain(other, resolver)
