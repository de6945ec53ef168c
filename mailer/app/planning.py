"""Turn "send this statement to these lists" into a plan that a person confirms, then a mailing.

In: a workspace and what was asked for. Out: a `Plan` that says who, how many and from whom, and
what is wrong with it; after the person has agreed to the number, a mailing with everything pinned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from mailer.app.languages import resolver
from mailer.app.sending import check_ready
from mailer.app.workspace import Workspace
from mailer.audience.coverage import Coverage, coverage
from mailer.audience.segments import expression_of, parse_segment
from mailer.compose.checks import check_design, check_revision_with_design
from mailer.compose.design import read_design
from mailer.compose.fixed import check_headers
from mailer.model.audience import ListDefinition
from mailer.model.faults import Fault, FaultsFound, errors_in
from mailer.model.mailing import Design, Mailing, Sender
from mailer.model.segments import Segment
from mailer.model.statement import Revision, StoredRevision
from mailer.model.states import ForbiddenTransition, MailingState
from mailer.statements.checks import check_revision
from mailer.store.audience import sync_lists
from mailer.store.designs import save_design
from mailer.store.mailings import NewMailing, create_mailing
from mailer.store.mailings import schedule_draft as pin_draft
from mailer.store.statements import latest_revision, load_revision


@dataclass(frozen=True)
class Wish:
    """What a person asked for."""

    slug: str
    lists: tuple[str, ...]
    #: Key; "" takes the lists' own, when they agree.
    sender: str = ""
    segment: str = ""
    exclude: str = ""


@dataclass(frozen=True)
class Plan:
    """What would happen, to be shown and agreed to."""

    wish: Wish
    stored: StoredRevision
    design: Design
    sender: Sender
    lists: tuple[tuple[int, ListDefinition], ...]
    coverage: Coverage
    #: Worth a look; nothing that stops it.
    warnings: tuple[Fault, ...]

    @property
    def count(self) -> int:
        """Return how many people would be mailed: the number to be confirmed."""
        return self.coverage.to_mail


@dataclass(frozen=True)
class Prepared:
    """A revision as mails, checked against everything they are made of; nobody is counted yet."""

    #: With its segments written out.
    wish: Wish
    design: Design
    sender: Sender
    lists: tuple[ListDefinition, ...]
    #: Worth a look; nothing that stops it.
    warnings: tuple[Fault, ...]


def make_plan(workspace: Workspace, wish: Wish) -> Plan:
    """Work out who would get a statement's newest revision from whom; nothing is scheduled.

    Raises:
        FaultsFound: with everything that stops it.
    """
    with workspace.store.read() as connection:
        stored = latest_revision(connection, wish.slug)
    if stored is None:
        # A list or a sender that is not there is told first.
        _sender(workspace, wish, _chosen(workspace, wish))
        raise FaultsFound(
            [
                Fault(
                    "",
                    0,
                    "--statement",
                    f'no statement "{wish.slug}" has been loaded',
                    f"Run: mailer statements load templates/statements/{wish.slug}",
                )
            ]
        )
    return plan_revision(workspace, wish, stored)


def plan_draft(workspace: Workspace, draft: Mailing) -> Plan:
    """Work out who would get a draft: its revision, with lists, sender and design as they are now.

    Raises:
        FaultsFound: with everything that stops it.
        ForbiddenTransition: when it is no draft.
    """
    if draft.state is not MailingState.DRAFT:
        raise ForbiddenTransition(draft.state, MailingState.SCHEDULED)
    with workspace.store.read() as connection:
        stored = load_revision(connection, draft.revision_id)
    wish = Wish(
        slug=stored.revision.slug,
        lists=tuple(target.definition.key for target in draft.targets),
        sender=draft.sender.key,
        segment=draft.segment,
        exclude=draft.exclude,
    )
    return plan_revision(workspace, wish, stored)


def prepare(workspace: Workspace, wish: Wish, revision: Revision) -> Prepared:
    """Check a revision as mails to the lists of a wish.

    Raises:
        FaultsFound: with everything that stops it.
    """
    config = workspace.config
    wish = replace(
        wish,
        segment=expression_of(wish.segment, config.lists_dir),
        exclude=expression_of(wish.exclude, config.lists_dir, option="--exclude"),
    )
    chosen = _chosen(workspace, wish)
    sender = _sender(workspace, wish, chosen)
    design = read_design(config.templates_dir, revision.kind, workspace.catalogs)
    fields = frozenset(name for one in chosen for name in one.attributes)
    found = [
        *check_design(design, fields),
        *check_revision(revision, workspace.catalogs),
        *check_revision_with_design(revision, design, fields),
        *check_headers(revision, sender, chosen),
    ]
    if errors_in(found):
        raise FaultsFound(errors_in(found))
    _segments(wish, chosen)
    warnings = tuple(fault for fault in found if fault not in errors_in(found))
    return Prepared(wish, design, sender, chosen, warnings)


def _segments(
    wish: Wish, lists: tuple[ListDefinition, ...]
) -> tuple[Segment | None, Segment | None]:
    attributes = {name: value for one in lists for name, value in one.attributes.items()}
    return (
        parse_segment(wish.segment, attributes) if wish.segment else None,
        parse_segment(wish.exclude, attributes, option="--exclude") if wish.exclude else None,
    )


def plan_revision(workspace: Workspace, wish: Wish, stored: StoredRevision) -> Plan:
    """Work out who would get a revision from whom; nothing is scheduled.

    Raises:
        FaultsFound: with everything that stops it.
    """
    prepared = prepare(workspace, wish, stored.revision)
    segment, exclude = _segments(prepared.wish, prepared.lists)
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        ids = sync_lists(connection, prepared.lists, now)
    targets = tuple((ids[one.key], one) for one in prepared.lists)
    with workspace.store.read() as connection:
        covered = coverage(
            connection,
            targets,
            segment,
            exclude,
            resolver(stored.revision),
            now,
        )
    return Plan(
        prepared.wish,
        stored,
        prepared.design,
        prepared.sender,
        targets,
        covered,
        prepared.warnings,
    )


def _chosen(workspace: Workspace, wish: Wish) -> tuple[ListDefinition, ...]:
    definitions, list_faults = workspace.lists
    faults = list(errors_in(list_faults))
    known = ", ".join(sorted(definitions)) or "none yet"
    faults.extend(
        Fault("", 0, "--list", f'there is no list "{key}"', f"There are: {known}")
        for key in wish.lists
        if key not in definitions
    )
    faults.extend(
        Fault("", 0, "--list", f'"{key}" is named twice', "Name each list once")
        for key in sorted({key for key in wish.lists if wish.lists.count(key) > 1})
    )
    if faults:
        raise FaultsFound(faults)
    return tuple(definitions[key] for key in wish.lists)


def _sender(workspace: Workspace, wish: Wish, lists: tuple[ListDefinition, ...]) -> Sender:
    keys = sorted({one.sender for one in lists})
    if not wish.sender and len(keys) > 1:
        raise FaultsFound(
            [
                Fault(
                    "",
                    0,
                    "--sender",
                    f"the lists have different senders: {', '.join(keys)}",
                    "Say which of them this mailing comes from",
                )
            ]
        )
    key = wish.sender or keys[0]
    sender = workspace.config.sender(key)
    if sender is None:
        known = ", ".join(one.key for one in workspace.config.senders)
        raise FaultsFound(
            [Fault("", 0, "--sender", f'there is no sender "{key}"', f"There are: {known}")]
        )
    return sender


def schedule(
    workspace: Workspace, plan: Plan, *, due_at: datetime, time_zone: str, grace_s: int
) -> Mailing:
    """Write the mailing a person agreed to, with revision, design, sender and lists pinned.

    Raises:
        FaultsFound: when the relay or a signing key cannot be used; nothing is written.
        KeyFileError: when `seal.key` or `service.key` cannot be used; nothing is written.
        WrongKeys: when one of them belongs to another database; nothing is written.
    """
    check_ready(workspace, plan.sender)
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        design_id = save_design(connection, plan.design, now)
        new = _new_mailing(plan, design_id, due_at, time_zone, grace_s)
        return create_mailing(connection, new, now)


def schedule_draft(
    workspace: Workspace,
    plan: Plan,
    draft: Mailing,
    *,
    due_at: datetime,
    time_zone: str,
    grace_s: int,
) -> Mailing:
    """Schedule a draft as a person agreed to it, with design, sender and lists pinned anew.

    Raises:
        FaultsFound, KeyFileError, WrongKeys: as `schedule` does; the draft stays one.
        ForbiddenTransition: when somebody scheduled or dropped it meanwhile.
    """
    check_ready(workspace, plan.sender)
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        design_id = save_design(connection, plan.design, now)
        new = _new_mailing(plan, design_id, due_at, time_zone, grace_s)
        return pin_draft(connection, draft.row_id, new)


def _new_mailing(
    plan: Plan, design_id: int, due_at: datetime, time_zone: str, grace_s: int
) -> NewMailing:
    return NewMailing(
        statement_id=plan.stored.statement_id,
        slug=plan.stored.revision.slug,
        revision_id=plan.stored.revision_id,
        revision_digest=plan.stored.revision.digest,
        design_id=design_id,
        design_digest=plan.design.digest,
        sender=plan.sender,
        lists=plan.lists,
        segment=plan.wish.segment,
        exclude=plan.wish.exclude,
        due_at=due_at,
        time_zone=time_zone,
        grace_s=grace_s,
        confirmed_count=plan.count,
    )
