"""A segment as a form that staff fill in: rows, in groups, with an exclusion.

In: nothing. Out: frozen dataclasses and enums. A form says less than the expression language; what it
cannot show is kept as text, see `mailer.audience.building`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Joiner(StrEnum):
    """How rows, or groups of rows, are taken together."""

    #: All of them hold.
    ALL = "and"
    #: One of them holds, or several.
    ANY = "or"


class Check(StrEnum):
    """What a row asks."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    #: One of several values; of tags and languages, any of them is there.
    ONE_OF = "in"
    #: None of several values; of tags and languages, none of them is there.
    NONE_OF = "not in"
    #: A value is among the tags or languages.
    HOLDS = "holds"
    #: It is not.
    HOLDS_NOT = "holds not"
    #: Nothing is on record.
    MISSING = "missing"
    #: Something is.
    PRESENT = "present"
    #: Got a statement: its slug, then a language or nothing.
    RECEIVED = "received"
    NOT_RECEIVED = "not received"
    #: Got it in another language than their first: its slug, then the first language or nothing.
    FALLBACK = "fallback"
    NOT_FALLBACK = "not fallback"
    #: Was left out by its mailings: its slug, then the reason.
    SKIPPED = "skipped"
    NOT_SKIPPED = "not skipped"
    #: Is of a saved segment: its key.
    SAVED = "segment"
    NOT_SAVED = "not segment"


#: What asks about no field, and its opposite.
OPPOSITES = {
    Check.RECEIVED: Check.NOT_RECEIVED,
    Check.FALLBACK: Check.NOT_FALLBACK,
    Check.SKIPPED: Check.NOT_SKIPPED,
    Check.SAVED: Check.NOT_SAVED,
}
#: What asks about earlier mailings and saved segments, not about a field.
WITHOUT_FIELD = frozenset((*OPPOSITES, *OPPOSITES.values()))
#: What needs no value.
WITHOUT_VALUE = frozenset({Check.MISSING, Check.PRESENT})
#: What takes several.
SEVERAL_VALUES = frozenset({Check.ONE_OF, Check.NONE_OF})


@dataclass(frozen=True)
class FormRow:
    """One question about a person."""

    check: Check
    #: As an expression names it; "" for a check in `WITHOUT_FIELD`.
    field: str = ""
    #: As people write them; of earlier mailings the slug, then a language or the reason.
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Rows taken together."""

    rows: tuple[FormRow, ...] = ()
    joiner: Joiner = Joiner.ALL


@dataclass(frozen=True)
class SegmentForm:
    """Whom a segment means, as a form says it; without any row it means everybody."""

    groups: tuple[Group, ...] = ()
    #: How the groups are taken together.
    joiner: Joiner = Joiner.ALL
    #: Whoever is meant by this group is left out; None for nobody.
    excluded: Group | None = None


class RowFault(StrEnum):
    """Why a row cannot be written."""

    #: There is no value, or one of several is empty.
    NO_VALUE = "no_value"
    #: There are more values than the check takes.
    TOO_MANY = "too_many"
    #: The value holds both kinds of quotation marks, or characters that nobody sees.
    UNWRITABLE = "unwritable"
    #: No such field is declared, or it is sealed.
    NO_FIELD = "no_field"
    #: The field cannot be asked for in this way.
    NO_SUCH_CHECK = "no_such_check"
    NO_LANGUAGE = "no_language"
    NO_COUNTRY = "no_country"
    NO_DAY = "no_day"
    NO_NUMBER = "no_number"
    NOT_YES_OR_NO = "not_yes_or_no"
    #: No such reason for which people are left out.
    NO_REASON = "no_reason"


@dataclass(frozen=True)
class RowProblem:
    """What is wrong with which row."""

    #: Of the groups, counted from 0; as many as there are groups for the exclusion.
    group: int
    #: Counted from 0.
    row: int
    fault: RowFault
