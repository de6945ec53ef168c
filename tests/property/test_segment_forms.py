"""Segments by clicking: a form and its expression say the same, whatever is filled in."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mailer.audience.building import (
    checks_of,
    fields_of,
    normal_form,
    problems_of,
    read_form,
    skip_reasons,
    write_expression,
)
from mailer.audience.segments import Place, SavedSegment, SavedSegments, read_expression
from mailer.model.audience import Attribute, AttributeType
from mailer.model.segment_forms import (
    OPPOSITES,
    SEVERAL_VALUES,
    WITHOUT_VALUE,
    Check,
    FormRow,
    Group,
    Joiner,
    RowFault,
    SegmentForm,
)
from mailer.model.segments import And, Field, Not, Or
from tests.support.audience_world import ATTRIBUTES

SAVED = SavedSegments({"old-ones": SavedSegment("old-ones", "", "joined < 2020-01-01", Place())})
_TEXTS = st.one_of(
    st.sampled_from(["press", "and", "not in", "друзі", "it's", 'the "choir"', "50%", "(", "a, b"]),
    st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)
    .filter(lambda text: not ('"' in text and "'" in text))
    .filter(lambda text: text.isprintable()),
)
_VALUES = {
    Field.LANGUAGE: st.sampled_from(["ru", "uk", "is", "or", "sr-Latn"]),
    Field.LANGUAGES: st.sampled_from(["ru", "uk", "is", "in", "zh-Hant-HK"]),
    Field.COUNTRY: st.sampled_from(["MD", "UA", "IS", "IN", "md"]),
    Field.TAGS: _TEXTS,
    Field.JOINED: st.dates().map(str),
    AttributeType.TEXT: _TEXTS,
    AttributeType.NUMBER: st.sampled_from(["4", "-1.5", "1e3", "+2"]),
    AttributeType.DATE: st.dates().map(str),
    AttributeType.BOOLEAN: st.sampled_from(["yes", "no"]),
}


@st.composite
def field_rows(draw):
    """A row about a field."""
    name, field = draw(st.sampled_from(sorted(fields_of(ATTRIBUTES).items())))
    check = draw(st.sampled_from(checks_of(field)))
    kind = field.type if isinstance(field, Attribute) else field
    most = 0 if check in WITHOUT_VALUE else 3 if check in SEVERAL_VALUES else 1
    least = min(most, 1)
    values = draw(st.lists(_VALUES[kind], min_size=least, max_size=most))
    return FormRow(check, name, tuple(values))


@st.composite
def history_rows(draw):
    """A row about earlier mailings, or a saved segment."""
    check = draw(st.sampled_from([*OPPOSITES, *OPPOSITES.values()]))
    if check in (Check.SAVED, Check.NOT_SAVED):
        return FormRow(check, values=("old-ones",))
    if check in (Check.SKIPPED, Check.NOT_SKIPPED):
        return FormRow(check, values=("her-rights", draw(st.sampled_from(skip_reasons()))))
    language = draw(st.sampled_from([(), ("uk",)]))
    return FormRow(check, values=("her-rights", *language))


ROWS = st.one_of(field_rows(), history_rows())
GROUPS = st.builds(Group, st.lists(ROWS, max_size=3).map(tuple), st.sampled_from(list(Joiner)))
FORMS = st.builds(
    SegmentForm,
    st.lists(GROUPS, max_size=4).map(tuple),
    st.sampled_from(list(Joiner)),
    st.none() | GROUPS,
)


def read(text):
    """The tree of an expression, as the command line reads it."""
    return read_expression(text, ATTRIBUTES, Place(), SAVED).segment


def flat(segment):
    """The same tree without brackets that change nothing."""
    if isinstance(segment, Not):
        return Not(flat(segment.inner))
    if isinstance(segment, And | Or):
        kind = type(segment)
        parts = [flat(one) for one in segment.parts]
        return kind(
            tuple(
                inner for one in parts for inner in (one.parts if isinstance(one, kind) else (one,))
            )
        )
    return segment


@given(FORMS)
def test_a_form_reads_back_as_it_was_written(form):
    """The expression of any form is one, and the form that it reads as is the same."""
    assert [] == problems_of(form, ATTRIBUTES)
    text = write_expression(form)
    normal = normal_form(form)
    assert normal == read_form(text)
    assert normal == normal_form(normal)
    assert text == write_expression(normal)
    if text:
        read(text)


@st.composite
def expressions(draw, depth=3):
    """The text of any expression, brackets and doubled nots included."""
    kind = draw(st.sampled_from(["row", "and", "or", "not", "brackets"])) if depth else "row"
    if kind == "row":
        return write_expression(SegmentForm((Group((draw(ROWS),)),)))
    if kind in ("not", "brackets"):
        inner = draw(expressions(depth - 1))
        return f"not ({inner})" if kind == "not" else f"({inner})"
    parts = draw(st.lists(expressions(depth - 1), min_size=2, max_size=3))
    return f" {kind} ".join(f"({one})" if draw(st.booleans()) else one for one in parts)


@given(expressions())
def test_a_form_means_what_the_expression_means_that_it_was_read_from(text):
    """Showing an expression as a form and saving it again changes nobody who is meant."""
    form = read_form(text)
    if form is not None:
        assert flat(read(text)) == flat(read(write_expression(form)))
        assert form == read_form(write_expression(form))


def test_what_no_form_can_show_has_none():
    """It is then shown and kept as text."""
    deep = "country = MD or (language = ru and (country = UA or country = BY))"
    for text in (deep, "not country = MD or language = ru", "not not country = MD"):
        read(text)
        assert read_form(text) is None


def test_a_form_writes_what_a_person_would_write():
    """Bare words where they are plain, brackets only where they are needed."""
    md, press = (
        FormRow(Check.ONE_OF, "country", ("MD", "UA")),
        FormRow(Check.HOLDS, "tags", ("press",)),
    )
    got = FormRow(Check.RECEIVED, values=("her-rights",))
    form = SegmentForm(
        (Group((md, press)), Group((md, press), Joiner.ANY)), excluded=Group((press, got))
    )
    assert (
        'country in (MD, UA) and "press" in tags and (country in (MD, UA) or "press" in tags) '
        'and not ("press" in tags and received("her-rights"))'
    ) == write_expression(form)
    assert "" == write_expression(SegmentForm())


def test_a_saved_segment_alone_is_a_row():
    """Its key is an expression by itself on the command line."""
    form = read_form("old-ones")
    assert 'segment("old-ones")' == write_expression(form)
    assert read("old-ones") == read(write_expression(form))


def test_each_row_that_cannot_be_written_is_named():
    """By group and row, the exclusion last."""
    rows = {
        FormRow(Check.EQUAL, "country", ("Moldova",)): RowFault.NO_COUNTRY,
        FormRow(Check.EQUAL, "country"): RowFault.NO_VALUE,
        FormRow(Check.EQUAL, "language", ("ru", "uk")): RowFault.TOO_MANY,
        FormRow(Check.EQUAL, "tags", ("x",)): RowFault.NO_SUCH_CHECK,
        FormRow(Check.HOLDS, "tags", ("a\"b'c",)): RowFault.UNWRITABLE,
        FormRow(Check.EQUAL, "town", ("x",)): RowFault.NO_FIELD,
        FormRow(Check.HOLDS, "languages", ("мова",)): RowFault.NO_LANGUAGE,
        FormRow(Check.LESS, "joined", ("yesterday",)): RowFault.NO_DAY,
        FormRow(Check.GREATER, "hours", ("many",)): RowFault.NO_NUMBER,
        FormRow(Check.EQUAL, "member", ("perhaps",)): RowFault.NOT_YES_OR_NO,
        FormRow(Check.SKIPPED, values=("her-rights", "because")): RowFault.NO_REASON,
        FormRow(Check.RECEIVED): RowFault.NO_VALUE,
    }
    group = Group(tuple(rows))
    found = problems_of(
        SegmentForm((group,), excluded=replace(group, joiner=Joiner.ANY)), ATTRIBUTES
    )
    assert list(rows.values()) * 2 == [one.fault for one in found]
    assert {0, 1} == {one.group for one in found}
    assert list(range(len(rows))) == [one.row for one in found if one.group == 0]
