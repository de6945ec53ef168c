"""Rotation: everything is sealed anew while the program goes on, and old links work for ever."""

import itertools
import shutil
import sys

import pytest

from mailer import keyfiles
from mailer.audience.consent import opened_source, sealed_source
from mailer.keys import KeyFileError, WrongSealKey, load_seal_keys, load_service_keys
from mailer.store.resealing import key_ids, reseal_all, sealed_columns
from mailer.store.tables import membership, metadata, supporter
from mailer.store.types import Sealed
from mailer.tokens import BadToken, Purpose, Tokens
from tests.support.killing import killed_at


@pytest.fixture
def own_keys(key_files, tmp_path):
    """A folder with copies of the key files, to be changed."""
    for name in ("seal.key", "service.key"):
        shutil.copy(key_files / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def people(ground, store, seal_keys):
    """A few people with consent on record; their ids."""
    ground.add_list("harbor-news")
    ids = [ground.add_supporter(f"p{number}@example.org", "harbor-news") for number in range(5)]
    list_id = ground.lists["harbor-news"][0]
    with store.write() as connection:
        for row_id in ids:
            source = sealed_source(seal_keys, f"fair {row_id}", list_id, row_id)
            connection.execute(
                membership.update()
                .where(membership.c.supporter_id == row_id)
                .values(consent_source_sealed=source)
            )
    return ids


def resealing(path):
    """Return what seals anew with the keys in a file."""
    keys = load_seal_keys(path)

    def anew(sealed, table, column, row_id):
        return keys.seal(keys.unseal(sealed, table, column, row_id), table, column, row_id)

    return keys.current, anew


def test_every_sealed_column_is_found_and_each_says_its_row():
    """By its type, so that a new table is never forgotten."""
    names = {f"{one.table.name}.{one.column.name}" for one in sealed_columns()}
    by_name = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if column.name.endswith("_sealed")
    }
    assert by_name == names
    for one in sealed_columns():
        assert isinstance(one.column.type, Sealed)
        assert one.bound_to in one.table.c, one.table.name


def test_everything_is_sealed_anew_and_opens_as_before(store, ground, people, own_keys):
    """Address, fields and consent; the second run finds nothing to do, and the old key may go."""
    path = own_keys / "seal.key"
    assert 2 == keyfiles.add_seal_key(path)
    assert 15 == reseal_all(store, *resealing(path))
    assert 0 == reseal_all(store, *resealing(path))
    with store.read() as connection:
        assert {2: 15} == key_ids(connection)
        rows = connection.execute(supporter.select().order_by(supporter.c.id)).all()
        members = connection.execute(membership.select()).all()
    keyfiles.remove_seal_key(path, 1)
    keys = load_seal_keys(path)
    assert [f"p{number}@example.org" for number in range(5)] == [
        keys.unseal(row.address_sealed, "supporter", "address_sealed", row.id) for row in rows
    ]
    assert {f"fair {row_id}" for row_id in people} == {
        opened_source(keys, row.consent_source_sealed, row.list_id, row.supporter_id)
        for row in members
    }


def test_a_rotation_killed_anywhere_goes_on_where_it_stopped(store, people, own_keys, monkeypatch):
    """At every step the file opens everything, and running it again ends it."""
    monkeypatch.setattr("mailer.store.resealing.CHUNK", 2)
    path = own_keys / "seal.key"
    old = Tokens(load_service_keys(own_keys / "service.key")).person(Purpose.UNSUBSCRIBE, 1, 2)

    def rotate():
        keyfiles.add_token_key(own_keys / "service.key")
        keyfiles.add_seal_key(path)
        # The audit hook counts this as a step of its own: between two transactions.
        reseal_all(store, *resealing(path), lambda _: sys.audit("os.rename"))

    for step in itertools.count(1):
        store.close()
        if not killed_at(step, rotate):
            break
        tokens = Tokens(load_service_keys(own_keys / "service.key"))
        assert 1 == tokens.read_person(Purpose.UNSUBSCRIBE, old).delivery_id
        keys = load_seal_keys(path)
        with store.read() as connection:
            rows = connection.execute(supporter.select().order_by(supporter.c.id)).all()
        assert [f"p{number}@example.org" for number in range(5)] == [
            keys.unseal(row.address_sealed, "supporter", "address_sealed", row.id) for row in rows
        ]
    assert step > 6
    reseal_all(store, *resealing(path))
    with store.read() as connection:
        assert {load_seal_keys(path).current: 15} == key_ids(connection)


def test_what_is_changed_meanwhile_stays(store, ground, people, own_keys):
    """An import that wrote between our reading and our writing has the last word."""
    path = own_keys / "seal.key"
    keyfiles.add_seal_key(path)
    current, anew = resealing(path)

    def meanwhile(sealed, table, column, row_id):
        if (column, row_id) == ("fields_sealed", people[0]):
            with store.write() as connection:
                connection.execute(
                    supporter.update()
                    .where(supporter.c.id == row_id)
                    .values(fields_sealed=load_seal_keys(path).seal("{}", table, column, row_id))
                )
        return anew(sealed, table, column, row_id)

    assert 14 == reseal_all(store, current, meanwhile)
    with store.read() as connection:
        assert {2: 15} == key_ids(connection)


def test_a_process_that_began_before_opens_what_was_sealed_after(own_keys):
    """It reads the file again; a row that no key in it opens is still refused."""
    path = own_keys / "seal.key"
    old = load_seal_keys(path)
    keyfiles.add_seal_key(path)
    sealed = load_seal_keys(path).seal("x", "supporter", "address_sealed", 1)
    assert "x" == old.unseal(sealed, "supporter", "address_sealed", 1)
    with pytest.raises(WrongSealKey):
        old.unseal(b"\x09" + sealed[1:], "supporter", "address_sealed", 1)


def test_old_links_work_for_ever_and_new_ones_at_once(own_keys):
    """In processes that began before, too."""
    path = own_keys / "service.key"
    before = Tokens(load_service_keys(path))
    old = before.person(Purpose.UNSUBSCRIBE, 1, 2)
    old_path = before.return_path(7)
    assert "b" == keyfiles.add_token_key(path)
    after = Tokens(load_service_keys(path))
    new = after.person(Purpose.UNSUBSCRIBE, 3, 4)
    assert ("a", "b") == (old[0], new[0])
    assert 3 == before.read_person(Purpose.UNSUBSCRIBE, new).delivery_id
    assert 1 == after.read_person(Purpose.UNSUBSCRIBE, old).delivery_id
    assert 7 == after.read_feedback(old_path)
    with pytest.raises(BadToken):
        before.read_person(Purpose.UNSUBSCRIBE, "z" + new[1:])
    assert load_service_keys(path).fingerprint == load_service_keys(path).fingerprint


def test_a_key_file_changes_in_one_step_and_is_private(own_keys):
    """The file as it was is kept beside it until the change is done; both for their owner alone."""
    path = own_keys / "seal.key"
    before = path.read_text()
    keyfiles.add_seal_key(path)
    kept = keyfiles.previous(path)
    assert before == kept.read_text()
    assert [0o600, 0o600] == [one.stat().st_mode & 0o777 for one in (path, kept)]
    with pytest.raises(KeyFileError, match="seals with this key now"):
        keyfiles.remove_seal_key(path, 2)
    with pytest.raises(KeyFileError, match="has no key 9"):
        keyfiles.remove_seal_key(path, 9)
    keyfiles.forget_previous(path)
    assert not kept.exists()
