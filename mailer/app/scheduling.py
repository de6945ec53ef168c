"""Make mailings of plans: scheduled at once, or drafts that wait for their approval and their hour.

In: a workspace, a plan that a person was shown, and in whose name. Out: a mailing with everything
pinned. Where approval is wanted, nothing is scheduled that was not approved as it would be sent.
"""

from __future__ import annotations

from datetime import datetime

from mailer.app.approving import review_in
from mailer.app.planning import Plan, pinned_new
from mailer.app.preflight import When, refuse_blocking
from mailer.app.sending import check_ready
from mailer.app.workspace import Workspace
from mailer.model.approval import approval_digest
from mailer.model.audit import AuditAction
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Mailing
from mailer.model.staff import Actor
from mailer.model.states import MailingState
from mailer.model.timing import AT_ONCE
from mailer.model.worded import worded
from mailer.store.approvals import note_maker
from mailer.store.audit import write_audit
from mailer.store.designs import save_design
from mailer.store.engine import Connection
from mailer.store.mailings import (
    NewMailing,
    create_mailing,
    find_mailing,
    load_mailing,
    lock_mailing,
    pinned_digest,
    rewrite_draft,
)
from mailer.store.mailings import schedule_draft as pin_draft

_REMEDY = "Have it approved at the desk, or say why it goes without: --override REASON"


def schedule(
    workspace: Workspace,
    actor: Actor,
    plan: Plan,
    *,
    due_at: datetime,
    time_zone: str,
    grace_s: int,
    override: str = "",
) -> Mailing:
    """Write the mailing a person agreed to, with revision, design, sender and lists pinned.

    Args:
        workspace: where it is.
        actor: who schedules it.
        plan: what they were shown.
        due_at: when the first of it falls due.
        time_zone: in which that hour was given.
        grace_s: how late it may begin.
        override: why it goes without approval where that is wanted; "" for nothing.

    Raises:
        FaultsFound: when approval is wanted, or the relay or a signing key cannot be used; nothing
            is written.
        PreflightBlocks: with what preflight says must be mended first; nothing is written.
        KeyFileError: when `seal.key` or `service.key` cannot be used; nothing is written.
        WrongKeys: when one of them belongs to another database; nothing is written.
    """
    wanted = workspace.config.approval.required
    if wanted and not override:
        problem = "nothing is scheduled before it is approved: see [approval] in config.toml"
        raise FaultsFound([Fault("", 0, "--statement", problem, _REMEDY)])
    check_ready(workspace, plan.sender)
    refuse_blocking(workspace, plan, _when(plan, due_at, time_zone, grace_s))
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        design_id = save_design(connection, plan.design, now)
        new = pinned_new(workspace, plan, design_id, due_at, time_zone, grace_s)
        made = create_mailing(connection, new, now)
        if wanted:
            _note_override(connection, actor, made.key, override, now)
        _note_scheduled(connection, actor, made, now)
        return made


def _when(plan: Plan, due_at: datetime, time_zone: str, grace_s: int) -> When:
    timing = plan.clocks.timing if plan.clocks else AT_ONCE
    return When(due_at, time_zone, grace_s, timing)


def _note_scheduled(connection: Connection, actor: Actor, made: Mailing, now: datetime) -> None:
    hour, people = made.due_at.isoformat(), made.confirmed_count
    write_audit(
        connection, actor, AuditAction.MAILING_SCHEDULED, made.key, now, due_at=hour, people=people
    )


def _note_override(
    connection: Connection, actor: Actor, key: str, reason: str, now: datetime
) -> None:
    write_audit(connection, actor, AuditAction.APPROVAL_OVERRIDDEN, key, now, reason=reason)


def make_draft(workspace: Workspace, actor: Actor, plan: Plan) -> Mailing:
    """Write a mailing that waits for its approval and its hour, with everything of a plan pinned."""
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        design_id = save_design(connection, plan.design, now)
        new = _draft_of(workspace, plan, design_id, now)
        made = create_mailing(connection, new, now)
        note_maker(connection, made.row_id, actor.name)
        write_audit(connection, actor, AuditAction.MAILING_DRAFTED, made.key, now)
        return made


