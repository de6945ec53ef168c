"""Links are judged by their form."""

import pytest

from mailer.statements.links import link_problem, web_address_problem


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org",
        "https://example.org:8443/a/b?c=d#e",
        "https://xn--e1afmkfd.example/%D0%BF",
        "https://пример.example/путь",
        "HTTPS://EXAMPLE.ORG/",
        "mailto:office@example.org",
        "mailto:office@example.org?subject=Willow%20Center&body=Hello",
    ],
)
def test_whole_addresses_are_right(address):
    """Https and mail addresses, international ones too."""
    assert link_problem(address) is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("", "is empty"),
        ("/about", "is relative: a mail belongs to no site"),
        ("about.html", "is relative: a mail belongs to no site"),
        ("//example.org/a", "is relative: a mail belongs to no site"),
        ("#top", "is relative: a mail belongs to no site"),
        ("www.example.org", "is relative: a mail belongs to no site"),
        ("http://example.org", "is not https"),
        ("htps://example.org", "begins with htps: and not with https:"),
        ("javascript:alert(1)", "begins with javascript: and not with https:"),
        ("ftp://example.org", "begins with ftp: and not with https:"),
        ("https://", "has no host like example.org"),
        ("https:///a", "has no host like example.org"),
        ("https://localhost/a", "has no host like example.org"),
        ("https://10.0.0.1/a", "has no host like example.org"),
        ("https://exa_mple.org", "has no host like example.org"),
        ("https://https://example.org", "has no host like example.org"),
        ("https://example..org", "has no host like example.org"),
        ("https://user:pw@example.org", "has a user name before the host"),
        ("https://example.org:x", "is not a web address"),
        ("https://example.org/a b", "has a space in it"),
        ("https://example.org/" + "a" * 2000, "is longer than 2000 characters"),
        ("mailto:", "is not a mail address"),
        ("mailto:office", "is not a mail address"),
        ("mailto:office@example.org?bcc=x@example.org", "sets more than subject and body"),
    ],
)
def test_broken_ones_are_told(address, expected):
    """Each way of being broken has its own words."""
    assert expected == link_problem(address).problem


def test_a_mail_address_is_no_address_on_the_web():
    """Where a page is wanted, mailto does not do."""
    assert web_address_problem("mailto:office@example.org") is not None
