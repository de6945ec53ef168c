"""The audit log as both databases keep it: one chain, and no way to change it unseen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select, update

from mailer.model.audit import AuditAction, AuditFilter, AuditFlaw, AuditHead
from mailer.model.staff import BY_ITSELF, Actor, ActorKind
from mailer.store import audit
from mailer.store.audit import (
    NOTHING_BEFORE,
    EntryUnreadable,
    entries_before,
    entries_in_order,
    head_of,
    last_of,
    verify,
    write_audit,
)
from mailer.store.tables_audit import audit_entry, audit_head
from tests.support.clocks import NOW

ANA = Actor(ActorKind.STAFF, "ana")
ROOT = Actor(ActorKind.TERMINAL, "root")

#: One thing that somebody could change about an entry, for each of its columns.
TAMPERED = {
    "id": 1000,
    "at": NOW - timedelta(days=1),
    "actor_kind": "terminal",
    "actor_name": "boris",
    "action": "mailing_resumed",
    "subject": "her-rights-2",
    "facts": '{"count":9}',
    "previous": "ab" * 32,
    "digest": "cd" * 32,
}


@pytest.fixture
def log(store):
    """A log of five entries."""
    for number in range(5):
        with store.write() as connection:
            write_audit(
                connection,
                ANA,
                AuditAction.MAILING_PAUSED,
                "her-rights-1",
                NOW + timedelta(minutes=number),
                count=number,
            )
    return store


def checked(store, noted=None):
    """Return what going through the log shows."""
    with store.read() as connection:
        return verify(connection, noted)


def change(store, statement):
    """Change the log behind the program's back."""
    with store.write() as connection:
        connection.execute(statement)


def test_an_entry_is_read_as_it_was_written(store):
    """Who, what, when, to what, and the facts."""
    with store.write() as connection:
        write_audit(
            connection, ROOT, AuditAction.SEGMENT_SAVED, "київ", NOW, count=3, reason="x", lists=["a"]
        )  # fmt: skip
    with store.read() as connection:
        (read,) = entries_before(connection, None, 10)
    assert (read.entry_id, read.at, read.actor, read.subject) == (1, NOW, ROOT, "київ")
    assert read.facts == {"count": 3, "reason": "x", "lists": ["a"]}
    assert read.previous == NOTHING_BEFORE


def test_what_looks_like_an_address_never_gets_into_the_log(store):
    """A reason that somebody typed may name a person: it is struck out before it is written."""
    with store.write() as connection:
        write_audit(
            connection,
            ANA,
            AuditAction.SUPPRESSION_MADE,
            "olena@example.org",
            NOW,
            reason="olena@example.org asked",
            more=["ion@example.org"],
        )
    with store.read() as connection:
        (entry,) = entries_before(connection, None, 10)
    assert entry.subject == "[address]"
    assert entry.facts == {"reason": "[address] asked", "more": ["[address]"]}


def test_a_whole_log_holds(log):
    """Nothing is wrong with it, and its head is the last entry; so is an empty one's nothing."""
    found = checked(log)
    assert found.broken_id is None
    with log.read() as connection:
        assert found.head == head_of(connection)
    assert found.head.entries == 5


def test_an_empty_log_holds(store):
    """A database in which nobody did anything yet has a log of no entries."""
    assert checked(store).head == AuditHead(0, NOTHING_BEFORE)
    assert checked(store).flaw is None


def test_it_holds_over_pages(log, monkeypatch):
    """A log longer than a page is read a page at a time, and checked across their borders."""
    monkeypatch.setattr(audit, "PAGE", 2)
    assert checked(log).flaw is None
    with log.read() as connection:
        assert [one.entry_id for one in entries_in_order(connection)] == [1, 2, 3, 4, 5]


def test_every_column_has_a_way_to_be_tampered_with():
    """The table of the next test covers each column there is."""
    assert set(TAMPERED) == set(audit_entry.c.keys())


