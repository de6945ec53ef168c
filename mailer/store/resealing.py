"""Find every sealed value, and seal it anew with another key, a chunk at a time.

In: the key that is to be used, and what opens a value and seals it. Out: values written anew. The
columns are found by their type, so that a new table is never forgotten. A value that somebody
changes at the same time stays theirs. It can be stopped at any instant and begun again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, RowMapping, Table, and_, func, select, tuple_, update

from mailer.box import KEY_ID_AT, KEY_ID_BYTES
from mailer.store.engine import Store
from mailer.store.tables import feedback_event, metadata
from mailer.store.types import Sealed

#: Values sealed anew in one transaction: a few milliseconds of write lock.
CHUNK = 100
#: Boxes, which may be a quarter of a megabyte each, closed anew in one transaction.
BOXES = 10
#: Sealed value, table, column as it is bound, row → the value sealed anew.
Reseal = Callable[[bytes, str, str, int], bytes]


@dataclass(frozen=True)
class SealedColumn:
    """A column of sealed values, and what each is bound to."""

    table: Table
    column: Column[Any]
    #: The name it is bound under; columns of the row stand in braces.
    bound_as: str
    #: The column whose number it is bound to.
    bound_to: str

    def binding(self, row: RowMapping) -> tuple[str, str, int]:
        """Return table, column and row that the value of a row is bound to."""
        values = {str(name): value for name, value in row.items()}
        return self.table.name, self.bound_as.format(**values), int(values[self.bound_to])


def sealed_columns() -> Iterator[SealedColumn]:
    """Yield every column whose type is `Sealed`.

    A table whose row is not known by `id` says in the column's `info` what binds its values.
    """
    for table in metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, Sealed):
                info = column.info
                yield SealedColumn(
                    table, column, info.get("bound_as", column.name), info.get("bound_to", "id")
                )


def key_ids(connection: Connection) -> dict[int, int]:
    """Count the sealed values by the id of the key they are sealed with."""
    found: dict[int, int] = {}
    for one in sealed_columns():
        key = func.substr(one.column, 1, 1)
        rows = connection.execute(
            select(key, func.count()).where(one.column.is_not(None)).group_by(key)
        )
        for first, count in rows:
            found[bytes(first)[0]] = found.get(bytes(first)[0], 0) + count
    return found


def reseal_all(
    store: Store, current: int, reseal: Reseal, told: Callable[[int], None] | None = None
) -> int:
    """Seal anew whatever is not sealed with the key `current`; return how many values."""
    total = 0
    for one in sealed_columns():
        keys = list(one.table.primary_key.columns)
        after: tuple[Any, ...] | None = None
        while True:
            rows = _page(store, one, keys, after)
            if not rows:
                break
            after = tuple(rows[-1][key.name] for key in keys)
            old = [row for row in rows if row[one.column.name][0] != current]
            fresh = [reseal(row[one.column.name], *one.binding(row)) for row in old]
            if old:
                total += _write(store, one, keys, list(zip(old, fresh, strict=True)))
                if told:
                    told(total)
    return total


def _page(
    store: Store, one: SealedColumn, keys: list[Column[Any]], after: tuple[Any, ...] | None
) -> list[RowMapping]:
    wanted = list(dict.fromkeys([*keys, one.table.c[one.bound_to], one.column]))
    query = select(*wanted).where(one.column.is_not(None)).order_by(*keys).limit(CHUNK)
    if after is not None:
        query = query.where(tuple_(*keys) > tuple_(*after))
    with store.read() as connection:
        return list(connection.execute(query).mappings())


def _write(
    store: Store,
    one: SealedColumn,
    keys: list[Column[Any]],
    changes: list[tuple[RowMapping, bytes]],
) -> int:
    written = 0
    with store.write(patient=True) as connection:
        for row, fresh in changes:
            written += connection.execute(
                update(one.table)
                .where(
                    and_(*(key == row[key.name] for key in keys)),
                    # What was changed meanwhile is newer than what we read.
                    one.column == row[one.column.name],
                )
                .values({one.column: fresh})
            ).rowcount
    return written


def box_counts(connection: Connection) -> dict[bytes, int]:
    """Count the boxes of what came back by the id of the key that opens them."""
    key = func.substr(feedback_event.c.raw_box, KEY_ID_AT, KEY_ID_BYTES)
    rows = connection.execute(
        select(key, func.count()).where(feedback_event.c.raw_box.is_not(None)).group_by(key)
    )
    return {bytes(key_id): count for key_id, count in rows}


def close_boxes_anew(store: Store, key_id: bytes, anew: Callable[[bytes], bytes]) -> int:
    """Close the boxes of one key with another; return how many."""
    box = feedback_event.c.raw_box
    closed = 0
    while True:
        with store.write(patient=True) as connection:
            rows = connection.execute(
                select(feedback_event.c.id, box)
                .where(func.substr(box, KEY_ID_AT, KEY_ID_BYTES) == key_id)
                .limit(BOXES)
            ).all()
            for row in rows:
                connection.execute(
                    update(feedback_event)
                    .where(feedback_event.c.id == row.id)
                    .values(raw_box=anew(row.raw_box))
                )
        closed += len(rows)
        if len(rows) < BOXES:
            return closed
