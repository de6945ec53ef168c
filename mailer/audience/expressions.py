"""The grammar of segment expressions, and what makes a tree of one.

In: the text of an expression, the attributes that may be asked for, the segments that are saved.
Out: a tree of frozen dataclasses, the slugs it names, and where saved segments were named in it.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from lark import Lark, Token, Transformer, v_args
from lark.tree import Meta

from mailer.cldr import is_language
from mailer.events import scrub
from mailer.model.audience import Attribute, AttributeType
from mailer.model.segments import (
    And,
    Compare,
    Fallback,
    Field,
    Holds,
    Missing,
    Not,
    OneOf,
    Operator,
    Or,
    Received,
    Segment,
    Skipped,
)
from mailer.model.states import SkipReason
from mailer.model.tags import normalize_tag
from mailer.model.worded import with_values, worded

#: Reasons for which a delivery can be skipped; of a duplicate there is no delivery.
_REASONS = tuple(
    reason.value for reason in SkipReason if reason is not SkipReason.DUPLICATE_ADDRESS
)

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
     | _RECEIVED "(" operand ("," operand)? ")" -> received
     | _FALLBACK "(" operand ("," operand)? ")" -> fallback
     | _SKIPPED "(" operand "," operand ")" -> skipped
     | _SEGMENT "(" operand ")" -> named
?operand: STRING | WORD
_AND.2: /and(?![^\s"'(),=<>!])/i
_OR.2: /or(?![^\s"'(),=<>!])/i
_NOT.2: /not(?![^\s"'(),=<>!])/i
_IN.2: /in(?![^\s"'(),=<>!])/i
_IS.2: /is(?![^\s"'(),=<>!])/i
_MISSING.2: /missing(?![^\s"'(),=<>!])/i
_RECEIVED.2: /received(?=\s*\()/i
_FALLBACK.2: /fallback(?=\s*\()/i
_SKIPPED.2: /skipped(?=\s*\()/i
_SEGMENT.2: /segment(?=\s*\()/i
OPERATOR: "!=" | "<=" | ">=" | "==" | "=" | "<" | ">"
STRING: /"[^"\x00-\x1f]*"/ | /'[^'\x00-\x1f]*'/
WORD: /[^\s"'(),=<>!“”„«»‘’\x00-\x1f]+/
%import common.WS
%ignore WS
"""


class Bad(Exception):
    """A fault at a place in the expression."""

    def __init__(self, token: Token | None, problem: str, remedy: str = "") -> None:
        #: Counted from 1, over all lines.
        self.column = column_of(token) if token is not None else 1
        # Somebody may have typed an address; what is said of it may be kept.
        self.problem = with_values(problem, scrub)
        self.remedy = remedy
        super().__init__(self.problem)


def column_of(token: Token) -> int:
    """Return where a token begins in the expression, counted from 1 over all its lines."""
    return (token.start_pos or 0) + 1


def _text(token: Token) -> str:
    return str(token)[1:-1] if token.type == "STRING" else str(token)


@dataclass(frozen=True)
class Expanded:
    """A saved segment that an expression names, put into words and a tree of its own."""

    #: With the saved segments it names itself written out.
    text: str
    segment: Segment


#: Gives the saved segment that a token names.
Saved = Callable[[Token], Expanded]


