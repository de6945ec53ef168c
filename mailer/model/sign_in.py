"""Signing in: what is asked, what is answered, how long somebody waits, and what can go wrong.

In: counts of tries. Out: waits, frozen answers and typed errors, standard library only. An answer
never tells which of login, password and code was wrong, or whether there is such a login.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mailer.model.staff import StaffSession

#: ASCII only, in lower case: no two logins look alike.
_LOGIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,38}[a-z0-9])")
#: Tries that cost a login no wait: a person types a password wrong this often.
LOGIN_TRIES = 5
#: The same for a network, which an office or an exit of Tor shares.
NETWORK_TRIES = 20
_FIRST_WAIT = timedelta(seconds=15)
_LONGEST_WAIT = timedelta(minutes=15)
_MOST_DOUBLINGS = 6
#: Tries older than this count no more.
TRIES_FORGOTTEN_AFTER = timedelta(hours=12)
#: How long a link to a new account works.
INVITATION_LASTS = timedelta(hours=72)


def is_login(text: str) -> bool:
    """Tell whether a text can be a login: 2 to 40 of a to z, 0 to 9, dot and hyphen."""
    return _LOGIN.fullmatch(text) is not None


def wait_after(tries: int, free: int) -> timedelta:
    """Return how long nobody may try again after so many tries that led nowhere.

    Args:
        tries: All that count, this one included.
        free: `LOGIN_TRIES` or `NETWORK_TRIES`.
    """
    if tries < free:
        return timedelta()
    doubled: int = 1 << min(tries - free, _MOST_DOUBLINGS)
    return min(_LONGEST_WAIT, _FIRST_WAIT * doubled)


class Refusal(StrEnum):
    """Why somebody was not signed in."""

    #: Login, password or code; nobody is told which, or that an account is shut.
    WRONG = "wrong"
    #: Too many tries, by this login or from this network.
    TOO_OFTEN = "too_often"
    #: Others are being signed in this very moment.
    BUSY = "busy"


@dataclass(frozen=True)
class SignInRefused:
    """The answer to a sign-in that did not succeed."""

    reason: Refusal
    #: Before that it is in vain to try again; 0: at once.
    retry_after_s: int = 0


@dataclass(frozen=True)
class SignedIn:
    """The answer to a sign-in that succeeded; `repr` does not show the token."""

    session: StaffSession
    #: For the browser's cookie, and nowhere else: the database has a keyed digest of it.
    token: str

    def __repr__(self) -> str:
        """Return it without its token."""
        return f"SignedIn({self.session.user.login})"


@dataclass(frozen=True)
class Invitation:
    """A link by which somebody chooses a password and sets up the second factor."""

    login: str
    name: str
    expires_at: datetime
    #: Shown once to whoever hands it over; "" when it is looked up.
    token: str = ""

    def __repr__(self) -> str:
        """Return it without its token."""
        return f"Invitation({self.login})"


@dataclass(frozen=True)
class TotpSetup:
    """What an authenticator app is given, by a picture or by typing."""

    #: "otpauth://totp/…", for a QR code.
    uri: str
    #: Base32, for those who type.
    secret: str

    def __repr__(self) -> str:
        """Return it without the secret."""
        return "TotpSetup()"


@dataclass(frozen=True)
class Welcomed:
    """Somebody's account has become usable, and they are signed in."""

    #: Each takes the place of a code once; shown this one time.
    recovery_codes: tuple[str, ...]
    signed_in: SignedIn

    def __repr__(self) -> str:
        """Return it without the codes."""
        return f"Welcomed({self.signed_in.session.user.login})"


class AccountError(Exception):
    """Something about accounts that cannot be done, with what to do instead."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}. {remedy}.")


class MalformedAccount(AccountError):
    """A login, a name or languages that no account can have; `field` says which."""

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        self.field = field
        super().__init__(problem, remedy)


class LoginTaken(AccountError):
    """There is somebody of this login."""

    def __init__(self, login: str) -> None:
        self.login = login
        super().__init__(f'There is somebody of the login "{login}"', "Choose another login")


class UnknownLogin(AccountError):
    """There is nobody of this login."""

    def __init__(self, login: str) -> None:
        self.login = login
        super().__init__(f'There is nobody of the login "{login}"', "See who there is")


class LastAdministrator(AccountError):
    """Nobody would be left who may manage staff."""

    def __init__(self, login: str) -> None:
        self.login = login
        super().__init__(
            f'"{login}" is the last administrator who can sign in',
            "Make somebody else an administrator first, who has used their link",
        )


class AccountDisabled(AccountError):
    """The account is shut."""

    def __init__(self, login: str) -> None:
        self.login = login
        super().__init__(f'"{login}" is disabled', "Enable the account first")


class InvitationGone(AccountError):
    """A link that was used, is too old, was replaced by a newer one, or never was."""

    def __init__(self) -> None:
        super().__init__("This link works no more", "Ask an administrator for a new one")


class WrongCode(AccountError):
    """The code is not the one that the app shows now."""

    def __init__(self) -> None:
        super().__init__(
            "This is not the code that the app shows now",
            "Wait for the next one, and see that the device's clock is right",
        )


class HashingBusy(AccountError):
    """Too many passwords are being looked at this very moment."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("Too many people sign in this very moment", "Try again")
