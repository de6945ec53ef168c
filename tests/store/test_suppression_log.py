"""suppressions.log: on the disk before anyone is answered, and read again by a restore."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from mailer.feedback.unsubscribe import undo, unsubscribe
from mailer.model.alerts import AlertKind
from mailer.model.audience import SuppressionReason, UnsubscriptionSource
from mailer.model.states import DeliveryState
from mailer.store.alerts import last_alerts
from mailer.store.restoring import replay_log
from mailer.store.suppression_log import LogEntry, Mark, SuppressionLog
from mailer.store.tables import membership, organisation, supporter, suppression
from mailer.tokens import Purpose
from tests.support.clocks import NOW

ENTRY = LogEntry(NOW, b"d" * 16, "all", "complained")
ONE_CLICK = UnsubscriptionSource.ONE_CLICK


@pytest.fixture
def log(tmp_path):
    """A log that has no file yet."""
    return SuppressionLog(tmp_path / "suppressions.log")


def entries(log):
    """Return all sound lines."""
    return [entry for _, entry in log.read()]


def test_lines_come_back_in_order_and_the_file_is_private(log):
    """Mode 0600; nothing in it is longer than a word."""
    lifted = LogEntry(NOW, b"e" * 16, "organisation:harbor", "manual", Mark.LIFTED)
    log.append([ENTRY])
    log.append([lifted])
    assert [ENTRY, lifted] == entries(log)
    assert 0o600 == log.path.stat().st_mode & 0o777
    with pytest.raises(ValueError, match="one word"):
        log.append([LogEntry(NOW, b"d" * 16, "all", "two words")])


def test_a_torn_or_damaged_line_is_left_out_and_spoils_no_other(log):
    """What is written behind a torn line begins on a line of its own."""
    log.append([ENTRY])
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + whole[:-9])
    log.append([ENTRY])
    assert [ENTRY, ENTRY] == entries(log)
    log.path.write_bytes(whole.replace(b"complained", b"complainex") + whole)
    assert [ENTRY] == entries(log)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_writes_belongs_to_the_owner_of_the_folder(log):
    """A command run once by the wrong user keeps nobody from leaving."""
    os.chown(log.path.parent, 12_345, 12_345)
    log.make()
    assert 12_345 == log.path.stat().st_uid


def test_processes_that_write_at_once_lose_no_line(log):
    """Four processes, each with its lines."""
    program = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from mailer.store.suppression_log import LogEntry, SuppressionLog
log = SuppressionLog(Path(sys.argv[1]))
for number in range(25):
    digest = bytes([int(sys.argv[2]), number]) * 8
    log.append([LogEntry(datetime.now(UTC), digest, "all", "manual")])
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(log.path), str(number)])
        for number in range(4)
    ]
    assert [0] * 4 == [one.wait(60) for one in processes]
    assert 100 == len({one.address_digest for one in entries(log)})


@pytest.fixture
def person(ground, tokens):
    """Somebody on a list with an accepted mail; supporter's id and token."""
    ground.add_list("harbor-news")
    mailing = ground.add_mailing(["harbor-news"])
    who = ground.add_supporter("ana@example.org", "harbor-news")
    delivery_id = ground.add_delivery(mailing, who, DeliveryState.ACCEPTED)
    return who, delivery_id, tokens.person(Purpose.UNSUBSCRIBE, delivery_id, who)


def states(store):
    """Return the states of all memberships."""
    with store.read() as connection:
        return connection.execute(membership.select()).scalars().all(), [
            row.state.value for row in connection.execute(membership.select())
        ]


def test_leaving_and_coming_back_are_in_the_log(store, ground, tokens, person, log):
    """With the list by its key; the second time adds nothing."""
    who, _, token = person
    left = unsubscribe(store, tokens, token, ONE_CLICK, NOW, log)
    unsubscribe(store, tokens, token, ONE_CLICK, NOW, log)
    undo(store, tokens, left.undo_token, NOW + timedelta(minutes=5), log)
    digest = ground.people[who][1]
    assert [
        (digest, "list:harbor/harbor-news", "unsubscribed", Mark.BARRED),
        (digest, "list:harbor/harbor-news", "unsubscribed", Mark.LIFTED),
    ] == [(one.address_digest, one.scope, one.reason, one.mark) for one in entries(log)]


