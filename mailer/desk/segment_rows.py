"""Show a segment as rows of a form, and read what was filled in.

In: a `SegmentForm`, or a form that a browser sent. Out: the other of the two. Each row has one control
for what is asked and how, and one for values, so that no script is needed to fit one to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from mailer.audience.building import checks_of, fields_of
from mailer.audience.cells import joined_tags, split_tags
from mailer.desk.forms import Form
from mailer.desk.phrases import mark
from mailer.desk.visit import Visit
from mailer.model.audience import Attribute
from mailer.model.segment_forms import (
    OPPOSITES,
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

#: Most rows and groups that a form is read with.
_MOST = 60
#: The group of those who are left out.
EXCLUDED = "x"

CHECKS: Mapping[Check, str] = {
    Check.EQUAL: mark("is"),
    Check.UNEQUAL: mark("is not"),
    Check.LESS: mark("is below"),
    Check.LESS_OR_EQUAL: mark("is at most"),
    Check.GREATER: mark("is above"),
    Check.GREATER_OR_EQUAL: mark("is at least"),
    Check.ONE_OF: mark("is one of"),
    Check.NONE_OF: mark("is none of"),
    Check.HOLDS: mark("hold"),
    Check.HOLDS_NOT: mark("do not hold"),
    Check.MISSING: mark("not known"),
    Check.PRESENT: mark("known"),
    Check.RECEIVED: mark("got the statement"),
    Check.NOT_RECEIVED: mark("did not get the statement"),
    Check.FALLBACK: mark("got it, but not in their first language"),
    Check.NOT_FALLBACK: mark("not among those who got it in another language"),
    Check.SKIPPED: mark("was left out of the statement, for the reason"),
    Check.NOT_SKIPPED: mark("was not left out of the statement for the reason"),
    Check.SAVED: mark("is of the saved segment"),
    Check.NOT_SAVED: mark("is not of the saved segment"),
}
FIELDS: Mapping[Field, str] = {
    Field.LANGUAGE: mark("First language"),
    Field.LANGUAGES: mark("Languages"),
    Field.COUNTRY: mark("Country"),
    Field.TAGS: mark("Tags"),
    Field.JOINED: mark("Joined on"),
}
FAULTS: Mapping[RowFault, str] = {
    RowFault.NO_VALUE: mark("Fill in what is asked for"),
    RowFault.TOO_MANY: mark("Only one value can stand here"),
    RowFault.UNWRITABLE: mark("Take the quotation marks or invisible characters out"),
    RowFault.NO_FIELD: mark("There is no such field"),
    RowFault.NO_SUCH_CHECK: mark("This field cannot be asked for in that way"),
    RowFault.NO_LANGUAGE: mark("Write languages like ru, uk, ro"),
    RowFault.NO_COUNTRY: mark("Write countries as two letters, like MD, UA"),
    RowFault.NO_DAY: mark("Write days like 2026-01-31"),
    RowFault.NO_NUMBER: mark("Write a number like 4 or 2.5"),
    RowFault.NOT_YES_OR_NO: mark("Write yes or no"),
    RowFault.NO_REASON: mark("Write a reason like no_acceptable_edition"),
}
#: Shown only where an expression uses them: the others say the same of one value and of several.
_RARE = frozenset({Check.EQUAL, Check.UNEQUAL, Check.HOLDS, Check.HOLDS_NOT})

_CHECKS = frozenset(one.value for one in Check)
#: Makes other rows of a group's rows.
_Change = Callable[[tuple[FormRow, ...]], tuple[FormRow, ...]]


def options(
    visit: Visit, attributes: Mapping[str, Attribute], row: FormRow
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what a row can ask, in headed groups of value and words."""
    found = []
    for name, field in fields_of(attributes).items():
        label = visit.say(FIELDS[field]) if isinstance(field, Field) else name
        checks = [one for one in checks_of(field) if one not in _RARE or _is(row, name, one)]
        found.append(
            (label, [(f"{name}|{one}", f"{label}: {visit.say(CHECKS[one])}") for one in checks])
        )
    history = [one for pair in OPPOSITES.items() for one in pair]
    found.append(
        (
            visit.say("Statements and segments"),
            [(f"|{one}", visit.say(CHECKS[one])) for one in history],
        )
    )
    return found


def _is(row: FormRow, name: str, check: Check) -> bool:
    return (row.field, row.check) == (name, check)


