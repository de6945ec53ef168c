"""The API, served on loopback by the server that serves it in earnest, beside the desk."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import httpx

from mailer.api.app import create_api, mounted
from mailer.api.ground import PREFIX
from mailer.app.api_tokens import ApiTokens
from mailer.app.workspace import Workspace
from mailer.desk.app import create_desk_app
from mailer.model.api_token import Purpose
from mailer.model.staff import Actor
from mailer.web.public.limits import Limiter
from mailer.web.public.server import serve_public
from tests.support.desk import free_port, on_port
from tests.support.staff import TERMINAL

#: What no test comes near.
MANY = 1_000_000


@dataclass(frozen=True)
class ServedApi:
    """A running API."""

    workspace: Workspace
    port: int
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        """Return what every endpoint begins with."""
        return f"http://127.0.0.1:{self.port}{PREFIX}"

    def token(self, *purposes: Purpose, actor: Actor = TERMINAL, days: int = 30) -> str:
        """Make a token for these purposes; all of them when none is named."""
        until = self.workspace.clock.now() + timedelta(days=days)
        wanted = frozenset(purposes or Purpose)
        name = f"program-{next(self._numbers)}"
        return ApiTokens(self.workspace).make(actor, name, wanted, until).secret

    def client(self, *purposes: Purpose, **options: object) -> httpx.Client:
        """Return a program that has a token for these purposes; all of them when none is named."""
        return self.with_token(self.token(*purposes, **options))

    def with_token(self, token: str) -> httpx.Client:
        """Return a program that has this token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)


@contextlib.contextmanager
def served_api(workspace: Workspace, *, burst: int = MANY) -> Iterator[ServedApi]:
    """Serve desk and API of a workspace until the block ends."""
    port = free_port()
    workspace = on_port(workspace, port)
    limiter = Limiter(workspace.clock, burst=burst, per_hour=burst)
    app = create_desk_app(workspace, beside=[mounted(create_api(workspace, limiter=limiter))])
    loop, stop, up = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    def run() -> None:
        loop.run_until_complete(
            serve_public(app, "127.0.0.1", port, stop, key="desk.port", ready=lambda _: up.set())
        )

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        assert up.wait(30)
        yield ServedApi(workspace, port)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
