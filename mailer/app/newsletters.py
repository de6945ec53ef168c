"""Draft the issues of newsletters when their hour comes or a person asks.

In: a workspace, and newsletters as they were loaded. Out: what the next issue would hold;
an issue as a revision with a mailing of it in state draft. Only a person moves a draft on, by
`mailer schedule --draft`: nothing here schedules or sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from mailer.alerts import newsletter_draft_made
from mailer.app.planning import Plan, Wish, plan_revision, prepare
from mailer.app.workspace import Workspace
from mailer.events import emit, warn
from mailer.model.audit import AuditAction
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Mailing
from mailer.model.newsletter import Newsletter, StoredNewsletter
from mailer.model.staff import BY_ITSELF, Actor
from mailer.model.statement import Revision, StoredRevision
from mailer.model.states import MailingState
from mailer.model.worded import worded
from mailer.schedule.cron import NotCron, Recurrence
from mailer.statements.issues import item_of, make_issue
from mailer.store import newsletters as store_newsletters
from mailer.store.audience import sync_lists
from mailer.store.audit import write_audit
from mailer.store.designs import save_design
from mailer.store.engine import StoreUnavailable
from mailer.store.mailings import NewMailing, create_mailing
from mailer.store.newsletters import TurnPassed
from mailer.store.statements import is_statement, save_revision

#: How long after something stopped an issue it is tried again.
PUT_OFF_S = 60
#: Hours gone by since the last issue are counted up to here.
_MOST_HOURS = 1_000


@dataclass(frozen=True)
class NextIssue:
    """What an issue made now would be."""

    #: None where nothing is new, or nothing in a language of the newsletter.
    revision: Revision | None
    #: The revisions it tells of, the newest first.
    sources: tuple[StoredRevision, ...]
    number: int
    #: Statements loaded and not public yet: they come when they are.
    not_public: tuple[str, ...]


def load_newsletter(
    workspace: Workspace, newsletter: Newsletter, actor: Actor = BY_ITSELF
) -> StoredNewsletter:
    """Store a newsletter as its files say it: from now on its issues are drafted at its hours.

    Raises:
        FaultsFound: when a statement of that slug was loaded; nothing is written.
    """
    with workspace.store.write() as connection:
        if is_statement(connection, newsletter.slug):
            file = f"templates/newsletters/{newsletter.slug}/newsletter.toml"
            problem = worded(
                'a statement "%(slug)s" was loaded, and both would have one page',
                slug=newsletter.slug,
            )
            raise FaultsFound([Fault(file, 0, "slug", problem, "Give the newsletter another")])
        now = workspace.clock.now()
        write_audit(connection, actor, AuditAction.NEWSLETTER_LOADED, newsletter.slug, now)
        return store_newsletters.save_newsletter(connection, newsletter, now)


def stop_newsletter(workspace: Workspace, slug: str, actor: Actor = BY_ITSELF) -> None:
    """Draft no more issues of a newsletter; what was drafted stays.

    Raises:
        NewsletterNotFound: when there is none.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        store_newsletters.stop_newsletter(connection, slug, now)
        write_audit(connection, actor, AuditAction.NEWSLETTER_STOPPED, slug, now)


def next_issue(
    workspace: Workspace, seen: StoredNewsletter, now: datetime, occurrence_at: datetime | None
) -> NextIssue:
    """Work out what an issue made now would be; nothing is written.

    Args:
        workspace: Where the newsletter is.
        seen: The newsletter as it was read.
        now: What is public now is told of.
        occurrence_at: The hour it is for, which gives it its date; None for now.
    """
    newsletter = seen.newsletter
    zone = ZoneInfo(newsletter.time_zone)
    with workspace.store.read() as connection:
        news = store_newsletters.news(
            connection, seen.row_id, newsletter.kinds, _begin(newsletter.since, zone), now
        )
        number = store_newsletters.next_number(connection, seen.row_id)
    day = (occurrence_at or now).astimezone(zone).date()
    revision = make_issue(newsletter, [item_of(one) for one in news.revisions], number, day)
    return NextIssue(revision, news.revisions, number, news.not_public)


def _begin(day: date | None, zone: ZoneInfo) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), zone).astimezone(UTC)


def wish_of(newsletter: Newsletter) -> Wish:
    """Return to whom issues of a newsletter go."""
    return Wish(
        slug=newsletter.slug,
        lists=newsletter.lists,
        sender=newsletter.sender,
        segment=newsletter.segment,
        exclude=newsletter.exclude,
    )


