"""What was read and is written reads back as it was."""

import tomllib
import unicodedata
from dataclasses import replace

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mailer.statements.collecting import FaultCollector
from mailer.statements.declaration import parse_declaration
from mailer.statements.drafts import (
    EditionDraft,
    HeadDraft,
    RowDraft,
    edition_draft,
    head_draft,
    read_edition_draft,
    read_head_draft,
)
from mailer.statements.editions import parse_edition
from mailer.statements.front_matter import FIELDS
from mailer.statements.writing import CannotBeWritten, write_edition, write_head

_letters = st.characters(exclude_categories=("Cs",))
_line = st.text(st.one_of(st.sampled_from("\"'\\:#- \tа"), _letters), max_size=30).map(
    lambda text: text.replace("\n", " ").replace("\r", " ")
)
_body = st.text(st.one_of(st.sampled_from("\n-#:>\"'\\ \r"), _letters), max_size=80)


def as_read(text):
    """Return a text as it comes out of a file."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def edition_of(text):
    """Return the edition a text is read as."""
    return parse_edition(text, "en", FaultCollector("en.md")).edition


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), _line), _body)
@example({"title": '""it"s""', "subject": "'\"quoted\"'"}, "---\n\n::: quote")
@example({"title": ""}, "\n  indented\n\n")
def test_an_edition_that_was_read_is_written_as_it_was(fields, body):
    """Every field and the text come back, quotes and hashes included."""
    lines = [f"{name}: {value}" for name, value in fields.items()]
    edition = edition_of(as_read("\n".join(["---", *lines, "---", body])))
    assert edition == edition_of(as_read(write_edition(edition_draft(edition))))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), _line), _body)
def test_a_draft_is_refused_or_comes_back(fields, body):
    """What somebody typed is never changed unsaid, but for white space around it."""
    values = {name: unicodedata.normalize("NFC", value) for name, value in fields.items()}
    draft = EditionDraft(**values, body=as_read(body))
    try:
        written = write_edition(draft)
    except CannotBeWritten:
        return
    read = read_edition_draft(as_read(written))
    assert () == read.lost
    lines = draft.body.split("\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    stripped = {name: value.strip() for name, value in values.items()}
    assert replace(draft, **stripped, body="\n".join(lines).rstrip()) == read.draft


_text = st.text(_letters, min_size=1, max_size=20).map(lambda text: text.strip()).filter(bool)
_names = st.dictionaries(st.sampled_from(["en", "ru", "sr-Latn", "de"]), _text, max_size=3).map(
    lambda names: {"en": "x", **names}
)
_address = st.sampled_from(["https://example.org/", "https://harbor.example.org/a?b=c%20d"])
_head = st.fixed_dictionaries(
    {
        "published": st.sampled_from(
            ["", "2026-12-01T09:00:00+02:00", "2026-12-01T09:00:00Z", "1999-01-01 00:00:00.5-03:30"]
        ),
        "and_others": st.booleans(),
        "topics": st.sampled_from([(), ("press",), ("press", "women-and-work")]),
        "supports": st.lists(
            st.builds(
                RowDraft,
                kind=st.sampled_from(["person", "organisation"]),
                names=_names,
                address=st.one_of(st.just(""), _address),
            ),
            max_size=2,
        ).map(tuple),
        "hashtags": st.lists(
            st.builds(RowDraft, tag=st.sampled_from(["#A", "#Её"]), address=_address), max_size=2
        ).map(tuple),
        "related": st.lists(
            st.builds(RowDraft, kind=st.just("report"), names=_names, address=_address), max_size=2
        ).map(tuple),
        "signatories": st.lists(
            st.builds(RowDraft, names=_names, country=st.just("MD"), address=_address), max_size=2
        ).map(tuple),
    }
)
_appeal = st.fixed_dictionaries(
    {
        "kind": st.just("appeal"),
        "deadline": st.sampled_from(["", "2026-12-09"]),
        "why_now": _names,
        "action_label": _names,
        "action_address": _address,
    }
)


def declaration_of(text):
    """Return what a file declares, without the lines it stands on."""
    declared = parse_declaration(as_read(text), "her-rights", FaultCollector("statement.toml"))
    return None if declared is None else replace(declared, texts=(), titles=())


@settings(max_examples=100, deadline=None)
@given(_head, st.one_of(st.just({}), _appeal))
def test_a_declaration_that_was_read_is_written_as_it_was(values, appeal):
    """Every key comes back typed: hours with their zone, days, names in every language."""
    draft = HeadDraft("her-rights", source_language="en", **{**values, **appeal})
    declared = declaration_of(write_head(draft))
    assume(declared is not None)
    again = write_head(head_draft(declared))
    assert declared == declaration_of(again)
    assert again == write_head(read_head_draft(again).draft)


_any_row = st.builds(
    RowDraft, kind=_text, tag=_text, country=_text, address=_text,
    names=st.dictionaries(_text, _text, max_size=2),
)  # fmt: skip
_any_head = st.builds(
    HeadDraft, slug=_text, kind=_text, source_language=_text, published=_text, deadline=_text,
    topics=st.lists(_text, max_size=2).map(tuple), related=st.tuples(_any_row),
    why_now=st.dictionaries(_text, _text, max_size=2), action_address=_text,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(_any_head)
def test_whatever_is_typed_into_the_head_is_toml_and_comes_back(draft):
    """A wrong country, day or address is kept for the person who mends it."""
    written = write_head(draft)
    tomllib.loads(written)
    read = read_head_draft(written)
    expected = draft
    for name in ("published", "deadline"):
        # A day or an hour may be written in several ways.
        if getattr(read.draft, name) != getattr(draft, name):
            assert f'{name} = "' not in written
            expected = replace(expected, **{name: getattr(read.draft, name)})
    assert expected == read.draft
