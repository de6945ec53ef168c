"""Serve the desk: the role `desk` of `mailer run`.

In: a workspace. Out: what serves it until told to stop.
"""

from __future__ import annotations

import asyncio

from mailer.app.roles import Serve
from mailer.app.workspace import Workspace
from mailer.desk.app import create_desk_app
from mailer.web.public.server import serve_public


def build_desk(workspace: Workspace, _number: int) -> Serve:
    """Return what serves the desk of a workspace."""
    config = workspace.config.desk
    app = create_desk_app(workspace)

    async def serve(stop: asyncio.Event) -> None:
        await serve_public(app, config.host, config.port, stop, key="desk.port")

    return serve
