"""The tree of a segment expression: who of a list is meant.

In: nothing. Out: frozen dataclasses, which `audience/` builds from text and the store compiles to
SQL. Two-valued: a comparison with a missing value is false, also `!=`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailer.model.audience import Attribute


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


Segment = Compare | OneOf | Holds | Missing | Received | Not | And | Or
