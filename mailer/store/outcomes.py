"""Count what comes of deliveries, in the transactions that record it.

In: endings, each with its mailing, relay and domain class. Out: counts, which the circuit breaker,
reports and metrics read: nobody counts a million deliveries again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Connection

from mailer.model.breaker import Ending, RefusalReason
from mailer.model.states import DeliveryState
from mailer.store.audience import dialect_of
from mailer.store.tables import outcome_count

#: Stands where a delivery names its mailing.
NO_MAILING = 0


#: State that the end of an attempt gives a delivery → what is counted.
ENDINGS = {
    DeliveryState.ACCEPTED: Ending.ACCEPTED,
    DeliveryState.DEFERRED: Ending.DEFERRED,
    DeliveryState.REFUSED: Ending.REFUSED,
    DeliveryState.IN_DOUBT: Ending.IN_DOUBT,
}


class Counted(NamedTuple):
    """What one delivery is counted under: a key of the table."""

    mailing_id: int
    relay: str
    domain_class: str
    ending: Ending
    reason: RefusalReason = RefusalReason.NONE


def count_endings(connection: Connection, counted: Iterable[Counted]) -> None:
    """Add to the counts, one statement for each distinct key."""
    # In one order, so that two processes never wait for each other crosswise.
    for key, deliveries in sorted(Counter(counted).items()):
        values = key._asdict()
        insert = (
            dialect_of(connection).insert(outcome_count).values(**values, deliveries=deliveries)
        )
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=list(values),
                set_={"deliveries": outcome_count.c.deliveries + deliveries},
            )
        )
