"""Have a mailing approved: ask, read, approve or return, and refuse what nobody approved.

In: a workspace, a mailing's key, and in whose name. Out: the mailing in its new state, votes on
record. Whoever made a mailing or asked for its approval approves none of it. What is approved is a
digest: a mailing that was changed since is a draft that nobody approved.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from mailer.app.workspace import Workspace
from mailer.keys import DIGEST_BYTES
from mailer.model.approval import Approval, Standing, Vote, digest_of_mailing, standing
from mailer.model.audit import AuditAction
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Mailing
from mailer.model.staff import Actor, ActorKind
from mailer.model.states import ForbiddenTransition, MailingState
from mailer.model.worded import worded
from mailer.store import approvals as store
from mailer.store.approvals import ReviewLink
from mailer.store.audit import write_audit
from mailer.store.engine import Connection
from mailer.store.mailings import change_state, find_mailing, load_mailing, note_asked
from mailer.store.statements import load_text

#: How long a link for a reviewer leads somewhere.
LINK_LASTS = timedelta(days=7)
#: Characters of a comment, and of a reviewer's name.
LONGEST_COMMENT = 2_000
LONGEST_REVIEWER = 60


class NotTheirs(Exception):
    """Whoever made a mailing, or asked for its approval, does not approve it."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key}: whoever made it or asked for its approval does not approve it.")


class ChangedSince(Exception):
    """What was read is not what stands now."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key} was changed since it was read. Read it again.")


@dataclass(frozen=True)
class Review:
    """What is on record about the approval of a mailing."""

    mailing: Mailing
    #: What is approved now.
    digest: str
    #: Tags of the editions, the source first.
    languages: tuple[str, ...]
    standing: Standing
    votes: tuple[Approval, ...]
    links: tuple[ReviewLink, ...]
    #: Login names of those who may not approve.
    makers: frozenset[str]


def is_approval_wanted(workspace: Workspace) -> bool:
    """Tell whether anything must be approved before it is scheduled."""
    return workspace.config.approval.required > 0


def review_of(workspace: Workspace, key: str) -> Review:
    """Return what is on record about the approval of a mailing.

    Raises:
        MailingNotFound: when there is no such mailing.
    """
    with workspace.store.read() as connection:
        return review_in(workspace, connection, find_mailing(connection, key))


def review_in(workspace: Workspace, connection: Connection, mailing: Mailing) -> Review:
    """Return what is on record about the approval of a mailing, in a transaction of the caller's."""
    votes = store.votes_of(connection, mailing.row_id)
    languages = load_text(connection, mailing.revision_id).languages
    digest = digest_of_mailing(mailing)
    return Review(
        mailing,
        digest,
        languages,
        standing(votes, digest, languages, max(1, workspace.config.approval.required)),
        tuple(votes),
        tuple(store.links_of(connection, mailing.row_id)),
        store.makers_of(connection, mailing.row_id),
    )


def ask_for_approval(workspace: Workspace, actor: Actor, key: str) -> Mailing:
    """Hand a draft to the approvers.

    Raises:
        MailingNotFound: when there is no such mailing.
        ForbiddenTransition: when it is no draft.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        found = find_mailing(connection, key)
        change_state(connection, found.row_id, found.state, MailingState.IN_REVIEW)
        note_asked(connection, found.row_id, actor.name, now)
        write_audit(
            connection,
            actor,
            AuditAction.APPROVAL_ASKED,
            key,
            now,
            digest=digest_of_mailing(found),
        )
        return load_mailing(connection, found.row_id)


def vote(
    workspace: Workspace,
    actor: Actor,
    key: str,
    *,
    seen: str,
    languages: Sequence[str],
    given: Vote,
    comment: str = "",
    by_link: int = 0,
) -> Review:
    """Approve editions of a mailing that is in review, or return it to its author.

    Args:
        workspace: Where it is.
        actor: Who votes.
        key: Of the mailing.
        seen: The digest of what they were shown.
        languages: Of the editions they read.
        given: What they say.
        comment: To the author.
        by_link: Row id of the link they came by, which is used up; 0 for staff.

    Raises:
        MailingNotFound: when there is no such mailing.
        ForbiddenTransition: when it is not in review.
        ChangedSince: when it is not what they read any more.
        NotTheirs: when they made it.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        found = find_mailing(connection, key)
        if found.state is not MailingState.IN_REVIEW:
            raise ForbiddenTransition(found.state, MailingState.APPROVED)
        review = review_in(workspace, connection, found)
        if not hmac.compare_digest(seen, review.digest):
            raise ChangedSince(key)
        if actor.kind is ActorKind.STAFF and actor.name in review.makers:
            raise NotTheirs(key)
        if by_link and not store.end_link(connection, found.row_id, by_link, now):
            raise ChangedSince(key)
        for language in languages:
            if language in review.languages:
                one = Approval(
                    review.digest, language, given, actor, now, comment[:LONGEST_COMMENT]
                )
                store.write_vote(connection, found.row_id, one)
        action = (
            AuditAction.APPROVAL_GIVEN if given is Vote.APPROVED else AuditAction.APPROVAL_RETURNED
        )
        read = [one for one in languages if one in review.languages]
        write_audit(
            connection, actor, action, key, now, digest=review.digest, languages=",".join(read)
        )
        _move_on(workspace, connection, found, given, now)
        return review_in(workspace, connection, load_mailing(connection, found.row_id))


