"""Open the database, read and write it in transactions, and bring its tables up to date.

In: a SQLAlchemy address. Out: a `Store`, whose `read()` and `write()` give a connection inside one
transaction. On SQLite a writer takes the lock at its beginning (BEGIN IMMEDIATE), since a reader
that turns into a writer fails at once whatever the time-out.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import DatabaseError, OperationalError

from mailer.store.pending import adding_up
from mailer.store.tables import id_sequence, metadata, setting
from mailer.store.turns import take_turn

#: How long a SQLite writer waits for another, in seconds.
BUSY_TIMEOUT_S = 15.0
_MIGRATIONS = Path(__file__).parent / "migrations"
#: The newest migration: what the tables of a database must be up to.
NEWEST = "0024"


#: Under this name a connection keeps what is done last in its transaction.
_LAST = "mailer_done_last"
#: Where alembic keeps which migration a database is at.
_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


class StoreUnavailable(Exception):
    """The database cannot be opened, read or written; carries what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}. {remedy}.")


class WrongKeys(Exception):
    """The key file does not belong to this database."""

    def __init__(self, file_name: str) -> None:
        self.file_name = file_name
        super().__init__(
            f"{file_name} is not the one this database was made with. "
            "Put back the file that belongs to it; nothing was changed."
        )


@dataclass(frozen=True)
class Store:
    """An open database."""

    engine: Engine

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite, not PostgreSQL."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection in a transaction that sees one state and changes nothing."""
        with self.connection() as connection, self.reading(connection):
            yield connection

    @contextmanager
    def write(self, *, patient: bool = False) -> Iterator[Connection]:
        """Give a connection in a transaction that may write; committed at the end.

        Args:
            patient: on SQLite others go first, as who writes lot after lot lets them.
        """
        with self.connection() as connection, self.writing(connection, patient=patient):
            yield connection

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give a connection for transactions one after another, which share temporary tables."""
        with _plain_errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def reading(self, connection: Connection) -> Iterator[None]:
        """Make a transaction of a connection that sees one state and changes no lasting table."""
        connection.execution_options(mailer_writes=False)
        if not self.is_sqlite:
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield

    @contextmanager
    def writing(self, connection: Connection, *, patient: bool = False) -> Iterator[None]:
        """Make a transaction of a connection that may write, as `write` does."""
        connection.execution_options(mailer_writes=True, mailer_patient=patient)
        if not self.is_sqlite:
            connection.execution_options(isolation_level="READ COMMITTED")
        # Counts before the audit log, always: so nobody holds the one and waits for the other.
        with connection.begin(), _doing_last(connection), adding_up(connection):
            yield

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Let one process or thread at a time do a thing, for as long as it takes; others wait.

        It is no transaction. Whoever is killed in its midst keeps nobody waiting: the kernel or
        the server lets go of what a dead process held.
        """
        if self.is_sqlite:
            with Path(f"{self.engine.url.database}-{name}.lock").open("wb") as file:
                os.fchmod(file.fileno(), 0o600)
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
            return
        number = int.from_bytes(name.encode()[:7], "big")
        with _plain_errors(), self.engine.connect() as connection:
            # Outside a transaction, so that hours of waiting keep no old rows alive.
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(select(func.pg_advisory_lock(number)))
            try:
                yield
            finally:
                connection.execute(select(func.pg_advisory_unlock(number)))

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def do_last(connection: Connection, act: Callable[[Connection], None]) -> None:
    """Have something done at the end of this transaction, after all else and before its commit.

    It is for what locks a row that many transactions lock: nothing is waited for after it, so no
    two of them can wait for each other.

    Raises:
        LookupError: when this is no transaction of `Store.write`, which would never do it.
    """
    waiting = connection.info.get(_LAST)
    if waiting is None:
        raise LookupError("only in a transaction of Store.write is something done last")
    waiting.append(act)


