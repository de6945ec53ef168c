"""Which topics people chose, and whom a mailing misses by it.

In: row ids of lists, supporters and mailings. Out: SQL clauses, and rows. Who chose no topic of a
list gets everything through it; so does everyone what has no topic.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    case,
    delete,
    exists,
    false,
    func,
    select,
)

from mailer.store.segments import Clause
from mailer.store.tables import delivery, mailing_topic, membership_topic


def chose_others(member: FromClause, topics: Sequence[str]) -> Clause:
    """Tell whether a member chose topics of a list, and none of these.

    Args:
        member: their row of `membership`.
        topics: keys, one at least.
    """
    return _misses(member, membership_topic.c.topic.in_(topics)).correlate(member).scalar_subquery()


def chose_others_than_mailing(member: FromClause) -> Clause:
    """Tell whether a member chose topics of a list, and none of those that a delivery's mailing has.

    Args:
        member: a row with `list_id` and `supporter_id`, beside `delivery`.
    """
    of_mailing = mailing_topic.c.mailing_id == delivery.c.mailing_id
    same = exists().where(of_mailing, mailing_topic.c.topic == membership_topic.c.topic)
    misses = (
        _misses(member, same.correlate(delivery, membership_topic))
        .correlate(member, delivery)
        .scalar_subquery()
    )
    # No AND: SQLite would look at both, and most mailings have no topic.
    return case((exists().where(of_mailing), misses), else_=false())


def _misses(member: FromClause, is_one: ColumnElement[bool]) -> Select[bool]:
    """Return the query of whether of a member's topics none is one; nobody's are none."""
    # One look for both questions: of most people there is no row at all.
    return select(func.coalesce(func.max(case((is_one, 1), else_=0)), 1) == 0).where(
        membership_topic.c.list_id == member.c.list_id,
        membership_topic.c.supporter_id == member.c.supporter_id,
    )


def topics_of_all(
    connection: Connection, list_id: int, ids: Collection[int]
) -> dict[int, list[str]]:
    """Return the topics of a list that supporters chose, by their id; of who chose none, no topic."""
    found: dict[int, list[str]] = {one: [] for one in ids}
    of_list = membership_topic.c.list_id == list_id
    for row in connection.execute(
        select(membership_topic).where(of_list, membership_topic.c.supporter_id.in_(ids))
    ):
        found[row.supporter_id].append(row.topic)
    return found


def choose_topics(
    connection: Connection, list_id: int, chosen: Mapping[int, Collection[str]]
) -> None:
    """Write the topics of people on a list, by supporter; they take the place of any there are."""
    if not chosen:
        return
    connection.execute(
        delete(membership_topic).where(
            membership_topic.c.list_id == list_id,
            membership_topic.c.supporter_id.in_(chosen),
        )
    )
    rows = [
        {"list_id": list_id, "supporter_id": who, "topic": topic}
        for who, topics in chosen.items()
        for topic in sorted(topics)
    ]
    if rows:
        connection.execute(membership_topic.insert(), rows)


def write_topics(connection: Connection, mailing_id: int, topics: Sequence[str]) -> None:
    """Write which topics a mailing has, and no others."""
    connection.execute(delete(mailing_topic).where(mailing_topic.c.mailing_id == mailing_id))
    if topics:
        connection.execute(
            mailing_topic.insert(), [{"mailing_id": mailing_id, "topic": one} for one in topics]
        )


def topics_of_mailing(connection: Connection, mailing_id: int) -> tuple[str, ...]:
    """Return the topics of a mailing, sorted."""
    query = select(mailing_topic.c.topic).where(mailing_topic.c.mailing_id == mailing_id)
    return tuple(connection.execute(query.order_by(mailing_topic.c.topic)).scalars())
