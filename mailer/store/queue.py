"""Read the queue of due deliveries, the classes of domains in turn.

In: what may go out now, and how many may go to each class. Out: ids of due deliveries. Each class's
part of the queue is read in the order of the index and no further than is wanted, so that half a
million people at one provider keep nobody else waiting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, union_all

from mailer.model.domain_classes import DOMAIN_CLASSES
from mailer.model.states import DeliveryState
from mailer.store.shares import Lane
from mailer.store.tables import delivery
from mailer.store.types import Instant


def due(
    connection: Connection,
    lanes: Sequence[Lane],
    limit: int,
    room: Mapping[str, int],
    canaries: Mapping[int, int],
    now: datetime,
) -> dict[int, str]:
    """Return due deliveries and the class of each, and lock them where the database locks rows.

    The oldest mailing's come first, and of each mailing retries before first tries.

    Args:
        connection: a connection in a transaction that writes.
        lanes: what may go out.
        limit: how many at most.
        room: class of domains → how many of it at most; as many as there are where it is not named.
        canaries: mailing's row id → how many may go for the first time, while its canary is out.
        now: this instant.
    """
    found: dict[int, str] = {}
    left = {one: min(room.get(one, limit), limit) for one in DOMAIN_CLASSES}
    shares: dict[int, list[int]] = {}
    for lane in lanes:
        shares.setdefault(lane.mailing_id, []).append(lane.share_id)
    for mailing_id, share_ids in shares.items():
        for state in (DeliveryState.DEFERRED, DeliveryState.DUE):
            wanted = limit - len(found)
            if state is DeliveryState.DUE:
                # While the canary is out nobody else goes; what was deferred is of it.
                wanted = min(wanted, canaries.get(mailing_id, wanted))
            if wanted <= 0:
                continue
            values = {"state": state, "mailing": mailing_id, "shares": share_ids, "now": now}
            for delivery_id, name in _in_turn(connection, values, wanted, left):
                found[delivery_id] = name
                left[name] -= 1
    return found


def _in_turn(
    connection: Connection, values: Mapping[str, Any], wanted: int, left: Mapping[str, int]
) -> list[tuple[int, str]]:
    """Return up to `wanted` of one mailing in one state, as many of each class as can be."""
    open_classes = [name for name, room in left.items() if room > 0]
    if not open_classes:
        return []
    each = -(-wanted // len(open_classes))
    asked = {name: min(left[name], each) for name in open_classes}
    rows = _read(connection, values, asked)
    got = dict.fromkeys(asked, 0)
    for _, name in rows:
        got[name] += 1
    more = [name for name in asked if got[name] == asked[name] < left[name]]
    short = wanted - len(rows)
    if short > 0 and more:
        # The others have no more: what is left of the turn goes to those who have.
        each = -(-short // len(more))
        asked = {name: min(left[name], got[name] + each) for name in more}
        rows = [row for row in rows if row[1] not in asked] + _read(connection, values, asked)
    return rows[:wanted]


def _read(
    connection: Connection, values: Mapping[str, Any], asked: Mapping[str, int]
) -> list[tuple[int, str]]:
    limits = {f"limit_{name}": asked[name] for name in asked}
    as_json = connection.dialect.name == "sqlite"
    found = connection.execute(_statement(tuple(asked), as_json), {**values, **limits})
    if as_json:
        return [(row[0], row[1]) for row in json.loads(found.scalar_one())]
    return [(row.id, row.domain_class) for row in found]


@lru_cache(maxsize=256)
def _statement(classes: tuple[str, ...], as_json: bool) -> Any:  # noqa: ANN401, FBT001  (A query has no shorter type here; the flag is part of the cache's key.)
    """Return the query for these classes; building it anew each time costs more than running it.

    Args:
        classes: of domains.
        as_json: all rows as one text, see `mailer.store.batches`.
    """
    arms = []
    for name in classes:
        arm = (
            select(delivery.c.id, delivery.c.domain_class)
            .where(
                delivery.c.state == bindparam("state", type_=delivery.c.state.type),
                delivery.c.mailing_id == bindparam("mailing"),
                delivery.c.share_id.in_(bindparam("shares", expanding=True)),
                delivery.c.domain_class == name,
                delivery.c.next_attempt_at <= bindparam("now", type_=Instant),
            )
            .order_by(delivery.c.share_id, delivery.c.next_attempt_at)
            .limit(bindparam(f"limit_{name}"))
            # PostgreSQL: another sender takes others. SQLite has one writer at a time.
            .with_for_update(skip_locked=True)
            .subquery(f"of_{name}")
        )
        arms.append(select(arm.c.id, arm.c.domain_class))
    query = union_all(*arms) if len(arms) > 1 else arms[0]
    if not as_json:
        return query
    found = query.subquery("found")
    row = func.json_array(found.c.id, found.c.domain_class)
    return select(func.json_group_array(row))
