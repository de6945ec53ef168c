"""Processes that claim deliveries, what a dead one left open, and facts about the database.

In: a worker's name. Out: rows of `worker`, and its claims that have no outcome yet.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from mailer.model.breaker import OTHER_CLASS
from mailer.model.states import DeliveryState
from mailer.store.tables import delivery, lease, supporter, worker


def worker_name(number: int) -> str:
    """Return a name for a worker in this process, unlike every other.

    Args:
        number: which of several sender processes this is; 0 for the only one.
    """
    return f"{os.getpid()}-{secrets.token_hex(4)}" + (f"-{number}" if number else "")


def worker_process(name: str) -> tuple[int, int]:
    """Return the process id in a worker's name, and its number; 0 for the only one."""
    pid, _, *numbered = name.split("-")
    return int(pid), int(numbered[0]) if numbered else 0


def register_worker(
    connection: Connection,
    name: str,
    pid: int,
    boot_id: str,
    now: datetime,
    relay: str = "",
    *,
    sends_mailings: bool = True,
) -> None:
    """Write that a sender process has begun; its claims carry its name."""
    connection.execute(
        worker.insert().values(
            name=name,
            pid=pid,
            boot_id=boot_id,
            relay=relay,
            sends_mailings=sends_mailings,
            started_at=now,
        )
    )


def workers_of(connection: Connection, relay: str) -> list[str]:
    """Return the names of those that send mailings by a relay, one who died a moment ago too."""
    rows = connection.execute(
        select(worker.c.name)
        .where(worker.c.ended_at.is_(None), worker.c.relay == relay, worker.c.sends_mailings)
        .order_by(worker.c.name)
    )
    return list(rows.scalars())


def end_worker(connection: Connection, name: str, now: datetime) -> None:
    """Write that everything a worker claimed has its outcome."""
    connection.execute(update(worker).where(worker.c.name == name).values(ended_at=now))


def unended_workers(connection: Connection) -> list[tuple[str, str, str]]:
    """Return name, boot id and relay of every worker whose claims may be open."""
    rows = connection.execute(
        select(worker.c.name, worker.c.boot_id, worker.c.relay).where(worker.c.ended_at.is_(None))
    )
    return [(row.name, row.boot_id, row.relay) for row in rows]


@dataclass(frozen=True)
class OpenClaim:
    """A delivery that a worker had claimed and not recorded."""

    delivery_id: int
    attempt_number: int
    #: Or when a person had it sent again.
    first_attempt_at: datetime
    mailing_id: int
    domain_class: str


def open_claims(connection: Connection, name: str) -> list[OpenClaim]:
    """Return what a worker had claimed and not recorded."""
    rows = connection.execute(
        select(
            delivery.c.id,
            delivery.c.attempts,
            delivery.c.first_attempt_at,
            delivery.c.resent_at,
            delivery.c.mailing_id,
            supporter.c.domain_class,
        )
        .join(supporter, supporter.c.id == delivery.c.supporter_id, isouter=True)
        .where(delivery.c.claimed_by == name, delivery.c.state == DeliveryState.SENDING)
    )
    return [
        OpenClaim(
            delivery_id=row.id,
            attempt_number=row.attempts,
            first_attempt_at=row.resent_at or row.first_attempt_at,
            mailing_id=row.mailing_id,
            # Whoever was erased since is of no class any more.
            domain_class=row.domain_class or OTHER_CLASS,
        )
        for row in rows
    ]


def lease_holder(connection: Connection, name: str, now: datetime) -> str | None:
    """Return who holds a lease that has not run out; None when nobody does."""
    return connection.execute(
        select(lease.c.holder).where(lease.c.name == name, lease.c.expires_at > now)
    ).scalar_one_or_none()


def database_bytes(connection: Connection) -> int:
    """Return how large the database is."""
    if connection.dialect.name == "sqlite":
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
    return int(
        connection.execute(select(func.pg_database_size(func.current_database()))).scalar_one()
    )
