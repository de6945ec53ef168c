"""Merging puts a supporter's values into a compiled message, and does nothing else."""

import re
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from email.policy import default
from html import escape

import jinja2
import pytest
from dkim.canonicalization import Relaxed
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailer.compose.cleaning import clean_value
from mailer.compose.compiled import compile_message
from mailer.compose.composer import MailingComposer
from mailer.compose.conditions import possible_vectors, truth_vector
from mailer.compose.ledger import Slot, SlotKind
from mailer.compose.rendering import EditionTemplates
from mailer.delivery.session import dot_stuffed
from mailer.statements.body import body_to_text
from tests.property.poison import ATTRIBUTES, POISONS, plain_design, readable
from tests.support.mail import text_of
from tests.support.mails import NOW, harbor_list, harbor_sender, mail_design, one_edition, outgoing

FIELDS = ("name", "country", "city", "skills")
UNSUBSCRIBE = "https://mail.harbor.example.org/u/" + "a" * 39
PREFERENCES = "https://mail.harbor.example.org/p/" + "b" * 39
LIST_NAME = "News of the harbor = «Гавань»"
#: What fills the slots that are no field.
OF_SYSTEM = {
    SlotKind.UNSUBSCRIBE_URL: UNSUBSCRIBE,
    SlotKind.PREFERENCES_URL: PREFERENCES,
    SlotKind.LIST_NAME: LIST_NAME,
}
BODY = """\
{{ supporter.name | default("friend") }}, from {{ supporter.city }}: {{ supporter.skills }}.

From {{ supporter.city }} . {{ supporter.name }}{{ supporter.skills }} =

{% if supporter.city == "Orlesk" %}You know the house.{% else %}Come and see the house.{% endif %}

{% if supporter.name and not supporter.skills %}We know your name alone.{% endif %}
{% if supporter.country in ("MD", "RO") %}You are near.{% elif supporter.country %}You are far.{% endif %}

::: demand
Give it back, {{ supporter.skills | default("=") }} and {{ supporter.city | default(".") }}
:::

- {{ supporter.name }}
- Dear .{{ supporter.name }}. of {{ supporter.country }}
"""
values = st.one_of(
    st.sampled_from(["", "no", "Orlesk", "MD", "RO", ".", *POISONS.values()]),
    st.lists(
        st.one_of(
            st.sampled_from(["=\r\n", "\r\n.\r\n", "\n", "\r\n", ".", "=", "=0D=0A", "From ", "  ",
                             "\t", "\u202e", "<b>", "&lt;", "{{ 7*7 }}", "qkzwvxjqkz0z",
                             "é" * 40, "😀" * 20, "x" * 200]),
            st.text(st.characters(), max_size=12),
        ),
        max_size=6,
    ).map("".join),
    st.tuples(st.text(min_size=1, max_size=10), st.integers(100, 300)).map(
        lambda much: much[0] * much[1]
    ),
)  # fmt: skip
people = st.fixed_dictionaries(dict.fromkeys(FIELDS, values))
thorough = settings(max_examples=60, deadline=None)


class Compiled:
    """The messages of one statement, and the merging of one supporter."""

    def __init__(self):
        self.templates = EditionTemplates(
            one_edition(BODY), mail_design(), harbor_sender(), "en", frozenset(ATTRIBUTES)
        )
        self.ledger = self.templates.ledger
        self._messages = {}

    def message_for(self, fields):
        """Return the compiled message a supporter with these fields gets."""
        vector = truth_vector(self.ledger.conditions, fields)
        if vector not in self._messages:
            self._messages[vector] = compile_message(
                self.templates, vector, self.templates.reading(None), "example.org"
            )
        return self._messages[vector]

    def merge(self, person):
        """Return a supporter's compiled message, cleaned fields and merged body."""
        fields = {name: clean_value(value) for name, value in person.items()}
        message = self.message_for(fields)
        return message, fields, message.merge(lambda slot: value_of(slot, fields))


def value_of(slot, fields):
    """Return what fills a slot."""
    if slot.kind is SlotKind.FIELD:
        return fields[slot.field] or slot.default
    return OF_SYSTEM[slot.kind]


def parts_of(message, body):
    """Return the decoded text and HTML of a merged body, its line ends single."""
    (content_type,) = message.headers
    whole = content_type.wire + b"MIME-Version: 1.0\r\n\r\n" + body
    parsed = message_from_bytes(whole, policy=default)
    assert [part.defects for part in parsed.walk()] == [[], [], []]
    text, html = (part.get_payload(decode=True).decode() for part in parsed.iter_parts())
    return text.replace("\r\n", "\n"), html.replace("\r\n", "\n")


