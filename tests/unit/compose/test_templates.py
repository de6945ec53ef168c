"""What templates and bodies may not do is refused before anything is sent, with its line."""

import time
from dataclasses import replace
from shutil import copytree

import pytest

from mailer.compose.checks import check_design, check_revision_with_design
from mailer.compose.conditions import (
    Given,
    OneOf,
    TooManyVectors,
    possible_vectors,
    truth_vector,
)
from mailer.compose.design import read_design
from mailer.config import share_dir
from mailer.model.faults import FaultsFound, Severity
from mailer.model.statement import StatementKind
from tests.support.mail import assert_wire_form, raw_headers
from tests.support.mails import NOW, composer, mail_catalogs, mail_design, one_edition, outgoing

FIELDS = frozenset({"city"})
PAYLOADS = [
    "{{ 7*7 }}",
    "{{ 9**9999999 }}",
    "{{ 'a'*2000000000 }}",
    "{{ '%2000000000d'|format(1) }}",
    "{{ '%2000000000d' % 1 }}",
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ supporter.__class__ }}",
    "{{ supporter['name'] }}",
    "{{ supporter }}",
    "{{ supporter.name.upper() }}",
    "{{ supporter.name|upper }}",
    "{{ supporter.name|safe }}",
    "{{ supporter.unknown }}",
    "{{ supporter.name ~ supporter.city }}",
    "{{ self }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ config }}",
    "{{ config.items() }}",
    "{{ request }}",
    "{{ environ }}",
    "{{ env('SECRET') }}",
    "{{ range(1000000000)|list }}",
    "{{ lipsum(n=100000) }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner.__init__ }}",
    "{{ namespace(x=1) }}",
    "{{ dict(a=1) }}",
    "{{ [1, 2]|map('string')|list }}",
    "{{ (1).__class__ }}",
    "{{ x }}",
    "{% for i in range(1000000000) %}x{% endfor %}",
    "{% for a in 'abc' %}{% for b in 'abc' %}x{% endfor %}{% endfor %}",
    "{% set x = 1 %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'other' %}",
    "{% if supporter.name.startswith('a') %}x{% endif %}",
    "{% if supporter.name == supporter.city %}x{% endif %}",
    "{% if 7*7 == 49 %}x{% endif %}",
    "{% raw %}",
    "{{ supporter.name",
    "{% endif %}",
    "{% call x() %}{% endcall %}",
    "{% filter upper %}x{% endfilter %}",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_body_that_does_more_than_it_may_is_refused(payload):
    """Each is a fault of the edition's file, at once."""
    begun = time.monotonic()
    faults = check_revision_with_design(
        one_edition(f"Hello.\n\n{payload}\n"), mail_design(), FIELDS
    )
    assert time.monotonic() - begun < 2
    assert faults != []
    assert {fault.severity for fault in faults} == {Severity.ERROR}
    assert {fault.file.rsplit("/", 1)[-1] for fault in faults} == {"en.md"}


@pytest.mark.parametrize("payload", [one for one in PAYLOADS if "extends" not in one])
def test_a_mail_template_that_does_more_than_it_may_is_refused(payload):
    """Each is a fault of the template, before anything is rendered."""
    design = mail_design()
    text = design.message_text + "{% block call %}\n" + payload + "{% endblock %}"
    faults = check_design(replace(design, message_text=text), FIELDS)
    assert "templates/mail/statement/message.txt" in {fault.file for fault in faults}


def test_an_unknown_variable_is_named_with_its_line():
    """The person finds it where it stands."""
    edition = one_edition("One.\n\nTwo {{ supporter.nmae }}.\n")
    faults = check_revision_with_design(edition, mail_design(), FIELDS)
    line = next(iter(edition.editions.values())).body_line + 2
    assert [(fault.line, "nmae" in str(fault)) for fault in faults] == [(line, True)]


def test_what_was_found_before_is_told_of_nothing_else():
    """A look is remembered for the same words, lines, templates, phrases and attributes alone."""
    design, edition = mail_design(), one_edition("One.\n\nTwo {{ supporter.city }}.\n")
    (gap,) = check_revision_with_design(edition, design, FIELDS)
    assert [gap] == check_revision_with_design(edition, design, FIELDS)
    (language,) = edition.editions
    lower = replace(edition.editions[language], body_line=gap.line + 7)
    (moved,) = check_revision_with_design(
        replace(edition, editions={language: lower}), design, FIELDS
    )
    assert lower.body_line + 2 == moved.line
    other = replace(edition.editions[language], body="One.")
    assert [] == check_revision_with_design(
        replace(edition, editions={language: other}), design, FIELDS
    )
    (unknown,) = check_revision_with_design(edition, design, FIELDS - {"city"})
    assert unknown != gap
    silent = {**design.catalogs, language: {}}
    assert len(check_revision_with_design(edition, replace(design, catalogs=silent), FIELDS)) > 1


@pytest.mark.parametrize(
    "body",
    ["[here](https://example.org/{{ supporter.city }})", '![x](a.png "{{ supporter.city }}")'],
)
def test_a_value_may_stand_in_text_only(body):
    """Not in an address nor in an attribute."""
    faults = check_revision_with_design(one_edition(body), mail_design(), FIELDS)
    assert Severity.ERROR in [fault.severity for fault in faults]


