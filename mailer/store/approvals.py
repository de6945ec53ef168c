"""Votes on mailings, and links for reviewers.

In: a mailing's row id, votes. Out: rows of `approval`, which is only ever added to, and of
`review_link`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from mailer.model.approval import Approval
from mailer.model.staff import Actor
from mailer.store.tables import mailing
from mailer.store.tables_approval import approval, review_link


@dataclass(frozen=True, repr=False)
class ReviewLink:
    """A link for somebody without an account."""

    link_id: int
    mailing_id: int
    digest: str
    language: str
    reviewer: str
    made_by: str
    made_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None


def write_vote(connection: Connection, mailing_id: int, one: Approval) -> None:
    """Put a vote on record."""
    connection.execute(
        approval.insert().values(
            mailing_id=mailing_id,
            digest=one.digest,
            language=one.language,
            vote=one.vote,
            comment=one.comment,
            actor_kind=one.by.kind,
            actor_name=one.by.name,
            at=one.at,
        )
    )


def votes_of(connection: Connection, mailing_id: int) -> list[Approval]:
    """Return all votes on a mailing, the first first."""
    rows = connection.execute(
        select(approval).where(approval.c.mailing_id == mailing_id).order_by(approval.c.id)
    )
    return [
        Approval(
            row.digest,
            row.language,
            row.vote,
            Actor(row.actor_kind, row.actor_name),
            row.at,
            row.comment,
        )
        for row in rows
    ]


def makers_of(connection: Connection, mailing_id: int) -> frozenset[str]:
    """Return the login names of those who made a mailing or asked for its approval."""
    row = connection.execute(
        select(mailing.c.made_by, mailing.c.asked_by).where(mailing.c.id == mailing_id)
    ).one()
    return frozenset(name for name in row if name)


def note_maker(connection: Connection, mailing_id: int, login: str) -> None:
    """Write who made a mailing."""
    connection.execute(update(mailing).where(mailing.c.id == mailing_id).values(made_by=login))


def write_link(connection: Connection, new: ReviewLink, token_digest: bytes) -> int:
    """Put a link on record; return its row id."""
    return int(
        connection.execute(
            review_link.insert()
            .values(
                mailing_id=new.mailing_id,
                digest=new.digest,
                language=new.language,
                reviewer=new.reviewer,
                token_digest=token_digest,
                made_by=new.made_by,
                made_at=new.made_at,
                expires_at=new.expires_at,
            )
            .returning(review_link.c.id)
        ).scalar_one()
    )


_LINKS = select(
    review_link.c.id,
    review_link.c.mailing_id,
    review_link.c.digest,
    review_link.c.language,
    review_link.c.reviewer,
    review_link.c.made_by,
    review_link.c.made_at,
    review_link.c.expires_at,
    review_link.c.ended_at,
)


def link_of(connection: Connection, token_digest: bytes) -> ReviewLink | None:
    """Return the link of a token; None when there is none."""
    row = connection.execute(_LINKS.where(review_link.c.token_digest == token_digest)).one_or_none()
    return None if row is None else ReviewLink(*row)


def links_of(connection: Connection, mailing_id: int) -> list[ReviewLink]:
    """Return all links of a mailing, the latest first."""
    rows = connection.execute(
        _LINKS.where(review_link.c.mailing_id == mailing_id).order_by(review_link.c.id.desc())
    )
    return [ReviewLink(*row) for row in rows]


def end_link(connection: Connection, mailing_id: int, link_id: int, now: datetime) -> bool:
    """Let a link of a mailing lead nowhere; return whether it did lead somewhere."""
    ended = connection.execute(
        update(review_link)
        .where(
            review_link.c.id == link_id,
            review_link.c.mailing_id == mailing_id,
            review_link.c.ended_at.is_(None),
        )
        .values(ended_at=now)
    )
    return bool(ended.rowcount == 1)


def end_links(connection: Connection, mailing_id: int, now: datetime) -> None:
    """Let all links of a mailing lead nowhere."""
    connection.execute(
        update(review_link)
        .where(review_link.c.mailing_id == mailing_id, review_link.c.ended_at.is_(None))
        .values(ended_at=now)
    )
