"""Read segment expressions: who of a list is meant.

In: text like `language in (ru, be) and "press" in tags and not received("her-rights")`, and the
saved segments it may name. Out: an `Expression`: a tree of frozen dataclasses, which the store
compiles to SQL with every value bound, and the text with saved segments written out, which is what
a mailing pins. A comparison with a missing value is false, also `!=`. Errors point at the column.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lark import Token
from lark.exceptions import UnexpectedInput, VisitError

from mailer.audience.expressions import Bad, Builder, Expanded, parser
from mailer.audience.lists import SEGMENTS_FILE
from mailer.model.audience import Attribute
from mailer.model.faults import Fault, FaultsFound
from mailer.model.segments import And, Not, OneOf, Or, Segment, walk
from mailer.model.toml_lines import TomlLines, not_toml, not_utf8
from mailer.model.worded import worded

#: Longest expression and deepest nesting that are read: bounds on work, far above any use.
LONGEST = 4_000
DEEPEST = 40
#: Most values that are compared with. SQLite takes an expression of a thousand parts at most, and a
#: query for several lists holds this one several times.
MOST_VALUES = 200
#: Deepest nesting of `and` and `or`. SQLite 3.40 takes 18 where a mailing to three lists is counted.
MOST_LEVELS = 10

#: A word alone is no expression: it names a saved one.
SEGMENT_KEY = re.compile(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*")
#: A key of TOML and the mark that opens its text; a line end right after it is not of the text.
_OPENED = re.compile(r"""[^=\n]*=[ \t]*(?:\"{3}\n?|'{3}\n?|"|')""")
_EXAMPLE = 'As in: country in (MD, UA) and "press" in tags'
#: What word processors make of quotation marks.
_TYPOGRAPHIC = "“”„«»‘’"
#: Line breaks and tabs are blanks in an expression.
_BLANKS = str.maketrans("\t\r\n", "   ")


@dataclass(frozen=True)
class Place:
    """Where an expression stands, for faults."""

    #: The option or key it was given by.
    option: str = "--segment"
    file: str = ""
    line: int = 0
    #: The file from the start of that line to the end of the expression, and from where on it is the
    #: expression; "" where it is written with escapes, and columns count in the expression alone.
    written: str = ""
    begin: int = 0

    def fault(self, column: int, problem: str, remedy: str = "") -> Fault:
        """Return a fault at a column of it, counted over all its lines; 0 for none."""
        line = self.line
        if self.written and column:
            before = self.written[: self.begin + column - 1]
            line += before.count("\n")
            column = len(before) - before.rfind("\n")
        return Fault(self.file, line, self.option, problem, remedy, column)


@dataclass(frozen=True)
class Mention:
    """A statement that an expression asks about, and where."""

    slug: str
    place: Place
    column: int

    def fault(self, problem: str, remedy: str = "") -> Fault:
        """Return a fault that points at it."""
        return self.place.fault(self.column, problem, remedy)


@dataclass(frozen=True)
class Expression:
    """An expression that was read."""

    #: As it was written, with the saved segments it names written out.
    text: str
    segment: Segment
    #: The statements it asks about; whether they are known is for the database to say.
    mentions: tuple[Mention, ...] = ()


@dataclass(frozen=True)
class SavedSegment:
    """One segment of `lists/segments.toml`, as it is written there."""

    key: str
    #: What people call it; "" when the file does not say.
    name: str
    text: str
    place: Place


@dataclass(frozen=True)
class SavedSegments:
    """The segments of `lists/segments.toml`, by key."""

    by_key: Mapping[str, SavedSegment] = field(default_factory=dict)
    #: What is wrong with the file; a segment with a fault is not in `by_key`.
    faults: tuple[Fault, ...] = ()


NOTHING_SAVED = SavedSegments()


class _Reader:
    """Reads expressions that name saved ones, each saved one once."""

    def __init__(self, attributes: Mapping[str, Attribute], saved: SavedSegments) -> None:
        self._attributes = attributes
        self._saved = saved
        self._read: dict[str, Expression] = {}

    def read(self, text: str, place: Place, chain: tuple[str, ...] = ()) -> Expression:
        """Return an expression.

        Args:
            text: As it is written.
            place: Where it stands.
            chain: The saved segments on the way to it, the first one first.

        Raises:
            FaultsFound: with one fault that points at the column.
        """
        # Texts are stored in NFC; a letter may come in two spellings from a keyboard or a file.
        text = unicodedata.normalize("NFC", text)
        _check_size(text, place)
        mentions: list[Mention] = []

        def named(token: Token) -> Expanded:
            key = str(token)[1:-1] if token.type == "STRING" else str(token)
            expression = self._named(token, key, chain)
            mentions.extend(expression.mentions)
            return Expanded(expression.text, expression.segment)

        builder = Builder(self._attributes, named)
        segment = _build(text, builder, place)
        mentions += [Mention(slug, place, column) for slug, column in builder.slugs]
        written_out = text
        for start, end, words in sorted(builder.written_out, reverse=True):
            written_out = written_out[:start] + words + written_out[end:]
        if builder.written_out:
            _check_size(written_out, place, worded(" with the saved segments it names"))
        _check_tree(segment, place)
        return Expression(written_out, segment, tuple(mentions))

    def _named(self, token: Token | None, key: str, chain: tuple[str, ...]) -> Expression:
        if key in chain:
            circle = " → ".join((*chain[chain.index(key) :], key))
            remedy = worded("Write out one of them in lists/%(file)s", file=SEGMENTS_FILE)
            raise Bad(
                token,
                worded("the saved segments go round in a circle: %(circle)s", circle=circle),
                remedy,
            )
        if len(chain) >= DEEPEST:
            raise Bad(
                token,
                worded("more than %(most)s saved segments name one another", most=DEEPEST),
            )
        if key not in self._read:
            found = self._saved.by_key.get(key)
            own = [
                one
                for one in self._saved.faults
                if key in (one.field, one.field.rpartition(".")[0])
            ]
            if own:
                raise FaultsFound(own)
            if found is None:
                known = ", ".join(sorted(self._saved.by_key)) or worded("none yet")
                problem = worded('no saved segment is called "%(key)s"', key=key)
                if chain:
                    problem = worded(
                        'no saved segment is called "%(key)s", which %(chain)s names',
                        key=key,
                        chain=" → ".join(chain),
                    )
                raise Bad(
                    token,
                    problem,
                    worded(
                        "There are: %(known)s. Or write an expression. %(example)s",
                        known=known,
                        example=worded(_EXAMPLE),
                    ),
                )
            self._read[key] = self.read(found.text, found.place, (*chain, key))
        return self._read[key]

    def by_key(self, key: str, place: Place) -> Expression:
        """Return the saved segment of a key that was written alone.

        Raises:
            FaultsFound: with one fault.
        """
        try:
            return self._named(None, key, ())
        except Bad as error:
            # The key is all that was written, so that a column would say nothing.
            raise FaultsFound([place.fault(0, error.problem, error.remedy)]) from None


def _check_size(text: str, place: Place, what: str = "") -> None:
    """Refuse what would be too much work, or cannot be shown to anybody."""
    blanks = text.translate(_BLANKS)
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in blanks):
        raise FaultsFound([place.fault(1, "holds control characters", "Type it again")])
    if len(text) > LONGEST:
        column = 1 if what else LONGEST
        remedy = "Give those people a tag by an import, and ask for it"
        raise FaultsFound(
            [
                place.fault(
                    column,
                    worded(
                        "longer than %(longest)s characters%(what)s", longest=LONGEST, what=what
                    ),
                    remedy,
                )
            ]
        )
    if max(text.count("("), len(re.findall(r"\bnot\b", text, re.IGNORECASE))) > DEEPEST:
        problem = worded("more than %(most)s brackets or nots%(what)s", most=DEEPEST, what=what)
        raise FaultsFound([place.fault(1, problem, "Split it into two lists")])


