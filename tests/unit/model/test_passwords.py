"""Which passwords are refused, and which are not."""

import pytest

from mailer.model.passwords import PasswordFault, PasswordRefused, password_fault

NAMES = ("Harbor Solidarity", "Солидарность гавани", "Mailer", "Sol")


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("elevenchars", PasswordFault.TOO_SHORT),
        ("x" * 1025, PasswordFault.TOO_LONG),
        ("i am Ana.Munteanu!", PasswordFault.HOLDS_LOGIN),
        ("for harbor-solidarity 7", PasswordFault.HOLDS_NAME),
        ("солидарностьгавани-2026", PasswordFault.HOLDS_NAME),
        ("aaaaaaaaaaaaaaaa", PasswordFault.COMMON),
        ("abababababababab", PasswordFault.COMMON),
        ("123456789012", PasswordFault.COMMON),
        ("Password123456", PasswordFault.COMMON),
        ("P@ssw0rd!2026!", PasswordFault.COMMON),
        ("qwertyqwerty12", PasswordFault.COMMON),
        ("welcome_welcome_", PasswordFault.COMMON),
        ("пароль20262026", PasswordFault.COMMON),
        ("four-words-nobody-guesses", None),
        ("ana was here once", None),
        ("solar panels on a barn", None),
        ("Zürich käse hängt", None),
        ("x7#Kq9!mZ2$w", None),
        ("correct horse staple", None),
        ("ж" * 5 + "абвгдеёзик" + "л" * 1000, None),
    ],
)
def test_a_password_is_refused_for_what_makes_it_easy_to_guess(password, fault):
    """Length, login, name, the commonest; no rule asks for capitals or digits."""
    assert fault is password_fault(password, "ana.munteanu", NAMES)


@pytest.mark.parametrize("fault", list(PasswordFault))
def test_a_refusal_says_why_and_what_to_do(fault):
    """And never what the password is."""
    assert "Take four words" in str(PasswordRefused(fault))
