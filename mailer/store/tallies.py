"""Keep counts of deliveries in the transactions that change them.

In: what became of how many deliveries. Out: rows of `delivery_tally` and `hour_tally`, added to as
the last thing before the commit: one statement for each table, in one order of the keys. Whoever
holds a count waits for nothing else any more, so that two transactions never wait crosswise, and a
count that all senders add to is held no longer than the commit takes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Executable, Select, Table, func, select, text
from sqlalchemy.dialects import postgresql

from mailer.model.states import DeliveryState, SkipReason
from mailer.model.tallies import HourEvent, hour_of
from mailer.store.batches import fetch, ids_for, these
from mailer.store.pending import pending_of
from mailer.store.tables import delivery
from mailer.store.tables_tallies import delivery_tally, hour_tally


class Cell(NamedTuple):
    """What a delivery is counted under whatever becomes of it."""

    mailing_id: int
    list_id: int
    #: "" where it has no edition.
    language: str


class Standing(NamedTuple):
    """What has become of a delivery, as far as it is counted."""

    state: DeliveryState
    skip_reason: str = ""
    code: int = 0
    enhanced_code: str = ""


#: Being claimed and given back changes no count.
OPEN = Standing(DeliveryState.DUE)
_DEFERRED = Standing(DeliveryState.DEFERRED)


def standing(
    state: DeliveryState,
    skip_reason: SkipReason | None = None,
    code: int | None = 0,
    enhanced_code: str | None = "",
) -> Standing:
    """Return what a delivery with these columns is counted as."""
    if state is DeliveryState.SENDING:
        return OPEN
    if state is DeliveryState.SKIPPED:
        return Standing(state, skip_reason or "")
    if state is DeliveryState.REFUSED:
        return Standing(state, "", code or 0, enhanced_code or "")
    return Standing(state)


def add_deliveries(connection: Connection, cell: Cell, what: Standing, count: int) -> None:
    """Count so many deliveries more; fewer where it is negative."""
    pending_of(connection).add(_add_to_deliveries, (*cell, *what), count)


def move_deliveries(
    connection: Connection, cell: Cell, before: Standing, after: Standing, count: int = 1
) -> None:
    """Count that so many deliveries became something else."""
    if before != after:
        add_deliveries(connection, cell, before, -count)
        add_deliveries(connection, cell, after, count)


def add_events(
    connection: Connection, mailing_id: int, event: HourEvent, at: datetime, count: int = 1
) -> None:
    """Count what happened to a mailing's deliveries in the hour of `at`."""
    if count:
        pending_of(connection).add(_add_to_hours, (mailing_id, hour_of(at), event), count)


class Counted(NamedTuple):
    """Under what a delivery is counted now."""

    cell: Cell
    state: DeliveryState


def lock_counted(connection: Connection, ids: Collection[int]) -> dict[int, Counted]:
    """Return under what open deliveries are counted, and keep others from changing that."""
    if not ids:
        return {}
    rows = fetch(connection, _places(connection.dialect.name), ids_for(connection, ids))
    return {
        row[0]: Counted(Cell(row[1], row[2], row[3] or ""), DeliveryState(row[4])) for row in rows
    }


@cache
def _places(dialect: str) -> Select[Any]:
    columns = delivery.c
    query = select(
        columns.id, columns.mailing_id, columns.list_id, columns.language, columns.state
    ).where(columns.id.in_(these(dialect)))
    # Locked in one order; SQLite has one writer at a time, and need not sort.
    return query.order_by(columns.id).with_for_update() if dialect == "postgresql" else query


def change(connection: Connection, found: Iterable[Counted], after: Standing) -> None:
    """Count that open deliveries became something else; they were as `lock_counted` says."""
    for (cell, state), count in Counter(found).items():
        move_deliveries(connection, cell, standing(state), after, count)


def claim_deferred(connection: Connection, ids: Collection[int]) -> None:
    """Count, before they are claimed, that those of these which are deferred no longer are."""
    for cell, state in lock_counted(connection, ids).values():
        if state is DeliveryState.DEFERRED:
            move_deliveries(connection, cell, _DEFERRED, OPEN)


def newest_delivery(connection: Connection) -> int:
    """Return the id after which deliveries are new to `add_new`."""
    return connection.execute(select(func.max(delivery.c.id))).scalar_one() or 0


#: What a delivery that was just frozen is counted under.
FROZEN_KEY = ("list_id", "language", "state", "skip_reason")


def add_new(connection: Connection, mailing_id: int, after: int) -> None:
    """Count the deliveries of a mailing that were written since `newest_delivery`."""
    key = [delivery.c[name] for name in FROZEN_KEY]
    rows = connection.execute(
        select(*key, func.count().label("count_"))
        .where(delivery.c.id > after, delivery.c.mailing_id == mailing_id)
        .group_by(*key)
    )
    for row in rows:
        cell = Cell(mailing_id, row.list_id, row.language or "")
        add_deliveries(connection, cell, standing(row.state, row.skip_reason), row.count_)


def _add_to_deliveries(connection: Connection, more: Mapping[tuple[Any, ...], int]) -> None:
    _add(connection, delivery_tally, more)


def _add_to_hours(connection: Connection, more: Mapping[tuple[Any, ...], int]) -> None:
    _add(connection, hour_tally, more)


def _add(connection: Connection, table: Table, more: Mapping[tuple[Any, ...], int]) -> None:
    rows = [(*key, count) for key, count in sorted(more.items()) if count]
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        names = [column.name for column in table.columns]
        values = [dict(zip(names, row, strict=True)) for row in rows]
        connection.execute(_adding_rows(table), values)
    else:
        connection.execute(_adding_text(table), {"rows": json.dumps(rows)})


@cache
def _adding_rows(table: Table) -> Executable:
    insert = postgresql.insert(table)
    (number,) = (column for column in table.columns if not column.primary_key)
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={number.name: number + insert.excluded[number.name]},
    )


@cache
def _adding_text(table: Table) -> Executable:
    """Return the statement that adds many counts in one step of SQLite, see `batches`."""
    names = [column.name for column in table.columns]
    taken = ", ".join(f"json_extract(value, '$[{index}]')" for index in range(len(names)))
    keys = ", ".join(column.name for column in table.primary_key.columns)
    number = names[-1]
    return text(
        # Names of our own columns, and no value.
        f"INSERT INTO {table.name} ({', '.join(names)}) "  # noqa: S608
        f"SELECT {taken} FROM json_each(:rows) WHERE true "
        f"ON CONFLICT ({keys}) DO UPDATE SET {number} = {number} + excluded.{number}"
    )
