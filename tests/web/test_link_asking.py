"""Asking the servers of links: what they answer is told apart, and no private one is ever reached.

The servers are real ones on loopback; only here an asker may connect to them.
"""

from __future__ import annotations

import contextlib
import http.server
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from mailer.app.preflight.fetching import LinkAsker, is_public
from mailer.model.links import LinkAnswer
from tests.support.certificates import Certificate
from tests.support.clocks import NOW

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


class _Pages(http.server.BaseHTTPRequestHandler):
    """Answers a path by its name, and remembers what it was asked."""

    def _answer(self) -> None:
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        name = self.path.split("?")[0].strip("/")
        if name == "drip":
            # A letter of the head each tenth of a second, for ever.
            with contextlib.suppress(OSError):
                for letter in "HTTP/1.1 200 OK\r\nX-Slow: " + "a" * 600:
                    self.wfile.write(letter.encode())
                    time.sleep(0.1)
            self.close_connection = True
            return
        if name == "nonsense":
            self.wfile.write(b"220 mail.example.org ESMTP\r\n")
            self.close_connection = True
            return
        status = 405 if name == "no-head" and self.command == "HEAD" else 200
        status = int(name) if name.isdigit() else status
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", self.path.partition("?to=")[2])
        self.send_header("Set-Cookie", "seen=1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET = _answer  # noqa: N815  (As http.server looks for them.)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def web_server(certificate=None) -> Iterator[http.server.ThreadingHTTPServer]:
    """Run a web server on loopback, over TLS where a certificate's files are given."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    server.daemon_threads, server.asked = True, []
    server.handle_error = lambda *_: None
    if certificate is not None:
        server.socket = certificate.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def web():
    """A web server on loopback."""
    with web_server() as server:
        yield server


def asker(resolve=lambda _host, _port: ["127.0.0.1"], context=None, patience_s=5.0) -> LinkAsker:
    """Return one that takes every host for this machine, and may connect to it."""

    def allowed(address, port):
        return address in LOOPBACK or is_public(address, port)

    return LinkAsker(resolve, allowed, context, patience_s)


@pytest.mark.parametrize(
    ("path", "answer", "status", "leads_to"),
    [
        ("page?a=b#part", LinkAnswer.FINE, 200, ""),
        ("204", LinkAnswer.FINE, 204, ""),
        ("416", LinkAnswer.FINE, 416, ""),
        ("no-head", LinkAnswer.FINE, 200, ""),
        ("301?to=https://example.org/new", LinkAnswer.LEADS_ON, 301, "https://example.org/new"),
        ("302?to=/there", LinkAnswer.LEADS_ON, 302, "http://pages.example.org:{port}/there"),
        ("307?to=http://169.254.169.254/latest", LinkAnswer.LEADS_ON, 307,
         "http://169.254.169.254/latest"),
        ("404", LinkAnswer.GONE, 404, ""),
        ("410", LinkAnswer.GONE, 410, ""),
        ("403", LinkAnswer.CLOSED, 403, ""),
        ("429", LinkAnswer.CLOSED, 429, ""),
        ("500", LinkAnswer.FAILING, 500, ""),
        ("503", LinkAnswer.FAILING, 503, ""),
        ("nonsense", LinkAnswer.FAILING, 0, ""),
    ],
)  # fmt: skip
def test_answers_are_told_apart(web, path, answer, status, leads_to):
    """By the status; where a page sends readers on to is told, and not followed."""
    port = web.server_address[1]
    look = asker().ask(f"http://pages.example.org:{port}/{path}", NOW)
    assert (answer, status) == (look.answer, look.status)
    assert leads_to.format(port=port) == look.leads_to
    assert len(web.asked) <= 2


def test_nothing_is_told_to_the_server_but_the_request(web):
    """HEAD first, then one byte by GET; no cookie, no name of ours, the host as it was linked."""
    port = web.server_address[1]
    asker().ask(f"http://pages.example.org:{port}/404", NOW)
    (head, get) = web.asked
    assert ("HEAD", "GET") == (head[0], get[0])
    told = {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}
    assert told == set(head[2])
    assert {*head[2], "Range"} == set(get[2])
    assert ("bytes=0-0", f"pages.example.org:{port}") == (get[2]["Range"], get[2]["Host"])
    assert "mailer" not in head[2]["User-Agent"].lower()


def test_a_server_that_drips_is_cut_off():
    """The whole answer counts, not each letter of it."""
    with web_server() as web:
        began = time.monotonic()
        look = asker(patience_s=0.5).ask(f"http://a.example.org:{web.server_address[1]}/drip", NOW)
        assert LinkAnswer.SILENT is look.answer
        assert time.monotonic() - began < 3


def test_a_port_where_nobody_answers_is_silent():
    """Refused or not answered: it is the same to a reader."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        look = asker(patience_s=0.5).ask(f"http://a.example.org:{port}/", NOW)
    assert LinkAnswer.SILENT is look.answer


@pytest.mark.parametrize(
    ("shown", "answer"),
    [
        (Certificate.GOOD, LinkAnswer.FINE),
        (Certificate.WRONG_NAME, LinkAnswer.UNTRUSTED),
        (Certificate.EXPIRED, LinkAnswer.UNTRUSTED),
        (Certificate.SELF_SIGNED, LinkAnswer.UNTRUSTED),
    ],
)
def test_a_certificate_that_is_not_valid_is_told(authority, shown, answer):
    """It has to be for the name in the link, not for the address that is connected to."""
    with web_server(authority.server_context(shown)) as web:
        address = f"https://localhost:{web.server_address[1]}/page"
        look = asker(context=authority.client_context()).ask(address, NOW)
    assert answer is look.answer


def test_a_server_of_tls_that_drips_is_cut_off(authority):
    """TLS takes the socket over, and the clock goes on."""
    with web_server(authority.server_context(Certificate.GOOD)) as web:
        address = f"https://localhost:{web.server_address[1]}/drip"
        look = asker(context=authority.client_context(), patience_s=0.7).ask(address, NOW)
    assert LinkAnswer.SILENT is look.answer


@pytest.mark.parametrize(
    "place",
    [
        "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.5.4", "192.168.1.1",
        # Link-local, and the metadata of clouds.
        "169.254.169.254", "169.254.0.1", "fd00:ec2::254", "fe80::1",
        # Shared by providers, for documents, for benchmarks, reserved, to everybody.
        "100.64.0.1", "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "240.0.0.1",
        "255.255.255.255", "224.0.0.1", "192.0.0.1",
        "::", "::1", "fc00::1", "ff02::1", "2001:db8::1", "fec0::1", "100::1",
        # IPv4 in other clothes.
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::",
        "2002:c0a8:101::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)  # fmt: skip
def test_no_private_address_is_connected_to(place):
    """Whatever the host's name, and however the address is written."""
    asked = []

    def resolve(host, port):
        asked.append((host, port))
        return [place]

    look = LinkAsker(resolve).ask("https://pages.example.org/", NOW)
    assert (LinkAnswer.PRIVATE, [("pages.example.org", 443)]) == (look.answer, asked)


@pytest.mark.parametrize("place", ["93.184.216.34", "2606:4700::6810:84e5", "::ffff:93.184.216.34"])
def test_public_addresses_are(place):
    """At the ports where pages are, and at no other."""
    address = ipaddress.ip_address(place)
    assert is_public(address, 443)
    assert is_public(address, 80)
    assert not any(is_public(address, port) for port in (22, 25, 3306, 5432, 6379, 11211))


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://[::ffff:127.0.0.1]/",
        # What a resolver reads as 127.0.0.1: decimal, octal, hexadecimal, short.
        "http://2130706433/", "http://0177.0.0.1/", "http://0x7f.0.0.1/", "http://0x7f000001/",
        "http://127.1/", "http://0/",
        "http://127.0.0.1:8080/", "http://127.0.0.1:22/", "http://169.254.169.254/latest/meta-data",
        "http://user@127.0.0.1/", "http://example.org@127.0.0.1/",
        "ftp://example.org/", "file:///etc/passwd", "gopher://127.0.0.1/", "mailto:a@example.org",
        "http:///", "//127.0.0.1/",
    ],
)  # fmt: skip
def test_no_way_of_writing_it_leads_to_this_machine(address):
    """By the system's own resolver, with nothing allowed that is not public."""
    assert LinkAsker(patience_s=0.2).ask(address, NOW).answer is LinkAnswer.PRIVATE


def test_one_private_address_among_several_is_enough(web):
    """Of a host that has both, none is connected to, whichever comes first."""
    for places in (["93.184.216.34", "10.0.0.1"], ["10.0.0.1", "93.184.216.34"]):
        look = LinkAsker(lambda _host, _port, found=places: found).ask("http://a.example.org/", NOW)
        assert LinkAnswer.PRIVATE is look.answer


def test_a_host_is_looked_up_once_and_what_was_looked_at_is_connected_to(web):
    """A name that means another address the second time (DNS rebinding) gains nothing by it."""
    answers = [["127.0.0.1"], ["10.0.0.1"], ["10.0.0.1"]]
    look = asker(lambda _host, _port: answers.pop(0)).ask(
        f"http://rebinding.example.org:{web.server_address[1]}/page", NOW
    )
    assert (LinkAnswer.FINE, 2) == (look.answer, len(answers))
    # The GET after a HEAD that failed goes to the same place, too.
    answers = [["127.0.0.1"], ["10.0.0.1"], ["10.0.0.1"]]
    look = asker(lambda _host, _port: answers.pop(0)).ask(
        f"http://rebinding.example.org:{web.server_address[1]}/404", NOW
    )
    assert (LinkAnswer.GONE, 2) == (look.answer, len(answers))


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no such host"), LinkAnswer.GONE),
        (socket.gaierror(socket.EAI_AGAIN, "no network"), LinkAnswer.OFFLINE),
    ],
)
def test_a_host_that_is_not_there_is_not_a_network_that_is_not(error, answer):
    """Only the first says something about the link."""

    def resolve(_host, _port):
        raise error

    assert answer is LinkAsker(resolve).ask("https://a.example.org/", NOW).answer


@pytest.mark.parametrize("address", ["http://１２７.0.0.1/", "http://127。0。0。1/"])
def test_letters_that_look_like_digits_lead_nowhere(address):
    """Browsers may take them for digits; here they are a name that nobody has, or refused."""
    assert LinkAsker().ask(address, NOW).answer in (LinkAnswer.PRIVATE, LinkAnswer.GONE)


@pytest.mark.parametrize("address", ["http://[::1/", "http://a.example.org:99999/", "http://a..b/"])
def test_what_is_no_address_is_gone(address):
    """It cannot be opened by anybody, and raises nothing here."""
    assert LinkAsker(patience_s=0.2).ask(address, NOW).answer is LinkAnswer.GONE


def test_what_a_server_says_of_where_to_go_commands_nothing():
    """Control characters and length are bounded before it is kept."""
    with web_server() as web:
        target = "https://example.org/\x1b[31m" + "a" * 2_000
        address = f"http://a.example.org:{web.server_address[1]}/301?to=" + target.replace(
            "\x1b", "%1B"
        )
        look = asker().ask(address, NOW)
    assert len(look.leads_to) <= 500
    assert "\x1b" not in look.leads_to
