"""Build the sandbox: the SMTP catcher and its inbox, in one process, in memory only.

In: a workspace. Out: what serves both on loopback until told to stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mailer.app.workspace import Workspace
from mailer.sandbox.catcher import HOST, Mailbox, serve_catcher
from mailer.web.inbox.app import create_inbox_app
from mailer.web.public.server import serve_public


def build_sandbox(workspace: Workspace) -> Callable[[asyncio.Event], Awaitable[None]]:
    """Return what runs catcher and inbox until the event is set."""
    settings = workspace.config.sandbox
    mailbox = Mailbox(settings.keep)
    inbox = create_inbox_app(mailbox)

    async def serve(stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(
                serve_catcher(
                    mailbox,
                    workspace.clock,
                    settings.smtp_port,
                    stop,
                    misbehave=settings.misbehave,
                )
            )
            group.create_task(
                serve_public(inbox, HOST, settings.inbox_port, stop, key="sandbox.inbox_port")
            )

    return serve