@contextmanager
def _doing_last(connection: Connection) -> Iterator[None]:
    waiting: list[Callable[[Connection], None]] = []
    connection.info[_LAST] = waiting
    try:
        yield
        for act in waiting:
            act(connection)
    finally:
        connection.info.pop(_LAST, None)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what the driver says of locks, disks and servers into what a person can act on."""
    try:
        yield
    except OperationalError as error:
        said = str(error.orig).lower()
        if "locked" in said or "busy" in said:
            raise StoreUnavailable(
                f"The database was locked for {BUSY_TIMEOUT_S:.0f} s",
                "See which program holds it, then try again; nothing was changed",
            ) from error
        if "disk" in said or "full" in said or "space" in said:
            raise StoreUnavailable(
                "The database could not be written: the disk is full or failing",
                "Make room, then try again; nothing was changed",
            ) from error
        if "no such table" in said:
            raise StoreUnavailable(
                "The database has no tables", "Put it back from your copy"
            ) from error
        if "unable to open" in said or "connect" in said or "readonly" in said:
            raise StoreUnavailable(
                "The database cannot be opened for writing",
                "Check that it exists, that its server runs and who owns it",
            ) from error
        raise
    except DatabaseError as error:
        if "not a database" in (said := str(error.orig)) or "malformed" in said:
            raise StoreUnavailable(
                "The database is damaged, or another file stands in its place",
                "Put it back from your backup; docs/keeping.md says how",
            ) from error
        raise


def _prepare_sqlite(engine: Engine, *, synchronous: str) -> None:
    folder = Path(engine.url.database or "").parent

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        # What was deleted is overwritten, and sorting spills into memory, not into files.
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.execute("PRAGMA temp_store = MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("mailer_writes", False):
            patient = options.get("mailer_patient", False)
            take_turn(connection, folder, BUSY_TIMEOUT_S, patient=patient)
        else:
            connection.exec_driver_sql("BEGIN DEFERRED")


def _make_private(path: str) -> None:
    """Make the file of a database that is new, for its owner alone, before SQLite would.

    SQLite gives its write-ahead log the mode of the database.
    """
    with suppress(OSError):
        if path not in ("", ":memory:"):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def open_store(url: str, *, synchronous: str = "FULL") -> Store:
    """Open the database at `url`; tables are not looked at.

    Args:
        url: SQLAlchemy's address: "sqlite:////path" or "postgresql+psycopg://…".
        synchronous: SQLite's setting: FULL waits for the disk at every commit.

    Raises:
        StoreUnavailable: when the address is of no database known here.
    """
    if url.startswith("postgresql://"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    if url.startswith("sqlite"):
        _make_private(make_url(url).database or "")
        engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, hide_parameters=True)
        _prepare_sqlite(engine, synchronous=synchronous)
    elif url.startswith("postgresql+psycopg://"):
        engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
    else:
        raise StoreUnavailable(
            "The database address is neither SQLite nor PostgreSQL",
            "Mend database.url in config.toml",
        )
    return Store(engine)


def upgrade(
    store: Store, *, stamp: str = "", then: Callable[[Connection], None] | None = None
) -> None:
    """Bring the tables up to the newest migration, or leave them as they are.

    Args:
        store: the database.
        stamp: the version its tables have, for a database that does not know it.
        then: called in the same transaction: nobody sees the new tables before it was.

    Raises:
        StoreUnavailable: when the database cannot be written.
    """
    known = stamp or known_version(store)
    with store.write() as connection:
        if stamp:
            connection.execute(_version.insert().values(version_num=stamp))
        if known != NEWEST:
            _migrate(connection)
        if then is not None:
            then(connection)


def _migrate(connection: Connection) -> None:
    # Nearly no command migrates, and alembic takes a third of a second to import.
    from alembic import command
    from alembic.config import Config as AlembicConfig

    config = AlembicConfig()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def create_tables(store: Store) -> None:
    """Create all tables at once, without migrations: for tests and benches."""
    with store.write() as connection:
        metadata.create_all(connection)
        _version.create(connection)
        connection.execute(_version.insert().values(version_num=NEWEST))


def known_version(store: Store) -> str | None:
    """Return the newest migration of a database; None when it has no tables."""
    with store.read() as connection:
        if not inspect(connection).has_table(_version.name):
            return None
        return connection.execute(select(_version.c.version_num)).scalar_one_or_none()


def check_version(store: Store) -> None:
    """Refuse a database whose tables are not those of this program.

    Raises:
        StoreUnavailable: when they are older, newer or not there, saying what to do.
    """
    known = known_version(store)
    if known is None:
        raise StoreUnavailable("The database has no tables", "Put it back from your copy")
    if known < NEWEST:
        raise StoreUnavailable("The database is of an older version", "Run: mailer upgrade")
    if known > NEWEST:
        raise StoreUnavailable(
            "The database is of a newer version than this program", "Install the newer program"
        )


def take_ids(connection: Connection, name: str, count: int) -> int:
    """Take `count` ids of the sequence `name` and return the first; they are never given again."""
    taken = connection.execute(
        id_sequence.update()
        .where(id_sequence.c.name == name)
        .values(next_id=id_sequence.c.next_id + count)
        .returning(id_sequence.c.next_id)
    ).scalar_one_or_none()
    if taken is None:
        connection.execute(id_sequence.insert().values(name=name, next_id=1 + count))
        return 1
    return int(taken) - count


def check_fingerprint(
    connection: Connection,
    name: str,
    fingerprint: str,
    file_name: str,
    also: Collection[str] = (),
) -> None:
    """Remember the fingerprint of a key file at its first use, and compare it ever after.

    Args:
        connection: one that may write.
        name: under which it is remembered.
        fingerprint: of the file's first key.
        file_name: for the error.
        also: fingerprints of the file's other keys: after a rotation one of them is remembered.

    Raises:
        WrongKeys: when the database was made with another one.
    """
    known = connection.execute(
        select(setting.c.value).where(setting.c.name == name)
    ).scalar_one_or_none()
    if known is None:
        connection.execute(setting.insert().values(name=name, value=fingerprint))
    elif known != fingerprint and known not in also:
        raise WrongKeys(file_name)


def ping(store: Store) -> None:
    """Ask the database anything at all.

    Raises:
        StoreUnavailable: when it does not answer.
    """
    with store.read() as connection:
        connection.execute(text("SELECT 1"))


__all__ = [
    "Connection",
    "Store",
    "StoreUnavailable",
    "WrongKeys",
    "check_fingerprint",
    "check_version",
    "create_tables",
    "do_last",
    "known_version",
    "open_store",
    "ping",
    "take_ids",
    "upgrade",
]
