"""Segments: any expression means on both databases what a plain reading of it says."""

import random
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mailer.audience.segments import parse_segment
from mailer.model.faults import FaultsFound
from mailer.model.states import DeliveryState
from mailer.store import tables
from mailer.store.segments import compile_segment
from tests.support.audience_world import (
    ATTRIBUTES,
    NOW,
    OnList,
    Row,
    World,
    a_list,
    digest,
    write_mailing,
)

LISTS = (a_list("a-news", "a"), a_list("b-news", "b"))
_LANGUAGES = ("ru", "ru-RU", "uk", "en", "sr-Latn", "sr", "be-tarask")
_CITIES = ("Kyiv", "kyiv", "KYIV", "Iași", "50%", "a_c", "Нове місто")
_DAYS = ("2024-02-29", "2025-01-01", "2025-01-02", "1999-12-31")
_TAGS = ("press", "Press", "with space", "друзі")
_NUMBERS = ("-1", "0", "0.5", "3", "1e3")
_SLUGS = ("sent", "doubt", "other")


def _people():
    dice = random.Random(7)  # The same world at every run.

    def some(values, most):
        return tuple(dice.sample(values, dice.randint(0, most)))

    def maybe(values):
        return dice.choice(("", *values))

    rows = []
    for _ in range(40):
        attributes = {
            "city": maybe(_CITIES),
            "hours": maybe(_NUMBERS),
            "since": maybe(_DAYS),
            "member": maybe(("yes", "no")),
        }
        rows.append(
            Row(
                organisation="a",
                memberships={"a-news": OnList()},
                languages=some(_LANGUAGES, 3),
                country=maybe(("MD", "UA", "IN")),
                tags=some(_TAGS, 3),
                joined=maybe(_DAYS),
                attributes={name: value for name, value in attributes.items() if value},
            )
        )
    return rows


PEOPLE = _people()
#: Number of the address → slugs of statements that reached it, or may have.
RECEIVED = {number: {"sent"} for number in range(0, 40, 3)}
for _number in range(0, 40, 5):
    RECEIVED.setdefault(_number, set()).add("doubt")


@pytest.fixture
def people(store):
    """A database with forty people, and what they received."""
    world = World(LISTS, {number: (row,) for number, row in enumerate(PEOPLE)})
    list_ids, row_ids = world.write(store)
    states = {"sent": DeliveryState.ACCEPTED, "doubt": DeliveryState.IN_DOUBT}
    for slug in _SLUGS:
        mailing_id = write_mailing(store, LISTS[:1], list_ids, slug=slug)
        with store.write() as connection:
            for number in range(40):
                state = DeliveryState.REFUSED
                if slug in RECEIVED.get(number, ()):
                    state = states[slug]
                connection.execute(
                    tables.delivery.insert().values(
                        # Another organisation's row of the same address was merged.
                        mailing_id=mailing_id, address_digest=digest(number), supporter_id=999,
                        list_id=1, state=state, finished_at=NOW,
                    )
                )  # fmt: skip
    return store, row_ids


def _ask(people, text):
    """Return the numbers of the addresses that an expression means."""
    store, row_ids = people
    numbers = {row_id: number for (number, _), row_id in row_ids.items()}
    clause = compile_segment(parse_segment(text, ATTRIBUTES))
    with store.read() as connection:
        ids = connection.execute(select(tables.supporter.c.id).where(clause)).scalars()
        return {numbers[row_id] for row_id in ids}


def _covers(wanted, tag):
    return tag == wanted or tag.startswith(wanted + "-")


_COMPARE = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_SAME = st.sampled_from(["=", "==", "!="])
_ANY = st.sampled_from(sorted(_COMPARE))


def _quoted(text):
    return f'"{text}"'


@st.composite
def _values(draw, name, operators, values, read, convert=lambda text: text):
    """`name operator value` for a field whose text `read` takes from a row."""
    operator, value = draw(operators), draw(st.sampled_from(values))

    def predicate(row, _number):
        own = read(row)
        return own != "" and _COMPARE[operator](convert(own), convert(value))

    return f"{name} {operator} {_quoted(value)}", predicate