def unbroken(content):
    """Return content without soft line breaks, so that what is plain ASCII can be looked for."""
    return content.replace(b"=\r\n", b"")


def filled(ledger, text, write):
    """Return text with the markers in it replaced by what `write` makes of their slots."""
    pieces = ledger.split(text)
    return "".join(write(one) if isinstance(one, Slot) else one for one in pieces)


@pytest.fixture(scope="module")
def compiled():
    """The statement of this module in the design that ships."""
    return Compiled()


@pytest.fixture(scope="module")
def composer(tokens):
    """A composer of the same statement, in a design of few lines."""
    targets = [harbor_list(attributes=ATTRIBUTES)]
    return MailingComposer(one_edition(BODY), plain_design(), harbor_sender(), targets, tokens, ())


@thorough
@given(person=people)
@example(person=dict.fromkeys(FIELDS, ""))
@example(person=dict.fromkeys(FIELDS, "."))
@example(person=dict.fromkeys(FIELDS, "=\r\n"))
@example(person=dict.fromkeys(FIELDS, "x" * 5000))
def test_both_parts_are_what_was_rendered_with_the_values_in_it(compiled, person):
    """Decoded, they are the rendered parts to the letter; in HTML each value is escaped."""
    message, fields, body = compiled.merge(person)
    text, html = parts_of(message, body)
    assert fields == {name: readable(value) for name, value in person.items()}
    ledger, rendered = compiled.ledger, message.rendered
    assert text == filled(ledger, rendered.text, lambda slot: value_of(slot, fields))
    assert html == filled(ledger, rendered.html, lambda slot: escape(value_of(slot, fields)))


@thorough
@given(person=people)
def test_no_marker_is_left_and_values_stand_isolated(compiled, person):
    """No marker is left in the bytes, whole or cut; what was filled in is read in both parts."""
    message, fields, body = compiled.merge(person)
    text, html = parts_of(message, body)
    assert compiled.ledger.prefix.encode() not in unbroken(body)
    for name in ("name", "city", "skills"):
        assert fields[name] in text
        assert not fields[name] or f"<bdi>{escape(fields[name])}</bdi>" in html
    assert f"<bdi>{LIST_NAME}</bdi>" in html
    for link in (UNSUBSCRIBE, PREFERENCES):
        assert f'href="{link}"' in html
        assert text.count(link) == 1


@thorough
@given(person=people)
def test_the_wire_bears_what_is_merged(compiled, person):
    """Lines of at most 76 ASCII characters, no dot or From at their beginning, no blank at the end.

    So the body is its own relaxed form (RFC 6376 §3.4.4), and nothing in transit has to change it.
    """
    _, _, body = compiled.merge(person)
    assert body.isascii()
    assert body.count(b"\r\n") == body.count(b"\r") == body.count(b"\n")
    lines = body.split(b"\r\n")
    assert max(map(len, lines)) <= 76
    assert [one for one in lines if one.startswith((b".", b"From "))] == []
    assert [one for one in lines if one != one.rstrip(b" \t") or b"  " in one] == []
    assert Relaxed.canonicalize_body(body) == body
    assert dot_stuffed(body) == body


def test_a_value_that_is_a_marker_is_only_text(compiled):
    """Even who knew the random prefix could not have a second value put into the first."""
    marker = compiled.ledger.marker(compiled.ledger.slots[0])
    person = dict.fromkeys(FIELDS, f"{marker}{marker}")
    message, fields, body = compiled.merge(person)
    text, html = parts_of(message, body)
    assert text.count(f"Give it back, {marker}{marker} and {marker}{marker}") == 1
    assert html.count(f"<bdi>{fields['name']}</bdi>") == html.count("<bdi>" + marker)


