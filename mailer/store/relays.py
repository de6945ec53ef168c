"""Which relays a person has verified, so that none takes a mailing before.

In: a relay's key and a digest over how it is reached. Out: yes or no. A relay that is configured
otherwise than it was verified counts as not verified.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from mailer.store.tables import setting


def _name(key: str) -> str:
    return f"relay.{key}.verified"


def is_relay_verified(connection: Connection, key: str, profile_digest: str) -> bool:
    """Tell whether the relay was verified as it is configured now.

    Args:
        connection: a connection in a transaction.
        key: the relay's key in config.toml.
        profile_digest: over everything that decides how it is reached and what it does.
    """
    known = connection.execute(
        select(setting.c.value).where(setting.c.name == _name(key))
    ).scalar_one_or_none()
    return known == profile_digest


def mark_relay_verified(connection: Connection, key: str, profile_digest: str) -> None:
    """Write that a relay, reached as the digest says, does to our mails only what it may."""
    changed = connection.execute(
        setting.update().where(setting.c.name == _name(key)).values(value=profile_digest)
    )
    if not changed.rowcount:
        connection.execute(setting.insert().values(name=_name(key), value=profile_digest))
