"""A composed mail, held against the standards it names."""

import base64
import re
import stat
from dataclasses import replace
from email.header import decode_header, make_header

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from mailer.clock import SYSTEM_CLOCK
from mailer.compose.composer import CannotCompose
from mailer.compose.dkim import load_signers
from mailer.model.faults import FaultsFound
from mailer.model.mailing import DkimKey
from mailer.model.relays import RelayHandling, ReturnPath
from mailer.tokens import PersonToken, Purpose, ServiceTokens
from tests.support.mail import assert_wire_form, html_of, pictures_of, raw_headers, text_of
from tests.support.mails import (
    NOW,
    composer,
    harbor_list,
    harbor_sender,
    mail_design,
    outgoing,
)

DOMAIN = "harbor.example.org"
FIELDS = ["From", "Subject", "Reply-To", "To", "Date", "Message-ID", "List-Id", "List-Unsubscribe",
          "List-Unsubscribe-Post", "Auto-Submitted", "Content-Language", "MIME-Version",
          "Content-Type"]  # fmt: skip


def _unfolded(content):
    """Return the header fields of a mail, their lines joined as RFC 5322 §2.2.3 says."""
    head = content.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ")
    return dict(line.split(":", 1) for line in head.split("\r\n"))


def _write(path, key, encryption=None):
    encryption = encryption or NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    path.chmod(0o600)
    return str(path)


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A sender with an RSA and an Ed25519 key, and the records of both."""
    folder = tmp_path_factory.mktemp("dkim")
    rsa_key = rsa.generate_private_key(65537, 2048)
    ed_key = ed25519.Ed25519PrivateKey.generate()
    public = rsa_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    raw = ed_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    records = {
        f"r1._domainkey.{DOMAIN}.": b"v=DKIM1; k=rsa; p=" + base64.b64encode(public),
        f"e1._domainkey.{DOMAIN}.": b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw),
    }
    keys = (
        DkimKey(DOMAIN, "r1", _write(folder / "rsa.pem", rsa_key)),
        DkimKey(DOMAIN, "e1", _write(folder / "ed.pem", ed_key)),
    )
    return keys, records


def _verified(content, records, index):
    def answer(name, timeout=5):
        return records.get(name.decode())

    return dkim.DKIM(content).verify(idx=index, dnsfunc=answer)


def _signed_mail(tokens, keys, *, text_only=False, **parts):
    sender = harbor_sender(dkim=keys)
    made = composer(tokens, sender=sender, signers=load_signers(sender), **parts)
    return made.compose(outgoing(text_only=text_only), SYSTEM_CLOCK.now())


def test_a_mail_has_exactly_the_fields_it_may_have(tokens):
    """One of each, nothing else, in the wire's form."""
    mail = composer(tokens).compose(outgoing(), NOW)
    assert_wire_form(mail.content)
    assert [name for name, _ in raw_headers(mail.content)] == FIELDS


def test_headers_say_what_they_must(tokens):
    """One-click by https, a stable and silent Message-ID, VERP, UTC to the minute."""
    made = composer(tokens)
    mail = made.compose(outgoing(), NOW)
    headers = _unfolded(mail.content)
    assert re.fullmatch(
        r"<https://mail\.harbor\.example\.org/u/[\w-]{39}>", headers["List-Unsubscribe"].strip()
    )
    assert headers["List-Unsubscribe-Post"].strip() == "List-Unsubscribe=One-Click"
    assert headers["Date"].strip() == "Tue, 01 Dec 2026 09:30:00 +0000"
    assert headers["To"].strip() == "reader@inbox.example.net"
    assert headers["Auto-Submitted"].strip() == "auto-generated"
    assert headers["Content-Language"].strip() == "en"
    assert re.fullmatch(r"b\+[a-z2-7]+@bounces\.harbor\.example\.org", mail.envelope.mail_from)
    again = _unfolded(made.compose(outgoing(), NOW).content)
    other = _unfolded(made.compose(outgoing(delivery_id=8), NOW).content)
    assert again["Message-ID"] == headers["Message-ID"] != other["Message-ID"]


@pytest.mark.parametrize("language", ["en", "ru", "fa"])
def test_subject_and_name_survive_the_wire(tokens, language):
    """Encoded-words decode to what was written, each at most 75 characters long."""
    made = composer(tokens)
    content = made.compose(outgoing(language=language), NOW).content
    headers = _unfolded(content)
    edition = made.templates(language).revision.editions[language]
    assert str(make_header(decode_header(headers["Subject"].strip()))) == edition.subject
    assert harbor_sender().name[language] in str(make_header(decode_header(headers["From"])))
    words = re.findall(rb"=\?[^?]+\?[bqBQ]\?[^?]*\?=", content)
    assert [word for word in words if len(word) > 75] == []
    assert_wire_form(content)


def test_a_long_unsubscribe_address_stays_whole(tokens):
    """However long the host is, the address is never encoded nor broken."""
    host = "mail." + "a-very-long-name-of-an-organization." * 3 + "example.org"
    sender = harbor_sender(base_url=f"https://{host}")
    content = composer(tokens, sender=sender).compose(outgoing(), NOW).content
    found = re.search(rb"\r\nList-Unsubscribe:\s+<(https://[^>\s]+)>\r\n", content)
    assert found[1].startswith(f"https://{host}/u/".encode())