@pytest.mark.parametrize(
    ("body", "said"),
    [("In {{ supporter.city }} too.", ["supporter.city"]),
     ('In {{ supporter.city | default("your city") }} too.', []),
     ("{% if supporter.city %}In {{ supporter.city }} too.{% endif %}", []),
     ('{% if supporter.city == "Orlesk" %}In {{ supporter.city }} too.{% endif %}', []),
     ('{% if supporter.city and supporter.country == "MD" %}{{ supporter.city }}{% endif %}', []),
     ('{% if supporter.city or supporter.country %}{{ supporter.city }}{% endif %}',
      ["supporter.city"]),
     ("{% if supporter.city %}Hi.{% else %}{{ supporter.city }}{% endif %}", ["supporter.city"])],
)  # fmt: skip
def test_a_gap_where_a_value_may_be_missing_is_worth_a_look(body, said):
    """Without a default and without an `if` around it, some people's mail has a hole there."""
    faults = check_revision_with_design(one_edition(f"One.\n\n{body}\n"), mail_design(), FIELDS)
    assert [fault.field for fault in faults] == said
    assert {fault.severity for fault in faults} <= {Severity.WARNING}


def test_what_no_html_can_hold_is_found_at_check():
    """A character that no XML may hold is said to be in the edition, before any mail is made."""
    faults = check_revision_with_design(one_edition("Hello \ufffe there"), mail_design(), FIELDS)
    assert [(fault.field, fault.severity) for fault in faults] == [("body", Severity.ERROR)]


def test_a_mail_that_programs_would_clip_is_said_to_be_too_long():
    """Over 102 kB of HTML is worth a warning, a shorter one is not."""
    paragraph = "A sentence of some length that says nothing new.\n\n"
    short = check_revision_with_design(one_edition(paragraph * 10), mail_design(), FIELDS)
    long = check_revision_with_design(one_edition(paragraph * 2500), mail_design(), FIELDS)
    assert short == []
    assert [(one.severity, "clip" in one.problem) for one in long] == [(Severity.WARNING, True)]


@pytest.mark.parametrize("folder", ["base", "statement"])
@pytest.mark.parametrize("css", ["@import url(https://x.example.org/a.css);", "p { color", "p } "])
def test_a_style_sheet_that_fetches_or_is_broken_is_refused(tmp_path, folder, css):
    """Nothing remote, and no brace missing; the sheet it is in is named."""
    copytree(share_dir() / "templates" / "mail", tmp_path / "mail")
    with (tmp_path / "mail" / folder / "style.css").open("a", encoding="utf-8") as file:
        file.write(css)
    with pytest.raises(FaultsFound) as refused:
        read_design(tmp_path, StatementKind.STATEMENT, mail_catalogs())
    assert {fault.file for fault in refused.value.faults} == {f"templates/mail/{folder}/style.css"}


@pytest.mark.parametrize(
    ("part", "file"),
    [("layout_html", "base/layout.html"), ("message_html", "statement/message.html")],
)
def test_what_would_be_fetched_is_told_with_its_template(part, file):
    """A picture from elsewhere, in the frame or in what stands in it."""
    picture = '<img src="https://x.example.org/a.png" alt="">'
    design = mail_design()
    block = "{% block call %}"
    text = getattr(design, part)
    text = (
        text.replace(block, block + picture)
        if block in text
        else text + block + picture + "{% endblock %}"
    )
    faults = check_revision_with_design(one_edition("Hi."), replace(design, **{part: text}), FIELDS)
    line = 1 + text[: text.index("<img")].count("\n")
    assert [(f"templates/mail/{file}", line)] == [(fault.file, fault.line) for fault in faults]


def test_conditions_come_to_as_many_mails_as_they_tell_people_apart():
    """Values of one field exclude each other; independent conditions multiply, up to 64."""
    countries = [OneOf("country", (code,)) for code in ("MD", "UA", "KG")]
    assert len(possible_vectors(countries)) == 4
    six = [Given(f"field{number}") for number in range(6)]
    assert len(possible_vectors(six)) == 64
    with pytest.raises(TooManyVectors) as raised:
        possible_vectors([*six, Given("seventh")])
    assert "supporter.seventh" in str(raised.value)
    assert truth_vector([Given("a"), Given("b")], {"a": "yes", "b": "no"}) == (True, False)


def test_too_many_conditions_are_named_at_check_time():
    """The edition is refused, and its conditions are in the fault."""
    fields = frozenset(f"field{number}" for number in range(7))
    body = "".join(f"{{% if supporter.{name} %}}x{{% endif %}}\n\n" for name in sorted(fields))
    faults = check_revision_with_design(one_edition(body), mail_design(), fields)
    assert ["supporter.field6" in fault.problem for fault in faults] == [True]


POISON = ["\r\nBcc: x@example.org", "\nX-A: b", "\0", "\u202e", "\u2066", "\u2028", "\x1b[2J", "\x85",
          "=?utf-8?q?x?=", "a\r\n.\r\nMAIL FROM:<x@example.org>", "<script>", "\ufeff"]  # fmt: skip


@pytest.mark.parametrize("poison", POISON)
@pytest.mark.parametrize("field", ["name", "country", "city"])
def test_a_poisoned_field_reaches_no_header(tokens, field, poison):
    """Either the mail is refused, or its header is the one everyone gets."""
    made = composer(tokens)
    expected = [name for name, _ in raw_headers(made.compose(outgoing(), NOW).content)]
    fields = {"name": "Mara", "country": "MD", "city": ""}
    content = made.compose(outgoing(fields={**fields, field: f"a{poison}b"}), NOW).content
    assert_wire_form(content)
    assert [name for name, _ in raw_headers(content)] == expected
    assert "\u202e".encode() not in content
