"""The tree of a segment expression: who of a list is meant.

In: nothing. Out: frozen dataclasses, which `audience/` builds from text and the store compiles to
SQL. Two-valued: a comparison with a missing value is false, also `!=`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from mailer.model.audience import Attribute
from mailer.model.states import SkipReason


class Field(StrEnum):
    """What every supporter has."""

    #: The first of their languages.
    LANGUAGE = "language"
    #: All of their languages.
    LANGUAGES = "languages"
    #: Two letters.
    COUNTRY = "country"
    #: The tags on record.
    TAGS = "tags"
    #: The day they joined.
    JOINED = "joined"


class Operator(StrEnum):
    """A comparison."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


@dataclass(frozen=True)
class Compare:
    """A field against one value; false where the field is missing."""

    field: Field | Attribute
    operator: Operator
    value: str | float | bool


@dataclass(frozen=True)
class OneOf:
    """A field against several values; false where the field is missing."""

    field: Field | Attribute
    values: tuple[str | float | bool, ...]


@dataclass(frozen=True)
class Holds:
    """One value among the tags or languages of a supporter."""

    field: Field
    value: str


@dataclass(frozen=True)
class Missing:
    """Nothing is on record for the field."""

    field: Field | Attribute


@dataclass(frozen=True)
class Received:
    """Some mailing of the statement was accepted for the address, or may have been."""

    slug: str
    #: Tag of the edition; "" for any.
    language: str = ""


@dataclass(frozen=True)
class Fallback:
    """The statement reached the address only in another language than the person's first."""

    slug: str
    #: The first language it lacked; "" for any.
    wanted: str = ""


@dataclass(frozen=True)
class Skipped:
    """The address was left out by a mailing of the statement for a reason, and none reached it."""

    slug: str
    reason: SkipReason


@dataclass(frozen=True)
class Not:
    """The opposite."""

    inner: Segment


@dataclass(frozen=True)
class And:
    """All of them."""

    parts: tuple[Segment, ...]


@dataclass(frozen=True)
class Or:
    """Any of them."""

    parts: tuple[Segment, ...]


#: What asks about earlier mailings.
History = Received | Fallback | Skipped
Segment = Compare | OneOf | Holds | Missing | History | Not | And | Or


def walk(segment: Segment) -> Iterator[Segment]:
    """Yield the parts of an expression, the whole first and each before its own parts."""
    yield segment
    if isinstance(segment, Not):
        yield from walk(segment.inner)
    elif isinstance(segment, And | Or):
        for part in segment.parts:
            yield from walk(part)
