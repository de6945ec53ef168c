"""Copy a whole database while it is written, and put a copy into a PostgreSQL database.

In: the store. Out: an open file with one consistent state in it. The file has no name: whatever
happens to us, no copy in clear is left on the disk. SQLite's backup API copies in one step, in a
read transaction, so that writers go on; PostgreSQL's own pg_dump does the same.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sqlalchemy import inspect

from mailer.store.engine import BUSY_TIMEOUT_S, Store, StoreUnavailable

#: The line of a dump's table of contents that stands for the version of the tables.
_IS_VERSION = re.compile(rb" TABLE DATA \S+ alembic_version ")


class CopyFailed(Exception):
    """The database could not be copied or put back; carries what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}. {remedy}.")


@contextlib.contextmanager
def database_copy(store: Store, folder: Path) -> Iterator[IO[bytes]]:
    """Give a file, at its beginning, that holds the database as it is now.

    Args:
        store: the database.
        folder: where there is room for the copy, on a disk of our own.

    Raises:
        CopyFailed: when the database cannot be read or the copy not written.
    """
    if store.is_sqlite:
        with _sqlite_copy(Path(store.engine.url.database or ""), folder) as file:
            yield file
    else:
        with tempfile.TemporaryFile(dir=folder) as file:
            options = ["--format=custom", "--no-owner", "--no-privileges", *_whereto(store)]
            _run_tool("pg_dump", options, store, output=file)
            file.seek(0)
            yield file


@contextlib.contextmanager
def _sqlite_copy(source: Path, folder: Path) -> Iterator[IO[bytes]]:
    path = folder / f".copy-{secrets.token_hex(8)}"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        file = path.open("rb")
        target = sqlite3.connect(path)
    finally:
        # Both hold it open: it is gone with us, and nothing has been written to it yet.
        path.unlink()
    with file, contextlib.closing(target):
        target.execute("PRAGMA journal_mode = OFF")
        target.execute("PRAGMA synchronous = OFF")
        opened = sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
        try:
            with contextlib.closing(opened):
                opened.backup(target)
        except sqlite3.Error as error:
            raise CopyFailed(
                f"The database could not be copied: {error}",
                "See that there is room for the copy and that nothing holds the database, "
                "then try again",
            ) from error
        yield file


def _whereto(store: Store) -> list[str]:
    """Return the options by which PostgreSQL's programs find the database."""
    url = store.engine.url
    options = ["--dbname", url.database or ""]
    host = url.host or (url.query.get("host") if isinstance(url.query.get("host"), str) else None)
    for name, value in (("--host", host), ("--port", url.port), ("--username", url.username)):
        if value:
            options += [name, str(value)]
    return options


def _run_tool(
    tool: str,
    options: list[str],
    store: Store,
    *,
    given: IO[bytes] | None = None,
    output: IO[bytes] | None = None,
) -> None:
    """Run one of PostgreSQL's own programs on the database, a file being its output or input."""
    found = shutil.which(tool)
    if found is None:
        raise CopyFailed(
            f"PostgreSQL's {tool} is not installed here",
            f"Install it (Debian: apt install postgresql-client), or run {tool} --format=custom "
            "on the machine of the database",
        )
    url = store.engine.url
    # The password is in the environment of the child alone, not in the list of processes.
    environment = {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}
    ended = subprocess.run(  # noqa: S603  (The program is PostgreSQL's, the options are ours.)
        [found, *options],
        stdin=given or subprocess.DEVNULL,
        stdout=output or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
    )
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CopyFailed(f"{tool} failed: {said[0] if said else 'it said nothing'}", "Mend that")


def load_dump(store: Store, file: IO[bytes]) -> None:
    """Put what pg_dump wrote into an empty PostgreSQL database, all of it or nothing.

    All but the version of its tables: nothing of ours opens it before `upgrade` has stamped it.

    Raises:
        CopyFailed: when the database is not empty, or pg_restore fails.
    """
    with store.read() as connection:
        if inspect(connection).get_table_names():
            raise CopyFailed(
                "The database that config.toml names is not empty",
                "Rename it or, where only a restore that was stopped is in it, drop it; then make "
                "an empty one of that name with createdb",
            )
    with tempfile.TemporaryFile() as listed, tempfile.NamedTemporaryFile() as wanted:
        _run_tool("pg_restore", ["--list"], store, given=file, output=listed)
        listed.seek(0)
        wanted.writelines(line for line in listed if not _IS_VERSION.search(line))
        wanted.flush()
        file.seek(0)
        options = ["--no-owner", "--single-transaction", "--exit-on-error"]
        options += ["--use-list", wanted.name, *_whereto(store)]
        _run_tool("pg_restore", options, store, given=file)


def check_sound(store: Store) -> None:
    """Refuse a SQLite database that is damaged.

    Raises:
        StoreUnavailable: when SQLite says so.
    """
    if store.is_sqlite:
        with store.read() as connection:
            said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if said != "ok":
            raise StoreUnavailable("The database in the backup is damaged", "Take another backup")
