"""A prepared workspace for tests of the command line, and what runs commands on copies of it."""

import re
import shutil
import socket

import pytest

from mailer.app.demo import adapt_config
from mailer.app.sending import relay_digest
from mailer.app.workspace import Workspace
from mailer.store.relays import mark_relay_verified
from tests.acceptance.processes import Nursery

SLUG = "her-rights"
#: The sample statement's own, in its text for all to read.
OFFICE = "office@harbor.example.org"
#: The one of staff, who is told what became of test sends.
EDITOR = "editor@harbor.example.org"
#: What an example list's file is imported as.
LISTS = ("harbor-news", "harbor-volunteers", "lantern-friends")


@pytest.fixture(scope="session")
def nursery(tmp_path_factory):
    """What forks commands."""
    opened = Nursery(tmp_path_factory.mktemp("nursery"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def mailer(nursery):
    """A function that runs `mailer ARGUMENTS` in a folder and returns how it ended.

    Whatever a test is about: no command prints a traceback, and none prints anybody's address.
    """

    def run(folder, *arguments, **options):
        ended = nursery.run(*arguments, cwd=folder, **options)
        assert "Traceback" not in ended.text, ended.text
        found = set(re.findall(r"[^\s\"'(<:]+@[\w.-]+\w", ended.text))
        assert set() == found - {OFFICE, EDITOR}, ended.text
        return ended

    return run


@pytest.fixture(scope="session")
def prepared(mailer, tmp_path_factory):
    """A workspace with the sample statement loaded and the example lists imported; not to be changed."""
    folder = tmp_path_factory.mktemp("prepared") / "campaign"
    for arguments in (
        ("init", folder),
        ("-w", folder, "statements", "load", SLUG),
        *(
            ("-w", folder, "import", folder / "lists" / f"example-{key}.csv", "--list", key)
            for key in LISTS
        ),
    ):
        ended = mailer(folder.parent, *arguments)
        assert 0 == ended.status, ended.text
    return folder


@pytest.fixture
def workspace(prepared, tmp_path):
    """A copy of the prepared workspace with free ports and short pauses."""
    folder = tmp_path / "campaign"
    shutil.copytree(prepared, folder)
    adapt_config(folder, desk=False)
    return folder


@pytest.fixture
def change():
    """A function that changes a file: `change(path, old, new)`; `old` must be in it."""

    def apply(path, old, new):
        text = path.read_text(encoding="utf-8")
        assert old in text, old
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return apply


@pytest.fixture
def metrics_port(workspace, change):
    """Where the workspace serves its figures."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    change(workspace / "config.toml", "metrics_port = 0", f"metrics_port = {port}")
    return port


@pytest.fixture
def crowd(mailer, workspace):
    """A function that makes a list `crowd` of so many people who read English and Russian."""

    def make(count):
        source = (workspace / "lists" / "harbor-news.toml").read_text(encoding="utf-8")
        text = source.replace("news.harbor.example.org", "crowd.harbor.example.org")
        (workspace / "lists" / "crowd.toml").write_text(text, encoding="utf-8")
        rows = [f"person{one}@example.org,{('en', 'ru')[one % 2]}" for one in range(count)]
        (workspace / "crowd.csv").write_text("\n".join(["email,languages", *rows]))
        ended = mailer(workspace, "import", "crowd.csv", "--list", "crowd", "--json")
        assert count == ended.json()["added"]
        return workspace

    return make


@pytest.fixture
def relay(workspace, smtp_server):
    """A function that starts an SMTP server in place of the workspace's sandbox."""

    def start(*behaviour, **settings):
        server = smtp_server(*behaviour, **settings)
        path = workspace / "config.toml"
        text = re.sub(r"smtp_port = \d+", f"smtp_port = {server.port}", path.read_text())
        path.write_text(text)
        return server

    return start


@pytest.fixture
def live_relay(workspace, smtp_server, change):
    """A function that makes the workspace live, with an SMTP server as its verified relay."""

    def start(*behaviour, **settings):
        server = smtp_server(*behaviour, **settings)
        path = workspace / "config.toml"
        text = re.sub('(base_url = "http)://127', r"\1s://127", path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
        for old, new in {
            "live = false": "live = true",
            'host = "smtp.example.org"\nport = 587': f'host = "127.0.0.1"\nport = {server.port}',
            'tls = "starttls"': 'tls = "none"',
            'signs = "mailer"': 'signs = "relay"',
        }.items():
            change(path, old, new)
        opened = Workspace.open(workspace)
        (section,) = opened.config.relays
        with opened.store.write() as connection:
            mark_relay_verified(connection, section.key, relay_digest(section))
        opened.store.close()
        return server

    return start