@pytest.mark.parametrize("entry_id", [1, 3, 5])
@pytest.mark.parametrize("column", TAMPERED)
def test_a_changed_column_is_found(log, column, entry_id):
    """Whichever column of whichever entry is changed, the log breaks at that entry at the latest."""
    change(
        log,
        update(audit_entry)
        .where(audit_entry.c.id == entry_id)
        .values({column: TAMPERED[column]}),
    )  # fmt: skip
    found = checked(log)
    assert found.flaw is not None
    # A moved entry leaves a gap, which is seen at the next one, or at the end.
    assert found.broken_id in (entry_id, entry_id + 1, TAMPERED["id"])


@pytest.mark.parametrize("entry_id", [1, 2, 4])
def test_a_deleted_entry_is_found(log, entry_id):
    """Whatever is taken out leaves a gap before the next."""
    change(log, delete(audit_entry).where(audit_entry.c.id == entry_id))
    found = checked(log)
    assert (found.broken_id, found.flaw) == (entry_id + 1, AuditFlaw.MISSING_BEFORE)


def test_a_cut_end_is_found(log):
    """The count of entries is kept beside them, so the last ones cannot go unseen."""
    change(log, delete(audit_entry).where(audit_entry.c.id > 3))
    found = checked(log)
    assert (found.broken_id, found.flaw) == (4, AuditFlaw.CUT_OFF)
    assert found.head.entries == 3


def test_a_log_that_is_gone_is_found(log):
    """Deleting every entry leaves the count."""
    change(log, delete(audit_entry))
    assert (checked(log).broken_id, checked(log).flaw) == (1, AuditFlaw.CUT_OFF)


def test_a_lost_count_is_found(log):
    """Deleting the count leaves the entries."""
    change(log, delete(audit_head))
    assert (checked(log).broken_id, checked(log).flaw) == (1, AuditFlaw.ADDED)


@pytest.mark.parametrize("pair", [(1, 2), (2, 4), (4, 5)])
def test_entries_in_another_order_are_found(log, pair):
    """Two entries that changed places break the chain at the first of them."""
    first, second = pair
    for old, new in ((first, 1000), (second, first), (1000, second)):
        change(log, update(audit_entry).where(audit_entry.c.id == old).values(id=new))
    assert checked(log).broken_id == first


def test_an_entry_that_was_made_up_is_found(log):
    """One that is put in between, or at the end, follows from nothing."""
    with log.read() as connection:
        row = connection.execute(select(audit_entry).where(audit_entry.c.id == 5)).one()
    change(log, insert(audit_entry).values({**row._mapping, "id": 6}))
    assert (checked(log).broken_id, checked(log).flaw) == (6, AuditFlaw.CHANGED)


def test_a_log_that_was_written_anew_is_found_by_what_was_noted(log):
    """Who rewrites all of it, count and digests included, is found by a head that was noted."""
    noted = checked(log).head
    change(log, delete(audit_entry))
    change(log, delete(audit_head))
    for number in range(6):
        with log.write() as connection:
            write_audit(connection, ANA, AuditAction.MAILING_PAUSED, "other", NOW, count=number)
    assert checked(log).flaw is None
    found = checked(log, noted)
    assert (found.broken_id, found.flaw) == (5, AuditFlaw.NOT_AS_NOTED)


def test_a_log_that_went_on_holds_against_what_was_noted(log):
    """A head of before is one of the entries; one of later than the log is not."""
    noted = checked(log).head
    with log.write() as connection:
        write_audit(connection, ANA, AuditAction.MAILING_PAUSED, "her-rights-1", NOW)
    assert checked(log, noted).flaw is None
    assert checked(log, AuditHead(9, "ab" * 32)).flaw is AuditFlaw.NOT_AS_NOTED


