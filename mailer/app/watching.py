"""Build the watchman of a workspace.

In: a workspace. Out: a `Watchman` that knows its folder, its limits and its command.
"""

from __future__ import annotations

from mailer.app.discreet import heed_discreet_lists
from mailer.app.workspace import Workspace
from mailer.schedule.watchman import Watchman, WatchSettings


def build_watchman(workspace: Workspace) -> Watchman:
    """Return what looks after the workspace while its scheduler runs."""
    config = workspace.config
    return Watchman(
        workspace.store,
        workspace.clock,
        WatchSettings(
            workspace=config.workspace.name,
            root=config.root,
            data_dir=config.data_dir,
            data_name=config.workspace.data,
            disk_low_mb=config.alerts.disk_low_mb,
            command=config.alerts.command,
            command_timeout_s=config.alerts.command_timeout_s,
        ),
        log=workspace.suppression_log,
        heed_lists=lambda: heed_discreet_lists(workspace),
    )
