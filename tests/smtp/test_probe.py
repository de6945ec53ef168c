"""Looking at a relay step by step, on real servers that are right, or wrong in one way."""

import asyncio
import socket
from datetime import UTC, datetime
from functools import partial

import pytest

from mailer.delivery.login import Auth, TokenSource
from mailer.delivery.probe import probe
from mailer.delivery.session import Encryption, RelaySettings
from mailer.model.findings import Grade
from tests.support.certificates import Certificate
from tests.support.smtp_server import Misbehaviour, Tls

LOGIN = ("mailer", "a secret of ours")


def _settings(server, authority, encryption=Encryption.STARTTLS, password=LOGIN[1], **more):
    values = {"username": LOGIN[0] if server.settings.login else "", "password": password, **more}
    return RelaySettings(
        "main", server.host, server.port, encryption, tls_context=authority.client_context(),
        **values,
    )  # fmt: skip


async def _probed(settings, patience_s=5.0):
    return await probe(settings, datetime.now(UTC), patience_s)


async def test_a_good_relay_passes_every_step_and_gets_no_mail(smtp_server, authority):
    """Name, connection, TLS, certificate, login and extensions, and nothing is handed over."""
    server = smtp_server(tls=Tls.STARTTLS, login=LOGIN, dsn=True)
    found = await _probed(_settings(server, authority))
    assert [] == [one for one in found if one.grade is Grade.WRONG]
    assert ["name", "connection", "TLS", "certificate", "login"] == [
        one.subject for one in found[:5]
    ]
    said = {one.subject: one for one in found}
    assert "localhost, 127.0.0.1" in said["certificate"].text
    assert Grade.ADVICE is said["certificate"].grade  # It ends within a week.
    assert Grade.OK is said["PIPELINING"].grade
    assert Grade.OK is said["DSN"].grade
    assert "10,000,000" in said["SIZE"].text
    assert [] == server.mails
    assert LOGIN[1] not in str(found)


async def test_implicit_tls_passes_too(smtp_server, authority):
    """TLS from the first byte."""
    server = smtp_server(tls=Tls.IMPLICIT)
    found = await _probed(_settings(server, authority, Encryption.IMPLICIT))
    assert [] == [one for one in found if one.grade is Grade.WRONG]
    assert found[2].text.startswith("TLSv1.")


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (Certificate.EXPIRED, "has expired"),
        (Certificate.WRONG_NAME, "is for another host"),
        (Certificate.SELF_SIGNED, "is signed by nobody this machine trusts"),
    ],
)
@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_a_certificate_that_is_not_valid_is_named(
    smtp_server, authority, certificate, words, tls
):
    """The last finding says what is wrong with it, and no login was tried."""
    server = smtp_server(tls=tls, certificate=certificate, login=LOGIN)
    found = await _probed(_settings(server, authority, Encryption(tls.value)))
    assert ("certificate", words, Grade.WRONG) == (
        found[-1].subject, found[-1].text, found[-1].grade,
    )  # fmt: skip
    assert found[-1].remedy
    assert [] == [one for said in server.connections for one in said.commands if "AUTH" in one]


async def test_a_relay_without_starttls_is_not_spoken_to_in_clear(smtp_server, authority):
    """The step fails; the password stays here."""
    server = smtp_server(login=LOGIN)
    found = await _probed(_settings(server, authority))
    assert "does not offer STARTTLS" in found[-1].text
    assert [] == [one for said in server.connections for one in said.commands if "AUTH" in one]


async def test_a_refused_login_says_so_without_the_password(smtp_server, authority):
    """535, with what to do."""
    server = smtp_server(tls=Tls.STARTTLS, login=LOGIN)
    found = await _probed(_settings(server, authority, password="wrong one"))
    assert "login" == found[-1].subject
    assert found[-1].text.startswith("refused: 535")
    assert "wrong one" not in str(found)


@pytest.mark.parametrize(
    ("mechanisms", "changes", "grade", "text"),
    [
        (("PLAIN", "LOGIN"), {"auth": Auth.LOGIN}, Grade.OK, "accepted, by LOGIN"),
        (("XOAUTH2",), {"tokens": ["cat", "token"]}, Grade.OK, "accepted, by XOAUTH2"),
        (("XOAUTH2",), {"tokens": ["echo", "old"]}, Grade.WRONG, "refused: 535"),
        (("XOAUTH2",), {"tokens": ["false"]}, Grade.WRONG, "token_command failed"),
        (("XOAUTH2",), {}, Grade.WRONG, "it offers XOAUTH2, and we would use PLAIN and LOGIN"),
    ],
)
async def test_the_way_of_the_login_is_said(
    smtp_server, authority, tmp_path, mechanisms, changes, grade, text
):
    """Which mechanism the relay took, or what stands in the way, and what to do then."""
    server = smtp_server(tls=Tls.STARTTLS, login=LOGIN, mechanisms=mechanisms)
    (tmp_path / "token").write_text("ya29.token")
    if "tokens" in changes:
        server = smtp_server(
            tls=Tls.STARTTLS, login=(LOGIN[0], "ya29.token"), mechanisms=mechanisms
        )
        changes = {"auth": Auth.XOAUTH2, "tokens": TokenSource(changes["tokens"], tmp_path)}
    found = await _probed(_settings(server, authority, **changes))
    (said,) = [one for one in found if one.subject == "login"]
    assert grade is said.grade
    assert said.text.startswith(text)
    assert bool(said.remedy) is (grade is Grade.WRONG)
    assert "ya29" not in str(found)