def plan_issue(workspace: Workspace, newsletter: Newsletter, issue: NextIssue) -> Plan | None:
    """Work out who would get an issue in which language; None where there is no issue.

    Raises:
        FaultsFound: with everything that stops it.
    """
    if issue.revision is None:
        return None
    # It has no rows yet; nothing is read by these ids.
    stored = StoredRevision(0, 0, issue.number, workspace.clock.now(), issue.revision)
    return plan_revision(workspace, wish_of(newsletter), stored)


def refuse_unreleased(workspace: Workspace, plan: Plan) -> None:
    """Make sure that a plan for `--statement` mails no issue of a newsletter that waits as a draft.

    Raises:
        FaultsFound: when it would; the draft alone is its way out.
    """
    refuse_unreleased_revision(workspace, plan.stored.revision_id, plan.stored.revision.slug)


def refuse_unreleased_revision(workspace: Workspace, revision_id: int, slug: str) -> None:
    """Make sure that a revision is no issue of a newsletter that waits as a draft.

    Raises:
        FaultsFound: when it is; the draft alone is its way out.
    """
    with workspace.store.read() as connection:
        found = store_newsletters.unreleased_issue(connection, revision_id)
    if found is None:
        return
    key, state = found
    problem = worded(
        'the newest issue of the newsletter "%(slug)s" waits as a draft, %(key)s',
        slug=slug,
        key=key,
    )
    remedy = worded("Release that: mailer schedule --draft %(key)s", key=key)
    if state is not MailingState.DRAFT:
        problem = worded(
            'the newest issue of the newsletter "%(slug)s" was dropped with %(key)s',
            slug=slug,
            key=key,
        )
        remedy = worded("Draft it anew: mailer newsletters draft %(slug)s", slug=slug)
    raise FaultsFound([Fault("", 0, "--statement", problem, remedy)])


def draft_issue(
    workspace: Workspace,
    seen: StoredNewsletter,
    occurrence_at: datetime | None,
    actor: Actor = BY_ITSELF,
) -> Mailing | None:
    """Make an issue of what is new: one revision, and one mailing of it in state draft.

    Both are written in one transaction with what the issue tells of, or neither is.

    Args:
        workspace: Its lists, senders and mail templates as the files have them now are pinned.
        seen: The newsletter as it was read before.
        occurrence_at: The hour it is made for; None when a person asks for it.
        actor: In whose name.

    Returns:
        The draft; None where there is nothing new, which is written down for the hour.

    Raises:
        FaultsFound: with everything that stops it; nothing is written.
        TurnPassed: when another process was first; nothing is written.
    """
    now = workspace.clock.now()
    issue = next_issue(workspace, seen, now, occurrence_at)
    if issue.revision is None:
        if occurrence_at is not None:
            _record_nothing(workspace, seen, occurrence_at, now)
        return None
    prepared = prepare(workspace, wish_of(seen.newsletter), issue.revision)
    with workspace.store.write() as connection:
        # Apart, so that the write lock is not held for long; both are the same when written twice.
        ids = sync_lists(connection, prepared.lists, now)
        design_id = save_design(connection, prepared.design, now)
    with workspace.store.write() as connection:
        store_newsletters.take_turn(connection, seen)
        stored = save_revision(connection, issue.revision, now)
        draft = create_mailing(
            connection,
            NewMailing(
                statement_id=stored.statement_id,
                slug=issue.revision.slug,
                revision_id=stored.revision_id,
                revision_digest=issue.revision.digest,
                design_id=design_id,
                design_digest=prepared.design.digest,
                sender=prepared.sender,
                lists=[(ids[one.key], one) for one in prepared.lists],
                segment=prepared.wish.segment,
                exclude=prepared.wish.exclude,
                due_at=occurrence_at or now,
                time_zone=seen.newsletter.time_zone,
                grace_s=workspace.config.schedule.grace_s,
                # Nobody has agreed to a number yet.
                confirmed_count=0,
                state=MailingState.DRAFT,
            ),
            now,
        )
        store_newsletters.record_issue(
            connection,
            seen,
            number=issue.number,
            occurrence_at=occurrence_at,
            mailing_id=draft.row_id,
            revision_ids=[one.revision_id for one in issue.sources],
            now=now,
        )
        # In this transaction: an alert after it could be lost to a kill.
        newsletter_draft_made(connection, issue.revision.slug, draft.key, now)
        write_audit(
            connection, actor, AuditAction.MAILING_DRAFTED, draft.key, now,
            newsletter=issue.revision.slug, issue=issue.number,
        )  # fmt: skip
    return draft


