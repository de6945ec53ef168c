"""Judge a failed mail by what the provider and the recipient's server say of it.

In: the provider's verdict, and the server's words. Out: a status, and hard or soft. "Permanent" is
said of this mail and does not mean that the address is dead: providers say it of spam and of full
mailboxes as well. Standards: RFC 3463.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from mailer.model.dead_addresses import VAGUE_CODES, says_dead
from mailer.model.webhooks import EventKind

# No part of an IP address, nor of a longer number.
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?![\d.])")


class Verdict(Enum):
    """What a provider says of a failure."""

    #: It may work another time.
    TEMPORARY = auto()
    #: It will not, for whatever reason.
    PERMANENT = auto()
    #: There is nobody at the address.
    NOBODY_THERE = auto()


def status_in(*texts: str) -> str:
    """Return the first enhanced status code in some texts that says something.

    One that is vague where no other is there; "" when there is none.
    """
    found = [one[1] for one in map(_ENHANCED.search, texts) if one]
    return next((one for one in found if one not in VAGUE_CODES), found[0] if found else "")


def failure(verdict: Verdict, status: str, words: str, code: int = 0) -> EventKind:
    """Return whether a bounce is hard or soft.

    Args:
        verdict: what the provider says.
        status: the enhanced status code; "" when there is none.
        words: what the recipient's server said.
        code: its reply code; 0 to take it from the words.
    """
    if verdict is Verdict.TEMPORARY:
        return EventKind.BOUNCE_SOFT
    found = _CODE.search(words)
    dead = says_dead(code or (int(found[1]) if found else 0), status, words)
    # A code that says something else is nearer to the mailbox than the provider is.
    named = verdict is Verdict.NOBODY_THERE and status in VAGUE_CODES
    return EventKind.BOUNCE_HARD if dead or named else EventKind.BOUNCE_SOFT
