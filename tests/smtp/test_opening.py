"""Opening a connection to a relay: TLS or nothing, the login, and a peer that is not there."""

import asyncio
import base64
import itertools
import socket
import ssl
import stat

import pytest

from mailer.config.relay import RelaySection
from mailer.delivery.connecting import forget_trust, is_this_machine, open_socket, system_trust
from mailer.delivery.login import Auth, LoginFailed, TokenSource
from mailer.delivery.session import (
    Encryption,
    InDoubt,
    RelaySettings,
    RelayUnavailable,
    Session,
    Timeouts,
    Transaction,
)
from mailer.delivery.wire import ConnectionLost
from mailer.model.mailing import ComposedMail, Envelope
from tests.support.certificates import Authority, Certificate
from tests.support.scripted_relay import HANG, VANISH, ScriptedRelay
from tests.support.smtp_server import Tls

USER, SECRET = "harbor", "correct-horse-battery"
TOKEN = "ya29.a0AfH6SMC-example_token"
PLAIN = base64.b64encode(f"\0{USER}\0{SECRET}".encode()).decode()
BEARER = base64.b64encode(f"user={USER}\x01auth=Bearer {TOKEN}\x01\x01".encode()).decode()
REFUSED = b"535 5.7.8 no\r\n"


@pytest.fixture(autouse=True)
def _trust_of_its_own():
    """No test believes the authorities of another."""
    forget_trust()
    yield
    forget_trust()


def _settings(port, **changes):
    values = {"key": "main", "host": "127.0.0.1", "port": port, "encryption": Encryption.NONE,
              "timeouts": Timeouts(5, 5, 5, 5, 5)}  # fmt: skip
    return RelaySettings(**{**values, **changes})


def _login(relay, **changes):
    return _settings(relay.port, **{"username": USER, "password": SECRET, **changes})


async def _opened(settings):
    session = await Session.open(settings)
    await session.close()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("mail.example.org", "mail.example.org"), ("mail.example.org.", "mail.example.org"),
        ("почта.example.org", "xn--80a1acny.example.org"), ("localhost", "localhost"),
        ("192.0.2.1", "[192.0.2.1]"), ("[192.0.2.1]", "[192.0.2.1]"),
        ("2001:DB8:0:0::1", "[IPv6:2001:db8::1]"), ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
    ],
)  # fmt: skip
async def test_a_relay_is_greeted_with_a_name_or_an_address_in_brackets(written, said):
    """RFC 5321 §4.1.3: whatever way a person writes it, relays are told what they understand."""
    section = RelaySection(key="main", host="127.0.0.1", tls="none", ehlo=written)
    async with ScriptedRelay() as relay:
        await _opened(_settings(relay.port, ehlo=section.ehlo))
    assert [f"EHLO {said}", "QUIT"] == relay.lines


async def _refusal(settings):
    with pytest.raises(RelayUnavailable) as failed:
        await _opened(settings)
    return failed.value


def _transaction(content=b"Subject: x\r\n\r\nhello\r\n", marks=None):
    mail = ComposedMail.whole(Envelope("b+abc@bounces.example.org", "anna@example.org"), content)
    marked = [] if marks is None else marks
    return Transaction(mail, False, "", lambda: True, lambda: marked.append("mark"))


async def _handed_over(settings, transaction):
    session = await Session.open(settings)
    return await session.transact(transaction)


# The login.


@pytest.mark.parametrize(
    ("offered", "auth", "said"),
    [
        ("CRAM-MD5 LOGIN PLAIN", Auth.AUTO, [f"AUTH PLAIN {PLAIN}"]),
        ("LOGIN", Auth.AUTO, None),
        ("PLAIN LOGIN", Auth.LOGIN, None),
        ("LOGIN PLAIN", Auth.PLAIN, [f"AUTH PLAIN {PLAIN}"]),
    ],
)
async def test_the_mechanism_is_chosen_and_not_guessed(offered, auth, said):
    """PLAIN before LOGIN, or the one that is configured; the list of the relay has no say."""
    named = [base64.b64encode(one.encode()).decode() for one in (USER, SECRET)]
    said = said or ["AUTH LOGIN", *named]
    steps = [b"334 \r\n"] * (len(said) - 1) + [b"235 2.7.0 ok\r\n"]
    async with ScriptedRelay(EHLO=[f"AUTH {offered}"], AUTH=steps) as relay:
        await _opened(_login(relay, auth=auth))
    assert ["EHLO localhost", *said, "EHLO localhost", "QUIT"] == relay.lines


