"""Serve the desk: the role `desk` of `mailer run`.

In: a workspace. Out: what serves it until told to stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.routing import BaseRoute

from mailer.app.roles import Serve
from mailer.app.workspace import Workspace
from mailer.desk.app import create_desk_app
from mailer.web.public.server import serve_public


def build_desk(workspace: Workspace, _number: int, beside: Sequence[BaseRoute] = ()) -> Serve:
    """Return what serves the desk of a workspace, and other routes beside it, as the API's are."""
    config = workspace.config.desk
    app = create_desk_app(workspace, beside=beside)

    async def serve(stop: asyncio.Event) -> None:
        await serve_public(app, config.host, config.port, stop, key="desk.port")

    return serve
