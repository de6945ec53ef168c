"""Keep on record how a relay does: it steps aside when it keeps failing, and comes back by itself.

In: how each meeting with the relay went. Out: rows, written with the outcomes. A relay that fails a
few times in a row, in different seconds, is aside: its mails go by the next relay of their sender,
or wait. Meanwhile it is tried after growing pauses, and claims again once it took our login.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from mailer.alerts import raise_alert, resolve_alert
from mailer.clock import Clock
from mailer.delivery.pacing import LONGEST_ASIDE, aside_for
from mailer.delivery.recorder import Note
from mailer.delivery.session import RelayUnavailable
from mailer.delivery.work import Gate
from mailer.events import emit, warn
from mailer.model.alerts import AlertKind
from mailer.store.engine import Connection
from mailer.store.relays import relay_failed, relay_is_back, relay_met, set_relay_aside

#: How often it is written that the relay is there, in seconds.
MET_AGAIN_S = 60.0
#: Failures within the same second are one: the connections fail together.
COUNT_AGAIN_S = 1.0
#: So many connections in a row that end without a reply are a failure of the relay.
LOST_IN_A_ROW = 3
#: How often it is looked whether a relay that is aside is to be tried, in seconds.
LOOK_S = 0.5


class Health:
    """How one relay does, as one worker sees it."""

    def __init__(self, relay: str, clock: Clock, note: Callable[[Note], None]) -> None:
        """Keep what it works with.

        Args:
            relay: its key.
            clock: says when.
            note: writes something with the next outcomes.
        """
        self._relay = relay
        self._clock = clock
        self._note = note
        #: When a meeting was last written down, on the monotonic clock, and how it went.
        self._written_at = float("-inf")
        self._written: str | None = None
        self._counted_at = float("-inf")
        self._lost = 0

    def met(self, error: RelayUnavailable | None) -> None:
        """Have it written how meeting the relay went: None when it answered a transaction."""
        if error is not None:
            self._failed(error)
            return
        self._lost = 0
        now_s = self._clock.monotonic()
        if self._written is None and now_s - self._written_at < MET_AGAIN_S:
            return
        self._written, self._written_at = None, now_s
        relay = self._relay

        def note(connection: Connection, now: datetime) -> None:
            relay_met(connection, relay, now)
            resolve_alert(connection, AlertKind.AUTHENTICATION_LOST, relay, now)

        self._note(note)

    def lost(self, reason: str) -> None:
        """Note that a connection ended in the middle of a transaction."""
        self._lost += 1
        if self._lost >= LOST_IN_A_ROW:
            self._failed(RelayUnavailable(self._relay, "transaction", reason))

    def _failed(self, error: RelayUnavailable) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._counted_at < COUNT_AGAIN_S:
            return
        self._counted_at = self._written_at = now_s
        self._written = how = f"{error.step}: {error.reason}"
        relay = self._relay

        def note(connection: Connection, now: datetime) -> None:
            in_a_row = relay_failed(connection, relay, how, now, times=1)
            pause = aside_for(in_a_row)
            if pause is not None:
                set_relay_aside(connection, relay, now + pause)
                warn("relay aside", relay=relay, failures=in_a_row, pause_s=pause.total_seconds())
            if error.is_authentication_lost:
                kind = AlertKind.AUTHENTICATION_LOST
                raise_alert(connection, kind, relay, now, reason=error.reason)

        self._note(note)

    async def come_back(self, gate: Gate, reach: Callable[[], Awaitable[None]]) -> None:
        """Try a relay that is aside when its pause is over, until cancelled.

        Args:
            gate: tells until when it is aside.
            reach: connects and logs in; raises `RelayUnavailable`.
        """
        # Whoever starts the senders anew may have mended it: the first look does not wait.
        tried = False
        while True:
            await asyncio.sleep(LOOK_S)
            until, now = gate.aside_until, self._clock.now()
            # One that ends further ahead than any was set before the clock was set back.
            if until is None or (tried and now < until <= now + LONGEST_ASIDE):
                tried = tried or until is None
                continue
            tried = True
            try:
                await reach()
            except RelayUnavailable as error:
                warn("relay still aside", relay=self._relay, step=error.step, reason=error.reason)
                self._failed(error)
            else:
                emit("relay back", relay=self._relay)
                self._note(self._back)
            # Until the next look has seen what was written.
            await asyncio.sleep(COUNT_AGAIN_S)

    def _back(self, connection: Connection, _now: datetime) -> None:
        relay_is_back(connection, self._relay)
