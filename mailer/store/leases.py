"""Leases: which process does what only one may do.

In: the name of a lease, who asks for it, and until when. Out: whether they hold it. A holder that
died keeps nobody waiting for longer than that.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from mailer.store.tables import lease


def take_lease(
    connection: Connection, name: str, holder: str, now: datetime, until: datetime
) -> bool:
    """Take or renew the lease `name`; False while another holder's has not run out."""
    # One that runs further ahead than any is given was taken before the clock was set back.
    furthest = until + (until - now)
    taken = connection.execute(
        update(lease)
        .where(
            lease.c.name == name,
            (lease.c.holder == holder)
            | (lease.c.expires_at <= now)
            | (lease.c.expires_at > furthest),
        )
        .values(holder=holder, expires_at=until)
    )
    if taken.rowcount == 1:
        return True
    if connection.execute(select(lease.c.name).where(lease.c.name == name)).one_or_none():
        return False
    connection.execute(lease.insert().values(name=name, holder=holder, expires_at=until))
    return True


def drop_lease(connection: Connection, name: str, holder: str) -> None:
    """Give the lease back so that the next holder need not wait."""
    connection.execute(delete(lease).where(lease.c.name == name, lease.c.holder == holder))
