"""Migrations make the very tables that the code names, on both databases."""

import contextlib
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from mailer.store import engine
from mailer.store.engine import StoreUnavailable, check_version, open_store, upgrade
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
            connection.execute(text("DROP TABLE alembic_version"))
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


def test_the_program_knows_its_newest_migration():
    """What a database is held against is the head of the migrations."""
    config = Config()
    config.set_main_option("script_location", str(Path(engine.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == engine.NEWEST


def test_an_older_newer_or_empty_database_is_refused_with_what_to_do(empty_store):
    """Each says its own remedy; after the upgrade it is taken."""
    with pytest.raises(StoreUnavailable, match="copy"):
        check_version(empty_store)
    migrate(empty_store, "0001")
    with pytest.raises(StoreUnavailable, match="mailer upgrade"):
        check_version(empty_store)
    upgrade(empty_store)
    check_version(empty_store)
    with empty_store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreUnavailable, match="newer"):
        check_version(empty_store)


def migrate(store, revision):
    """Bring the tables to a revision, be it an older one."""
    config = Config()
    config.set_main_option("script_location", str(Path(engine.__file__).parent / "migrations"))
    with store.write() as connection:
        config.attributes["connection"] = connection
        way = (
            command.downgrade
            if revision in ("0001", "0002") and has_tables(connection)
            else command.upgrade
        )
        way(config, revision)


def has_tables(connection):
    """Tell whether any migration was run."""
    return inspect(connection).has_table("alembic_version")


def holds_canary(store):
    """Tell whether the text is in any file of a SQLite database."""
    path = Path(store.engine.url.database)
    return any(
        b"canary at the fair" in one.read_bytes() for one in path.parent.glob(f"{path.name}*")
    )


#: A member, with what an import of the first tables wrote of their consent.
_OLD_ROWS = """
INSERT INTO organisation (id, key) VALUES (1, 'harbor');
INSERT INTO mailing_list (id, key, organisation_id, definition, updated_at)
    VALUES (7, 'news', 1, '{}', 0);
INSERT INTO language_profile (id, languages, never) VALUES (1, '', '');
INSERT INTO supporter (id, organisation_id, address_digest, address_sealed, fields_sealed,
    profile_id, domain_digest, created_at, updated_at) VALUES (5, 1, '1', '1', '1', 1, '1', 0, 0);
INSERT INTO membership (list_id, supporter_id, state, consent_basis, consent_source, consented_at,
    added_at) VALUES (7, 5, 'subscribed', 'consent', 'canary at the fair', 3, 4)
"""


def test_sources_of_consent_in_clear_are_dropped_and_nothing_else(empty_store):
    """The member, the basis and the day stay; the text is in no file of the database any more."""
    migrate(empty_store, "0001")
    with empty_store.write() as connection:
        for one in _OLD_ROWS.split(";"):
            connection.execute(text(one))
    assert not empty_store.is_sqlite or holds_canary(empty_store)
    upgrade(empty_store)
    with empty_store.read() as connection:
        (member,) = connection.execute(text("SELECT * FROM membership")).mappings().all()
        indexes = [one["name"] for one in inspect(connection).get_indexes("membership")]
    assert {
        "list_id": 7, "supporter_id": 5, "state": "subscribed", "consent_basis": "consent",
        "consent_source_sealed": None, "consented_at": 3, "added_at": 4, "left_at": None,
        "batch_id": None,
    } == dict(member)  # fmt: skip
    assert ["ix_membership_supporter_id"] == indexes
    empty_store.close()
    assert not empty_store.is_sqlite or not holds_canary(empty_store)


def test_the_step_to_sealed_sources_can_be_taken_back(empty_store):
    """The members stay; their sources are empty, as the first tables have it."""
    upgrade(empty_store)
    migrate(empty_store, "0001")
    with empty_store.write() as connection:
        for one in _OLD_ROWS.split(";"):
            connection.execute(text(one))
    upgrade(empty_store)
    migrate(empty_store, "0001")
    with empty_store.read() as connection:
        sources = connection.execute(text("SELECT consent_source FROM membership")).scalars().all()
    assert [""] == sources


#: A mailing in the middle of its work, as the first tables have it.
_OLD_MAILING = """
INSERT INTO statement (id, slug, kind, created_at) VALUES (1, 'her-rights', 'statement', 0);
INSERT INTO revision (id, statement_id, number, digest, document, loaded_at)
    VALUES (1, 1, 1, 'd', '{}', 0);
INSERT INTO design (id, digest, kind, document, created_at) VALUES (1, 'd', 'statement', '{}', 0);
INSERT INTO mailing (id, key, statement_id, number, revision_id, design_id, sender, state, due_at,
    time_zone, grace_s, confirmed_count, digest, created_at) VALUES (3, 'her-rights-1', 1, 1, 1, 1,
    '{"key": "harbor"}', 'running', 0, 'UTC', 60, 1, 'd', 0);
INSERT INTO mailing_target (mailing_id, position, list_id, definition) VALUES (3, 0, 7, '{}');
INSERT INTO delivery (id, mailing_id, address_digest, supporter_id, list_id, state, attempts)
    VALUES (9, 3, '1', 5, 7, 'accepted', 1);
INSERT INTO delivery_list (delivery_id, list_id, supporter_id) VALUES (9, 7, 5);
INSERT INTO attempt (id, delivery_id, number, relay, started_at, duration_ms, outcome, code,
    enhanced_code, reply) VALUES (1, 9, 1, 'sandbox', 0, 1, 'accepted', 250, '', 'ok');
INSERT INTO import_batch (id, list_id, started_at, finished_at) VALUES (2, 7, 0, 1);
UPDATE membership SET batch_id = 2;
INSERT INTO suppression (id, address_digest, scope, reason, source, since)
    VALUES (1, '2', 'all', 'bounced', 'bounce', 0)
"""


def test_a_database_in_the_middle_of_its_work_is_brought_up_to_date_whole(empty_store):
    """Every row stays; old mailings are rehearsals of their sender, and old outcomes are counted."""
    migrate(empty_store, "0001")
    with empty_store.write() as connection:
        for one in _OLD_ROWS.split(";"):
            connection.execute(text(one))
    migrate_up(empty_store, "0002")
    with empty_store.write() as connection:
        for one in _OLD_MAILING.split(";"):
            connection.execute(text(one))
        before = row_counts(connection)
    upgrade(empty_store)
    with empty_store.read() as connection:
        after = row_counts(connection)
        (mailing,) = connection.execute(text("SELECT * FROM mailing")).mappings().all()
        shares = connection.execute(text("SELECT share_id FROM delivery")).scalars().all()
        undo = connection.execute(text("SELECT can_be_undone FROM import_batch")).scalars().all()
        counted = connection.execute(text("SELECT * FROM outcome_count")).all()
    assert before == {name: after[name] for name in before}
    assert ("harbor", True, False) == (
        mailing["sender_key"], bool(mailing["rehearsal"]), bool(mailing["in_shares"]),
    )  # fmt: skip
    assert [(3, "sandbox", "other", "accepted", "", 1)] == [tuple(row) for row in counted]
    assert ([0], [False]) == (shares, [bool(one) for one in undo])
    migrate(empty_store, "0002")
    with empty_store.read() as connection:
        assert before == row_counts(connection)


def row_counts(connection):
    """Return how many rows each table has, but for alembic's own."""
    names = [one for one in inspect(connection).get_table_names() if one != "alembic_version"]
    return {
        name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar() for name in names
    }


def migrate_up(store, revision):
    """Bring the tables forward to a revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(engine.__file__).parent / "migrations"))
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
