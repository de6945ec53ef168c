"""Vacation notices, read receipts, opt-outs and people's mail are told apart."""

import pytest

from mailer.feedback.reading.reader import read
from mailer.model.feedback import FeedbackClass

ANNA = "anna@example.org"


def _class(head, body="I am away.\n"):
    found = read(f"From: Anna <{ANNA}>\nTo: b@example.org\n{head}\n{body}".encode())
    assert [ANNA] == [one.recipient for one in found.findings]
    assert "" == found.findings[0].diagnostic
    return found.findings[0].kind


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: auto-replied\nSubject: hello\n",
        "Auto-Submitted: auto-generated (vacation)\n",
        "Precedence: auto_reply\n",
        "X-Autoreply: yes\n",
        "X-Autorespond: vacation\n",
        "Subject: Automatic reply: Her rights\n",
        "Subject: Re: Out of Office\n",
        "Subject: Автоответ: Её права\n",
        "Subject: =?utf-8?b?0JDQstGC0L7QvtGC0LLQtdGC?=\n",
        "Subject: Răspuns automat: x\n",
        "Subject: Abwesenheitsnotiz\n",
        "Subject: Réponse automatique : x\n",
        "Subject: پاسخ خودکار\n",
        "Subject: Автоматична відповідь: x\n",
        "Subject: Read: Her rights\n",
        "Return-Path: <>\nAuto-Submitted: auto-replied\nSubject: hello\n",
    ],
)
def test_what_no_person_wrote_is_an_auto_reply(head):
    """RFC 3834, what was before it, and subjects in the languages of supporters; no text is kept."""
    assert FeedbackClass.AUTO_REPLY is _class(head)


def test_a_vacation_notice_that_speaks_of_failures_is_no_bounce():
    """RFC 3834 §3.3 lets answers have a null return path, as reports have."""
    head = (
        "Return-Path: <>\nAuto-Submitted: auto-replied\nSubject: Automatic reply: delivery failed\n"
    )
    assert FeedbackClass.AUTO_REPLY is _class(head, "I failed to leave my mail to anybody.\n")


def test_a_notice_of_having_been_read_is_an_auto_reply():
    """RFC 8098: it names a recipient, and says nothing of a failure."""
    head = (
        "Subject: hello\n"
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=x\n"
    )
    body = (
        "--x\n\nYour mail was read.\n--x\nContent-Type: message/disposition-notification\n\n"
        f"Final-Recipient: rfc822; {ANNA}\nDisposition: manual-action/MDN-sent-manually; displayed\n"
        "--x--\n"
    )
    assert FeedbackClass.AUTO_REPLY is _class(head, body)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Subject: unsubscribe\n", ""),
        ("Subject: Re: Unsubscribe\n", "thanks\n"),
        ("Subject: unsubscribe\nAuto-Submitted: auto-replied\n", "sent by a mail program\n"),
        ("Subject: Отписаться\n", ""),
        ("Subject: Her rights\n", "Unsubscribe!\n\n> Dear Anna\n"),
    ],
)
def test_who_asks_for_no_more_opts_out(head, body):
    """By subject, or as the first thing they say."""
    assert FeedbackClass.OPT_OUT is _class(head, body)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Subject: Re: Her rights\n", "I could not agree more. Nobody should be blocked.\n"),
        ("Subject: Re: Her rights\n", "How do I unsubscribe my aunt, who never asked for this?\n"),
        ("Subject: mail delivery\n", "my letter to you failed to arrive: could you look?\n"),
        ("Auto-Submitted: no\nSubject: hello\n", "hello\n"),
        (
            "Subject: Re: Delivery failed\nIn-Reply-To: <1@example.org>\n",
            "My letter to Anna <b@example.org> could not be delivered either.\n",
        ),
        ("Subject: absence of rights\n", "a word about them\n"),
    ],
)
def test_what_a_person_wrote_is_no_report(head, body):
    """It goes on to people; nobody is suppressed for it."""
    assert FeedbackClass.NOT_A_REPORT is _class(head, body)


def test_a_report_of_a_mail_system_is_no_auto_reply():
    """Postfix and Exim say Auto-Submitted too."""
    found = read(
        b"From: MAILER-DAEMON@example.org\nAuto-Submitted: auto-replied\nReturn-Path: <>\n"
        b"Subject: Undelivered Mail Returned to Sender\n\n"
        b"<anna@example.org>: host mx.example.org said: 550 5.1.1 User unknown (in reply to RCPT TO"
        b" command)\n"
    )
    assert [FeedbackClass.HARD] == [one.kind for one in found.findings]
