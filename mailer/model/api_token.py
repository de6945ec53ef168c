"""Tokens by which other programs use the API, and what each of them is for.

In: nothing. Out: a frozen dataclass, an enum and typed errors, standard library only. A token is known
by its name, which the audit log has beside everything it did; the token itself is kept nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mailer.model.staff import Actor, ActorKind

#: Every token ends; none lasts longer.
LONGEST = timedelta(days=365)
#: That a token was used is noted as coarsely as this.
USED_EVERY = timedelta(hours=1)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


class Purpose(StrEnum):
    """What a token is good for; it has one or several."""

    #: See statements, their revisions and editions.
    STATEMENTS_READ = "statements.read"
    #: Check statements and load them as revisions.
    STATEMENTS_WRITE = "statements.write"
    #: See mailings and where they stand.
    MAILINGS_READ = "mailings.read"
    #: Draft mailings and ask for their approval.
    MAILINGS_WRITE = "mailings.write"
    #: Schedule, pause, resume and cancel mailings. Where approval is wanted, it holds.
    MAILINGS_SCHEDULE = "mailings.schedule"
    #: See what became of mailings.
    REPORTS_READ = "reports.read"
    #: See people with their addresses.
    SUPPORTERS_READ = "supporters.read"
    #: Bring people onto lists, and erase them.
    SUPPORTERS_WRITE = "supporters.write"
    #: See whether an address is suppressed.
    SUPPRESSIONS_READ = "suppressions.read"
    #: Suppress addresses and lift suppressions.
    SUPPRESSIONS_WRITE = "suppressions.write"


@dataclass(frozen=True)
class ApiToken:
    """A token as it is on record."""

    token_id: int
    #: Unique for ever: "website".
    name: str
    purposes: frozenset[Purpose]
    #: Who made it: "terminal:root", "staff:ana".
    made_by: str
    made_at: datetime
    expires_at: datetime
    #: To the hour; None when it never was.
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def actor(self) -> Actor:
        """Return in whose name a program does things by it."""
        return Actor(ActorKind.API, self.name)

    @property
    def maker(self) -> str:
        """Return the login of the member of staff who made it; "" where that was no one at the desk."""
        kind, _, name = self.made_by.partition(":")
        return name if kind == ActorKind.STAFF else ""

    def is_good_at(self, now: datetime) -> bool:
        """Tell whether it opens anything at an instant."""
        return self.revoked_at is None and now < self.expires_at


class MalformedToken(Exception):
    """A token cannot be made as it was asked for."""

    def __init__(self, field: str, problem: str, remedy: str = "") -> None:
        self.field = field
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{field}: {problem}. {remedy}".rstrip())


class TokenNameTaken(Exception):
    """A token of that name is or was there; by its name the audit log knows it."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f'There is, or was, a token "{name}". Choose another name.')


class TokenNotFound(Exception):
    """No token has that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f'There is no token "{name}". See: mailer tokens list')


def check_token(
    name: str, purposes: frozenset[Purpose], made_at: datetime, expires_at: datetime
) -> None:
    """Refuse a token that may not be made.

    Raises:
        MalformedToken: naming what is wrong.
    """
    if not _NAME.fullmatch(name):
        problem = f'"{name}" is no name for a token'
        raise MalformedToken("name", problem, "Write up to 40 of a-z, 0-9 and hyphens: website")
    if not purposes:
        raise MalformedToken("purposes", "it is for nothing", "Name what it is for")
    if not made_at < expires_at <= made_at + LONGEST:
        problem = f"it must end within {LONGEST.days} days"
        raise MalformedToken("expires_at", problem, "Name a day to come, not further off")