@pytest.mark.parametrize(
    ("extensions", "auth", "reason"),
    [
        (["AUTH CRAM-MD5"], Auth.AUTO, "it offers CRAM-MD5, and we would use PLAIN and LOGIN"),
        (["AUTH PLAIN"], Auth.XOAUTH2, "it offers PLAIN, and we would use XOAUTH2"),
        ([], Auth.AUTO, "it offers no login, and we would use PLAIN and LOGIN"),
    ],
)
async def test_a_relay_without_a_mechanism_of_ours_is_given_nothing(extensions, auth, reason):
    """Neither CRAM-MD5 by accident nor another than was asked for; staff are told."""
    async with ScriptedRelay(EHLO=extensions) as relay:
        failed = await _refusal(_login(relay, auth=auth))
    assert ("login", reason, True) == (failed.step, failed.reason, failed.is_authentication_lost)
    assert ["EHLO localhost"] == relay.lines


async def test_a_mechanism_that_is_not_done_after_all_leaves_another():
    """504, and the next one is tried."""
    steps = [b"504 5.5.4 no such\r\n", b"334 \r\n", b"334 \r\n", b"235 ok\r\n"]
    async with ScriptedRelay(EHLO=["AUTH PLAIN LOGIN"], AUTH=steps) as relay:
        await _opened(_login(relay))
    assert "AUTH LOGIN" in relay.lines


async def test_a_wrong_password_is_tried_once():
    """Three refusals lock an account at some providers."""
    async with ScriptedRelay(EHLO=["AUTH PLAIN LOGIN"], AUTH=[REFUSED]) as relay:
        failed = await _refusal(_login(relay))
    assert (535, True) == (failed.code, failed.is_authentication_lost)
    assert [f"AUTH PLAIN {PLAIN}"] == [one for one in relay.lines if one.startswith("AUTH")]


async def test_a_relay_that_cannot_look_now_is_no_lost_login():
    """454: it mends itself, and no alert is raised."""
    async with ScriptedRelay(EHLO=["AUTH PLAIN"], AUTH=[b"454 4.7.0 later\r\n"]) as relay:
        failed = await _refusal(_login(relay))
    assert (454, False) == (failed.code, failed.is_authentication_lost)


async def test_a_relay_that_asks_for_ever_is_told_to_stop():
    """A star ends the dialogue; the password is not said to one challenge after another."""
    steps = [b"334 \r\n", b"334 \r\n", b"501 5.7.0 given up\r\n"]
    async with ScriptedRelay(EHLO=["AUTH PLAIN"], AUTH=steps) as relay:
        failed = await _refusal(_login(relay))
    assert 501 == failed.code
    assert ["*", "*"] == relay.lines[-2:]


@pytest.mark.parametrize("said", [SECRET, PLAIN])
async def test_a_relay_that_repeats_a_secret_is_not_quoted(said):
    """Some say what they did not understand; that reply is stored, logged and mailed to staff."""
    reply = f"500 5.5.1 Command unrecognized: {said}\r\n".encode()
    async with ScriptedRelay(EHLO=["AUTH PLAIN"], AUTH=[reply]) as relay:
        failed = await _refusal(_login(relay))
    assert "500 5.5.1 Command unrecognized: [secret]" == failed.reason
    for shown in (failed, failed.__cause__, failed.__context__, _login(relay)):
        assert SECRET not in f"{shown!r} {shown}"
        assert PLAIN not in f"{shown!r} {shown}"


# The token.


def _program(folder, text):
    path = folder / "relay-token"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return TokenSource([str(path)], folder)


def _asked(folder):
    """How often the program was asked."""
    counted = folder / "asked"
    return len(counted.read_text()) if counted.exists() else 0


def _xoauth2(relay, tokens):
    return _login(relay, password="", auth=Auth.XOAUTH2, tokens=tokens)


