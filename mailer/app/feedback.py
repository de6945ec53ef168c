"""Build what takes in what comes back.

In: a workspace. Out: a `Taker`, which wants no `seal.key`.
"""

from __future__ import annotations

from mailer.app.workspace import Workspace
from mailer.feedback.taking import Taker


def build_taker(workspace: Workspace) -> Taker:
    """Return what takes in messages and events of webhooks.

    Raises:
        KeyFileError: when `service.key` is missing or damaged.
        StoreUnavailable: when the database is not there.
    """
    return Taker(
        workspace.store,
        workspace.service_keys,
        workspace.suppression_log,
        workspace.clock,
        workspace.config.feedback.soft_limits,
    )