def test_a_broken_log_keeps_nobody_from_working(log):
    """After the end was cut off, or the count lost, entries are still written; it stays broken."""
    change(log, delete(audit_entry).where(audit_entry.c.id > 3))
    with log.write() as connection:
        write_audit(connection, ANA, AuditAction.MAILING_PAUSED, "her-rights-1", NOW)
    assert (checked(log).broken_id, checked(log).flaw) == (6, AuditFlaw.MISSING_BEFORE)
    change(log, delete(audit_head))
    with log.write() as connection:
        write_audit(connection, ANA, AuditAction.MAILING_PAUSED, "her-rights-1", NOW)
    assert checked(log).broken_id == 6


def test_an_entry_that_says_nothing_any_more_is_named(log):
    """A list of entries says which one was changed, not that the program failed."""
    change(log, update(audit_entry).where(audit_entry.c.id == 2).values(action="danced"))
    with log.read() as connection, pytest.raises(EntryUnreadable) as raised:
        entries_before(connection, None, 10)
    assert raised.value.entry_id == 2


def test_what_is_undone_leaves_no_entry(store):
    """An entry is of the transaction that it tells of: both are there, or none."""

    def fail():
        with store.write() as connection:
            write_audit(connection, ANA, AuditAction.MAILING_PAUSED, "her-rights-1", NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert checked(store).head.entries == 0


def test_an_entry_is_written_after_all_else(store):
    """Whoever writes an entry early in a transaction locks the log at its end alone."""
    with store.write() as connection:
        write_audit(connection, ANA, AuditAction.MAILING_PAUSED, "her-rights-1", NOW)
        assert head_of(connection).entries == 0
    assert checked(store).head.entries == 1


def test_an_entry_outside_of_a_writing_transaction_is_refused(store):
    """What would never be written is not taken in silence."""
    with store.read() as connection, pytest.raises(LookupError):
        write_audit(connection, ANA, AuditAction.MAILING_PAUSED, "her-rights-1", NOW)


def test_writers_at_once_make_one_chain(store):
    """Four that write at the same time wait for one another, and none of their entries is lost."""

    def write(_):
        for number in range(15):
            with store.write() as connection:
                write_audit(connection, ROOT, AuditAction.SEGMENT_SAVED, "x", NOW, count=number)

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(4)))
    assert checked(store).flaw is None
    assert checked(store).head.entries == 60


def test_pages_go_back_from_the_latest(log):
    """Each page goes on before the last entry of the page before."""
    with log.read() as connection:
        first = entries_before(connection, None, 2)
        second = entries_before(connection, first[-1].entry_id, 2)
    assert [one.entry_id for one in first + second] == [5, 4, 3, 2]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (AuditFilter(actor_kind=ActorKind.PROGRAM), [6]),
        (AuditFilter(actor_name="ana"), [5, 4, 3, 2, 1]),
        (AuditFilter(actions=frozenset({AuditAction.MAILING_HELD})), [6]),
        (AuditFilter(subject="her-rights-2"), [6]),
        (AuditFilter(since=NOW + timedelta(minutes=3), until=NOW + timedelta(minutes=5)), [5, 4]),
        (AuditFilter(actor_name="nobody"), []),
    ],
)
def test_entries_are_narrowed(log, wanted, expected):
    """By who, what, to what, and when; `until` itself is not in it."""
    at = NOW + timedelta(minutes=5)
    with log.write() as connection:
        write_audit(connection, BY_ITSELF, AuditAction.MAILING_HELD, "her-rights-2", at)
    with log.read() as connection:
        assert [one.entry_id for one in entries_before(connection, None, 10, wanted)] == expected


def test_the_last_of_a_subject_is_found(log):
    """What was done last to a mailing, of the actions asked for."""
    with log.read() as connection:
        found = last_of(connection, "her-rights-1", frozenset({AuditAction.MAILING_PAUSED}))
        assert last_of(connection, "her-rights-1", frozenset({AuditAction.MAILING_HELD})) is None
    assert found is not None
    assert found.entry_id == 5
