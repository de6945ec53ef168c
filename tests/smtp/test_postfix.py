"""A real Postfix takes our mail and hands it on; an end of data that is not ours stays content."""

import email
import smtplib
from dataclasses import replace
from email.policy import default

import pytest

from mailer.delivery.login import Auth, TokenSource
from mailer.delivery.session import (
    Encryption,
    RelaySettings,
    RelayUnavailable,
    Session,
    Transaction,
)
from mailer.model.mailing import ComposedMail, Envelope
from tests.support.certificates import Certificate
from tests.support.sasl import sasl_server, sasl_settings, tls_settings
from tests.support.smtp_server import Misbehaviour

FROM, TO = "b+x@bounces.example.org", "anna@example.org"
SMUGGLED = b"MAIL FROM:<x@example.com>\r\nRCPT TO:<y@example.com>\r\nDATA\r\nSubject: no\r\n"
#: Everything that some server or other takes for the end of a message (VU#302671).
ENDS = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r")
HEADER = b"From: news@example.org\r\nTo: anna@example.org\r\nSubject: x\r\n"


async def _handed_over(relay, mails):
    """Hand (address, content) over by one session of ours, and return the codes of the replies."""
    session = await Session.open(relay)
    replies = []
    try:
        for address, content in mails:
            mail = ComposedMail.whole(Envelope(FROM, address), content)
            needed = not address.isascii()
            transaction = Transaction(mail, needed, "aTOKEN", lambda: True, lambda: None)
            replies.append((await session.transact(transaction)).reply.code)
    finally:
        await session.close()
    return replies


def _settings(relay, **changes):
    values = {"encryption": Encryption.NONE, **changes}
    return RelaySettings("main", relay.host, relay.port, **values)


def _without_trace(mail):
    """Return a mail that Postfix handed on as it was handed in: what it put before is its own."""
    return mail.content[mail.content.index(b"From: news@") :]


def test_it_relays_what_it_is_given(postfix, smtp_server):
    """The mail comes out at the server behind it, envelope and content."""
    server = smtp_server()
    relay = postfix(server.port)
    with smtplib.SMTP(relay.host, relay.port, "localhost", timeout=10) as client:
        client.ehlo()
        assert {"pipelining", "dsn", "8bitmime", "smtputf8"} <= set(client.esmtp_features)
        client.sendmail(FROM, TO, b"From: a@example.org\r\nSubject: x\r\n\r\nhello\r\n")
    (mail,) = server.wait_for(1, 15)
    assert (mail.mail_from, mail.rcpt_tos) == (FROM, (TO,))
    assert mail.content.endswith(b"\r\n\r\nhello\r\n")


def test_no_second_mail_is_smuggled_in_a_first(postfix, smtp_server):
    """VU#302671: whatever stands for an end of data, Postfix hands on one mail and no other."""
    server = smtp_server()
    relay = postfix(server.port)
    for count, end in enumerate(ENDS, start=1):
        with smtplib.SMTP(relay.host, relay.port, "localhost", timeout=10) as client:
            client.ehlo()
            client.docmd("MAIL", f"FROM:<{FROM}>")
            client.docmd("RCPT", f"TO:<{TO}>")
            client.docmd("DATA")
            client.send(b"Subject: x\r\n\r\nhello" + end + SMUGGLED + b"\r\n.\r\n")
            assert client.getreply()[0] == 250
        server.wait_for(count, 15)
    relay.wait_until_empty()
    assert server.recipients == [TO] * len(ENDS)


def test_it_keeps_what_cannot_go_on_yet(postfix, smtp_server):
    """A mail that is deferred behind it waits in its queue and goes on by itself."""
    server = smtp_server(Misbehaviour.GREYLIST_ONCE)
    relay = postfix(server.port)
    with smtplib.SMTP(relay.host, relay.port, "localhost", timeout=10) as client:
        client.sendmail(FROM, TO, b"Subject: x\r\n\r\nhello\r\n")
    server.wait_for(1, 15)
    relay.wait_until_empty()
    relay.wait_for_log("status=deferred")
    relay.wait_for_log("status=sent")


async def test_what_we_hand_over_arrives_as_one_mail_byte_for_byte(postfix, smtp_server):
    """Lines of dots, and commands behind them, are content: one mail each, and nothing is changed."""
    server = smtp_server()
    relay = postfix(server.port)
    # Message-ID and Date, so that Postfix adds none of its own.
    header = (
        HEADER + b"Date: Thu, 26 Nov 2026 07:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n"
    )
    contents = [
        header + b"one\r\n.\r\n" + SMUGGLED + b"\r\n.\r\nQUIT\r\n",
        header + b".\r\n..\r\n...\r\n.x\r\n",
        header + b"x" * 997 + b"\r\n." + b"y" * 900 + b"\r\n",
        header + b"no text but this and two empty lines\r\n\r\n\r\n",
    ]
    codes = await _handed_over(_settings(relay), [(TO, content) for content in contents])
    assert [250] * len(contents) == codes
    # The dialogue ended where we ended it, and Postfix read no command out of a content.
    received = server.wait_for(len(contents), 15)
    relay.wait_until_empty()
    # Postfix hands on in an order of its own.
    assert sorted(contents) == sorted(_without_trace(mail) for mail in received)
    assert [TO] * len(contents) == server.recipients
    assert len(contents) == len(server.mails)


