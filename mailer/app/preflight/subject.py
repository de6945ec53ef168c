"""Find out what a mailing to be is made of, as far as it can be found.

In: a wish, a plan, or a mailing on record. Out: a `Subject` and findings about what of it is missing
or cannot be used: one that has no list has its statement checked all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from mailer.app.newsletters import refuse_unreleased_revision
from mailer.app.planning import (
    BEFORE_SCHEDULING,
    Plan,
    Wish,
    chosen_expressions,
    chosen_lists,
    chosen_sender,
    count_people,
    refuse_withdrawn,
    targets_of,
    topic_faults,
)
from mailer.app.preflight.findings import Finding, FindingCode, Place, blocking, from_fault
from mailer.app.workspace import Workspace
from mailer.audience.corrections import correction_coverage, correction_of
from mailer.audience.coverage import Coverage
from mailer.audience.segments import Expression
from mailer.compose.design import read_design
from mailer.model.audience import ListDefinition
from mailer.model.faults import FaultsFound
from mailer.model.mailing import NO_CONCERN, Concern, Corrected, Design, Mailing, Sender
from mailer.model.statement import StoredRevision
from mailer.model.states import MailingState
from mailer.model.timing import AT_ONCE, Timing
from mailer.store.designs import load_design
from mailer.store.statements import latest_revision, load_revision

Found = TypeVar("Found")


@dataclass(frozen=True)
class When:
    """The hour of a mailing to be."""

    due_at: datetime
    time_zone: str
    grace_s: int
    timing: Timing = AT_ONCE


@dataclass
class Subject:
    """What a mailing to be is made of; None or () for what could not be found."""

    stored: StoredRevision | None = None
    lists: tuple[ListDefinition, ...] = ()
    sender: Sender | None = None
    design: Design | None = None
    #: Who is meant and who is left out.
    expressions: tuple[Expression | None, Expression | None] = (None, None)
    concern: Concern = NO_CONCERN
    corrects: Corrected | None = None
    when: When | None = None
    #: Key of the mailing on record; "" when it is none yet.
    mailing: str = ""
    #: Only what is given already: whoever is not in it was not counted.
    coverage: Coverage | None = None
    #: How many would be mailed; None when they were not counted.
    count: int | None = None
    #: Why something is missing.
    findings: list[Finding] = field(default_factory=list)

    def tried(
        self, code: FindingCode, get: Callable[[], Found], place: Place | None = None
    ) -> Found | None:
        """Return what `get` gives; note what it raises instead."""
        try:
            return get()
        except FaultsFound as error:
            self.findings += [from_fault(code, one, place) for one in error.faults]
            return None

    @property
    def slug(self) -> str:
        """Return the statement's slug; "" when there is none."""
        return self.stored.revision.slug if self.stored else ""


def subject_of(workspace: Workspace, asked: Wish | Plan | Mailing) -> Subject:
    """Return what a mailing to be is made of."""
    if isinstance(asked, Plan):
        return _of_plan(workspace, asked)
    if isinstance(asked, Wish):
        subject = Subject()
        with workspace.store.read() as connection:
            subject.stored = latest_revision(connection, asked.slug)
        if subject.stored is None:
            place = Place(statement=asked.slug, field="--statement")
            subject.findings.append(blocking(FindingCode.STATEMENT_UNKNOWN, place, slug=asked.slug))
        else:
            revision_id = subject.stored.revision_id
            subject.tried(
                FindingCode.ISSUE_UNRELEASED,
                lambda: refuse_unreleased_revision(workspace, revision_id, asked.slug),
                Place(statement=asked.slug),
            )
        return _of_wish(workspace, asked, subject)
    if asked.state in BEFORE_SCHEDULING:
        with workspace.store.read() as connection:
            stored = load_revision(connection, asked.revision_id)
        wish = Wish(
            slug=stored.revision.slug,
            lists=tuple(target.definition.key for target in asked.targets),
            sender=asked.sender.key,
            segment=asked.segment,
            exclude=asked.exclude,
            urgent=asked.concern.urgent,
        )
        return _of_wish(workspace, wish, Subject(stored, mailing=asked.key))
    return _of_mailing(workspace, asked)


