"""Wishes that wait, and how many confirmations an address is sent, whoever counts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from mailer.audience.addresses import normalize_address
from mailer.audience.joining import Confirmation, Wish, confirm, sealed_address
from mailer.audience.undoing import undo_import
from mailer.model.audience import MembershipState
from mailer.store import tables
from mailer.store.engine import take_ids
from mailer.store.sign_ups import (
    SignUp,
    allow_again,
    clear_sign_ups,
    confirm_sign_up,
    count_confirmation,
    find_sign_up,
    may_send,
    write_sign_up,
)
from mailer.store.suppression_log import SuppressionLog
from tests.store.import_ground import LIST, Importer
from tests.support.clocks import NOW

DIGEST = b"d" * 16
DAY = timedelta(days=1)


def asked(store, seal_keys, digest=DIGEST, at=NOW, address="anna@example.org", lists=(LIST.key,)):
    """Write a wish; return its id."""
    with store.write() as connection:
        row_id = take_ids(connection, "signup", 1)
        sealed = sealed_address(seal_keys, normalize_address(address), row_id)
        wish = Wish(tuple(lists), "ru").to_document()
        write_sign_up(connection, SignUp(row_id, digest, sealed, wish, "2026-11", at))
    return row_id


def counted(store, at, digest=DIGEST):
    """Count a confirmation, and see that asking first says the same."""
    with store.read() as connection:
        may = may_send(connection, digest, at)
    with store.write() as connection:
        assert may is count_confirmation(connection, digest, at)
    return may


def test_one_a_day_and_three_in_all(store):
    """Whatever is posted; another address has its own."""
    hours = [0, 1, 23, 24, 25, 47, 49, 200, 10_000]
    assert [True, False, False, True, False, False, True, False, False] == [
        counted(store, NOW + timedelta(hours=one)) for one in hours
    ]
    assert counted(store, NOW, b"e" * 16)


def test_staff_and_a_confirmed_wish_begin_the_count_anew(store, seal_keys):
    """By staff at once; by a confirmation from the next day on."""
    for day in range(3):
        assert counted(store, NOW + day * DAY)
    assert not counted(store, NOW + 3 * DAY)
    row_id = asked(store, seal_keys, at=NOW + 2 * DAY)
    with store.write() as connection:
        assert confirm_sign_up(connection, row_id, NOW + 2 * DAY) is not None
    assert not counted(store, NOW + 2 * DAY)
    assert counted(store, NOW + 3 * DAY)
    with store.write() as connection:
        assert allow_again(connection, DIGEST)
        assert not allow_again(connection, DIGEST)
    assert counted(store, NOW + 3 * DAY)


def test_many_at_once_send_one(store):
    """Of processes that count at the same time one is told yes."""

    def count(_number):
        with store.write() as connection:
            return count_confirmation(connection, DIGEST, NOW)

    with ThreadPoolExecutor(4) as pool:
        assert 1 == sum(pool.map(count, range(20)))


def test_a_wish_is_confirmed_once_and_for_three_days(store, seal_keys):
    """Of two confirmations one is given it; afterwards it is there no more."""
    row_id = asked(store, seal_keys)
    late = NOW + timedelta(hours=72)
    with store.write() as connection:
        assert confirm_sign_up(connection, row_id, late) is None
        assert find_sign_up(connection, row_id, late) is None
        found = confirm_sign_up(connection, row_id, late - DAY)
        assert found is not None
        assert Wish((LIST.key,), "ru") == Wish.from_document(found.wish)
        assert confirm_sign_up(connection, row_id, late - DAY) is None
        again = find_sign_up(connection, row_id, late - DAY)
        assert again is not None
        assert again.confirmed
        assert 0 == clear_sign_ups(connection, late - DAY, 10)
        assert 1 == clear_sign_ups(connection, late, 10)
        assert find_sign_up(connection, row_id, NOW) is None


def test_counts_stay_until_they_bar_nothing(store):
    """An address that used no confirmation stays counted; one that did is forgotten the next day."""
    counted(store, NOW)
    with store.write() as connection:
        assert 0 == clear_sign_ups(connection, NOW + 900 * DAY, 10)
        connection.execute(tables.signup_count.update().values(sent=0))
        assert 0 == clear_sign_ups(connection, NOW + DAY / 2, 10)
        assert 1 == clear_sign_ups(connection, NOW + DAY, 10)


@pytest.fixture
def importer(store, seal_keys, service_keys, tmp_path):
    """What imports files onto the list."""
    return Importer(store, seal_keys, service_keys, tmp_path)


def joined(store, seal_keys, service_keys, folder, row_id, at=NOW):
    """Confirm a wish."""
    log = SuppressionLog(folder / "suppressions.log")
    return confirm(store, seal_keys, service_keys, row_id, {LIST.key: LIST}, at, log)


def member(store):
    """Return the only membership."""
    with store.read() as connection:
        return connection.execute(select(tables.membership)).one()


def test_a_sign_up_writes_what_an_import_would(store, seal_keys, service_keys, importer, tmp_path):
    """Importing the same person afterwards finds nothing new."""
    digest = service_keys.address_digest("anna@example.org")
    row_id = asked(store, seal_keys, digest)
    assert Confirmation.JOINED is joined(store, seal_keys, service_keys, tmp_path, row_id)
    assert Confirmation.BEFORE is joined(store, seal_keys, service_keys, tmp_path, row_id)
    result = importer.take("email,languages", "Anna@example.org,ru")
    assert (0, 0, 1) == (result.added, result.updated, result.unchanged)


def test_undoing_an_import_leaves_who_signed_up_since(
    store, seal_keys, service_keys, importer, tmp_path
):
    """They are on the list by their own word, and so is what they said."""
    batch = importer.take("email,languages", "anna@example.org,uk").batch
    assert batch is not None
    digest = service_keys.address_digest("anna@example.org")
    row_id = asked(store, seal_keys, digest, NOW + DAY)
    assert Confirmation.JOINED is joined(
        store, seal_keys, service_keys, tmp_path, row_id, NOW + DAY
    )
    undo_import(store, seal_keys, batch, NOW + DAY)
    row = member(store)
    assert (MembershipState.SUBSCRIBED, NOW + DAY) == (row.state, row.consented_at)
    with store.read() as connection:
        (languages,) = connection.execute(
            select(tables.language_profile.c.languages).join(
                tables.supporter, tables.supporter.c.profile_id == tables.language_profile.c.id
            )
        ).scalars()
    assert "ru,uk" == languages


def test_two_confirmations_at_once_make_one_person(store, seal_keys, service_keys, tmp_path):
    """Two wishes of one address, and each of them twice."""
    digest = service_keys.address_digest("anna@example.org")
    ids = [asked(store, seal_keys, digest) for _ in range(2)]

    def go(row_id):
        return joined(store, seal_keys, service_keys, tmp_path, row_id)

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(go, ids * 2))
    assert 2 == done.count(Confirmation.JOINED)
    assert 2 == done.count(Confirmation.BEFORE)
    assert MembershipState.SUBSCRIBED is member(store).state


def test_a_list_that_is_offered_no_more_is_not_joined(store, seal_keys, service_keys, tmp_path):
    """The wish stays as it was, and is too old for the page."""
    row_id = asked(store, seal_keys, lists=("gone",))
    assert Confirmation.TOO_OLD is joined(store, seal_keys, service_keys, tmp_path, row_id)
    with store.read() as connection:
        assert [] == connection.execute(select(tables.supporter)).all()
