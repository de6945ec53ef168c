"""Record outcomes, and in the same transaction what follows: suppressions logged, a mailing paused.

In: a batch of outcomes. Out: rows and counts written, a line in `suppressions.log` for each address
that was suppressed, and maybe a mailing that has paused by itself, with an alert that says why.
Nothing is judged where nothing was refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailer.alerts import judge_and_pause, raise_alert
from mailer.model.alerts import AlertKind
from mailer.model.states import DeliveryState
from mailer.store.deliveries import Recorded, record
from mailer.store.engine import Connection
from mailer.store.missing_lines import note_missing_refusals
from mailer.store.suppression_log import FILE_NAME, SuppressionLog
from mailer.store.suppressions import Suppressed, log_entries


def record_and_judge(
    log: SuppressionLog,
    connection: Connection,
    worker: str,
    batch: Sequence[Recorded],
    now: datetime,
) -> list[Recorded]:
    """Write a batch as `record` does, and pause the mailings that it takes beyond a limit.

    `log` has whom it suppresses on the disk before the commit. Where it cannot be written the
    outcomes are recorded all the same, what it lacks is put on record, and staff are alerted.
    """
    written = record(connection, worker, batch, now)
    if written.barred:
        _log(log, connection, written.barred, now)
    for mailing_id in sorted(
        {one.mailing_id for one in written.ended if one.state is DeliveryState.REFUSED}
    ):
        judge_and_pause(connection, mailing_id, now)
    return written.ended


def _log(
    log: SuppressionLog, connection: Connection, barred: Sequence[Suppressed], now: datetime
) -> None:
    # A line without a commit bars who is refused again, or nobody's mailbox.
    why = log.append_or_tell(log_entries(connection, barred, now))
    if why:
        note_missing_refusals(connection, [one.delivery_id for one in barred if one.delivery_id])
        raise_alert(connection, AlertKind.LOG_NOT_WRITTEN, FILE_NAME, now, reason=why)