def _check_tree(segment: Segment, place: Place) -> None:
    """Refuse what a database would not take."""
    if _levels(segment) > MOST_LEVELS:
        problem = worded("has brackets in brackets more than %(most)s deep", most=MOST_LEVELS)
        raise FaultsFound([place.fault(1, problem, "Write it with fewer")])
    values = sum(
        len(part.values) if isinstance(part, OneOf) else 1
        for part in walk(segment)
        if not isinstance(part, And | Or | Not)
    )
    if values > MOST_VALUES:
        problem = worded(
            "compares with %(values)s values, and %(most)s are the most",
            values=values,
            most=MOST_VALUES,
        )
        raise FaultsFound([place.fault(1, problem, "Give these people a tag and ask for the tag")])


def _levels(segment: Segment) -> int:
    if isinstance(segment, Not):
        return _levels(segment.inner)
    if isinstance(segment, And | Or):
        return 1 + max(map(_levels, segment.parts))
    return 0


def _build(text: str, builder: Builder, place: Place) -> Segment:
    try:
        return builder.transform(parser().parse(text))
    except UnexpectedInput as error:
        raise FaultsFound([_unexpected(text, error, place)]) from None
    except VisitError as error:
        bad = error.orig_exc
        if isinstance(bad, Bad):
            raise FaultsFound([place.fault(bad.column, bad.problem, bad.remedy)]) from None
        if isinstance(bad, FaultsFound):
            raise bad from None
        raise


