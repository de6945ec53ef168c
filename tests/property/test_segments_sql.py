"""Segments: any expression means on both databases what a plain reading of it says."""

import itertools
import random
import unicodedata
from dataclasses import dataclass
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from mailer.audience.segments import MOST_VALUES, parse_segment
from mailer.model.audience import LanguageStep
from mailer.model.faults import FaultsFound
from mailer.model.states import DeliveryState, SkipReason
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
_EDITIONS = ("en", "ru", "sr-Latn")
_WANTED = ("uk", "ro", "ro-MD")
_REASONS = (SkipReason.NO_ACCEPTABLE_EDITION, SkipReason.EXCLUDED)
#: Of a person who was mailed, or may have been; of one who is about to be too.
_REACHED = {DeliveryState.ACCEPTED, DeliveryState.IN_DOUBT, DeliveryState.SENDING}
_SERVED = _REACHED | {DeliveryState.DUE, DeliveryState.DEFERRED}


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


@dataclass(frozen=True)
class Past:
    """What one mailing did with one address."""

    slug: str
    state: DeliveryState
    reason: SkipReason | None
    language: str | None
    step: LanguageStep | None
    wanted: str | None


def _past():
    """Return by number of the address what two mailings of each statement did."""
    dice = random.Random(11)  # The same at every run.
    found = {number: [] for number in range(40)}
    for number, slug, _ in itertools.product(range(40), _SLUGS, range(2)):
        state = dice.choice((None, *DeliveryState))
        skipped = state is DeliveryState.SKIPPED
        step = dice.choice([LanguageStep.FIRST, LanguageStep.LATER, LanguageStep.FALLBACK])
        noticed = step is not LanguageStep.FIRST and not skipped
        past = state and Past(
            slug, state, dice.choice(_REASONS) if skipped else None,
            None if skipped else dice.choice(_EDITIONS), None if skipped else step,
            dice.choice((None, *_WANTED)) if noticed else None,
        )  # fmt: skip
        found[number].append(past)
    return found


PAST = _past()


def _of(number, slug):
    return [one for one in PAST[number] if one and one.slug == slug]


@pytest.fixture
def people(store):
    """A database with forty people, and what they received."""
    world = World(LISTS, {number: (row,) for number, row in enumerate(PEOPLE)})
    list_ids, row_ids = world.write(store)
    for position, (slug, _) in enumerate(itertools.product(_SLUGS, range(2))):
        if position % 2 == 0:
            mailing_id = write_mailing(store, LISTS[:1], list_ids, slug=slug)
        else:
            mailing_id = again(store, mailing_id)
        with store.write() as connection:
            for number in range(40):
                one = PAST[number][position]
                if one is None:
                    continue
                connection.execute(
                    tables.delivery.insert().values(
                        # Another organisation's row of the same address was merged.
                        mailing_id=mailing_id, address_digest=digest(number), supporter_id=999,
                        list_id=1, state=one.state, skip_reason=one.reason,
                        language=one.language, step=one.step, wanted=one.wanted, finished_at=NOW,
                    )
                )  # fmt: skip
    return store, row_ids


def again(store, mailing_id):
    """Write the next mailing of a mailing's statement; return its row id."""
    with store.write() as connection:
        row = connection.execute(
            select(tables.mailing).where(tables.mailing.c.id == mailing_id)
        ).mappings().one()  # fmt: skip
        values = {**row, "number": 2, "key": f"{row['key'][:-1]}2"}
        del values["id"]
        return connection.execute(
            tables.mailing.insert().values(values).returning(tables.mailing.c.id)
        ).scalar_one()


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


_ASKED = st.sampled_from([*_SLUGS, "never-made"])


@st.composite
def _received(draw):
    slug, language = draw(_ASKED), draw(st.sampled_from(["", "en", "ru", "sr", "sr-Latn"]))

    def predicate(_row, number):
        return any(
            one.state in _REACHED and (not language or _covers(language, one.language))
            for one in _of(number, slug)
        )

    return f'received("{slug}"{language and ", " + language})', predicate


@st.composite
def _fallback(draw):
    slug, wanted = draw(_ASKED), draw(st.sampled_from(["", "ro", "ro-MD", "uk", "de"]))

    def predicate(_row, number):
        past = _of(number, slug)
        noticed = any(
            one.state in _REACHED and one.wanted and (not wanted or _covers(wanted, one.wanted))
            for one in past
        )
        own = any(one.state in _SERVED and one.step is LanguageStep.FIRST for one in past)
        return noticed and not own

    return f"fallback({slug}{wanted and ', ' + wanted})", predicate


@st.composite
def _skipped(draw):
    slug, reason = draw(_ASKED), draw(st.sampled_from([*_REASONS, SkipReason.SUPPRESSED]))

    def predicate(_row, number):
        past = _of(number, slug)
        return any(one.reason is reason for one in past) and not any(
            one.state in _SERVED for one in past
        )

    return f'skipped("{slug}", {reason.value})', predicate


_LEAVES = st.one_of(
    _language(),
    _holds(),
    _missing(),
    _received(),
    _fallback(),
    _skipped(),
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


def test_as_many_values_as_may_be_named_can_be_asked(people):
    """Both databases bound how large a query may be; the bound on expressions is below theirs."""
    fields = {"tags": "press", "languages": "ru", "language": "ru", "country": "MD", "city": "Kyiv"}
    for name, value in {**fields, "hours": "3"}.items():
        # One place less on either side: `not in` also asks whether the value is missing.
        values = ",".join([value] * (MOST_VALUES // 2 - 1))
        texts = [f"{name} {word} ({values})" for word in ("in", "not in")]
        assert set() == _ask(people, " and ".join(texts))


#: Any text that can stand in quotes; of names, those that cannot be the program's own words.
_LITERALS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co"], exclude_characters="'\""),
    min_size=4,
    max_size=20,
).filter(lambda text: text.strip() and not text.isascii())


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(literals=st.lists(_LITERALS, min_size=5, max_size=5))
def test_no_text_of_an_expression_becomes_sql(literals):
    """Every value is bound, on both databases: the SQL is the same whatever is asked for."""
    shape = (
        '"{}" in tags or city = "{}" or received("{}", ru) or fallback("{}", ro) '
        'or skipped("{}", no_consent) and joined > 2025-01-01 and hours > 7.25'
    )
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        texts = []
        for filled in (literals, ["a", "b", "c", "d", "e"]):
            segment = parse_segment(shape.format(*filled), ATTRIBUTES)
            query = select(tables.supporter.c.id).where(compile_segment(segment))
            texts.append(str(query.compile(dialect=dialect)))
        assert texts[0] == texts[1]
        normal = [unicodedata.normalize("NFC", literal) for literal in literals]
        told = [literal for literal in (*normal, "2025-01-01", "7.25") if literal in texts[0]]
        assert [] == told


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
                 "2025-01-01", "9999-12-31", "0001-01-01", "-0", "1e308", "received",
                 "fallback", "skipped", "segment", "no_consent", "\x00", "%"]
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
