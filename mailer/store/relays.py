"""Which relays a person has verified, so that none takes a mailing before, and how they do.

In: a relay's key and a digest over how it is reached. Out: yes or no. A relay that is configured
otherwise than it was verified counts as not verified. And: when it was last met, or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mailer.model.routing import Routing
from mailer.store.audience import insert_or_ignore
from mailer.store.pacing import claimed_on
from mailer.store.settings import read_setting, write_setting
from mailer.store.tables import relay_contact, setting

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
    #: Until when it is not tried; None when it is not aside.
    aside_until: datetime | None = None

    @property
    def is_failing(self) -> bool:
        """Whether the last try failed."""
        return self.failed_at is not None and (
            self.connected_at is None or self.failed_at > self.connected_at
        )


def relay_contacts(connection: Connection) -> list[RelayContact]:
    """Return how the last meetings with every relay went, by their keys."""
    rows = connection.execute(select(relay_contact).order_by(relay_contact.c.relay))
    return [
        RelayContact(row.relay, row.connected_at, row.failed_at, row.failure, row.aside_until)
        for row in rows
    ]


def relay_met(connection: Connection, key: str, now: datetime) -> None:
    """Write that a relay answered a transaction of ours."""
    _write_contact(connection, key, connected_at=now, failures=0, aside_until=None)


def relay_failed(
    connection: Connection, key: str, failure: str, now: datetime, times: int = 0
) -> int:
    """Write that a relay could not be reached, and why; return how often in a row it was not.

    Args:
        connection: a connection in a transaction.
        key: the relay's key in config.toml.
        failure: at which step, and what was said.
        now: this instant.
        times: how often it failed since it was last written.
    """
    _write_contact(connection, key, failed_at=now, failure=failure[:LONGEST_FAILURE])
    in_a_row = connection.execute(
        relay_contact.update()
        .where(relay_contact.c.relay == key)
        .values(failures=relay_contact.c.failures + times)
        .returning(relay_contact.c.failures)
    ).scalar_one()
    return int(in_a_row)


def relays_aside(connection: Connection) -> Mapping[str, datetime]:
    """Return the relays that are aside, and until when each is not tried."""
    return {one.relay: one.aside_until for one in relay_contacts(connection) if one.aside_until}


def set_relay_aside(connection: Connection, key: str, until: datetime) -> None:
    """Write that a relay is not tried until then, and claims nothing before it was reached."""
    _write_contact(connection, key, aside_until=until)


def relay_is_back(connection: Connection, key: str) -> None:
    """Write that a relay was reached and took our login: it claims again.

    That it failed is forgotten only once it has answered a transaction.
    """
    _write_contact(connection, key, aside_until=None)


@dataclass(frozen=True)
class Standing:
    """Which relays can take mailings now."""

    #: They are verified as they are configured, and have their password.
    ready: frozenset[str]
    #: They are not aside and have not reached their cap of the day.
    able: frozenset[str]
    #: Until when those are not tried that are aside.
    aside: Mapping[str, datetime]


def standing(connection: Connection, routing: Routing, now: datetime) -> Standing:
    """Return which relays of a routing can take mailings now."""
    terms = routing.relays
    names = [_name(one.key) for one in terms.values() if one.digest]
    verified: dict[str, str] = {}
    if names:
        query = select(setting.c.name, setting.c.value).where(setting.c.name.in_(names))
        verified = {row.name: row.value for row in connection.execute(query)}
    aside = relays_aside(connection)
    caps = {one.key: one.cap.on(routing.day_of(now)) for one in terms.values()}
    used = (
        claimed_on(connection, routing.day_of(now).isoformat())
        if any(cap is not None for cap in caps.values())
        else {}
    )
    return Standing(
        frozenset(
            one.key
            for one in terms.values()
            if one.has_password and (not one.digest or verified.get(_name(one.key)) == one.digest)
        ),
        frozenset(
            key
            for key, cap in caps.items()
            if key not in aside and (cap is None or used.get(key, 0) < cap)
        ),
        aside,
    )


def _write_contact(connection: Connection, key: str, **values: object) -> None:
    changed = connection.execute(
        relay_contact.update().where(relay_contact.c.relay == key).values(**values)
    )
    if not changed.rowcount:
        connection.execute(insert_or_ignore(connection, relay_contact).values(relay=key, **values))
