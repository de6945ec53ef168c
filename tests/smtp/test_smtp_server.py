"""The tests' own SMTP server does what its misbehaviours say, and records what it saw."""

import smtplib
import socket
import ssl
import time

import pytest

from tests.support.certificates import Certificate
from tests.support.smtp_server import Misbehaviour, Tls

CONTENT = b"Subject: x\r\n\r\nhello\r\n"
FROM, TO = "b+x@bounces.example.org", "anna@example.org"


def _client(server, **options):
    return smtplib.SMTP(server.host, server.port, local_hostname="localhost", timeout=5, **options)


def test_it_takes_a_mail_and_records_what_was_said(smtp_server):
    """Envelope, parameters, content and every command are there to be compared."""
    server = smtp_server(dsn=True)
    with _client(server) as client:
        client.sendmail(FROM, TO, b"Subject: x\r\n\r\n.dot\r\n", ["ENVID=aB"], ["NOTIFY=FAILURE"])
    (mail,) = server.mails
    assert (mail.mail_from, mail.rcpt_tos, mail.connection, mail.encrypted) == (FROM, (TO,), 0, False)  # fmt: skip
    assert mail.content == b"Subject: x\r\n\r\n.dot\r\n"
    assert mail.mail_parameters == ("size=20", "ENVID=aB")
    assert mail.rcpt_parameters == ("NOTIFY=FAILURE",)
    assert [command.split()[0] for command in server.commands] == [
        "EHLO", "MAIL", "RCPT", "DATA", "QUIT",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("behaviour", "code", "enhanced"),
    [
        (Misbehaviour.REFUSE_CONTENT, 554, b"5.7.1"),
        (Misbehaviour.DEFER_CONTENT, 452, b"4.3.1"),
    ],
)
def test_it_answers_the_content_as_told(smtp_server, behaviour, code, enhanced):
    """The reply to the end of DATA carries the code of the behaviour; nothing is kept."""
    server = smtp_server(behaviour)
    with _client(server) as client, pytest.raises(smtplib.SMTPDataError) as caught:
        client.sendmail(FROM, TO, CONTENT)
    assert caught.value.smtp_code == code
    assert caught.value.smtp_error.startswith(enhanced)
    assert server.mails == []


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [(Misbehaviour.REFUSE_RCPT, 550), (Misbehaviour.DEFER_ALWAYS, 451)],
)
def test_it_answers_the_recipient_as_told(smtp_server, behaviour, code):
    """The reply to RCPT carries the code of the behaviour."""
    server = smtp_server(behaviour)
    with _client(server) as client, pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        client.sendmail(FROM, TO, CONTENT)
    assert caught.value.recipients[TO][0] == code


def test_it_greylists_an_envelope_once(smtp_server):
    """The second try of the same envelope is taken."""
    server = smtp_server(Misbehaviour.GREYLIST_ONCE)
    with _client(server) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail(FROM, TO, CONTENT)
        client.sendmail(FROM, TO, CONTENT)
    assert server.recipients == [TO]


@pytest.mark.parametrize(
    ("behaviour", "kept"),
    [
        (Misbehaviour.DROP_AFTER_DATA, 0),
        (Misbehaviour.ACCEPT_THEN_DROP, 1),
        (Misbehaviour.DROP_IN_CONTENT, 0),
    ],
)
def test_it_drops_the_connection_where_told(smtp_server, behaviour, kept):
    """The client gets no reply; whether the mail was kept is the behaviour's affair."""
    server = smtp_server(behaviour)
    client = _client(server)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        client.sendmail(FROM, TO, CONTENT)
    client.close()
    assert len(server.mails) == kept


@pytest.mark.parametrize(
    "behaviour", [Misbehaviour.CLOSE_AT_CONNECT, Misbehaviour.REFUSE_AT_CONNECT]
)
def test_it_gives_no_service_where_told(smtp_server, behaviour):
    """There is no greeting to go on from."""
    server = smtp_server(behaviour)
    with pytest.raises((smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError, ConnectionError)):
        _client(server)


def test_it_never_greets_where_told(smtp_server):
    """The connection stands and nothing comes."""
    server = smtp_server(Misbehaviour.HANG_AT_CONNECT)
    with (
        socket.create_connection((server.host, server.port), timeout=0.2) as connection,
        pytest.raises(TimeoutError),
    ):
        connection.recv(1)


