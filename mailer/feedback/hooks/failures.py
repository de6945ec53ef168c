"""Judge a failed mail by what the provider and the recipient's server say of it.

In: the provider's verdict, and the server's words. Out: class, reason and status. "Permanent" is said
of this mail and does not mean that the address is dead: providers say it of spam and of full
mailboxes as well. So the words are judged as those of a message that came back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from mailer.feedback.reading.judging import Failure, judge
from mailer.model.feedback import FeedbackClass, FeedbackReason

#: Reasons that bear it out when a provider says that nobody is there.
_NOBODY_THERE = frozenset({FeedbackReason.UNKNOWN_USER, FeedbackReason.UNKNOWN_DOMAIN})


class Verdict(Enum):
    """What a provider says of a failure."""

    #: It may work another time.
    TEMPORARY = auto()
    #: It will not, for whatever reason.
    PERMANENT = auto()
    #: There is nobody at the address.
    NOBODY_THERE = auto()


@dataclass(frozen=True)
class Judged:
    """What is made of it."""

    kind: FeedbackClass
    reason: FeedbackReason = FeedbackReason.NONE
    status: str = ""


def judge_bounce(
    verdict: Verdict,
    words: str,
    status: str = "",
    otherwise: FeedbackReason = FeedbackReason.UNCLEAR,
) -> Judged:
    """Return whether a bounce is hard or soft, and why.

    Args:
        verdict: what the provider says.
        words: what the recipient's server said.
        status: an enhanced status code that stands beside them.
        otherwise: the reason by the provider's word, where those say none.
    """
    found = judge(Failure("", status=status, diagnostic=words))
    kind, reason = found.kind, found.reason
    # What the recipient's server says is nearer to the mailbox than the provider is.
    if reason is FeedbackReason.UNCLEAR:
        reason = FeedbackReason.UNKNOWN_USER if verdict is Verdict.NOBODY_THERE else otherwise
    if verdict is Verdict.NOBODY_THERE and reason in _NOBODY_THERE:
        kind = FeedbackClass.HARD
    if verdict is Verdict.TEMPORARY:
        kind = FeedbackClass.SOFT
    return Judged(kind, reason, found.status)


def status_of(words: str, status: str = "") -> str:
    """Return the enhanced status code of words that are no failure."""
    return judge(Failure("", status=status, diagnostic=words)).status
