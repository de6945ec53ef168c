"""Whatever text people, lists and statements bring along, a mail has its own header and no other."""

import re
import unicodedata
from email.header import decode_header, make_header
from email.utils import getaddresses
from html import escape

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mailer.audience.addresses import BadAddress, normalize_address
from mailer.compose.composer import CannotCompose, MailingComposer
from mailer.model.faults import FaultsFound
from tests.property.poison import (
    ATTRIBUTES,
    FIELDS,
    POISONS,
    head_of,
    is_unfit,
    plain_design,
    poisoned_composer,
    readable,
)
from tests.support.mail import assert_wire_form, header, message, raw_headers
from tests.support.mails import NOW, harbor_list, harbor_sender, mail_design, one_edition, outgoing

#: Where a text of ours goes → the field, and the address or identifier that ends it.
PLACES = {
    "subject": ("Subject", ""),
    "from_name": ("From", "news@harbor.example.org"),
    "list_name": ("List-Id", "news.harbor.example.org"),
}
READER = "reader@inbox.example.net"
PARTS = ["multipart/alternative", "text/plain", "text/html"]
PLAIN = {"name": "Mara", "country": "MD", "city": "Orlesk", "skills": "law"}
BODY = """\
Dear {{ supporter.name }} of {{ supporter.city }}, {{ supporter.country }}: {{ supporter.skills }}

{% if supporter.city == "Orlesk" %}You know the house.{% else %}Come and see it.{% endif %}
"""
#: Texts made of what the table is made of, and of anything else.
texts = st.lists(
    st.one_of(
        st.sampled_from(["\r\n", "\n", "\r", "\0", "\x85", "\u2028", "\u202e", "\u2066", "Bcc: ", "=?",
                         "?=", "=0d=0a", "  ", '"', "\\", "<", ">", "@", ",", "x" * 80, "é" * 40,
                         *POISONS.values()]),
        st.text(st.characters(), max_size=15),
    ),
    max_size=5,
).map("".join)  # fmt: skip
every_poison = pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS)
thorough = settings(max_examples=80, deadline=None)


@pytest.fixture(scope="module")
def composer(tokens):
    """A composer of a statement that prints every field, in the design that ships."""
    targets = [harbor_list(attributes=ATTRIBUTES)]
    return MailingComposer(one_edition(BODY), mail_design(), harbor_sender(), targets, tokens, ())


@pytest.fixture(scope="module")
def expected_head(composer):
    """The header everyone gets."""
    return head_of(composer.compose(outgoing(fields=PLAIN), NOW).content)


@pytest.fixture(scope="module")
def statement():
    """A statement whose subject is put in by each test."""
    return one_edition("Give the register back.")


@pytest.fixture(scope="module")
def design():
    """A design of few lines."""
    return plain_design()


def _assert_only_own_header(mail, address=READER):
    """Hold a mail against what every mail of ours must be, whoever it is for."""
    assert [name for name, _ in raw_headers(mail.content)] == FIELDS
    assert_wire_form(mail.content)
    assert header(mail.content, "To") == address
    assert mail.envelope.rcpt_to == address
    assert re.fullmatch(r"b\+[a-z2-7]{40}@bounces\.harbor\.example\.org", mail.envelope.mail_from)


def _decoded(value):
    """Return what a mail program shows of a header's text."""
    return str(make_header(decode_header(value)))


def _phrase(value):
    """Return the words before an address or identifier in angle brackets, decoded or unquoted."""
    phrase = value.rpartition("<")[0].removesuffix(" ")
    if phrase.startswith('"'):
        assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', phrase)
        return re.sub(r"\\(.)", r"\1", phrase[1:-1])
    return _decoded(phrase)


def test_the_table_holds_what_it_should():
    """At least thirty poisons, among them all that break a line or turn it around."""
    whole = "".join(POISONS.values())
    unfit = {chr(code) for code in range(0x2100) if is_unfit(chr(code))}
    kinds = {unicodedata.name(one, f"C{ord(one) >> 7}") for one in unfit}
    assert len(POISONS) >= 30
    assert {unicodedata.name(one, f"C{ord(one) >> 7}") for one in set(whole) & unfit} == kinds


@every_poison
def test_a_supporters_field_changes_nothing_of_the_header(composer, expected_head, poison):
    """Whichever field it is in: the header is the one everyone gets, to the byte."""
    for field in PLAIN:
        mail = composer.compose(outgoing(fields={**PLAIN, field: poison}), NOW)
        _assert_only_own_header(mail)
        assert (field, head_of(mail.content)) == (field, expected_head)


