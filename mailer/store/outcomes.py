"""Count what comes of deliveries, in the transactions that record it.

In: endings, each with its mailing, relay and domain class. Out: counts, which the circuit breaker,
reports and metrics read: nobody counts a million deliveries again.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def count_endings(connection: Connection, counted: Mapping[Counted, int]) -> None:
    """Add to the counts: how many deliveries more of each key."""
    # In one order, so that two processes never wait for each other crosswise.
    found = sorted(counted.items())
    if not found:
        return
    insert = dialect_of(connection).insert(outcome_count)
    more = outcome_count.c.deliveries + insert.excluded.deliveries
    keys = list(outcome_count.primary_key.columns)
    connection.execute(
        insert.on_conflict_do_update(index_elements=keys, set_={"deliveries": more}),
        [{**key._asdict(), "deliveries": deliveries} for key, deliveries in found],
    )
