"""A mailing in shares with people in many zones, a clock set by hand, and processes that are killed.

world = ShareWorld(ground, window="09:00-20:00")
world.schedule("2026-12-01T09:00")
world.clock.at += timedelta(hours=1)
world.tick()
world.send()
world.sent                # supporter's id → when each claim of theirs was committed
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from mailer.app.clocks import Hours, make_clocks, read_hours
from mailer.audience.coverage import coverage
from mailer.model.audience import LanguageChoice, LanguageStep
from mailer.model.mailing import AttemptResult, Reply
from mailer.model.states import DeliveryState, MailingState, Outcome
from mailer.schedule.ticker import Ticker
from mailer.store import tables
from mailer.store.claims import claim
from mailer.store.deliveries import Recorded, record
from mailer.store.mailings import load_mailing
from mailer.store.shares import shares_of

ENGLISH = LanguageChoice("en", LanguageStep.FIRST, "en")
LIST_ZONE = "Europe/Chisinau"
#: As they stand on record: east to west, an alias, none, and one that is no zone.
ZONES = (
    "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Bishkek", "Asia/Tehran",
    "Europe/Kiev", "", "Mars/Olympus", "Africa/Casablanca", "America/Sao_Paulo",
    "America/New_York",
)  # fmt: skip


class Killed(Exception):
    """The process was killed between two transactions."""


@dataclass
class HandClock:
    """A clock that is set by hand."""

    at: datetime
    seconds: float = 0.0

    def now(self):
        """Return the instant it was set to."""
        return self.at

    def monotonic(self):
        """Return seconds that grow a little with each look."""
        self.seconds += 0.001
        return self.seconds


@dataclass
class MortalStore:
    """A database whose user dies before a transaction, when its time has come."""

    inner: object
    #: So many transactions are left; None for ever.
    left: int | None = None

    def _count(self):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed

    @contextmanager
    def read(self):
        """Read, unless dead."""
        self._count()
        with self.inner.read() as connection:
            yield connection

    @contextmanager
    def write(self, *, patient=False):
        """Write, unless dead."""
        self._count()
        with self.inner.write(patient=patient) as connection:
            yield connection

    def connection(self):
        """Give a connection; its transactions are counted."""
        return self.inner.connection()

    @contextmanager
    def reading(self, connection):
        """Read on a connection, unless dead."""
        self._count()
        with self.inner.reading(connection):
            yield

    @contextmanager
    def writing(self, connection, *, patient=False):
        """Write on a connection, unless dead."""
        self._count()
        with self.inner.writing(connection, patient=patient):
            yield


@dataclass
class ShareWorld:
    """People in every zone of `ZONES`, and a mailing to all of them."""

    ground: object
    window: str = ""
    quiet_days: str = ""
    late: object = None
    grace_s: int = 7200
    recipient_time: bool = True
    now: datetime = datetime(2026, 11, 30, 0, tzinfo=UTC)
    each: int = 1
    zones: tuple = ZONES
    #: Supporter's id → zone as on record.
    people: dict = field(default_factory=dict)
    #: Supporter's id → instants at which they were claimed.
    sent: dict = field(default_factory=dict)

    def __post_init__(self):
        """Write the list and its people."""
        self.clock = HandClock(self.now)
        self.store = MortalStore(self.ground.store)
        self.key = self.ground.add_list(time_zone=LIST_ZONE)
        for number, zone in enumerate(self.zones):
            for other in range(self.each):
                self.add_person(f"p{number}-{other}@example.org", zone)
        self.ticker = self.new_ticker()

    def add_person(self, address, zone):
        """Write a person of that zone on the list."""
        row_id = self.ground.add_supporter(address, self.key, time_zone=zone)
        self.people[row_id] = zone
        return row_id

    def new_ticker(self):
        """Return a scheduler as a new process has it."""
        return Ticker(self.store, self.clock, lambda _mailing: lambda _profile, _list: ENGLISH)

    def schedule(self, at, time_zone=LIST_ZONE, **fields):
        """Schedule the mailing as the command does; return it."""
        hours = Hours(
            at, time_zone, self.recipient_time, self.window, self.quiet_days or "none", self.late
        )
        self.timing, _ = read_hours(hours, LIST_ZONE, ())
        targets = [self.ground.lists[self.key]]
        with self.ground.store.read() as connection:
            covered = coverage(
                connection, targets, None, None, lambda _profile, _list: ENGLISH, self.clock.at
            )
        clocks = make_clocks(
            self.timing, time_zone, covered.by_zone, targets, self.clock.at
        ).decided(self.late, self.clock.at)
        self.timing = clocks.timing
        made = self.ground.add_mailing(
            [self.key], MailingState.SCHEDULED, due_at=clocks.due_at, time_zone=time_zone,
            grace_s=self.grace_s, timing=clocks.timing, shares=clocks.shares, zones=clocks.zones,
            **fields,
        )  # fmt: skip
        self.row_id, self.mailing_key = made.row_id, made.key
        return made

    @property
    def mailing(self):
        """The mailing as it stands."""
        with self.ground.store.read() as connection:
            return load_mailing(connection, self.row_id)

    @property
    def shares(self):
        """Zone → share as it stands."""
        with self.ground.store.read() as connection:
            return {one.zone: one for one in shares_of(connection, self.row_id)}

    def states(self):
        """Zone → state of its share."""
        return {zone: one.state.value for zone, one in self.shares.items()}

    def deliveries(self):
        """Supporter's id → row of their delivery."""
        with self.ground.store.read() as connection:
            return {row.supporter_id: row for row in connection.execute(tables.delivery.select())}

    def tick(self, left=None):
        """Tick once; killed after `left` transactions, a new process takes over at the next."""
        self.store.left = left
        try:
            self.ticker.tick()
        except Killed:
            # The lease of the dead runs out at once here: what is tested is what it had written.
            with self.ground.store.write() as connection:
                connection.execute(tables.lease.delete())
            self.ticker = self.new_ticker()
        finally:
            self.store.left = None

    def send(self, limit=1000, state=DeliveryState.ACCEPTED, again_at=None):
        """Claim what may go out now and record its end; return the supporters' ids."""
        now = self.clock.at
        with self.ground.store.write() as connection:
            claimed = claim(connection, "sender", limit, now)
        outcome = Outcome.ACCEPTED if state is DeliveryState.ACCEPTED else Outcome.DEFERRED
        batch = [
            Recorded(
                AttemptResult(
                    one.delivery_id, outcome, Reply(250, "2.0.0", "ok"), now, 1, "sandbox"
                ),
                one.attempt_number, state, again_at, mailing_id=one.mailing_id,
            )
            for one in claimed
        ]  # fmt: skip
        with self.ground.store.write() as connection:
            record(connection, "sender", batch, now)
        for one in claimed:
            self.sent.setdefault(one.supporter_id, []).append(now)
        return [one.supporter_id for one in claimed]

    def local(self, supporter_id, instant):
        """Return an instant as the clock of a person's share shows it."""
        zone = self.people[supporter_id]
        known = zone if zone not in ("", "Mars/Olympus") else LIST_ZONE
        return instant.astimezone(ZoneInfo(known))
