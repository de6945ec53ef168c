"""Alerts as rows: written with what they tell of, told later by whoever can.

In: a kind, what it is about, facts. Out: rows. What lasts is written once until it is resolved.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from mailer.model.alerts import Alert, AlertKind
from mailer.store.tables import alert

#: Characters of why a command failed.
LONGEST_FAILURE = 200
_LONGEST_SUBJECT = 140


def write_alert(
    connection: Connection,
    kind: AlertKind,
    subject: str,
    facts: Mapping[str, str | int],
    now: datetime,
) -> None:
    """Write an alert that nobody was told of yet."""
    connection.execute(
        alert.insert().values(
            kind=kind, subject=subject[:_LONGEST_SUBJECT], facts=dict(facts), raised_at=now
        )
    )


def latest_alert(connection: Connection, kind: AlertKind, subject: str) -> Alert | None:
    """Return the last alert of a kind about a subject; None when there was none."""
    row = connection.execute(
        select(alert)
        .where(alert.c.kind == kind, alert.c.subject == subject[:_LONGEST_SUBJECT])
        .order_by(alert.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _alert_of(row)


def resolve(connection: Connection, kind: AlertKind, subject: str, now: datetime) -> bool:
    """Write that a condition is over; False when none lasted."""
    return bool(
        connection.execute(
            update(alert)
            .where(
                alert.c.kind == kind,
                alert.c.subject == subject[:_LONGEST_SUBJECT],
                alert.c.resolved_at.is_(None),
            )
            .values(resolved_at=now)
        ).rowcount
    )


def reopen(connection: Connection, row_id: int) -> None:
    """Write that a condition that seemed to be over lasts."""
    connection.execute(
        update(alert)
        .where(alert.c.id == row_id, alert.c.resolved_at.is_not(None))
        .values(resolved_at=None)
    )


def alerts_to_mail(connection: Connection, since: datetime, limit: int) -> list[Alert]:
    """Return alerts that are no service mails yet, the oldest first.

    Args:
        connection: a connection in a transaction.
        since: what was raised before is history: nobody is mailed about it any more.
        limit: how many at most.
    """
    return _alerts(
        connection, alert.c.mailed_at.is_(None), alert.c.raised_at >= since, limit=limit
    )  # fmt: skip


def mark_mailed(connection: Connection, row_id: int, now: datetime) -> None:
    """Write that an alert has become service mails."""
    connection.execute(update(alert).where(alert.c.id == row_id).values(mailed_at=now))


def mark_not_mailed(connection: Connection, row_ids: Collection[int]) -> None:
    """Write that service mails of these alerts are to be made anew."""
    if row_ids:
        connection.execute(update(alert).where(alert.c.id.in_(row_ids)).values(mailed_at=None))


def alerts_to_command(
    connection: Connection, since: datetime, now: datetime, most_tries: int, limit: int
) -> list[Alert]:
    """Return alerts that the command has not taken yet and is to be given now, the oldest first."""
    return _alerts(
        connection,
        alert.c.commanded_at.is_(None),
        alert.c.raised_at >= since,
        alert.c.command_tries < most_tries,
        alert.c.command_next_at.is_(None) | (alert.c.command_next_at <= now),
        limit=limit,
    )


def mark_commanded(connection: Connection, row_id: int, now: datetime) -> None:
    """Write that the command took an alert."""
    connection.execute(
        update(alert).where(alert.c.id == row_id).values(commanded_at=now, command_failure="")
    )


def mark_command_failed(
    connection: Connection, row_id: int, why: str, now: datetime, pause: timedelta
) -> None:
    """Write that the command did not take an alert; each try waits longer than the one before."""
    tries = connection.execute(
        select(alert.c.command_tries).where(alert.c.id == row_id)
    ).scalar_one()
    connection.execute(
        update(alert)
        .where(alert.c.id == row_id)
        .values(
            command_tries=tries + 1,
            command_next_at=now + pause * 2**tries,
            command_failure=why[:LONGEST_FAILURE],
        )
    )


def last_alerts(connection: Connection, limit: int) -> list[Alert]:
    """Return the last alerts, the latest first."""
    rows = connection.execute(select(alert).order_by(alert.c.id.desc()).limit(limit))
    return [_alert_of(row) for row in rows]


def lasting_alerts(connection: Connection, kinds: Collection[AlertKind]) -> list[Alert]:
    """Return the conditions of these kinds that are not resolved, the oldest first."""
    return _alerts(connection, alert.c.kind.in_(list(kinds)), alert.c.resolved_at.is_(None))


def forget_alerts(connection: Connection, before: datetime) -> int:
    """Delete alerts raised before then, but for conditions that last; return how many."""
    lasting = [kind for kind in AlertKind if kind.lasts]
    return connection.execute(
        alert.delete().where(
            alert.c.raised_at < before,
            alert.c.resolved_at.is_not(None) | alert.c.kind.not_in(lasting),
        )
    ).rowcount


def _alerts(connection: Connection, *conditions: Any, limit: int | None = None) -> list[Alert]:  # noqa: ANN401  (Clauses have no narrower type.)
    rows = connection.execute(select(alert).where(*conditions).order_by(alert.c.id).limit(limit))
    return [_alert_of(row) for row in rows]


def _alert_of(row: Row[Any]) -> Alert:
    return Alert(
        row_id=row.id,
        kind=row.kind,
        subject=row.subject,
        facts=row.facts,
        raised_at=row.raised_at,
        resolved_at=row.resolved_at,
        mailed_at=row.mailed_at,
        commanded_at=row.commanded_at,
        command_failure=row.command_failure,
    )
