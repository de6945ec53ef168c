"""Judge one failure: hard or soft, and why.

In: the status fields and the words of a failure. Out: class and reason; pure. A wrong "hard" silences
a supporter, so the first digit of a reply does not decide it, nor do words alone: "no such user" is
what filters say too, once they have read the mail. It takes an enhanced code that says so, or the
words in answer to RCPT, or the words of the system that keeps the mailboxes or looked the domain up.
Standards: RFC 3463, RFC 3464 §2.3, RFC 7505 §4.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mailer.events import scrub
from mailer.feedback.reading.codes import reason_of
from mailer.feedback.reading.wording import LONGEST_FAILURE, Stage, Wording, read_wording
from mailer.model.dead_addresses import DEAD_CODES
from mailer.model.feedback import FeedbackClass, FeedbackFinding, FeedbackReason

#: Longest text of a failure that is kept.
LONGEST_DIAGNOSTIC = 300
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
# RFC 3464 §2.3.3, and what is written in its place.
_ACTIONS = {
    "delayed": FeedbackClass.DELAYED,
    "deferred": FeedbackClass.DELAYED,
    "delivered": FeedbackClass.DELIVERED,
    "deliverable": FeedbackClass.DELIVERED,
    "relayed": FeedbackClass.DELIVERED,
    "expanded": FeedbackClass.DELIVERED,
}
# RFC 3463 §3.2: X.1.0 says that it is about the address, and leaves the rest to the words.
_OTHER_ADDRESS_STATUS = "5.1.0"
_ABOUT_ADDRESS = frozenset(
    {FeedbackReason.UNKNOWN_USER, FeedbackReason.UNKNOWN_DOMAIN, FeedbackReason.MOVED}
)
# What a code means that words about the address do not go with: "5.7.1 No such user".
_ABOUT_OTHER_THINGS = frozenset(
    {
        FeedbackReason.POLICY,
        FeedbackReason.AUTHENTICATION,
        FeedbackReason.SENDER_REFUSED,
        FeedbackReason.TOO_MUCH,
        FeedbackReason.TOO_BIG,
        FeedbackReason.MALFORMED,
        FeedbackReason.NEEDS_SMTPUTF8,
        FeedbackReason.MAILBOX_FULL,
        FeedbackReason.EXPIRED,
        FeedbackReason.NETWORK,
        FeedbackReason.DNS,
    }
)


@dataclass(frozen=True)
class Failure:
    """What a report tells of one recipient."""

    recipient: str
    original_recipient: str = ""
    #: RFC 3464 §2.3.3, in small letters.
    action: str = ""
    #: Whatever the field Status holds.
    status: str = ""
    #: What the refusing system said.
    diagnostic: str = ""
    #: What the reporting system says of this recipient in words.
    words: str = ""
    #: The reporting system refused by itself: it names no other, and no reply of one.
    is_own: bool = False
    #: All it says, where it says it of one recipient alone.
    context: str = ""


def judge(failure: Failure) -> FeedbackFinding:
    """Return what a failure means."""
    said = read_wording(failure.diagnostic)
    told = read_wording(failure.words)
    is_unclear = FeedbackReason.UNCLEAR is said.reason is told.reason
    if is_unclear or Stage.UNTOLD is said.stage is told.stage:
        around = read_wording(failure.context)
        told = around if is_unclear else replace(told, stage=around.stage)
    field = _STATUS.search(failure.status)
    status = _telling(said.enhanced_code, field[1] if field else "", told.enhanced_code)
    code = said.smtp_code or told.smtp_code
    kind = _ACTIONS.get(failure.action)
    reason = FeedbackReason.NONE
    if kind is None:
        if failure.is_own and not told.smtp_code and told.stage is Stage.UNTOLD:
            told = replace(told, is_certain=True)
        kind, reason = _bounce(said, told, status, code)
    return FeedbackFinding(
        recipient=failure.recipient,
        kind=kind,
        reason=reason,
        original_recipient=failure.original_recipient,
        status=status,
        smtp_code=code,
        diagnostic=shown(
            failure.diagnostic or failure.words or failure.context,
            failure.recipient,
            failure.original_recipient,
        ),
    )


def shown(text: str, *addresses: str) -> str:
    """Return words of a report on these addresses as they may be kept: one line, cut, without them."""
    return scrub(text[:LONGEST_FAILURE], *addresses)[:LONGEST_DIAGNOSTIC]


def _telling(*codes: str) -> str:
    """Return the first code that says something; what ends in ".0.0" says next to nothing."""
    given = [code for code in codes if code]
    return next((code for code in given if not code.endswith(".0.0")), given[0] if given else "")


def _bounce(
    said: Wording, told: Wording, status: str, code: int
) -> tuple[FeedbackClass, FeedbackReason]:
    best = said if said.reason is not FeedbackReason.UNCLEAR else told
    # Some systems make "5.1.1 User unknown" of any 550; words that nobody knows do not bear it out.
    is_bare_code = said.smtp_code and not said.enhanced_code and best is told
    stage = said.stage or told.stage
    reason = best.reason
    if reason is FeedbackReason.UNCLEAR:
        reason = reason_of(status)
        is_hard = (status in DEAD_CODES or status == "5.4.4") and not said.is_in_doubt
        if said.is_in_doubt and reason in _ABOUT_ADDRESS:
            reason = FeedbackReason.UNCLEAR
    else:
        is_hard = _is_borne_out(best, status, code, stage)
    if is_hard and is_bare_code:
        return FeedbackClass.SOFT, FeedbackReason.UNCLEAR
    is_hard = is_hard and reason in _ABOUT_ADDRESS and not _is_transient(status, code)
    return (FeedbackClass.HARD if is_hard else FeedbackClass.SOFT), reason


def _is_transient(status: str, code: int) -> bool:
    # RFC 3463 §2: 4.X.X is persistent transient; it stands over the reply's code.
    return status.startswith("4.") or (not status and 400 <= code < 500)


def _is_borne_out(best: Wording, status: str, code: int, stage: Stage) -> bool:
    """Tell whether words that say that nobody is there are enough to believe it."""
    if best.reason is FeedbackReason.MOVED:
        # Other codes forward, or ask to try another address.
        return status in DEAD_CODES
    if stage in (Stage.MAIL, Stage.CONNECTION):
        return False
    if best.is_certain or status in DEAD_CODES or status == _OTHER_ADDRESS_STATUS:
        return True
    if best.is_in_doubt:
        return False
    if best.reason is FeedbackReason.UNKNOWN_DOMAIN:
        # Another system may say it of the sender's domain.
        return stage is Stage.RCPT or not best.smtp_code
    is_permanent = code >= 500 or (not code and status.startswith("5."))
    return stage is Stage.RCPT and is_permanent and reason_of(status) not in _ABOUT_OTHER_THINGS