def test_one_can_leave_by_mail_where_what_comes_back_is_read(tokens, signed):
    """The web address first, each whole and alone on its line; both tokens name one person."""
    keys, records = signed
    mail = _signed_mail(tokens, keys, takes_mail=True)
    found = re.search(
        rb"\r\nList-Unsubscribe:\s+<https://mail\.harbor\.example\.org/u/([\w-]{39})>,\r\n"
        rb" <mailto:u\+([a-z2-7]{46})@bounces\.harbor\.example\.org\?subject=unsubscribe>\r\n",
        mail.content,
    )
    link, in_mail = (one.decode() for one in found.groups())
    assert PersonToken(7, 11) == tokens.read_person(Purpose.UNSUBSCRIBE, link)
    assert PersonToken(7, 11) == tokens.read_unsubscribe_in_mail(in_mail.upper())
    assert link in text_of(mail.content)
    assert [True, True] == [_verified(mail.content, records, index) for index in (0, 1)]


def test_one_cannot_leave_by_mail_where_mails_return_elsewhere(tokens):
    """A relay with a return path of its own says that nobody reads ours, or not by token."""
    for kind in (ReturnPath.FIXED, ReturnPath.RELAY):
        made = composer(tokens, handling=RelayHandling(kind), takes_mail=True)
        assert b"mailto:" not in made.compose(outgoing(), NOW).content


def test_each_mail_leads_to_its_persons_preferences(tokens):
    """By a token for nothing else; a mail to staff leads to nobody's."""
    for source, person in (
        (tokens, PersonToken(7, 11)),
        (ServiceTokens(tokens._keys), PersonToken(0, 0)),
    ):
        content = composer(source).compose(outgoing(), NOW).content
        (link,) = re.findall(r"https://mail\.harbor\.example\.org/p/([\w-]{39})", text_of(content))
        assert f'href="https://mail.harbor.example.org/p/{link}"' in html_of(content)
        assert person == source.read_person(Purpose.PREFERENCES, link)


def test_a_design_of_before_preferences_is_composed_as_it_was(tokens):
    """What leads to none of them needs no token for it."""
    design = mail_design()
    old = replace(
        design,
        layout_html=design.layout_html.replace('<a href="{{ preferences_url }}">', "<a>"),
        layout_text=design.layout_text.replace("{{ preferences_url }}", ""),
    )
    content = composer(tokens, design=old).compose(outgoing(), NOW).content
    assert "/p/" not in text_of(content) + html_of(content)
    assert "/u/" in text_of(content)


def test_a_mail_without_html_is_signed_as_any_other(tokens, signed):
    """Its one part is 7-bit, and what says how it is encoded is signed too."""
    keys, records = signed
    mail = _signed_mail(tokens, keys, text_only=True)
    assert_wire_form(mail.content)
    assert [True, True] == [_verified(mail.content, records, index) for index in (0, 1)]
    names = [name for name, _ in raw_headers(mail.content)]
    assert [*FIELDS, "Content-Transfer-Encoding"] == names[2:]
    whole = mail.content.replace(b"quoted-printable", b"7bit")
    assert [False, False] == [_verified(whole, records, index) for index in (0, 1)]
    assert text_of(composer(tokens).compose(outgoing(), NOW).content) == text_of(mail.content)


def test_both_parts_say_the_same_and_carry_their_pictures(tokens):
    """The twin has the HTML's links, no marker is left, and pictures come along."""
    content = composer(tokens).compose(outgoing(), NOW).content
    html, text = html_of(content), text_of(content)
    links = set(re.findall(r'href="(https?://[^"]+)"', html))
    assert {
        link.replace("&amp;", "&") for link in links if link.replace("&amp;", "&") not in text
    } == set()
    assert "Mara Lind" in html
    assert "Mara Lind" in text
    assert set(re.findall(r'src="([^":]+):', html)) == {"cid"}
    assert len(pictures_of(content)) == len(set(re.findall(r'src="cid:([^"]+)"', html)))


def test_the_notice_is_there_only_for_those_whose_language_is_missing(tokens):
    """It speaks the reader's language and names the editions there are."""
    made = composer(tokens)
    without = html_of(made.compose(outgoing(), NOW).content)
    shown = made.compose(outgoing(wanted="ro"), NOW).content
    assert "limba dumneavoastr" not in without
    for part in (html_of(shown), text_of(shown)):
        assert "limba dumneavoastr" in part
        assert "Limbi disponibile" in part
        assert "engleză" in part


@pytest.mark.parametrize("index", [0, 1])
def test_both_signatures_verify(tokens, signed, index):
    """RSA-2048 and Ed25519 at once, by another's verifier."""
    keys, records = signed
    mail = _signed_mail(tokens, keys)
    assert_wire_form(mail.content)
    assert mail.content.count(b"DKIM-Signature:") == 2
    assert _verified(mail.content, records, index) is True


