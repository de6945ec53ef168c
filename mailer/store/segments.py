"""Compile segment expressions to SQL, every value bound.

In: an expression tree. Out: a boolean clause over `supporter`. The tree is two-valued: a comparison
with a missing value is false, so that `not` is the plain opposite on both databases. No text of the
expression ever becomes SQL.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol, cast

from sqlalchemy import (
    ColumnElement,
    FromClause,
    and_,
    exists,
    false,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.sql import operators

from mailer.model.audience import Attribute, AttributeType
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
)
from mailer.store.history import fallback, received, skipped
from mailer.store.tables import (
    language_profile,
    supporter,
    supporter_attribute,
    supporter_tag,
)

Clause = ColumnElement[bool]
_LAST_DAY = datetime(9999, 12, 31, tzinfo=UTC)
#: What a field is compared with.
Value = str | float | bool
_OPERATORS = {
    Operator.EQUAL: operators.eq,
    Operator.UNEQUAL: operators.ne,
    Operator.LESS: operators.lt,
    Operator.LESS_OR_EQUAL: operators.le,
    Operator.GREATER: operators.gt,
    Operator.GREATER_OR_EQUAL: operators.ge,
}
_COLUMNS = {
    AttributeType.TEXT: supporter_attribute.c.text_value,
    AttributeType.NUMBER: supporter_attribute.c.number_value,
    AttributeType.DATE: supporter_attribute.c.date_value,
    AttributeType.BOOLEAN: supporter_attribute.c.boolean_value,
}


class _Comparison(Protocol):
    """Makes a clause of the column that holds a field."""

    def __call__(self, column: ColumnElement[Any]) -> Clause:
        """Return the clause."""
        ...


def compile_segment(segment: Segment, row: FromClause = supporter) -> Clause:
    """Return the clause that is true for the supporters an expression means.

    Args:
        segment: the expression.
        row: the table `supporter`, or an alias of it that the query around uses.
    """
    match segment:
        case And(parts):
            return and_(true(), *(compile_segment(part, row) for part in parts))
        case Or(parts):
            return or_(false(), *(compile_segment(part, row) for part in parts))
        # Down to the tests: SQLite takes little nesting, and each NOT with its brackets is some.
        case Not(Not(inner)):
            return compile_segment(inner, row)
        case Not(And(parts)):
            return compile_segment(Or(tuple(map(Not, parts))), row)
        case Not(Or(parts)):
            return compile_segment(And(tuple(map(Not, parts))), row)
        case Not(inner):
            return not_(compile_segment(inner, row))
        case Compare(field, operator, value):
            return _compare(row, field, operator, value)
        case OneOf(field, values):
            return or_(false(), *(_compare(row, field, Operator.EQUAL, value) for value in values))
        case Holds(Field.TAGS, value):
            return _tag(row, supporter_tag.c.tag == value)
        case Holds(_, value):
            return _profile(row, _among(value))
        case Missing(field):
            return _missing(row, field)
        case Received(slug, language):
            return received(row, slug, language)
        case Fallback(slug, wanted):
            return fallback(row, slug, wanted)
        case Skipped(slug, reason):
            return skipped(row, slug, reason)
    raise AssertionError(segment)


def _attribute(row: FromClause, attribute: Attribute, comparison: _Comparison) -> Clause:
    return exists(
        select(literal(1))
        .select_from(supporter_attribute)
        .where(
            supporter_attribute.c.supporter_id == row.c.id,
            supporter_attribute.c.name == attribute.name,
            comparison(cast("ColumnElement[Any]", _COLUMNS[attribute.type])),
        )
        .correlate(row)
    )


def _tag(row: FromClause, clause: Clause) -> Clause:
    return exists(
        select(literal(1))
        .select_from(supporter_tag)
        .where(supporter_tag.c.supporter_id == row.c.id, clause)
        .correlate(row)
    )


def _profile(row: FromClause, clause: Clause) -> Clause:
    return row.c.profile_id.in_(select(language_profile.c.id).where(clause))


def _among(tag: str) -> Clause:
    """Look for a language among all of a profile, in the text of its tags joined by commas."""
    padded = literal(",") + language_profile.c.languages + literal(",")
    # RFC 4647 §3.3.1: a range also matches the tags that go on after it with a hyphen.
    return or_(
        padded.contains(f",{tag},", autoescape=True), padded.contains(f",{tag}-", autoescape=True)
    )


def _first_is(tag: str) -> Clause:
    padded = language_profile.c.languages + literal(",")
    return or_(
        padded.startswith(f"{tag},", autoescape=True), padded.startswith(f"{tag}-", autoescape=True)
    )


def _compare(row: FromClause, field: Field | Attribute, operator: Operator, value: Value) -> Clause:
    if isinstance(field, Attribute):
        return _attribute(row, field, lambda column: _OPERATORS[operator](column, value))
    if field is Field.COUNTRY:
        column = row.c.country
        return and_(column != "", cast("Clause", _OPERATORS[operator](column, value)))
    if field is Field.LANGUAGE:
        equal = _first_is(str(value))
        if operator is Operator.EQUAL:
            return _profile(row, equal)
        return _profile(row, and_(language_profile.c.languages != "", not_(equal)))
    return _joined(row, operator, str(value))


def _joined(row: FromClause, operator: Operator, day: str) -> Clause:
    """Compare the day somebody joined, in UTC: a day is from its first instant to the next day's."""
    begin = datetime.combine(date.fromisoformat(day), time(), UTC)
    # The calendar of the library ends with the year 9999, and nobody joins after it.
    end = begin + timedelta(days=1) if begin < _LAST_DAY else datetime.max.replace(tzinfo=UTC)
    column = row.c.joined_at
    clauses: dict[Operator, Clause] = {
        Operator.EQUAL: and_(column >= begin, column < end),
        Operator.UNEQUAL: or_(column < begin, column >= end),
        Operator.LESS: column < begin,
        Operator.LESS_OR_EQUAL: column < end,
        Operator.GREATER: column >= end,
        Operator.GREATER_OR_EQUAL: column >= begin,
    }
    return and_(column.is_not(None), clauses[operator])


def _missing(row: FromClause, field: Field | Attribute) -> Clause:
    if isinstance(field, Attribute):
        return not_(_attribute(row, field, lambda column: column.is_not(None)))
    if field is Field.TAGS:
        return not_(_tag(row, true()))
    if field is Field.COUNTRY:
        return row.c.country == ""
    if field is Field.JOINED:
        return row.c.joined_at.is_(None)
    return _profile(row, language_profile.c.languages == "")
