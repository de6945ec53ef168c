"""Decide per supporter which branches of the templates hold, as one vector of truths.

In: conditions over a supporter's fields, taken from the templates. Out: a truth vector per
supporter, and beforehand all the vectors that any supporter can have. A message is compiled once
per vector, so there may not be many. A field that is missing is "", and `{% if supporter.x %}`
asks for a value other than that and other than "no", which is how a boolean attribute says no; a
person may be called so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

#: How many compiled messages one edition may come to.
MAX_VECTORS = 64
#: What a boolean attribute that is false reads.
NO = "no"
#: Fields that are never a boolean, whatever they read.
_PLAIN_TEXT = frozenset({"name", "country"})
#: Combinations of values looked at for conditions that share fields.
_MAX_COMBINATIONS = 20_000
#: Stands for every value that no condition names.
_ANY_OTHER = "\uffff"

TruthVector: TypeAlias = tuple[bool, ...]


@dataclass(frozen=True)
class Given:
    """`supporter.field`: there is a value, and it is not "no"."""

    field: str

    def __str__(self) -> str:
        return f"supporter.{self.field}"


@dataclass(frozen=True)
class OneOf:
    """`supporter.field == "x"` or `supporter.field in ("x", "y")`."""

    field: str
    #: Sorted, each once.
    literals: tuple[str, ...]

    def __str__(self) -> str:
        quoted = ", ".join(f'"{literal}"' for literal in self.literals)
        if len(self.literals) == 1:
            return f"supporter.{self.field} == {quoted}"
        return f"supporter.{self.field} in ({quoted})"


@dataclass(frozen=True)
class Negation:
    """`not …`."""

    of: Condition

    def __str__(self) -> str:
        return f"not ({self.of})" if isinstance(self.of, AllOf | AnyOf) else f"not {self.of}"


@dataclass(frozen=True)
class AllOf:
    """`… and …`."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(
            f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts
        )


@dataclass(frozen=True)
class AnyOf:
    """`… or …`."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts))


Condition: TypeAlias = Given | OneOf | Negation | AllOf | AnyOf


class TooManyVectors(Exception):
    """The conditions of one edition would need more compiled messages than are made."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self.conditions = tuple(conditions)
        super().__init__("; ".join(map(str, conditions)))


def holds(condition: Condition, fields: Mapping[str, str]) -> bool:
    """Tell whether a condition holds for a supporter's fields; a missing field is ""."""
    match condition:
        case Given(field):
            value = fields.get(field, "")
            return value not in ("", NO) or (value == NO and field in _PLAIN_TEXT)
        case OneOf(field, literals):
            return fields.get(field, "") in literals
        case Negation(of):
            return not holds(of, fields)
        case AllOf(parts):
            return all(holds(part, fields) for part in parts)
        case AnyOf(parts):
            return any(holds(part, fields) for part in parts)


def truth_vector(conditions: Iterable[Condition], fields: Mapping[str, str]) -> TruthVector:
    """Return the truth of every condition for one supporter, in the order given."""
    # A list first: one is made for each mail, and a generator takes twice as long.
    return tuple([holds(condition, fields) for condition in conditions])


def fields_asked(conditions: Iterable[Condition]) -> frozenset[str]:
    """Return the names of the fields that conditions ask for."""
    return frozenset(atom.field for one in conditions for atom in _atoms(one))


def possible_vectors(conditions: Sequence[Condition]) -> tuple[TruthVector, ...]:
    """Return every truth vector that some supporter could have, sorted.

    Conditions that exclude each other, as two values of one field do, are not counted twice over.

    Raises:
        TooManyVectors: when there are more than `MAX_VECTORS`.
    """
    # Conditions without a common field are independent: their vectors multiply.
    groups: list[tuple[tuple[int, ...], tuple[TruthVector, ...]]] = []
    total = 1
    for group in _sharing_fields(conditions):
        vectors = _vectors_of([conditions[index] for index in group])
        total *= len(vectors)
        if total > MAX_VECTORS:
            raise TooManyVectors(conditions)
        groups.append((group, vectors))
    found = []
    for chosen in itertools.product(*(vectors for _, vectors in groups)):
        whole = [False] * len(conditions)
        for (group, _), vector in zip(groups, chosen, strict=True):
            for index, truth in zip(group, vector, strict=True):
                whole[index] = truth
        found.append(tuple(whole))
    return tuple(sorted(found))


def _vectors_of(conditions: Sequence[Condition]) -> tuple[TruthVector, ...]:
    fields = sorted(fields_asked(conditions))
    choices = [_telling_values(field, conditions) for field in fields]
    combinations = 1
    for values in choices:
        combinations *= len(values)
    if combinations > _MAX_COMBINATIONS:
        raise TooManyVectors(conditions)
    found = {
        truth_vector(conditions, dict(zip(fields, values, strict=True)))
        for values in itertools.product(*choices)
    }
    return tuple(found)


def _telling_values(field: str, conditions: Iterable[Condition]) -> list[str]:
    """Return one value of the field for each way in which the conditions tell values apart."""
    atoms = sorted(
        {atom for one in conditions for atom in _atoms(one) if atom.field == field}, key=str
    )
    named = {value for atom in atoms if isinstance(atom, OneOf) for value in atom.literals}
    by_truth: dict[TruthVector, str] = {}
    for value in ("", NO, _ANY_OTHER, *sorted(named)):
        by_truth.setdefault(truth_vector(atoms, {field: value}), value)
    return list(by_truth.values())


def _atoms(condition: Condition) -> tuple[Given | OneOf, ...]:
    match condition:
        case Negation(of):
            return _atoms(of)
        case AllOf(parts) | AnyOf(parts):
            return tuple(atom for part in parts for atom in _atoms(part))
        case atom:
            return (atom,)


def _sharing_fields(conditions: Sequence[Condition]) -> list[tuple[int, ...]]:
    """Return the indexes of the conditions, grouped by the fields they have in common."""
    groups: list[tuple[set[str], list[int]]] = []
    for index, condition in enumerate(conditions):
        fields = set(fields_asked([condition]))
        members = [index]
        apart = []
        for other_fields, others in groups:
            if other_fields & fields:
                fields |= other_fields
                members = others + members
            else:
                apart.append((other_fields, others))
        groups = [*apart, (fields, members)]
    return [tuple(sorted(members)) for _, members in groups]
