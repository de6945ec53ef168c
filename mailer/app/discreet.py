"""Heed the discreet marks of list files, however late they are made.

In: a workspace. Out: lists marked in the database as their files mark them. Senders read the
database only, so a mark in a file protects nobody before it is there. A mark that was taken out of a
file is not taken back here: whoever imports to the list or schedules to it does that.
"""

from __future__ import annotations

from mailer.app.workspace import Workspace
from mailer.audience.lists import load_lists
from mailer.events import warn
from mailer.store.audience import mark_discreet, unmarked_lists


def heed_discreet_lists(workspace: Workspace) -> None:
    """Mark the lists in the database that their files call discreet by now.

    Raises:
        StoreUnavailable: when the database does not answer.
    """
    config = workspace.config
    # Read anew each time: what the workspace remembers is how the files were when it was opened.
    definitions, _faults = load_lists(config.lists_dir, config)
    discreet = [key for key, one in definitions.items() if one.discreet]
    if not discreet:
        return
    with workspace.store.read() as connection:
        late = unmarked_lists(connection, discreet)
    if late:
        with workspace.store.write() as connection:
            mark_discreet(connection, late, workspace.clock.now())
        warn("lists marked discreet", lists=", ".join(sorted(late)))
