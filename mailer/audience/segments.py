"""Read segment expressions: who of a list is meant.

In: text like `language in (ru, be) and "press" in tags and not received("her-rights")`. Out: an
expression tree of frozen dataclasses, which the store compiles to SQL with every value bound. A
comparison with a missing value is false, also `!=`. Errors point at the column.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, VisitError

from mailer.audience.lists import SEGMENTS_FILE
from mailer.cldr import is_language
from mailer.model.audience import Attribute, AttributeType
from mailer.model.faults import Fault, FaultsFound
from mailer.model.segments import (
    And,
    Compare,
    Field,
    Holds,
    Missing,
    Not,
    OneOf,
    Operator,
    Or,
    Received,
    Segment,
)
from mailer.model.tags import normalize_tag
from mailer.model.toml_lines import TomlLines, not_toml, not_utf8

#: Longest expression and deepest nesting that are read: bounds on work, far above any use.
LONGEST = 4_000
DEEPEST = 40

#: A word alone is no expression: it names a saved one.
_SEGMENT_KEY = re.compile(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*")
_EXAMPLE = 'As in: country in (MD, UA) and "press" in tags'
#: What word processors make of quotation marks.
_TYPOGRAPHIC = "“”„«»‘’"
#: Line breaks and tabs are blanks in an expression.
_BLANKS = str.maketrans("\t\r\n", "   ")

_GRAMMAR = r"""
?start: either
either: both (_OR both)*
both: negated (_AND negated)*
?negated: _NOT negated -> not_
        | "(" either ")"
        | test
?test: operand OPERATOR operand -> compare
     | operand _IN "(" operand ("," operand)* ")" -> one_of
     | operand _NOT _IN "(" operand ("," operand)* ")" -> none_of
     | operand _IN operand -> holds
     | operand _NOT _IN operand -> holds_not
     | operand _IS _MISSING -> missing
     | operand _IS _NOT _MISSING -> present
     | _RECEIVED "(" operand ")" -> received
