"""What became of a look at a link that a statement holds.

In: nothing. Out: frozen dataclasses and enums, standard library only. Only addresses that stand in a
statement for everybody are looked at, never one with a person's token.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class LinkAnswer(StrEnum):
    """How a web address answered."""

    #: There is a page.
    FINE = "fine"
    #: It sends readers on to another address.
    LEADS_ON = "leads_on"
    #: There is nothing at it: 404 or 410, or its host has no address.
    GONE = "gone"
    #: The server answers, and does not show it to programs: 401, 403, 429.
    CLOSED = "closed"
    #: The server failed: 5yz, or an answer that is none.
    FAILING = "failing"
    #: Nobody answered in time.
    SILENT = "silent"
    #: Its certificate is not valid, or TLS fails.
    UNTRUSTED = "untrusted"
    #: It leads into a private network, or to a port where no page is; nobody connected.
    PRIVATE = "private"
    #: The DNS could not be asked: this says nothing about the link.
    OFFLINE = "offline"


@dataclass(frozen=True)
class LinkLook:
    """A look at one web address."""

    address: str
    looked_at: datetime
    answer: LinkAnswer
    #: Of HTTP; 0 when there was no answer.
    status: int = 0
    #: Where it sends readers on to; "" for most.
    leads_to: str = ""
