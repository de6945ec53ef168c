"""`mailer statements`, from files to rows, on a workspace of its own."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mailer.app.planning import Wish, make_plan
from mailer.app.workspace import Workspace
from mailer.cli import common
from mailer.cli.statements import app
from mailer.keys import create_seal_key, create_service_key
from mailer.model.faults import FaultsFound
from mailer.statements.catalog import load_catalogs
from mailer.statements.source import read_folder
from mailer.store.engine import create_tables, open_store
from tests.support.archive import a_statement, mail_out
from tests.support.catalogs import write_complete_catalogs
from tests.support.subscriptions import NOON

ROOT = Path(__file__).parents[2]
SLUG = "her-rights"


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace with the sample statement, complete catalogs and an empty database."""
    (tmp_path / "data").mkdir()
    for name in ("statements", "mail"):
        shutil.copytree(ROOT / "templates" / name, tmp_path / "templates" / name)
    write_complete_catalogs(tmp_path / "templates" / "locale", ("en", "ru"))
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    create_seal_key(tmp_path / "seal.key")
    create_service_key(tmp_path / "service.key")
    store = open_store(f"sqlite:///{tmp_path}/data/mailer.db")
    create_tables(store)
    store.close()
    monkeypatch.setattr(common, "_workspace_folder", tmp_path)
    return tmp_path


