"""Whatever octets come back, they are read without an exception and in a moment."""

import base64
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.feedback.reading.message import parse, text_of_html
from mailer.feedback.reading.reader import read

MEBI = 1 << 20
HEAD = b"From: MAILER-DAEMON@example.org\nTo: b@example.org\nSubject: failure notice\n"
STATUS = HEAD + b"Content-Type: message/delivery-status\n\n"
quick = settings(max_examples=150, deadline=None)

#: What reports are made of, to be thrown together.
PIECES = st.sampled_from(
    [
        HEAD, STATUS, b"\n", b"\r\n", b"\r", b"\n\n", b"--x\n", b"--x--\n", b" ", b"\t", b":", b"@", b"=?",
        b"Content-Type: multipart/report; boundary=x\n", b"Content-Type: message/rfc822\n",
        b"Content-Type: text/html; charset=utf-16\n", b"Content-Type: text/plain; charset=punycode\n",
        b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: quoted-printable\n",
        b"Final-Recipient: rfc822; anna@example.org\n", b"Final-Recipient: utf-8; \\x{110000}@x\n",
        b"Action: failed\n", b"Status: 5.1.1\n", b"Diagnostic-Code: smtp; 550 5.1.1 User unknown\n",
        b"Feedback-Type: abuse\n", b"Original-Rcpt-To: anna@example.org\n", b"<anna@example.org>: 550\n",
        b'{"notificationType":"Bounce","bounce":', b"[", b"{", b"&#xD800;", b"&#9999999;", b"<style>",
        b"--- Below this line is a copy of the message.\n", b"X-Failed-Recipients: a@b.example\n",
        b"=?utf-8?b?/////w==?=", b"=?unknown?q?=FF?=", "анна@пример.example".encode(), b"\xff\xfe\x00",
    ]
)  # fmt: skip


@quick
@given(st.binary(max_size=2000))
def test_any_octets_are_read(raw):
    """There is always at least one finding."""
    assert read(raw).findings


@quick
@given(st.lists(st.one_of(PIECES, st.binary(max_size=30)), max_size=40).map(b"".join))
def test_what_looks_like_a_report_is_read(raw):
    """Fields, parts and words in any order, and nothing in a finding that no store takes."""
    for one in read(raw).findings:
        for text in (one.recipient, one.original_recipient, one.diagnostic):
            assert text.encode("utf-8").decode("utf-8") == text
            assert "\0" not in text
            assert "\n" not in text


@quick
@given(st.lists(PIECES, max_size=40).map(b"".join))
def test_line_ends_change_nothing(raw):
    """LF, CRLF and CR are one."""
    plain = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    expected = read(plain)
    assert expected == read(plain.replace(b"\n", b"\r\n"))
    assert expected == read(plain.replace(b"\n", b"\r"))


def test_line_ends_do_not_count_in_what_is_too_long():
    """A message that is cut is cut at the same place."""
    plain = HEAD + b"\n" + b"<x\n" * 60_000 + b"<anna@example.org>: 550 5.1.1 unknown\n" * 10_000
    assert parse(plain) == parse(plain.replace(b"\n", b"\r\n"))


@quick
@given(st.text(alphabet=st.sampled_from("<>/&#;xX0123456789aps tyle\n-!"), max_size=400))
def test_any_html_has_words(markup):
    """Tags that end nowhere, characters that are none."""
    assert isinstance(text_of_html(markup), str)


HOSTILE = {
    "10,000 parts in one another": HEAD
    + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(10_000)
    ),
    "10,000 messages in one another": HEAD + b"Content-Type: message/rfc822\n\n" * 10_000,
    "parts beside one another": HEAD
    + b"Content-Type: multipart/mixed; boundary=b\n\n"
    + b"--b\n\nx@y.example\n" * 100_000,
    "a line of 50 MB": HEAD + b"\n" + b"a" * (50 * MEBI),
    "a field of 50 MB": b"Subject: " + b"a" * (50 * MEBI),
    "folded a million times": HEAD + b"X: a\n" + b" b\n" * MEBI,
    "a million fields": b"a:\n" * MEBI,
    "addresses": HEAD + b"\n" + b"<a@b.c>: x\n" * 100_000,
    "many people": HEAD
    + b"\n"
    + b"".join(b"a%d@b.example: 550 5.1.1 unknown\n" % i for i in range(20_000)),
    "at signs": HEAD + b"\n" + b"a@" * MEBI,
    "base64": HEAD
    + b"Content-Transfer-Encoding: base64\n\n"
    + base64.b64encode(b"<a@b.example>: 550 user unknown\n" * 50_000),
    "tags": HEAD + b"Content-Type: text/html\n\n" + b"<" * MEBI,
    "styles": HEAD + b"Content-Type: text/html\n\n" + b"<style " * MEBI,
    "entities": HEAD + b"Content-Type: text/html\n\n" + b"&a" * MEBI,
    "a number without end": HEAD + b"Content-Type: text/html\n\n&#" + b"9" * MEBI + b";",
    "a slow codec": HEAD + b"Content-Type: text/plain; charset=punycode\n\n" + b"a-b" * MEBI,
    "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * MEBI,
    "dashes": HEAD + b"\n" + b"-----\n" * MEBI,
    "blanks": HEAD + b"\n" + b"\t\t\t\t\t\t<a@b.c>\n" * 100_000,
    "fields of status": STATUS
    + b"".join(
        b"Final-Recipient: rfc822; a%d@b.example\nDiagnostic-Code: smtp; 550 5.1.1 %s\n\n"
        % (i, b"blocked unknown " * 60)
        for i in range(200)
    ),
    "JSON in itself": HEAD + b'\n{"notificationType":' + b"[" * MEBI,
    "copies of copies": HEAD + b"\n" + b"this is a copy of the message @\n" * 100_000,
    "codes": HEAD + b"\n<a@b.example>: " + b"550 5.1.1 " * MEBI,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_made_to_take_long_does_not(name):
    """Less than 50 ms of the processor."""
    taken_s = []
    for _ in range(4):
        start = time.process_time()
        read(HOSTILE[name])
        taken_s.append(time.process_time() - start)
        if taken_s[-1] < 0.05:
            break
    assert min(taken_s) < 0.05


def test_parts_end_somewhere():
    """No deeper than eight, no more than 64; the rest stays text."""
    whole = parse(HOSTILE["10,000 parts in one another"])
    depth = 0
    while whole.parts:
        whole, depth = whole.parts[-1], depth + 1
    assert 8 >= depth > 3
    assert 64 > len(parse(HOSTILE["parts beside one another"]).parts)