async def test_a_relay_that_does_not_want_to_talk_is_quoted(smtp_server, authority):
    """554 instead of a greeting."""
    server = smtp_server(Misbehaviour.REFUSE_AT_CONNECT)
    found = await _probed(_settings(server, authority, Encryption.NONE))
    assert ("greeting", Grade.WRONG) == (found[-1].subject, found[-1].grade)
    assert "554 5.3.2" in found[-1].text


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (Misbehaviour.HANG_AT_CONNECT, "says nothing"),
        (Misbehaviour.CLOSE_AT_CONNECT, "closes the connection"),
    ],
)
async def test_a_silent_or_rude_relay_is_named_in_time(smtp_server, authority, behaviour, words):
    """It takes as long as it may, and no longer."""
    server = smtp_server(behaviour)
    found = await _probed(_settings(server, authority, Encryption.NONE), patience_s=0.5)
    assert words in found[-1].text


async def _answering(reader, writer, answers):
    """Talk as a relay does, by what stands in `answers` for each command."""
    writer.write(answers[""])
    while line := await reader.readline():
        writer.write(answers.get(line.split()[0].decode(), b"250 ok\r\n"))
    writer.close()


_OFFERS = b"250-peer\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n"


@pytest.mark.parametrize(
    ("encryption", "answers", "subject", "words"),
    [
        (Encryption.NONE, {"": b"HTTP/1.1 400 Bad Request\r\n"}, "greeting", "speaks no SMTP"),
        (Encryption.STARTTLS, {"STARTTLS": b"454 4.7.0 not now\r\n"}, "TLS",
         "STARTTLS is refused: 454 4.7.0 not now"),
        (Encryption.STARTTLS, {"STARTTLS": b""}, "TLS", "does not answer in time"),
        (Encryption.NONE, {"AUTH": b""}, "login", "does not answer in time"),
        # Not UTF-8, a command to the terminal, and the enhanced code once.
        (Encryption.NONE, {"AUTH": "535 5.7.8 \x1b[1mнет\r\n".encode("cp1251")}, "login",
         "refused: 535 5.7.8 \ufffd[1m\ufffd\ufffd\ufffd"),
    ],
)  # fmt: skip
async def test_what_a_relay_does_instead_is_said(encryption, answers, subject, words):
    """Silence, a refusal and another protocol are told apart, and can be shown."""
    talk = partial(_answering, answers={"": b"220 peer\r\n", "EHLO": _OFFERS, **answers})
    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        settings = RelaySettings("main", host, port, encryption, username="u", password="geheim")
        found = await _probed(settings, patience_s=0.5)
    assert (subject, Grade.WRONG) == (found[-1].subject, found[-1].grade)
    assert words in found[-1].text
    assert "geheim" not in str(found)


async def test_nobody_listening_and_no_such_name_are_told_apart(smtp_server, authority):
    """A closed port is not a wrong name, and a full backlog is neither."""
    server = smtp_server()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        settings = RelaySettings("main", "127.0.0.1", port, Encryption.NONE)
        found = await _probed(settings)
    assert "nobody listens" in found[-1].text
    settings = RelaySettings("main", "relay.invalid", server.port, Encryption.NONE)
    found = await _probed(settings)
    assert ("name", "relay.invalid has no address") == (found[-1].subject, found[-1].text)


async def test_a_black_hole_is_left_in_time():
    """A server that completes no connection is given up after the patience."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        with socket.socket() as first, socket.socket() as second:
            for one in (first, second):
                one.setblocking(False)
                one.connect_ex(server.getsockname())
            settings = RelaySettings("main", *server.getsockname(), Encryption.NONE)
            found = await _probed(settings, patience_s=0.5)
    assert ("connection", Grade.WRONG) == (found[-1].subject, found[-1].grade)
    assert "in time" in found[-1].text


async def test_a_real_postfix_passes(smtp_server, postfix):
    """Without TLS and login, as a relay on this machine is reached."""
    relay = postfix(smtp_server().port)
    found = await _probed(RelaySettings("main", "127.0.0.1", relay.port, Encryption.NONE))
    assert [] == [one for one in found if one.grade is Grade.WRONG]
    assert {"PIPELINING", "DSN", "SMTPUTF8"} <= {
        one.subject for one in found if one.grade is Grade.OK
    }
