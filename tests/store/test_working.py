"""Working copies on both databases: versions, clashes, locks."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from mailer.model.staff import Actor, ActorKind
from mailer.store import edition_locks, working
from mailer.store.edition_locks import Holder
from mailer.store.statements import save_revision
from mailer.store.working import Clash, NoWorkingCopy, SlugTaken
from tests.support.clocks import NOW
from tests.support.factories import make_revision

ANA = Actor(ActorKind.STAFF, "ana")
BEN = Actor(ActorKind.STAFF, "ben")
LATER = NOW + timedelta(minutes=15)


def begin(store, slug="letter", files=None, **others):
    """Begin a working copy in a transaction of its own."""
    with store.write() as connection:
        return working.create_copy(connection, slug, files or {"en.md": b"A"}, ANA, NOW, **others)


def save(store, content, seen, actor=ANA, name="en.md"):
    """Save a file in a transaction of its own."""
    with store.write() as connection:
        return working.save_file(connection, "letter", name, content, seen, actor, LATER)


def test_what_is_saved_comes_back_with_who_and_when(store):
    """Each change takes a higher version; the same content again takes none."""
    begin(store, files={"en.md": b"A", "ru.md": "Б".encode()})
    saved = save(store, b"B", 1, BEN)
    assert (3, "staff:ben", LATER) == (saved.version, saved.saved_by, saved.saved_at)
    assert saved == save(store, b"B", 1, ANA)
    with store.read() as connection:
        assert saved == working.read_file(connection, "letter", "en.md")
        assert ["en.md", "ru.md"] == list(working.read_files(connection, "letter"))
        facts = working.file_facts(connection, "letter")
        copy = working.find_copy(connection, "letter")
    assert [("en.md", 1, 3), ("ru.md", 2, 2)] == [
        (one.name, one.size, one.version) for one in facts
    ]
    assert ("staff:ana", "staff:ben", LATER) == (
        copy.created_by, copy.updated_by, copy.updated_at,
    )  # fmt: skip


def test_a_file_that_changed_meanwhile_is_not_overwritten(store):
    """The clash carries both texts, who wrote the other and when."""
    begin(store)
    theirs = save(store, b"theirs", 1, BEN)
    with pytest.raises(Clash) as raised:
        save(store, b"ours", 1)
    assert (theirs, b"ours") == (raised.value.theirs, raised.value.ours)
    with pytest.raises(Clash):
        save(store, b"new", None)
    with pytest.raises(Clash) as raised:
        save(store, b"ours", 7, name="gone.md")
    assert raised.value.theirs is None
    with store.read() as connection:
        assert b"theirs" == working.read_file(connection, "letter", "en.md").content


def test_a_file_that_was_taken_away_and_came_again_is_another(store):
    """Versions are never given twice, so an old form does not go over a new file."""
    begin(store)
    with store.write() as connection, pytest.raises(Clash):
        working.delete_file(connection, "letter", "en.md", 9, ANA, NOW)
    for _ in range(2):
        with store.write() as connection:
            working.delete_file(connection, "letter", "en.md", 1, ANA, NOW)
    assert 3 == save(store, b"again", None).version
    with pytest.raises(Clash):
        save(store, b"old form", 1)


def test_of_two_who_save_at_once_one_is_told(store):
    """One change is kept; the other comes back as a clash, and none is lost."""
    begin(store)

    def attempt(number):
        try:
            return save(store, f"text {number}".encode(), 1)
        except Clash as clash:
            return clash

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(attempt, range(4)))
    saved = [one for one in results if not isinstance(one, Clash)]
    assert 1 == len(saved)
    assert all(one.theirs == saved[0] for one in results if isinstance(one, Clash))


def test_there_is_one_working_copy_of_a_statement(store):
    """A second is refused; without one nothing can be saved."""
    begin(store)
    with pytest.raises(SlugTaken):
        begin(store)
    with store.write() as connection, pytest.raises(NoWorkingCopy):
        working.save_file(connection, "other", "en.md", b"", None, ANA, NOW)
    with store.read() as connection, pytest.raises(NoWorkingCopy):
        working.find_copy(connection, "other")


def test_a_copy_knows_the_revision_it_is_of_and_the_latest(store):
    """Numbers of both, so that a newer one can be told."""
    with store.write() as connection:
        first = save_revision(connection, make_revision(slug="letter"), NOW)
    begin(store, based_on=first.revision_id)
    with store.write() as connection:
        second = save_revision(connection, make_revision(["en"], slug="letter"), NOW)
        copy = working.lock_copy(connection, "letter")
        assert (1, 2) == (copy.based_on_number, copy.latest_number)
        working.rebase_copy(connection, "letter", second.revision_id)
    with store.read() as connection:
        (copy,) = working.list_copies(connection)
    assert (2, 2) == (copy.based_on_number, copy.latest_number)


def test_an_edition_is_held_by_one_browser_at_a_time(store):
    """Its holder renews it; others see who holds it until it is let go or runs out."""
    begin(store)
    ana, ben = Holder(1, 10, "Ana"), Holder(2, 20, "Ben")

    def hold(holder, now=NOW, language="en"):
        with store.write() as connection:
            until = now + timedelta(minutes=15)
            return edition_locks.hold_edition(connection, "letter", language, holder, now, until)

    assert ana == hold(ana).holder
    assert ana == hold(ben).holder
    # The same person in another browser is another holder.
    assert ana == hold(Holder(1, 11, "Ana")).holder
    renewed = hold(ana, NOW + timedelta(minutes=14))
    # It is told since when: since it was taken, however often it was renewed.
    assert NOW == hold(ben, NOW + timedelta(minutes=28)).since
    assert ana == hold(ben, NOW + timedelta(minutes=28)).holder
    assert ben == hold(ben, language="").holder
    with store.read() as connection:
        locks = edition_locks.edition_locks(connection, "letter", NOW + timedelta(minutes=1))
        assert [("", ben), ("en", ana)] == [(one.language, one.holder) for one in locks]
    assert ben == hold(ben, renewed.until).holder
    assert renewed.until == hold(ben, renewed.until + timedelta(minutes=1)).since
    with store.write() as connection:
        edition_locks.let_go(connection, "letter", "en")
    assert ana == hold(ana, renewed.until).holder


def test_source_texts_are_kept_by_their_hash(store):
    """One is found again by the beginning of its hash; keeping it twice is once."""
    begin(store)
    for _ in range(2):
        with store.write() as connection:
            working.keep_source(connection, "letter", "ab%c" + "0" * 60, b"text", NOW)
    with store.read() as connection:
        assert b"text" == working.kept_source(connection, "letter", "ab%c0")
        assert working.kept_source(connection, "letter", "ab_c") is None
        assert working.kept_source(connection, "other", "ab%c") is None


def test_a_copy_that_is_thrown_away_leaves_nothing(store):
    """Files, locks and sources go with it."""
    begin(store)
    with store.write() as connection:
        working.keep_source(connection, "letter", "0" * 64, b"text", NOW)
        edition_locks.hold_edition(connection, "letter", "en", Holder(1, 1, "Ana"), NOW, LATER)
        working.drop_copy(connection, "letter")
        assert () == working.file_facts(connection, "letter")
        assert () == working.list_copies(connection)
        working.create_copy(connection, "letter", {}, ANA, NOW)
        assert () == edition_locks.edition_locks(connection, "letter", NOW)