class Builder(Transformer[Token, Segment]):
    """Builds the tree, knowing which attributes may be asked for and which segments are saved."""

    def __init__(self, attributes: Mapping[str, Attribute], saved: Saved) -> None:
        super().__init__()
        self._attributes = attributes
        self._saved = saved
        #: Where saved segments are named, from and to, and what is to stand there instead.
        self.written_out: list[tuple[int, int, str]] = []
        #: Slugs of statements, with the column each stands in.
        self.slugs: list[tuple[str, int]] = []

    def _field(self, token: Token) -> Field | Attribute:
        name = str(token).lower()
        if token.type == "STRING":
            raise Bad(token, "a field stands here, not a quoted text", 'Write: city = "Kyiv"')
        if name in Field.__members__.values():
            return Field(name)
        attribute = self._attributes.get(name)
        if attribute is None:
            clear = sorted(one.name for one in self._attributes.values() if one.clear)
            known = [*Field, *clear]
            near = difflib.get_close_matches(name, known, n=1)
            raise Bad(
                token,
                worded('"%(token)s" is not a field', token=token),
                there_are(", ".join(known), near),
            )
        if not attribute.clear:
            raise Bad(token, worded('"%(token)s" is sealed and cannot be searched', token=token),
                       "Only attributes with clear = true can")  # fmt: skip
        return attribute

    def _value(self, field: Field | Attribute, token: Token) -> str | float | bool:
        text = _text(token)
        kind = field.type if isinstance(field, Attribute) else None
        if field in (Field.LANGUAGE, Field.LANGUAGES):
            return _language(token)
        if field is Field.COUNTRY:
            if not re.fullmatch(r"[A-Za-z]{2}", text):
                raise Bad(
                    token, worded('"%(value)s" is no country', value=text), "Write two letters: MD"
                )
            return text.upper()
        if field is Field.JOINED or kind is AttributeType.DATE:
            return _day(token)
        if kind is AttributeType.NUMBER:
            return _number(token)
        if kind is AttributeType.BOOLEAN:
            if text.lower() not in ("yes", "no"):
                raise Bad(token, worded('"%(value)s" is neither yes nor no', value=text))
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
            raise Bad(
                left,
                worded("%(left)s holds several", left=left),
                worded('Write: "%(right)s" in %(left)s', right=_text(right), left=left),
            )
        kind = field.type if isinstance(field, Attribute) else None
        ordered = field is Field.JOINED or kind in (AttributeType.NUMBER, AttributeType.DATE)
        if wanted not in (Operator.EQUAL, Operator.UNEQUAL) and not ordered:
            raise Bad(operator, worded("%(left)s has no order", left=left), "Use = or !=")
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
            raise Bad(
                name,
                worded("%(name)s holds one value", name=name),
                worded("Write: %(name)s = %(value)s", name=name, value=_text(value)),
            )
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

    def _slug(self, token: Token) -> str:
        self.slugs.append((_text(token), column_of(token)))
        return _text(token)

    def received(self, tokens: list[Token]) -> Segment:
        """Ask whether a statement reached the address, in a language if one is named."""
        return Received(self._slug(tokens[0]), _language(tokens[1]) if tokens[1:] else "")

    def fallback(self, tokens: list[Token]) -> Segment:
        """Ask whether it reached the address only in another language than the first."""
        return Fallback(self._slug(tokens[0]), _language(tokens[1]) if tokens[1:] else "")

    def skipped(self, tokens: list[Token]) -> Segment:
        """Ask whether the address was left out for a reason."""
        return Skipped(self._slug(tokens[0]), _reason(tokens[1]))

    @v_args(meta=True)
    def named(self, meta: Meta, tokens: list[Token]) -> Segment:
        """Put a saved segment in the place of its name."""
        expanded = self._saved(tokens[0])
        self.written_out.append((meta.start_pos, meta.end_pos, f"({expanded.text})"))
        return expanded.segment


def _language(token: Token) -> str:
    if not is_language(_text(token)):
        raise Bad(
            token, worded('"%(value)s" is no language', value=_text(token)), "Write one like uk"
        )
    return normalize_tag(_text(token))


def _number(token: Token) -> float:
    try:
        number = float(_text(token))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Bad(
            token, worded('"%(value)s" is no number', value=_text(token)), "Write one like 4 or 2.5"
        )
    return number


def _day(token: Token) -> str:
    try:
        return date.fromisoformat(_text(token)).isoformat()
    except ValueError:
        raise Bad(
            token, worded('"%(value)s" is no day', value=_text(token)), "Write one like 2025-01-31"
        ) from None


def there_are(known: str, near: Sequence[str]) -> str:
    """Return what to write instead, and which of it was meant, as it seems."""
    if not near:
        return worded("There are: %(known)s", known=known)
    return worded('Did you mean "%(near)s"? There are: %(known)s', near=near[0], known=known)


def _reason(token: Token) -> SkipReason:
    name = re.sub(r"[\s-]+", "_", _text(token).strip().lower())
    if name == SkipReason.DUPLICATE_ADDRESS:
        problem = worded(
            '"%(token)s" leaves nobody out: the address was mailed by another list',
            token=_text(token),
        )
        raise Bad(token, problem, "Ask received(…)")
    if name not in _REASONS:
        near = difflib.get_close_matches(name, _REASONS, n=1)
        remedy = there_are(", ".join(_REASONS), near)
        raise Bad(
            token,
            worded('"%(token)s" is no reason why somebody is not mailed', token=_text(token)),
            remedy,
        )
    return SkipReason(name)


@lru_cache(maxsize=1)
def parser() -> Lark:
    """Return the parser of the grammar."""
    # Positions: a saved segment is written out in the place of its name.
    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False, propagate_positions=True)
