"""Newsletters, their issues, and which statements' revisions each issue tells of.

In: a newsletter as its files say it; the revisions of an issue. Out: `StoredNewsletter`s, `Issue`s,
and what is new since the last one. Whoever writes an issue names the turn they read: when another
was made meanwhile nothing is written, so that two processes never tell of one revision twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, not_, or_, select, update

from mailer.model.newsletter import Issue, Newsletter, StoredNewsletter
from mailer.model.statement import Edition, StatementKind, StoredRevision, Visibility
from mailer.model.states import MailingState
from mailer.store.audience import insert_or_ignore
from mailer.store.documents import EDITION_FIELDS
from mailer.store.public import public_revision
from mailer.store.statements import load_revision
from mailer.store.tables import (
    mailing,
    newsletter,
    newsletter_issue,
    newsletter_item,
    revision,
    statement,
)

#: Written into every document; raised when the form changes.
FORM = 1


class NewsletterNotFound(Exception):
    """No newsletter of that slug was loaded."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        super().__init__(
            f'There is no newsletter "{slug}". See: mailer newsletters list, or load it: '
            f"mailer newsletters load templates/newsletters/{slug}."
        )


class TurnPassed(Exception):
    """Another process made an issue, loaded the newsletter or stopped it meanwhile."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        super().__init__(f'Something changed about "{slug}" meanwhile. Look again.')


@dataclass(frozen=True)
class News:
    """What an issue made now would tell of."""

    #: Public, and told of in no issue yet; the newest first.
    revisions: tuple[StoredRevision, ...]
    #: Slugs of statements that were loaded and that the public cannot see yet.
    not_public: tuple[str, ...]


def newsletter_to_document(one: Newsletter) -> dict[str, Any]:
    """Return a newsletter as JSON can hold it."""
    return {
        "form": FORM,
        "slug": one.slug,
        "cron": one.cron,
        "time_zone": one.time_zone,
        "source_language": one.source_language,
        "lists": list(one.lists),
        "sender": one.sender,
        "segment": one.segment,
        "exclude": one.exclude,
        "kinds": [kind.value for kind in one.kinds],
        "since": one.since.isoformat() if one.since else None,
        "intros": [
            {name: getattr(intro, name) for name in EDITION_FIELDS} for intro in one.intros.values()
        ],
    }


def newsletter_from_document(document: dict[str, Any]) -> Newsletter:
    """Return the newsletter that `newsletter_to_document` was given."""
    return Newsletter(
        slug=document["slug"],
        cron=document["cron"],
        time_zone=document["time_zone"],
        source_language=document["source_language"],
        lists=tuple(document["lists"]),
        sender=document["sender"],
        segment=document["segment"],
        exclude=document["exclude"],
        kinds=tuple(StatementKind(kind) for kind in document["kinds"]),
        since=date.fromisoformat(document["since"]) if document["since"] else None,
        intros={one["language"]: Edition(**one) for one in document["intros"]},
    )


def _stored(row: Row[Any]) -> StoredNewsletter:
    return StoredNewsletter(
        row.id,
        newsletter_from_document(row.document),
        row.active_from,
        row.stopped_at,
        row.turn,
    )


def save_newsletter(connection: Connection, one: Newsletter, now: datetime) -> StoredNewsletter:
    """Store a newsletter as its files say it now; one that was stopped goes on.

    Hours that have passed count from now on where it is new, was stopped, or has other hours.
    """
    document = newsletter_to_document(one)
    connection.execute(
        insert_or_ignore(connection, newsletter).values(
            slug=one.slug, document=document, loaded_at=now, active_from=now
        )
    )
    # The row is locked by its turn first, so that two who load are one after the other.
    connection.execute(
        update(newsletter)
        .where(newsletter.c.slug == one.slug)
        .values(turn=newsletter.c.turn + 1, loaded_at=now, document=newsletter.c.document)
    )
    before = find_newsletter(connection, one.slug)
    other_hours = (before.newsletter.cron, before.newsletter.time_zone) != (one.cron, one.time_zone)
    starts_anew = before.stopped_at is not None or other_hours
    connection.execute(
        update(newsletter)
        .where(newsletter.c.id == before.row_id)
        .values(
            document=document,
            stopped_at=None,
            active_from=now if starts_anew else before.active_from,
        )
    )
    return find_newsletter(connection, one.slug)


def stop_newsletter(connection: Connection, slug: str, now: datetime) -> None:
    """Let a newsletter draft no more; what was drafted stays.

    Raises:
        NewsletterNotFound: when there is none.
    """
    changed = connection.execute(
        update(newsletter)
        .where(newsletter.c.slug == slug)
        .values(stopped_at=now, turn=newsletter.c.turn + 1)
    )
    if changed.rowcount != 1:
        raise NewsletterNotFound(slug)


def find_newsletter(connection: Connection, slug: str) -> StoredNewsletter:
    """Return a newsletter as it was last loaded.

    Raises:
        NewsletterNotFound: when there is none.
    """
    row = connection.execute(select(newsletter).where(newsletter.c.slug == slug)).one_or_none()
    if row is None:
        raise NewsletterNotFound(slug)
    return _stored(row)


def list_newsletters(connection: Connection) -> tuple[StoredNewsletter, ...]:
    """Return all newsletters, the stopped ones too, by slug."""
    rows = connection.execute(select(newsletter).order_by(newsletter.c.slug)).all()
    return tuple(_stored(row) for row in rows)


def has_issue_for(connection: Connection, row_id: int, occurrence_at: datetime) -> bool:
    """Tell whether an hour of a newsletter has been seen to, with an issue or with nothing new."""
    found = select(newsletter_issue.c.id).where(
        newsletter_issue.c.newsletter_id == row_id,
        newsletter_issue.c.occurrence_at == occurrence_at,
    )
    return connection.execute(found).first() is not None


def issues_of(connection: Connection, row_id: int) -> tuple[Issue, ...]:
    """Return what came of a newsletter's hours, the last first."""
    told = (
        select(newsletter_item.c.issue_id, func.count().label("revisions"))
        .group_by(newsletter_item.c.issue_id)
        .subquery()
    )
    rows = connection.execute(
        select(
            newsletter_issue.c.number,
            newsletter_issue.c.occurrence_at,
            newsletter_issue.c.made_at,
            mailing.c.key,
            told.c.revisions,
        )
        .outerjoin(mailing, mailing.c.id == newsletter_issue.c.mailing_id)
        .outerjoin(told, told.c.issue_id == newsletter_issue.c.id)
        .where(newsletter_issue.c.newsletter_id == row_id)
        .order_by(newsletter_issue.c.id.desc())
    )
    return tuple(
        Issue(row.number, row.occurrence_at, row.made_at, row.key or "", row.revisions or 0)
        for row in rows
    )


