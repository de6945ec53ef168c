"""What a real Postfix asks whether a login is right: Dovecot's auth protocol, on loopback.

    with sasl_server({"mailer": "a secret of ours"}) as port:
        relay = postfix(server.port, **sasl_settings(port))

It knows PLAIN and LOGIN with a user's password, and XOAUTH2 with it as the token.
"""

from __future__ import annotations

import base64
import contextlib
import socketserver
import threading
from collections.abc import Iterator

_HELLO = (
    b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nMECH\tXOAUTH2\tplaintext\n"
    b"SPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n"
)
#: What a refused token is answered with before the refusal, as Google and Microsoft do.
_NOT_THIS_TOKEN = b'{"status":"400","schemes":"Bearer","scope":"https://mail.example.org/"}'


class _Dialogue(socketserver.StreamRequestHandler):
    """One Postfix process that asks."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        self.wfile.write(_HELLO)
        # Request → mechanism, and what the client said so far.
        open_ones: dict[str, tuple[str, list[bytes]]] = {}
        for line in self.rfile:
            verb, *fields = line.decode().rstrip("\n").split("\t")
            if verb == "AUTH":
                number, mechanism, *options = fields
                given = [one[5:] for one in options if one.startswith("resp=")]
                open_ones[number] = (mechanism, [base64.b64decode(one) for one in given])
            elif verb == "CONT":
                number = fields[0]
                open_ones[number][1].append(base64.b64decode(fields[1]))
            else:
                continue
            self.wfile.write(_answer(number, *open_ones[number], server.users).encode())


def _answer(number: str, mechanism: str, said: list[bytes], users: dict[str, str]) -> str:
    wanted = 2 if mechanism == "LOGIN" else 1
    if len(said) < wanted:
        challenge = {"LOGIN": [b"Username:", b"Password:"][len(said)]}.get(mechanism, b"")
        return f"CONT\t{number}\t{base64.b64encode(challenge).decode()}\n"
    for user, secret in users.items():
        right = {
            "PLAIN": [f"\0{user}\0{secret}".encode()],
            "LOGIN": [user.encode(), secret.encode()],
            "XOAUTH2": [f"user={user}\x01auth=Bearer {secret}\x01\x01".encode()],
        }
        if said == right[mechanism]:
            return f"OK\t{number}\tuser={user}\n"
    if mechanism == "XOAUTH2" and len(said) == 1:
        return f"CONT\t{number}\t{base64.b64encode(_NOT_THIS_TOKEN).decode()}\n"
    return f"FAIL\t{number}\n"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    users: dict[str, str]


@contextlib.contextmanager
def sasl_server(users: dict[str, str]) -> Iterator[int]:
    """Run it for these users and their passwords; give the port it answers at."""
    with _Server(("127.0.0.1", 0), _Dialogue) as server:
        server.users = users
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(5)


def sasl_settings(port: int) -> dict[str, str]:
    """Return the lines of main.cf by which Postfix asks there, and takes mail after a login only."""
    return {
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_sasl_type": "dovecot",
        "smtpd_sasl_path": f"inet:127.0.0.1:{port}",
        "smtpd_sasl_security_options": "noanonymous",
        "smtpd_relay_restrictions": "permit_sasl_authenticated, reject",
        "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
    }


def tls_settings(chain: object, key: object) -> dict[str, str]:
    """Return the lines of main.cf by which Postfix offers STARTTLS, and a login inside it only."""
    return {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_cert_file": str(chain),
        "smtpd_tls_key_file": str(key),
        "smtpd_tls_auth_only": "yes",
    }
