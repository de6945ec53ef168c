"""By which relay a sender's mails go now: the first of its relays that can take them; pure.

In: the relays of each sender in order, and which relays are verified, aside or full. Out: for one
relay, whose mailings it claims.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from mailer.model.pacing import NO_CAP, NO_PACING, DailyCap, Pacing
from mailer.model.relays import SenderChoice


@dataclass(frozen=True)
class RelayTerms:
    """On what terms mailings go by a relay."""

    key: str
    #: Over how it is reached, as a person verified it; "" where nobody has to.
    digest: str = ""
    #: Its password can be read.
    has_password: bool = True
    #: 0 is no limit.
    per_second: float = 0.0
    cap: DailyCap = NO_CAP


@dataclass(frozen=True)
class Routing:
    """By which relays the mails of each sender go, in order, and on what terms."""

    relays: Mapping[str, RelayTerms]
    #: Keys of a sender's relays, the first one first.
    orders: Mapping[str, Sequence[str]]
    #: Of a sender that names none, or is gone from config.toml.
    default: Sequence[str]
    pacing: Pacing = NO_PACING
    #: Whose days a daily cap counts.
    time_zone: str = "UTC"

    def day_of(self, now: datetime) -> date:
        """Return the day that an instant belongs to."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()

    def may_go_by(self, relay: str) -> SenderChoice:
        """Return whose mailings a relay may take at all."""
        return self._choice(lambda order: relay in order)

    def go_by(self, relay: str, ready: Collection[str], able: Collection[str]) -> SenderChoice:
        """Return whose mailings a relay takes now.

        Args:
            relay: its key.
            ready: relays that are verified and have their password.
            able: those of them that are not aside and have not reached their cap.
        """

        def first(order: Sequence[str]) -> str | None:
            candidates = [one for one in order if one in ready]
            # Of relays that may not be used the first takes the mailings, to have them held.
            return (
                next((one for one in candidates if one in able), None) if candidates else order[0]
            )

        return self._choice(lambda order: first(order) == relay)

    def _choice(self, takes: Callable[[Sequence[str]], bool]) -> SenderChoice:
        ours = frozenset(key for key, order in self.orders.items() if takes(order))
        if takes(self.default):
            return SenderChoice(frozenset(self.orders) - ours, others=True)
        return SenderChoice(ours)


def single_route(key: str, pacing: Pacing = NO_PACING) -> Routing:
    """Return the routing where one relay takes everything, without limits of its own."""
    return Routing({key: RelayTerms(key)}, {}, (key,), pacing)
