"""A mail that came through a relay is held against what we sent: every meddling is named."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from mailer.compose.dkim import load_signers
from mailer.domains.received import Expected, ReceivedMail, compare, facts_of
from mailer.domains.records import key_record, new_key
from mailer.domains.resolver import SystemResolver
from mailer.model.findings import Grade, passes
from mailer.model.mailing import DkimKey
from mailer.model.relays import PROFILES, MatchKey, ProfileName, RelayHandling, ReturnPath
from tests.support.dns_server import dns_server
from tests.support.mails import composer, harbor_sender, outgoing

# The library that verifies signatures asks the system for the time.
NOW = datetime.now(UTC) - timedelta(hours=2)
DMARC = {("_dmarc.harbor.example.org", "TXT"): ['"v=DMARC1; p=none"']}


@pytest.fixture(scope="module")
def signed_mail(tmp_path_factory, tokens):
    """A mail of ours, signed, its sender, and the records of its keys."""
    folder = tmp_path_factory.mktemp("dkim")
    records, keys = dict(DMARC), []
    for name, is_ed in (("rsa", False), ("ed", True)):
        pem = new_key(ed25519=is_ed)
        path = folder / f"{name}.key"
        path.touch(mode=0o600)
        path.write_bytes(pem)
        keys.append(DkimKey("harbor.example.org", name, str(path)))
        text = key_record(pem)
        halves = f'"{text[:200]}" "{text[200:]}"'
        records[f"{name}._domainkey.harbor.example.org", "TXT"] = [halves]
    sender = harbor_sender(dkim=tuple(keys))
    made = composer(tokens, sender=sender, signers=load_signers(sender))
    return made.compose(outgoing(), NOW).content, sender, records


def _expected(sender, content, **changes):
    hosts = {re.sub(r"https?://([^/?#:]+).*", r"\1", link) for link in facts_of(content).links}
    values = {
        "sender": sender, "handling": RelayHandling(), "match": MatchKey.VERP,
        "replaces": frozenset(), "we_sign": True, "hosts": frozenset(hosts),
    }  # fmt: skip
    return Expected(**{**values, **changes})


def _compared(signed_mail, change=lambda content: content, *, with_facts=False, **changes):
    content, sender, records = signed_mail
    silent = changes.pop("silent", ())
    now = changes.pop("now", NOW + timedelta(hours=1))
    records = {**records, **changes.pop("records", {})}
    with dns_server(records, silent) as server:
        return compare(
            facts_of(content) if with_facts else None,
            change(content),
            _expected(sender, content, **changes),
            SystemResolver(server.host, server.port, patience_s=0.5),
            now,
        )


def _wrong(findings):
    return {one.subject for one in findings if one.grade is Grade.WRONG}


@pytest.mark.parametrize("with_facts", [True, False])
def test_a_mail_that_was_left_alone_passes(signed_mail, with_facts):
    """Both signatures are valid, DMARC passes, and what servers write on the way is no meddling."""
    trace = (
        b"Return-Path: <b+token@bounces.harbor.example.org>\r\n"
        b"Authentication-Results: mx.example.net; spf=pass; dkim=pass\r\n"
        b"Received: from relay.example.net by mx.example.net; Tue, 1 Dec 2026 09:00:00 +0000\r\n"
    )
    found = _compared(signed_mail, lambda content: trace + content, with_facts=with_facts)
    assert [] == [one for one in found if one.grade is not Grade.OK]
    assert 2 == sum(one.subject == "DKIM" for one in found)


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_how_a_mailbox_saved_it_does_not_matter(signed_mail, ends):
    """Bare line feeds and the first line of a mailbox file are no changes."""
    found = _compared(
        signed_mail,
        lambda content: b"From relay Tue Dec  1 09:00:00 2026" + ends
        + content.replace(b"\r\n", ends),
    )  # fmt: skip
    assert passes(found)


def test_links_that_count_clicks_are_named(signed_mail):
    """The host is said, the signature is broken, and the mail does not pass."""

    def meddle(content):
        return content.replace(
            b'href=3D"https://', b'href=3D"https://click.example.com/?u=3Dhttps://'
        )

    found = _compared(signed_mail, meddle)
    assert {"links", "DKIM", "DMARC"} <= _wrong(found)
    (said,) = [one for one in found if one.subject == "links"]
    assert "click.example.com" in said.text


def test_a_link_moved_on_its_own_host_is_found_by_what_was_sent(signed_mail):
    """Where the sent mail is on record, every address is compared, not its host alone."""

    def meddle(content):
        return re.sub(rb"(mail\.harbor\.example\.org)/w/", rb"\1/x/", content)

    assert "links" in _wrong(_compared(signed_mail, meddle, with_facts=True))


def test_a_pixel_is_named_with_its_host(signed_mail):
    """An invisible picture tells who opened the mail."""

    def meddle(content):
        return content.replace(
            b"</body>", b'<img src=3D"https://open.example.com/p.gif" width=3D"1"></body>', 1
        )

    found = _compared(signed_mail, meddle)
    assert "pictures" in _wrong(found)
    assert "open.example.com" in next(one for one in found if one.subject == "pictures").text


@pytest.mark.parametrize(
    ("old", "new", "subject"),
    [
        (rb"List-Unsubscribe:\s*<", b"List-Unsubscribe: <mailto:u@relay.example.com>, <",
         "List-Unsubscribe"),
        (rb"List-Unsubscribe:\s*<https://[^>]+>", b"List-Unsubscribe: <https://relay.example.com/u>",
         "List-Unsubscribe"),
        (rb"List-Unsubscribe:\s*<", b"List-Unsubscribe: <https://e.com/u>\r\nList-Unsubscribe: <",
         "List-Unsubscribe"),
        (rb"List-Unsubscribe-Post: [^\r]+\r\n", b"", "List-Unsubscribe-Post"),
        (rb"From: ", b"From: a@example.com\r\nFrom: ", "From"),
        (rb"From: [^\r]+\r\n(?: [^\r]+\r\n)*", b"From: other@relay.example.com\r\n", "From"),
    ],
)  # fmt: skip
def test_a_header_that_was_written_anew_is_named(signed_mail, old, new, subject):
    """One click is intact, or the relay is not verified."""
    found = _compared(signed_mail, lambda content: re.sub(old, new, content, count=1))
    assert subject in _wrong(found)


def test_an_unsigned_mail_or_a_wrong_key_fails(signed_mail):
    """Without a valid signature that counts there is no DMARC."""
    bare = _compared(
        signed_mail, lambda content: content[content.index(b"From: Harbor") :], we_sign=False
    )
    assert {"DKIM", "DMARC"} == _wrong(bare)
    other = key_record(new_key(ed25519=True))
    records = {
        (f"{name}._domainkey.harbor.example.org", "TXT"): [f'"{other}"'] for name in ("rsa", "ed")
    }
    assert {"DKIM", "DMARC"} == _wrong(_compared(signed_mail, records=records))


def test_without_a_dmarc_record_it_fails(signed_mail):
    """The record is missing, and the remedy says where to get it."""
    found = _compared(signed_mail, records={("_dmarc.harbor.example.org", "TXT"): []})
    assert {"DMARC"} == _wrong(found)


def test_a_dns_that_is_away_neither_passes_nor_blames(signed_mail):
    """Nobody knows, so nothing is verified."""
    found = _compared(signed_mail, silent=["rsa._domainkey.harbor.example.org"])
    assert set() == _wrong(found)
    assert not passes(found)


def test_an_old_mail_says_nothing_of_today(signed_mail):
    """It may have gone another way."""
    assert {"Date"} == _wrong(_compared(signed_mail, now=NOW + timedelta(days=8)))


def test_a_message_id_written_anew_is_judged_by_the_profile(signed_mail):
    """Where bounces are found by it, it may not be."""

    def meddle(content):
        content = content[content.index(b"From: Harbor") :]
        return re.sub(rb"Message-ID: <[^>]+>", b"Message-ID: <1@email.example.com>", content)

    for name, expected in {
        ProfileName.SES: Grade.OK, ProfileName.MAILGUN: Grade.WRONG, ProfileName.PLAIN: Grade.ADVICE,
    }.items():  # fmt: skip
        one = PROFILES[name]
        found = _compared(signed_mail, meddle, match=one.match, replaces=one.replaces)
        grades = [said.grade for said in found if said.subject == "Message-ID"]
        assert [expected] == grades


def test_fields_that_were_added_are_named(signed_mail):
    """A person judges whether one of them tracks; those for the relay should be gone."""
    handling = RelayHandling(ReturnPath.VERP, (("X-Mailgun-Track", "no"),))
    found = _compared(
        signed_mail,
        lambda content: b"X-Mailgun-Track: no\r\nX-Campaign-Id: 7\r\n" + content,
        handling=handling,
    )
    said = " ".join(one.text for one in found if one.subject == "header")
    assert "x-mailgun-track" in said
    assert "x-campaign-id" in said
    assert passes(found)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"no header at all", b"From: <\r\n\r\n"])
def test_rubbish_is_no_mail_and_no_crash(signed_mail, content):
    """Whatever is saved, it gets findings."""
    assert not passes(_compared(signed_mail, lambda _content: content))
    assert isinstance(ReceivedMail.read(content).links, frozenset)