def _of_plan(workspace: Workspace, plan: Plan) -> Subject:
    clocks = plan.clocks
    when = None
    if clocks is not None:
        grace_s = workspace.config.schedule.grace_s
        when = When(clocks.due_at, clocks.time_zone, grace_s, clocks.timing)
    lists = tuple(definition for _, definition in plan.lists)
    # A plan may be made without counting; then nobody is in any of its figures.
    is_counted = plan.coverage != Coverage()
    expressions: tuple[Expression | None, Expression | None] = (None, None)
    if not is_counted:
        expressions = chosen_expressions(workspace, plan.wish, lists)
    return Subject(
        stored=plan.stored,
        lists=lists,
        expressions=expressions,
        sender=plan.sender,
        design=plan.design,
        concern=plan.concern,
        corrects=plan.correction.corrects if plan.correction else None,
        when=when,
        coverage=plan.coverage if is_counted else None,
        count=plan.count if is_counted else None,
    )


def _of_wish(workspace: Workspace, wish: Wish, subject: Subject) -> Subject:
    """Fill in what files and config say of a wish now."""
    subject.lists = (
        subject.tried(FindingCode.LIST_UNUSABLE, lambda: chosen_lists(workspace, wish.lists)) or ()
    )
    if subject.lists or wish.sender:
        subject.sender = subject.tried(
            FindingCode.SENDER_UNUSABLE,
            lambda: chosen_sender(workspace, wish, subject.lists),
            Place(sender=wish.sender),
        )
    if subject.lists:
        subject.expressions = subject.tried(
            FindingCode.SEGMENT_UNUSABLE, lambda: chosen_expressions(workspace, wish, subject.lists)
        ) or (None, None)
    stored = subject.stored
    if stored is None:
        return subject
    revision = stored.revision
    subject.concern = Concern(wish.urgent, revision.topics)
    place = Place(statement=revision.slug)
    subject.tried(
        FindingCode.STATEMENT_WITHDRAWN, lambda: refuse_withdrawn(workspace, revision.slug), place
    )
    subject.design = subject.tried(
        FindingCode.TEMPLATE_FAULT,
        lambda: read_design(workspace.config.templates_dir, revision.kind, workspace.catalogs),
        place,
    )
    if subject.lists:
        subject.findings += [
            from_fault(FindingCode.TOPIC_UNUSABLE, one, place)
            for one in topic_faults(revision, subject.lists)
        ]
    return subject


def _of_mailing(workspace: Workspace, mailing: Mailing) -> Subject:
    """Take what a mailing pinned, however files and config are by now."""
    with workspace.store.read() as connection:
        stored = load_revision(connection, mailing.revision_id)
        design = load_design(connection, mailing.design_id)
    # Of one that has begun, or has ended, the hour is past and no other day could be chosen.
    waits = mailing.state is MailingState.SCHEDULED
    when = When(mailing.due_at, mailing.time_zone, mailing.grace_s, mailing.timing)
    subject = Subject(
        stored=stored,
        lists=tuple(target.definition for target in mailing.targets),
        sender=mailing.sender,
        design=design,
        concern=mailing.concern,
        corrects=mailing.corrects,
        when=when if waits else None,
        mailing=mailing.key,
    )
    slug = stored.revision.slug
    subject.tried(
        FindingCode.STATEMENT_WITHDRAWN, lambda: refuse_withdrawn(workspace, slug), Place(slug)
    )
    wish = Wish(slug, (), segment=mailing.segment, exclude=mailing.exclude)
    subject.expressions = subject.tried(
        FindingCode.SEGMENT_UNUSABLE, lambda: chosen_expressions(workspace, wish, subject.lists)
    ) or (None, None)
    return subject


def counted(workspace: Workspace, subject: Subject) -> None:
    """Count who would be mailed, unless that was done already or there is nobody to be counted."""
    if subject.coverage is not None or subject.stored is None or not subject.lists:
        return
    if any(one.code is FindingCode.SEGMENT_UNUSABLE for one in subject.findings):
        # Of another segment than the one that was meant, no number says anything.
        return
    if subject.corrects is not None:
        subject.coverage = _correction(workspace, subject.stored, subject)
    else:
        revision = subject.stored.revision
        targets = targets_of(workspace, subject.lists)
        subject.coverage = count_people(
            workspace, revision, targets, subject.expressions, subject.concern
        )
    subject.count = subject.coverage.to_mail


def _correction(workspace: Workspace, stored: StoredRevision, subject: Subject) -> Coverage:
    """Count those whom the mailing reached that is corrected."""
    assert subject.corrects is not None  # noqa: S101  (`counted` has looked.)
    now = workspace.clock.now()
    targets = targets_of(workspace, subject.lists)
    with workspace.store.read() as connection:
        rule = correction_of(connection, subject.corrects, stored.revision_id)
        return correction_coverage(connection, targets, rule, now, subject.concern)
