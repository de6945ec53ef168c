"""A message is tied to a mail of ours by what nobody can guess, the surest first."""

import pytest

from mailer.feedback.reading.matching import MatchReaders
from mailer.feedback.reading.reader import read
from mailer.keys import load_service_keys
from mailer.model.feedback import FeedbackFinding, Match, MatchedBy
from mailer.tokens import ServiceTokens, Tokens

DELIVERY, OTHER = 4711, 4712


@pytest.fixture(scope="module")
def keys(key_files):
    """The service keys."""
    return load_service_keys(key_files / "service.key")


@pytest.fixture(scope="module")
def made(keys):
    """What makes tokens."""
    return Tokens(keys)


@pytest.fixture(scope="module")
def readers(keys, made):
    """What reads them."""
    return MatchReaders(made, ServiceTokens(keys))


def _report(to="b@bounces.example.org", envid="", returned="", extra=""):
    original = f"Original-Envelope-Id: {envid}\n" if envid else ""
    return (
        f"From: MAILER-DAEMON@mx.example.net\nTo: {to}\n{extra}Subject: Undelivered\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\n\n'
        "--x\nContent-Type: text/plain\n\n<anna@example.org>: gone\n\n"
        "--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n"
        f"{original}\nFinal-Recipient: rfc822; anna@example.org\nAction: failed\nStatus: 5.1.1\n\n"
        f"--x\nContent-Type: text/rfc822-headers\n\nSubject: x\n{returned}\n--x--\n"
    ).encode()


def test_the_return_path_comes_first(made, readers):
    """Then the envelope id, then our Message-ID."""
    verp = f"b+{made.return_path(DELIVERY)}@bounces.example.org"
    envid = made.feedback(OTHER)
    message_id = f"Message-ID: <{made.message_id(OTHER)}@bounces.example.org>\n"
    for report, expected in (
        (_report(verp, envid, message_id), Match(MatchedBy.VERP, delivery_id=DELIVERY)),
        (_report("", envid, message_id), Match(MatchedBy.ENVID, delivery_id=OTHER)),
        (_report("", "", message_id), Match(MatchedBy.MESSAGE_ID, delivery_id=OTHER)),
        (_report(), Match()),
    ):
        assert expected == read(report, readers).match


@pytest.mark.parametrize("field", ["Delivered-To", "X-Original-To", "Envelope-To"])
def test_the_return_path_is_found_wherever_mail_systems_note_it(made, readers, field):
    """In large letters too, and rewritten by a relay on the way."""
    token = made.return_path(DELIVERY)
    for address in (
        f"b+{token}@bounces.example.org",
        f"B+{token.upper()}@BOUNCES.EXAMPLE.ORG",
        f"<prvs=12345=b+{token}=bounces.example.org@relay.example.net>",
    ):
        found = read(_report(extra=f"{field}: {address}\n"), readers).match
        assert Match(MatchedBy.VERP, delivery_id=DELIVERY) == found


def test_the_return_path_is_found_in_what_is_returned(made, readers):
    """Where the report itself went to another address."""
    returned = f"Return-Path: <b+{made.return_path(DELIVERY)}@bounces.example.org>\n"
    found = read(_report(returned=returned), readers)
    assert Match(MatchedBy.VERP, delivery_id=DELIVERY) == found.match


def test_whom_it_was_handed_over_for_counts(made, readers):
    """A mail system that calls us says so, and no field of the message has it."""
    address = f"b+{made.return_path(DELIVERY)}@bounces.example.org"
    found = read(_report(), readers, [address])
    assert Match(MatchedBy.VERP, delivery_id=DELIVERY) == found.match


def test_a_service_mail_is_no_delivery(keys, readers):
    """Its tokens name a row of another table."""
    envid, verp = ServiceTokens(keys).envelope(7)
    for report in (_report(f"b+{verp}@bounces.example.org"), _report(envid=envid)):
        match = read(report, readers).match
        assert (None, 7) == (match.delivery_id, match.service_id)


def test_a_complaint_is_matched_by_our_message_id_in_what_it_returns(made, readers):
    """RFC 5965 §6: whom it names is struck out or forged."""
    report = (
        "From: fbl@example.net\nTo: abuse@example.org\nSubject: FW: x\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=x\n\n"
        "--x\nContent-Type: text/plain\n\nAn abuse report.\n"
        "--x\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n\n"
        "--x\nContent-Type: message/rfc822\n\nTo: redacted@example.net\n"
        f"Message-ID: <{made.message_id(DELIVERY)}@bounces.example.org>\n\nhello\n--x--\n"
    ).encode()
    found = read(report, readers)
    assert Match(MatchedBy.MESSAGE_ID, delivery_id=DELIVERY) == found.match
    assert ["complaint"] == [one.kind for one in found.findings]


def test_an_address_alone_is_called_so(made, readers):
    """Forged tokens are no tokens, and a message that names nobody is matched by nothing."""
    forged = made.return_path(DELIVERY)[:-2] + "aa"
    found = read(_report(f"b+{forged}@bounces.example.org"), readers)
    assert [MatchedBy.ADDRESS] == [found.matched_by(one) for one in found.findings]
    nobody = FeedbackFinding("", found.findings[0].kind)
    assert MatchedBy.NOTHING is found.matched_by(nobody)
