"""Tell whether a server's words mean that nobody is at an address.

In: a reply code, an enhanced code and text, each maybe missing. Out: yes or no, or what else is the
matter with it; pure. Standards: RFC 3463 §3.2 and §3.3, RFC 7505 §4.1.
"""

from __future__ import annotations

import re

from mailer.model.feedback import FeedbackReason

# RFC 3463 §3.2 and RFC 7505 §4.1: codes that say that the mailbox or its domain does not exist.
DEAD_CODES = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
#: Codes that do not say what is wrong; "" is none at all.
VAGUE_CODES = frozenset({"", "5.0.0", "5.1.0"})
_DEAD_WORDS = re.compile(
    r"\b(user|mailbox|recipient|address|account)\s+(is\s+)?"
    r"(unknown|not\s+found|does\s+not\s+exist|doesn't\s+exist)|\b(no\s+such|unknown)\s+"
    r"(user|mailbox|recipient|address|account)|\bnull\s+mx\b",
    re.IGNORECASE,
)


def says_dead(code: int, enhanced_code: str, text: str) -> bool:
    """Tell whether a permanent refusal says without doubt that nobody is there.

    "5yz" alone is not enough: some systems answer every failure, an expired greylisting too, with
    5.0.0, and a wrong suppression silences a supporter.
    """
    if enhanced_code in DEAD_CODES:
        return True
    vague = enhanced_code in VAGUE_CODES
    return vague and code in (550, 551, 553) and bool(_DEAD_WORDS.search(text))


#: Of an enhanced code, subject and detail → what is the matter with the mailbox, be it for now.
_TROUBLES = {
    "1.1": FeedbackReason.UNKNOWN_USER,
    "1.2": FeedbackReason.UNKNOWN_DOMAIN,
    "1.3": FeedbackReason.UNKNOWN_USER,
    "1.6": FeedbackReason.MOVED,
    "1.10": FeedbackReason.UNKNOWN_DOMAIN,
    "2.1": FeedbackReason.DISABLED,
    "2.2": FeedbackReason.MAILBOX_FULL,
}


def trouble_with_address(code: int, enhanced_code: str) -> FeedbackReason:
    """Return what a refusal says is the matter with the address; NONE when it speaks of another thing.

    RFC 3463 §3.2 and §3.3: X.1.X is about the address, X.2.X about the mailbox, in 4yz replies too.
    """
    if not enhanced_code and code == 552:
        # RFC 5321 §4.2.3: exceeded storage allocation.
        return FeedbackReason.MAILBOX_FULL
    return _TROUBLES.get(enhanced_code[2:], FeedbackReason.NONE)
