"""Remember which addresses a file had, without keeping them in memory.

In: digests, a chunk at a time. Out: which of them came before. They lie in a private SQLite
database that spills to a temporary file without a name and is gone when it is closed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from mailer.store.engine import StoreUnavailable


class SeenDigests:
    """A set of address digests whose size the memory does not feel."""

    def __init__(self) -> None:
        # An empty name: SQLite makes, unlinks and removes the file by itself.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID")

    def add(self, digests: Collection[bytes]) -> set[bytes]:
        """Add digests and return those that were there already.

        Raises:
            StoreUnavailable: when the disk of the temporary file is full.
        """
        before = self.known(digests)
        try:
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT OR IGNORE INTO seen VALUES (?)", [(digest,) for digest in digests]
            )
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(
                "The temporary file of the import could not be written: its disk is full or failing",
                "Make room there, or name another folder in SQLITE_TMPDIR, and import again",
            ) from error
        return before

    def known(self, digests: Collection[bytes]) -> set[bytes]:
        """Return those of the digests that were added before."""
        marks = ",".join("?" * len(digests))
        found = self._database.execute(
            f"SELECT digest FROM seen WHERE digest IN ({marks})",  # noqa: S608  (Only question marks.)
            list(digests),
        )
        return {row[0] for row in found}

    def close(self) -> None:
        """Forget them all."""
        self._database.close()
