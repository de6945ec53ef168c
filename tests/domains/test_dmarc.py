"""DMARC by the DNS tree walk, on a real DNS server."""

import pytest

from mailer.domains.dmarc import is_aligned, organizational_domain, parse_policy, policy_of
from mailer.domains.resolver import NoAnswer, SystemResolver
from tests.support.dns_server import dns_server


def _text(name, value):
    return {(f"_dmarc.{name}", "TXT"): [f'"{value}"']}


def _resolver(server):
    return SystemResolver(server.host, server.port, patience_s=2)


@pytest.mark.parametrize(
    ("records", "domain", "expected"),
    [
        ({}, "news.harbor.example.org", "news.harbor.example.org"),
        (_text("harbor.example.org", "v=DMARC1; p=none"), "news.harbor.example.org",
         "harbor.example.org"),
        (_text("news.harbor.example.org", "v=DMARC1; p=none")
         | _text("example.org", "v=DMARC1; p=none"), "news.harbor.example.org", "example.org"),
        (_text("news.harbor.example.org", "v=DMARC1; psd=n")
         | _text("example.org", "v=DMARC1; p=none"), "news.harbor.example.org",
         "news.harbor.example.org"),
        (_text("example.org", "v=DMARC1; psd=y"), "news.harbor.example.org", "harbor.example.org"),
        (_text("f.example.org", "v=DMARC1; p=none"), "a.b.c.d.e.f.example.org", "f.example.org"),
    ],
)  # fmt: skip
def test_the_tree_walk_finds_the_organization(records, domain, expected):
    """RFC 9989: psd=n and psd=y end it; else the shortest name with a record."""
    with dns_server(records) as server:
        assert expected == organizational_domain(domain, _resolver(server))


def test_a_deep_name_costs_at_most_eight_questions():
    """RFC 9989 §4.10: from more than eight labels the walk goes on with seven."""
    deep = ".".join("abcdefghijklmnop") + ".example.org"
    with dns_server({}) as server:
        organizational_domain(deep, _resolver(server))
        assert 8 == len(server.asked)
        assert ("_dmarc.l.m.n.o.p.example.org", "TXT") == server.asked[1]


def test_two_records_at_a_name_are_none():
    """Receivers take neither."""
    records = {("_dmarc.example.org", "TXT"): ['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"']}
    with dns_server(records) as server:
        assert policy_of("example.org", _resolver(server)) is None


def test_alignment_is_relaxed_unless_strict_is_asked_for():
    """A sibling below the same organization counts; with adkim=s only the same domain does."""
    with dns_server(_text("example.org", "v=DMARC1; p=none")) as server:
        resolver = _resolver(server)
        assert is_aligned("news.example.org", "mail.example.org", resolver, strict=False)
        assert not is_aligned("news.example.org", "mail.example.org", resolver, strict=True)
        assert not is_aligned("news.example.org", "example.net", resolver, strict=False)
        assert is_aligned("News.example.org", "news.example.org.", resolver, strict=True)


@pytest.mark.parametrize("text", ["v=dmarc1; p=none", "p=none; v=DMARC1", "v=spf1 -all", ""])
def test_other_texts_are_no_policy(text):
    """The version comes first and its case counts."""
    assert parse_policy("example.org", text) is None


@pytest.mark.parametrize(
    ("text", "author", "wants", "counts"),
    [
        ("v=DMARC1; p=Reject", "example.org", "p=reject", True),
        ("v=DMARC1; p=none; sp=reject", "example.org", "p=none", True),
        ("v=DMARC1; p=none; sp=reject", "news.example.org", "sp=reject", True),
        ("v=DMARC1; p=quarantine", "news.example.org", "p=quarantine", True),
        ("v=DMARC1; p=perhaps; rua=mailto:d@example.org", "example.org", "p=none", True),
        ("v=DMARC1; p=reject; np=perhaps; rua=mailto:d@example.org", "example.org", "p=none", True),
        ("v=DMARC1; p=perhaps", "example.org", "p=none", False),
        ("v=DMARC1", "example.org", "p=none", False),
    ],
)
def test_what_a_record_asks_for(text, author, wants, counts):
    """RFC 9989 §4.10.1: one that cannot be read is p=none, and nothing without reports."""
    policy = parse_policy("example.org", text)
    assert (wants, counts) == (policy.wants(author), policy.counts)


def test_the_record_of_a_public_suffix_holds_for_who_has_none():
    """RFC 9989 §4.10.1: the last place it is looked for, and only where it says what it is."""
    with dns_server(_text("example.org", "v=DMARC1; p=reject; psd=y")) as server:
        found = policy_of("news.harbor.example.org", _resolver(server))
        assert ("example.org", "p=reject") == (found.domain, found.wants("news.harbor.example.org"))
        assert not is_aligned(
            "harbor.example.org", "other.example.org", _resolver(server), strict=False
        )


def test_silence_is_no_missing_record():
    """A server that does not answer is told apart from a name that is not there."""
    with dns_server({}, silent=["_dmarc.example.org"]) as server, pytest.raises(NoAnswer):
        policy_of("example.org", SystemResolver(server.host, server.port, patience_s=0.3))
