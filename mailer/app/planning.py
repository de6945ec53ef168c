"""Turn "send this statement to these lists" into a plan that a person confirms.

In: a workspace and what was asked for. Out: a `Plan` that says who, how many and from whom, and
what is wrong with it. `mailer.app.scheduling` makes a mailing of it once a person has agreed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from mailer.app.clocks import Clocks
from mailer.app.languages import resolver
from mailer.app.workspace import Workspace
from mailer.audience.coverage import Coverage, coverage
from mailer.audience.mentions import mention_faults
from mailer.audience.segments import (
    Expression,
    Place,
    SavedSegments,
    read_expression,
    saved_segments,
)
from mailer.compose.checks import check_design, check_revision_with_design
from mailer.compose.design import read_design
from mailer.compose.fixed import check_headers
from mailer.model.audience import ListDefinition
from mailer.model.breaker import Breaker, parse_canary
from mailer.model.faults import Fault, FaultsFound, Severity, errors_in
from mailer.model.mailing import NO_CONCERN, Concern, Corrected, Design, Mailing, Sender
from mailer.model.statement import Revision, StoredRevision, Visibility
from mailer.model.states import ForbiddenTransition, MailingState
from mailer.model.timing import AT_ONCE, LatePolicy
from mailer.model.worded import worded
from mailer.statements.checks import check_revision
from mailer.store.archive import visibility_of
from mailer.store.audience import sync_lists
from mailer.store.corrections import Reached
from mailer.store.mailings import NewMailing
from mailer.store.statements import StatementNotFound, latest_revision, load_revision

#: A mailing in one of these has no hour yet.
BEFORE_SCHEDULING = (MailingState.DRAFT, MailingState.IN_REVIEW, MailingState.APPROVED)


@dataclass(frozen=True)
class Wish:
    """What a person asked for."""

    slug: str
    lists: tuple[str, ...]
    #: Key; "" takes the lists' own, when they agree.
    sender: str = ""
    segment: str = ""
    exclude: str = ""
    #: It reaches those, too, who want urgent appeals only.
    urgent: bool = False


def pinned_breaker(workspace: Workspace, canary: str | None, people: int) -> Breaker:
    """Return the circuit breaker of a mailing to so many people.

    Args:
        workspace: its config says what holds where nothing else is said.
        canary: what a person said of it, "200" or "5%"; None for nothing.
        people: how many are to be mailed.

    Raises:
        FaultsFound: when that is neither a number nor a share.
    """
    section = workspace.config.breaker
    try:
        wanted = parse_canary(section.canary if canary is None else canary)
    except ValueError as error:
        problem = worded('"%(canary)s" %(error)s', canary=canary, error=error.args[0])
        remedy = "Write a number like 200, a share like 5%, or none"
        raise FaultsFound([Fault("", 0, "--canary", problem, remedy)]) from error
    return Breaker(section.limits, wanted.size(people), section.canary_wait_s)


@dataclass(frozen=True)
class CorrectionPlan:
    """The mailing that is to be corrected."""

    corrects: Corrected
    reached: Reached
    #: Whether some may have the same revision by another correction; they are left out.
    sent_before: bool


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
    clocks: Clocks | None = None
    #: None for most.
    correction: CorrectionPlan | None = None
    breaker: Breaker | None = None
    concern: Concern = NO_CONCERN

    @property
    def count(self) -> int:
        """Return how many people would be mailed: the number to be confirmed."""
        return self.coverage.to_mail - self.expired

    @property
    def expired(self) -> int:
        """Return how many are not mailed since their hour has passed."""
        if self.clocks is None or self.clocks.timing.late is not LatePolicy.SKIP:
            return 0
        return self.clocks.late_people


@dataclass(frozen=True)
class Prepared:
    """A revision as mails, checked against everything they are made of; nobody is counted yet."""

    #: With its segments written out.
    wish: Wish
    design: Design
    sender: Sender
    lists: tuple[ListDefinition, ...]
    #: Who is meant and who is left out; None where nothing was said.
    segment: Expression | None
    exclude: Expression | None
    #: Worth a look; nothing that stops it.
    warnings: tuple[Fault, ...]


def make_plan(workspace: Workspace, wish: Wish, *, counted: bool = True) -> Plan:
    """Work out who would get a statement's newest revision from whom; nothing is scheduled.

    Args:
        workspace: where it is.
        wish: what a person asked for.
        counted: count the people, which takes a second or two where there are a million.

    Raises:
        FaultsFound: with everything that stops it.
    """
    with workspace.store.read() as connection:
        stored = latest_revision(connection, wish.slug)
    if stored is None:
        # A list or a sender that is not there is told first.
        chosen_sender(workspace, wish, chosen_lists(workspace, wish.lists))
        raise FaultsFound(
            [
                Fault(
                    "",
                    0,
                    "--statement",
                    worded('no statement "%(slug)s" has been loaded', slug=wish.slug),
                    worded(
                        "Run: mailer statements load templates/statements/%(slug)s", slug=wish.slug
                    ),
                )
            ]
        )
    return plan_revision(workspace, wish, stored, counted=counted)


def plan_draft(workspace: Workspace, draft: Mailing, *, counted: bool = True) -> Plan:
    """Work out who would get a draft: its revision, with lists, sender and design as they are now.

    Args:
        workspace: where it is.
        draft: the mailing.
        counted: count the people.

    Raises:
        FaultsFound: with everything that stops it.
        ForbiddenTransition: when it is scheduled or over.
    """
    if draft.state not in BEFORE_SCHEDULING:
        raise ForbiddenTransition(draft.state, MailingState.SCHEDULED)
    with workspace.store.read() as connection:
        stored = load_revision(connection, draft.revision_id)
    wish = Wish(
        slug=stored.revision.slug,
        lists=tuple(target.definition.key for target in draft.targets),
        sender=draft.sender.key,
        segment=draft.segment,
        exclude=draft.exclude,
        urgent=draft.concern.urgent,
    )
    return plan_revision(workspace, wish, stored, counted=counted)


def prepare(workspace: Workspace, wish: Wish, revision: Revision) -> Prepared:
    """Check a revision as mails to the lists of a wish.

    Raises:
        FaultsFound: with everything that stops it.
    """
    chosen = chosen_lists(workspace, wish.lists)
    sender = chosen_sender(workspace, wish, chosen)
    design, warnings = check_mails(workspace, revision, chosen, sender)
    faults = list(topic_faults(revision, chosen))
    if faults:
        raise FaultsFound(faults)
    segment, exclude = chosen_expressions(workspace, wish, chosen)
    # What is scheduled is the expression as it reads now, whatever happens to the file later.
    wish = replace(
        wish,
        segment=segment.text if segment else "",
        exclude=exclude.text if exclude else "",
    )
    return Prepared(wish, design, sender, chosen, segment, exclude, warnings)


def plan_revision(
    workspace: Workspace, wish: Wish, stored: StoredRevision, *, counted: bool = True
) -> Plan:
    """Work out who would get a revision from whom; nothing is scheduled.

    Args:
        workspace: where it is.
        wish: what a person asked for.
        stored: the revision.
        counted: count the people; without that the plan says that nobody would be mailed.

    Raises:
        FaultsFound: with everything that stops it.
    """
    refuse_withdrawn(workspace, stored.revision.slug)
    prepared = prepare(workspace, wish, stored.revision)
    concern = Concern(prepared.wish.urgent, stored.revision.topics)
    targets, covered = targets_of(workspace, prepared.lists), Coverage()
    if counted:
        expressions = prepared.segment, prepared.exclude
        covered = count_people(workspace, stored.revision, targets, expressions, concern)
    return Plan(
        prepared.wish,
        stored,
        prepared.design,
        prepared.sender,
        targets,
        covered,
        prepared.warnings,
        concern=concern,
    )


def targets_of(
    workspace: Workspace, lists: tuple[ListDefinition, ...]
) -> tuple[tuple[int, ListDefinition], ...]:
    """Return lists with their row ids, written as their files have them now."""
    with workspace.store.write() as connection:
        ids = sync_lists(connection, lists, workspace.clock.now())
    return tuple((ids[one.key], one) for one in lists)


def count_people(
    workspace: Workspace,
    revision: Revision,
    targets: tuple[tuple[int, ListDefinition], ...],
    expressions: tuple[Expression | None, Expression | None],
    concern: Concern,
) -> Coverage:
    """Count who would get a revision.

    Args:
        workspace: whose people they are.
        revision: what they would get.
        targets: lists with their row ids, in the order given.
        expressions: who is meant and who is left out.
        concern: what it is about, and whether it is urgent.
    """
    segment, exclude = (one.segment if one else None for one in expressions)
    with workspace.store.read() as connection:
        return coverage(
            connection,
            targets,
            segment,
            exclude,
            resolver(revision),
            workspace.clock.now(),
            concern,
        )


def check_mails(
    workspace: Workspace,
    revision: Revision,
    chosen: tuple[ListDefinition, ...],
    sender: Sender,
) -> tuple[Design, tuple[Fault, ...]]:
    """Return how a statement's mails look, and what about them is worth a look.

    Raises:
        FaultsFound: with everything that keeps them from being made.
    """
    design = read_design(workspace.config.templates_dir, revision.kind, workspace.catalogs)
    fields = frozenset(name for one in chosen for name in one.attributes)
    found = [
        *check_design(design, fields),
        *check_revision(revision, workspace.catalogs),
        *check_revision_with_design(revision, design, fields),
        *check_headers(revision, sender, chosen),
    ]
    if errors_in(found):
        raise FaultsFound(errors_in(found))
    found += deadline_faults(revision, workspace.clock.now().date())
    return design, tuple(fault for fault in found if fault not in errors_in(found))


def topic_faults(revision: Revision, chosen: tuple[ListDefinition, ...]) -> Iterator[Fault]:
    """Yield the topics that nobody on these lists could have chosen, and the lists that have others.

    A list without topics is no fault: everybody on it gets everything.
    """
    with_topics = [one for one in chosen if one.topics]
    known = {key for one in with_topics for key in one.topics}
    file = f"templates/statements/{revision.slug}/statement.toml"
    keys = ", ".join(one.key for one in chosen)
    for topic in revision.topics:
        if topic not in known:
            yield Fault(
                file, 0, "topics", worded('"%(topic)s" is not a topic of %(keys)s', topic=topic, keys=keys),
                worded("There are: %(known)s. Declare it under [topics] in lists/%(key)s.toml, or take it out", known=', '.join(sorted(known)) or worded("none"), key=chosen[0].key),
            )  # fmt: skip
    for one in with_topics:
        if revision.topics and not set(revision.topics) & set(one.topics):
            yield Fault(
                file, 0, "topics", worded("holds none of the topics of %(key)s", key=one.key),
                worded("Add one of: %(topics)s; or declare one of its own in lists/%(key)s.toml", topics=', '.join(one.topics), key=one.key),
            )  # fmt: skip


def refuse_withdrawn(workspace: Workspace, slug: str) -> None:
    """Plan nothing that leads to a page which says that the statement was withdrawn.

    Raises:
        FaultsFound: when it was.
    """
    with workspace.store.read() as connection:
        try:
            is_withdrawn = visibility_of(connection, slug) is Visibility.WITHDRAWN
        except StatementNotFound:
            # The first issue of a newsletter is none before it is drafted.
            is_withdrawn = False
    if is_withdrawn:
        problem = worded(
            '"%(slug)s" was withdrawn: the page that its mails lead to would say so', slug=slug
        )
        remedy = worded("Take that back first: mailer statements relist %(slug)s", slug=slug)
        raise FaultsFound([Fault("", 0, "--statement", problem, remedy)])


def deadline_faults(revision: Revision, today: date) -> Iterator[Fault]:
    """Yield a warning where the last day of an appeal has passed everywhere on earth."""
    deadline = revision.appeal.deadline if revision.appeal else None
    # The day ends last at UTC-12.
    if deadline is not None and deadline + timedelta(days=1) < today:
        yield Fault(
            f"templates/statements/{revision.slug}/statement.toml",
            0,
            "deadline",
            worded("the last day of the appeal was %(deadline)s", deadline=deadline),
            "Write a later one and load it again, or let it be",
            severity=Severity.WARNING,
        )


def chosen_expressions(
    workspace: Workspace, wish: Wish, chosen: tuple[ListDefinition, ...]
) -> tuple[Expression | None, Expression | None]:
    """Return who is meant and who is left out; None where nothing was said.

    Raises:
        FaultsFound: with what is wrong in them, and the statements they name and nobody knows.
    """
    saved = saved_segments(workspace.config.lists_dir) if wish.segment or wish.exclude else None
    attributes = {name: value for one in chosen for name, value in one.attributes.items()}

    def read(text: str, option: str) -> Expression | None:
        if not text:
            return None
        return read_expression(text, attributes, Place(option), saved or SavedSegments())

    found = read(wish.segment, "--segment"), read(wish.exclude, "--exclude")
    with workspace.store.read() as connection:
        faults = [
            fault for one in found if one for fault in mention_faults(connection, one.mentions)
        ]
    if faults:
        raise FaultsFound(faults)
    return found


def chosen_lists(workspace: Workspace, keys: tuple[str, ...]) -> tuple[ListDefinition, ...]:
    """Return the lists of these keys, in this order.

    Raises:
        FaultsFound: when one is not there, is named twice, or the files of lists have faults.
    """
    definitions, list_faults = workspace.lists
    faults = [*errors_in(list_faults), *workspace.no_lists(keys)]
    faults.extend(
        Fault("", 0, "--list", worded('"%(key)s" is named twice', key=key), "Name each list once")
        for key in sorted({key for key in keys if keys.count(key) > 1})
    )
    if faults:
        raise FaultsFound(faults)
    return tuple(definitions[key] for key in keys)


def chosen_sender(workspace: Workspace, wish: Wish, lists: tuple[ListDefinition, ...]) -> Sender:
    """Return the sender a person named, or the one that all their lists have.

    Raises:
        FaultsFound: when there is none, or the lists have different ones.
    """
    keys = sorted({one.sender for one in lists})
    if not wish.sender and len(keys) > 1:
        raise FaultsFound(
            [
                Fault(
                    "",
                    0,
                    "--sender",
                    worded(
                        "the lists have different senders: %(senders)s", senders=", ".join(keys)
                    ),
                    "Say which of them this mailing comes from",
                )
            ]
        )
    key = wish.sender or keys[0]
    sender = workspace.config.sender(key)
    if sender is None:
        known = ", ".join(one.key for one in workspace.config.senders)
        raise FaultsFound(
            [
                Fault(
                    "",
                    0,
                    "--sender",
                    worded('there is no sender "%(key)s"', key=key),
                    worded("There are: %(known)s", known=known),
                )
            ]
        )
    return sender


def pinned_new(
    workspace: Workspace,
    plan: Plan,
    design_id: int,
    due_at: datetime,
    time_zone: str,
    grace_s: int,
    *,
    state: MailingState = MailingState.SCHEDULED,
) -> NewMailing:
    """Return the mailing that a plan is, about to be written.

    Args:
        workspace: where it is.
        plan: what a person agreed to.
        design_id: row id of the plan's design.
        due_at: when the first of it falls due.
        time_zone: in which that hour was given.
        grace_s: how late it may begin.
        state: scheduled, or a draft that waits.
    """
    return NewMailing(
        state=state,
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
        timing=plan.clocks.timing if plan.clocks else AT_ONCE,
        shares=plan.clocks.shares if plan.clocks else (),
        zones=plan.clocks.zones if plan.clocks else (),
        corrects=plan.correction.corrects if plan.correction else None,
        rehearsal=not workspace.config.workspace.live,
        breaker=plan.breaker or pinned_breaker(workspace, None, plan.count),
        concern=plan.concern,
    )
