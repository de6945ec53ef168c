"""How SQLite finds rows: what statements go through whole tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy import event


@contextlib.contextmanager
def scans(store) -> Iterator[list[str]]:
    """Note each "SCAN table" or look-up by a mere state of the statements that are run meanwhile.

    The list is filled when the block ends.
    """
    asked: list[tuple[str, object]] = []
    found: list[str] = []

    def note(_connection, _cursor, statement, parameters, _context, many):
        asked.append((statement, parameters[0] if many else parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(store.engine, "before_cursor_execute", note)
    with store.read() as connection:
        for statement, parameters in asked:
            if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                found += [row[3] for row in plan if _is_long(row[3])]


def _is_long(step: str) -> bool:
    if step.startswith("SCAN "):
        return not ("CONSTANT" in step or "VIRTUAL TABLE" in step)
    return step.endswith("(state=?)")