async def test_a_token_is_asked_for_once_and_kept(tmp_path):
    """Ten connections that open together ask the program once, in the workspace's folder."""
    tokens = _program(tmp_path, f"printf x >> asked\necho {TOKEN}")
    async with ScriptedRelay(EHLO=["AUTH PLAIN XOAUTH2"]) as relay:
        await asyncio.gather(*(_opened(_xoauth2(relay, tokens)) for _ in range(10)))
    assert 1 == _asked(tmp_path)
    assert 10 == relay.lines.count(f"AUTH XOAUTH2 {BEARER}")


async def test_a_token_that_became_too_old_is_asked_for_anew(tmp_path):
    """The refusal of a kept one is no lost login; the next connection has a new one."""
    tokens = _program(tmp_path, f"printf x >> asked\necho {TOKEN}$(wc -c < asked)")
    error = base64.b64encode(b'{"status":"400"}').decode()
    steps = [b"235 ok\r\n", f"334 {error}\r\n".encode(), REFUSED, b"235 ok\r\n"]
    async with ScriptedRelay(EHLO=["AUTH XOAUTH2"], AUTH=steps) as relay:
        await _opened(_xoauth2(relay, tokens))
        failed = await _refusal(_xoauth2(relay, tokens))
        await _opened(_xoauth2(relay, tokens))
    assert (535, False) == (failed.code, failed.is_authentication_lost)
    assert 2 == _asked(tmp_path)
    # To the challenge that tells of the error the answer is empty.
    assert "" in relay.lines


async def test_a_new_token_that_is_refused_is_a_lost_login(tmp_path):
    """Staff are told, and the token is not kept."""
    tokens = _program(tmp_path, f"printf x >> asked\necho {TOKEN}")
    async with ScriptedRelay(EHLO=["AUTH XOAUTH2"], AUTH=REFUSED) as relay:
        for _ in range(2):
            failed = await _refusal(_xoauth2(relay, tokens))
            assert failed.is_authentication_lost
            assert TOKEN not in str(failed)
    assert 2 == _asked(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("exit 3", "token_command failed: it ended with status 3"),
        ("echo a secret of ours", "token_command printed something else than one token"),
        ("true", "token_command printed something else than one token"),
        (f"echo {TOKEN}; echo {TOKEN}", "token_command printed something else than one token"),
    ],
)
async def test_a_program_without_a_token_is_a_lost_login(tmp_path, text, reason):
    """Said with its status, and without what it printed; the relay hears nothing of it."""
    async with ScriptedRelay(EHLO=["AUTH XOAUTH2"]) as relay:
        failed = await _refusal(_xoauth2(relay, _program(tmp_path, text)))
    assert ("login", reason, True) == (failed.step, failed.reason, failed.is_authentication_lost)
    assert ["EHLO localhost"] == relay.lines


async def test_a_program_that_is_not_there_or_does_not_end_is_left(tmp_path, monkeypatch):
    """It is ended with all it has started, and holds up one connection only so long."""
    monkeypatch.setattr("mailer.delivery.login.TOKEN_COMMAND_S", 0.2)
    for tokens, reason in (
        (TokenSource(["/nowhere/relay-token"], tmp_path),
         "token_command failed: it could not be started: No such file or directory"),
        (_program(tmp_path, "sleep 60 & wait"), "token_command failed: it took longer than 0.2 s"),
    ):  # fmt: skip
        with pytest.raises(LoginFailed) as failed:
            await tokens.token()
        assert reason == failed.value.reason


# Encryption.


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (Certificate.EXPIRED, "the certificate has expired"),
        (Certificate.WRONG_NAME, "the certificate is for another host"),
        (Certificate.SELF_SIGNED, "the certificate is signed by nobody this machine trusts"),
    ],
)
@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_a_certificate_that_is_not_valid_is_refused(
    smtp_server, authority, tls, certificate, reason
):
    """It is said which way, and the password stays here."""
    server = smtp_server(tls=tls, certificate=certificate, login=(USER, SECRET))
    failed = await _refusal(
        _login(server, encryption=Encryption(tls.value), tls_context=authority.client_context())
    )
    assert ("TLS", reason, False) == (failed.step, failed.reason, failed.is_authentication_lost)
    assert [] == [one for one in server.commands if not one.startswith(("EHLO", "STARTTLS"))]


