"""Remember which addresses a file had, without keeping them in memory.

In: digests, a chunk at a time. Out: which of them came before. They lie in a private SQLite
database that spills to a temporary file without a name and is gone when it is closed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection


class SeenDigests:
    """A set of address digests whose size the memory does not feel."""

    def __init__(self) -> None:
        # An empty name: SQLite makes, unlinks and removes the file by itself.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID")

    def add(self, digests: Collection[bytes]) -> set[bytes]:
        """Add digests and return those that were there already."""
        marks = ",".join("?" * len(digests))
        known = self._database.execute(
            f"SELECT digest FROM seen WHERE digest IN ({marks})",  # noqa: S608  (Only question marks.)
            list(digests),
        )
        before = {row[0] for row in known}
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR IGNORE INTO seen VALUES (?)", [(digest,) for digest in digests]
        )
        self._database.execute("COMMIT")
        return before

    def close(self) -> None:
        """Forget them all."""
        self._database.close()
