"""What may be claimed for a relay now: its cap of the day, its rate, and those of providers.

In: a `Routing` with the limits as configured, and the time. Out: a `Purse`, opened in the
transaction that claims, which says how many may go and writes down what was spent. Every sender
process spends from the same rows, so that the limits hold over all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, bindparam, delete, or_, select, update

from mailer.model.domain_classes import OTHER
from mailer.model.pacing import (
    WHOLE_RELAY,
    Bucket,
    PaceKey,
    Slowed,
    spendable,
    tighter,
)
from mailer.model.routing import RelayTerms, Routing
from mailer.store.audience import dialect_of, insert_or_ignore
from mailer.store.tables import pace, relay_day, worker

#: Rows about rates that were not spent from for so long say nothing any more.
_FORGOTTEN_AFTER = timedelta(days=1)
#: Days whose counts are kept, to be looked at.
_DAYS_KEPT = timedelta(days=60)


@dataclass
class Purse:
    """What one transaction may claim for one relay, and has."""

    _connection: Connection
    _relay: str
    _routing: Routing
    _now: datetime
    _slowed: Mapping[PaceKey, Slowed]
    _buckets: dict[PaceKey, Bucket]
    #: None for no cap.
    _left_today: int | None
    _spent: Counter[PaceKey] = field(default_factory=Counter)

    @property
    def left(self) -> int | None:
        """Return how many the relay takes now in all; None for no limit."""
        by_rate = self._left(WHOLE_RELAY, self._terms.per_second)
        if self._left_today is None or by_rate is None:
            return by_rate if self._left_today is None else self._left_today
        return min(by_rate, self._left_today)

    @property
    def _terms(self) -> RelayTerms:
        return self._routing.relays[self._relay]

    def of_class(self, domain_class: str) -> int | None:
        """Return how many may go to a class now; None for no limit."""
        return self._left(PaceKey(domain_class), self._routing.pacing.of(domain_class).per_second)

    def look_at_domains(self, digests: Collection[bytes]) -> bool:
        """Read what is on record of single domains; return whether any of them has a limit."""
        if not self._routing.pacing.each_domain.per_second:
            return any(key.domain_digest for key in self._slowed)
        rows = self._connection.execute(
            select(pace).where(pace.c.relay == self._relay, pace.c.domain_digest.in_(digests))
        )
        self._buckets |= {_key(row): _bucket(row) for row in rows if row.tokens is not None}
        return True

    def of_domain(self, digest: bytes) -> int | None:
        """Return how many may go to one domain now; None for no limit."""
        return self._left(PaceKey(OTHER, digest), self._routing.pacing.each_domain.per_second)

    def per_second(self, digest: bytes) -> float:
        """Return what one domain may be sent a second once it may; 0 for no limit."""
        slowed = self._slowed.get(PaceKey(OTHER, digest))
        limit = self._routing.pacing.each_domain.per_second
        return tighter(limit, slowed.per_second(self._later(slowed)) if slowed else 0.0)

    def paused_until(self, digest: bytes) -> datetime | None:
        """Return until when one domain is paused; None when it is not."""
        slowed = self._slowed.get(PaceKey(OTHER, digest))
        return slowed.paused_until if slowed and slowed.is_paused(self._now) else None

    def _later(self, slowed: Slowed) -> datetime:
        return max(self._now, slowed.paused_until)

    def _left(self, key: PaceKey, limit: float) -> int | None:
        slowed = self._slowed.get(key)
        if slowed is not None and slowed.is_paused(self._now):
            return 0
        per_second = tighter(limit, slowed.per_second(self._now) if slowed else 0.0)
        if not per_second:
            return None
        filled = spendable(self._buckets.get(key), per_second, self._now)
        self._buckets[key] = filled
        return int(filled.tokens)

    def spend(self, keys: Iterable[PaceKey]) -> None:
        """Write down that a mail goes to each of these."""
        for key, count in Counter(keys).items():
            self._spent[WHOLE_RELAY] += count
            self._spent[PaceKey(key.domain_class)] += count
            if key.domain_digest:
                self._spent[key] += count
        if not self._spent:
            return
        rows = [
            {
                "relay": self._relay,
                "domain_class": key.domain_class,
                "domain_digest": key.domain_digest,
                "tokens": bucket.tokens - self._spent[key],
                "filled_at": bucket.filled_at,
            }
            for key, bucket in self._buckets.items()
            if self._spent[key] and self._is_limited(key)
        ]
        if rows:
            _write(self._connection, rows, ("tokens", "filled_at"))
        self._connection.execute(
            _CLAIMED,
            {
                "of_relay": self._relay,
                "of_day": self._routing.day_of(self._now).isoformat(),
                "more": self._spent[WHOLE_RELAY],
            },
        )

    def _is_limited(self, key: PaceKey) -> bool:
        if key == WHOLE_RELAY:
            limit = self._terms.per_second
        elif key.domain_digest:
            limit = self._routing.pacing.each_domain.per_second
        else:
            limit = self._routing.pacing.of(key.domain_class).per_second
        return bool(limit) or key in self._slowed


# Statements that are executed several times a second are kept: building one takes longer than
# executing it.
_IS_DAY = (relay_day.c.relay == bindparam("of_relay")) & (relay_day.c.day == bindparam("of_day"))
#: PostgreSQL: one claims for a relay at a time, or two would spend the same. SQLite has one writer
#: anyhow.
_OF_DAY = select(relay_day.c.claimed).where(_IS_DAY).with_for_update()
_CLAIMED = update(relay_day).where(_IS_DAY).values(claimed=relay_day.c.claimed + bindparam("more"))
_PACES = select(pace).where(
    pace.c.relay == bindparam("of_relay"), or_(pace.c.domain_digest == b"", pace.c.halvings > 0)
)


def open_purse(connection: Connection, relay: str, routing: Routing, now: datetime) -> Purse:
    """Return what may be claimed for a relay, and keep others from claiming for it meanwhile."""
    day = routing.day_of(now).isoformat()
    of_day = {"of_relay": relay, "of_day": day}
    claimed = connection.execute(_OF_DAY, of_day).scalar_one_or_none()
    if claimed is None:
        connection.execute(insert_or_ignore(connection, relay_day).values(relay=relay, day=day))
        claimed = connection.execute(_OF_DAY, of_day).scalar_one()
    rows = connection.execute(_PACES, {"of_relay": relay}).all()
    slowed = {_key(row): one for row in rows if (one := _slowed(row)) and one.halvings_left(now)}
    buckets = {_key(row): _bucket(row) for row in rows if row.tokens is not None}
    cap = routing.relays[relay].cap.on(routing.day_of(now))
    left_today = None if cap is None else max(cap - claimed, 0)
    return Purse(connection, relay, routing, now, slowed, buckets, left_today)


def _key(row: Row[tuple[object, ...]]) -> PaceKey:
    return PaceKey(row.domain_class, bytes(row.domain_digest))


def _bucket(row: Row[tuple[object, ...]]) -> Bucket:
    return Bucket(row.tokens, row.filled_at)


def _slowed(row: Row[tuple[object, ...]]) -> Slowed | None:
    if not row.halvings or row.paused_until is None:
        return None
    return Slowed(row.base_per_s, row.halvings, row.paused_until, row.reason)


def _write(connection: Connection, rows: list[dict[str, object]], changed: tuple[str, ...]) -> None:
    insert = dialect_of(connection).insert(pace)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["relay", "domain_class", "domain_digest"],
            set_={name: insert.excluded[name] for name in changed},
        ),
        rows,
    )


def read_slowed(connection: Connection, relay: str, key: PaceKey) -> Slowed | None:
    """Return how a relay, provider or domain was slowed; None when it never was."""
    row = connection.execute(
        select(pace)
        .where(
            pace.c.relay == relay,
            pace.c.domain_class == key.domain_class,
            pace.c.domain_digest == key.domain_digest,
        )
        .with_for_update()
    ).one_or_none()
    return None if row is None else _slowed(row)


def write_slowed(connection: Connection, relay: str, key: PaceKey, slowed: Slowed) -> None:
    """Write that a relay, or it to a provider or domain, goes slower from now on."""
    row = {
        "relay": relay,
        "domain_class": key.domain_class,
        "domain_digest": key.domain_digest,
        "base_per_s": slowed.base_per_s,
        "halvings": slowed.halvings,
        "paused_until": slowed.paused_until,
        "reason": slowed.reason,
    }
    changed = ("base_per_s", "halvings", "paused_until", "reason")
    _write(connection, [row], changed)


def slowed_now(connection: Connection, now: datetime) -> dict[str, dict[PaceKey, Slowed]]:
    """Return by relay what is paused or goes slower now."""
    found: dict[str, dict[PaceKey, Slowed]] = {}
    rows = connection.execute(select(pace).where(pace.c.halvings > 0))
    for row in rows:
        slowed = _slowed(row)
        if slowed is not None and slowed.halvings_left(now):
            found.setdefault(row.relay, {})[_key(row)] = slowed
    return found


def give_back_of_day(connection: Connection, name: str, count: int) -> None:
    """Count claims of a worker that were given back no more in what its relay took on the day."""
    relay = select(worker.c.relay).where(worker.c.name == name).scalar_subquery()
    last = (
        select(relay_day.c.day)
        .where(relay_day.c.relay == relay)
        .order_by(relay_day.c.day.desc())
        .limit(1)
        .scalar_subquery()
    )
    # At midnight the claims of yesterday could be more than those of today.
    connection.execute(
        update(relay_day)
        .where(relay_day.c.relay == relay, relay_day.c.day == last, relay_day.c.claimed >= count)
        .values(claimed=relay_day.c.claimed - count)
    )


def claimed_on(connection: Connection, day: str) -> dict[str, int]:
    """Return how many deliveries were claimed for each relay on a day."""
    rows = connection.execute(
        select(relay_day.c.relay, relay_day.c.claimed).where(relay_day.c.day == day)
    )
    return {row.relay: row.claimed for row in rows}


def forget_paces(connection: Connection, now: datetime) -> None:
    """Delete what says nothing any more about rates, and the counts of days long past."""
    old = now - _FORGOTTEN_AFTER
    connection.execute(
        delete(pace).where(
            or_(pace.c.filled_at.is_(None), pace.c.filled_at < old),
            or_(pace.c.paused_until.is_(None), pace.c.paused_until < old),
        )
    )
    connection.execute(
        delete(relay_day).where(relay_day.c.day < (now - _DAYS_KEPT).date().isoformat())
    )
