"""A Maildir is emptied: each message is dealt with and put away, and nothing is ever lost on the way."""

import os
import threading
from pathlib import Path

import pytest

from mailer.clock import SYSTEM_CLOCK
from mailer.feedback.intake.handling import (
    AGAIN_AFTER_S,
    OCTETS_FETCHED,
    Handled,
    IntakeFailed,
    NotNow,
)
from mailer.feedback.intake.maildir import PROCESSED, UNREAD, Maildir, why_no_maildir
from tests.support.clocks import FixedClock


@pytest.fixture
def folder(tmp_path):
    """An empty Maildir."""
    for part in ("new", "cur", "tmp"):
        (tmp_path / "in" / part).mkdir(parents=True)
    return tmp_path / "in"


def deliver(folder, name, content=b"x", part="new"):
    """Put a message where a mail server would."""
    (folder / "tmp" / name).write_bytes(content)
    (folder / "tmp" / name).rename(folder / part / name)


def files(folder):
    """Every message in a Maildir and the folders beside it: place → content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "maildirfolder"
    }


def never():
    """Nobody tells to stop."""
    return False


def done(raw, recipients):
    """Deal with everything."""
    return Handled.DONE


def by_content(raw, recipients):
    """Deal with a message as it says itself."""
    if raw == b"later":
        raise NotNow("no seal.key")
    return Handled.UNREAD if raw == b"odd" else Handled.DONE


def test_each_message_goes_where_it_belongs(folder):
    """Also those that another program has seen, with the flags it gave them."""
    deliver(folder, "1.a.host", b"fine")
    deliver(folder, "2.b.host", b"odd")
    deliver(folder, "3.c.host", b"later")
    deliver(folder, "4.d.host:2,FS", b"fine too", part="cur")
    looked = Maildir(folder, SYSTEM_CLOCK).look(by_content, never)
    assert (3, 1, 1) == (looked.done, looked.waiting, looked.unread)
    assert {
        f"{PROCESSED}/cur/1.a.host:2,S": b"fine",
        f"{UNREAD}/cur/2.b.host:2,S": b"odd",
        "new/3.c.host": b"later",
        f"{PROCESSED}/cur/4.d.host:2,FS": b"fine too",
    } == files(folder)
    assert {"cur", "maildirfolder", "new", "tmp"} == {
        path.name for path in (folder / PROCESSED).iterdir()
    }


def test_the_oldest_comes_first_and_a_message_is_cut(folder):
    """Only so much of it is held as is read; what is put away is whole."""
    huge = b"x" * (OCTETS_FETCHED + 5)
    deliver(folder, "2.b", b"second")
    deliver(folder, "1.a", huge)
    got = []
    Maildir(folder, SYSTEM_CLOCK).look(lambda raw, _: got.append(raw) or Handled.DONE, never)
    assert [huge[:OCTETS_FETCHED], b"second"] == got
    assert huge == files(folder)[f"{PROCESSED}/cur/1.a:2,S"]


def test_of_two_with_one_name_none_is_written_over(folder):
    """However such a name came twice."""
    for content in (b"one", b"two", b"three"):
        deliver(folder, "1.a", content)
        Maildir(folder, SYSTEM_CLOCK).look(done, never)
    assert {b"one", b"two", b"three"} == set(files(folder).values())


def test_what_waits_is_asked_for_after_a_while_and_not_before(folder):
    """A letter without a key to seal it is not read at every look."""
    clock = FixedClock()
    deliver(folder, "1.a", b"later")
    maildir, asked = Maildir(folder, clock), []

    def handle(raw, recipients):
        asked.append(raw)
        return by_content(raw, recipients)

    for _ in range(3):
        assert 1 == maildir.look(handle, never).waiting
    assert 1 == len(asked)
    clock.forward(seconds=AGAIN_AFTER_S + 1)
    assert 0 == maildir.look(done, never).waiting
    assert [f"{PROCESSED}/cur/1.a:2,S"] == list(files(folder))


def test_no_folder_is_read_while_nothing_has_changed(folder, monkeypatch):
    """Two of them are asked when they last changed, and that is all."""
    for part in ("new", "cur"):
        os.utime(folder / part, (1_000_000, 1_000_000))
    maildir, read = Maildir(folder, SYSTEM_CLOCK), []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: read.append(path) or scandir(path))
    maildir.look(done, never)
    assert 2 == len(read)
    maildir.look(done, never)
    assert 2 == len(read)
    deliver(folder, "1.a")
    assert 1 == maildir.look(done, never).done


def test_who_dies_in_between_deals_with_it_again(folder):
    """A message is put away only when it was dealt with; those before it stay where they were put."""
    deliver(folder, "1.a", b"one")
    deliver(folder, "2.b", b"two")

    def dies(raw, recipients):
        if raw == b"two":
            raise RuntimeError
        return Handled.DONE

    with pytest.raises(RuntimeError):
        Maildir(folder, SYSTEM_CLOCK).look(dies, never)
    assert {f"{PROCESSED}/cur/1.a:2,S": b"one", "new/2.b": b"two"} == files(folder)
    assert 1 == Maildir(folder, SYSTEM_CLOCK).look(done, never).done


def test_several_at_once_deal_with_no_message_twice(folder):
    """One of them looks, the others find nothing to do."""
    for number in range(200):
        deliver(folder, f"{number}.a", b"%d" % number)
    got, start = [], threading.Barrier(4)

    def look():
        start.wait()
        for _ in range(5):
            Maildir(folder, SYSTEM_CLOCK).look(
                lambda raw, _: got.append(raw) or Handled.DONE, never
            )

    threads = [threading.Thread(target=look) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert 200 == len(got) == len(set(got))


def test_a_message_that_another_program_moved_meanwhile_is_no_failure(folder):
    """It comes again under its new name, and dealing with it twice changes nothing."""
    deliver(folder, "1.a", b"one")

    def moved(raw, recipients):
        (folder / "new" / "1.a").rename(folder / "cur" / "1.a:2,S")
        return Handled.DONE

    maildir = Maildir(folder, SYSTEM_CLOCK)
    maildir.look(moved, never)
    assert 1 == maildir.look(done, never).done
    assert [f"{PROCESSED}/cur/1.a:2,S"] == list(files(folder))


def test_what_is_no_message_is_left_alone(folder):
    """A link out of the folder, a pipe, a folder, a hidden file."""
    outside = folder.parent / "secret"
    outside.write_bytes(b"secret")
    (folder / "new" / "link").symlink_to(outside)
    os.mkfifo(folder / "new" / "pipe")
    (folder / "new" / "below").mkdir()
    (folder / "new" / ".hidden").write_bytes(b"")
    got = []
    Maildir(folder, SYSTEM_CLOCK).look(lambda raw, _: got.append(raw) or Handled.DONE, never)
    assert [] == got
    assert b"secret" == outside.read_bytes()


def test_told_to_stop_it_ends_between_two_messages(folder):
    """The rest stays for the next look."""
    deliver(folder, "1.a")
    deliver(folder, "2.b")
    got = []
    Maildir(folder, SYSTEM_CLOCK).look(
        lambda raw, _: got.append(raw) or Handled.DONE, lambda: bool(got)
    )
    assert "new/2.b" in files(folder)


def test_what_was_dealt_with_long_ago_is_taken_away_and_nothing_else(folder):
    """Neither what could not be read, nor what is to be dealt with yet, however old."""
    for name, content in (("1.a", b"fine"), ("2.b", b"odd"), ("3.c", b"later"), ("4.d", b"new")):
        deliver(folder, name, content)
    maildir = Maildir(folder, SYSTEM_CLOCK)
    maildir.look(by_content, never)
    for path in folder.rglob("*:2,S"):
        if "4.d" not in path.name:
            os.utime(path, (1_000_000, 1_000_000))
    os.utime(folder / "new" / "3.c", (1_000_000, 1_000_000))
    assert 1 == maildir.tidy(FixedClock().now().replace(year=2001))
    assert {b"odd", b"later", b"new"} == set(files(folder).values())


def test_a_folder_that_is_no_maildir_is_told(folder, tmp_path):
    """To `mailer check` in words, and to who watches it as a failure that lasts."""
    assert "" == why_no_maildir(folder)
    assert "there is no such folder" == why_no_maildir(tmp_path / "nowhere")
    assert "it is no Maildir: it has no folder new, cur, tmp" == why_no_maildir(tmp_path)
    for one in (tmp_path, Path(tmp_path / "nowhere")):
        with pytest.raises(IntakeFailed) as raised:
            Maildir(one, SYSTEM_CLOCK).look(done, never)
        assert raised.value.lasts
        assert str(tmp_path) not in raised.value.reason
