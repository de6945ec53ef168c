"""What commands say when something is missing, taken, late or broken."""

import json
import re
import socket

import pytest

from mailer.store.engine import open_store
from tests.acceptance.conftest import SLUG
from tests.acceptance.processes import in_background, ports, until
from tests.acceptance.test_command_line import commands
from tests.acceptance.test_mailing_commands import HOUR, PLAN, mailings
from tests.store.test_migrations import migrate

pytestmark = [pytest.mark.acceptance]


def test_every_group_has_help_with_a_line_to_copy(mailer, tmp_path):
    """A newcomer sees one whole command."""
    for group in {name.rpartition(" ")[0] for name in commands()}:
        ended = mailer(tmp_path, *group.split(), "--help")
        assert f"Example: mailer {group}".strip() in " ".join(ended.out.split())


def test_examples_stand_on_lines_of_their_own(mailer, tmp_path):
    """Two of them are not run together, and none is wrapped in the midst."""
    told = mailer(tmp_path, "run", "--help").out
    assert re.search(r"(?m)^ *Example: mailer run$", told)
    assert re.search(r"(?m)^ *Example: mailer run --only web$", told)
    told = mailer(tmp_path, "schedule", "--help").out
    assert re.search(r"--at 2026-12-01T09:00 --timezone Europe/Chisinau$", told, re.MULTILINE)


def test_check_names_both_keys_at_once(mailer, workspace):
    """One hides the other no more."""
    (workspace / "seal.key").unlink()
    (workspace / "service.key").chmod(0o644)
    told = mailer(workspace, "check").err
    assert {"seal.key", "service.key"} == set(re.findall(r"(?m)^(\S+\.key): ", told))


def test_check_names_lists_though_segments_are_broken_too(mailer, workspace, change):
    """What one file says is told with what the other says."""
    change(workspace / "lists" / "harbor-news.toml", 'owner = "harbor"', 'owner = "harbour"')
    change(workspace / "lists" / "segments.toml", "country = MD", "countri = MD")
    told = mailer(workspace, "check").err
    assert "lists/harbor-news.toml" in told
    assert "lists/segments.toml" in told


def test_check_goes_on_where_the_config_is_broken(mailer, workspace, change):
    """Statements, templates and keys can be looked at without it."""
    change(workspace / "config.toml", "grace_s = 7200", "grace_s = 0")
    change(workspace / f"templates/statements/{SLUG}/en.md", "subject:", "subjekt:")
    (workspace / "seal.key").chmod(0o644)
    told = mailer(workspace, "check").err
    for name in ("config.toml", f"templates/statements/{SLUG}/en.md", "seal.key"):
        assert re.search(rf"(?m)^{name}", told), name


def test_check_prints_json_though_the_config_is_broken(mailer, workspace, change):
    """Whoever asked for JSON gets it."""
    change(workspace / "config.toml", "grace_s = 7200", "grace_s = 0")
    ended = mailer(workspace, "check", "--json")
    assert 1 == ended.status
    assert ["schedule.grace_s"] == [fault["field"] for fault in json.loads(ended.out)]


def test_a_segments_fault_is_at_the_line_of_its_expression(mailer, workspace, change):
    """The column counts within the expression; the line is where that stands."""
    change(workspace / "lists" / "segments.toml", "country = MD", "countri = MD")
    lines = (workspace / "lists" / "segments.toml").read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if "countri" in line)
    assert f"lists/segments.toml:{number}:" in mailer(workspace, "check").err


def test_a_lost_database_is_answered_with_what_can_be_done(mailer, workspace):
    """Only commands that there are, and nothing is made by looking."""
    for path in (workspace / "data").glob("mailer.db*"):
        path.unlink()
    for command in ("check", "upgrade"):
        ended = mailer(workspace, command)
        assert 1 == ended.status
        assert "copy" in ended.err
        assert "upgrade" not in ended.err
    assert [] == list((workspace / "data").glob("mailer.db*"))


@pytest.mark.parametrize("command", ["check", "status", "run", "backup"])
def test_a_damaged_database_is_answered_with_what_can_be_done(mailer, workspace, command):
    """Whatever else lies where it was: no traceback, and nothing is made in its place."""
    for path in (workspace / "data").glob("mailer.db-*"):
        path.unlink()
    (workspace / "data" / "mailer.db").write_bytes(b"what a mended disk gives back" * 99)
    ended = mailer(workspace, command)
    assert 1 == ended.status
    assert "The database is damaged, or another file stands in its place. Put it back" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["init", "people.csv"], "people.csv is there and is no folder."),
        (["init", "/proc/campaign"], "/proc/campaign: No such file or directory."),
        (["demo", "--once", "--dir", "/proc/demo"], "/proc/demo: No such file or directory."),
    ],
)
def test_a_folder_that_cannot_be_made_is_said_plainly(mailer, tmp_path, arguments, said):
    """What the system says of it, and no traceback."""
    (tmp_path / "people.csv").touch()
    ended = mailer(tmp_path, *arguments)
    assert (said, False) == (ended.err.splitlines()[0], "Traceback" in ended.err)
    assert ended.status in (1, 2)


