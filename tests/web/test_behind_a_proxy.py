"""The public pages behind Caddy: links come from config, headers are there once, nobody is logged."""

import contextlib
import re
import secrets
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from mailer.store.engine import create_tables, open_store
from mailer.store.statements import save_revision
from mailer.tokens import Purpose
from mailer.web.public.guard import SECURITY_HEADERS
from tests.support import caddy as caddy_support
from tests.support.caddy import caddy_before
from tests.support.mails import library_revision
from tests.support.public_web import BASE_URL, public_site
from tests.support.servers import free_port
from tests.support.subscriptions import NOON, SetClock, Subscriptions, define_list

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
#: What a stranger may send to make a page lead elsewhere.
HOSTILE = (
    {"Host": "evil.example"},
    {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"},
    {"Forwarded": "host=evil.example;proto=gopher;for=192.0.2.66"},
    {"X-Original-URL": "https://evil.example/", "X-Forwarded-Prefix": "//evil.example"},
    {"X-Forwarded-Port": "666", "X-Forwarded-Server": "evil.example"},
)


@pytest.fixture(scope="module")
def ground(tmp_path_factory, tokens):
    """The running pages with the library's statement, and a person's unsubscribe path."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('proxy') / 'test.db'}")
    create_tables(store)
    with store.write() as connection:
        stored = save_revision(connection, library_revision(), NOON)
    people = Subscriptions(store)
    people.add_list("letters", "harbor")
    people.start_mailing(
        "library", stored.statement_id, stored.revision_id, 1, NOON,
        (define_list("letters", "harbor"),),
    )  # fmt: skip
    supporter = people.add_supporter(secrets.token_hex(8), "letters")
    delivery = people.add_delivery(people.add_mailing(), ("letters", supporter))
    token = tokens.person(Purpose.UNSUBSCRIBE, delivery, supporter)
    with public_site(store, tokens, SetClock()) as site:
        yield site, f"/u/{token}"
    store.close()


@pytest.fixture(scope="module")
def proxied(ground, tmp_path_factory):
    """Caddy before the pages."""
    if reason := caddy_support.why_not():
        pytest.skip(reason)
    with caddy_before(ground[0].port, tmp_path_factory.mktemp("caddy")) as running:
        yield running


def _steady(text):
    """Leave out what differs from answer to answer: forms carry the moment they were made."""
    return re.sub(r'value="[^"]*"', "", text)


@pytest.mark.parametrize("headers", HOSTILE, ids=lambda one: next(iter(one)))
def test_no_header_of_a_visitor_makes_a_link(ground, headers):
    """Pages, redirects and answers are the same whatever host a request names."""
    site, path = ground
    with site.visitor() as plain, site.visitor(**headers) as hostile:
        for method, place in (
            ("GET", "/w/library/en"), ("GET", "/w/library"), ("GET", path), ("POST", path),
            ("GET", "/nothing"), ("GET", "/w/library/en/"),
        ):  # fmt: skip
            wanted, got = (
                one.request(method, place, data=ONE_CLICK if method == "POST" else None)
                for one in (plain, hostile)
            )
            assert wanted.status_code == got.status_code, place
            assert _steady(wanted.text) == _steady(got.text), place
            assert "evil" not in got.text + repr(got.headers), place
            assert wanted.headers.get("location") == got.headers.get("location")
        assert f'rel="canonical" href="{BASE_URL}/' in hostile.get("/w/library/en").text


def test_security_headers_are_there_once_and_https_is_insisted_on(ground, proxied):
    """The program says its own, Caddy adds the one about https, and neither says what it is."""
    with httpx.Client(base_url=f"http://127.0.0.1:{proxied.port}", trust_env=False) as visitor:
        answer = visitor.get("/w/library/en", headers={"Host": f"127.0.0.1:{proxied.port}"})
        assert 200 == answer.status_code
        names = [name.lower() for name, _ in answer.headers.multi_items()]
        for name in (*SECURITY_HEADERS, "Strict-Transport-Security"):
            assert 1 == names.count(name.lower()), name
        assert {"server", "via", "x-powered-by", "set-cookie"} & set(names) == set()
        one_click = visitor.post(ground[1], data=ONE_CLICK)
        assert 200 == one_click.status_code


def test_caddy_logs_no_path_and_no_visitor(tmp_path):
    """Not even when the program is down, which is when Caddy has most to say."""
    if reason := caddy_support.why_not():
        pytest.skip(reason)
    secret = "zq9canary" + secrets.token_hex(8)
    with (
        caddy_before(free_port(), tmp_path) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{running.port}", trust_env=False) as visitor,
    ):
        for method in ("GET", "POST"):
            answer = visitor.request(method, f"/u/{secret}", headers={"User-Agent": secret})
            assert 502 == answer.status_code
            assert secret not in answer.text
    assert "serving initial configuration" in running.log
    assert secret not in running.log
    assert "remote_" not in running.log


def test_the_program_is_not_told_where_a_visitor_is(tmp_path):
    """Caddy hands on the request and no address."""
    if reason := caddy_support.why_not():
        pytest.skip(reason)
    with _listener() as (port, heads), caddy_before(port, tmp_path) as running:
        httpx.get(
            f"http://127.0.0.1:{running.port}/x", trust_env=False,
            headers={"X-Forwarded-For": "192.0.2.77", "X-Real-IP": "192.0.2.77"},
        )  # fmt: skip
    (head,) = heads
    assert [] == [name for name in head if "forwarded" in name.lower()]
    assert "192.0.2.77" not in str(head)


@contextlib.contextmanager
def _listener():
    """Answer on a free port and keep the head of each request."""
    heads = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            heads.append(self.headers)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, heads
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
