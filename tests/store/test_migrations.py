"""Migrations make the very tables that the code names, on both databases."""

import contextlib

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from mailer.store.engine import open_store, upgrade
from mailer.store.tables import metadata


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty_store(request, tmp_path):
    """A new database without tables."""
    if request.param == "sqlite":
        opened = open_store(f"sqlite:///{tmp_path / 'empty.db'}")
    else:
        opened = request.getfixturevalue("store_without_tables")
    with contextlib.closing(opened):
        yield opened


@pytest.fixture
def store_without_tables(postgresql_address):
    """A new PostgreSQL database, its tables taken away."""
    from tests.support.databases import postgresql_store

    with postgresql_store(postgresql_address) as opened:
        with opened.write() as connection:
            metadata.drop_all(connection)
        yield opened


def test_migrations_equal_the_tables(empty_store):
    """After all migrations, alembic would change nothing."""
    upgrade(empty_store)
    with empty_store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []


def test_upgrading_twice_is_once(empty_store):
    """A second upgrade leaves everything as it is."""
    upgrade(empty_store)
    upgrade(empty_store)
    with empty_store.read() as connection:
        versions = connection.execute(text("SELECT version_num FROM alembic_version")).all()
    assert len(versions) == 1
