"""Staff for tests: accounts that can sign in, at a cost that a test can pay, and what their app shows."""

from __future__ import annotations

from dataclasses import dataclass

import pyotp

from mailer.app.accounts import Accounts
from mailer.app.passwords import Cost, PasswordHashing
from mailer.app.workspace import Workspace
from mailer.model.sign_in import SignedIn
from mailer.model.staff import Actor, ActorKind, StaffRole

#: In whose name tests do things.
TERMINAL = Actor(ActorKind.TERMINAL, "root")
PASSWORD = "four-words-nobody-guesses"
#: A hash of it takes a millisecond.
CHEAP = Cost(passes=1, memory_kib=64, lanes=1)


def cheap_accounts(workspace: Workspace, cost: Cost = CHEAP) -> Accounts:
    """Return the accounts of a workspace, with passwords hashed cheaply."""
    return Accounts(workspace, PasswordHashing(cost))


@dataclass
class Person:
    """Somebody at the desk: a password, and an app on a telephone."""

    accounts: Accounts
    login: str
    clock: object
    secret: str = ""
    password: str = PASSWORD
    recovery_codes: tuple[str, ...] = ()
    signed_in: SignedIn | None = None

    def code(self, steps: int = 0) -> str:
        """Return what the app shows now, or so many half minutes from now."""
        return pyotp.TOTP(self.secret).at(self.clock.now(), counter_offset=steps)

    def next_code(self) -> str:
        """Let half a minute pass and return what the app shows then."""
        self.clock.forward(seconds=30)
        return self.code()

    def welcome(self, token: str, browser: str = "") -> None:
        """Use a link: choose the password, set up the app, keep the codes."""
        self.secret = self.accounts.begin(token, self.password).secret
        welcomed = self.accounts.confirm(token, self.next_code(), browser)
        self.recovery_codes = welcomed.recovery_codes
        self.signed_in = welcomed.signed_in

    def sign_in(self, network: str = "", browser: str = ""):
        """Sign in with the next code."""
        return self.accounts.sign_in(self.login, self.password, self.next_code(), network, browser)


def new_person(
    accounts: Accounts, clock: object, login: str, *roles: StaffRole, languages=()
) -> Person:
    """Invite somebody and use their link."""
    invitation = accounts.invite(TERMINAL, login, login.title(), roles, languages)
    person = Person(accounts, login, clock)
    person.welcome(invitation.token)
    return person