def _move_on(
    workspace: Workspace, connection: Connection, found: Mailing, given: Vote, now: datetime
) -> None:
    """Let a mailing become approved, or a draft again, as the votes on record have it."""
    if given is Vote.RETURNED:
        change_state(connection, found.row_id, found.state, MailingState.DRAFT)
        store.end_links(connection, found.row_id, now)
    elif review_in(workspace, connection, found).standing.is_approved:
        change_state(connection, found.row_id, found.state, MailingState.APPROVED)
        store.end_links(connection, found.row_id, now)


def take_back(workspace: Workspace, actor: Actor, key: str) -> Mailing:
    """Make a mailing that is in review or approved a draft again, to change it.

    Raises:
        MailingNotFound: when there is no such mailing.
        ForbiddenTransition: when it is neither.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        found = find_mailing(connection, key)
        if found.state not in (MailingState.IN_REVIEW, MailingState.APPROVED):
            raise ForbiddenTransition(found.state, MailingState.DRAFT)
        change_state(connection, found.row_id, found.state, MailingState.DRAFT)
        store.end_links(connection, found.row_id, now)
        write_audit(connection, actor, AuditAction.APPROVAL_WITHDRAWN, key, now)
        return load_mailing(connection, found.row_id)


def _token_digest(workspace: Workspace, token: str) -> bytes:
    key = workspace.service_keys.address_index
    return hmac.digest(key, b"review-link|" + token.encode(), sha256)[:DIGEST_BYTES]


def make_link(workspace: Workspace, actor: Actor, key: str, *, language: str, reviewer: str) -> str:
    """Make a link for somebody without an account to read one edition; return its token.

    Raises:
        MailingNotFound: when there is no such mailing.
        ForbiddenTransition: when it is not in review.
        FaultsFound: when it has no edition in that language.
    """
    now = workspace.clock.now()
    token = secrets.token_urlsafe(32)
    # The keys are opened before the database is written: that they belong to it is looked up there.
    digest = _token_digest(workspace, token)
    with workspace.store.write() as connection:
        found = find_mailing(connection, key)
        if found.state is not MailingState.IN_REVIEW:
            raise ForbiddenTransition(found.state, MailingState.IN_REVIEW)
        if language not in load_text(connection, found.revision_id).languages:
            problem = worded("%(key)s has no edition in %(language)s", key=key, language=language)
            raise FaultsFound([Fault("", 0, "language", problem)])
        new = ReviewLink(
            link_id=0,
            mailing_id=found.row_id,
            digest=digest_of_mailing(found),
            language=language,
            reviewer=reviewer[:LONGEST_REVIEWER],
            made_by=actor.name,
            made_at=now,
            expires_at=now + LINK_LASTS,
        )
        store.write_link(connection, new, digest)
        write_audit(connection, actor, AuditAction.REVIEW_LINK_MADE, key, now, language=language)
    return token


def end_link(workspace: Workspace, actor: Actor, key: str, link_id: int) -> bool:
    """Take a link back; return whether it led somewhere.

    Raises:
        MailingNotFound: when there is no such mailing.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        found = find_mailing(connection, key)
        ended = store.end_link(connection, found.row_id, link_id, now)
        if ended:
            write_audit(connection, actor, AuditAction.REVIEW_LINK_ENDED, key, now)
        return ended


def reviewed_by(workspace: Workspace, token: str) -> tuple[ReviewLink, Review] | None:
    """Return what a link is for; None for a token that is none, is over, or leads to what was changed."""
    digest = _token_digest(workspace, token)
    with workspace.store.read() as connection:
        link = store.link_of(connection, digest)
        if link is None or link.ended_at or link.expires_at <= workspace.clock.now():
            return None
        review = review_in(workspace, connection, load_mailing(connection, link.mailing_id))
    is_open = review.mailing.state is MailingState.IN_REVIEW and review.digest == link.digest
    return (link, review) if is_open else None


def vote_by_link(workspace: Workspace, token: str, given: Vote, comment: str) -> bool:
    """Vote as whoever a link was made for; return whether it still led somewhere."""
    found = reviewed_by(workspace, token)
    if found is None:
        return False
    link, review = found
    vote(
        workspace,
        Actor(ActorKind.REVIEWER, link.reviewer),
        review.mailing.key,
        seen=link.digest,
        languages=[link.language],
        given=given,
        comment=comment,
        by_link=link.link_id,
    )
    return True
