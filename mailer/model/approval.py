"""Whether a mailing is approved: who read which edition of exactly this, and what they said.

In: votes on record, the digest of what stands now, how many are wanted. Out: a `Standing`. A vote is
for one digest: whatever is changed afterwards was approved by nobody.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailer.model.mailing import Mailing
from mailer.model.staff import Actor, ActorKind


class Vote(StrEnum):
    """What somebody said of an edition that is to be mailed."""

    #: It may go as it is.
    APPROVED = "approved"
    #: It must be changed first; the mailing is a draft again.
    RETURNED = "returned"


@dataclass(frozen=True)
class Approval:
    """One vote, for one edition."""

    #: What they were shown, see `approval_digest`.
    digest: str
    #: Tag of the edition.
    language: str
    vote: Vote
    by: Actor
    at: datetime
    #: What they wrote to the author; "" mostly.
    comment: str = ""


@dataclass(frozen=True)
class Standing:
    """How far the approval of a mailing is."""

    #: Tag of each edition → by how many it was approved.
    by_language: Mapping[str, int]
    #: How many must have approved each of them.
    wanted: int
    #: How many members of staff approved any; so many of them are wanted, too.
    staff: int

    @property
    def is_approved(self) -> bool:
        """Whether everybody who is wanted has approved."""
        return self.staff >= self.wanted and not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the editions that too few have approved."""
        return tuple(tag for tag, count in self.by_language.items() if count < self.wanted)


def approval_digest(
    digest: str, lists: Sequence[str], segment: str, exclude: str, topics: Sequence[str]
) -> str:
    """Return the SHA-256 over what is approved: what shapes the mails, and who gets them.

    Args:
        digest: Of the mailing, over revision, design and sender.
        lists: Keys of its lists, in order.
        segment: The expression of who is meant.
        exclude: That of who is left out.
        topics: Keys of its topics.
    """
    parts = [digest, list(lists), segment, exclude, list(topics)]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


def digest_of_mailing(mailing: Mailing) -> str:
    """Return what is approved of a mailing as it stands."""
    lists = [target.definition.key for target in mailing.targets]
    return approval_digest(
        mailing.digest, lists, mailing.segment, mailing.exclude, mailing.concern.topics
    )


def standing(
    votes: Sequence[Approval], digest: str, languages: Sequence[str], wanted: int
) -> Standing:
    """Return how far the approval of what stands now is.

    Args:
        votes: Of the mailing, in whatever order.
        digest: Of what stands now.
        languages: Tags of its editions.
        wanted: How many must have approved each edition.
    """
    good = [one for one in votes if one.digest == digest and one.vote is Vote.APPROVED]
    return Standing(
        {tag: len({one.by for one in good if one.language == tag}) for tag in languages},
        wanted,
        # Who comes by a link reads one edition; who gets the mails is for staff to judge.
        len({one.by for one in good if one.by.kind is ActorKind.STAFF}),
    )
