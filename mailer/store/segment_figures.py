"""Count the deliveries of a mailing by segments that people match now, and by outcome.

In: a mailing and expressions. Out: deliveries by expression and state. Nobody is named, nothing is
written. Expressions overlap, so that a delivery may count under several; whoever was erased has no row
any more, and counts under none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import ColumnElement, Integer, Text, case, func, literal, select, type_coerce

from mailer.model.segments import Segment
from mailer.model.states import DeliveryState
from mailer.store.engine import Store
from mailer.store.segments import Clause, compile_segment
from mailer.store.tables import delivery, supporter

#: What is sending counts as due, as in every table of a report.
_STATES = tuple(one for one in DeliveryState if one is not DeliveryState.SENDING)
#: Expressions of one pass: each is a bit of a number, and SQLite takes a statement of some length only.
_AT_ONCE = 12
#: Deliveries are counted in so many parts, so many at once, where there are more than a few.
_PARTS = 8
_HANDS = 2
_FEW = 50_000

BySegment = dict[str, dict[DeliveryState, int]]


def count_by_segment(store: Store, mailing_id: int, segments: Mapping[str, Segment]) -> BySegment:
    """Count the deliveries of the people whom each expression means now, by state.

    Args:
        store: the database.
        mailing_id: row id of the mailing.
        segments: what is asked, by key; the answer has the same keys in the same order.
    """
    found: BySegment = {key: {} for key in segments}
    keys = list(segments)
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        clauses = [compile_segment(segments[key]) for key in some]
        for number, deliveries in _numbers(store, mailing_id, clauses).items():
            code, mask = divmod(number, 1 << len(some))
            for place, key in enumerate(some):
                if mask >> place & 1:
                    row = found[key]
                    row[_STATES[code]] = row.get(_STATES[code], 0) + deliveries
    return found


def _numbers(store: Store, mailing_id: int, clauses: Sequence[Clause]) -> Counter[int]:
    """Return how often each number comes that holds a state and the expressions that hold."""
    with store.read() as connection:
        query = select(func.min(delivery.c.id), func.max(delivery.c.id)).where(
            delivery.c.mailing_id == mailing_id
        )
        first, last = connection.execute(query).one()
    if first is None:
        return Counter()
    codes: dict[DeliveryState, int] = {
        one: place << len(clauses) for place, one in enumerate(_STATES)
    }
    codes[DeliveryState.SENDING] = codes[DeliveryState.DUE]
    number: ColumnElement[int] = case(codes, value=delivery.c.state, else_=literal(0, Integer))
    for place, clause in enumerate(clauses):
        number = number + case((clause, 1 << place), else_=0)

    def part(since: int, until: int) -> Counter[int]:
        # The sum is what it was, and keeps the database on the order of deliveries.
        rows = (
            select(number.label("number"))
            .select_from(delivery)
            .join(supporter, supporter.c.id == delivery.c.supporter_id + 0)
            .where(
                delivery.c.mailing_id + 0 == mailing_id,
                delivery.c.id >= since,
                delivery.c.id < until,
            )
        )
        with store.read() as connection:
            if not store.is_sqlite:
                found = rows.subquery()
                counts = select(found.c.number, func.count()).group_by(found.c.number)
                return Counter({row[0]: row[1] for row in connection.execute(counts)})
            # SQLite sorts what it groups; all numbers in one text it makes while others may work.
            text = func.group_concat(type_coerce(number, Text), ",")
            listed = connection.execute(rows.with_only_columns(text)).scalar()
            return Counter(
                {int(one): n for one, n in Counter((listed or "").split(",")).items() if one}
            )

    if not store.is_sqlite or last - first < _FEW:
        return part(first, last + 1)
    size = (last - first) // _PARTS + 1
    starts = range(first, last + 1, size)
    with ThreadPoolExecutor(_HANDS, "counting") as threads:
        return sum(threads.map(part, starts, (one + size for one in starts)), Counter())
