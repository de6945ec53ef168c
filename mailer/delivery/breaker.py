"""Record outcomes, and pause a mailing in the same transaction when they pass one of its limits.

In: a batch of outcomes. Out: rows and counts written, and maybe a mailing that has paused by itself,
with an alert that says why. Nothing is judged where nothing was refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailer.alerts import judge_and_pause
from mailer.model.states import DeliveryState
from mailer.store.deliveries import Recorded, record
from mailer.store.engine import Connection


def record_and_judge(
    connection: Connection, worker: str, batch: Sequence[Recorded], now: datetime
) -> list[Recorded]:
    """Write a batch as `record` does, and pause the mailings that it takes beyond a limit."""
    ended = record(connection, worker, batch, now)
    for mailing_id in sorted(
        {one.mailing_id for one in ended if one.state is DeliveryState.REFUSED}
    ):
        judge_and_pause(connection, mailing_id, now)
    return ended
