"""What is printed for a zone is what the check accepts, and every deviation has its words."""

import base64
import contextlib
import re
import socket
import threading
from dataclasses import replace

import dns.name
import dns.zone
import pytest

from mailer.domains.checks import check_domain
from mailer.domains.https import check_https
from mailer.domains.records import RelayFacts, key_record, new_key, quoted, wanted_records
from mailer.domains.resolver import SystemResolver
from mailer.domains.spf import read_spf
from mailer.model.findings import Grade, passes
from mailer.model.mailing import DkimKey
from mailer.model.relays import ReturnPath
from tests.support.certificates import Certificate
from tests.support.dns_server import dns_server
from tests.support.factories import make_sender

SENDER = make_sender(dkim=(DkimKey("harbor.example.org", "mail2026", "dkim.key"),))
KEY = new_key(ed25519=False)
KEYS = [("mail2026._domainkey.harbor.example.org", key_record(KEY))]
OWN = RelayFacts(ReturnPath.VERP, "", signs=False, own=True, greets_as="mx.harbor.example.org")
ADDRESS = {
    ("mx.harbor.example.org", "A"): ["192.0.2.25"],
    ("25.2.0.192.in-addr.arpa", "PTR"): ["mx.harbor.example.org."],
}


def _zone(facts=OWN, keys=KEYS):
    """Return what is printed for a zone, as a DNS server takes it."""
    records = {}
    for one in wanted_records(SENDER, facts, keys):
        found = re.fullmatch(r"(\S+)\. 3600 IN (TXT|MX) (.+)", one.lines[1])
        records[found[1], found[2]] = [found[3]]
    return records


def _checked(records, facts=OWN, keys=KEYS, silent=()):
    with dns_server(records, silent) as server:
        resolver = SystemResolver(server.host, server.port, patience_s=0.5)
        return check_domain(SENDER, facts, keys, resolver)


def test_what_is_printed_passes():
    """Records to paste and the check agree, the PTR of one's own server included."""
    found = _checked({**_zone(), **ADDRESS})
    assert [] == [one for one in found if one.grade is not Grade.OK]
    assert passes(found)


def test_a_long_text_is_split_at_255_octets_and_comes_back_whole():
    """RFC 1035 §3.3: an RSA key does not fit one string."""
    text = KEYS[0][1]
    pieces = re.findall(r'"([^"]*)"', quoted(text))
    assert [255, len(text) - 255] == [len(one) for one in pieces]
    with dns_server({(KEYS[0][0], "TXT"): [quoted(text)]}) as server:
        assert (text,) == SystemResolver(server.host, server.port).texts(KEYS[0][0])


@pytest.mark.parametrize("return_path", list(ReturnPath))
def test_what_is_printed_is_part_of_a_zone(return_path):
    """A name server takes it as it is, comments and a key of three strings included."""
    facts = replace(OWN, return_path=return_path, keeps_from=True)
    long = ("long._domainkey.harbor.example.org", f"v=DKIM1; k=rsa; p={'A' * 724}")
    wanted = wanted_records(SENDER, facts, [*KEYS, long])
    text = "\n".join(["$ORIGIN org.", "@ 1 IN SOA a b 1 1 1 1 1", "@ 1 IN NS a",
                      *(line for one in wanted for line in one.lines)])  # fmt: skip
    zone = dns.zone.from_text(text)
    for one in wanted:
        (found,) = zone.find_rdataset(dns.name.from_text(one.name), one.type.value)
        said = (
            b"".join(found.strings).decode() if one.type == "TXT" else f"10 {found.exchange}.org."
        )
        assert one.value == said


def test_senders_with_one_return_path_domain_share_one_spf_record():
    """RFC 7208 §4.5: two would be an error, so that both relays stand in one."""
    other = RelayFacts(ReturnPath.VERP, "_spf.relay.example", signs=True, own=False)
    (spf, *_) = wanted_records(SENDER, OWN, KEYS, [OWN, other])
    assert "v=spf1 a:mx.harbor.example.org include:_spf.relay.example -all" == spf.value


