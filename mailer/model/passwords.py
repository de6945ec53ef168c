"""Which passwords are refused: too short, too long, or the first that anybody would try.

In: a password and the words that stand near it. Out: why it is refused, or nothing. There are no
rules of capitals and digits, which make passwords worse.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1024
#: Shorter words are found in good passwords by chance.
_SHORTEST_WORD = 4
#: A password of fewer different characters is one key held down.
_FEWEST_CHARACTERS = 5
#: What the commonest passwords are made of, whatever is written around and in between.
_COMMONEST = frozenset({
    "abc", "abcdef", "abcdefghijkl", "abcdefghijklmnop", "admin", "administrator", "asdfghjkl",
    "azerty", "azertyuiop", "baseball", "batman", "changeme", "charlie", "computer", "correcthorse",
    "correcthorsebatterystaple", "dragon", "facebook", "flower", "football", "freedom", "google",
    "guest", "hello", "helloworld", "iloveyou", "letmein", "liverpool", "login", "loveme", "lovely",
    "mailer", "master", "michael", "monkey", "mustang", "mypassword", "newsletter", "nothing", "pass",
    "passphrase", "passw", "password", "passwort", "princess", "qazwsx", "qazwsxedc", "qwer",
    "qwert", "qwerty", "qwertyqwerty", "qwertyuiop", "qwertz", "qwertzuiop", "root", "samsung",
    "secret", "shadow", "solidarity", "starwars", "sunshine", "superman", "supersecret", "test",
    "testtest", "thisisapassword", "trustno", "user", "welcome", "whatever", "zaqwsx", "zxcvbn",
    "zxcvbnm", "parola", "parolamea", "bunaziua", "salut", "solidaritate",
    "йцукен", "йцукенгшщзхъ", "пароль", "мойпароль", "привет", "любовь", "солидарность",
    "солідарність", "кохання", "привіт", "фывапролджэ",
})  # fmt: skip
#: Letters that are written as digits and signs: "p@ssw0rd".
_UNDISGUISED = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "@": "a", "$": "s"})
_NOT_LETTERS = re.compile(r"[\W\d_]+")
_AROUND = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_NOT_WORD = re.compile(r"[\W_]+")


class PasswordFault(StrEnum):
    """Why a password is refused."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    #: It holds the login.
    HOLDS_LOGIN = "holds_login"
    #: It holds the name of the organisation or of the workspace.
    HOLDS_NAME = "holds_name"
    #: It is made of one of the commonest words, or of a few characters repeated.
    COMMON = "common"


_WORDS = {
    PasswordFault.TOO_SHORT: f"has fewer than {SHORTEST_PASSWORD} characters",
    PasswordFault.TOO_LONG: f"has more than {LONGEST_PASSWORD} characters",
    PasswordFault.HOLDS_LOGIN: "holds the login",
    PasswordFault.HOLDS_NAME: "holds the name of the organisation",
    PasswordFault.COMMON: "is one of the first that anybody would try",
}


class PasswordRefused(Exception):
    """A new password that is not taken; says why, and never what it is."""

    def __init__(self, fault: PasswordFault) -> None:
        self.fault = fault
        super().__init__(f"The password {_WORDS[fault]}. Take four words that nobody would guess.")


def normal_password(password: str) -> str:
    """Return a password as it is hashed: the same whatever keyboard composed its letters."""
    # RFC 8265 §4.2.2: the form is NFC.
    return unicodedata.normalize("NFC", password)


def password_fault(password: str, login: str, names: Iterable[str]) -> PasswordFault | None:
    """Return why a password is refused; None when it is taken.

    Args:
        password: In its normal form, see `normal_password`.
        login: Whose it is.
        names: Of organisations and of the workspace, in every language.
    """
    if len(password) < SHORTEST_PASSWORD:
        return PasswordFault.TOO_SHORT
    if len(password) > LONGEST_PASSWORD:
        return PasswordFault.TOO_LONG
    run_together = _run_together(password)
    if _holds(run_together, login):
        return PasswordFault.HOLDS_LOGIN
    if any(_holds(run_together, name) for name in names):
        return PasswordFault.HOLDS_NAME
    return PasswordFault.COMMON if _is_common(password.casefold()) else None


def _run_together(text: str) -> str:
    return _NOT_WORD.sub("", text.casefold())


def _holds(run_together: str, word: str) -> bool:
    shortened = _run_together(word)
    return len(shortened) >= _SHORTEST_WORD and shortened in run_together


def _is_common(folded: str) -> bool:
    if len(set(folded)) < _FEWEST_CHARACTERS or folded.isdecimal():
        return True
    half = folded[: len(folded) // 2]
    twice = len(folded) % 2 == 0 and half * 2 == folded
    undisguised = _AROUND.sub("", folded).translate(_UNDISGUISED)
    letters = {_NOT_LETTERS.sub("", one) for one in (folded, undisguised)}
    if twice:
        letters |= {_NOT_LETTERS.sub("", half)}
    return not letters.isdisjoint(_COMMONEST)
