"""Read and write many rows in one step of the database.

In: row ids, queries, rows of values. Out: what the database says. A list written out makes a
statement anew for each length. And where a row is handed over at a time, SQLite gives the
interpreter back to the thread that sends and asks for it again at every row: beside a busy sender
five hundred rows then take a second. Handed over as one JSON text they take milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    LargeBinary,
    ScalarSelect,
    Select,
    Table,
    TypeDecorator,
    bindparam,
    cast,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from mailer.store.audience import insert_or_ignore


def these(dialect: str) -> Select[tuple[int]] | ScalarSelect[int]:
    """Return a query of the ids that a statement is executed with, for `column.in_()`.

    Args:
        dialect: name of the database; the statement is kept, and executed with `ids_for`.
    """
    ids: BindParameter[Any] = bindparam("ids")
    if dialect == "postgresql":
        return select(func.unnest(cast(ids, ARRAY(BigInteger))))
    return select(func.json_each(ids).table_valued("value").c.value)


def ids_for(connection: Connection, ids: Iterable[int]) -> dict[str, object]:
    """Return what a statement with `these` is executed with."""
    of_these = list(ids)
    return {"ids": of_these if connection.dialect.name == "postgresql" else json.dumps(of_these)}


def fetch(
    connection: Connection, query: Select[Any], values: Mapping[str, object]
) -> list[Sequence[Any]]:
    """Return the rows of a query as the database keeps them: no enums, instants as microseconds.

    Args:
        connection: a connection in a transaction.
        query: columns of numbers, texts and octets; on PostgreSQL of plain types only. One that is
            kept: what is made of it is kept with it.
        values: what it is executed with.
    """
    if connection.dialect.name == "postgresql":
        return list(connection.execute(query, values).all())
    statement, binary = _as_one_text(query)
    rows: list[list[Any]] = json.loads(connection.execute(statement, values).scalar_one())
    for row in rows:
        for index in binary:
            row[index] = bytes.fromhex(row[index])
    return list(rows)


@lru_cache(maxsize=64)
def _as_one_text(query: Select[Any]) -> tuple[Select[Any], tuple[int, ...]]:
    """Return a query with all rows as one text, and which columns are octets, in hexadecimal."""
    inner = query.subquery()
    binary = tuple(index for index, column in enumerate(inner.c) if _is_binary(column.type))
    columns = [func.hex(column) if _is_binary(column.type) else column for column in inner.c]
    return select(func.json_group_array(func.json_array(*columns))), binary


def _is_binary(kind: object) -> bool:
    return isinstance(kind.impl if isinstance(kind, TypeDecorator) else kind, LargeBinary)


def insert(connection: Connection, table: Table, rows: Collection[Mapping[str, Any]]) -> None:
    """Insert rows, but those that are there already.

    Args:
        connection: a connection in a transaction that writes.
        table: where to.
        rows: all with the same columns: numbers and texts, or what their types make such of.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(insert_or_ignore(connection, table), list(rows))
        return
    names = list(next(iter(rows)))
    makers = [table.c[name].type.bind_processor(connection.dialect) for name in names]
    values = [
        [
            row[name] if make is None else make(row[name])
            for name, make in zip(names, makers, strict=True)
        ]
        for row in rows
    ]
    taken = ", ".join(f"json_extract(value, '$[{index}]')" for index in range(len(names)))
    connection.execute(
        text(
            # Names of our own columns, and no value.
            f"INSERT OR IGNORE INTO {table.name} ({', '.join(names)}) "  # noqa: S608
            f"SELECT {taken} FROM json_each(:rows)"
        ),
        {"rows": json.dumps(values)},
    )
