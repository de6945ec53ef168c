"""Hide small counts from partner organisations, so that no sum tells them after all.

In: tables of counts. Out: the same with every count below ten hidden, and others beside them where a
hidden one could be reckoned from a sum. Nothing here reads or writes anything.

A column of a table is a line: its sum is taken as known, since the column of the same name in another
table may show it. A line is safe when each hidden small count could still be any number from 0 to 9.
Where no line of a name can be made safe, all of that name is hidden. Sums of rows are never shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

#: Counts below this are hidden.
SMALL = 10


class Hidden(StrEnum):
    """What stands in the place of a count."""

    #: It is small.
    SMALL = "< 10"
    #: It would tell a small one.
    BESIDE = "hidden"


Cell = int | Hidden


@dataclass(frozen=True)
class FigureTable:
    """Counts by what stands in the first column and what stands above."""

    #: What the rows are: "language", "list", …
    name: str
    columns: tuple[str, ...]
    #: Key of a row → a count for each column.
    rows: Mapping[str, tuple[Cell, ...]]

    def column(self, name: str) -> list[Cell]:
        """Return the cells of a column, in order of the rows."""
        place = self.columns.index(name)
        return [cells[place] for cells in self.rows.values()]


def table_of(name: str, counts: Mapping[str, Mapping[str, int]]) -> FigureTable:
    """Return a table of counts by row and column; what is not named is none."""
    columns = tuple(dict.fromkeys(column for row in counts.values() for column in row))
    rows = {key: tuple(row.get(one, 0) for one in columns) for key, row in counts.items()}
    return FigureTable(name, columns, rows)


def guard(counts: Sequence[int]) -> set[int] | None:
    """Return which counts of a line to hide; None where its sum must not be known either.

    Args:
        counts: those of the line; whoever reads it knows their sum.
    """
    small = [place for place, count in enumerate(counts) if count < SMALL]
    if not small:
        return set()
    sum_of_small = sum(counts[place] for place in small)
    # Each may be 0 or 9 while the others make up for it.
    if SMALL - 1 <= sum_of_small <= (SMALL - 1) * (len(small) - 1):
        return set(small)
    beside: list[int] = []
    room = sum_of_small
    for place in sorted(range(len(counts)), key=lambda one: counts[one]):
        if counts[place] < SMALL:
            continue
        beside.append(place)
        # Of these it is known that they are not small, and not how great they are.
        room += counts[place] - SMALL
        if room >= SMALL - 1:
            return {*small, *beside}
    return None


def hide_small_counts(tables: Sequence[FigureTable]) -> tuple[FigureTable, ...]:
    """Return tables as partner organisations may see them.

    Columns of the same name in several tables are taken for the same things, counted in other ways.
    """
    names = {column for table in tables for column in table.columns}
    forbidden = {name for name in names if any(_is_unsafe(table, name) for table in tables)}
    return tuple(_hidden(table, forbidden) for table in tables)


def hide_in_overlapping(table: FigureTable, totals: Mapping[str, int]) -> FigureTable:
    """Return a table whose rows may have people in common, as partner organisations may see it.

    A count is hidden where it is small, or where the rest of its column is; where it differs from
    another by little, since one row may be part of the other; and where it would tell one of these.
    Rows may also be parts of a whole: what is hidden in a column must not be its sum less the others.

    Args:
        table: one that is not hidden yet.
        totals: what each column counts over everybody; whoever reads the table knows them.
    """
    columns = [_hidden_overlapping(_counts(table, one), totals[one]) for one in table.columns]
    rows = {key: tuple(column[place] for column in columns) for place, key in enumerate(table.rows)}
    return FigureTable(table.name, table.columns, rows)


def _hidden_overlapping(counts: Sequence[int], total: int) -> list[Cell]:
    rest = total - sum(counts)
    guarded = guard([*counts, rest]) if rest >= 0 else guard(counts)
    hide = set(range(len(counts))) if guarded is None else guarded - {len(counts)}
    hide |= {place for place, count in enumerate(counts) if total - count < SMALL}
    shown: list[int] = []
    for place in sorted(range(len(counts)), key=lambda one: counts[one]):
        if place in hide:
            continue
        if _tells_a_small_one(counts[place], shown, total):
            hide.add(place)
        else:
            shown.append(counts[place])
    return [_shown(count, place in hide) for place, count in enumerate(counts)]


def _tells_a_small_one(count: int, shown: Sequence[int], total: int) -> bool:
    """Tell whether a count, less or added to what is shown already, comes to a small one."""
    sums = set(shown) | {one + two for one in shown for two in shown}
    near = (abs(count - one) for one in {*sums, sum(shown)} if one)
    left = (abs(total - count - one) for one in {*sums, sum(shown)})
    return any(one < SMALL for one in (*near, *left))


def _counts(table: FigureTable, name: str) -> list[int]:
    return [cell for cell in table.column(name) if isinstance(cell, int)]


def _is_unsafe(table: FigureTable, name: str) -> bool:
    return name in table.columns and guard(_counts(table, name)) is None


def _hidden(table: FigureTable, forbidden: Collection[str]) -> FigureTable:
    columns: list[list[Cell]] = []
    for name in table.columns:
        counts = _counts(table, name)
        hide = guard(counts)
        if hide is None or name in forbidden:
            hide = set(range(len(counts)))
        columns.append([_shown(count, place in hide) for place, count in enumerate(counts)])
    rows = {key: tuple(column[place] for column in columns) for place, key in enumerate(table.rows)}
    return FigureTable(table.name, table.columns, rows)


def _shown(count: int, is_hidden: bool) -> Cell:  # noqa: FBT001  (Private, and called by place.)
    if not is_hidden:
        return count
    return Hidden.SMALL if count < SMALL else Hidden.BESIDE