def run(*arguments):
    """Run a command; return its status, output and errors."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def change(workspace, name, old, new):
    """Change a file of the sample."""
    path = workspace / "templates" / "statements" / SLUG / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_statement_is_loaded_listed_shown_and_published(workspace):
    """The way a person goes, each step saying what it did."""
    status, output, _ = run("load", SLUG)
    assert 0 == status
    assert output.startswith("her-rights is now revision 1, in en, ru.")
    assert json.loads(run("load", SLUG, "--json")[1])["already_stored"]
    status, output, _ = run("load", f"templates/statements/{SLUG}")
    assert 0 == status
    assert output.startswith("her-rights is stored already as revision 1, in en, ru.")
    (row,) = json.loads(run("list", "--json")[1])
    assert (SLUG, 1, None) == (row["slug"], row["latest"], row["published"])
    shown = run("show", SLUG)[1]
    assert "Her rights are our rights" in shown
    assert "signed by Harbor Solidarity (MD)" in shown
    assert "picture lighthouse.png: 1200 × 600" in shown
    status, output, _ = run("publish", SLUG)
    assert 0 == status
    assert "http://127.0.0.1:8025/w/her-rights" in output
    assert 1 == json.loads(run("list", "--json")[1])[0]["published"]


def test_nothing_is_loaded_while_anything_is_wrong(workspace):
    """Faults go to standard error with file and line, the status is 1, and no row is written."""
    change(workspace, "ru.md", "(https://harbor", "(http://harbor")
    status, _, errors = run("load", SLUG)
    assert 1 == status
    assert "templates/statements/her-rights/ru.md:" in errors
    assert "Nothing was loaded." in errors
    assert [] == json.loads(run("list", "--json")[1])


def test_check_tells_every_fault_and_stores_nothing(workspace):
    """All statements are checked when none is named."""
    samples = len(list((workspace / "templates" / "statements").iterdir()))
    told = f"{samples} statements checked: 0 to mend, 0 worth a look.\n"
    assert (0, told) == run("check")[:2]
    change(workspace, "en.md", "subject:", "topic:")
    status, output, _ = run("check", SLUG, "--json")
    assert 1 == status
    fields = {(fault["line"], fault["field"]) for fault in json.loads(output)}
    assert {(1, "subject"), (3, "topic")} <= fields


def test_changes_show_what_a_translator_must_look_at(workspace):
    """After the source changed, the lines that did are shown, and the hash to write in the end."""
    assert 0 == run("load", SLUG)[0]
    assert "Nothing has changed" in run("changes", SLUG, "ru")[1]
    change(workspace, "en.md", "eleven boxes", "twelve boxes")
    status, output, errors = run("changes", SLUG, "ru")
    assert 0 == status
    line = "computers, the helpline’s phones and {} boxes of case files."
    assert f"- {line.format('eleven')}" in output
    assert f"+ {line.format('twelve')}" in output
    source = read_folder(workspace / "templates" / "statements" / SLUG, workspace).editions["en"]
    assert f"translated_from: {source.content_hash[:12]}" in errors


def test_changes_say_so_when_there_is_nothing_to_compare_with(workspace):
    """A source that was never loaded cannot be shown."""
    change(workspace, "en.md", "eleven boxes", "twelve boxes")
    status, _, errors = run("changes", SLUG, "ru")
    assert 1 == status
    assert "was never loaded" in errors
    assert 1 == run("changes", SLUG, "en")[0]
    assert 1 == run("changes", SLUG, "uk")[0]


@pytest.mark.parametrize(
    "arguments",
    [("show", "nowhere"), ("publish", "nowhere"), ("load", "nowhere"), ("check", "nowhere"),
     ("show", SLUG, "--revision", "3")],
)  # fmt: skip
def test_what_is_not_there_is_said_plainly(workspace, arguments):
    """A slug or number nobody loaded is named; there is no traceback."""
    status, _, errors = run(*arguments)
    assert 1 == status
    assert "There is no" in errors


def test_an_hour_to_come_is_kept(workspace):
    """Publishing before the hour the statement names opens the page at that hour."""
    change(workspace, "statement.toml", "2026-11-02T09:00:00+02:00", "2099-01-01T09:00:00+02:00")
    assert 0 == run("load", SLUG)[0]
    told = json.loads(run("publish", SLUG, "--json")[1])
    assert "2099-01-01T07:00:00+00:00" == told["public_from"]


def test_the_list_is_empty_at_first(workspace):
    """An empty workspace says what to do."""
    assert "No statement has been loaded." in run("list")[1]
    assert "en" in load_catalogs(workspace / "templates" / "locale")


@pytest.mark.parametrize("command", ["load", "check", "changes", "list", "publish", "show"])
def test_every_command_has_an_example(command):
    """`--help` ends with a line to copy."""
    assert f"Example: mailer statements {command}" in " ".join(run(command, "--help")[1].split())


@pytest.mark.parametrize(
    "added",
    ["{{ foo.bar }}", "{% if supporter.name %}", "[x](https://example.org/{{ supporter.name }})",
     "{{ supporter.shoe_size }}"],
)  # fmt: skip
def test_what_cannot_be_made_a_mail_is_neither_passed_nor_loaded(workspace, added):
    """The edition is tried as a mail: no page and no mailing finds out first."""
    change(workspace, "ru.md", "Что можете сделать вы", f"Что можете сделать вы\n\n{added}")
    for command in ("check", "load"):
        status, _, errors = run(command, SLUG)
        assert 1 == status
        assert f"templates/statements/{SLUG}/ru.md" in errors
    assert [] == json.loads(run("list", "--json")[1])


def test_a_later_hour_does_not_take_down_a_page_that_is_public(workspace):
    """Publishing what is public only next year would leave nothing to see until then."""
    assert 0 == run("load", SLUG)[0]
    assert 0 == run("publish", SLUG)[0]
    change(workspace, "statement.toml", "published = 2026-11-02", "published = 2126-11-02")
    assert 0 == run("load", SLUG)[0]
    status, _, errors = run("publish", SLUG)
    assert 1 == status
    assert "until then the page would be gone" in errors
    assert 1 == json.loads(run("list", "--json")[1])[0]["published"]


def test_a_line_number_stays_a_number(workspace):
    """Line 100 is not turned into a picture of a hundred."""
    text = (workspace / "templates" / "statements" / SLUG / "en.md").read_text(encoding="utf-8")
    filled = text + "\n" * (100 - text.count("\n") - 1) + "[here](relative.html)\n"
    (workspace / "templates" / "statements" / SLUG / "en.md").write_text(filled, encoding="utf-8")
    assert "/en.md:100:" in run("check", SLUG)[2].replace("\n", "")


def test_a_statement_is_unlisted_withdrawn_and_relisted(workspace):
    """Each step asks first, says what it did and where to look, and the list shows it."""
    assert 0 == run("load", SLUG)[0]
    assert 0 == run("publish", SLUG)[0]
    status, _, errors = run("unlist", SLUG)
    assert (1, True) == (status, "Say it with --yes." in errors)
    assert "listed" == json.loads(run("list", "--json")[1])[0]["visibility"]

    status, output, _ = run("unlist", SLUG, "--yes")
    assert 0 == status
    assert "her-rights is not listed." in output
    assert "http://127.0.0.1:8025/w/her-rights" in output
    assert "unlisted" in run("list")[1]
    assert "is unlisted already" in run("unlist", SLUG, "--yes")[2]

    status, output, errors = run("withdraw", SLUG, "--yes")
    assert (0, "") == (status, errors)
    assert "Its page says so, and shows nothing else of it" in output
    status, _, errors = run("publish", SLUG)
    assert (1, True) == (status, "mailer statements relist her-rights" in errors)

    assert 0 == run("relist", SLUG, "--yes")[0]
    assert "listed" == json.loads(run("list", "--json")[1])[0]["visibility"]
    assert 0 == run("publish", SLUG)[0]


def test_what_corrects_a_withdrawn_statement_must_be_another_that_stands(workspace):
    """Unknown, the same, or withdrawn itself: refused, and nothing is changed."""
    assert 0 == run("load", SLUG)[0]
    assert 1 == run("withdraw", "nothing", "--yes")[0]
    for corrected_by, status, said in (
        ("nothing", 1, 'There is no statement "nothing"'),
        (SLUG, 2, "cannot correct itself"),
    ):
        found = run("withdraw", SLUG, "--corrected-by", corrected_by, "--yes")
        assert status == found[0]
        assert said in found[2]
    assert "listed" == json.loads(run("list", "--json")[1])[0]["visibility"]

    assert 0 == run("load", "keep-the-line-open")[0]
    status, output, _ = run("withdraw", SLUG, "--corrected-by", "keep-the-line-open", "--yes")
    assert 0 == status
    assert "It leads to keep-the-line-open once that is public." in output
    found = run("withdraw", "keep-the-line-open", "--corrected-by", SLUG, "--yes")
    assert (1, True) == (found[0], "was withdrawn too" in found[2])


def test_withdrawing_names_the_mailings_that_go_on(workspace):
    """They are not stopped by it; the command that stops each is said."""
    store = open_store(f"sqlite:///{workspace}/data/mailer.db")
    mail_out(store, a_statement(SLUG), NOON)
    store.close()
    status, _, errors = run("withdraw", SLUG, "--yes")
    assert 0 == status
    assert "her-rights-1 is running and is not stopped by this." in errors
    assert "mailer cancel her-rights-1" in errors
    (row,) = json.loads(run("withdraw", SLUG, "--yes", "--json")[1])["open_mailings"]
    assert {"key": "her-rights-1", "state": "running"} == row


def test_what_was_withdrawn_is_not_mailed(workspace):
    """Planning a mailing of it is refused: its mails would lead to a page that shows nothing."""
    assert 0 == run("load", SLUG)[0]
    assert 0 == run("withdraw", SLUG, "--yes")[0]
    with pytest.raises(FaultsFound) as refused:
        make_plan(Workspace.open(workspace), Wish(SLUG, ("harbor-news",)))
    (fault,) = refused.value.faults
    assert "was withdrawn" in fault.problem
    assert "mailer statements relist her-rights" in fault.remedy
