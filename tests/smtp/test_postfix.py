"""A real Postfix takes our mail and hands it on; an end of data that is not ours stays content."""

import smtplib

from tests.support.smtp_server import Misbehaviour

FROM, TO = "b+x@bounces.example.org", "anna@example.org"


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
    smuggled = b"MAIL FROM:<x@example.com>\r\nRCPT TO:<y@example.com>\r\nDATA\r\nSubject: no\r\n"
    ends = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r")
    for count, end in enumerate(ends, start=1):
        with smtplib.SMTP(relay.host, relay.port, "localhost", timeout=10) as client:
            client.ehlo()
            client.docmd("MAIL", f"FROM:<{FROM}>")
            client.docmd("RCPT", f"TO:<{TO}>")
            client.docmd("DATA")
            client.send(b"Subject: x\r\n\r\nhello" + end + smuggled + b"\r\n.\r\n")
            assert client.getreply()[0] == 250
        server.wait_for(count, 15)
    relay.wait_until_empty()
    assert server.recipients == [TO] * len(ends)


def test_it_keeps_what_cannot_go_on_yet(postfix, smtp_server):
    """A mail that is deferred behind it waits in its queue and goes on by itself."""
    server = smtp_server(Misbehaviour.GREYLIST_ONCE)
    relay = postfix(server.port)
    with smtplib.SMTP(relay.host, relay.port, "localhost", timeout=10) as client:
        client.sendmail(FROM, TO, b"Subject: x\r\n\r\nhello\r\n")
    server.wait_for(1, 15)
    relay.wait_until_empty()
    assert "status=deferred" in relay.log
    assert "status=sent" in relay.log
