"""Small counts are hidden from partners so that no sum gives them back."""

from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from mailer.app.small_counts import (
    SMALL,
    Hidden,
    guard,
    hide_in_overlapping,
    hide_small_counts,
    table_of,
)

_COUNTS = st.one_of(st.integers(0, 12), st.integers(0, 60))


def possible(counts, hidden, place):
    """Return what a hidden count may be by what is shown: everything is tried."""
    total = sum(counts[one] for one in hidden)
    sums = {0}
    for one in hidden:
        if one != place:
            values = range(SMALL) if counts[one] < SMALL else range(SMALL, total + 1)
            sums = {known + value for known in sums for value in values if known + value <= total}
    values = range(SMALL) if counts[place] < SMALL else range(SMALL, total + 1)
    return {value for value in values if total - value in sums}


@given(st.lists(_COUNTS, max_size=7))
@example([3, 40])
@example([0, 0, 10])
@example([9, 9])
@example([])
def test_a_hidden_count_may_be_any_below_ten(counts):
    """Even to whom the sum and all other counts of the line are known."""
    hidden = guard(counts)
    if hidden is None:
        return
    small = {place for place, count in enumerate(counts) if count < SMALL}
    assert small <= hidden
    for place in small:
        assert set(range(SMALL)) == possible(counts, hidden, place)


@given(st.lists(_COUNTS, min_size=1, max_size=7))
def test_no_more_is_hidden_than_is_needed(counts):
    """Nothing where nothing is small; and without the last one hidden, something could be reckoned."""
    hidden = guard(counts)
    small = {place for place, count in enumerate(counts) if count < SMALL}
    if not small:
        assert set() == hidden
    elif hidden is not None and hidden != small:
        last = max(hidden - small, key=lambda place: counts[place])
        fewer = hidden - {last}
        assert any(possible(counts, fewer, one) != set(range(SMALL)) for one in small)


_PEOPLE = st.lists(
    st.tuples(
        st.sampled_from(["en", "ru", "uk"]),
        st.sampled_from(["harbor", "river"]),
        st.sampled_from(["accepted", "refused", "due"]),
        st.integers(1, 40),
    ),
    max_size=12,
)


@given(_PEOPLE)
@example([("en", "harbor", "accepted", 40), ("ru", "harbor", "accepted", 3)])
@example([("en", "harbor", "refused", 9), ("ru", "harbor", "refused", 9)])
def test_the_same_people_counted_in_several_ways_tell_nothing_small(people):
    """Whatever is shown of a column in one table is known in all of them."""
    tables = tables_of_people(people)
    shown = hide_small_counts(tables)
    for before, after in zip(tables, shown, strict=True):
        assert (before.name, before.columns, list(before.rows)) == (
            after.name, after.columns, list(after.rows),
        )  # fmt: skip
        for name in before.columns:
            counts, cells = before.column(name), after.column(name)
            for count, cell in zip(counts, cells, strict=True):
                assert cell in ((Hidden.SMALL,) if count < SMALL else (count, Hidden.BESIDE))
            hidden = {place for place, cell in enumerate(cells) if isinstance(cell, Hidden)}
            is_sum_known = any(
                name in other.columns
                and not any(isinstance(cell, Hidden) for cell in other.column(name))
                for other in shown
            )
            if is_sum_known:
                for place in hidden:
                    if counts[place] < SMALL:
                        assert set(range(SMALL)) == possible(counts, hidden, place)


def tables_of_people(people):
    """Return people by all, by language and by list."""
    found = {}
    for language, of_list, state, number in people:
        for table, key in (("all", "all"), ("language", language), ("list", of_list)):
            found.setdefault(table, {}).setdefault(key, Counter())[state] += number
    return [table_of(name, rows) for name, rows in found.items()]


_PARTS = st.lists(st.one_of(st.integers(0, 12), st.integers(0, 80)), min_size=1, max_size=5)


@given(_PARTS, st.integers(0, 60))
@example([95], 5)
@example([50, 45], 5)
@example([5, 60, 70], 0)
def test_counts_of_overlapping_rows_tell_nothing_small(counts, rest):
    """Neither a count, nor what is left of the whole, nor the difference of any two that are shown."""
    total = sum(counts) + rest
    table = table_of("segment", {str(place): {"accepted": one} for place, one in enumerate(counts)})
    shown = hide_in_overlapping(table, {"accepted": total}).column("accepted")
    open_ = [one for one in shown if not isinstance(one, Hidden)]
    assert all(one >= SMALL and total - one >= SMALL for one in open_)
    assert all(abs(one - two) >= SMALL for i, one in enumerate(open_) for two in open_[:i])
    left = total - sum(open_)
    if open_ and len(open_) == len(counts):
        assert left >= SMALL


@given(_PARTS, st.integers(0, 60))
def test_parts_of_a_whole_do_not_tell_the_hidden_one(counts, rest):
    """To whom the rows are known to have nobody in common, a small one may still be any."""
    total = sum(counts) + rest
    table = table_of("segment", {str(place): {"accepted": one} for place, one in enumerate(counts)})
    shown = hide_in_overlapping(table, {"accepted": total}).column("accepted")
    line = [*counts, rest]
    hidden = {place for place, one in enumerate(shown) if isinstance(one, Hidden)} | {len(counts)}
    for place, one in enumerate(counts):
        if one < SMALL and guard(line) is not None:
            assert len(possible(line, hidden, place)) > 1


def test_a_segment_that_is_nearly_everybody_is_hidden():
    """The five whom it leaves out would be told by the sum."""
    table = table_of("segment", {"most": {"accepted": 95}, "half": {"accepted": 50}})
    shown = hide_in_overlapping(table, {"accepted": 100}).column("accepted")
    assert [Hidden.BESIDE, 50] == shown
