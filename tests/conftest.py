"""Fixtures every test may ask for: real databases, keys, and the rule that nothing is left out."""

from __future__ import annotations

import os
from functools import partial

import pytest
import uvloop

from mailer.keys import create_seal_key, create_service_key, load_seal_keys, load_service_keys
from mailer.tokens import Tokens
from tests.support import dovecot as dovecot_support
from tests.support import postfix as postfix_support
from tests.support.browser import chromium, chromium_path
from tests.support.certificates import Authority
from tests.support.clocks import FixedClock
from tests.support.databases import postgresql_server, postgresql_store, sqlite_copy
from tests.support.factories import Ground
from tests.support.servers import instances
from tests.support.smtp_server import smtp_servers


@pytest.fixture(scope="session")
def postgresql_address():
    """The address of this worker's own PostgreSQL."""
    with postgresql_server() as address:
        yield address


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory):
    """Where the SQLite database is that the others are copied from."""
    return tmp_path_factory.mktemp("template") / "empty.db"


@pytest.fixture
def sqlite_store(tmp_path, sqlite_template):
    """A new SQLite database with our tables."""
    store = sqlite_copy(sqlite_template, tmp_path / "test.db")
    yield store
    store.close()


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def store(request):
    """A new database with our tables: once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_store")
        return
    with postgresql_store(request.getfixturevalue("postgresql_address")) as opened:
        yield opened


@pytest.fixture(scope="session")
def key_files(tmp_path_factory):
    """A folder with both key files."""
    folder = tmp_path_factory.mktemp("keys")
    create_seal_key(folder / "seal.key")
    create_service_key(folder / "service.key")
    return folder


@pytest.fixture(scope="session")
def seal_keys(key_files):
    """Keys that seal."""
    return load_seal_keys(key_files / "seal.key")


@pytest.fixture(scope="session")
def service_keys(key_files):
    """Keys of digests and tokens."""
    return load_service_keys(key_files / "service.key")


@pytest.fixture(scope="session")
def tokens(service_keys):
    """What makes and reads tokens."""
    return Tokens(service_keys)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """An authority that issues certificates to the tests' servers."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def smtp_server(authority):
    """A function that starts SMTP servers: `smtp_server(Misbehaviour.GREYLIST_ONCE, dsn=True)`."""
    with smtp_servers(authority) as start:
        yield start


@pytest.fixture
def clock():
    """A clock that stands until it is moved on."""
    return FixedClock()


@pytest.fixture
def ground(store, seal_keys, service_keys):
    """What writes lists, people, mailings and deliveries into `store`."""
    return Ground(store, seal_keys, service_keys)


@pytest.fixture
def sqlite_ground(sqlite_store, seal_keys, service_keys):
    """What writes lists, people, mailings and deliveries into `sqlite_store`."""
    return Ground(sqlite_store, seal_keys, service_keys)


@pytest.fixture
def postfix():
    """A function that starts a real Postfix that relays to a port: `postfix(smtp_server().port)`."""
    reason = postfix_support.why_not()
    if reason:
        pytest.skip(reason)
    with instances(postfix_support.postfix_instance) as start:
        yield start


@pytest.fixture
def dovecot(authority):
    """A function that starts a real Dovecot with one mailbox: `dovecot(tls="implicit")`."""
    reason = dovecot_support.why_not()
    if reason:
        pytest.skip(reason)
    with instances(partial(dovecot_support.dovecot_instance, authority)) as start:
        yield start


# Of a module, not of the session: the event loop that drives it stands in the way of async tests.
@pytest.fixture(scope="module")
def browser():
    """A real Chromium; open pages with `tests.support.browser.open_page`."""
    if not chromium_path():
        pytest.skip("Chromium is not installed: apt install chromium")
    with chromium() as opened:
        yield opened


#: Fixture → the marker of every test that uses it.
_MARKERS = {
    "browser": "browser",
    "dovecot": "dovecot",
    "evening": "postfix",
    "postfix": "postfix",
    "postgresql_address": "postgresql",
}


def pytest_asyncio_loop_factories():
    """Run async tests on the loop that sends in earnest: transports of asyncio's own do otherwise."""
    return {"uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items):
    """Mark tests by the real things they use."""
    for item in items:
        for fixture, marker in _MARKERS.items():
            if fixture in item.fixturenames:
                item.add_marker(marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Under CI a test that is left out is a test that fails: nothing is left out silently."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was left out under CI: {report.longrepr}"
    return report
