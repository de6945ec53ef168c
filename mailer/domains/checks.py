"""Hold what the DNS says of a sender's domains against what its mails want.

In: a sender, facts of its relay, records of its keys, a resolver. Out: findings. A question that
could not be asked is `unknown`, never a missing record. Standards: RFC 7208, RFC 6376 §3.6.1,
RFC 9989, RFC 5321 §5.1 (MX).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from mailer.domains.dmarc import is_aligned, policy_of, records_at
from mailer.domains.records import RelayFacts, author_domain, bounce_domain, spf_text
from mailer.domains.resolver import NoAnswer, Resolver
from mailer.domains.spf import MOST_LOOKUPS, names_host, read_spf
from mailer.model.findings import Finding, advice, ok, unknown, wrong
from mailer.model.mailing import Sender

_OFFLINE = "Check the network of this machine, or name a server with --dns"
_AS_PRINTED = "Paste the line that `mailer domain records` prints"


def check_domain(
    sender: Sender, facts: RelayFacts, keys: Sequence[tuple[str, str]], resolver: Resolver
) -> list[Finding]:
    """Return what the DNS says of a sender's domains.

    Args:
        sender: Its domains.
        facts: Of the relay that takes its mails.
        keys: Full name and text of the record of each DKIM key of ours.
        resolver: Who is asked.
    """
    author, bounces = author_domain(sender), bounce_domain(sender, facts)
    found: list[Finding] = []
    if bounces:
        found += _asked(f"SPF of {bounces}", lambda: _spf(bounces, facts, resolver))
        found += _asked(f"MX of {bounces}", lambda: _mx(bounces, resolver))
    else:
        found.append(ok("return path", "the relay uses its own domain, and answers for its SPF"))
    if facts.signs:
        text = "the relay signs with keys of its own; `mailer relay verify` sees whether it does"
        found.append(ok("DKIM", text))
    elif not keys:
        remedy = f"Run: mailer domain key {sender.key} --selector mail2026"
        found.append(wrong("DKIM", "this sender has no key and its relay does not sign", remedy))
    if not facts.signs:
        for name, text in keys:
            found += _asked(f"DKIM at {name}", partial(_dkim, name, text, resolver))
    signed = () if facts.signs else tuple(one.domain for one in sender.dkim)
    found += _asked(f"DMARC of {author}", lambda: _dmarc(author, signed, bounces, resolver))
    if facts.own and not facts.greets_as:
        text = "it is not known which name your mail server greets with"
        found.append(advice("PTR", text, "Write greets_as into [[relays]], and it is looked up"))
    elif facts.greets_as:
        host = facts.greets_as
        found += _asked(f"PTR of {host}", lambda: _reverse(host, resolver))
    return found


def _asked(subject: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except NoAnswer as error:
        return [unknown(subject, f"the DNS could not be asked: {error.reason}", _OFFLINE)]


def _spf(domain: str, facts: RelayFacts, resolver: Resolver) -> Iterator[Finding]:
    subject = f"SPF of {domain}"
    record = read_spf(domain, resolver)
    if record is None:
        yield wrong(subject, "there is no record", f"{_AS_PRINTED}: {spf_text([facts])}")
        return
    if record.records > 1:
        # RFC 7208 §4.5: with more than one, the result is a permanent error.
        yield wrong(subject, f"there are {record.records} records", "Join them into one")
    if record.lookups > MOST_LOOKUPS:
        text = f"it takes more than {MOST_LOOKUPS} look-ups, so that receivers give up"
        yield wrong(subject, text, "Take includes out that nobody needs")
    if record.broken:
        text = f"it cannot be evaluated, and counts for nothing: {', '.join(record.broken)}"
        yield wrong(subject, text, "Mend what is written wrong, or names a domain without a record")
    if facts.spf_include and facts.spf_include not in record.includes:
        text = f"it does not include {facts.spf_include}, from where the relay sends"
        yield wrong(subject, text, f"Add include:{facts.spf_include}")
    elif facts.greets_as and not facts.spf_include:
        known = resolver.addresses(facts.greets_as)
        named = names_host(record, facts.greets_as, known)
        # What a, mx and networks come to is worked out by receivers; here only words are compared.
        if not named and not {"a", "mx"} & {one.lstrip("+").lower() for one in record.terms}:
            text = f"it does not name {facts.greets_as}"
            yield advice(subject, text, f"Add a:{facts.greets_as}, unless a network names it")
    if record.lets_everybody:
        yield wrong(subject, "it lets everybody send", "End it with -all")
    yield ok(
        subject,
        f"v=spf1 {' '.join(record.terms)}; {record.lookups} look-up{'' if record.lookups == 1 else 's'}",
    )


def _mx(domain: str, resolver: Resolver) -> Iterator[Finding]:
    subject = f"MX of {domain}"
    servers = resolver.mail_servers(domain)
    # RFC 7505 §3: a single dot says that the domain takes no mail.
    if servers and not servers[0][1]:
        yield wrong(subject, "it says that the domain takes no mail", "Name a server")
    elif not servers and not resolver.addresses(domain):
        yield wrong(subject, "there is no record: bounces are lost", _AS_PRINTED)
    elif not servers:
        text = "there is no MX, and bounces go to the domain's own address"
        yield advice(subject, text, _AS_PRINTED)
    for _, host in servers:
        if host and not resolver.addresses(host):
            yield wrong(subject, f"{host} has no address", "Mend the name")
    if servers and servers[0][1]:
        yield ok(subject, ", ".join(host for _, host in servers))


def _tags(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {name.strip().lower(): "".join(value.split()) for name, _, value in pairs}


def _dkim(name: str, text: str, resolver: Resolver) -> Iterator[Finding]:
    subject = f"DKIM at {name}"
    records = [_tags(one) for one in resolver.texts(name)]
    records = [one for one in records if "p" in one]
    ours = _tags(text)
    if not records:
        yield wrong(subject, "there is no record", _AS_PRINTED)
    elif len(records) > 1:
        # RFC 6376 §3.6.2.2: results are undefined then.
        yield wrong(subject, f"there are {len(records)} records", "Leave the one of your key")
    elif not records[0]["p"]:
        yield wrong(subject, "the key there is revoked", _AS_PRINTED)
    elif records[0]["p"] != ours["p"]:
        yield wrong(subject, "the key there is not the one we sign with", _AS_PRINTED)
    elif "y" in records[0].get("t", "").split(":"):
        # RFC 6376 §3.6.1: receivers treat such mails as if they were not signed.
        yield advice(subject, "the record says that it is a test", "Take t=y out")
    else:
        yield ok(subject, "the key there is ours")


def _dmarc(
    author: str, signed: Sequence[str], bounces: str, resolver: Resolver
) -> Iterator[Finding]:
    subject = f"DMARC of {author}"
    policy = policy_of(author, resolver)
    here = len(records_at(author, resolver))
    if here > 1:
        yield wrong(subject, f"there are {here} records, and receivers take none", "Leave one")
        return
    if policy is None:
        yield wrong(subject, "there is no record, and large providers refuse bulk mail without it",
                    _AS_PRINTED)  # fmt: skip
        return
    if not policy.counts:
        yield wrong(subject, "the record has no policy that is known, and counts for nothing",
                    "Write p=none, p=quarantine or p=reject into it")  # fmt: skip
        return
    yield ok(subject, f"{policy.wants(author)} at _dmarc.{policy.domain}")
    if not policy.is_readable:
        yield advice(subject, "p, sp or np is missing or not known, and it counts as p=none",
                     "Write none, quarantine or reject")  # fmt: skip
    if "pct" in policy.tags:
        # RFC 9989 §4.7: the tag is gone; who reads the older RFC 7489 may still obey it.
        yield advice(subject, "the tag pct means nothing any more", "Take it out")
    if "rua" not in policy.tags:
        yield advice(subject, "nobody gets reports", f"Add rua=mailto:dmarc@{author}")
    for domain in signed:
        if not is_aligned(author, domain, resolver, strict=policy.is_strict("adkim")):
            text = f"a signature of {domain} does not count for {author}"
            yield wrong(subject, text, "Sign with the domain of the From address")
    if bounces and not is_aligned(author, bounces, resolver, strict=policy.is_strict("aspf")):
        text = f"a return path at {bounces} does not count for {author}; the signature has to"
        yield advice(subject, text, "Take a return path below the domain of the From address")


def _reverse(host: str, resolver: Resolver) -> Iterator[Finding]:
    subject = f"PTR of {host}"
    addresses = resolver.addresses(host)
    if not addresses:
        yield wrong(subject, "the name has no address", "Add A and AAAA records")
    for address in addresses:
        names = resolver.names(address)
        if ipaddress.ip_address(address).is_loopback:
            yield advice(subject, "its address is of this machine alone", "Name its public name")
        elif host.lower() not in names:
            text = f"{address} says it is {', '.join(names) or 'nobody'}"
            yield wrong(subject, text, f"Ask who rents you the address to set its PTR to {host}")
        else:
            yield ok(subject, f"{address} is {host}, both ways")