#: A draft that was dropped before it began: its number and what it told of are free again.
_DROPPED = and_(mailing.c.state == MailingState.CANCELLED, mailing.c.started_at.is_(None))
_STANDS = or_(newsletter_issue.c.mailing_id.is_(None), not_(_DROPPED))


def next_number(connection: Connection, row_id: int) -> int:
    """Return the number of the issue that would be made now."""
    last = connection.execute(
        select(func.max(newsletter_issue.c.number))
        .outerjoin(mailing, mailing.c.id == newsletter_issue.c.mailing_id)
        .where(newsletter_issue.c.newsletter_id == row_id, _STANDS)
    ).scalar()
    return (last or 0) + 1


def unreleased_issue(connection: Connection, revision_id: int) -> tuple[str, MailingState] | None:
    """Return the mailing of an issue that no person has let go: its key, and draft or cancelled.

    None where the revision is no issue of a newsletter, or one that goes out or has gone out.
    """
    row = connection.execute(
        select(mailing.c.key, mailing.c.state, _DROPPED.label("dropped"))
        .join(newsletter_issue, newsletter_issue.c.mailing_id == mailing.c.id)
        .where(mailing.c.revision_id == revision_id)
        # A draft that is dropped and made anew on the same day is the same revision.
        .order_by(mailing.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None or not (row.state is MailingState.DRAFT or row.dropped):
        return None
    return row.key, row.state


def covered_revisions(connection: Connection, row_id: int) -> frozenset[int]:
    """Return the ids of the revisions that issues of a newsletter tell of, dropped drafts aside."""
    rows = connection.execute(
        select(newsletter_item.c.revision_id)
        .join(newsletter_issue, newsletter_issue.c.id == newsletter_item.c.issue_id)
        .outerjoin(mailing, mailing.c.id == newsletter_issue.c.mailing_id)
        .where(newsletter_issue.c.newsletter_id == row_id, _STANDS)
    ).scalars()
    return frozenset(rows)


def news(
    connection: Connection,
    row_id: int,
    kinds: Collection[StatementKind],
    since: datetime | None,
    now: datetime,
) -> News:
    """Return what has come since a newsletter's last issue.

    Of each statement it is the revision that the public sees now, unless an issue told of it. What
    the public cannot see yet is never told of: its title alone could harm. Nor is what is unlisted
    or withdrawn.

    Args:
        connection: Reads it in one go.
        row_id: Of the newsletter.
        kinds: Statements of these count.
        since: Revisions loaded before are left out.
        now: What is public now.

    Raises:
        RevisionDamaged: when a revision is not what was loaded.
    """
    covered = covered_revisions(connection, row_id)
    found: list[StoredRevision] = []
    not_public: list[str] = []
    rows = connection.execute(
        select(statement.c.slug, statement.c.latest_revision_id, revision.c.loaded_at)
        .join(revision, revision.c.id == statement.c.latest_revision_id)
        .where(statement.c.kind.in_(list(kinds)), statement.c.visibility == Visibility.LISTED)
        .order_by(statement.c.slug)
    ).all()
    for row in rows:
        if since is not None and row.loaded_at < since:
            continue
        public = public_revision(connection, row.slug, now)
        if public is None or public.revision_id != row.latest_revision_id:
            if row.latest_revision_id not in covered:
                not_public.append(row.slug)
            if public is None:
                continue
        if public.revision_id in covered:
            continue
        stored = load_revision(connection, public.revision_id)
        if since is None or stored.loaded_at >= since:
            found.append(stored)
    found.sort(key=lambda one: one.revision_id, reverse=True)
    return News(tuple(found), tuple(not_public))


def record_issue(
    connection: Connection,
    seen: StoredNewsletter,
    *,
    number: int,
    occurrence_at: datetime | None,
    mailing_id: int | None,
    revision_ids: Sequence[int],
    now: datetime,
) -> None:
    """Write down an issue and what it tells of, or that an hour went by with nothing new.

    The mailing is written in the same transaction; `take_turn` comes before both.
    """
    issue_id = connection.execute(
        newsletter_issue.insert()
        .values(
            newsletter_id=seen.row_id,
            number=number,
            occurrence_at=occurrence_at,
            made_at=now,
            mailing_id=mailing_id,
        )
        .returning(newsletter_issue.c.id)
    ).scalar_one()
    if revision_ids:
        connection.execute(
            newsletter_item.insert(),
            [{"issue_id": issue_id, "revision_id": one} for one in revision_ids],
        )


def take_turn(connection: Connection, seen: StoredNewsletter) -> None:
    """Lock a newsletter for the rest of the transaction, if nothing changed since it was read.

    Raises:
        TurnPassed: when something did.
    """
    taken = connection.execute(
        update(newsletter)
        .where(newsletter.c.id == seen.row_id, newsletter.c.turn == seen.turn)
        .values(turn=newsletter.c.turn + 1)
    )
    if taken.rowcount != 1:
        raise TurnPassed(seen.newsletter.slug)