async def test_what_could_be_read_otherwise_never_leaves(postfix, smtp_server):
    """A bare CR, a bare LF and NUL are refused before the first command; Postfix hears nothing."""
    server = smtp_server()
    relay = postfix(server.port)
    for spoiled in (*ENDS, b"\0", b"a\rb", b"a\nb"):
        with pytest.raises(ValueError, match="the content holds a"):
            await _handed_over(_settings(relay), [(TO, HEADER + b"\r\nx" + spoiled + b"y\r\n")])
    relay.wait_until_empty()
    assert "client=" not in relay.log
    assert [] == server.mails


async def test_a_bounce_names_the_delivery_and_shows_no_text(postfix, smtp_server):
    """RFC 3461: ENVID and ORCPT come back, also of an address that is not ASCII; RET=HDRS holds."""

    def behave(recipient):
        is_bounce = recipient.startswith("b+")
        return Misbehaviour.ACCEPT if is_bounce else Misbehaviour.REFUSE_RCPT

    server = smtp_server(behave)
    relay = postfix(server.port)
    people = {TO: "rfc822;anna@example.org", "анна+а=б@example.org": "utf-8;анна+а=б@example.org"}
    for address, original in people.items():
        content = HEADER + b"\r\nthe words of the statement\r\n"
        assert [250] == await _handed_over(_settings(relay), [(address, content)])
        bounce = server.wait_for(len(server.mails) + 1, 15)[-1]
        assert ("<>", (FROM,)) == (bounce.mail_from, bounce.rcpt_tos)
        text = bounce.content.decode()
        assert "Original-Envelope-Id: aTOKEN\r\n" in text
        assert f"Original-Recipient: {original}\r\n" in text
        assert "the words of the statement" not in text
        parts = email.message_from_string(text, policy=default).walk()
        assert "multipart/report" == next(parts).get_content_type()


LONG_TOKEN = "ya29." + "a0AfH6SMC" * 300


@pytest.fixture
def submission(postfix, smtp_server, authority):
    """A Postfix that takes mail inside TLS and after a login only; the settings that reach it."""
    server = smtp_server()
    files = tls_settings(*authority.server_files(Certificate.GOOD))
    with sasl_server({"harbor": "correct-horse", "token": LONG_TOKEN}) as port:
        relay = postfix(server.port, **sasl_settings(port), **files)
        trusted = authority.client_context()
        yield _settings(relay, encryption=Encryption.STARTTLS, tls_context=trusted), relay


async def test_every_login_works(submission, tmp_path):
    """PLAIN, LOGIN and XOAUTH2 with a token too long for one command, inside TLS."""
    settings, relay = submission
    (tmp_path / "token").write_text(LONG_TOKEN)
    tokens = TokenSource(["cat", "token"], tmp_path)
    for changes, method in (
        ({"username": "harbor", "password": "correct-horse"}, "PLAIN"),
        ({"username": "harbor", "password": "correct-horse", "auth": Auth.LOGIN}, "LOGIN"),
        ({"username": "token", "auth": Auth.XOAUTH2, "tokens": tokens}, "XOAUTH2"),
    ):
        wanted = replace(settings, **changes)
        assert [250] == await _handed_over(wanted, [(TO, HEADER + b"\r\nhello\r\n")])
        relay.wait_for_log(f"sasl_method={method}, sasl_username={changes['username']}")
    relay.wait_until_empty()


async def test_a_wrong_login_is_refused_and_says_so(submission, tmp_path):
    """By password and by token: once, and without what was given."""
    settings, relay = submission
    (tmp_path / "token").write_text("ya29.wrong")
    tokens = TokenSource(["cat", "token"], tmp_path)
    for changes in (
        {"password": "wrong-horse"}, {"auth": Auth.XOAUTH2, "tokens": tokens},
    ):  # fmt: skip
        with pytest.raises(RelayUnavailable) as failed:
            await Session.open(replace(settings, username="harbor", **changes))
        assert (535, True) == (failed.value.code, failed.value.is_authentication_lost)
        assert "wrong" not in str(failed.value)
    relay.wait_for_log("authentication failed", count=2)