def _unexpected(text: str, error: UnexpectedInput, place: Place) -> Fault:
    if getattr(getattr(error, "token", None), "type", "") == "$END":
        return place.fault(len(text) + 1, "the expression ends too soon", _EXAMPLE)
    # Typed as nothing by the library, whose errors all set it.
    column = int(getattr(error, "pos_in_stream", None) or 0) + 1
    if text[column - 1] in _TYPOGRAPHIC:
        remedy = 'Use straight ones: "press" in tags'
        return place.fault(column, "a typographic quotation mark", remedy)
    return place.fault(column, "this cannot stand here", _EXAMPLE)


def read_expression(
    text: str,
    attributes: Mapping[str, Attribute],
    place: Place,
    saved: SavedSegments = NOTHING_SAVED,
) -> Expression:
    """Return what a person means: an expression, or the saved one whose key they wrote alone.

    Args:
        text: the expression, or a key of `lists/segments.toml`.
        attributes: what the lists it is used on declare, by name.
        place: where it stands, for faults.
        saved: the segments it may name.

    Raises:
        FaultsFound: with one fault, which points at the column where there is one.
    """
    reader = _Reader(attributes, saved)
    if saved is not NOTHING_SAVED and SEGMENT_KEY.fullmatch(text):
        return reader.by_key(text, place)
    return reader.read(text, place)


def parse_segment(
    text: str,
    attributes: Mapping[str, Attribute],
    *,
    option: str = "--segment",
    file: str = "",
    line: int = 0,
) -> Segment:
    """Return the tree of an expression that names no saved one.

    Args:
        text: the expression.
        attributes: what the lists it is used on declare, by name.
        option: the option or key it was given by, for errors.
        file: the file it stands in, for errors.
        line: its line there.

    Raises:
        FaultsFound: with one fault that points at the column.
    """
    return read_expression(text, attributes, Place(option, file, line)).segment


def saved_segments(lists_dir: Path) -> SavedSegments:
    """Return the segments of `lists/segments.toml` as they are written; none without a file.

    Raises:
        FaultsFound: when the file cannot be read.
    """
    name = f"{lists_dir.name}/{SEGMENTS_FILE}"
    text, data = _read_file(lists_dir)
    lines = TomlLines(text)
    found: dict[str, SavedSegment] = {}
    faults: list[Fault] = []
    for key, value in data.items():
        place = Place(key, name, lines.of(key, "expression"))
        if isinstance(value, dict) and (unknown := sorted(set(value) - {"name", "expression"})):
            faults += [
                Fault(
                    name, lines.of(key, one), f"{key}.{one}",
                    "is not a field of a segment", "Known: expression, name",
                )
                for one in unknown
            ]  # fmt: skip
        elif isinstance(value, dict) and isinstance(value.get("expression"), str):
            place = _exactly(place, text, value["expression"])
            found[key] = SavedSegment(key, str(value.get("name", "")), value["expression"], place)
        else:
            fault = Fault(name, place.line, key, "has no expression", 'Write expression = "…"')
            faults.append(fault)
    return SavedSegments(found, tuple(faults))


def _exactly(place: Place, text: str, expression: str) -> Place:
    """Add to the place of a key of a file where the expression after it begins."""
    rest = text.split("\n", place.line - 1)[-1]
    opened = _OPENED.match(rest)
    if opened is None or not rest.startswith(expression, opened.end()):
        return place
    written = rest[: opened.end() + len(expression)]
    return replace(place, written=written, begin=opened.end())


def _read_file(lists_dir: Path) -> tuple[str, dict[str, Any]]:
    """Return the text and the tables of the saved segments; nothing when there is no file."""
    path = lists_dir / SEGMENTS_FILE
    name = f"{lists_dir.name}/{SEGMENTS_FILE}"
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        return "", {}
    except UnicodeDecodeError as error:
        raise FaultsFound([not_utf8(name, error)]) from error
    except tomllib.TOMLDecodeError as error:
        raise FaultsFound([not_toml(name, text, error)]) from error


def load_segments(lists_dir: Path, attributes: Mapping[str, Attribute]) -> dict[str, Expression]:
    """Return the saved segments of `lists/segments.toml`, by key; none when there is no file.

    Raises:
        FaultsFound: with every fault of the file.
    """
    saved = saved_segments(lists_dir)
    segments: dict[str, Expression] = {}
    faults = list(saved.faults)
    reader = _Reader(attributes, saved)
    for key, one in saved.by_key.items():
        try:
            segments[key] = reader.read(one.text, one.place, (key,))
        except FaultsFound as found:
            # A fault of one that others name is told once.
            faults += [fault for fault in found.faults if fault not in faults]
    if faults:
        raise FaultsFound(faults)
    return segments
