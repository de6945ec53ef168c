"""Hooks as config.toml names them: ours, and one that another package brings."""

import hashlib
import hmac
import importlib
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailer.feedback.hooks.mailgun import MailgunHook
from mailer.feedback.hooks.plugs import make_hooks
from mailer.feedback.hooks.postmark import PostmarkHook
from mailer.feedback.hooks.receiving import RefusalReason, Refused, Request, receive
from mailer.feedback.hooks.ses import SesHook
from mailer.model.faults import FaultsFound
from mailer.model.feedback import FeedbackClass
from tests.support import sns
from tests.unit.config_texts import EXAMPLE, load

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
SECRET = "correct-horse-battery"
DOCUMENT = (Path(__file__).parents[3] / "docs/webhooks.md").read_text(encoding="utf-8")


def make(folder, tables, known=()):
    """Make the hooks of some tables."""
    config = load(folder, EXAMPLE + tables)
    return make_hooks(config, lambda _: sns.certificate(), lambda *event: event in known)


def problems(folder, tables):
    """Return what is wrong with them, as (field, problem)."""
    with pytest.raises(FaultsFound) as raised:
        make(folder, tables)
    return [(one.field, one.problem) for one in raised.value.faults]


def test_without_a_table_there_is_no_hook(tmp_path):
    """Nobody can post anything until a person has wanted it."""
    assert {} == make(tmp_path, "")


def test_what_the_document_shows_is_what_there_is(tmp_path, monkeypatch):
    """Its first example loads, and makes three hooks."""
    monkeypatch.setenv("MAILER_MAILGUN_SIGNING_KEY", SECRET)
    (tmp_path / "postmark-hook.secret").write_text(f"{SECRET}\n")
    (tmp_path / "postmark-hook.secret").chmod(0o600)
    (example, *_) = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    hooks = make(tmp_path, example)
    kinds = {key: type(hook) for key, hook in hooks.items()}
    assert {"ses": SesHook, "postmark": PostmarkHook, "mailgun": MailgunHook} == kinds
    body = sns.notification({"eventType": "Open"})
    assert () == receive("ses", hooks["ses"], Request({}, body, sns.NOW))


def test_a_replay_is_known_by_source_and_id(tmp_path, monkeypatch):
    """What another hook has on record is none."""
    monkeypatch.setenv("KEY", SECRET)
    table = '[feedback.hooks.mg]\nkind = "mailgun"\nsecret_env = "KEY"\n'
    word, seconds = "a" * 50, str(int(NOW.timestamp()))
    mac = hmac.new(SECRET.encode(), f"{seconds}{word}".encode(), hashlib.sha256).hexdigest()
    signature = {"timestamp": seconds, "token": word, "signature": mac}
    body = json.dumps({"signature": signature, "event-data": {"event": "delivered"}}).encode()
    request = Request({}, body, NOW)
    assert 1 == len(receive("mg", make(tmp_path, table, {("other", word)})["mg"], request))
    with pytest.raises(Refused) as raised:
        receive("mg", make(tmp_path, table, {("mg", word)})["mg"], request)
    assert RefusalReason.REPLAYED is raised.value.reason


def test_secrets_that_are_not_there_are_all_told_at_once(tmp_path, monkeypatch):
    """With the key that names them, and without what is in them."""
    monkeypatch.setenv("SHORT", "short")
    monkeypatch.delenv("GONE", raising=False)
    found = problems(
        tmp_path,
        '[feedback.hooks.one]\nkind = "mailgun"\nsecret_env = "GONE"\n'
        '[feedback.hooks.two]\nkind = "mailgun"\nsecret_file = "gone.secret"\n'
        '[feedback.hooks.three]\nkind = "mailgun"\nsecret_env = "SHORT"\n'
        '[feedback.hooks.four]\nkind = "nobodys"\n',
    )
    assert [
        ("feedback.hooks.four.kind", 'no package brings "nobodys"'),
        ("feedback.hooks.one.secret_env", "the environment has no GONE"),
        ("feedback.hooks.three.secret_env", "leads to fewer than 16 characters"),
        ("feedback.hooks.two.secret_file", "the file cannot be read"),
    ] == found


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The package of the document's example, installed."""
    code = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)[-1]
    entry = re.search(r'(?m)^example = "(.*)"$', DOCUMENT)[1]
    group = re.search(r'\[project\.entry-points\."(.*)"\]', DOCUMENT)[1]
    site = tmp_path / "site"
    info = site / "example_hooks-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "example_hooks.py").write_text(code)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: example-hooks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\nexample = {entry}\n")
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    yield site
    sys.modules.pop("example_hooks", None)


TABLE = """
[feedback.hooks.other]
kind = "example"
secret_env = "EXAMPLE_SECRET"
settings = { region = "us" }
"""


def test_a_package_of_somebody_else_brings_a_hook(tmp_path, monkeypatch, package):
    """The document's example works as it stands there."""
    monkeypatch.setenv("EXAMPLE_SECRET", SECRET)
    hook = make(tmp_path, TABLE)["other"]
    told = {
        "event": "bounce.permanent", "id": "7", "at": "2026-11-20T09:29:00Z", "region": "us",
        "sent_at": int(NOW.timestamp()), "recipient": "olena@example.org",
        "reply": "550 olena@example.org unknown", "message_id": "<a@example.org>",
    }  # fmt: skip

    def post(told, secret=SECRET):
        body = json.dumps(told).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return receive("other", hook, Request({"x-example-signature": signature}, body, NOW))

    (event,) = post(told)
    assert ("other", "7", FeedbackClass.HARD) == (event.source, event.event_id, event.kind)
    assert ("550 [address] unknown", "a@example.org") == (event.diagnostic, event.message_id)
    assert () == post({**told, "region": "eu"})
    assert () == post({**told, "event": 7})
    with pytest.raises(Refused):
        post(told, "another-secret-of-20")
    with pytest.raises(Refused):
        post({**told, "sent_at": int(NOW.timestamp()) - 1_000})


def test_a_package_says_what_is_wrong_with_its_settings(tmp_path, monkeypatch, package):
    """As config.toml's own keys do; any other fault is told by its name alone."""
    monkeypatch.setenv("EXAMPLE_SECRET", SECRET)
    (package / "example_hooks.py").write_text(
        "from mailer.model.faults import Fault, FaultsFound\n"
        "def ExampleHook(settings):\n"
        "    field = f'feedback.hooks.{settings.key}.settings.region'\n"
        "    raise FaultsFound([Fault('config.toml', 0, field, 'is not eu or us')])\n"
    )
    wanted = [("feedback.hooks.other.settings.region", "is not eu or us")]
    assert wanted == problems(tmp_path, TABLE)
    sys.modules.pop("example_hooks")
    (package / "example_hooks.py").write_text("def ExampleHook(settings, more):\n    pass\n")
    importlib.invalidate_caches()
    wanted = [("feedback.hooks.other.kind", "its package fails: TypeError")]
    assert wanted == problems(tmp_path, TABLE)


def test_a_package_that_cannot_be_loaded_is_told(tmp_path, monkeypatch, package):
    """With the key in config.toml, and without a traceback."""
    monkeypatch.setenv("EXAMPLE_SECRET", SECRET)
    (package / "example_hooks.py").write_text("import nothing_of_the_kind\n")
    wanted = "its package fails: ModuleNotFoundError"
    assert [("feedback.hooks.other.kind", wanted)] == problems(tmp_path, TABLE)
