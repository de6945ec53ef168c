"""What refusals say in words, as mail systems of many countries and makers put it."""

import pytest

from mailer.feedback.reading.judging import Failure, judge
from mailer.feedback.reading.reader import read
from mailer.model.feedback import FeedbackClass
from mailer.model.feedback import FeedbackReason as Reason

HARD, SOFT = FeedbackClass.HARD, FeedbackClass.SOFT
RCPT = " (in reply to RCPT TO command)"
CONTENT = " (in reply to end of DATA command)"


def _judged(diagnostic):
    found = judge(Failure("anna@example.org", action="failed", diagnostic=diagnostic))
    return found.kind, found.reason


@pytest.mark.parametrize(
    "words",
    [
        "550 Address anna@example.org unknown",
        "550 That email address is not on our system",
        "550 The recipient may contain a non-existent account, please check the address",
        "550 this email address is not recognized here",
        "550 There is no user by that name",
        "550 the address anna@example.org is no longer in use",
        "550 Recipient verify failed",
        "550 Kein solcher Benutzer",
        "550 Postfach nicht gefunden",
        "550 Пользователь не существует",
        "550 Поштова скринька не існує",
        "550 Utilisateur inexistant",
        "550 El buzón no existe",
        "550 destinatário não existe",
        "550 Indirizzo inesistente",
        "550 Adresa nu există",
        "550 Adresat nieznany",
        "550 Uživatel neexistuje",
        "550 Gebruiker onbekend",
        "550 Kullanıcı bulunamadı",
        "550 该邮箱不存在",
    ],
)
def test_nobody_is_there(words):
    """In answer to RCPT that is a dead address; in answer to the content a filter may have said it."""
    assert (HARD, Reason.UNKNOWN_USER) == _judged(words + RCPT)
    assert (SOFT, Reason.UNKNOWN_USER) == _judged(words + CONTENT)


@pytest.mark.parametrize(
    ("diagnostic", "reason"),
    [
        # A dead address by its code, and words about something else.
        ("550 5.1.1 Account temporarily suspended", Reason.DISABLED),
        ("550 5.1.1 Mailbox for anna is not available: it is locked due to inactivity", Reason.DISABLED),
        ("550 5.1.1 We do not accept mail from your country", Reason.POLICY),
        ("550 5.1.1 Message rejected, see https://example.org/why", Reason.UNCLEAR),
        ("550 5.1.1 Mail temporarily not accepted", Reason.UNCLEAR),
        ("550 5.1.2 Bad destination host 'DNS Soft Error looking up example.org (MX)'", Reason.DNS),
        # A dead address by its words, and a code about something else.
        ("550 5.1.8 mailbox unknown", Reason.UNKNOWN_USER),
        ("550 5.2.2 No such user", Reason.UNKNOWN_USER),
        ("550 5.6.0 No such user", Reason.UNKNOWN_USER),
        # Somebody is not there, and it is the sender.
        ("550 Callback setup failed while verifying <office@example.net>: User unknown", Reason.SENDER_REFUSED),
        ("550 Unable to verify sender: no such user", Reason.SENDER_REFUSED),
        ("550 Домен отправителя: нет такого пользователя", Reason.SENDER_REFUSED),
        ("550 La casella del mittente non esiste", Reason.SENDER_REFUSED),
        ("550 Return address does not exist", Reason.UNKNOWN_USER),
        ("550 Your address does not exist in our whitelist", Reason.UNKNOWN_USER),
        # Somebody may be there another time.
        ("550 Recipient not found: LDAP timeout", Reason.UNKNOWN_USER),
        ("550 5.1.1 Loop detected", Reason.UNCLEAR),
        # Full and locked mailboxes.
        ("552 Postfach überfüllt", Reason.MAILBOX_FULL),
        ("552 Поштова скринька переповнена", Reason.MAILBOX_FULL),
        ("552 Skrzynka odbiorcy jest pełna", Reason.MAILBOX_FULL),
        ("550 User has no more room in the inbox: storage exceeded", Reason.MAILBOX_FULL),
        ("550 Користувача заблоковано", Reason.DISABLED),
    ],
)  # fmt: skip
def test_nobody_is_called_dead_in_doubt(diagnostic, reason):
    """Code and words must agree: one about us, our mail or the mailbox's state outweighs the other."""
    assert (SOFT, reason) == _judged(diagnostic + RCPT)


def test_what_is_denied_does_not_hold():
    """A phrase behind "not" or "n't" says the opposite."""
    said = "550 5.1.1 User unknown. Your host isn't listed on any list"
    assert (HARD, Reason.UNKNOWN_USER) == _judged(said + RCPT)


def test_who_moved_for_good_is_gone():
    """By any code for a dead address."""
    assert (HARD, Reason.MOVED) == _judged("550 5.1.1 Recipient no longer on server" + RCPT)


_TRANSCRIPTS = {
    "MDaemon": """\
--- Session Transcript ---
 Tue 2026-11-10 09:12:40: --> RCPT To:<anna@example.org>
 Tue 2026-11-10 09:12:41: <-- 550 anna@example.org, Recipient unknown
: Message contains [1] file attachments
""",
    "hMailServer": """\
anna@example.org
   hMailServer sent: RCPT TO:<anna@example.org>
   Remote server replied: 550 Unknown user
""",
    "VirusWall": """\
Message from InterScan E-Mail VirusWall NT
   Sent: RCPT TO:<anna@example.org>
   Received: 550 unknown user
""",
}


@pytest.mark.parametrize("words", _TRANSCRIPTS.values(), ids=_TRANSCRIPTS)
def test_a_transcript_tells_what_was_refused(words):
    """The command and the reply below it, however a system draws its arrows."""
    (finding,) = read(_report(words)).findings
    assert (finding.recipient, finding.kind) == ("anna@example.org", HARD)


@pytest.mark.parametrize(
    ("words", "recipient"),
    [
        ("anna@example.org [Mailbox full]", "anna@example.org"),
        (
            "Recipient address: a7@mx.example.com\nOriginal address: anna@example.org\nover quota",
            "anna@example.org",
        ),
        ("The mailbox is full. Write to the desk desk@example.com.", "boris@example.org"),
    ],
)
def test_a_recipient_is_named_or_stands_in_the_returned_mail(words, recipient):
    """Rather than one who is named for questions."""
    body = f"{words}\n\n--- original message ---\n\nTo: boris@example.org\nSubject: News\n\nHello\n"
    (finding,) = read(_report(body)).findings
    assert finding.recipient == recipient


@pytest.mark.parametrize(
    "words",
    [
        "您发往 anna@example.org 的邮件未能投递。\n原因: 552 Quota exceeded\n",
        "anna@example.org\n452 4.2.2 over quota\n",
        "La consegna a anna@example.org non è riuscita: casella piena\n",
    ],
)
def test_a_mail_system_may_report_in_any_language(words):
    """By its own words for delivery, or the code that it quotes."""
    (finding,) = read(_report(words, subject="News")).findings
    assert (finding.recipient, finding.reason) == ("anna@example.org", Reason.MAILBOX_FULL)


def _report(words, subject="Undeliverable mail"):
    return (
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.com\nTo: office@example.net\n"
        f"Subject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{words}"
    ).encode()
