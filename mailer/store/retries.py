"""Let what was deferred wait no longer than its pause, also where the clock was set back meanwhile.

In: how long is waited at most after each attempt, and the time. Out: rows whose hour lies further
ahead than that, which was worked out by a clock that ran ahead, are tried when their pause is over.
Standards: RFC 5321 §4.5.4.1, which asks for pauses and not for hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Table, case, literal, select, update

from mailer.model.states import DeliveryState
from mailer.store.engine import Store
from mailer.store.tables import delivery, service_mail
from mailer.store.types import Instant

#: Rows of one transaction: far below 50 ms of write lock.
CHUNK = 500


def bring_deliveries_forward(store: Store, waits: Sequence[timedelta], now: datetime) -> int:
    """Let deferred deliveries be tried after their pause from now at the latest; return how many.

    Args:
        store: the database.
        waits: at most, after the first attempt, the second, and so on; the last holds for all more.
        now: this instant.

    Raises:
        StoreUnavailable: when the database does not answer; what was done stays done.
    """
    return _forward(store, delivery, waits, now)


def bring_service_mails_forward(store: Store, waits: Sequence[timedelta], now: datetime) -> int:
    """Do the same for service mails."""
    return _forward(store, service_mail, waits, now)


def _forward(store: Store, table: Table, waits: Sequence[timedelta], now: datetime) -> int:
    *firsts, last = waits
    latest = case(
        *(
            (table.c.attempts == number, literal(now + wait, Instant))
            for number, wait in enumerate(firsts, 1)
        ),
        # The rest, as a branch of its own: there may be no other.
        (table.c.attempts > len(firsts), literal(now + last, Instant)),
    )
    too_late = (
        select(table.c.id)
        .where(table.c.state == DeliveryState.DEFERRED, table.c.next_attempt_at > latest)
        .limit(CHUNK)
    )
    brought = 0
    while True:
        # Nearly always there is none, and looking takes no write lock.
        with store.read() as connection:
            ids = connection.execute(too_late).scalars().all()
        if not ids:
            return brought
        with store.write(patient=True) as connection:
            brought += connection.execute(
                update(table)
                .where(table.c.id.in_(ids), table.c.state == DeliveryState.DEFERRED)
                .values(next_attempt_at=latest)
            ).rowcount