def test_an_ed25519_key_is_its_32_octets():
    """RFC 8463 §4: the key alone, in no wrapping."""
    text = key_record(new_key(ed25519=True))
    assert text.startswith("v=DKIM1; k=ed25519; p=")
    assert 32 == len(base64.b64decode(text.rpartition("p=")[2]))


@pytest.mark.parametrize(
    ("name", "kind", "values", "words"),
    [
        ("bounces.harbor.example.org", "TXT", [], "there is no record"),
        ("bounces.harbor.example.org", "TXT", ['"v=spf1 -all"', '"v=spf1 mx -all"'],
         "there are 2 records"),
        ("bounces.harbor.example.org", "TXT", ['"v=spf1 a:mx.harbor.example.org +all"'],
         "it lets everybody send"),
        ("bounces.harbor.example.org", "TXT",
         ['"v=spf1 ' + " ".join(f"a:h{n}.example.org" for n in range(11)) + ' -all"'],
         "it takes more than 10 look-ups"),
        ("bounces.harbor.example.org", "MX", [], "bounces are lost"),
        ("bounces.harbor.example.org", "MX", ["0 ."], "the domain takes no mail"),
        ("bounces.harbor.example.org", "MX", ["10 gone.example.org."], "has no address"),
        (KEYS[0][0], "TXT", [], "there is no record"),
        (KEYS[0][0], "TXT", ['"v=DKIM1; p="'], "the key there is revoked"),
        (KEYS[0][0], "TXT", ['"v=DKIM1; k=rsa; p=AAAA"'], "is not the one we sign with"),
        ("bounces.harbor.example.org", "TXT", ['"v=spf1 include:gone.example.org -all"'],
         "counts for nothing: include:gone.example.org"),
        ("_dmarc.harbor.example.org", "TXT", ['"v=DMARC1; p=none"', '"v=DMARC1; p=none;"'],
         "there are 2 records"),
        ("_dmarc.harbor.example.org", "TXT", [], "large providers refuse"),
        ("_dmarc.harbor.example.org", "TXT", ['"v=DMARC1; p=nothing"'], "counts for nothing"),
        ("25.2.0.192.in-addr.arpa", "PTR", ["host25.example.net."], "says it is host25"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_zone_is_named(name, kind, values, words):
    """One finding says it, and what to do."""
    found = _checked({**_zone(), **ADDRESS, (name, kind): values})
    named = [one for one in found if one.grade is Grade.WRONG and words in one.text]
    assert 1 == len(named)
    assert named[0].remedy


def test_the_tag_pct_and_missing_reports_are_worth_a_word():
    """RFC 9989 knows no pct; nothing is stopped by it."""
    zone = {
        **_zone(),
        **ADDRESS,
        ("_dmarc.harbor.example.org", "TXT"): ['"v=DMARC1; p=none; pct=50"'],
    }
    found = _checked(zone)
    assert ["the tag pct means nothing any more", "nobody gets reports"] == [
        one.text for one in found if one.grade is Grade.ADVICE
    ]
    assert passes(found)


def test_a_network_that_is_away_says_nothing_about_records():
    """Unknown is not wrong, and it does not pass either."""
    found = _checked(_zone(), silent=["bounces.harbor.example.org"])
    grades = {one.subject: one.grade for one in found}
    assert Grade.UNKNOWN is grades["SPF of bounces.harbor.example.org"]
    assert Grade.UNKNOWN is grades["MX of bounces.harbor.example.org"]
    assert not passes(found)


def test_a_relay_that_signs_and_has_its_own_return_path_wants_only_dmarc():
    """As most providers do."""
    facts = RelayFacts(ReturnPath.RELAY, "mailgun.org", signs=True, own=False)
    zone = _zone(facts, [])
    assert [("_dmarc.harbor.example.org", "TXT")] == list(zone)
    assert passes(_checked(zone, facts, []))


def test_an_include_that_leads_in_circles_ends():
    """Receivers give up when ten look-ups were not enough, and so does the count."""
    loop = {
        ("a.example.org", "TXT"): ['"v=spf1 include:b.example.org -all"'],
        ("b.example.org", "TXT"): ['"v=spf1 include:a.example.org -all"'],
    }
    with dns_server(loop) as server:
        record = read_spf("a.example.org", SystemResolver(server.host, server.port))
    assert frozenset({"a.example.org", "b.example.org"}) == record.includes
    assert 12 == record.lookups


def test_what_is_included_twice_is_counted_twice():
    """RFC 7208 §4.6.4: as receivers do, who evaluate it each time."""
    shared = " ".join(f"exists:h{n}.example.org" for n in range(4))
    zone = {
        ("example.org", "TXT"): ['"v=spf1 include:a.example.org include:b.example.org -all"'],
        ("a.example.org", "TXT"): ['"v=spf1 include:c.example.org ?all"'],
        ("b.example.org", "TXT"): ['"v=spf1 include:c.example.org ?all"'],
        ("c.example.org", "TXT"): [f'"v=spf1 {shared} ?all"'],
    }
    with dns_server(zone) as server:
        record = read_spf("example.org", SystemResolver(server.host, server.port))
    assert record.lookups > 10


@pytest.mark.parametrize(
    ("terms", "broken", "lets_everybody"),
    [
        ("+a:mx.example.org/24 mx//64 ip4:192.0.2.7 ip6:2001:db8::/32 ptr -all", "", False),
        ("exists:%{i}.example.org exp=why.example.org redirect=%{d}.example.org", "", False),
        ("ip4:bogus ip6:192.0.2.7 ipv4:192.0.2.7 include: -all",
         "ip4:bogus ip6:192.0.2.7 ipv4:192.0.2.7 include:", False),
        ("include:gone.example.org include:two.example.org include:a..b ~all",
         "include:gone.example.org include:two.example.org include:a..b", False),
        ("include:typo.example.org ?all", "mix", False),
        ("-all +all", "", False),
        ("mx +ALL", "", True),
    ],
)  # fmt: skip
def test_what_receivers_cannot_evaluate_is_named(terms, broken, lets_everybody):
    """RFC 7208 §4.6 and §5.2: one such term, here or in what is included, spoils the record."""
    zone = {
        ("example.org", "TXT"): [f'"V=spf1 {terms}"'],
        ("two.example.org", "TXT"): ['"v=spf1 -all"', '"v=spf1 mx -all"'],
        ("typo.example.org", "TXT"): ['"v=spf1 mix -all"'],
    }
    with dns_server(zone) as server:
        record = read_spf("example.org", SystemResolver(server.host, server.port))
    assert (tuple(broken.split()), lets_everybody) == (record.broken, record.lets_everybody)


def test_a_server_of_ones_own_is_asked_for_its_name():
    """Without it no PTR can be looked up, and that is said."""
    facts = RelayFacts(ReturnPath.VERP, "", signs=False, own=True)
    assert [Grade.ADVICE] == [one.grade for one in _checked(_zone(), facts) if one.subject == "PTR"]


@pytest.mark.parametrize(
    ("certificate", "grade", "words"),
    [
        (Certificate.GOOD, Grade.OK, "answers, with a certificate until"),
        (Certificate.EXPIRED, Grade.WRONG, "certificate has expired"),
        (Certificate.WRONG_NAME, Grade.WRONG, "is not valid for '127.0.0.1'"),
        (Certificate.SELF_SIGNED, Grade.WRONG, "its certificate is not valid"),
    ],
)
def test_links_want_a_certificate_that_is_valid(authority, monkeypatch, certificate, grade, words):
    """What a browser would warn of is found before people are sent there."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))

    def answer(server):
        with contextlib.suppress(OSError), server.accept()[0] as plain:
            authority.server_context(certificate).wrap_socket(plain, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        found = check_https(f"https://127.0.0.1:{server.getsockname()[1]}", patience_s=5)
        thread.join()
    assert grade is found.grade
    assert words in found.text


def test_links_want_https_that_answers():
    """Http is refused; a closed port is named."""
    assert "is not https" in check_https("http://127.0.0.1:8025").text
    assert Grade.WRONG is check_https("https://127.0.0.1:1", patience_s=1).grade
