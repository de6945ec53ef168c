"""`mailer feedback --explain` says what a message would be taken for, and needs no workspace."""

import json

import pytest
from typer.testing import CliRunner

from mailer.cli.common import set_workspace_folder
from mailer.cli.feedback import TRY_AGAIN
from mailer.cli.main import app
from mailer.config import CONFIG_FILE
from mailer.keys import create_service_key, load_service_keys
from mailer.tokens import Tokens
from tests.support.bounces import message
from tests.unit.config_texts import EXAMPLE

FILE = "sisimai/lhost-postfix-13.eml"


@pytest.fixture
def folder(tmp_path):
    """An empty folder, the one that commands work in."""
    yield tmp_path
    set_workspace_folder(tmp_path)


def _feedback(folder, raw, *more):
    arguments = ["--workspace", str(folder), "feedback", *more]
    return CliRunner().invoke(app, arguments, input=raw)


def test_it_prints_a_list_of_what_a_message_says(folder):
    """Recipient, class, reason, status and what it is matched by; nothing is written."""
    ended = _feedback(folder, message(FILE), "--explain")
    assert 0 == ended.exit_code
    wanted = ("recipient", "class", "reason", "status", "matched_by")
    assert [
        ["kijitora@example.jp", "hard", "unknown_user", "5.2.1", "address"],
        ["noraneko@example.jp", "soft", "mailbox_full", "5.2.2", "address"],
    ] == [[one[name] for name in wanted] for one in json.loads(ended.stdout)]
    assert [] == list(folder.iterdir())
    assert "No workspace is here" in ended.stderr


def test_in_a_workspace_it_reads_its_tokens(folder):
    """Without its database, which nothing opens."""
    create_service_key(folder / "service.key")
    (folder / CONFIG_FILE).write_text(EXAMPLE, encoding="utf-8")
    tokens = Tokens(load_service_keys(folder / "service.key"))
    to = f"To: b+{tokens.return_path(7)}@bounces.example.org\n".encode()
    report = to + b"From: MAILER-DAEMON@example.org\nSubject: failure notice\n\nx\n"
    ended = _feedback(folder, report, "--explain")
    assert "verp" == json.loads(ended.stdout)[0]["matched_by"]


def test_without_a_workspace_the_mail_server_keeps_the_message(folder):
    """It may only be misconfigured for now."""
    ended = _feedback(folder, message(FILE))
    assert TRY_AGAIN == ended.exit_code
    assert ended.stderr.startswith("4.3.0 ")