def _by_jinja(person):
    """Return the body's text as Jinja itself renders it: words for values, then the values."""
    words = {name: f"VALUE{number}" for number, name in enumerate(FIELDS)}
    values_of = {words[name]: value for name, value in person.items()}
    # What is asked is the value, what is printed a word: it means nothing in Markdown.
    source = re.sub(r"\{\{ supporter\.", "{{ words.", BODY)
    # A tag that shares its line with text leaves the end of that line alone.
    source = re.sub(r"%\}$", "+%}", source, flags=re.MULTILINE)
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, autoescape=False)
    environment.filters["default"] = lambda word, other: word if values_of[word] else other
    rendered = environment.from_string(source).render(supporter=person, words=words)
    text = re.sub(r"[ \t]+$", "", body_to_text(rendered, language="en"), flags=re.MULTILINE)
    return re.sub(r"VALUE\d", lambda found: values_of[found[0]], text)


@thorough
@given(
    person=st.fixed_dictionaries(
        {
            "name": st.sampled_from(["", "Mara Lind", "Мара", "<Mara>"]),
            "country": st.sampled_from(["", "MD", "RO", "UA"]),
            "city": st.sampled_from(["", "Orlesk", "Chișinău", ". {{ 7*7 }}"]),
            "skills": st.sampled_from(["", "law", "=\u00a0=", "translating «»"]),
        }
    )
)
def test_it_says_what_jinja_would_say(compiled, person):
    """Lifting, compiling and merging come to the same as rendering the body for each person."""
    message, _, body = compiled.merge(person)
    text, _ = parts_of(message, body)
    assert _by_jinja(person) in text


def test_every_truth_vector_has_its_own_branches(compiled):
    """Whatever conditions hold together, the mail has those branches and no others."""
    seen = {}
    for city in ("", "Orlesk", "Cahul"):
        for country in ("", "MD", "RO", "UA"):
            for name in ("", "Mara"):
                for skills in ("", "law"):
                    person = {"name": name, "country": country, "city": city, "skills": skills}
                    message, fields, body = compiled.merge(person)
                    seen[truth_vector(compiled.ledger.conditions, fields)] = True
                    expected = {
                        "Hello Mara,": bool(name),
                        "Hello,": not name,
                        "You know the house.": city == "Orlesk",
                        "Come and see the house.": city != "Orlesk",
                        "We know your name alone.": bool(name) and not skills,
                        "You are near.": country in ("MD", "RO"),
                        "You are far.": country == "UA",
                    }
                    text, html = parts_of(message, body)
                    assert {one: one in text for one in expected} == expected
                    plain = re.sub(r"</?bdi>", "", html)
                    assert {one: one in plain for one in expected} == expected
    assert set(seen) == set(possible_vectors(compiled.ledger.conditions))


def test_nobody_reads_what_is_another_persons(composer):
    """Composed by four threads at once, each mail has its own person's values and links only."""
    ids = range(1, 101)

    def compose(number):
        fields = {name: f"{name}-of-{number}-" for name in FIELDS}
        if number % 3 == 0:
            fields["city"] = "Orlesk"
        person = outgoing(
            delivery_id=number, supporter_id=number, address=f"person{number}@example.org",
            fields=fields,
        )  # fmt: skip
        return composer.compose(person, NOW).content

    with ThreadPoolExecutor(4) as threads:
        mails = dict(zip(ids, threads.map(compose, ids), strict=True))
    for number, content in mails.items():
        assert content == compose(number)
        body = unbroken(content)
        assert set(re.findall(rb"-of-(\d+)-", body)) == {b"%d" % number}
        assert (b"You know the house." in body) == (number % 3 == 0)
    links = {re.search(rb"/u/([\w-]{39})", content)[1] for content in mails.values()}
    assert len(links) == len(mails)


@thorough
@given(first=people, second=people)
def test_two_mails_never_hold_each_others_values(composer, first, second):
    """The second mail says nothing of the first person, and the first can be made again."""

    def compose(person, sign):
        fields = {name: f"{value} [{sign}]" for name, value in person.items()}
        return composer.compose(outgoing(fields=fields), NOW).content

    made, other = compose(first, "first"), compose(second, "second")
    assert made == compose(first, "first")
    assert b"[second]" not in unbroken(made)
    assert b"[first]" not in unbroken(other)


def test_there_are_as_many_messages_as_ways_to_read_and_no_more(composer, monkeypatch):
    """Values that change no condition share a compiled message: nothing is rendered for them."""
    composer.compose(outgoing(fields={"name": "A"}), NOW)

    def render(*_):
        raise AssertionError("rendered again")

    monkeypatch.setattr(EditionTemplates, "render", render)
    for name in ("B", "Мара", "{{ 7*7 }}"):
        mail = composer.compose(outgoing(fields={"name": name}), NOW)
        assert name in text_of(mail.content)