def _record_nothing(
    workspace: Workspace, seen: StoredNewsletter, occurrence_at: datetime, now: datetime
) -> None:
    with workspace.store.write() as connection:
        store_newsletters.take_turn(connection, seen)
        store_newsletters.record_issue(
            connection,
            seen,
            number=0,
            occurrence_at=occurrence_at,
            mailing_id=None,
            revision_ids=(),
            now=now,
        )


@dataclass(frozen=True)
class _Window:
    """The hour that counts until the next one comes, so that a tick need not work it out."""

    cron: str
    time_zone: str
    latest: datetime | None
    following: datetime

    def holds(self, newsletter: Newsletter, now: datetime) -> bool:
        same = (self.cron, self.time_zone) == (newsletter.cron, newsletter.time_zone)
        return same and (self.latest is None or self.latest <= now) and now < self.following


class IssueDrafter:
    """Drafts what has fallen due, as often as it is called; the scheduler calls it at each tick.

    The hour that counts is the last one that has passed. After an outage over several hours that is
    one hour, and its issue tells of all that has come since the last. An hour that was seen to is on
    record, so that a restart, a kill or a clock set back makes nothing twice.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._windows: dict[int, _Window] = {}
        #: Newsletter → the hour that is known to be on record.
        self._seen_to: dict[int, datetime] = {}
        #: Newsletter → when to try again, on the clock that never goes back.
        self._put_off: dict[int, float] = {}

    def __call__(self, now: datetime) -> None:
        """Draft the issues whose hour has come."""
        with self._workspace.store.read() as connection:
            newsletters = store_newsletters.list_newsletters(connection)
        for one in newsletters:
            if one.stopped_at is None and not self._is_put_off(one):
                try:
                    self._look_at(one, now)
                except (FaultsFound, NotCron, StoreUnavailable) as error:
                    # One newsletter that cannot be made keeps no other one waiting.
                    self._put_off[one.row_id] = self._workspace.clock.monotonic() + PUT_OFF_S
                    slug = one.newsletter.slug
                    warn("newsletter draft put off", newsletter=slug, reason=str(error))

    def _is_put_off(self, seen: StoredNewsletter) -> bool:
        return self._workspace.clock.monotonic() < self._put_off.get(seen.row_id, 0)

    def _look_at(self, seen: StoredNewsletter, now: datetime) -> None:
        occurrence_at = self._latest(seen, now)
        if occurrence_at is None or occurrence_at <= seen.active_from:
            return
        if self._seen_to.get(seen.row_id) == occurrence_at:
            return
        with self._workspace.store.read() as connection:
            done = store_newsletters.has_issue_for(connection, seen.row_id, occurrence_at)
        if not done:
            done = self._draft(seen, occurrence_at)
        if done:
            self._seen_to[seen.row_id] = occurrence_at

    def _latest(self, seen: StoredNewsletter, now: datetime) -> datetime | None:
        newsletter = seen.newsletter
        window = self._windows.get(seen.row_id)
        if window is None or not window.holds(newsletter, now):
            hours = Recurrence(newsletter.cron, newsletter.time_zone)
            latest, following = hours.latest(now), hours.after(now)
            window = _Window(newsletter.cron, newsletter.time_zone, latest, following)
            self._windows[seen.row_id] = window
        return window.latest

    def _draft(self, seen: StoredNewsletter, occurrence_at: datetime) -> bool:
        slug = seen.newsletter.slug
        try:
            # Files that were mended since the process began are read as they are now.
            draft = draft_issue(self._workspace.reread(), seen, occurrence_at)
        except TurnPassed:
            # Another process was first; the next tick sees what it did.
            return False
        if draft is None:
            emit("newsletter has nothing new", newsletter=slug, hour=occurrence_at.isoformat())
            return True
        hours = self._hours_gone_by(seen, occurrence_at)
        emit("newsletter draft made", newsletter=slug, mailing=draft.key, hours=hours)
        return True

    def _hours_gone_by(self, seen: StoredNewsletter, occurrence_at: datetime) -> int:
        """Count the hours an issue stands for: more than one after an outage."""
        with self._workspace.store.read() as connection:
            issues = store_newsletters.issues_of(connection, seen.row_id)
        before = [
            one.occurrence_at
            for one in issues
            if one.occurrence_at is not None and one.occurrence_at < occurrence_at
        ]
        start = max([*before, seen.active_from])
        hours = Recurrence(seen.newsletter.cron, seen.newsletter.time_zone)
        count = 0
        while count < _MOST_HOURS and start < occurrence_at:
            start = hours.after(start)
            count += 1
        return count
