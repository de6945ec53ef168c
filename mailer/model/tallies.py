"""What is counted of a mailing hour by hour.

In: nothing. Out: an enum whose values are what the database stores, and the hour of an instant.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


class HourEvent(StrEnum):
    """What may happen to a mailing's deliveries, counted by the hour in which it was recorded."""

    #: A relay took the mail.
    ACCEPTED = "accepted"
    #: A relay refused it for good, or the attempts grew too old.
    REFUSED = "refused"
    #: It came back: nobody is there.
    HARD_BOUNCE = "hard_bounce"
    #: It came back for what may pass.
    SOFT_BOUNCE = "soft_bounce"
    #: Who got it reported it as abuse.
    COMPLAINT = "complaint"
    #: Somebody left lists by it, and did not take that back.
    UNSUBSCRIBED = "unsubscribed"


def hour_of(at: datetime) -> int:
    """Return the hours since 1970, UTC."""
    return (at - _EPOCH) // _HOUR


def start_of(hour: int) -> datetime:
    """Return the instant at which an hour since 1970 begins."""
    return _EPOCH + hour * _HOUR
