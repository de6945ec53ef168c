"""Keep and move: backup, restore, upgrade and keys by the real command."""

import resource
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import SLUG
from tests.acceptance.processes import ENVIRONMENT
from tests.acceptance.test_mailing_commands import HOUR, PLAN

pytestmark = [pytest.mark.acceptance]


@pytest.fixture
def away(workspace, tmp_path):
    """The backup key, moved away from the workspace as it tells people to."""
    return shutil.move(workspace / "backup.key", tmp_path / "backup.key")


@pytest.fixture
def saved(mailer, workspace, away, tmp_path):
    """A backup of the workspace outside of it."""
    path = tmp_path / "harbor.backup"
    ended = mailer(workspace, "backup", "--out", path)
    assert 0 == ended.status, ended.text
    return path


def tree(folder):
    """Return every file below a folder and its bytes."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_backup_holds_the_workspace_and_no_key(mailer, workspace, saved, away):
    """Nothing of it is in clear, no copy of the database is left, and it can be checked."""
    assert 0o600 == saved.stat().st_mode & 0o777
    assert b"SQLite format" not in saved.read_bytes()
    assert [] == [one for one in (workspace / "data").iterdir() if "copy" in one.name]
    told = mailer(workspace, "backup", "--check", saved, "--key", away, "--json").json()
    names = set(told["files"])
    assert {"database", "config.toml", "suppressions.log", "lists/harbor-news.toml"} <= names
    assert [] == [name for name in names if name.endswith((".key", ".csv"))]
    again = mailer(workspace, "backup", "--out", saved)
    assert (1, True) == (again.status, "is there already" in again.err)


def test_older_backups_are_removed_when_asked(mailer, workspace, away):
    """Only those of our own naming, in the same folder; one that cannot be is named."""
    folder = workspace / "data" / "backups"
    folder.mkdir()
    for day in (2, 3):
        (folder / f"mailer-2001010{day}T000000Z.backup").write_text("x")
    (folder / "mine.backup").write_text("x")
    stuck = folder / "mailer-20010101T000000Z.backup"
    stuck.mkdir()
    ended = mailer(workspace, "backup", "--keep", "3")
    assert (1, True) == (ended.status, f"{stuck.name} cannot be removed" in ended.err)
    stuck.rmdir()
    (made,) = set(folder.glob("mailer-*")) - set(folder.glob("mailer-2001*"))
    made.unlink()
    assert 0 == mailer(workspace, "backup", "--keep", "2").status
    first, _, last = sorted(path.name for path in folder.iterdir())
    assert ("mailer-20010103T000000Z.backup", "mine.backup") == (first, last)


def test_it_moves_to_another_folder_and_works_there(mailer, workspace, saved, away, tmp_path):
    """Keys are put in from the copy; it says what may be lost, and is not live until accepted."""
    target = tmp_path / "moved"
    ended = mailer(tmp_path, "restore", saved, target, "--key", away)
    assert 0 == ended.status, ended.text
    assert "Unsubscriptions since" in ended.out
    assert "Put seal.key from your copy" in ended.out
    for name in ("seal.key", "service.key"):
        shutil.copy(workspace / name, target / name)
    assert 0 == mailer(target, "check").status
    before = mailer(workspace, "lists", "--json").json()
    assert before == mailer(target, "lists", "--json").json()
    assert "Accepted" in mailer(target, "restore", "--accept-lost-unsubscribes").out
    assert "No unsubscriptions" in mailer(target, "restore", "--accept-lost-unsubscribes").out
    assert 0 == mailer(target, "backup").status


def test_over_a_dead_workspace_what_was_there_is_moved_aside(mailer, workspace, saved, away):
    """The surviving log is replayed; the mailing waits for a person; nothing is deleted."""
    database = workspace / "data" / "mailer.db"
    database.write_bytes(b"no database any more")
    ended = mailer(workspace.parent, "restore", saved, workspace, "--key", away)
    assert 0 == ended.status, ended.text
    assert "Replayed from suppressions.log: 0 entries." in ended.out
    (aside,) = workspace.glob("before-restore-*")
    assert b"no database any more" == (aside / "data" / "mailer.db").read_bytes()
    assert 0 == mailer(workspace, "check").status


def test_a_mailing_of_the_backup_is_held(mailer, workspace, away, tmp_path, change):
    """With the reason; staff are told, and whoever may not release it can ask for it."""
    count = mailer(workspace, "mailings", "coverage", *PLAN, "--json").json()["to_mail"]
    planned = mailer(workspace, "schedule", *PLAN, *HOUR, "--yes", count)
    assert 0 == planned.status, planned.text
    saved = tmp_path / "planned.backup"
    mailer(workspace, "backup", "--out", saved)
    ended = mailer(workspace.parent, "restore", saved, workspace, "--key", away)
    assert "Mailings held until a person releases them: 1." in ended.out
    told = mailer(workspace, "report", f"{SLUG}-1", "--json").json()
    assert "held" == told["state"]
    assert "restored from a backup of" in told["held_reason"]
    asked = mailer(workspace, "release", f"{SLUG}-1", "--ask")
    assert (1, True) == (asked.status, "nobody is told" in asked.err)
    change(workspace / "config.toml", "\ncommand = []", '\ncommand = ["true"]')
    assert 0 == mailer(workspace, "release", f"{SLUG}-1", "--ask").status
    alerts = mailer(workspace, "status", "--json").json()["alerts"]
    assert ["release_asked", "mailing_held"] == [one["kind"] for one in alerts][:2]
    assert "held" == mailer(workspace, "report", f"{SLUG}-1", "--json").json()["state"]
    mailer(workspace, "cancel", f"{SLUG}-1")
    late = mailer(workspace, "release", f"{SLUG}-1", "--ask")
    assert (1, True) == (late.status, "nothing of it waits to be released" in late.err)


def test_what_cannot_be_restored_changes_nothing(mailer, workspace, saved, away, tmp_path):
    """A wrong backup.key, a wrong seal.key, a cut file, no file, no folder named."""
    mailer(tmp_path, "init", "other")
    cut = tmp_path / "cut.backup"
    cut.write_bytes(saved.read_bytes()[:-100])
    before = tree(workspace)
    other = tmp_path / "other"
    for arguments, problem in (
        ([saved, workspace, "--key", other / "backup.key"], "another backup.key"),
        ([cut, workspace, "--key", away], "is damaged or was cut off"),
        ([other / "config.toml", workspace, "--key", away], "is not a backup"),
        ([tmp_path / "none", workspace, "--key", away], "There is no file"),
        ([saved, workspace, "--key", tmp_path / "none.key"], "is missing"),
        ([saved, workspace, "--key", away, "--journals", tmp_path / "no"], "There is no folder"),
        ([saved, workspace, "--key", away, "--suppressions", tmp_path], "There is no file"),
    ):
        ended = mailer(tmp_path, "restore", *arguments)
        assert 1 == ended.status, arguments
        assert problem in ended.err
    assert before == tree(workspace)
    there = tree(other)
    ended = mailer(tmp_path, "restore", saved, other, "--key", away)
    assert (1, True) == (ended.status, "seal.key is not the one" in ended.err)
    assert there == tree(other)
    assert 2 == mailer(tmp_path, "restore", saved).status


def test_a_full_disk_leaves_no_half_backup(workspace, away, tmp_path):
    """A limit on the size of files stands for it: the message says what to do."""
    out = tmp_path / "full.backup"

    def limit():
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    ended = subprocess.run(
        [sys.executable, "-m", "mailer", "-w", str(workspace), "backup", "--out", str(out)],
        env=ENVIRONMENT, capture_output=True, text=True, check=False, preexec_fn=limit, timeout=60,
    )  # fmt: skip
    assert 1 == ended.returncode
    assert "Traceback" not in ended.stderr
    assert "try again" in ended.stderr or "Make room" in ended.stderr
    assert [] == list(tmp_path.glob("*full.backup*"))


def test_a_folder_that_cannot_be_written_is_said_plainly(mailer, workspace, away):
    """Here one that is a file."""
    ended = mailer(workspace, "backup", "--out", workspace / "config.toml" / "x.backup")
    assert (1, True) == (ended.status, "cannot be written" in ended.err)


def test_a_file_that_cannot_be_read_is_named(mailer, workspace, away):
    """Here one that is a folder; no part of a backup is left, and the next one ends the alert."""
    log = workspace / "data" / "suppressions.log"
    log.unlink(missing_ok=True)
    log.mkdir()
    ended = mailer(workspace, "backup")
    assert (1, True) == (ended.status, "suppressions.log cannot be read" in ended.err)
    assert [] == list((workspace / "data" / "backups").iterdir())
    assert "The last backup failed" in mailer(workspace, "status").out
    log.rmdir()
    assert 0 == mailer(workspace, "backup").status
    assert "The last backup failed" not in mailer(workspace, "status").out


def test_upgrade_makes_a_backup_first_and_not_while_processes_run(mailer, workspace, change):
    """It says where it is; a second time there is nothing to do."""
    assert "The database is up to date." in mailer(workspace, "upgrade").out
    back_to_older(workspace)
    database = sqlite3.connect(workspace / "data" / "mailer.db")
    database.execute("INSERT OR REPLACE INTO lease VALUES ('scheduler', 'x', ?)", (2**60,))
    database.commit()
    refused = mailer(workspace, "upgrade")
    assert (1, True) == (refused.status, "The scheduler is at work" in refused.err)
    database.execute("DELETE FROM lease")
    database.commit()
    database.close()
    done = mailer(workspace, "upgrade")
    assert 0 == done.status, done.text
    assert "A backup is in" in done.out
    assert 1 == len(list((workspace / "data" / "backups").glob("*.backup")))


def back_to_older(workspace):
    """Take the newest migration back."""
    from alembic import command
    from alembic.config import Config

    from mailer.store import engine

    config = Config()
    folder = Path(engine.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    store = engine.open_store(f"sqlite:///{workspace / 'data' / 'mailer.db'}")
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    store.close()


def test_keys_are_rotated_and_retired(mailer, workspace):
    """Nothing is lost on the way, and no key is ever printed."""
    before = mailer(workspace, "keys", "list", "--json").json()
    count = before["sealed"]["1"]
    ended = mailer(workspace, "keys", "rotate", "seal")
    assert (0, True) == (ended.status, f"Sealed anew: {count} values." in ended.out)
    early = mailer(workspace, "keys", "retire", "seal", "2")
    assert (1, True) == (early.status, "2" in early.err)
    assert 0 == mailer(workspace, "keys", "retire", "seal", "1").status
    after = mailer(workspace, "keys", "list", "--json").json()
    assert {"2": count} == after["sealed"]
    assert 0 == mailer(workspace, "keys", "rotate", "tokens").status
    assert 0 == mailer(workspace, "check").status
    made = mailer(workspace, "keys", "make", "backup")
    assert (1, True) == (made.status, "is there already" in made.err)
    assert ["seal.key", "service.key"] == sorted(path.name for path in workspace.glob("s*.key"))
