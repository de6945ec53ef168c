"""Turn a form that staff fill in into a segment expression, and an expression into the form.

In: a `SegmentForm`, or the text of an expression. Out: the other of the two. What is written reads
back to the same form. An expression that no form can show has none: it stays text.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from lark import Token, Transformer, v_args

from mailer.audience.expressions import parser
from mailer.audience.segments import SEGMENT_KEY
from mailer.cldr import is_language
from mailer.model.audience import Attribute, AttributeType
from mailer.model.segment_forms import (
    OPPOSITES,
    SEVERAL_VALUES,
    WITHOUT_FIELD,
    WITHOUT_VALUE,
    Check,
    FormRow,
    Group,
    Joiner,
    RowFault,
    RowProblem,
    SegmentForm,
)
from mailer.model.segments import Field
from mailer.model.states import SkipReason

_EQUALITY = (Check.EQUAL, Check.UNEQUAL, Check.ONE_OF, Check.NONE_OF)
_ORDER = (Check.LESS, Check.LESS_OR_EQUAL, Check.GREATER, Check.GREATER_OR_EQUAL)
_RECORD = (Check.MISSING, Check.PRESENT)
_AMONG = (Check.HOLDS, Check.HOLDS_NOT, Check.ONE_OF, Check.NONE_OF)
#: Written without quotation marks where a field cannot be anything else: MD, uk, 2025-01-31, 4.5.
_BARE = re.compile(r"[A-Za-z0-9.+-]+")
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "missing"})
#: Most values of such a check, beside the slug or key that it begins with.
_MOST_VALUES = {Check.SAVED: 1, Check.NOT_SAVED: 1}
_SKIPPING = frozenset({Check.SKIPPED, Check.NOT_SKIPPED})
_NEGATIONS = {negative: positive for positive, negative in OPPOSITES.items()}


@dataclass(frozen=True)
class _Not:
    inner: _Node


@dataclass(frozen=True)
class _Joined:
    joiner: Joiner
    parts: tuple[_Node, ...]


_Node = FormRow | _Not | _Joined


def checks_of(field: Field | Attribute) -> tuple[Check, ...]:
    """Return how a field can be asked for."""
    if field in (Field.TAGS, Field.LANGUAGES):
        return (*_AMONG, *_RECORD)
    kind = field.type if isinstance(field, Attribute) else None
    if kind is AttributeType.BOOLEAN:
        return (Check.EQUAL, *_RECORD)
    if field is Field.JOINED or kind in (AttributeType.NUMBER, AttributeType.DATE):
        return (*_EQUALITY, *_ORDER, *_RECORD)
    return (*_EQUALITY, *_RECORD)


def fields_of(attributes: Mapping[str, Attribute]) -> dict[str, Field | Attribute]:
    """Return what can be asked for, by the name that an expression uses."""
    clear = {name: one for name, one in sorted(attributes.items()) if one.clear}
    return {**{one.value: one for one in Field}, **clear}


def problems_of(form: SegmentForm, attributes: Mapping[str, Attribute]) -> list[RowProblem]:
    """Return what keeps a form from being written, by group and row."""
    known = fields_of(attributes)
    groups = [*form.groups, *([form.excluded] if form.excluded else [])]
    return [
        RowProblem(place, number, fault)
        for place, group in enumerate(groups)
        for number, row in enumerate(group.rows)
        if (fault := _fault(row, known)) is not None
    ]


def _fault(row: FormRow, known: Mapping[str, Field | Attribute]) -> RowFault | None:
    field = known.get(row.field)
    if row.check in WITHOUT_FIELD:
        return _fault_of_history(row)
    if field is None:
        return RowFault.NO_FIELD
    # An expression may compare yes and no by any check; a form offers fewer.
    if row.check not in checks_of(field) and not _is_boolean(field, row.check):
        return RowFault.NO_SUCH_CHECK
    if row.check in WITHOUT_VALUE:
        return RowFault.TOO_MANY if row.values else None
    if not row.values or not all(row.values):
        return RowFault.NO_VALUE
    if len(row.values) > 1 and row.check not in SEVERAL_VALUES:
        return RowFault.TOO_MANY
    return next((fault for one in row.values if (fault := _value_fault(field, one))), None)


def _is_boolean(field: Field | Attribute, check: Check) -> bool:
    is_boolean = isinstance(field, Attribute) and field.type is AttributeType.BOOLEAN
    return is_boolean and check in _EQUALITY


def _fault_of_history(row: FormRow) -> RowFault | None:
    most = _MOST_VALUES.get(row.check, 2)
    least = 2 if row.check in _SKIPPING else 1
    if len(row.values) < least or not all(row.values):
        return RowFault.NO_VALUE
    if len(row.values) > most:
        return RowFault.TOO_MANY
    if not all(map(_is_writable, row.values)):
        return RowFault.UNWRITABLE
    if row.check in _SKIPPING:
        return None if row.values[1] in skip_reasons() else RowFault.NO_REASON
    if len(row.values) == most == 2 and not is_language(row.values[1]):
        return RowFault.NO_LANGUAGE
    return None


def skip_reasons() -> tuple[str, ...]:
    """Return the reasons for which somebody can have been left out."""
    return tuple(one.value for one in SkipReason if one is not SkipReason.DUPLICATE_ADDRESS)


def _value_fault(field: Field | Attribute, value: str) -> RowFault | None:
    kind = field.type if isinstance(field, Attribute) else None
    if not _is_writable(value):
        return RowFault.UNWRITABLE
    if field in (Field.LANGUAGE, Field.LANGUAGES):
        return None if is_language(value) else RowFault.NO_LANGUAGE
    if field is Field.COUNTRY:
        return None if re.fullmatch("[A-Za-z]{2}", value) else RowFault.NO_COUNTRY
    if field is Field.JOINED or kind is AttributeType.DATE:
        return None if _is_day(value) else RowFault.NO_DAY
    if kind is AttributeType.NUMBER:
        return None if _is_number(value) else RowFault.NO_NUMBER
    if kind is AttributeType.BOOLEAN:
        return None if value.lower() in ("yes", "no") else RowFault.NOT_YES_OR_NO
    return None


def _is_writable(value: str) -> bool:
    seen = all(unicodedata.category(one) not in ("Cc", "Cs") for one in value)
    return seen and not ('"' in value and "'" in value)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def write_expression(form: SegmentForm) -> str:
    """Return the expression that a form says; "" where it means everybody.

    Args:
        form: one that `problems_of` finds nothing wrong with.
    """
    form = normal_form(form)
    many = len(form.groups) > 1
    parts = [
        f"({text})" if many and group.joiner is not form.joiner and len(group.rows) > 1 else text
        for group in form.groups
        if (text := f" {group.joiner} ".join(map(_written, group.rows)))
    ]
    meant = f" {form.joiner} ".join(parts)
    if form.excluded is None:
        return meant
    left_out = f"not ({f' {form.excluded.joiner} '.join(map(_written, form.excluded.rows))})"
    if not meant:
        return left_out
    if _top_joiner(form) is Joiner.ANY:
        meant = f"({meant})"
    return f"{meant} and {left_out}"


def _top_joiner(form: SegmentForm) -> Joiner:
    return form.joiner if len(form.groups) > 1 else form.groups[0].joiner


def _written(row: FormRow) -> str:
    match row.check:
        case Check.HOLDS:
            return f"{_value(row, row.values[0])} in {row.field}"
        case Check.HOLDS_NOT:
            return f"{_value(row, row.values[0])} not in {row.field}"
        case Check.MISSING:
            return f"{row.field} is missing"
        case Check.PRESENT:
            return f"{row.field} is not missing"
        case Check.ONE_OF | Check.NONE_OF:
            values = ", ".join(_value(row, one) for one in row.values)
            return f"{row.field} {row.check} ({values})"
        case check if check in WITHOUT_FIELD:
            values = ", ".join(map(_quoted, row.values))
            return f"{check}({values})"
        case check:
            return f"{row.field} {check} {_value(row, row.values[0])}"


def _value(row: FormRow, text: str) -> str:
    # Tags and attributes of text may hold anything, and read as words where they are quoted.
    bare = row.field in (Field.LANGUAGE, Field.LANGUAGES, Field.COUNTRY, Field.JOINED)
    is_number = row.check in _ORDER
    if (bare or is_number) and _BARE.fullmatch(text) and text.lower() not in _KEYWORDS:
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    mark = "'" if '"' in text else '"'
    return f"{mark}{text}{mark}"


def normal_form(form: SegmentForm) -> SegmentForm:
    """Return the one form of all that say the same in the same order of rows.

    Neighboring rows that are joined as their group is joined to the others stand in one group. To
    leave out whoever got a statement is to ask for those who did not get it.
    """
    groups = [_plain(group) for group in form.groups if group.rows]
    excluded = _plain(form.excluded) if form.excluded and form.excluded.rows else None
    merged = _merged(groups, form.joiner)
    if excluded is not None and len(excluded.rows) == 1:
        row = excluded.rows[0]
        asked = _asked_for(merged, form.joiner, row)
        if asked is not None:
            merged, excluded = asked, None
            return SegmentForm(tuple(merged), Joiner.ALL, None)
    joiner = form.joiner if len(merged) > 1 else Joiner.ALL
    return SegmentForm(tuple(merged), joiner, excluded)


def _plain(group: Group) -> Group:
    return replace(group, joiner=Joiner.ALL) if len(group.rows) == 1 else group


def _merged(groups: Sequence[Group], joiner: Joiner) -> list[Group]:
    """Put neighbors into one group where no brackets would stand between them."""
    if len(groups) < 2:
        return list(groups)
    found: list[Group] = []
    open_rows: list[FormRow] = []
    for group in groups:
        if len(group.rows) == 1 or group.joiner is joiner:
            open_rows += group.rows
            continue
        if open_rows:
            found.append(_plain(Group(tuple(open_rows), joiner)))
            open_rows = []
        found.append(group)
    if open_rows:
        found.append(_plain(Group(tuple(open_rows), joiner)))
    return found


def _asked_for(groups: Sequence[Group], joiner: Joiner, row: FormRow) -> list[Group] | None:
    """Return the groups with the opposite of a row that is left out; None where that cannot be."""
    opposite = OPPOSITES.get(row.check)
    if opposite is None or (len(groups) > 1 and joiner is Joiner.ANY):
        return None
    return _merged([*groups, Group((replace(row, check=opposite),))], Joiner.ALL)


def read_form(text: str) -> SegmentForm | None:
    """Return the form of an expression; None where no form can show it.

    Args:
        text: an expression that `mailer.audience.segments.read_expression` reads.
    """
    text = unicodedata.normalize("NFC", text.strip())
    if not text:
        return SegmentForm()
    if SEGMENT_KEY.fullmatch(text):
        return SegmentForm((Group((FormRow(Check.SAVED, values=(text,)),)),))
    node = _Nodes().transform(parser().parse(text))
    form = _form(node) or _form_with_exclusion(node)
    return normal_form(form) if form else None


def _form(node: _Node) -> SegmentForm | None:
    if isinstance(node, FormRow):
        return SegmentForm((Group((node,)),))
    if isinstance(node, _Not):
        return None
    groups = [_group(part) for part in node.parts]
    found = tuple(one for one in groups if one is not None)
    return SegmentForm(found, node.joiner) if len(found) == len(groups) else None


def _group(node: _Node) -> Group | None:
    if isinstance(node, FormRow):
        return Group((node,))
    if isinstance(node, _Not):
        return None
    rows = tuple(one for one in node.parts if isinstance(one, FormRow))
    return Group(rows, node.joiner) if len(rows) == len(node.parts) else None


def _form_with_exclusion(node: _Node) -> SegmentForm | None:
    if isinstance(node, _Not):
        excluded = _group(node.inner)
        return SegmentForm((), excluded=excluded) if excluded else None
    if not isinstance(node, _Joined) or node.joiner is not Joiner.ALL:
        return None
    last, rest = node.parts[-1], node.parts[:-1]
    excluded = None
    if isinstance(last, _Not):
        excluded = _group(last.inner)
    elif isinstance(last, FormRow) and last.check in _NEGATIONS:
        excluded = Group((replace(last, check=_NEGATIONS[last.check]),))
    form = _form(rest[0] if len(rest) == 1 else _Joined(Joiner.ALL, rest))
    return replace(form, excluded=excluded) if form and excluded else None


def rows_of(form: SegmentForm) -> Iterator[FormRow]:
    """Yield every row of a form."""
    for group in form.groups:
        yield from group.rows
    if form.excluded:
        yield from form.excluded.rows


def _text(token: Token) -> str:
    return str(token)[1:-1] if token.type == "STRING" else str(token)


class _Nodes(Transformer[Token, _Node]):
    """Makes rows of an expression that was read before, and so has no faults."""

    def either(self, parts: list[_Node]) -> _Node:
        return parts[0] if len(parts) == 1 else _Joined(Joiner.ANY, tuple(parts))

    def both(self, parts: list[_Node]) -> _Node:
        return parts[0] if len(parts) == 1 else _Joined(Joiner.ALL, tuple(parts))

    def not_(self, parts: list[_Node]) -> _Node:
        inner = parts[0]
        if isinstance(inner, FormRow) and inner.check in OPPOSITES:
            return replace(inner, check=OPPOSITES[inner.check])
        return _Not(inner)

    @v_args(inline=True)
    def compare(self, field: Token, operator: Token, value: Token) -> _Node:
        return _row(Check(str(operator).replace("==", "=")), field, value)

    def one_of(self, tokens: list[Token]) -> _Node:
        return _row(Check.ONE_OF, *tokens)

    def none_of(self, tokens: list[Token]) -> _Node:
        return _row(Check.NONE_OF, *tokens)

    @v_args(inline=True)
    def holds(self, value: Token, field: Token) -> _Node:
        return _row(Check.HOLDS, field, value)

    @v_args(inline=True)
    def holds_not(self, value: Token, field: Token) -> _Node:
        return _row(Check.HOLDS_NOT, field, value)

    def missing(self, tokens: list[Token]) -> _Node:
        return _row(Check.MISSING, *tokens)

    def present(self, tokens: list[Token]) -> _Node:
        return _row(Check.PRESENT, *tokens)

    def received(self, tokens: list[Token]) -> _Node:
        return FormRow(Check.RECEIVED, values=tuple(map(_text, tokens)))

    def fallback(self, tokens: list[Token]) -> _Node:
        return FormRow(Check.FALLBACK, values=tuple(map(_text, tokens)))

    def skipped(self, tokens: list[Token]) -> _Node:
        slug, reason = map(_text, tokens)
        name = re.sub(r"[\s-]+", "_", reason.strip().lower())
        return FormRow(Check.SKIPPED, values=(slug, name))

    def named(self, tokens: list[Token]) -> _Node:
        return FormRow(Check.SAVED, values=(_text(tokens[0]),))


def _row(check: Check, field: Token, *values: Token) -> FormRow:
    return FormRow(check, str(field).lower(), tuple(map(_text, values)))