def test_what_must_be_signed_is_signed_once_more_than_it_occurs(tokens, signed):
    """Both List-Unsubscribe fields are in h=, and none can be added to."""
    keys, _ = signed
    mail = _signed_mail(tokens, keys)
    value = _unfolded(mail.content)["DKIM-Signature"]
    names = re.search(r"h=([^;]+);", re.sub(r"\s+", "", value))[1].split(":")
    for name in ("From", "To", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post"):
        assert names.count(name) == 2, name
    assert "l=" not in re.split(r";\s*", value)


@pytest.mark.parametrize(
    "added",
    [b"From: Other <other@example.net>\r\n", b"Subject: Other\r\n",
     b"List-Unsubscribe: <https://other.example.net/>\r\n", b"Cc: other@example.net\r\n"],
)  # fmt: skip
def test_an_added_field_breaks_the_signatures(tokens, signed, added):
    """A second From, Subject or List-Unsubscribe, or a Cc, makes them invalid."""
    keys, records = signed
    content = _signed_mail(tokens, keys).content
    for index in (0, 1):
        changed = content.replace(b"\r\nFrom:", b"\r\n" + added + b"From:", 1)
        try:
            assert _verified(changed, records, index) is False
        except dkim.DKIMException as error:
            assert str(error)  # noqa: PT017  (Refusing to read it is as good.)


def test_key_files_that_cannot_be_used_are_named(tmp_path):
    """Missing, open to others, locked, too small, no key: all at once, each with its remedy."""
    small = rsa.generate_private_key(65537, 1024)
    good = ed25519.Ed25519PrivateKey.generate()
    _write(tmp_path / "small.pem", small)
    _write(tmp_path / "locked.pem", good, BestAvailableEncryption(b"x"))
    _write(tmp_path / "open.pem", good)
    (tmp_path / "open.pem").chmod(stat.S_IRUSR | stat.S_IROTH)
    (tmp_path / "text.pem").write_text("no key")
    (tmp_path / "text.pem").chmod(0o600)
    names = ("missing", "small", "locked", "open", "text")
    keys = tuple(DkimKey(DOMAIN, name, str(tmp_path / f"{name}.pem")) for name in names)
    with pytest.raises(FaultsFound) as raised:
        load_signers(harbor_sender(dkim=keys))
    problems = {fault.file: fault.problem for fault in raised.value.faults}
    assert problems == {
        "missing.pem": "is missing",
        "small.pem": "has only 1024 bits",
        "locked.pem": "is locked by a passphrase",
        "open.pem": "is open to other users",
        "text.pem": "is not a private key in PEM",
    }
    assert all(fault.remedy for fault in raised.value.faults)


def test_a_key_file_is_read_anew_only_when_it_changed(tmp_path):
    """Checking its primes takes as long as twenty mails: it is done once, and a new key is taken."""
    path = tmp_path / "a.pem"
    sender = harbor_sender(dkim=(DkimKey(DOMAIN, "a", str(path)),))
    _write(path, rsa.generate_private_key(65537, 2048))
    (first,), (again,) = load_signers(sender), load_signers(sender)
    assert first.key is again.key
    _write(path, rsa.generate_private_key(65537, 2048))
    (other,) = load_signers(sender)
    assert first.key is not other.key


@pytest.mark.parametrize(
    "address",
    ["a@b.example.org\r\nBcc: c@example.org", "a@example.org, b@example.org", "a\0@example.org",
     "a b@example.org", "<a@example.org>", "имя@example.org"],
)  # fmt: skip
def test_an_address_that_is_not_one_plain_address_is_not_composed(tokens, address):
    """It is refused without being named."""
    with pytest.raises(CannotCompose) as raised:
        composer(tokens).compose(outgoing(address=address), NOW)
    assert "example.org" not in str(raised.value)


def test_an_internationalized_address_goes_as_it_is_where_that_is_possible(tokens):
    """With SMTPUTF8 the header holds UTF-8; all else stays 7-bit."""
    mail = composer(tokens).compose(outgoing(address="имя@example.org", needs_smtputf8=True), NOW)
    head, _, body = mail.content.partition(b"\r\n\r\n")
    assert "To: имя@example.org".encode() in head
    assert body.isascii()


def test_values_are_text_and_nothing_else(tokens):
    """What looks like a template or like HTML arrives as it was written, isolated."""
    fields = {"name": "{{7*7}}<b>\u202egnp</b>", "country": "", "city": ""}
    content = composer(tokens).compose(outgoing(fields=fields), NOW).content
    assert "<bdi>{{7*7}}&lt;b&gt;gnp&lt;/b&gt;</bdi>" in html_of(content)
    assert "{{7*7}}<b>gnp</b>" in text_of(content)


def test_a_discreet_list_has_no_readable_name_in_list_id(tokens):
    """Its List-Id is the identifier alone."""
    content = (
        composer(tokens, targets=[harbor_list(discreet=True)]).compose(outgoing(), NOW).content
    )
    assert _unfolded(content)["List-Id"].strip() == "<news.harbor.example.org>"
