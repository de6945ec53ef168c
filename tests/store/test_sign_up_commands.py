"""`mailer sign-up`, and what `mailer check` says of `[sign_up]`."""

import re

import pytest
from typer.testing import CliRunner

from mailer.app.checking import check_workspace
from mailer.app.workspace import Workspace
from mailer.cli.common import WRONG_USE, set_workspace_folder
from mailer.cli.main import app
from mailer.model.faults import Severity
from mailer.store.engine import create_tables, open_store
from mailer.store.sign_ups import count_confirmation, may_send
from tests.support.clocks import NOW, FixedClock
from tests.support.sign_ups import sign_up_workspace


@pytest.fixture
def workspace(tmp_path):
    """A workspace with its own database, where commands find it."""
    (tmp_path / "data").mkdir()
    store = open_store(f"sqlite:///{tmp_path / 'data' / 'mailer.db'}")
    create_tables(store)
    yield sign_up_workspace(tmp_path, store, FixedClock())
    store.close()
    set_workspace_folder(tmp_path)


def sign_up(workspace, *arguments, typed=""):
    """Run `mailer sign-up`."""
    folder = str(workspace.config.root)
    return CliRunner().invoke(app, ["--workspace", folder, "sign-up", *arguments], input=typed)


def change(workspace, old, new):
    """Change config.toml; return the workspace as it is then."""
    config = workspace.config.root / "config.toml"
    text = config.read_text(encoding="utf-8")
    assert old in text
    config.write_text(text.replace(old, new, 1), encoding="utf-8")
    return workspace.reread()


def test_the_form_is_plain_html_for_another_site(workspace):
    """It posts to the pages, in its language, and needs nothing else."""
    ended = sign_up(workspace, "form", "--language", "fa")
    assert 0 == ended.exit_code, ended.output
    form = ended.stdout
    assert form.startswith(
        '<form method="post" action="http://127.0.0.1:8025/join" lang="fa" dir="rtl"'
    )
    assert form.endswith("</form>\n")
    assert "می‌خواهم نامه دریافت کنم" in form
    assert '<input type="hidden" name="consent" value="2026-11">' in form
    assert re.search(r'<div hidden>\s*<div class="trap" aria-hidden="true">', form)
    assert not re.search(r"<script|<link|<img|style=|src=", form)


def test_the_form_speaks_what_has_a_consent_and_nothing_else(workspace):
    """It says which languages there are."""
    ended = sign_up(workspace, "form", "--language", "de")
    assert WRONG_USE == ended.exit_code
    assert "It speaks en, fa, ru" in ended.stderr


def test_without_a_list_there_is_no_form(workspace):
    """It says where to begin."""
    change(workspace, 'lists = ["harbor-news"]', "lists = []")
    ended = sign_up(workspace, "form")
    assert 1 == ended.exit_code
    assert "[sign_up] in config.toml names no list" in ended.stderr


def test_staff_let_an_address_be_sent_a_confirmation_again(workspace):
    """It is asked for, never written on the command line, and never printed."""
    digest = workspace.service_keys.address_digest("anna@example.org")
    with workspace.store.write() as connection:
        assert count_confirmation(connection, digest, NOW)
    ended = sign_up(workspace, "allow", typed="Anna@example.org\n")
    assert 0 == ended.exit_code, ended.output
    assert "can be sent a confirmation again" in ended.stdout
    assert "anna" not in ended.output.lower()
    with workspace.store.read() as connection:
        assert may_send(connection, digest, NOW)
    assert "no confirmation that counts" in sign_up(workspace, "allow", typed="a@b.example").stdout
    assert WRONG_USE == sign_up(workspace, "allow", "anna@example.org").exit_code


def found(workspace: Workspace):
    """Return what `mailer check` says of [sign_up]."""
    return [
        (one.field, one.severity, one.problem)
        for one in check_workspace(workspace)
        if one.field.startswith("sign_up")
    ]


def test_check_names_lists_and_languages_that_are_not_there(workspace):
    """A language that the pages do not speak is left out; where it is the only one, nothing is left."""
    assert [] == found(workspace)
    problem = "has a text in languages that the pages do not speak: ka"
    workspace = change(workspace, "\nfa = ", "\nka = ")
    assert [("sign_up.consent", Severity.WARNING, problem)] == found(workspace)
    workspace = change(workspace, 'lists = ["harbor-news"]', 'lists = ["harbor-news", "nothing"]')
    assert ("sign_up.lists", Severity.ERROR, 'there is no list "nothing"') in found(workspace)
