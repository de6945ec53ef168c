"""The journal says after a death what each delivery came to."""

import os
import resource
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.delivery import journal as journal_module
from mailer.delivery.journal import (
    RECORD_BYTES,
    Fate,
    Journal,
    JournalFull,
    JournalReply,
    boot_id,
    dead_journals,
    replay,
    take_dead_journal,
)


def test_a_reply_a_mark_and_nothing_are_told_apart(tmp_path):
    """Replied, in doubt, never ended: the three fates."""
    journal = Journal(tmp_path, "w1")
    journal.mark(1, 1)
    journal.reply(1, 1, 250, "2.0.0")
    journal.mark(2, 3)
    found = replay(journal.path.read_bytes(), "w1")
    assert found.header.worker == "w1"
    assert found.header.boot_id == boot_id()
    assert found.fate(1, 1) == (Fate.REPLIED, JournalReply(250, "2.0.0"))
    assert found.fate(2, 3) == (Fate.IN_DOUBT, None)
    assert found.fate(2, 2) == (Fate.NEVER_ENDED, None)
    assert found.fate(3, 1) == (Fate.NEVER_ENDED, None)


def test_a_mark_can_be_taken_back(tmp_path):
    """When the connection died before the end of DATA was written, it may be sent again."""
    journal = Journal(tmp_path, "w1")
    journal.mark(1, 1)
    journal.ended(1, 1)
    assert replay(journal.path.read_bytes(), "w1").fate(1, 1) == (Fate.NEVER_ENDED, None)


def test_a_living_owner_keeps_its_journal(tmp_path):
    """Nobody reads the journal of a process that is alive; after its end anybody may."""
    journal = Journal(tmp_path, "w1")
    journal.mark(1, 1)
    assert list(dead_journals(tmp_path)) == []
    journal.close()
    (dead,) = dead_journals(tmp_path)
    assert dead.replay.fate(1, 1) == (Fate.IN_DOUBT, None)
    assert take_dead_journal(journal.path) is None
    dead.done(whole=True)
    assert [".kept"] == [path.suffix for path in tmp_path.iterdir()]


def test_a_killed_owner_leaves_its_journal_free(tmp_path):
    """The kernel gives the lock back when a process is killed."""
    script = (
        "import os, signal, sys; from pathlib import Path;"
        "from mailer.delivery.journal import Journal;"
        "j = Journal(Path(sys.argv[1]), 'w9'); j.mark(7, 1); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=False, timeout=30)
    (dead,) = dead_journals(tmp_path)
    assert dead.replay.fate(7, 1) == (Fate.IN_DOUBT, None)
    dead.put_back()


def test_what_was_read_is_forgotten_and_the_rest_kept_when_written_anew(tmp_path, monkeypatch):
    """A large journal shrinks to what the database does not have yet, still locked."""
    monkeypatch.setattr(journal_module, "ROOM_BYTES", 20 * RECORD_BYTES)
    journal = Journal(tmp_path, "w1")
    for number in range(1, 101):
        journal.mark(number, 1)
        journal.reply(number, 1, 250, "2.0.0")
        journal.read([(number - 1, 1)])
    found = replay(journal.path.read_bytes(), "w1")
    assert found.fate(100, 1) == (Fate.REPLIED, JournalReply(250, "2.0.0"))
    assert journal.path.stat().st_size < 40 * RECORD_BYTES
    assert list(dead_journals(tmp_path)) == []


def test_a_journal_that_finds_no_room_is_not_begun(tmp_path):
    """The room is taken on the disk at the beginning: no mark can meet a full disk later."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(JournalFull) as raised:
            Journal(tmp_path, "w1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert raised.value.reason == "File too large"
    assert list(tmp_path.iterdir()) == []


def test_more_than_there_is_room_for_is_written_anew(tmp_path, monkeypatch):
    """While the database takes nothing the journal grows, and nothing that is open is forgotten."""
    monkeypatch.setattr(journal_module, "ROOM_BYTES", 20 * RECORD_BYTES)
    journal = Journal(tmp_path, "w1")
    for number in range(1, 101):
        journal.mark(number, 1)
        journal.reply(number, 1, 250, "2.0.0")
    found = replay(journal.path.read_bytes(), "w1")
    assert {found.fate(number, 1)[0] for number in range(1, 101)} == {Fate.REPLIED}


def test_a_closed_journal_takes_no_more_room_than_it_needs(tmp_path):
    """What is kept for months is small."""
    journal = Journal(tmp_path, "w1")
    journal.mark(1, 1)
    journal.close()
    found = replay(journal.path.read_bytes(), "w1")
    assert found.closed
    assert journal.path.stat().st_size < 1_000


def test_only_its_owner_can_read_it(tmp_path):
    """Ids and codes are nobody else's business."""
    journal = Journal(tmp_path / "journal", "w1")
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700


# Each journal takes its room on the disk, which a busy disk is slow to give.
@settings(deadline=None)
@given(st.integers(0, RECORD_BYTES * 3), st.binary(max_size=40))
def test_a_torn_or_damaged_tail_never_hides_what_stood_before(tmp_path_factory, cut, noise):
    """Cut anywhere and with anything behind: whole records before the cut are read."""
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, "w1")
    header = journal.path.stat().st_size
    for number in (1, 2, 3):
        journal.mark(number, 1)
    content = journal.path.read_bytes()[: header + cut] + noise
    found = replay(content, "w1")
    whole = cut // RECORD_BYTES
    for number in range(1, whole + 1):
        assert found.fate(number, 1) == (Fate.IN_DOUBT, None)
    os.close(journal._descriptor)


def test_a_journal_without_a_header_says_nothing(tmp_path):
    """Power lost at birth: no record, and a boot that is not this one."""
    found = replay(b"", "w1")
    assert found.marked == {}
    assert found.header.boot_id == ""


def test_two_processes_never_share_a_name(tmp_path):
    """A second journal of the same name is refused, not written over."""
    Journal(tmp_path, "w1")
    with pytest.raises(FileExistsError):
        Journal(tmp_path, "w1")
