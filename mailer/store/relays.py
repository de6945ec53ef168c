"""Which relays a person has verified, so that none takes a mailing before, and how they do.

In: a relay's key and a digest over how it is reached. Out: yes or no. A relay that is configured
otherwise than it was verified counts as not verified. And: when it was last met, or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mailer.store.audience import insert_or_ignore
from mailer.store.settings import read_setting, write_setting
from mailer.store.tables import relay_contact

#: Characters of why a relay could not be reached.
LONGEST_FAILURE = 300


def _name(key: str) -> str:
    return f"relay.{key}.verified"


def is_relay_verified(connection: Connection, key: str, profile_digest: str) -> bool:
    """Tell whether the relay was verified as it is configured now.

    Args:
        connection: a connection in a transaction.
        key: the relay's key in config.toml.
        profile_digest: over everything that decides how it is reached and what it does.
    """
    return read_setting(connection, _name(key)) == profile_digest


def mark_relay_verified(connection: Connection, key: str, profile_digest: str) -> None:
    """Write that a relay, reached as the digest says, does to our mails only what it may."""
    write_setting(connection, _name(key), profile_digest)


@dataclass(frozen=True)
class RelayContact:
    """How the last meetings with a relay went."""

    relay: str
    #: When it last answered a transaction of ours.
    connected_at: datetime | None
    failed_at: datetime | None
    #: At which step, and what was said; without secrets.
    failure: str

    @property
    def is_failing(self) -> bool:
        """Whether the last try failed."""
        return self.failed_at is not None and (
            self.connected_at is None or self.failed_at > self.connected_at
        )


def relay_contacts(connection: Connection) -> list[RelayContact]:
    """Return how the last meetings with every relay went, by their keys."""
    rows = connection.execute(select(relay_contact).order_by(relay_contact.c.relay))
    return [RelayContact(row.relay, row.connected_at, row.failed_at, row.failure) for row in rows]


def relay_met(connection: Connection, key: str, now: datetime) -> None:
    """Write that a relay answered a transaction of ours."""
    _write_contact(connection, key, connected_at=now)


def relay_failed(connection: Connection, key: str, failure: str, now: datetime) -> None:
    """Write that a relay could not be reached, and why."""
    _write_contact(connection, key, failed_at=now, failure=failure[:LONGEST_FAILURE])


def _write_contact(connection: Connection, key: str, **values: object) -> None:
    changed = connection.execute(
        relay_contact.update().where(relay_contact.c.relay == key).values(**values)
    )
    if not changed.rowcount:
        connection.execute(insert_or_ignore(connection, relay_contact).values(relay=key, **values))
