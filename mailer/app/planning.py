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
from mailer.model.statement import StoredRevision
from mailer.statements.checks import check_revision
from mailer.store.audience import sync_lists
from mailer.store.designs import save_design
from mailer.store.mailings import NewMailing, create_mailing
from mailer.store.statements import latest_revision


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


def make_plan(workspace: Workspace, wish: Wish) -> Plan:
    """Work out who would get what from whom; nothing is scheduled.

    Raises:
        FaultsFound: with everything that stops it.
    """
    config = workspace.config
    wish = replace(
        wish,
        segment=expression_of(wish.segment, config.lists_dir),
        exclude=expression_of(wish.exclude, config.lists_dir, option="--exclude"),
    )
    definitions, list_faults = workspace.lists
    chosen = _chosen(wish, definitions, list_faults)
    sender = _sender(workspace, wish, chosen)
    with workspace.store.read() as connection:
        stored = latest_revision(connection, wish.slug)
    if stored is None:
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
    design = read_design(config.templates_dir, stored.revision.kind, workspace.catalogs)
    fields = frozenset(name for one in chosen for name in one.attributes)
    found = [
        *check_design(design, fields),
        *check_revision(stored.revision, workspace.catalogs),
        *check_revision_with_design(stored.revision, design, fields),
        *check_headers(stored.revision, sender, chosen),
    ]
    if errors_in(found):
        raise FaultsFound(errors_in(found))
    attributes = {name: value for one in chosen for name, value in one.attributes.items()}
    segment = parse_segment(wish.segment, attributes) if wish.segment else None
    exclude = parse_segment(wish.exclude, attributes, option="--exclude") if wish.exclude else None
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        ids = sync_lists(connection, chosen, now)
    targets = tuple((ids[one.key], one) for one in chosen)
    with workspace.store.read() as connection:
        covered = coverage(
            connection,
            targets,
            segment,
            exclude,
            resolver(stored.revision),
            now,
        )
    warnings = tuple(fault for fault in found if fault not in errors_in(found))
    return Plan(wish, stored, design, sender, targets, covered, warnings)


def _chosen(
    wish: Wish, definitions: dict[str, ListDefinition], list_faults: tuple[Fault, ...]
) -> tuple[ListDefinition, ...]:
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
        return create_mailing(
            connection,
            NewMailing(
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
                rehearsal=not workspace.config.workspace.live,
            ),
            now,
        )
