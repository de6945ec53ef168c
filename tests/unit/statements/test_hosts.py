"""Hosts whose letters are not what they seem."""

import pytest

from mailer.statements.hosts import host_problem, shown_address


@pytest.mark.parametrize(
    "address",
    [
        "https://harbor.example.org/путь",
        "https://пример.рф",
        "https://пример.example",
        "https://xn--e1afmkfd.xn--p1ai/a",
        "https://bücher.example",
        "https://harbor.пример.рф",
        "https://шанс-2026.example.org",
        # Each of its letters looks Latin, but so does no other part of it.
        "https://оса.рф",
        "https://日本語とカナー.jp",
        "https://abc日本.jp",
        "https://می‌خواهیم.example",
        "https://xn--99999999.example.org",
        "mailto:office@harbor.example.org",
        "mailto:привет@example.org",
        "https://[",
        "no address",
    ],
)
def test_hosts_of_one_script_are_right(address):
    """Whatever the script, and Japanese in its three; what is no address is told elsewhere."""
    assert host_problem(address) is None


@pytest.mark.parametrize(
    ("address", "problem", "remedy"),
    [
        ("https://hаrbor.example.org",
         'mixes alphabets in its host: in "hаrbor" letter 2 (а) is Cyrillic and the others Latin',
         'Write it anew in Latin letters only: "harbor"'),
        ("https://xn--hrbor-4ve.example.org",
         'mixes alphabets in its host: in "hаrbor" letter 2 (а) is Cyrillic and the others Latin',
         'Write it anew in Latin letters only: "harbor"'),
        ("https://news.гaвaнь.рф",
         ('mixes alphabets in its host: in "гaвaнь" letters 2 (a) and 4 (a) are Latin and the others '
         "Cyrillic"),
         'Write it anew in Cyrillic letters only: "гавань"'),
        ("https://harbοr.example.org",
         'mixes alphabets in its host: in "harbοr" letter 5 (ο) is Greek and the others Latin',
         "Copy the address from the site itself"),
        ("https://harbor-жизнь.example.org",
         ('mixes alphabets in its host: in "harbor-жизнь" letters 8 (ж), 9 (и), 10 (з), 11 (н) and '
         "12 (ь) are Cyrillic and the others Latin"),
         "Copy the address from the site itself"),
        ("https://аррӏе.example.org/a",
         ('has a host that looks Latin and is not: in "аррӏе" letters 1 (а), 2 (р), 3 (р), 4 (ӏ) and '
         "5 (е) are Cyrillic"),
         'Write it anew in Latin letters only: "apple"'),
        ("https://har\u200bbor.example.org",
         "has a character that nobody sees in its host: U+200B",
         "Copy the address from the site itself"),
        ("https://har\u200dbor.example.org",
         "has a character that nobody sees in its host: U+200D",
         "Copy the address from the site itself"),
        ("mailto:office@hаrbor.example.org?subject=x",
         'mixes alphabets in its host: in "hаrbor" letter 2 (а) is Cyrillic and the others Latin',
         'Write it anew in Latin letters only: "harbor"'),
    ],
)  # fmt: skip
def test_a_host_that_only_looks_right_is_told_by_its_letter(address, problem, remedy):
    """A label in two scripts, a Cyrillic one that reads as Latin, and what nobody sees."""
    found = host_problem(address)
    assert (problem, remedy) == (found.problem, found.remedy)


def test_an_address_is_shown_in_the_letters_people_write():
    """An A-label tells nobody which letter is meant."""
    assert "https://hаrbor.example.org/a" == shown_address("https://xn--hrbor-4ve.example.org/a")
    assert "https://harbor.example.org" == shown_address("https://harbor.example.org")
