"""Store revisions of statements, and decide what the public pages make of them, in somebody's name.

In: a workspace, who does it, a revision or a statement's slug. Out: rows, and an entry in the audit
log. The command line and the desk both come here, so they do the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailer.app.workspace import Workspace
from mailer.model.audit import AuditAction
from mailer.model.staff import Actor
from mailer.model.statement import Revision, StoredRevision, Visibility
from mailer.model.states import MailingState
from mailer.store import statements
from mailer.store.archive import open_mailings_of, visibility_of
from mailer.store.archive import set_visibility as write_visibility
from mailer.store.audit import write_audit
from mailer.store.public import public_revision

_ACTIONS = {
    Visibility.LISTED: AuditAction.STATEMENT_RELISTED,
    Visibility.UNLISTED: AuditAction.STATEMENT_UNLISTED,
    Visibility.WITHDRAWN: AuditAction.STATEMENT_WITHDRAWN,
}


class IsWithdrawn(Exception):
    """A statement was withdrawn: its page goes on saying so until that is taken back."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        super().__init__(f"{slug} was withdrawn: its page goes on saying so. Nothing was changed.")


class GoneUntilThen(Exception):
    """A statement is public, and would not be until the hour of the revision to be published."""

    def __init__(self, slug: str, number: int, at: datetime) -> None:
        self.slug = slug
        self.number = number
        #: When that revision becomes public.
        self.at = at
        super().__init__(f"{slug} is public now, and revision {number} only later.")


@dataclass(frozen=True)
class SavedRevision:
    """A revision as it is on record."""

    stored: StoredRevision
    #: The same text was loaded before.
    already_stored: bool


def save_revision(workspace: Workspace, actor: Actor, revision: Revision) -> SavedRevision:
    """Store a statement with all its editions and pictures; call it after the checks found no error."""
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        stored = statements.save_revision(connection, revision, now)
        already = stored.loaded_at != now
        write_audit(
            connection, actor, AuditAction.STATEMENT_REVISED, revision.slug, now,
            revision=stored.number, digest=revision.digest, already_stored=already,
        )  # fmt: skip
    return SavedRevision(stored, already)


@dataclass(frozen=True)
class Published:
    """A revision that the public page shows."""

    stored: StoredRevision
    #: From then on.
    at: datetime
    #: That hour is still to come.
    is_planned: bool


def publish(workspace: Workspace, actor: Actor, slug: str, number: int | None = None) -> Published:
    """Fix the revision that the public page shows; the latest one when none is named.

    Raises:
        GoneUntilThen: when the page would be gone until the revision's hour; nothing is changed.
        IsWithdrawn: when the statement was withdrawn; nothing is changed.
        StatementNotFound: when there is none, or no such revision.
    """
    with workspace.store.read() as connection:
        stored = statements.find_revision(connection, slug, number)
    now = workspace.clock.now()
    planned = stored.revision.published
    at = planned if planned is not None and planned > now else now
    with workspace.store.write() as connection:
        if visibility_of(connection, slug) is Visibility.WITHDRAWN:
            raise IsWithdrawn(slug)
        if at > now and public_revision(connection, slug, now) is not None:
            raise GoneUntilThen(slug, stored.number, at)
        statements.publish(connection, slug, stored.revision_id, at)
        write_audit(
            connection, actor, AuditAction.STATEMENT_PUBLISHED, slug, now,
            revision=stored.number, public_from=at.isoformat(),
        )  # fmt: skip
    return Published(stored, at, at > now)


def set_visibility(
    workspace: Workspace,
    actor: Actor,
    slug: str,
    visibility: Visibility,
    corrected_by: str = "",
) -> tuple[tuple[str, MailingState], ...]:
    """List a statement, take it off the list, or withdraw it; return its mailings that are not over.

    Args:
        workspace: whose statement.
        actor: in whose name.
        slug: of the statement.
        visibility: what it shall be.
        corrected_by: slug of the one that takes the place of one that is withdrawn; "" for none.

    Raises:
        StatementNotFound: when one of the two is not there.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        write_visibility(connection, slug, visibility, now, corrected_by)
        running = open_mailings_of(connection, slug)
        facts = {"corrected_by": corrected_by} if corrected_by else {}
        write_audit(connection, actor, _ACTIONS[visibility], slug, now, **facts)
    return running
