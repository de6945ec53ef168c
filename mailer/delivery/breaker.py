"""Record outcomes, and pause a mailing in the same transaction when they pass one of its limits.

In: a batch of outcomes. Out: rows and counts written, and maybe a mailing that has paused by itself,
with an alert that says why. Nothing is judged where nothing was refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailer.alerts import pause_and_tell
from mailer.events import warn
from mailer.model.breaker import judge
from mailer.model.states import DeliveryState
from mailer.store.breaker import to_be_judged
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


def judge_and_pause(connection: Connection, mailing_id: int, now: datetime) -> bool:
    """Hold a mailing against its limits; return whether it paused.

    Call it in the transaction that has counted something more: a refusal, a bounce, a complaint.
    """
    judged = to_be_judged(connection, mailing_id)
    if judged is None:
        return False
    tripped = judge(judged.limits, judged.counted, judged.before)
    if tripped is None:
        return False
    pause_and_tell(connection, mailing_id, judged.key, tripped.reason, now)
    warn("mailing paused by itself", mailing=judged.key, reason=tripped.reason)
    return True
