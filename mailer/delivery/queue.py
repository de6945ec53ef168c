"""The claims of one sender process that wait for a free connection.

In: claims, a batch at a time, and how long each took. Out: one claim to each lane that asks: the
oldest of whichever provider or domain has the fewest under way and is below its limit. It lives on
one event loop; how much room there is may be asked from the thread that claims.

A provider that is slow, or not known yet, never has all connections, and no more of its mails are
claimed than it takes in about a second: it holds up nobody else. Where a rate is set, claims go one
after the other in this process's part of it: what was claimed while a relay was silent does not go at
once when it speaks again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain, islice

from mailer.clock import Clock
from mailer.delivery.claims import Claim
from mailer.delivery.pacing import part_of
from mailer.model.domain_classes import OTHER
from mailer.model.pacing import NO_PACING, Pace, PaceKey, Pacing

#: Claims of a provider or domain of which nothing is known yet.
FIRST_ROOM = 32
SMALLEST_ROOM, LARGEST_ROOM = 8, 1_000
#: How quickly what is known of a provider follows what is seen.
SMOOTHING = 0.2
#: A provider whose mails take longer is slow, and so is one of which nothing ended for so long.
SLOW_S = 1.0
#: What is put off of a domain of which nothing is known yet comes back after so long.
FIRST_TURN_S = 1.0
#: The furthest that a turn is expected ahead; then it is looked at again.
FURTHEST_TURN_S = 300.0
#: Beyond so many, domains that nothing waits for are forgotten.
KNOWN_DOMAINS = 5_000
_NO_LIMIT = 1_000_000
_NEVER = float("inf")
#: What could not go at its time may go right behind, if that was no longer ago.
CATCH_UP_S = 0.1


@dataclass
class _Beat:
    """When the next mail may go by a rate."""

    #: 0: at any time.
    per_second: float = 0.0
    #: On the monotonic clock.
    next_at: float = 0.0

    def set(self, per_second: float) -> None:
        if per_second != self.per_second:
            # The next one does not wait for what the rate was before.
            self.per_second, self.next_at = per_second, 0.0

    def went(self, now_s: float) -> None:
        if self.per_second:
            self.next_at = max(self.next_at, now_s - CATCH_UP_S) + 1 / self.per_second

    def went_not(self) -> None:
        if self.per_second:
            self.next_at -= 1 / self.per_second


@dataclass(eq=False, slots=True)
class _Line:
    """What waits and what is under way for one provider or domain, and how quick it is."""

    key: PaceKey
    waiting: deque[Claim] = field(default_factory=deque)
    under_way: int = 0
    #: How many may be under way at once.
    limit: int = _NO_LIMIT
    beat: _Beat = field(default_factory=_Beat)
    #: What it takes a second from this process; 0 while nothing ended yet.
    per_s: float = 0.0
    #: How long one of its mails takes.
    took_s: float = 0.0
    #: When one of its mails ended last, or the first of those under way began.
    moved_at: float = 0.0


class ClaimQueue:
    """A queue that wakes whoever waits, also when there will be nothing more."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: dict[PaceKey, _Line] = {}
        #: Lines with something waiting, by how many they have under way.
        self._ready: list[dict[PaceKey, _Line]] = [{}]
        #: Lines with something under way.
        self._busy: dict[PaceKey, _Line] = {}
        self._waiting = 0
        self._wake = asyncio.Event()
        #: Of the relay as a whole.
        self._beat = _Beat()
        self._has_rates = False
        #: When the lanes are woken because a mail may go again, on the monotonic clock.
        self._wakes_at = _NEVER
        self._pacing = NO_PACING
        self._place, self._processes, self._lanes = 0, 1, 1
        self._limits: tuple[Pacing, int, int, int, float] | None = None
        #: When the next turn of a domain is expected that more was put off of.
        self._turns: dict[bytes, float] = {}
        #: How many were put off so far.
        self.put_off = 0

    def __len__(self) -> int:
        return self._waiting

    def limit(
        self, pacing: Pacing, place: int, processes: int, lanes: int, per_second: float = 0.0
    ) -> None:
        """Keep to these limits from now on.

        Args:
            pacing: limits of providers and domains, over all processes.
            place: of this process among them, from 0.
            processes: how many send by this relay.
            lanes: connections of this one.
            per_second: what the relay takes, over all processes; 0: no limit.
        """
        limits = (pacing, place, processes, lanes, per_second)
        if limits == self._limits:
            return
        self._limits = limits
        self._pacing, self._place, self._processes, self._lanes, _ = limits
        paces = (pacing.each_domain, *pacing.of_class.values())
        self._has_rates = bool(per_second) or any(one.per_second for one in paces)
        self._beat.set(per_second / processes)
        for line in self._lines.values():
            self._limit(line)
        self._wake.set()

    def extend(self, claims: Iterable[Claim]) -> None:
        """Add claims and wake the lanes that wait."""
        for claim in claims:
            line = self._line(claim.key)
            line.waiting.append(claim)
            self._waiting += 1
            if len(line.waiting) == 1:
                self._enlist(line)
        if self._waiting:
            self._wake.set()

    def wake(self) -> None:
        """Wake the lanes that wait, although there may be nothing for them."""
        self._wake.set()

    async def take(self) -> Claim | None:
        """Return the next claim; None when there is none for this lane, or the engine stops."""
        line = self._next()
        if line is None:
            self._wake.clear()
            await self._wake.wait()
            line = self._next()
        return None if line is None else self._take(line)

    def take_behind(self, claim: Claim) -> Claim | None:
        """Return the next claim, to travel behind one on its connection, if there is one.

        Behind the mail of a slow provider nobody is put: they would wait for its reply.
        """
        if self._is_slow(self._line(claim.key)):
            return None
        line = self._next()
        return None if line is None else self._take(line)

    def next_few(self, count: int) -> list[Claim]:
        """Return up to so many claims that will be taken soon, without taking them."""
        lines = list(islice(chain.from_iterable(one.values() for one in self._ready), count))
        found = [line.waiting[0] for line in lines]
        for line in lines:
            found += islice(line.waiting, 1, 1 + count - len(found))
        return found

    def put_back(self, claim: Claim) -> None:
        """Let a claim that was taken be the next of its provider again."""
        line = self._line(claim.key)
        self._beat.went_not()
        line.beat.went_not()
        self._strike(line)
        line.waiting.appendleft(claim)
        self._waiting += 1
        self._end_one(line)
        self._wake.set()

    def _next(self) -> _Line | None:
        """Return the line to serve: the one with the fewest under way that may have one more."""
        # Without any rate every beat is at 0, and the clock need not be asked for each mail.
        now_s = self._clock.monotonic() if self._has_rates else 0.0
        if self._beat.next_at > now_s:
            self._wake_at(self._beat.next_at, now_s)
            return None
        soonest = _NEVER
        for under_way, lines in enumerate(self._ready):
            for line in lines.values():
                if line.beat.next_at > now_s:
                    soonest = min(soonest, line.beat.next_at)
                elif under_way < line.limit and not self._would_take_all(line):
                    return line
        if soonest < _NEVER:
            self._wake_at(soonest, now_s)
        return None

    def _wake_at(self, at: float, now_s: float) -> None:
        """Have the lanes woken then, unless they will be sooner."""
        if at < self._wakes_at:
            self._wakes_at = at
            asyncio.get_running_loop().call_later(at - now_s, self._wake_again)

    def _wake_again(self) -> None:
        self._wakes_at = _NEVER
        self._wake.set()

    def _limit(self, line: _Line) -> None:
        pace = self._pace_of(line.key)
        line.limit = part_of(pace.connections, self._place, self._processes) or _NO_LIMIT
        line.beat.set(pace.per_second / self._processes)

    def _pace_of(self, key: PaceKey) -> Pace:
        return self._pacing.each_domain if key.domain_digest else self._pacing.of(key.domain_class)

    def _is_slow(self, line: _Line) -> bool:
        if not line.per_s or line.took_s > SLOW_S:
            return True
        return line.under_way > 0 and self._clock.monotonic() - line.moved_at > SLOW_S

    def _would_take_all(self, line: _Line) -> bool:
        """Tell whether with one more of a slow line all connections were in the hands of slow ones."""
        if self._lanes == 1 or len(self._lines) == 1 or not self._is_slow(line):
            return False
        slow = sum(one.under_way for one in self._busy.values() if self._is_slow(one))
        return slow >= self._lanes - 1

    def _take(self, line: _Line) -> Claim:
        self._strike(line)
        claim = line.waiting.popleft()
        self._waiting -= 1
        if self._has_rates:
            now_s = self._clock.monotonic()
            self._beat.went(now_s)
            line.beat.went(now_s)
        if not line.under_way:
            line.moved_at = self._clock.monotonic()
            self._busy[line.key] = line
        line.under_way += 1
        # Behind the others that have as many under way.
        self._enlist(line)
        return claim

    def done(self, claim: Claim, duration_s: float | None) -> None:
        """Note that a claim taken is over, and wake the lanes that wait.

        Args:
            claim: what was taken.
            duration_s: how long its transaction took; None where there was none.
        """
        line = self._line(claim.key)
        self._strike(line)
        if duration_s is not None:
            per_s = line.under_way / max(duration_s, 0.001)
            weight = SMOOTHING if line.per_s else 1.0
            line.per_s += (per_s - line.per_s) * weight
            line.took_s += (duration_s - line.took_s) * weight
        self._end_one(line)
        if self._waiting:
            self._wake.set()

    def _end_one(self, line: _Line) -> None:
        line.under_way -= 1
        line.moved_at = self._clock.monotonic()
        if not line.under_way:
            del self._busy[line.key]
        self._enlist(line)

    def _line(self, key: PaceKey) -> _Line:
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) > KNOWN_DOMAINS:
                self._lines = {
                    key: one
                    for key, one in self._lines.items()
                    if one.under_way or one.waiting or not key.domain_digest
                }
            line = self._lines[key] = _Line(key)
            self._limit(line)
        return line

    def _enlist(self, line: _Line) -> None:
        if line.waiting:
            while len(self._ready) <= line.under_way:
                self._ready.append({})
            self._ready[line.under_way][line.key] = line

    def _strike(self, line: _Line) -> None:
        if line.waiting:
            del self._ready[line.under_way][line.key]

    def pull(self, key: PaceKey) -> list[Claim]:
        """Return what waits for a provider or domain, and hold nothing more of it."""
        line = self._line(key)
        self._strike(line)
        pulled, line.waiting = list(line.waiting), deque()
        self._waiting -= len(pulled)
        return pulled

    def empty(self) -> list[Claim]:
        """Return everything that waits and hold nothing more."""
        return [claim for key in list(self._lines) for claim in self.pull(key)]

    def is_short_of(self, wanted: int) -> bool:
        """Tell whether less waits than is wanted, not counting what waits for who is slow."""
        slow = sum(len(one.waiting) for one in self._busy.values() if self._is_slow(one))
        return self._waiting - slow < wanted

    def per_second(self, key: PaceKey) -> float:
        """Return what a provider or domain takes a second from this process; 0 if not known."""
        line = self._lines.get(key)
        return 0.0 if line is None else line.per_s

    def of_class(self, domain_class: str) -> int | None:
        """Return how many more of a class can be used in about a second; None for any number."""
        return None if domain_class == OTHER else self._room(PaceKey(domain_class))

    def of_domain(self, digest: bytes) -> int | None:
        """Return how many more of a single domain can be used in about a second."""
        return self._room(PaceKey(OTHER, digest))

    def _room(self, key: PaceKey) -> int:
        line = self._lines.get(key)
        usable: float = FIRST_ROOM
        if line is not None and line.per_s:
            usable = min(max(line.per_s, SMALLEST_ROOM), LARGEST_ROOM)
        per_second = self._pace_of(key).per_second / self._processes
        if per_second:
            usable = min(usable, max(per_second, 1))
        return int(usable) - (0 if line is None else len(line.waiting))

    def turn_of(self, digest: bytes, per_second: float, count: int) -> list[float]:
        """Return after how many seconds the turn of `count` more of a domain is expected."""
        self.put_off += count
        line = self._lines.get(PaceKey(OTHER, digest))
        per_second = per_second or (line.per_s if line is not None else 0.0)
        if not per_second:
            return [FIRST_TURN_S] * count
        now_s = self._clock.monotonic()
        if len(self._turns) > KNOWN_DOMAINS:
            self._turns = {key: at for key, at in self._turns.items() if at > now_s}
        turn_at = max(self._turns.get(digest, 0.0), now_s)
        turns = []
        for _ in range(count):
            turn_at = min(turn_at + 1 / per_second, now_s + FURTHEST_TURN_S)
            turns.append(turn_at - now_s)
        self._turns[digest] = turn_at
        return turns