def change_draft(workspace: Workspace, actor: Actor, key: str, plan: Plan) -> Mailing:
    """Pin another plan of the same statement in a draft; whoever changes it is one who made it.

    Raises:
        MailingNotFound: when there is no such mailing.
        ForbiddenTransition: when it is no draft any more.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        found = find_mailing(connection, key)
        design_id = save_design(connection, plan.design, now)
        new = _draft_of(workspace, plan, design_id, now)
        changed = rewrite_draft(connection, found.row_id, new)
        note_maker(connection, found.row_id, actor.name)
        write_audit(connection, actor, AuditAction.MAILING_CHANGED, key, now)
        return changed


def _draft_of(workspace: Workspace, plan: Plan, design_id: int, now: datetime) -> NewMailing:
    zone = workspace.config.workspace.time_zone
    grace_s = workspace.config.schedule.grace_s
    # It has no hour before a person gives it one; the column wants some.
    return pinned_new(workspace, plan, design_id, now, zone, grace_s, state=MailingState.DRAFT)


def schedule_draft(
    workspace: Workspace,
    actor: Actor,
    plan: Plan,
    draft: Mailing,
    *,
    due_at: datetime,
    time_zone: str,
    grace_s: int,
    override: str = "",
) -> Mailing:
    """Schedule a mailing that waits as a person agreed to it, with design, sender and lists pinned anew.

    Args:
        workspace: where it is.
        actor: who schedules it.
        plan: what they were shown.
        draft: the mailing.
        due_at: when the first of it falls due.
        time_zone: in which that hour was given.
        grace_s: how late it may begin.
        override: why it goes without approval where that is wanted; "" for nothing.

    Raises:
        FaultsFound: when it is not approved as it is now, or the relay or a signing key cannot be
            used; it stays as it is.
        PreflightBlocks: with what preflight says must be mended first; it stays as it is.
        KeyFileError, WrongKeys: when a key file cannot be used; it stays as it is.
        ForbiddenTransition: when somebody scheduled or dropped it meanwhile.
    """
    check_ready(workspace, plan.sender)
    refuse_blocking(workspace, plan, _when(plan, due_at, time_zone, grace_s))
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        design_id = save_design(connection, plan.design, now)
        new = pinned_new(workspace, plan, design_id, due_at, time_zone, grace_s)
        lock_mailing(connection, draft.row_id)
        if workspace.config.approval.required:
            _refuse_unapproved(workspace, connection, actor, draft.row_id, new, override)
        made = pin_draft(connection, draft.row_id, new)
        _note_scheduled(connection, actor, made, now)
        return made


def _refuse_unapproved(
    workspace: Workspace,
    connection: Connection,
    actor: Actor,
    row_id: int,
    new: NewMailing,
    override: str,
) -> None:
    """Let nothing by that was not approved as it would be sent, unless somebody says why."""
    review = review_in(workspace, connection, load_mailing(connection, row_id))
    key = review.mailing.key
    if override:
        _note_override(connection, actor, key, override, workspace.clock.now())
        return
    if review.mailing.state is not MailingState.APPROVED or not review.standing.is_approved:
        raise FaultsFound(
            [Fault("", 0, "--draft", worded("%(key)s is not approved", key=key), _REMEDY)]
        )
    if digest_of_new(new) != review.digest:
        problem = worded(
            "%(key)s is not what was approved any more: a file of the workspace was changed",
            key=key,
        )
        raise FaultsFound([Fault("", 0, "--draft", problem, _REMEDY)])


def digest_of_new(new: NewMailing) -> str:
    """Return what would be approved of a mailing that is about to be written."""
    digest = pinned_digest(
        new.revision_digest,
        new.design_digest,
        new.sender,
        new.corrects,
        urgent=new.concern.urgent,
    )
    lists = [definition.key for _, definition in new.lists]
    return approval_digest(digest, lists, new.segment, new.exclude, new.concern.topics)
