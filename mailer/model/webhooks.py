"""What a provider's webhook says became of one mail.

In: nothing. Out: `Event`. It is the same for every provider, and holds nothing of the mail but what
finds it again. Frozen dataclasses and enums, standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """What became of a mail."""

    #: It came back, and nobody is at this address.
    BOUNCE_HARD = "bounce_hard"
    #: It came back; the address may well be alive.
    BOUNCE_SOFT = "bounce_soft"
    #: Whoever got it called it abuse.
    COMPLAINT = "complaint"
    #: The recipient's server took it.
    DELIVERED = "delivered"
    #: The recipient asked the provider for no more of it.
    OPT_OUT = "opt_out"
    #: Nothing that changes anything for the recipient: a delay, a refusal by the relay itself.
    OTHER = "other"


@dataclass(frozen=True)
class Event:
    """What one webhook says of one recipient of one mail."""

    #: Key of the hook it came by, `[feedback.hooks.<key>]`.
    source: str
    #: The same when the provider sends it again; with `source` it is unique.
    event_id: str
    #: When it happened, by the provider's word; never later than it came.
    at: datetime
    kind: EventKind
    #: Address of the supporter; "" when it is not told. Never printed.
    recipient: str = field(default="", repr=False)
    #: RFC 3463; "" when there is none.
    status: str = ""
    #: The words of the server on one line, cut, with addresses struck out.
    diagnostic: str = ""
    #: The Message-ID the mail had when we handed it over, without brackets; "" when it is not told.
    message_id: str = ""
    #: What the provider calls the mail, as in its reply to the content; "" when it is not told.
    provider_id: str = ""
    #: Words from return path, header fields and metadata in the form of our feedback tokens.
    tokens: tuple[str, ...] = ()