@every_poison
def test_a_supporters_field_is_read_as_text(composer, poison):
    """It stands in both parts, on one line and escaped, and makes no part of its own."""
    mail = composer.compose(outgoing(fields=dict.fromkeys(PLAIN, poison)), NOW)
    whole, text, html = message(mail.content).walk()
    assert [one.get_content_type() for one in (whole, text, html)] == PARTS
    line = "Dear {0} of {0}, {0}: {0}\n"
    assert line.format(readable(poison)) in text.get_content().replace("\r\n", "\n")
    isolated = f"<bdi>{escape(readable(poison))}</bdi>"
    assert f">{line.format(isolated).rstrip()}</p>" in html.get_content()


@every_poison
def test_a_text_of_ours_is_read_as_it_was_written_or_refused(tokens, statement, design, poison):
    """What breaks or turns the line is refused by the field's name; all else is read back whole."""
    for place, (field, address) in PLACES.items():
        made = poisoned_composer(tokens, statement, design, **{place: poison})
        if is_unfit(poison):
            with pytest.raises(FaultsFound) as raised:
                made.compose(outgoing(), NOW)
            assert [fault.field for fault in raised.value.faults] == [field]
            assert "example" not in str(raised.value)
            continue
        mail = made.compose(outgoing(), NOW)
        _assert_only_own_header(mail)
        value = header(mail.content, field)
        if not address:
            assert _decoded(value) == poison
            continue
        assert (_phrase(value), value.rpartition("<")[2]) == (poison, f"{address}>")
        assert [one for _, one in getaddresses([value])] == [address]


@thorough
@given(name=texts, country=texts, city=texts, skills=texts)
def test_no_values_together_change_the_header(composer, expected_head, name, country, city, skills):
    """Arbitrary text in every field at once: the same header, one recipient, the wire's form."""
    fields = {"name": name, "country": country, "city": city, "skills": skills}
    mail = composer.compose(outgoing(fields=fields), NOW)
    _assert_only_own_header(mail)
    assert head_of(mail.content) == expected_head


@thorough
@given(subject=texts, from_name=texts, list_name=texts)
@example(subject="", from_name="", list_name="")
@example(subject=" ", from_name=" ", list_name=" ")
def test_no_texts_together_make_another_header(
    tokens, statement, design, subject, from_name, list_name
):
    """Arbitrary subject, From name and list name: refused, or read back and nothing beside them."""
    made = poisoned_composer(
        tokens, statement, design, subject=subject, from_name=from_name, list_name=list_name
    )
    if any(map(is_unfit, (subject, from_name, list_name))):
        with pytest.raises(FaultsFound):
            made.compose(outgoing(), NOW)
        return
    mail = made.compose(outgoing(), NOW)
    _assert_only_own_header(mail)
    assert _decoded(header(mail.content, "Subject")) == subject
    assert _phrase(header(mail.content, "From")) == from_name
    assert _phrase(header(mail.content, "List-Id")) == list_name
    addresses = [header(mail.content, name) for name in ("From", "To", "Reply-To")]
    assert [one for _, one in getaddresses(addresses)] == [
        "news@harbor.example.org", READER, "office@harbor.example.org",
    ]  # fmt: skip


_local_parts = st.text(st.characters(categories=["L", "N", "P", "S", "M"]), min_size=1, max_size=30)
_domains = st.sampled_from(
    [
        "example.org",
        "EXAMPLE.net",
        "bücher.example.org",
        "пример.example.com",
        f"{'a' * 63}.example",
    ]
)


@thorough
@given(written=st.one_of(st.emails(), st.builds("{}@{}".format, _local_parts, _domains)))
@example(written="имя@example.org")
@example(written="o'neil+news=x@example.org")
def test_every_address_an_import_takes_is_mailed_alone(composer, written):
    """What passes the import stands in To and RCPT TO, whole, and nobody is beside it."""
    try:
        normal = normalize_address(written)
    except BadAddress:
        assume(False)
    person = outgoing(address=normal.address, needs_smtputf8=normal.needs_smtputf8)
    mail = composer.compose(person, NOW)
    head, _, body = mail.content.partition(b"\r\n\r\n")
    assert mail.envelope.rcpt_to == normal.address
    assert re.search(r"\r\nTo: (?:\r\n )?(\S+)\r\n", head.decode())[1] == normal.address
    assert re.findall(r"^([!-9;-~]+):", head.decode(), re.MULTILINE) == FIELDS
    assert body.isascii()
    assert head.isascii() or normal.needs_smtputf8


@thorough
@given(address=texts)
def test_what_is_no_address_is_never_mailed(composer, address):
    """Text that is not exactly one address is refused, and the refusal does not quote it."""
    try:
        mail = composer.compose(outgoing(address=address), NOW)
    except CannotCompose as error:
        # Being composed is as good, where it is an address.
        assert re.fullmatch(  # noqa: PT017
            r"delivery 7: To (is not one plain mail address|has letters that need SMTPUTF8"
            r"|holds U\+[0-9A-F]{4}, which may stand in no header)",
            str(error),
        )
    else:
        _assert_only_own_header(mail, address)
