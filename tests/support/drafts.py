"""The shipped workspace on a database of its own, with the sample statement loaded: to plan mailings in."""

from __future__ import annotations

from pathlib import Path

from mailer.app.workspace import Workspace
from mailer.clock import Clock
from mailer.config.sections import ApprovalSection
from mailer.statements.source import read_statement
from mailer.store.engine import Store
from mailer.store.statements import save_revision
from tests.support.newsletters import newsletter_workspace

SLUG = "her-rights"
LIST = "harbor-news"


def drafting_workspace(folder: Path, store: Store, clock: Clock) -> Workspace:
    """Return a workspace made of what ships, in `folder`, with the sample statement loaded."""
    workspace = newsletter_workspace(folder, store, clock)
    revision, faults = read_statement(folder / "templates" / "statements" / SLUG, folder)
    assert revision is not None, faults
    with store.write() as connection:
        save_revision(connection, revision, clock.now())
    return workspace


def wanting(workspace: Workspace, approvals: int) -> Workspace:
    """Return a workspace in which so many must approve a mailing."""
    approval = ApprovalSection(required=approvals)
    made = Workspace(workspace.config.model_copy(update={"approval": approval}), workspace.clock)
    made.__dict__["store"] = workspace.store
    return made
