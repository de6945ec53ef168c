"""The command line as a newcomer meets it: help, a workspace, what is wrong with it, people."""

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest
import typer

from mailer.cli.main import app
from tests.acceptance.conftest import SLUG
from tests.acceptance.processes import ENVIRONMENT

pytestmark = [pytest.mark.acceptance]


def commands():
    """Return the names of all commands, those in groups too."""
    program = typer.main.get_command(app)
    for name in program.list_commands(None):
        inner = getattr(program.get_command(None, name), "commands", None)
        yield from [name] if inner is None else (f"{name} {one}" for one in inner)


def test_the_program_starts_as_a_module(tmp_path):
    """`python -m mailer` is `mailer`: it names every command."""
    ended = subprocess.run(
        [sys.executable, "-m", "mailer", "--help"], cwd=tmp_path, env=ENVIRONMENT,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (0, "") == (ended.returncode, ended.stderr)
    told = re.findall(r"(?m)^  (\w[\w-]*)  ", ended.stdout)
    assert len(told) > 15
    assert {name.split()[0] for name in commands()} == set(told)


def test_every_command_has_help_with_a_line_to_copy(mailer, tmp_path):
    """It needs no workspace."""
    for name in commands():
        ended = mailer(tmp_path, *name.split(), "--help")
        assert 0 == ended.status
        assert f"Example: mailer {name}" in " ".join(ended.out.split())


def test_a_command_without_what_it_needs_is_wrong_use(mailer, tmp_path):
    """Exit status 2, and its help or what is missing."""
    for arguments in (
        ["init"], ["import"], ["schedule"], ["send"], ["pause"], ["report"], ["statements"],
        ["mailings"], ["statements", "load"], ["nonsense"], ["run", "--only", "nonsense"],
        ["report", "x", "--nonsense"], ["import", "x.csv"],
    ):  # fmt: skip
        ended = mailer(tmp_path, *arguments)
        assert 2 == ended.status, arguments
        assert "Usage: mailer" in ended.text


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(mailer, tmp_path):
    """Of the whole program as of a group."""
    for arguments, meant in ((["statement", "load"], "statements"), (["relay", "chek"], "check")):
        ended = mailer(tmp_path, *arguments)
        assert 2 == ended.status
        assert f"Did you mean '{meant}'" in ended.err


def test_init_makes_a_workspace_that_is_ready(mailer, tmp_path):
    """Every file it names is there, the keys and the data for their owner alone, and check is glad."""
    ended = mailer(tmp_path, "init", "campaign")
    assert (0, "") == (ended.status, ended.err)
    folder = tmp_path / "campaign"
    for name in re.findall(r"(?m)^  (\S+)  ", ended.out):
        assert (folder / name).exists(), name
    modes = {name: oct((folder / name).stat().st_mode & 0o777)
             for name in ("seal.key", "service.key", "data", "data/mailer.db")}  # fmt: skip
    assert {"0o600", "0o700"} == set(modes.values())
    assert "0o700" == modes["data"]
    ignored = (folder / ".gitignore").read_text().split()
    assert {"*.key", "/data/", "/lists/*.csv"} <= set(ignored)
    checked = mailer(folder, "check")
    assert (0, "Nothing is wrong.\n", "") == (checked.status, checked.out, checked.err)
    assert [] == mailer(folder, "check", "--json").json()


def test_init_never_touches_a_workspace_there_is(mailer, workspace):
    """Exit status 2, and every file as it was."""
    before = {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
    ended = mailer(workspace.parent, "init", workspace)
    assert 2 == ended.status
    assert "is there already; nothing was changed." in ended.err
    assert before == {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()}


def test_init_keeps_keys_that_are_there(mailer, tmp_path):
    """Keys put back from a copy are not replaced by new ones."""
    mailer(tmp_path, "init", "first")
    (tmp_path / "second").mkdir()
    for name in ("seal.key", "service.key"):
        shutil.copy(tmp_path / "first" / name, tmp_path / "second" / name)
    assert 0 == mailer(tmp_path, "init", "second").status
    for name in ("seal.key", "service.key"):
        assert (tmp_path / "first" / name).read_text() == (tmp_path / "second" / name).read_text()


def test_outside_a_workspace_every_command_says_where_to_go(mailer, tmp_path):
    """Not a traceback of a missing file."""
    for arguments in (
        ["check"], ["lists"], ["run"], ["statements", "list"], ["mailings", "list"],
        ["report", "x-1"], ["import", "x.csv", "--list", "x"],
    ):  # fmt: skip
        ended = mailer(tmp_path, *arguments)
        assert (1, "") == (ended.status, ended.out), arguments
        assert f"config.toml: is not in {tmp_path}. Go to a workspace" in ended.err
        assert "or make one with `mailer init`" in ended.err


def test_a_workspace_may_be_named_instead_of_gone_to(mailer, workspace, tmp_path):
    """By option or environment; paths on the command line are still from here."""
    here = workspace / "lists" / "example-harbor-news.csv"
    assert 0 == mailer(tmp_path, "-w", workspace, "check").status
    assert 0 == mailer(tmp_path, "check", MAILER_WORKSPACE=str(workspace)).status
    shutil.copy(here, tmp_path / "people.csv")
    ended = mailer(
        tmp_path, "-w", "campaign", "import", "people.csv", "--list", "harbor-news", "--dry-run"
    )
    assert 0 == ended.status


def test_check_names_all_that_is_wrong_with_templates_statements_and_keys_at_once(
    mailer, workspace, change
):
    """Each with file and line; exit status 1."""
    statement = workspace / "templates" / "statements" / SLUG
    change(workspace / "templates/mail/base/layout.html", "{{", "{{ nonsense }}{{")
    change(statement / "en.md", "subject:", "subjekt:")
    change(statement / "statement.toml", 'slug = "', 'colour = "red"\nslug = "')
    (workspace / "seal.key").chmod(0o644)
    ended = mailer(workspace, "check")
    assert 1 == ended.status
    places = {line.split(": ")[0] for line in ended.err.splitlines()}
    assert {
        "templates/mail/base/layout.html",
        f"templates/statements/{SLUG}/en.md",
        f"templates/statements/{SLUG}/statement.toml",
        "seal.key",
    } <= {place.split(":")[0] for place in places}
    assert f"{len(ended.err.splitlines())} to mend, 0 worth a look.\n" == ended.out
    told = mailer(workspace, "check", "--json")
    assert 1 == told.status
    assert len(ended.err.splitlines()) == len(told.json())


def test_check_names_statements_though_a_template_cannot_be_read(mailer, workspace, change):
    """A syntax error in one mail template hides nothing else."""
    change(workspace / "templates/mail/base/layout.html", "{{", "{% nonsense %}{{")
    change(workspace / f"templates/statements/{SLUG}/en.md", "subject:", "subjekt:")
    told = mailer(workspace, "check").err
    assert "templates/mail/base/layout.html:" in told
    assert f"templates/statements/{SLUG}/en.md:" in told


def test_check_names_all_that_is_wrong_with_the_config_at_once(mailer, workspace, change):
    """Line, key and reason of each."""
    config = workspace / "config.toml"
    change(config, "live = false", 'live = "no"')
    change(config, "grace_s = 7200", "grace_s = 0")
    change(config, 'tls = "starttls"', 'tls = "perhaps"')
    for arguments in (["check"], ["run"], ["lists"]):
        ended = mailer(workspace, *arguments)
        assert 1 == ended.status
        assert ["workspace.live", "schedule.grace_s", "relays[0].tls"] == [
            line.split(": ")[1] for line in ended.err.splitlines()
        ]


def test_check_names_what_is_wrong_with_lists_and_segments(mailer, workspace, change):
    """Unknown fields, an owner that is not there, an expression that cannot be read."""
    change(workspace / "lists" / "harbor-news.toml", 'owner = "harbor"', 'owner = "harbour"')
    ended = mailer(workspace, "check")
    assert 1 == ended.status
    assert 'there is no organisation "harbour"' in ended.err
    change(workspace / "lists" / "harbor-news.toml", 'owner = "harbour"', 'owner = "harbor"')
    change(workspace / "lists" / "segments.toml", "country = MD", "countri = MD")
    ended = mailer(workspace, "check")
    assert 1 == ended.status
    assert "lists/segments.toml" in ended.err
    assert 'Did you mean "country"?' in ended.err


def test_a_statement_goes_from_its_folder_to_the_public(mailer, workspace, change):
    """Check, load, list, show, publish: each step says what it did, for people and programs."""
    checked = mailer(workspace, "statements", "check")
    samples = len(list((workspace / "templates" / "statements").iterdir()))
    told = f"{samples} statements checked: 0 to mend, 0 worth a look.\n"
    assert (0, told) == (checked.status, checked.out)
    known = mailer(workspace, "statements", "load", SLUG, "--json").json()
    assert (1, True) == (known["revision"], known["already_stored"])
    change(
        workspace / "templates/statements" / SLUG / "statement.toml",
        "and_others = true",
        "and_others = false",
    )
    assert (
        "her-rights is now revision 2, in en, ru."
        in mailer(workspace, "statements", "load", f"templates/statements/{SLUG}").out
    )
    (listed,) = mailer(workspace, "statements", "list", "--json").json()
    assert (SLUG, 2, None) == (listed["slug"], listed["latest"], listed["published"])
    published = mailer(workspace, "statements", "publish", SLUG, "--revision", "1", "--json").json()
    assert (SLUG, 1) == (published["slug"], published["revision"])
    assert "revision 1" in mailer(workspace, "statements", "list").out
    shown = mailer(workspace, "statements", "show", SLUG, "--json").json()
    assert 2 == shown["revision"]
    assert "revision 2" in mailer(workspace, "statements", "show", SLUG).out


def test_statements_that_are_not_there_are_said_plainly(mailer, workspace):
    """A folder, a slug, a revision, a language."""
    for arguments in (
        ["check", "nowhere"], ["load", "nowhere"], ["show", "nowhere"], ["publish", "nowhere"],
        ["show", SLUG, "--revision", "9"], ["changes", SLUG, "xx"], ["changes", SLUG, "en"],
    ):  # fmt: skip
        ended = mailer(workspace, "statements", *arguments)
        assert (1, "") == (ended.status, ended.out)
        assert ended.err


def test_a_statement_with_a_fault_is_not_loaded(mailer, workspace, change):
    """Nothing is stored, and the fault is named with its line."""
    change(workspace / "templates/statements" / SLUG / "ru.md", "subject:", "subjekt:")
    ended = mailer(workspace, "statements", "load", SLUG)
    assert 1 == ended.status
    assert re.search(rf"templates/statements/{SLUG}/ru\.md:\d+: subjekt: ", ended.err)
    assert "Nothing was loaded." in ended.err
    assert 1 == mailer(workspace, "statements", "list", "--json").json()[0]["latest"]


def test_an_import_is_tried_and_then_done(mailer, workspace):
    """The dry run tells the same and changes nothing; the rejected rows are in a file."""

    def lists():
        return mailer(workspace, "lists", "--json").json()

    lines = ["email,name", "canary@example.org,Wren", "canary@@example.org,Wren", "b@example.org,"]
    (workspace / "people.csv").write_text("\n".join(lines))
    before = lists()
    arguments = ["import", "people.csv", "--list", "harbor-news"]
    tried = mailer(workspace, *arguments, "--dry-run")
    assert (0, before) == (tried.status, lists())
    assert "Nothing was changed: this was a dry run." in tried.out
    assert "people.csv:3: this is not a mail address." in tried.err
    told = mailer(workspace, *arguments, "--dry-run", "--json").json()
    done = mailer(workspace, *arguments, "--json").json()
    rejects = workspace / done.pop("reject_file")
    assert 0 == told["batch"] < done["batch"]
    assert {**told, "dry_run": False, "batch": 0} == {**done, "reject_file": None, "batch": 0}
    assert (2, 1) == (done["added"], done["rejected"])
    assert "canary" in rejects.read_text()
    assert before[0]["members"] + 2 == lists()[0]["members"]
    again = mailer(workspace, *arguments)
    assert re.search(r"on it already, nothing new\s+2", again.out)
    assert re.search(r"data/rejects/\d+\.csv", again.out)
    assert "canary" not in again.text
    assert "Wren" not in again.text


def test_an_unknown_list_is_answered_with_the_block_to_add(mailer, workspace):
    """Written where it says, the block makes the same command work."""
    (workspace / "people.csv").write_text("email\nb@example.org\n")
    ended = mailer(workspace, "import", "people.csv", "--list", "harbor-press")
    assert (1, "") == (ended.status, ended.out)
    assert "There are: harbor-news, harbor-volunteers, lantern-friends." in ended.err
    file = re.search(r"write this to (\S+)", ended.err)[1]
    (workspace / file).write_text(ended.err.partition("\n\n")[2], encoding="utf-8")
    assert 0 == mailer(workspace, "check").status
    told = mailer(workspace, "import", "people.csv", "--list", "harbor-press", "--json")
    assert (0, 1) == (told.status, told.json()["added"])


def test_it_says_which_version_it_is(mailer, tmp_path):
    """Anywhere, also where no workspace is."""
    assert f"mailer {version('mailer')}\n" == mailer(tmp_path, "--version").out


def test_a_file_that_cannot_be_imported_is_said_plainly(mailer, workspace):
    """File, line and what to do; the exit status tells it too."""
    (workspace / "torn.csv").write_bytes("email,name\na@example.org,Ганна Шев".encode()[:-1])
    (workspace / "book.csv").write_bytes(b"PK\x03\x04 and so on")
    (workspace / "headless.csv").write_text("name\nAnna\n")
    for name, problem in (
        ("torn.csv", "torn.csv:2: is not UTF-8 near this line"),
        ("book.csv", "is a workbook or an archive"), ("headless.csv", "no column holds the address"),
        ("nowhere.csv", "cannot be read"), ("lists", "cannot be read"),
    ):  # fmt: skip
        ended = mailer(workspace, "import", name, "--list", "harbor-news")
        assert 1 == ended.status
        assert problem in ended.err


def test_lists_are_shown_for_people_and_programs(mailer, workspace):
    """Both tell the same numbers."""
    told = mailer(workspace, "lists", "--json").json()
    shown = mailer(workspace, "lists").out
    for one in told:
        assert re.search(rf"(?m)^ {one['list']} .* {one['members']} ", shown)
        assert one["members"] == sum(one["by_language"].values())
    assert json.loads(json.dumps(told)) == told
