"""Read and count segments as the workspace knows them.

In: a workspace, an expression or the key of a saved segment, and the lists to look on. Out: the
saved segments, a count, or an explanation. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailer.app.workspace import Workspace
from mailer.audience.explaining import Explanation, explain
from mailer.audience.mentions import mention_faults
from mailer.audience.segments import (
    Expression,
    Place,
    load_segments,
    read_expression,
    saved_segments,
)
from mailer.model.audience import Attribute, ListDefinition
from mailer.model.faults import FaultsFound, errors_in
from mailer.store.engine import Connection
from mailer.store.segment_counts import count_people, list_ids

#: What faults of the expression name.
ARGUMENT = "EXPR"


@dataclass(frozen=True)
class SavedCount:
    """A saved segment, and how many people it means."""

    key: str
    name: str
    text: str
    people: int


@dataclass(frozen=True)
class Question:
    """An expression that was read, and the lists it is asked on."""

    expression: Expression
    #: Keys; all there are when none was named.
    lists: tuple[str, ...]


def ask(workspace: Workspace, text: str, lists: Sequence[str]) -> Question:
    """Read an expression for some lists, or for all.

    Raises:
        FaultsFound: with what is wrong with it or the lists; whether the statements it asks about
            are known is found out when it is counted.
    """
    chosen = _chosen(workspace, lists)
    attributes = attributes_of(chosen)
    saved = saved_segments(workspace.config.lists_dir)
    expression = read_expression(text, attributes, Place(ARGUMENT), saved)
    return Question(expression, tuple(one.key for one in chosen))


def count(workspace: Workspace, question: Question) -> tuple[int, int]:
    """Return how many people an expression means, and how many are on the lists.

    Raises:
        FaultsFound: when it asks about statements nobody knows, or deliveries that are gone.
    """
    with workspace.store.read() as connection:
        ids = list_ids(connection, question.lists)
        people = count_people(connection, ids, question.expression.segment)
        on_lists = count_people(connection, ids)
        _check_mentions(connection, [question.expression])
    return people, on_lists


def explanation(workspace: Workspace, question: Question) -> Explanation:
    """Return what an expression asks and whom it means.

    Raises:
        FaultsFound: when it asks about statements nobody knows, or deliveries that are gone.
    """
    with workspace.store.read() as connection:
        ids = list_ids(connection, question.lists)
        found = explain(connection, ids, question.expression.segment)
        _check_mentions(connection, [question.expression])
    return found


def saved_counts(workspace: Workspace, lists: Sequence[str]) -> list[SavedCount]:
    """Return the saved segments with how many people each means.

    Raises:
        FaultsFound: with every fault of the file and of the lists.
    """
    chosen = _chosen(workspace, lists)
    saved = saved_segments(workspace.config.lists_dir)
    # Whoever looks on one list sees all segments, those too that ask what only others declare.
    attributes = attributes_of(list(workspace.lists[0].values()))
    segments = load_segments(workspace.config.lists_dir, attributes)
    with workspace.store.read() as connection:
        ids = list_ids(connection, [one.key for one in chosen])
        counts = [
            SavedCount(
                key, saved.by_key[key].name, saved.by_key[key].text,
                count_people(connection, ids, one.segment),
            )
            for key, one in segments.items()
        ]  # fmt: skip
        _check_mentions(connection, segments.values())
    return counts


def _check_mentions(connection: Connection, expressions: Iterable[Expression]) -> None:
    """Refuse a count that asked about what is not known.

    After the counting: deliveries may be deleted meanwhile, and their mark is set with the first.
    """
    faults = [fault for one in expressions for fault in mention_faults(connection, one.mentions)]
    if faults:
        # Of one that others name too it is told once.
        raise FaultsFound(dict.fromkeys(faults))


def _chosen(workspace: Workspace, keys: Sequence[str]) -> list[ListDefinition]:
    definitions, list_faults = workspace.lists
    faults = [*errors_in(list_faults), *workspace.no_lists(keys)]
    if faults:
        raise FaultsFound(faults)
    return [definitions[key] for key in dict.fromkeys(keys)] or list(definitions.values())


def attributes_of(lists: Sequence[ListDefinition]) -> dict[str, Attribute]:
    """Return what some lists declare, by name."""
    return {name: value for one in lists for name, value in one.attributes.items()}
