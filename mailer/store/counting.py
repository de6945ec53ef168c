"""Count people by the rows of a query, a million of them while somebody waits.

In: a query over members of a list and their rows of `supporter`. Out: how often each row of it comes.
Most people are known by one row, which tells all; those who are not are found first, and few.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    bindparam,
    case,
    false,
    func,
    not_,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.sql.elements import Grouping

from mailer.model.states import SkipReason
from mailer.store.audience import is_live, scopes_for
from mailer.store.routes import RouteList, Rules, mark_of
from mailer.store.segments import Clause, compile_segment
from mailer.store.tables import membership, supporter, suppression

#: Columns of a row, and how many rows are the same.
Counted = tuple[tuple[Any, ...], int]
#: Where there are more than a few, people are counted in parts of so many: the lines of one part are in
#: memory together.
PART = 125_000
#: So many ids are written into a statement at once.
_SLICE = 50_000
#: Names by which a query knows ids: suppressed, marked by another row, looked at by their address.
BARRED, MARKED, BY_ADDRESS = "barred", "marked", "by_address"
#: Between the values of a row, and between rows: no value has them.
_BETWEEN, _END = "\x1f", "\x1e"
#: Reasons as numbers.
_REASONS: tuple[SkipReason | None, ...] = (None, *SkipReason)
CODES = len(_REASONS)
_MARKS = (SkipReason.SUPPORTER_PAUSED, SkipReason.ONLY_URGENT, SkipReason.DISCREET_NOT_READY)


def code_of(reason: SkipReason | None) -> int:
    """Return the number of a reason; 0 for none."""
    return _REASONS.index(reason)


def reason_of(code: int) -> SkipReason | None:
    """Return the reason of a number."""
    return _REASONS[code]


def among(name: str) -> Clause:
    """Tell whether somebody is among those whose ids are given by a name."""
    # Written into the statement: there may be more of them than a statement takes parameters.
    return supporter.c.id.in_(bindparam(name, expanding=True, literal_execute=True))


def ids_of(connection: Connection, query: Select[Any]) -> list[int]:
    """Return the ids that a query finds, in order."""
    return sorted(connection.execute(query).scalars())


def known_twice(connection: Connection) -> list[int]:
    """Return the ids of those whose address has more than one row."""
    one = supporter.alias()
    doubled = select(one.c.address_digest).group_by(one.c.address_digest).having(func.count() > 1)
    return ids_of(connection, select(supporter.c.id).where(supporter.c.address_digest.in_(doubled)))


def slices(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield ids in pieces that a statement can hold."""
    for first in range(0, len(ids), _SLICE):
        yield ids[first : first + _SLICE]


def of_these(connection: Connection, ids: Sequence[int], clause: Clause) -> list[int]:
    """Return those of some ids of whom a clause over `supporter` is true."""
    query = select(supporter.c.id).where(among("these"), clause)
    return [
        row_id
        for piece in slices(ids)
        for row_id in sorted(connection.execute(query, {"these": piece}).scalars())
    ]


def barred_by(connection: Connection, organisation_id: int) -> list[int]:
    """Return the ids of those to whom an organisation may not write."""
    return ids_of(
        connection,
        select(supporter.c.id)
        .join(suppression, suppression.c.address_digest == supporter.c.address_digest)
        .where(suppression.c.scope.in_(scopes_for(organisation_id))),
    )


def mark_by(rules: Rules, marked: Sequence[int]) -> ColumnElement[str | None]:
    """Return the mark of somebody: by their own row, or by all of their rows for those of these ids.

    The ids are those that `MARKED` names in the query.
    """
    own = mark_of(supporter, replace(rules, shared=False))
    # Nobody is looked for among nobody: that would take as long as the rest.
    return case((among(MARKED), mark_of(supporter, rules)), else_=own) if marked else own


def mark_code(mark: ColumnElement[str | None], otherwise: ColumnElement[int] | int) -> Any:  # noqa: ANN401  (A case.)
    """Return the number of a mark, or something else where there is none."""
    return case({one: code_of(one) for one in _MARKS}, value=mark, else_=otherwise)


def is_excluded(rules: Rules) -> Clause:
    """Tell whether the one row that there is of somebody leaves them out."""
    clauses: list[Clause] = [false()]
    if rules.segment is not None:
        clauses.append(not_(compile_segment(rules.segment)))
    if rules.exclude is not None:
        clauses.append(compile_segment(rules.exclude))
    return or_(*clauses)


def members(query: Select[Any], route: RouteList) -> Select[Any]:
    """Return a query over the members of a list, with their rows."""
    return (
        query.select_from(membership)
        # The sum is what it was, and keeps SQLite from going through the people and looking each up on
        # the list: members in their order find people in their order, which is five times as fast.
        .join(supporter, supporter.c.id == membership.c.supporter_id + 0)
        .where(membership.c.list_id == route.list_id, is_live(membership))
    )


def parts(connection: Connection) -> Iterator[tuple[int, int]]:
    """Yield ranges of ids, after the first and up to the second, that hold everybody.

    Only SQLite is asked in parts: other databases count by themselves.
    """
    last = connection.execute(select(func.max(supporter.c.id))).scalar() or 0
    size = PART if connection.dialect.name == "sqlite" else last + 1
    for since in range(0, last + 1, size):
        yield since, since + size


def counted_part(
    connection: Connection,
    query: Select[Any],
    found: Mapping[str, Sequence[int]],
    part: tuple[int, int],
) -> Iterator[Counted]:
    """Yield how often each row of a query over `members` comes; its values may come as text.

    Args:
        connection: a connection in a transaction.
        query: over `members`.
        found: ids that the query knows by name, in order.
        part: one of `parts`.
    """
    since, until = part
    values = {
        name: ids[bisect_right(ids, since) : bisect_right(ids, until)]
        for name, ids in found.items()
    }
    query = query.where(membership.c.supporter_id > since, membership.c.supporter_id <= until)
    if connection.dialect.name != "sqlite":
        rows = query.subquery()
        for row in connection.execute(select(*rows.c, func.count()).group_by(*rows.c), values):
            yield tuple(row[:-1]), row[-1]
        return
    # SQLite sorts what it groups, and hands over each row by itself: for a million people either takes
    # longer than all the rest. All rows in one text it makes while others may work.
    # In brackets, since || binds closer than a sum.
    first, *others = (type_coerce(Grouping(one), Text) for one in query.selected_columns)
    line: ColumnElement[str] = first
    for one in others:
        line = line.concat(_BETWEEN).concat(one)
    text = connection.execute(
        query.with_only_columns(func.group_concat(line, _END)), values
    ).scalar()
    if text is not None:
        for key, people in Counter(text.split(_END)).items():
            yield tuple(key.split(_BETWEEN)), people