@st.composite
def _one_of(draw, name, values, read, convert=lambda text: text):
    chosen = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
    negated = draw(st.booleans())

    def predicate(row, _number):
        own = read(row)
        return own != "" and (convert(own) in [convert(one) for one in chosen]) is not negated

    word = "not in" if negated else "in"
    return f"{name} {word} ({', '.join(map(_quoted, chosen))})", predicate


@st.composite
def _language(draw):
    operator, value = draw(_SAME), draw(st.sampled_from(_LANGUAGES))

    def predicate(row, _number):
        same = bool(row.languages) and _covers(value, row.languages[0])
        return bool(row.languages) and same is (operator != "!=")

    return f"language {operator} {value}", predicate


@st.composite
def _holds(draw):
    negated = draw(st.booleans())
    word = "not in" if negated else "in"
    if draw(st.booleans()):
        tag = draw(st.sampled_from(_TAGS))
        return f"{_quoted(tag)} {word} tags", lambda row, _: (tag in row.tags) is not negated
    language = draw(st.sampled_from(_LANGUAGES))
    return (
        f"{language} {word} languages",
        lambda row, _: any(_covers(language, one) for one in row.languages) is not negated,
    )


def _attribute(name):
    return lambda row: row.attributes.get(name, "")


_READ = {
    "country": lambda row: row.country,
    "joined": lambda row: row.joined,
    "tags": lambda row: "".join(row.tags),
    "language": lambda row: "".join(row.languages),
    "languages": lambda row: "".join(row.languages),
    **{name: _attribute(name) for name in ATTRIBUTES},
}


@st.composite
def _missing(draw):
    name = draw(st.sampled_from(sorted(_READ)))
    negated = draw(st.booleans())
    word = "is not missing" if negated else "is missing"
    return f"{name} {word}", lambda row, _: (_READ[name](row) == "") is not negated


@st.composite
def _received(draw):
    slug = draw(st.sampled_from([*_SLUGS, "never-made"]))
    return f'received("{slug}")', lambda _, number: slug in RECEIVED.get(number, ())


_LEAVES = st.one_of(
    _language(),
    _holds(),
    _missing(),
    _received(),
    _values("country", _SAME, ("MD", "UA"), _READ["country"]),
    _one_of("country", ("MD", "UA", "IN"), _READ["country"]),
    _values("joined", _ANY, _DAYS, _READ["joined"], date.fromisoformat),
    _values("city", _SAME, _CITIES, _READ["city"]),
    _one_of("city", _CITIES, _READ["city"]),
    _values("hours", _ANY, _NUMBERS, _READ["hours"], float),
    _one_of("hours", _NUMBERS, _READ["hours"], float),
    _values("since", _ANY, _DAYS, _READ["since"], date.fromisoformat),
    _values("member", _SAME, ("yes", "no"), _READ["member"]),
)


def _joined(word, parts):
    text = f" {word} ".join(f"({one})" for one, _ in parts)
    every = all if word == "and" else any
    return text, lambda row, number: every(predicate(row, number) for _, predicate in parts)


_EXPRESSIONS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda one: (f"not ({one[0]})", lambda row, number: not one[1](row, number))),
        st.builds(_joined, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=6,
)


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(expression=_EXPRESSIONS)
def test_sql_means_what_the_expression_says(people, expression):
    """Text, numbers, days, tags, languages, missing values and their combinations."""
    text, predicate = expression
    wanted = {number for number, row in enumerate(PEOPLE) if predicate(row, number)}
    assert wanted == _ask(people, text)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    text=st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(
                ["and", "or", "not", "in", "is", "missing", "(", ")", ",", "=", "!=", "<", "tags",
                 "country", "joined", "hours", "city", "member", "languages", '"x"', "'", "MD",
                 "2025-01-01", "9999-12-31", "0001-01-01", "-0", "1e308", "received", "\x00", "%"]
            ),
            max_size=12,
        ).map(" ".join),
    )
)  # fmt: skip
def test_garbage_is_refused_or_can_be_asked(people, text):
    """Whatever is typed: either a fault that points at a column, or SQL the database takes."""
    try:
        parse_segment(text, ATTRIBUTES)
    except FaultsFound as error:
        columns = [fault.column for fault in error.faults]
    else:
        assert _ask(people, text) <= set(range(40))
        return
    assert len(columns) == 1
    assert 1 <= columns[0] <= len(text) + 1
