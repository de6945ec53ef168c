"""Decide what follows from what came back: suppress, leave, count, tell staff, or nothing.

In: what is said of one recipient of one mail of ours, and earlier soft bounces of the address. Out:
a decision; pure. A wrong suppression silences a supporter: what is said of the mail, of us or of the
way between never bars a person. Standards: RFC 3463, RFC 3464 §2.3, RFC 5965.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from mailer.model.audience import SuppressionReason
from mailer.model.breaker import Ending, RefusalReason
from mailer.model.feedback import FeedbackClass, FeedbackReason

_R = FeedbackReason
#: Who reported is the spam filter of a provider, or its rules: others of the mailing meet the same.
_SPAM = frozenset({_R.BLOCKED_AS_SPAM, _R.POLICY, _R.AUTHENTICATION, _R.TOO_MUCH})
#: About our mail, our host or our address: staff can mend it, and the person cannot.
_OURS = frozenset({_R.AUTHENTICATION, _R.SENDER_REFUSED, _R.RELAYING, _R.MALFORMED, _R.TOO_BIG})
#: Never a word against the address.
_NOT_THE_ADDRESS = _SPAM | _OURS | {_R.NEEDS_SMTPUTF8}
#: Said of the way there, and not of the mailbox.
_THE_WAY = frozenset({_R.DNS, _R.NETWORK, _R.EXPIRED, _R.SYSTEM})
#: A mailbox may have room again, and a way may open: it must last before it counts.
_LASTING = _THE_WAY | {_R.MAILBOX_FULL}
_BOUNCES = frozenset({FeedbackClass.HARD, FeedbackClass.SOFT})
#: Each of them proves that the relay had taken the mail.
_PROVE_IT_WAS_TAKEN = frozenset(
    {
        *_BOUNCES,
        FeedbackClass.DELAYED,
        FeedbackClass.DELIVERED,
        FeedbackClass.COMPLAINT,
        FeedbackClass.OPT_OUT,
    }
)


@dataclass(frozen=True)
class SoftLimits:
    """How many soft bounces are too many."""

    #: On so many different days.
    bounces: int = 3
    #: Within so many days; what must last is to last as long.
    window_days: int = 30

    @property
    def looks_back_days(self) -> int:
        """Return how many days back a soft bounce can count."""
        return self.bounces * self.window_days


@dataclass(frozen=True)
class SoftBounce:
    """One soft bounce of an address, or a refusal of that kind at SMTP time."""

    on: date
    reason: FeedbackReason


@dataclass(frozen=True)
class Said:
    """What is said of one recipient of a mail that our token or Message-ID names."""

    kind: FeedbackClass
    reason: FeedbackReason = FeedbackReason.NONE
    #: RFC 3463; "" when there is none.
    status: str = ""
    #: It names the address the mail was for, or nobody; else the address it was forwarded to.
    is_theirs: bool = True

    @property
    def is_bounce(self) -> bool:
        """Whether the mail did not arrive."""
        return self.kind in _BOUNCES

    @property
    def proves_taken(self) -> bool:
        """Whether the relay must have taken the mail: that settles a delivery in doubt."""
        return self.kind in _PROVE_IT_WAS_TAKEN


@dataclass(frozen=True)
class Decision:
    """What follows."""

    #: Mail the address no more, for this reason.
    suppress: SuppressionReason | None = None
    #: Leave the lists that the mail came through.
    leaves_lists: bool = False
    #: Counted in the report and for the circuit breaker; None: it is not.
    ending: Ending | None = None
    #: What the circuit breaker takes a bounce for.
    reason: RefusalReason = RefusalReason.NONE
    #: Staff are told, once for each mailing and reason.
    tells_staff: bool = False


def decide(
    said: Said, earlier: Collection[SoftBounce], today: date, limits: SoftLimits
) -> Decision:
    """Decide what follows from what is said of one recipient.

    Args:
        said: by a message that holds a token of ours, or our Message-ID.
        earlier: soft bounces of the same address, of other mails, since it last got one.
        today: the day it is said on.
        limits: how many soft bounces are too many.
    """
    if said.kind is FeedbackClass.COMPLAINT:
        # RFC 5965 §3.2: reports are redacted, so the token alone says whose mail it was.
        return Decision(SuppressionReason.COMPLAINED, ending=Ending.COMPLAINED)
    if said.kind is FeedbackClass.OPT_OUT:
        return Decision(leaves_lists=True)
    if not said.is_bounce:
        return Decision()
    return Decision(
        _bounced(said, earlier, today, limits),
        ending=Ending.BOUNCED,
        reason=_refusal_reason(said),
        tells_staff=said.reason in _OURS or _is_refused_by_policy(said.status),
    )


def _bounced(
    said: Said, earlier: Collection[SoftBounce], today: date, limits: SoftLimits
) -> SuppressionReason | None:
    if said.kind is FeedbackClass.HARD and said.is_theirs:
        return SuppressionReason.BOUNCED
    # An address that mail was forwarded to is not theirs: it may be gone, and they are not.
    if is_against_address(said.reason, said.status) and are_too_many(
        [*earlier, SoftBounce(today, said.reason)], limits
    ):
        return SuppressionReason.SOFT_BOUNCES
    return None


def _is_refused_by_policy(status: str) -> bool:
    # RFC 3463 §3.8: X.7.X is security or policy. 4.7.X is greylisting, mostly: nobody's trouble.
    return status.startswith("5.7.")


def is_against_address(reason: FeedbackReason, status: str = "") -> bool:
    """Tell whether a soft bounce counts against the address at all."""
    return reason not in _NOT_THE_ADDRESS and status[1:4] != ".7."


def are_too_many(bounces: Collection[SoftBounce], limits: SoftLimits) -> bool:
    """Tell whether soft bounces, the last of them today, are enough to mail the address no more.

    They are on so many different days within the window. A full mailbox, and what is said of the way
    there, are enough only when the first and the last of so many days are the window apart, or more.
    """
    if not bounces:
        return False
    last = max(one.on for one in bounces)
    recent = {
        one.on
        for one in bounces
        if one.reason not in _LASTING and (last - one.on).days <= limits.window_days
    }
    lasting = {
        one.on
        for one in bounces
        if one.reason in _LASTING and (last - one.on).days <= limits.looks_back_days
    }
    return len(recent) >= limits.bounces or (
        len(lasting) >= limits.bounces and (last - min(lasting)).days >= limits.window_days
    )


def _refusal_reason(said: Said) -> RefusalReason:
    if said.reason in _SPAM or _is_refused_by_policy(said.status):
        return RefusalReason.SPAM
    is_other = said.reason in _NOT_THE_ADDRESS | _THE_WAY
    return RefusalReason.OTHER if is_other else RefusalReason.ADDRESS
