"""Locks of PostgreSQL that keep ids in order, and the one place that says when they are taken.

In: which ids. Out: nobody else gives out any of them before this transaction has ended. They are taken
before any row is locked, and all that a transaction needs at once: whoever holds one may have to wait
for a row, and whoever has that row must not be waiting for them.
"""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import Connection, func, select


class Ids(IntEnum):
    """Whose ids; the number of the advisory lock, four letters in ASCII. The lower is taken first."""

    #: "supp".
    SUPPRESSIONS = 0x73757070
    #: "unsb".
    UNSUBSCRIPTIONS = 0x756E7362


def keep_ids_in_order(connection: Connection, *ids: Ids) -> None:
    """Let no other row of these be committed between this one's id and its commit.

    Senders ask for ids above the last they saw: one that came to light after a higher one would
    never be seen, and its person mailed. What is held already is not waited for. SQLite has one
    writer at a time as it is.
    """
    if connection.dialect.name == "postgresql":
        for one in sorted(set(ids)):
            connection.execute(select(func.pg_advisory_xact_lock(one.value)))
