"""What others answered when preflight asked them: kept with its time, the last answer only.

In: findings about a sender's domains, looks at links. Out: the same again. An answer that nobody has
asked for anew is forgotten after `KEPT`, at the next one that is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from mailer.model.findings import Finding, Grade
from mailer.model.links import LinkLook
from mailer.store.tables_preflight import domain_look, link_look

#: How long a look at a link is kept.
KEPT = timedelta(days=90)
#: Bound variables of one statement, far below what any database takes.
_AT_ONCE = 400


@dataclass(frozen=True)
class DomainLook:
    """The last look at a sender's domains."""

    sender: str
    looked_at: datetime
    findings: tuple[Finding, ...]


def keep_domain_look(connection: Connection, look: DomainLook, about: str) -> None:
    """Write what the DNS says of a sender's domains, in place of the look before.

    Args:
        connection: a connection in a transaction.
        look: what was found.
        about: a digest over the domains it is about.
    """
    connection.execute(delete(domain_look).where(domain_look.c.sender == look.sender))
    connection.execute(
        domain_look.insert().values(
            sender=look.sender,
            looked_at=look.looked_at,
            about=about,
            findings=[{**asdict(one), "grade": one.grade.value} for one in look.findings],
        )
    )


def last_domain_look(connection: Connection, sender: str, about: str) -> DomainLook | None:
    """Return the last look at a sender's domains as they are now; None when there was none."""
    row = connection.execute(
        select(domain_look).where(domain_look.c.sender == sender, domain_look.c.about == about)
    ).one_or_none()
    if row is None:
        return None
    findings = tuple(Finding(**{**one, "grade": Grade(one["grade"])}) for one in row.findings)
    return DomainLook(row.sender, row.looked_at, findings)


def _digest(address: str) -> bytes:
    return hashlib.sha256(address.encode()).digest()


def keep_link_looks(connection: Connection, looks: Sequence[LinkLook], now: datetime) -> None:
    """Write looks at links, each in place of the one before, and forget what is very old."""
    connection.execute(delete(link_look).where(link_look.c.looked_at < now - KEPT))
    by_digest = {_digest(one.address): one for one in looks}
    if not by_digest:
        return
    connection.execute(delete(link_look).where(link_look.c.digest.in_(list(by_digest))))
    connection.execute(
        link_look.insert(),
        [{"digest": digest, **asdict(one)} for digest, one in by_digest.items()],
    )


def last_link_looks(connection: Connection, addresses: Iterable[str]) -> Mapping[str, LinkLook]:
    """Return the last look at each of these addresses that was ever looked at."""
    digests = [_digest(one) for one in dict.fromkeys(addresses)]
    found = {}
    for start in range(0, len(digests), _AT_ONCE):
        query = select(link_look).where(link_look.c.digest.in_(digests[start : start + _AT_ONCE]))
        for row in connection.execute(query):
            found[row.address] = LinkLook(
                row.address, row.looked_at, row.answer, row.status, row.leads_to
            )
    return found
