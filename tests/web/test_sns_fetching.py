"""Fetching from Amazon SNS, by a server on loopback that stands in its place."""

import socket
import ssl
import threading

import pytest
from cryptography.hazmat.primitives import serialization

from mailer.feedback.hooks import fetching
from mailer.feedback.hooks.certificates import FetchFailed, NotThere
from mailer.feedback.hooks.fetching import SnsFetcher, connect_publicly
from tests.support import sns

PEM = f"https://{sns.HOST}/SimpleNotificationService-1.pem"


class Server:
    """A server with a certificate that answers each connection with the same octets."""

    def __init__(self, folder, name):
        key = sns.private_key()
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(
            sns.certificate(
                name=name, alternative=name, issuer=name, issuer_key=key, authority=True,
                begins=sns.long_ago(), ends=sns.far_off(),
            )
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )  # fmt: skip
        self.answer = b""
        self.asked = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(plain, server_side=True) as connection:
                    asked = b""
                    while b"\r\n\r\n" not in asked:
                        asked += connection.recv(4_096) or b"\r\n\r\n"
                    self.asked.append(asked.split(b"\r\n")[0].decode())
                    connection.sendall(self.answer)
            except OSError:
                plain.close()

    def connect(self, _host):
        """Connect to this server, whatever host is wanted."""
        return socket.create_connection(self._socket.getsockname(), timeout=5)

    def fetcher(self):
        """Return a fetcher that trusts this server's certificate and nothing else."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        return SnsFetcher(self.connect, context)

    def close(self):
        """Take no connection any more."""
        # Closing alone would not wake who waits for one.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def server(tmp_path):
    """A server in the name of SNS."""
    one = Server(tmp_path, sns.HOST)
    yield one
    one.close()


def says(status, body=b"", *fields):
    """Return an answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def test_what_is_there_is_fetched(server):
    """Path and query are asked for as they are."""
    server.answer = says("200 OK", sns.certificate())
    fetch = server.fetcher()
    assert fetch(PEM).startswith(b"-----BEGIN CERTIFICATE-----")
    fetch(f"https://{sns.HOST}/?Action=ConfirmSubscription&Token=1")
    assert [
        "GET /SimpleNotificationService-1.pem HTTP/1.1",
        "GET /?Action=ConfirmSubscription&Token=1 HTTP/1.1",
    ] == server.asked


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (says("302 Found", b"", "Location: http://127.0.0.1/"), NotThere),
        (says("404 Not Found"), NotThere),
        (says("403 Forbidden", b"x"), NotThere),
        (says("200 OK", b"x" * 70_000), NotThere),
        (says("500 Oops"), FetchFailed),
        (says("204 No Content"), FetchFailed),
        (b"", FetchFailed),
        (b"220 mail.example.org ESMTP\r\n", FetchFailed),
    ],
)
def test_nothing_else_is_taken_and_no_redirect_followed(server, answer, fault):
    """What may be otherwise another time is told from what is not there."""
    server.answer = answer
    with pytest.raises(fault):
        server.fetcher()(PEM)
    assert 1 == len(server.asked)


def test_a_server_that_cannot_prove_its_name_is_not_asked(tmp_path):
    """A certificate of another name, or of nobody we trust."""
    other = Server(tmp_path, "sns.us-east-1.amazonaws.com")
    try:
        for fetch in (other.fetcher(), SnsFetcher(other.connect)):
            with pytest.raises(FetchFailed):
                fetch(PEM)
        assert [] == other.asked
    finally:
        other.close()


@pytest.mark.parametrize(
    "address",
    [
        f"http://{sns.HOST}/a.pem", "https://example.org/a.pem", f"https://{sns.HOST}:25/a.pem",
        f"https://{sns.HOST}@127.0.0.1/a.pem", "https://sns.x.amazonaws.com/a.pem", "file:///a.pem",
        f"https://{sns.HOST}.example.org/a.pem", "https://sns.a.b.amazonaws.com/a.pem", "",
    ],
)  # fmt: skip
def test_no_other_host_is_ever_connected_to(address):
    """Whoever calls."""

    def connect(host):
        raise AssertionError(host)

    with pytest.raises(NotThere):
        SnsFetcher(connect)(address)


@pytest.mark.parametrize(
    "place", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "::1", "fd00::1"]
)
def test_a_name_that_leads_into_our_own_network_is_not_followed(monkeypatch, place):
    """Whoever has the DNS in hand reaches nothing on this machine or beside it."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, 443))]
    monkeypatch.setattr(fetching.socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(ConnectionRefusedError):
        connect_publicly(sns.HOST)
