"""A desk without lists and statements, on a clock that tests move: for what concerns accounts alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyotp

from mailer.app.accounts import Accounts
from mailer.app.workspace import Workspace
from mailer.model.staff import BY_ITSELF, StaffRole
from tests.support.catalogs import write_complete_catalogs
from tests.support.clocks import FixedClock
from tests.support.databases import sqlite_copy
from tests.support.desk import DeskBrowser, Member, ServedDesk, served_desk, welcome
from tests.support.workspaces import HARBOR_CONFIG, lay_workspace


@dataclass(frozen=True)
class Place:
    """A desk, and the clock it goes by."""

    desk: ServedDesk
    clock: FixedClock

    @property
    def accounts(self) -> Accounts:
        """Return its accounts, as a command line would open them."""
        return Accounts(self.desk.workspace)

    def invited(self, login: str) -> str:
        """Invite somebody, and return the path of their link."""
        made = self.accounts.invite(BY_ITSELF, login, login.capitalize(), [StaffRole.AUTHOR])
        return f"/desk/welcome/{made.token}"

    def app_code(self, secret: str) -> str:
        """Let half a minute pass, and return what an app shows then."""
        self.clock.forward(seconds=30)
        return pyotp.TOTP(secret).at(self.clock.now())

    def member(
        self, login: str, *roles: StaffRole, languages: tuple[str, ...] = ()
    ) -> tuple[Member, DeskBrowser]:
        """Return somebody new, an author unless said otherwise, and a browser they are signed in in."""
        self.clock.forward(seconds=30)
        member = welcome(
            self.desk.workspace, login, *(roles or (StaffRole.AUTHOR,)), languages=languages
        )
        browser = self.desk.browser()
        browser.sign_in(member)
        return member, browser


@contextlib.contextmanager
def desk_place(folder: Path, sqlite_template: Path) -> Iterator[Place]:
    """Serve the desk of a workspace with nothing in it."""
    lay_workspace(folder, HARBOR_CONFIG)
    write_complete_catalogs(folder / "templates" / "locale", ("en", "ru", "uk"))
    clock = FixedClock()
    workspace = Workspace.open(folder, clock)
    workspace.__dict__["store"] = sqlite_copy(sqlite_template, folder / "data" / "mailer.db")
    with served_desk(workspace) as served:
        yield Place(served, clock)
    workspace.store.close()
