"""The watchman: what it raises, what it takes back, and how it hands alerts to a command."""

import json
import shutil
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from mailer.alerts import raise_alert
from mailer.model.alerts import AlertKind
from mailer.model.states import DeliveryState
from mailer.schedule import watchman as module
from mailer.schedule.watchman import Watchman, WatchSettings
from mailer.store import tables
from mailer.store.alerts import last_alerts
from mailer.store.missing_lines import are_missing, note_missing
from mailer.store.suppression_log import SuppressionLog
from tests.support.clocks import FixedClock
from tests.support.ground import lay_ground

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def settings(tmp_path):
    """What is looked after: a folder, no command, a disk that is never low."""
    return WatchSettings("Harbor", tmp_path, tmp_path, "data", 0, (), 5.0)


@pytest.fixture
def clock():
    """A clock that stands until it is moved on."""
    return FixedClock()


def alerts(store):
    """Return the alerts, the first raised first."""
    with store.read() as connection:
        return list(reversed(last_alerts(connection, 50)))


def teller(tmp_path, body):
    """Return a command that runs a few lines of Python."""
    path = tmp_path / "tell.py"
    path.write_text(f"import json, os, sys, time\n{body}\n")
    return (sys.executable, str(path), "--urgent; rm -rf x")


def paused(store, clock, key="s-1"):
    """Raise an alert."""
    with store.write() as connection:
        raise_alert(connection, AlertKind.MAILING_PAUSED, key, clock.now())


def test_doubts_are_told_per_mailing_and_taken_back_when_settled(
    store, seal_keys, service_keys, settings, clock
):
    """By the mailing's key and a count, nobody's id; only looked at by who holds the lease."""
    lay_ground(store, seal_keys, service_keys, ["a@example.org", "b@example.org"])
    watch, other = Watchman(store, clock, settings), Watchman(store, clock, settings)
    watch.look()
    assert [] == alerts(store)
    with store.write() as connection:
        connection.execute(tables.delivery.update().values(state=DeliveryState.IN_DOUBT))
    other.look()
    assert [] == alerts(store)
    watch.look()
    watch.look()
    (one,) = alerts(store)
    assert (AlertKind.IN_DOUBT, "s-1", {"count": 2}, None) == (
        one.kind, one.subject, one.facts, one.resolved_at,
    )  # fmt: skip
    with store.write() as connection:
        connection.execute(tables.delivery.update().values(state=DeliveryState.ACCEPTED))
        watch.let_go(connection)
    other.look()
    (one,) = alerts(store)
    assert clock.now() == one.resolved_at


def test_a_disk_nearly_full_is_told_once_and_again_when_it_was_empty_between(
    store, settings, clock, monkeypatch
):
    """Looked at once a minute at most; a few bytes more than the limit are no room yet."""
    free = {"mb": 400}

    def usage(_folder):
        return Usage(0, 0, free["mb"] * 1_000_000)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    watch = Watchman(store, clock, replace(settings, disk_low_mb=500))
    for mb in (400, 300, 501, 600, 100):
        free["mb"] = mb
        watch.look()
        clock.forward(minutes=2)
    assert [400, 100] == [one.facts["free_mb"] for one in alerts(store)]
    assert [True, False] == [one.resolved_at is not None for one in alerts(store)]


def test_the_command_gets_each_alert_once_as_json_and_nothing_of_our_environment(
    store, settings, clock, tmp_path, monkeypatch
):
    """No shell reads its arguments, and a secret in our environment is not in its."""
    monkeypatch.setenv("MAILER_SECRET", "canary")
    out = tmp_path / "told.jsonl"
    command = teller(
        tmp_path,
        f"said = json.load(sys.stdin)\nopen({str(out)!r}, 'a').write(json.dumps("
        "[said, sorted(os.environ), sys.argv[1:], os.getcwd()]) + '\\n')",
    )
    watch = Watchman(store, clock, replace(settings, command=command))
    paused(store, clock)
    watch.look()
    watch.look()
    ((said, environment, arguments, folder),) = map(json.loads, out.read_text().splitlines())
    assert ("Harbor", "mailing_paused", "s-1", "s-1 is paused") == (
        said["workspace"], said["kind"], said["subject"], said["headline"],
    )  # fmt: skip
    assert clock.now().isoformat() == said["raised_at"]
    assert {"PATH", "LANG"} == {one for one in environment if not one.startswith(("LC_", "__"))}
    assert (["--urgent; rm -rf x"], str(tmp_path)) == (arguments, folder)
    (one,) = alerts(store)
    assert (clock.now(), "") == (one.commanded_at, one.command_failure)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("sys.exit(3)", "it ended with status 3"),
        ("time.sleep(60)", "it took longer than 0.5 s"),
        (None, "it could not be started: No such file or directory"),
    ],
)
def test_a_command_that_fails_is_tried_again_later_and_its_failure_kept(
    store, settings, clock, tmp_path, body, why
):
    """Five times with growing pauses; nothing waits for it longer than it may take."""
    command = teller(tmp_path, body) if body else (str(tmp_path / "nothing"),)
    watch = Watchman(store, clock, replace(settings, command=command, command_timeout_s=0.5))
    paused(store, clock)
    watch.look()
    watch.look()
    (one,) = alerts(store)
    assert (None, why) == (one.commanded_at, one.command_failure)
    with store.read() as connection:
        assert 1 == connection.execute(tables.alert.select()).one().command_tries
    (tmp_path / "tell.py").write_text("")
    clock.forward(seconds=61)
    if body:
        watch.look()
        (one,) = alerts(store)
        assert (clock.now(), "") == (one.commanded_at, one.command_failure)


def test_a_command_configured_now_is_not_given_what_is_long_past(store, settings, clock, tmp_path):
    """Of what happened a week ago nobody is told in the night."""
    paused(store, clock)
    clock.forward(days=2)
    out = tmp_path / "told"
    command = teller(tmp_path, f"open({str(out)!r}, 'a').write('x')")
    Watchman(store, clock, replace(settings, command=command)).look()
    assert not out.exists()


def test_a_database_that_does_not_answer_stops_no_later_look(settings, clock, sqlite_store):
    """The look is put off, not ended."""
    path = Path(sqlite_store.engine.url.database)
    away = path.with_suffix(".away")
    sqlite_store.close()
    path.rename(away)
    path.mkdir()
    Watchman(sqlite_store, clock, settings).look()
    path.rmdir()
    away.rename(path)
    paused(sqlite_store, clock)
    assert 1 == len(alerts(sqlite_store))
    assert module.LEASE == "watchman"


def test_a_log_that_cannot_be_written_is_told_before_anybody_leaves(
    sqlite_store, settings, clock, tmp_path
):
    """What it lacks is written by itself once it can be, and that is the end of it."""
    log = SuppressionLog(tmp_path / "suppressions.log")
    watch = Watchman(sqlite_store, clock, settings, log=log)
    watch.look()
    assert [] == alerts(sqlite_store)
    log.path.mkdir()
    watch.look()
    watch.look()
    (one,) = alerts(sqlite_store)
    assert (AlertKind.LOG_NOT_WRITTEN, None) == (one.kind, one.resolved_at)
    with sqlite_store.write() as connection:
        note_missing(connection, 1)
    log.path.rmdir()
    watch.look()
    (one,) = alerts(sqlite_store)
    assert clock.now() == one.resolved_at
    with sqlite_store.read() as connection:
        assert not are_missing(connection)