?operand: STRING | WORD
_AND.2: /and(?![^\s"'(),=<>!])/i
_OR.2: /or(?![^\s"'(),=<>!])/i
_NOT.2: /not(?![^\s"'(),=<>!])/i
_IN.2: /in(?![^\s"'(),=<>!])/i
_IS.2: /is(?![^\s"'(),=<>!])/i
_MISSING.2: /missing(?![^\s"'(),=<>!])/i
_RECEIVED.2: /received(?=\s*\()/i
OPERATOR: "!=" | "<=" | ">=" | "==" | "=" | "<" | ">"
STRING: /"[^"\x00-\x1f]*"/ | /'[^'\x00-\x1f]*'/
WORD: /[^\s"'(),=<>!“”„«»‘’\x00-\x1f]+/
%import common.WS
%ignore WS
"""


class _Bad(Exception):
    """A fault at a place in the expression."""

    def __init__(self, token: Token | None, problem: str, remedy: str = "") -> None:
        self.column = getattr(token, "column", None) or 1
        self.problem = problem
        self.remedy = remedy
        super().__init__(problem)


def _text(token: Token) -> str:
    return str(token)[1:-1] if token.type == "STRING" else str(token)


class _Builder(Transformer[Token, Segment]):
    """Builds the tree, knowing which attributes may be asked for."""

    def __init__(self, attributes: Mapping[str, Attribute]) -> None:
        super().__init__()
        self._attributes = attributes

    def _field(self, token: Token) -> Field | Attribute:
        name = str(token).lower()
        if token.type == "STRING":
            raise _Bad(token, "a field stands here, not a quoted text", 'Write: city = "Kyiv"')
        if name in Field.__members__.values():
            return Field(name)
        attribute = self._attributes.get(name)
        if attribute is None:
            clear = sorted(one.name for one in self._attributes.values() if one.clear)
            known = [*Field, *clear]
            near = difflib.get_close_matches(name, known, n=1)
            hint = f'Did you mean "{near[0]}"? ' if near else ""
            raise _Bad(token, f'"{token}" is not a field', f"{hint}There are: {', '.join(known)}")
        if not attribute.clear:
            raise _Bad(token, f'"{token}" is sealed and cannot be searched',
                       "Only attributes with clear = true can")  # fmt: skip
        return attribute

    def _value(self, field: Field | Attribute, token: Token) -> str | float | bool:
        text = _text(token)
        kind = field.type if isinstance(field, Attribute) else None
        if field in (Field.LANGUAGE, Field.LANGUAGES):
            return _language(token)
        if field is Field.COUNTRY:
            if not re.fullmatch(r"[A-Za-z]{2}", text):
                raise _Bad(token, f'"{text}" is no country', "Write two letters: MD")
            return text.upper()
        if field is Field.JOINED or kind is AttributeType.DATE:
            return _day(token)
        if kind is AttributeType.NUMBER:
            return _number(token)
        if kind is AttributeType.BOOLEAN:
            if text.lower() not in ("yes", "no"):
                raise _Bad(token, f'"{text}" is neither yes nor no')
            return text.lower() == "yes"
        return text

    def either(self, parts: list[Segment]) -> Segment:
        """Join by `or`."""
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def both(self, parts: list[Segment]) -> Segment:
        """Join by `and`."""
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def not_(self, parts: list[Segment]) -> Segment:
        """Turn into the opposite."""
        return Not(parts[0])

    @v_args(inline=True)
    def compare(self, left: Token, operator: Token, right: Token) -> Segment:
        """Compare a field with a value."""
        field = self._field(left)
        wanted = Operator(str(operator).replace("==", "="))
        if field in (Field.TAGS, Field.LANGUAGES):
            raise _Bad(left, f"{left} holds several", f'Write: "{_text(right)}" in {left}')
        kind = field.type if isinstance(field, Attribute) else None
        ordered = field is Field.JOINED or kind in (AttributeType.NUMBER, AttributeType.DATE)
        if wanted not in (Operator.EQUAL, Operator.UNEQUAL) and not ordered:
            raise _Bad(operator, f"{left} has no order", "Use = or !=")
        return Compare(field, wanted, self._value(field, right))

    def one_of(self, tokens: list[Token]) -> Segment:
        """Compare a field with several values."""
        field = self._field(tokens[0])
        if field in (Field.TAGS, Field.LANGUAGES):
            return Or(tuple(Holds(Field(field), self._held(field, one)) for one in tokens[1:]))
        return OneOf(field, tuple(self._value(field, one) for one in tokens[1:]))

    def none_of(self, tokens: list[Token]) -> Segment:
        """Compare a field with several values, none of which it may be."""
        field = self._field(tokens[0])
        inner = self.one_of(tokens)
        if field in (Field.TAGS, Field.LANGUAGES):
            # An empty set holds none of them: that is an answer, not a missing value.
            return Not(inner)
        return And((Not(Missing(field)), Not(inner)))

    def _held(self, field: Field | Attribute, token: Token) -> str:
        return _language(token) if field is Field.LANGUAGES else _text(token)

    @v_args(inline=True)
    def holds(self, value: Token, name: Token) -> Segment:
        """Look for a value among tags or languages."""
        field = self._field(name)
        if field not in (Field.TAGS, Field.LANGUAGES):
            raise _Bad(name, f"{name} holds one value", f"Write: {name} = {_text(value)}")
        return Holds(Field(field), self._held(field, value))

    @v_args(inline=True)
    def holds_not(self, value: Token, name: Token) -> Segment:
        """Look for a value that is not among tags or languages."""
        return Not(self.holds(value, name))

    @v_args(inline=True)
    def missing(self, name: Token) -> Segment:
        """Ask whether nothing is on record."""
        return Missing(self._field(name))

    @v_args(inline=True)
    def present(self, name: Token) -> Segment:
        """Ask whether something is on record."""
        return Not(Missing(self._field(name)))

    @v_args(inline=True)
    def received(self, slug: Token) -> Segment:
        """Ask whether a statement reached the address."""
        return Received(_text(slug))


def _language(token: Token) -> str:
    if not is_language(_text(token)):
        raise _Bad(token, f'"{_text(token)}" is no language', "Write one like uk")
    return normalize_tag(_text(token))


def _number(token: Token) -> float:
    try:
        number = float(_text(token))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _Bad(token, f'"{_text(token)}" is no number', "Write one like 4 or 2.5")
    return number


def _day(token: Token) -> str:
    try:
        return date.fromisoformat(_text(token)).isoformat()
    except ValueError:
        raise _Bad(token, f'"{_text(token)}" is no day', "Write one like 2025-01-31") from None


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False)


def parse_segment(
    text: str,
    attributes: Mapping[str, Attribute],
    *,
    option: str = "--segment",
    file: str = "",
    line: int = 0,
) -> Segment:
    """Return the tree of an expression.

    Args:
        text: the expression.
        attributes: what the lists it is used on declare, by name.
        option: the option or key it was given by, for errors.
        file: the file it stands in, for errors.
        line: its line there.

    Raises:
        FaultsFound: with one fault that points at the column.
    """

    def refuse(column: int, problem: str, remedy: str = "") -> FaultsFound:
        return FaultsFound([Fault(file, line, option, problem, remedy, column)])

    # Texts are stored in NFC; a letter may come in two spellings from a keyboard or a file.
    text = unicodedata.normalize("NFC", text)
    if any(
        unicodedata.category(character) in ("Cc", "Cs") for character in text.translate(_BLANKS)
    ):
        raise refuse(1, "holds control characters", "Type it again")
    if len(text) > LONGEST:
        raise refuse(LONGEST, f"longer than {LONGEST} characters")
    if max(text.count("("), len(re.findall(r"\bnot\b", text, re.IGNORECASE))) > DEEPEST:
        raise refuse(1, f"more than {DEEPEST} brackets or nots", "Split it into two lists")
    try:
        return _Builder(attributes).transform(_parser().parse(text))
    except UnexpectedInput as error:
        column = error.column if error.column and error.column > 0 else len(text) + 1
        at_end = column > len(text) or getattr(getattr(error, "token", None), "type", "") == "$END"
        if at_end:
            raise refuse(len(text) + 1, "the expression ends too soon", _EXAMPLE) from None
        if text[column - 1] in _TYPOGRAPHIC:
            remedy = 'Use straight ones: "press" in tags'
            raise refuse(column, "a typographic quotation mark", remedy) from None
        raise refuse(column, "this cannot stand here", _EXAMPLE) from None
    except VisitError as error:
        bad = error.orig_exc
        if isinstance(bad, _Bad):
            raise refuse(bad.column, bad.problem, bad.remedy) from None
        raise


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


def expression_of(text: str, lists_dir: Path, *, option: str = "--segment") -> str:
    """Return the expression a person means: a saved segment's where they wrote its key.

    Args:
        text: an expression, or a key of `lists/segments.toml`.
        lists_dir: the workspace's folder of lists.
        option: where it was written, for faults.

    Raises:
        FaultsFound: when it looks like a key and no segment has it, or the file cannot be read.
    """
    if not _SEGMENT_KEY.fullmatch(text):
        return text
    _, saved = _read_file(lists_dir)
    value = saved.get(text)
    if isinstance(value, dict) and isinstance(value.get("expression"), str):
        return str(value["expression"])
    known = ", ".join(sorted(saved)) or "none yet"
    remedy = f"There are: {known}. Or write an expression. {_EXAMPLE}"
    raise FaultsFound([Fault("", 0, option, f'no saved segment is called "{text}"', remedy)])


def load_segments(lists_dir: Path, attributes: Mapping[str, Attribute]) -> dict[str, Segment]:
    """Return the saved segments of `lists/segments.toml`, by key; none when there is no file.

    Raises:
        FaultsFound: with every fault of the file.
    """
    name = f"{lists_dir.name}/{SEGMENTS_FILE}"
    text, data = _read_file(lists_dir)
    lines = TomlLines(text)
    segments: dict[str, Segment] = {}
    faults: list[Fault] = []
    for key, value in data.items():
        line = lines.of(key, "expression")
        if not isinstance(value, dict) or not isinstance(value.get("expression"), str):
            faults.append(Fault(name, line, key, "has no expression", 'Write expression = "…"'))
            continue
        try:
            segments[key] = parse_segment(
                value["expression"], attributes, option=key, file=name, line=line
            )
        except FaultsFound as found:
            faults += found.faults
    if faults:
        raise FaultsFound(faults)
    return segments
