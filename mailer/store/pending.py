"""What a transaction adds up, and writes as the last thing before its commit.

In: keys and numbers, from whatever the transaction does. Out: each writer called once, with the sums
of all its keys. A transaction that is taken back takes what it added up with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

#: Writes sums: key → how many more.
Writer = Callable[[Connection, Mapping[tuple[Any, ...], int]], None]

#: Where the sums of a connection's transaction are.
_PLACE = "mailer_pending"


class Pending:
    """The sums of one transaction."""

    def __init__(self) -> None:
        self._sums: dict[Writer, Counter[tuple[Any, ...]]] = {}

    def add(self, writer: Writer, key: tuple[Any, ...], count: int) -> None:
        """Add to what `writer` is to write."""
        self._sums.setdefault(writer, Counter())[key] += count

    def write(self, connection: Connection) -> None:
        """Write all of it, in one order of the writers."""
        for writer in sorted(self._sums, key=lambda one: one.__qualname__):
            writer(connection, self._sums[writer])


@contextmanager
def adding_up(connection: Connection) -> Iterator[None]:
    """Make a place for the sums of a transaction, and write them at its end."""
    pending = connection.info[_PLACE] = Pending()
    try:
        yield
        pending.write(connection)
    finally:
        connection.info.pop(_PLACE, None)


def pending_of(connection: Connection) -> Pending:
    """Return what the transaction of a connection adds up; it must be one that writes."""
    pending: Pending = connection.info[_PLACE]
    return pending
