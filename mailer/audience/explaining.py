"""Say in words what a segment asks, and in figures whom each part of it means.

In: an expression and the lists to look on. Out: an `Explanation`: the count, how many people lack
each field that is asked about, who reads what first, and the expression as a tree in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mailer.model.audience import Attribute
from mailer.model.segments import (
    And,
    Compare,
    Fallback,
    Field,
    Holds,
    Missing,
    Not,
    OneOf,
    Operator,
    Or,
    Received,
    Segment,
    Skipped,
    walk,
)
from mailer.store.engine import Connection
from mailer.store.segment_counts import count_by_language, count_lacking, count_people

_FIELDS = {
    Field.LANGUAGE: "the first language",
    Field.LANGUAGES: "the languages",
    Field.COUNTRY: "the country",
    Field.TAGS: "the tags",
    Field.JOINED: "the day they joined",
}
_OPERATORS = {
    Operator.EQUAL: "is",
    Operator.UNEQUAL: "is not",
    Operator.LESS: "is below",
    Operator.LESS_OR_EQUAL: "is at most",
    Operator.GREATER: "is above",
    Operator.GREATER_OR_EQUAL: "is at least",
}
_DAY_OPERATORS = {
    **_OPERATORS,
    Operator.LESS: "is before",
    Operator.LESS_OR_EQUAL: "is not after",
    Operator.GREATER: "is after",
    Operator.GREATER_OR_EQUAL: "is not before",
}


@dataclass(frozen=True)
class Part:
    """One part of an expression."""

    #: How deep it stands; the whole has 0.
    depth: int
    words: str
    #: How many people it means by itself.
    people: int


@dataclass(frozen=True)
class Explanation:
    """What a segment asks and whom it means; each address counts once."""

    #: People on the lists.
    on_lists: int
    people: int
    #: Field → people on the lists of whom it is not known.
    lacking: Mapping[str, int]
    #: First language → people the segment means; "" where none is named.
    by_language: Mapping[str, int]
    #: The whole first, each part before its own parts.
    parts: Sequence[Part]


def explain(connection: Connection, on_lists: Sequence[int], segment: Segment) -> Explanation:
    """Count a segment and each part of it.

    Args:
        connection: a connection in a transaction.
        on_lists: row ids of the lists to look on.
        segment: the expression.
    """
    parts = tuple(
        Part(depth, words, count_people(connection, on_lists, part))
        for depth, words, part in _tree(segment, 0)
    )
    return Explanation(
        on_lists=count_people(connection, on_lists),
        people=parts[0].people,
        lacking={
            field_name(field): count_lacking(connection, on_lists, field)
            for field in fields_of(segment)
        },
        by_language=count_by_language(connection, on_lists, segment),
        parts=parts,
    )


def fields_of(segment: Segment) -> tuple[Field | Attribute, ...]:
    """Return the fields an expression asks about, in the order in which it names them."""
    found = [
        part.field for part in walk(segment) if isinstance(part, Compare | OneOf | Holds | Missing)
    ]
    return tuple(dict.fromkeys(found))


def field_name(field: Field | Attribute) -> str:
    """Return a field as an expression names it."""
    return field.name if isinstance(field, Attribute) else field.value


def _tree(segment: Segment, depth: int) -> Iterator[tuple[int, str, Segment]]:
    yield depth, words_of(segment), segment
    inner: Sequence[Segment] = ()
    if isinstance(segment, And | Or):
        inner = segment.parts
    elif isinstance(segment, Not) and isinstance(segment.inner, And | Or | Not):
        inner = (segment.inner,)
    for part in inner:
        yield from _tree(part, depth + 1)


def words_of(segment: Segment) -> str:
    """Return what one part of an expression asks, without what stands in it."""
    match segment:
        case And():
            return "all of these hold:"
        case Or():
            return "any of these holds:"
        case Not(And() | Or() | Not()):
            return "this does not hold:"
        case Not(Missing(field)):
            return f"{_named(field)} {_are(field)} on record"
        case Not(inner):
            return f"not so: {words_of(inner)}"
        case Missing(field):
            return f"{_named(field)} {_are(field)} not on record"
        case Holds(field, value):
            return f'{_named(field)} hold "{value}"'
        case OneOf(field, values):
            return f"{_named(field)} is one of {', '.join(map(_value, values))}"
        case Compare(field, operator, value):
            days = field is Field.JOINED or (
                isinstance(field, Attribute) and field.type.value == "date"
            )
            table = _DAY_OPERATORS if days else _OPERATORS
            return f"{_named(field)} {table[operator]} {_value(value)}"
        case _:
            return _history(segment)


def _history(segment: Segment) -> str:
    match segment:
        case Received(slug, language):
            return f'"{slug}" was sent to them' + (f" in {language}" if language else "")
        case Fallback(slug, wanted):
            lacked = f", which is {wanted}" if wanted else ""
            return f'"{slug}" was sent to them, but never in their first language{lacked}'
        case Skipped(slug, reason):
            why = reason.value.replace("_", " ")
            return f'"{slug}" was not sent to them, the reason being: {why}'
    raise AssertionError(segment)


def _named(field: Field | Attribute) -> str:
    return f'"{field.name}"' if isinstance(field, Attribute) else _FIELDS[field]


def _are(field: Field | Attribute) -> str:
    return "are" if field in (Field.TAGS, Field.LANGUAGES) else "is"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
