"""Put on record when a workspace went live, or went back to the sandbox.

In: a workspace about to run, and who starts it. Out: an entry in the audit log where `live` of its
config.toml is not what it was when it ran before.
"""

from __future__ import annotations

from mailer.app.workspace import Workspace
from mailer.model.audit import AuditAction
from mailer.model.staff import Actor
from mailer.store.audit import write_audit
from mailer.store.settings import LIVE_NOTED, read_setting, write_setting

_LIVE = "live"
_SANDBOX = "sandbox"


def note_going_live(workspace: Workspace, actor: Actor) -> None:
    """Write whether the workspace is live, if it was not so when it ran before."""
    live = workspace.config.workspace.live
    state = _LIVE if live else _SANDBOX
    with workspace.store.read() as connection:
        # One that never ran is in the sandbox until it says otherwise.
        known = read_setting(connection, LIVE_NOTED) or _SANDBOX
    if known == state:
        return
    with workspace.store.write() as connection:
        write_setting(connection, LIVE_NOTED, state)
        action = AuditAction.WENT_LIVE if live else AuditAction.LEFT_LIVE
        write_audit(connection, actor, action, "workspace", workspace.clock.now())
