"""Reports that only have words are read by their form, whatever system wrote them."""

import pytest

from mailer.feedback.reading.reader import read
from mailer.model.feedback import FeedbackClass, FeedbackReason

HARD, SOFT, DELAYED = FeedbackClass.HARD, FeedbackClass.SOFT, FeedbackClass.DELAYED


def _findings(words, head="From: MAILER-DAEMON@example.net\nSubject: Undelivered mail\n"):
    raw = f"{head}To: b@bounces.example.org\n\n{words}".encode()
    return [(one.recipient, one.kind, one.reason) for one in read(raw).findings]


@pytest.mark.parametrize(
    ("words", "kind", "reason"),
    [
        (
            (
                "<anna@example.org>: host mx.example.org[192.0.2.1] said: 550\n"
                "    <anna@example.org>: No such user here (in reply to RCPT TO command)\n"
            ),
            HARD,
            FeedbackReason.UNKNOWN_USER,
        ),
        (
            "The following address(es) failed:\n\n  anna@example.org\n    Unrouteable address\n",
            HARD,
            FeedbackReason.UNKNOWN_DOMAIN,
        ),
        (
            "<anna@example.org>:\nSorry, no mailbox here by that name. (#5.1.1)\n",
            HARD,
            FeedbackReason.UNKNOWN_USER,
        ),
        (
            (
                "SMTP Server <mx.example.org> rejected recipient <anna@example.org>\n"
                "  (Error following RCPT command). It responded: [550 unknown user]\n"
            ),
            HARD,
            FeedbackReason.UNKNOWN_USER,
        ),
        (
            (
                "    Recipient: <anna@example.org>\n    >>> RCPT TO:<anna@example.org>\n"
                "    <<< 550 <anna@example.org>: User unknown\n"
            ),
            HARD,
            FeedbackReason.UNKNOWN_USER,
        ),
        (
            (
                "Could not be delivered because of\n\n552 5.2.2 Mailbox full\n\n"
                "The following recipients were affected:\n    anna@example.org\n"
            ),
            SOFT,
            FeedbackReason.MAILBOX_FULL,
        ),
        (
            "Your message to: anna@example.org\nwas blocked by our Spam Firewall.\n",
            SOFT,
            FeedbackReason.BLOCKED_AS_SPAM,
        ),
        (
            (
                "К сожалению, Ваше письмо не может быть доставлено:\n\n  anna@example.org\n"
                "    почтовый ящик переполнен\n"
            ),
            SOFT,
            FeedbackReason.MAILBOX_FULL,
        ),
        (
            "THIS IS A WARNING MESSAGE ONLY.\n\nDelivery has been delayed:\n\n     anna@example.org\n",
            DELAYED,
            FeedbackReason.NONE,
        ),
    ],
)
def test_an_address_and_what_is_said_of_it_belong_together(words, kind, reason):
    """On its line or behind a label, with its words behind, below or before it."""
    assert [("anna@example.org", kind, reason)] == _findings(words)


def test_each_of_several_people_has_their_own_words():
    """The same distance from the edge makes them one list; what is further in belongs to one."""
    words = (
        "The following address(es) failed:\n\n"
        "  anna@example.org\n    host mx.example.org: 550 5.1.1 User unknown\n"
        "  boris@example.org\n    host mx.example.org: 552 5.2.2 Mailbox full\n"
    )
    assert [
        ("anna@example.org", HARD, FeedbackReason.UNKNOWN_USER),
        ("boris@example.org", SOFT, FeedbackReason.MAILBOX_FULL),
    ] == _findings(words)


def test_whom_a_forwarded_mail_was_for_is_told_as_well():
    """Who we wrote to, and where it went from there."""
    (one,) = read(
        b"From: MAILER-DAEMON@example.net\nSubject: Undelivered mail\n\n"
        b"<boris@example.org> (expanded from <anna@example.org>): 552 5.2.2 Mailbox full\n"
    ).findings
    assert ("boris@example.org", "anna@example.org") == (one.recipient, one.original_recipient)


@pytest.mark.parametrize(
    "line",
    [
        "--- Below this line is a copy of the message.",
        "------ This is a copy of the message, including all the headers. ------",
        "----- Original message -----",
        "Message headers follow.",
        "Original message follows.",
        "--- The header of the original message is following. ---",
        "|------------------------- Message text follows: ------------------------|",
    ],
)
def test_the_words_of_the_returned_mail_are_not_the_reports(line):
    """A statement on unknown users and spam says nothing of a mailbox."""
    words = (
        "<anna@example.org>: 552 5.2.2 Mailbox full\n\n"
        f"{line}\n\nReceived: from x\nTo: anna@example.org\nSubject: spam\n\n"
        "<boris@example.org>: 550 5.1.1 user unknown\n"
    )
    assert [("anna@example.org", SOFT, FeedbackReason.MAILBOX_FULL)] == _findings(words)


def test_a_report_that_names_nobody_is_about_whom_the_returned_mail_was_for():
    """Ours are for one person each."""
    words = (
        "Your mail could not be delivered.\n\n--- Below this line is a copy of the message.\n\n"
        "Received: from x\nTo: anna@example.org\nMessage-ID: <1@example.org>\n\nhello\n"
    )
    assert [("anna@example.org", SOFT, FeedbackReason.UNCLEAR)] == _findings(words)


def test_a_notice_of_amazon_ses_is_read():
    """JSON by mail: bounces, complaints, deliveries."""
    bounce = (
        '{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":'
        '"anna@example.org","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1'
        ' user unknown"}]}}'
    )
    head = "From: SES <no-reply@sns.example.com>\nSubject: AWS Notification Message\n"
    assert [("anna@example.org", HARD, FeedbackReason.UNKNOWN_USER)] == _findings(bounce, head)
    complaint = (
        '{"notificationType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":'
        '"anna@example.org"}]}}'
    )
    assert [("anna@example.org", FeedbackClass.COMPLAINT, FeedbackReason.NONE)] == _findings(
        complaint, head
    )
