"""Settle what stopped sender processes have left, and count what cannot be known.

In: a workspace whose senders have ended. Out: the deliveries that came to be in doubt meanwhile.
"""

from __future__ import annotations

import random
from datetime import datetime

from mailer.app.sending import retry_policy
from mailer.app.workspace import Workspace
from mailer.delivery.recovery import recover
from mailer.store.reports import doubts_by_mailing


def settle_and_count(workspace: Workspace, since: datetime) -> dict[str, int]:
    """Take over what a killed sender had claimed; return mailings' keys → in doubt since.

    Raises:
        StoreUnavailable: when the database does not answer; the next start settles then.
    """
    recover(
        workspace.store,
        workspace.config.journal_dir,
        workspace.suppression_log,
        relay="",
        policy=retry_policy(workspace),
        now=workspace.clock.now(),
        jitter=random.random,
    )
    with workspace.store.read() as connection:
        return doubts_by_mailing(connection, since)