def shown(
    visit: Visit,
    form: SegmentForm,
    attributes: Mapping[str, Attribute],
    problems: list[RowProblem],
) -> dict[str, object]:
    """Return a form as the template shows it."""
    told = {(one.group, one.row): visit.say(FAULTS[one.fault]) for one in problems}
    groups = form.groups or (Group((FormRow(Check.ONE_OF, Field.COUNTRY.value),)),)
    excluded = form.excluded or Group()
    return {
        "joiner": form.joiner,
        "groups": [
            _group(visit, str(place), group, attributes, told, place)
            for place, group in enumerate(groups)
        ],
        "excluded": _group(visit, EXCLUDED, excluded, attributes, told, len(form.groups)),
    }


def _group(
    visit: Visit,
    key: str,
    group: Group,
    attributes: Mapping[str, Attribute],
    told: Mapping[tuple[int, int], str],
    place: int,
) -> dict[str, object]:
    return {
        "key": key,
        "joiner": group.joiner,
        "rows": [
            {
                "id": f"row-{key}-{number}",
                "place": f"{key}:{number}",
                "chosen": f"{row.field}|{row.check}",
                "options": options(visit, attributes, row),
                "values": joined_tags_in_order(row.values),
                "problem": told.get((place, number), ""),
            }
            for number, row in enumerate(group.rows)
        ],
    }


def joined_tags_in_order(values: tuple[str, ...]) -> str:
    """Return values as one text; one that holds a comma stands in quotes."""
    return ", ".join(joined_tags([one]) for one in values)


def read(form: Form) -> SegmentForm:
    """Return what was filled in."""
    count = min(int(text) if (text := form.text("groups")).isdecimal() else 0, _MOST)
    groups = tuple(_read_group(form, str(number)) for number in range(count))
    excluded = _read_group(form, EXCLUDED)
    return SegmentForm(groups, _joiner(form, "joiner"), excluded if excluded.rows else None)


def _read_group(form: Form, key: str) -> Group:
    rows = []
    for number in range(_MOST):
        asked = form.text(f"row-{key}-{number}-asked")
        if not asked:
            break
        field, _, check = asked.partition("|")
        if check in _CHECKS:
            rows.append(_row(Check(check), field, form.text(f"row-{key}-{number}")))
    return Group(tuple(rows), _joiner(form, f"joiner-{key}"))


def _row(check: Check, field: str, text: str) -> FormRow:
    values = () if check in WITHOUT_VALUE else tuple(split_tags(text))
    return FormRow(check, "" if check in WITHOUT_FIELD else field, values)


def _joiner(form: Form, name: str) -> Joiner:
    return Joiner.ANY if form.text(name) == Joiner.ANY else Joiner.ALL


def changed(form: SegmentForm, action: str) -> SegmentForm:
    """Return a form after one of its buttons: "add:0", "remove:0:1", "group"; else as it is."""
    what, *where = action.split(":")
    fresh = FormRow(Check.ONE_OF, Field.COUNTRY.value)
    if what == "group":
        return replace(form, groups=(*form.groups, Group((fresh,))))
    if what == "add" and where == [EXCLUDED]:
        excluded = form.excluded or Group(joiner=Joiner.ANY)
        return replace(form, excluded=replace(excluded, rows=(*excluded.rows, fresh)))
    if what == "add" and len(where) == 1 and where[0].isdecimal():
        return _with(form, int(where[0]), lambda rows: (*rows, fresh))
    if what == "remove" and len(where) == 2 and where[1].isdecimal():
        number = int(where[1])

        def without(rows: tuple[FormRow, ...]) -> tuple[FormRow, ...]:
            return (*rows[:number], *rows[number + 1 :])

        if where[0] == EXCLUDED and form.excluded:
            rows = without(form.excluded.rows)
            return replace(form, excluded=replace(form.excluded, rows=rows) if rows else None)
        if where[0].isdecimal():
            return _with(form, int(where[0]), without)
    return form


def _with(form: SegmentForm, place: int, change: _Change) -> SegmentForm:
    groups = list(_changed_groups(form, place, change))
    return replace(form, groups=tuple(groups))


def _changed_groups(form: SegmentForm, place: int, change: _Change) -> Iterator[Group]:
    for number, group in enumerate(form.groups):
        rows = change(group.rows) if number == place else group.rows
        if rows:
            yield replace(group, rows=rows)