def test_who_leaves_is_out_although_the_log_cannot_be_written(
    store, ground, tokens, person, log, monkeypatch
):
    """Nobody is told that it is done before the log has it; staff are told, and it is made good."""
    monkeypatch.setattr("mailer.feedback.unsubscribe._CHUNK", 1)
    who, _, token = person
    mailing = ground.add_mailing(["harbor-news"])
    others = [ground.add_supporter(f"{one}@example.org", "harbor-news") for one in "bcd"]
    asking = [(token, who)]
    for other in others:
        number = ground.add_delivery(mailing, other, DeliveryState.ACCEPTED)
        asking.append((tokens.person(Purpose.UNSUBSCRIBE, number, other), other))
    log.path.mkdir()
    asked = [unsubscribe(store, tokens, one, ONE_CLICK, NOW, log) for one, _ in asking[:3]]
    assert [(1, False)] * 3 == [(one.left, one.logged) for one in asked]
    assert ["left"] * 3 == sorted(states(store)[1])[:3]
    again = unsubscribe(store, tokens, token, ONE_CLICK, NOW, log)
    assert (0, False) == (again.left, again.logged)
    with store.read() as connection:
        (told,) = last_alerts(connection, 9)
    assert (AlertKind.LOG_NOT_WRITTEN, "Is a directory") == (told.kind, told.facts["reason"])
    # Whoever takes it back has no line.
    undo(store, tokens, asked[1].undo_token, NOW, log)
    log.path.rmdir()
    last = unsubscribe(store, tokens, asking[3][0], ONE_CLICK, NOW, log)
    assert (1, True) == (last.left, last.logged)
    assert unsubscribe(store, tokens, token, ONE_CLICK, NOW, log).logged
    assert [ground.people[asking[one][1]][1] for one in (0, 2, 3)] == [
        one.address_digest for one in entries(log)
    ]
    assert {("list:harbor/harbor-news", "unsubscribed", Mark.BARRED)} == {
        (one.scope, one.reason, one.mark) for one in entries(log)
    }


def test_replaying_bars_again_and_twice_is_once(store, ground, person):
    """A known list is left; a person the copy does not know is barred for the list's owner."""
    who, _, _ = person
    digest = ground.people[who][1]
    lines = [
        LogEntry(NOW, digest, "list:harbor/harbor-news", "unsubscribed"),
        LogEntry(NOW, b"n" * 16, "list:harbor/harbor-news", "unsubscribed"),
        LogEntry(NOW, b"o" * 16, "organisation:lantern", "manual"),
        LogEntry(NOW, b"a" * 16, "all", "complained"),
        LogEntry(NOW, b"l" * 16, "all", "manual"),
        LogEntry(NOW, b"l" * 16, "all", "manual", Mark.LIFTED),
    ]
    for _ in range(2):
        with store.write() as connection:
            done = replay_log(connection, lines)
    assert (6, 1) == (done.entries, done.widened)
    with store.read() as connection:
        owners = {row.key: row.id for row in connection.execute(organisation.select())}
        barred = {
            (row.address_digest, row.scope) for row in connection.execute(suppression.select())
        }
    assert ["left"] == states(store)[1]
    assert {
        (b"n" * 16, f"organisation:{owners['harbor']}"),
        (b"o" * 16, f"organisation:{owners['lantern']}"),
        (b"a" * 16, "all"),
    } == barred


def test_who_asked_for_erasure_is_erased_again(store, ground, person):
    """A copy brings the person back; the replay takes them out."""
    who, _, _ = person
    with store.write() as connection:
        replay_log(connection, [LogEntry(NOW, ground.people[who][1], "all", "erased")])
    with store.read() as connection:
        assert [] == connection.execute(supporter.select()).all()
        assert 1 == len(connection.execute(suppression.select()).all())


def test_a_complaint_outlives_the_bounce_it_took_the_place_of(store):
    """A sign-up that lifted the bounce, before or after, lifts no complaint, in a restore neither."""
    digest = b"c" * 16
    bounced = LogEntry(NOW, digest, "all", "bounced")
    complained = LogEntry(NOW, digest, "all", "complained")
    lifted = LogEntry(NOW, digest, "all", "bounced", Mark.LIFTED)
    for lines in ([bounced, complained, lifted], [bounced, lifted, complained, lifted]):
        with store.write() as connection:
            replay_log(connection, lines)
        with store.read() as connection:
            (row,) = connection.execute(suppression.select()).all()
        assert SuppressionReason.COMPLAINED is row.reason


def test_a_line_that_was_written_late_takes_nothing_back_that_was_said_since(store, ground, person):
    """Who undid it and left again at the next moment stays out, in whatever order the lines are."""
    who, _, _ = person
    digest, later = ground.people[who][1], NOW + timedelta(seconds=1)
    scope = "list:harbor/harbor-news"
    left, again = (LogEntry(at, digest, scope, "unsubscribed") for at in (NOW, later))
    undone = LogEntry(NOW, digest, scope, "unsubscribed", Mark.LIFTED)
    with store.write() as connection:
        replay_log(connection, [left, again, undone])
    assert ["left"] == states(store)[1]
    with store.write() as connection:
        replay_log(connection, [replace(undone, at=later)])
    assert ["subscribed"] == states(store)[1]
