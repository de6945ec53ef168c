"""How reading the places where messages come in goes.

In: the name of a place, and what a look at it came to. Out: the same, for `mailer status`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mailer.store.settings import read_setting, write_setting

#: The places where messages come in and are fetched.
MAILDIR, MAILBOX = "Maildir", "mailbox"
_NAME = "intake."


@dataclass(frozen=True)
class IntakeContact:
    """How reading one place goes."""

    #: When it was last read to its end; None: never.
    read_at: datetime | None = None
    #: Messages there that could not be read.
    unread: int = 0
    #: Messages that wait until they can be dealt with.
    waiting: int = 0
    #: Why it cannot be read, without secrets; "" when it can.
    failure: str = ""
    #: Since when not; None when it can.
    failing_since: datetime | None = None


def intake_contact(connection: Connection, place: str) -> IntakeContact:
    """Return how reading a place goes; of one that was never read, nothing."""
    found = json.loads(read_setting(connection, f"{_NAME}{place}") or "{}")
    for name in ("read_at", "failing_since"):
        found[name] = datetime.fromisoformat(found[name]) if found.get(name) else None
    return IntakeContact(**found)


def write_intake_contact(connection: Connection, place: str, contact: IntakeContact) -> None:
    """Write how reading a place goes."""
    document = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in vars(contact).items()
    }
    write_setting(connection, f"{_NAME}{place}", json.dumps(document))