async def test_an_authority_nobody_here_knows_is_refused(smtp_server):
    """With nothing configured, the system's authorities are believed and no others."""
    server = smtp_server(tls=Tls.IMPLICIT)
    failed = await _refusal(_settings(server.port, encryption=Encryption.IMPLICIT))
    assert failed.reason in {
        "the certificate comes from an authority this machine does not know",
        "the certificate is signed by nobody this machine trusts",
    }


async def test_a_relay_that_speaks_only_old_tls_is_refused(authority, monkeypatch):
    """Nothing before TLS 1.2 (RFC 8997), whatever the system's own settings say."""
    assert ssl.TLSVersion.TLSv1_2 == (await system_trust()).minimum_version
    forget_trust()
    context = authority.server_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with ScriptedRelay(context, EHLO=["STARTTLS"]) as relay:
        failed = await _refusal(_settings(relay.port, encryption=Encryption.STARTTLS))
    assert "TLS" == failed.step
    assert "certificate" not in failed.reason
    assert ["EHLO localhost", "STARTTLS"] == relay.lines


@pytest.mark.parametrize(
    "answers",
    [
        # Someone on the way takes the offer out, or answers the command for the relay.
        {"EHLO": ["AUTH PLAIN", "SIZE 1000"]},
        {"EHLO": ["STARTTLS", "AUTH PLAIN"], "STARTTLS": b"454 4.7.0 TLS not available\r\n"},
        {"EHLO": ["STARTTLS", "AUTH PLAIN"], "STARTTLS": b"250 2.0.0 ok\r\n"},
        # Goes on in clear after it said that it would not.
        {"EHLO": ["STARTTLS", "AUTH PLAIN"], "STARTTLS": b"220 go\r\n250 AUTH PLAIN\r\n"},
        # No EHLO at all.
        {"EHLO": b"502 5.5.1 no\r\n", "AUTH": b"250 hello\r\n"},
    ],
)
async def test_nobody_on_the_way_can_take_encryption_out(answers):
    """Neither login nor mail is said in clear, whatever is answered."""
    async with ScriptedRelay(**answers) as relay:
        failed = await _refusal(
            _login(relay, encryption=Encryption.STARTTLS, timeouts=Timeouts(1, 1, 1, 1, 1))
        )
    assert failed.step in {"TLS", "EHLO"}
    assert [] == [one for one in relay.lines if not one.startswith(("EHLO", "HELO", "STARTTLS"))]


async def test_what_comes_with_the_reply_to_starttls_is_not_believed(authority):
    """Extensions put behind it in clear are forgotten; what is said inside TLS counts."""
    smuggled = b"220 go\r\n250-relay\r\n250-AUTH PLAIN\r\n250-SIZE 1\r\n250 DSN\r\n"
    context = authority.server_context()
    async with ScriptedRelay(context, EHLO=["STARTTLS", "SIZE 99"], STARTTLS=smuggled) as relay:
        session = await Session.open(
            _settings(
                relay.port, encryption=Encryption.STARTTLS, tls_context=authority.client_context()
            )
        )
        assert not session.offers("dsn")
        assert (await session.transact(_transaction())).reply.code == 250
        await session.close()
    assert ["EHLO localhost", "MAIL FROM:<b+abc@bounces.example.org> SIZE=21"] == (
        relay.encrypted_lines[:2]
    )


async def test_another_machine_is_never_spoken_to_in_clear(monkeypatch):
    """Whatever its name is: a host's address counts, and the socket is closed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        # Nothing is sent: this only says where datagrams would go.
        elsewhere.connect(("192.0.2.1", 25))
        assert not is_this_machine(elsewhere)
    monkeypatch.setattr("mailer.delivery.session.is_this_machine", lambda _connection: False)
    async with ScriptedRelay(EHLO=["AUTH PLAIN"]) as relay:
        failed = await _refusal(_login(relay))
    assert "TLS" == failed.step
    assert "not encrypted" in failed.reason
    assert [] == relay.lines


async def test_a_system_that_learned_of_an_authority_is_asked_again(
    smtp_server, authority, tmp_path, monkeypatch
):
    """A person adds the relay's authority, and the sender goes on by itself."""
    other = tmp_path / "other"
    other.mkdir()
    server = smtp_server(tls=Tls.IMPLICIT)
    settings = _settings(server.port, encryption=Encryption.IMPLICIT)
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(other).file))
    monkeypatch.setenv("SSL_CERT_DIR", str(other))
    assert "certificate" in (await _refusal(settings)).reason
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    await _opened(settings)


