"""Ask about many rows at once, with one bound value however many there are.

In: row ids. Out: a subquery for `IN`. A list written out makes the statement anew for each length,
which costs as much as running it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from sqlalchemy import BigInteger, Connection, ScalarSelect, Select, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY


def these(connection: Connection, ids: Iterable[int]) -> Select[tuple[int]] | ScalarSelect[int]:
    """Return a query of these ids, for `column.in_()`."""
    if connection.dialect.name == "postgresql":
        return select(func.unnest(cast(list(ids), ARRAY(BigInteger))))
    return select(func.json_each(json.dumps(list(ids))).table_valued("value").c.value)
