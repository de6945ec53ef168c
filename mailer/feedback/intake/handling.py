"""What every way in has in common: what is done with a message, and what may keep it from being done.

In: nothing. Out: the types between those who fetch messages and who deals with them. A message is
fetched first and put away only when it was dealt with: who dies in between fetches it again, and
dealing with it a second time changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mailer.feedback.reading.message import OCTETS_READ

#: So much of a message is fetched: one octet more than is read, which tells that there was more.
OCTETS_FETCHED = OCTETS_READ + 1
#: What could not be dealt with is tried again after this.
AGAIN_AFTER_S = 600.0


class Handled(StrEnum):
    """What became of a message."""

    #: It was dealt with, or was nothing to deal with.
    DONE = "done"
    #: It may be about a mail of ours and nobody can tell: it is kept for a person.
    UNREAD = "unread"


class NotNow(Exception):
    """One message cannot be dealt with now, and stays where it is; says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class IntakeFailed(Exception):
    """The place where messages come in cannot be read; says why, without secrets."""

    def __init__(self, reason: str, *, lasts: bool = False) -> None:
        self.reason = reason
        #: Whether it does not mend itself: staff have to do something.
        self.lasts = lasts
        super().__init__(reason)


#: Deals with a message, at most `OCTETS_FETCHED` of it, that came for these envelope recipients, as
#: far as they are known. Raises `NotNow`.
Handle = Callable[[bytes, Sequence[str]], Handled]
#: Tells whether to end now.
IsStopped = Callable[[], bool]


@dataclass(frozen=True)
class Looked:
    """What one look at a place came to."""

    #: Messages that were dealt with.
    done: int
    #: Messages that wait until they can be.
    waiting: int
    #: All messages there that could not be read.
    unread: int


def is_cut(raw: bytes) -> bool:
    """Tell whether a message was longer than what was fetched of it."""
    return len(raw) > OCTETS_READ


class Postponed:
    """Remembers which messages cannot be dealt with yet, so that they are not fetched all the time."""

    def __init__(self) -> None:
        self._until_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._until_s)

    def note(self, name: str, now_s: float) -> None:
        """Leave a message alone for a while."""
        self._until_s[name] = now_s + AGAIN_AFTER_S

    def is_waiting(self, name: str, now_s: float) -> bool:
        """Tell whether a message is still to be left alone."""
        return self._until_s.get(name, now_s) > now_s

    def is_one_due(self, now_s: float) -> bool:
        """Tell whether a message has been left alone for long enough."""
        return any(until_s <= now_s for until_s in self._until_s.values())

    def keep_only(self, names: set[str]) -> None:
        """Forget those that are no longer there."""
        self._until_s = {name: at for name, at in self._until_s.items() if name in names}

    def forget(self, name: str) -> None:
        """Forget one that was dealt with."""
        self._until_s.pop(name, None)