# Time limits.

STAGES = {
    "greeting": ({"greeting": HANG}, "command_s", RelayUnavailable),
    "EHLO": ({"EHLO": HANG}, "command_s", RelayUnavailable),
    "STARTTLS": ({"EHLO": ["STARTTLS"], "STARTTLS": HANG}, "command_s", RelayUnavailable),
    # It says that TLS may begin, and then nothing.
    "handshake": ({"EHLO": ["STARTTLS"]}, "command_s", RelayUnavailable),
    "AUTH": ({"EHLO": ["AUTH PLAIN"], "AUTH": HANG}, "command_s", RelayUnavailable),
    "MAIL": ({"MAIL": HANG}, "command_s", ConnectionLost),
    "RCPT": ({"RCPT": HANG}, "command_s", ConnectionLost),
    "DATA": ({"DATA": HANG}, "data_s", ConnectionLost),
    "block": ({".": HANG, "takes": HANG}, "block_s", ConnectionLost),
    "end": ({".": HANG}, "end_s", InDoubt),
}


@pytest.mark.parametrize(
    ("stage", "pipelining"),
    [*itertools.product(STAGES, [False]), *itertools.product(["MAIL", "RCPT", "DATA"], [True])],
)
async def test_a_relay_that_says_nothing_is_left_in_time(stage, pipelining):
    """At each stage by its own time limit (RFC 5321 §4.5.3.2); in doubt only after the end of DATA."""
    answers, limit, ends = STAGES[stage]
    if pipelining:
        answers = {**answers, "EHLO": ["PIPELINING"]}
    content = b"x" * 70 + b"\r\n"
    content = content * 120_000 if stage == "block" else content
    marks = []
    async with ScriptedRelay(**answers) as relay:
        settings = _settings(
            relay.port,
            encryption=Encryption.STARTTLS if answers.get("EHLO") == ["STARTTLS"]
            else Encryption.NONE,
            username=USER if stage == "AUTH" else "",
            timeouts=Timeouts(**{"connect_s": 30, "command_s": 30, "data_s": 30, "block_s": 30,
                                 "end_s": 30, limit: 0.3}),
        )  # fmt: skip
        with pytest.raises(ends):
            await asyncio.wait_for(_handed_over(settings, _transaction(content, marks)), 10)
    assert marks == (["mark"] if stage == "end" else [])


@pytest.mark.parametrize(
    ("answers", "ends"), [({"MAIL": VANISH}, ConnectionLost), ({".": VANISH}, InDoubt)]
)
async def test_a_relay_that_is_gone_without_a_word_is_noticed(answers, ends):
    """Its machine acknowledges nothing: that is known long before the ten minutes are over."""
    async with ScriptedRelay(**answers) as relay:
        settings = _settings(relay.port, timeouts=Timeouts(silence_s=1.5))
        with pytest.raises(ends):
            await asyncio.wait_for(_handed_over(settings, _transaction()), 10)


async def test_all_addresses_of_a_host_are_tried(monkeypatch):
    """One that swallows packets takes its share of the time, one that refuses none of it."""
    with socket.socket() as hole, socket.socket() as first, socket.socket() as second:
        # A full queue of connections completes no more of them.
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(hole.getsockname())
        async with ScriptedRelay() as relay:
            ports = [hole.getsockname()[1], 1, relay.port]
            found = [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports
            ]

            loop = asyncio.get_running_loop()
            ask = loop.getaddrinfo

            async def resolved(host, *args, **options):
                # Some loops ask for addresses, too.
                return found if host == "relay.example.net" else await ask(host, *args, **options)

            monkeypatch.setattr(loop, "getaddrinfo", resolved)
            connection = await open_socket("relay.example.net", 25, connect_s=1.5, silence_s=60)
            with connection:
                assert relay.port == connection.getpeername()[1]
            found.pop()
            with pytest.raises(ConnectionRefusedError):
                await open_socket("relay.example.net", 25, connect_s=0.4, silence_s=60)