@pytest.mark.parametrize("name", ["seal.key", "service.key"])
def test_send_without_a_key_writes_no_mailing(mailer, workspace, prepared, name):
    """Otherwise each attempt leaves one, and the next `mailer run` sends them all."""
    count = mailer(prepared, "mailings", "coverage", *PLAN, "--json").json()["to_mail"]
    (workspace / name).unlink()
    ended = mailer(workspace, "send", *PLAN, "--yes", count)
    assert 1 == ended.status
    assert f"{name}: is missing" in ended.err
    assert {} == mailings(mailer, workspace)


def test_the_end_of_input_is_no_confirmation(mailer, workspace):
    """Said as plainly as a wrong number."""
    ended = mailer(workspace, "schedule", *PLAN, *HOUR)
    assert 1 == ended.status
    assert "Not confirmed" in ended.err
    assert "Aborted" not in ended.err
    assert "()" not in ended.err


@pytest.mark.parametrize("minutes", [5, 60])
def test_an_hour_that_has_passed_is_not_scheduled_silently(mailer, workspace, prepared, minutes):
    """A slip in --at would send at once."""
    from datetime import UTC, datetime, timedelta

    count = mailer(prepared, "mailings", "coverage", *PLAN, "--json").json()["to_mail"]
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    ended = mailer(workspace, "schedule", *PLAN, "--at", f"{at:%Y-%m-%dT%H:%M}", "--timezone", "UTC",
                   "--yes", count)  # fmt: skip
    assert "has passed" in ended.text


def test_statements_changes_has_json(mailer, workspace):
    """Every command that reports has it."""
    ended = mailer(workspace, "statements", "changes", SLUG, "ru", "--json")
    assert 0 == ended.status
    json.loads(ended.out)


def test_import_without_a_terminal_prints_no_empty_lines(mailer, workspace):
    """A progress bar that is not shown leaves nothing behind."""
    ended = mailer(
        workspace, "import", "lists/example-lantern-friends.csv", "--list", "lantern-friends"
    )
    assert "" == ended.err


@pytest.mark.parametrize("place", [0, 1, 2], ids=["web", "smtp", "inbox"])
def test_a_port_that_is_taken_is_said_once_and_plainly(workspace, place):
    """Which key of the config, exit status 1, no traceback; nothing keeps dying."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports(workspace)[place]))
        other.listen()
        with in_background(workspace, "run") as program:
            until(lambda: program.process.poll() is not None, "it to end", 25)
            told = program.log.read_text(encoding="utf-8")
    assert 1 == program.process.returncode
    assert "Traceback" not in told
    assert ("web.port", "sandbox.smtp_port", "sandbox.inbox_port")[place] in told


def test_a_saved_segment_is_meant_by_its_key(mailer, prepared):
    """The key stands for its expression; a key that is not there is answered with those there are."""
    plan = ("mailings", "coverage", "--statement", SLUG, "--list", "harbor-news")
    saved = mailer(prepared, *plan, "--segment", "russian-speakers-in-moldova", "--json").json()
    written = "ru in languages and country = MD"
    assert mailer(prepared, *plan, "--segment", written, "--json").json() == saved
    assert saved["not_mailed"]["excluded"] > 0
    unknown = mailer(prepared, *plan, "--segment", "russian-speaker")
    assert 2 == unknown.status
    assert "There are: active-volunteers, new-this-year, russian-speakers-in-moldova" in unknown.err


def test_a_database_of_an_older_version_is_brought_up_to_date_by_one_command(mailer, workspace):
    """Every command says which one; after it they work, and a second time changes nothing."""
    store = open_store(f"sqlite:///{workspace / 'data' / 'mailer.db'}")
    migrate(store, "0001")
    store.close()
    refused = mailer(workspace, "lists")
    assert 1 == refused.status
    assert "Run: mailer upgrade" in refused.err
    for _ in range(2):
        assert "The database is up to date." in mailer(workspace, "upgrade").out
    assert 0 == mailer(workspace, "lists").status
