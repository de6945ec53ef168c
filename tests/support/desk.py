"""The desk, served on loopback by the server that serves it in earnest, with staff who can sign in."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import TYPE_CHECKING

import httpx
import pyotp

from mailer.app.workspace import Workspace
from mailer.desk.app import create_desk_app
from mailer.model.staff import BY_ITSELF, StaffRole
from mailer.web.public.server import serve_public
from tests.support.staff import cheap_accounts

if TYPE_CHECKING:
    from playwright.sync_api import Page

PASSWORD = "a lighthouse of many windows"
_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')


@dataclass
class Member:
    """Somebody on the staff, with what they know."""

    login: str
    secret: str
    #: Codes that take the place of the app's, each once: no test waits half a minute for the next.
    recovery_codes: list[str] = field(default_factory=list)
    password: str = PASSWORD

    def code(self) -> str:
        """Return a code that was not used yet."""
        return self.recovery_codes.pop()


def welcome(
    workspace: Workspace, login: str, *roles: StaffRole, languages: Sequence[str] = ()
) -> Member:
    """Make an account and set it up."""
    accounts = cheap_accounts(workspace)
    if StaffRole.TRANSLATOR in roles and not languages:
        languages = ("ru",)
    invitation = accounts.invite(BY_ITSELF, login, login.capitalize(), roles, languages)
    setup = accounts.begin(invitation.token, PASSWORD)
    code = pyotp.TOTP(setup.secret).at(workspace.clock.now())
    welcomed = accounts.confirm(invitation.token, code, "test")
    return Member(login, setup.secret, list(welcomed.recovery_codes))


class DeskBrowser:
    """A browser of no particular make: it keeps cookies, follows links and fills in forms."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.client = httpx.Client(base_url=base_url, timeout=60, trust_env=False)
        self.page: httpx.Response | None = None

    def __enter__(self) -> DeskBrowser:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page, and where it sends one on to."""
        self.page = self.client.get(path, headers=headers, follow_redirects=True)
        return self.page

    @property
    def form_token(self) -> str:
        """Return what forms of the page carry."""
        assert self.page is not None
        found = _TOKEN.search(self.page.text)
        assert found is not None, self.page.text[:2000]
        return unescape(found[1])

    def post(
        self, path: str, fields: object = (), *, follow: bool = True, **more: object
    ) -> httpx.Response:
        """Send a form of the page that is open, as a browser would."""
        pairs = list(fields.items()) if isinstance(fields, dict) else list(fields)
        data: dict[str, list[str]] = {"form_token": [self.form_token]}
        for name, value in pairs:
            data.setdefault(name, []).append(value)
        answer = self.client.post(
            path,
            data=data,
            headers={"Origin": self.base_url},
            follow_redirects=follow,
            **more,
        )
        if follow:
            self.page = answer
        return answer

    def sign_in(self, member: Member) -> httpx.Response:
        """Sign in."""
        self.get("/desk/sign-in")
        return self.post(
            "/desk/sign-in",
            {"login": member.login, "password": member.password, "code": member.code()},
        )


def sign_in(page: Page, url: str, member: Member, to: str = "/desk") -> None:
    """Sign somebody in as they would, by typing and the Enter key, and be where they wanted to be."""
    page.goto(f"{url}/desk/sign-in?to={to}")
    page.fill("#login", member.login)
    page.fill("#password", member.password)
    page.fill("#code", member.code())
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}{to}")


@dataclass(frozen=True)
class ServedDesk:
    """A running desk."""

    workspace: Workspace
    port: int

    @property
    def url(self) -> str:
        """Return where it answers, without a final slash."""
        return f"http://127.0.0.1:{self.port}"

    def browser(self) -> DeskBrowser:
        """Return a browser in which nobody is signed in."""
        return DeskBrowser(self.url)

    def signed_in(self, *roles: StaffRole, login: str = "") -> DeskBrowser:
        """Return a browser in which somebody new with these roles is signed in."""
        name = login or "-".join(sorted(role.value for role in roles))[:40]
        member = welcome(self.workspace, name, *roles)
        browser = self.browser()
        browser.sign_in(member)
        return browser


def free_port() -> int:
    """Return a loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_port(workspace: Workspace, port: int) -> Workspace:
    """Return a workspace whose desk answers on a port."""
    desk = workspace.config.desk.model_copy(update={"port": port})
    made = Workspace(workspace.config.model_copy(update={"desk": desk}), workspace.clock)
    made.__dict__["store"] = workspace.store
    return made


@contextlib.contextmanager
def served_desk(workspace: Workspace) -> Iterator[ServedDesk]:
    """Serve the desk of a workspace until the block ends."""
    port = free_port()
    workspace = on_port(workspace, port)
    app = create_desk_app(workspace, accounts=cheap_accounts(workspace))
    loop, stop, up = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    def run() -> None:
        loop.run_until_complete(
            serve_public(app, "127.0.0.1", port, stop, key="desk.port", ready=lambda _: up.set())
        )

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        assert up.wait(30)
        yield ServedDesk(workspace, port)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
