"""Tell whether any process of a workspace is at work.

In: a workspace. Out: nothing, or the error that names who is at work.
"""

from __future__ import annotations

from mailer.app.failures import ProcessesRun
from mailer.app.workspace import Workspace
from mailer.delivery.survival import living_senders
from mailer.schedule.ticker import LEASE
from mailer.store.engine import Store
from mailer.store.workers import lease_holder


def check_quiet(workspace: Workspace, store: Store) -> None:
    """Make sure that neither scheduler nor sender is at work.

    Raises:
        ProcessesRun: when one is.
    """
    senders = living_senders(workspace.config.journal_dir)
    if senders:
        raise ProcessesRun("A sender" if senders == 1 else f"{senders} senders")
    with store.read() as connection:
        if lease_holder(connection, LEASE, workspace.clock.now()):
            raise ProcessesRun("The scheduler")