def test_it_says_421_midway(smtp_server):
    """One mail is taken, the next MAIL is answered 421 and the connection closes."""
    server = smtp_server(Misbehaviour.SAY_421_MIDWAY)
    with _client(server) as client:
        client.sendmail(FROM, TO, CONTENT)
        with pytest.raises(smtplib.SMTPSenderRefused) as caught:
            client.sendmail(FROM, TO, CONTENT)
    assert caught.value.smtp_code == 421
    assert len(server.mails) == 1


def test_it_says_421_when_idle(smtp_server):
    """The mail is taken, then 421 comes unasked."""
    server = smtp_server(Misbehaviour.SAY_421_WHEN_IDLE)
    client = _client(server)
    client.sendmail(FROM, TO, CONTENT)
    assert client.getreply()[0] == 421
    client.close()


def test_it_replies_late_where_told(smtp_server):
    """The reply to the content takes as long as asked for."""
    server = smtp_server(Misbehaviour.SLOW_REPLY, slow_s=0.2)
    began = time.monotonic()
    with _client(server) as client:
        client.sendmail(FROM, TO, CONTENT)
    assert time.monotonic() - began >= 0.2


def test_the_recipient_may_choose_the_behaviour(smtp_server):
    """One server can refuse some and take others."""
    server = smtp_server(
        lambda to: Misbehaviour.REFUSE_RCPT if to.startswith("unknown") else Misbehaviour.ACCEPT
    )
    with _client(server) as client:
        assert set(client.sendmail(FROM, [TO, "unknown@example.org"], CONTENT)) == {
            "unknown@example.org"
        }
    assert server.recipients == [TO]


def test_it_offers_what_it_is_told_to(smtp_server):
    """Each extension can be left out, and what is not offered is not taken."""
    offered = smtp_server(dsn=True)
    bare = smtp_server(pipelining=False, smtputf8=False, eightbitmime=False, size=None)
    with _client(offered) as client:
        client.ehlo()
        assert set(client.esmtp_features) >= {"pipelining", "smtputf8", "8bitmime", "dsn", "size"}
    with _client(bare) as client:
        client.ehlo()
        assert set(client.esmtp_features) == {"enhancedstatuscodes"}
        assert client.docmd("MAIL", "FROM:<a@example.org> BODY=8BITMIME")[0] == 555
        assert client.docmd("MAIL", "FROM:<a@example.org> SMTPUTF8")[0] == 501


def test_pipelined_commands_are_answered_in_order(smtp_server):
    """RFC 2920: a whole transaction in one write, the next MAIL behind the content."""
    server = smtp_server()
    with _client(server) as client:
        client.ehlo()
        client.send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        assert [client.getreply()[0] for _ in range(3)] == [250, 250, 354]
        client.send(CONTENT + b".\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<c@example.org>\r\n")
        assert [client.getreply()[0] for _ in range(3)] == [250, 250, 250]
        client.rset()
    assert server.recipients == ["b@example.org"]


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
def test_it_speaks_tls(smtp_server, authority, tls):
    """A client that trusts the authority gets through, and the mail is marked encrypted."""
    server = smtp_server(tls=tls)
    context = authority.client_context()
    if tls is Tls.IMPLICIT:
        client = smtplib.SMTP_SSL(server.host, server.port, timeout=5, context=context)
    else:
        client = _client(server)
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail(FROM, TO, CONTENT)
        client.starttls(context=context)
    with client:
        client.sendmail(FROM, TO, CONTENT)
    assert server.mails[0].encrypted is True


@pytest.mark.parametrize(
    "certificate", [Certificate.WRONG_NAME, Certificate.EXPIRED, Certificate.SELF_SIGNED]
)
@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
def test_a_bad_certificate_is_refused_by_a_client_that_looks(
    smtp_server, authority, certificate, tls
):
    """Wrong name, expired, vouched for by nobody: verification fails."""
    server = smtp_server(tls=tls, certificate=certificate)
    context = authority.client_context()
    if tls is Tls.IMPLICIT:
        with pytest.raises(ssl.SSLCertVerificationError):
            smtplib.SMTP_SSL(server.host, server.port, timeout=5, context=context)
        return
    client = _client(server)
    with pytest.raises(ssl.SSLCertVerificationError):
        client.starttls(context=context)
    client.close()


def test_it_wants_a_login(smtp_server, authority):
    """Nothing is taken before, and the wrong password is refused."""
    server = smtp_server(tls=Tls.STARTTLS, login=("user", "sesame"))
    with _client(server) as client:
        client.starttls(context=authority.client_context())
        with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
            client.login("user", "wrong")
        assert caught.value.smtp_code == 535
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail(FROM, TO, CONTENT)
        client.login("user", "sesame")
        client.sendmail(FROM, TO, CONTENT)
    assert server.recipients == [TO]
