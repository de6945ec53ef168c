"""Say what the names in a template stand for, and lift what is asked of the supporter.

In: a schema of what a template may name, the attributes that lists declare; one node after another.
Out: what a name stands for, and conditions in a `Ledger` with a plain truth in their place; faults
for everything else. A field of the supporter is compared with texts in quotes and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias, cast

from jinja2 import nodes

from mailer.compose.conditions import AllOf, AnyOf, Condition, Given, Negation, OneOf
from mailer.compose.ledger import MAIL_FIELDS, Ledger
from mailer.compose.tree import (
    ONLY,
    SUPPORTER,
    Source,
    is_field,
    is_text,
    literals_of,
    names_only_supporter,
    names_supporter,
    nearest,
    path_of,
    words_for,
)
from mailer.model.faults import Fault, FaultKind


class Leaf(Enum):
    """What a name in a template stands for, when it is no list and no table."""

    #: Text to be printed.
    TEXT = "text"
    #: A truth, to be asked for only.
    FLAG = "flag"


#: What a template may name: a leaf, a table of names, or a list, which is a tuple of one schema.
Schema: TypeAlias = "Leaf | Mapping[str, Schema] | tuple[Schema]"


@dataclass(frozen=True)
class Scene:
    """What a template is checked against."""

    #: What is beside `supporter`.
    schema: Mapping[str, Schema]
    #: Attributes that lists declare; None takes any name for one.
    fields: frozenset[str] | None
    #: The variable that is put in the place of `_`; "" where phrases are not to be used.
    phrase_function: str = ""
    #: The same for `ngettext`.
    plural_function: str = ""
    #: Blocks in which other variables are put there: for `_` and for `ngettext`, by the block's name.
    apart: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    #: The template it may extend; "" for none.
    parent: str = ""
    #: Names of the blocks it may fill; None when it makes blocks itself.
    blocks: frozenset[str] | None = None


class Names:
    """What the names in one template stand for, where the walk through it is."""

    def __init__(self, source: Source, scene: Scene, ledger: Ledger) -> None:
        self._source = source
        self._ledger = ledger
        self._fields = None if scene.fields is None else scene.fields | MAIL_FIELDS
        self._scopes: list[Mapping[str, Schema]] = [scene.schema]
        self.faults: list[Fault] = []

    def line(self, node: nodes.Node) -> int:
        """Return the line of the file that a node stands on."""
        return node.lineno + self._source.first_line - 1

    def fault(
        self,
        node: nodes.Node,
        problem: str,
        remedy: str = "",
        field: str = "",
        kind: FaultKind = FaultKind.OTHER,
    ) -> None:
        """Note what is wrong with a node, once."""
        fault = Fault(self._source.file, self.line(node), field, problem, remedy, kind=kind)
        if fault not in self.faults:
            self.faults.append(fault)

    @contextmanager
    def within(self, names: Mapping[str, Schema]) -> Iterator[None]:
        """Let these names stand for something while a loop is walked through."""
        self._scopes.append(names)
        yield
        self._scopes.pop()

    @contextmanager
    def outside_loops(self) -> Iterator[None]:
        """Forget the names of the loops around: a block does not see them."""
        scopes, self._scopes = self._scopes, self._scopes[:1]
        yield
        self._scopes = scopes

    def field(self, node: nodes.Expr) -> str | None:
        """Return the field that `supporter.x` names; note a fault for everything else."""
        if not is_field(node):
            self.fault(
                node, "uses the supporter in a way that is not allowed",
                'Write {{ supporter.name }} or {% if supporter.name == "…" %}',
            )  # fmt: skip
            return None
        name = cast("nodes.Getattr", node).attr
        if self._fields is not None and name not in self._fields:
            self.fault(
                node,
                "no list declares this field",
                nearest(name, self._fields) or "Declare it in the list's file, or mend the name",
                field=f"{SUPPORTER}.{name}",
                kind=FaultKind.UNKNOWN_NAME,
            )
            return None
        return name

    def resolve(self, node: nodes.Expr) -> Schema | None:
        """Return what a name or path stands for; note a fault when it stands for nothing."""
        if isinstance(node, nodes.Name):
            for scope in reversed(self._scopes):
                if node.name in scope:
                    return scope[node.name]
            names = {name for scope in self._scopes for name in scope}
            self.fault(
                node, "is not a variable that templates know",
                nearest(node.name, names | {SUPPORTER}), field=node.name,
                kind=FaultKind.UNKNOWN_NAME,
            )  # fmt: skip
            return None
        if not isinstance(node, nodes.Getattr):
            self.fault(node, f"a template cannot {words_for(node)}", ONLY)
            return None
        table = self.resolve(node.node)
        if table is None:
            return None
        if not isinstance(table, Mapping) or node.attr not in table:
            names = set(table) if isinstance(table, Mapping) else set()
            self.fault(
                node, "is not a variable that templates know",
                nearest(node.attr, names), field=path_of(node),
                kind=FaultKind.UNKNOWN_NAME,
            )  # fmt: skip
            return None
        return table[node.attr]

    def test(self, node: nodes.Expr) -> nodes.Expr:
        """Check what is asked in an `if`; lift what is asked of the supporter."""
        if names_supporter(node):
            if names_only_supporter(node):
                condition = self._condition(node)
                if condition is None:
                    return node
                return nodes.Name(self._ledger.name_of(condition), "load", lineno=node.lineno)
            match node:
                case nodes.And() | nodes.Or():
                    node.left = self.test(node.left)
                    node.right = self.test(node.right)
                case nodes.Not():
                    node.node = self.test(node.node)
                case _:
                    self._not_literal(node)
            return node
        self._plain_test(node)
        return node

    def _plain_test(self, node: nodes.Expr) -> None:
        match node:
            case nodes.And() | nodes.Or():
                self._plain_test(node.left)
                self._plain_test(node.right)
            case nodes.Not():
                self._plain_test(node.node)
            case nodes.Compare(expr=expr, ops=[operand]) if operand.op in ("eq", "ne"):
                if not is_text(operand.expr):
                    self.fault(node, "compares with something that is no text in quotes", ONLY)
                self.resolve(expr)
            case nodes.Name() | nodes.Getattr():
                self.resolve(node)
            case _:
                self.fault(node, f"a condition cannot {words_for(node)}", ONLY)

    def _condition(self, node: nodes.Expr) -> Condition | None:
        match node:
            case nodes.And() | nodes.Or():
                left, right = self._condition(node.left), self._condition(node.right)
                if left is None or right is None:
                    return None
                kind = AllOf if isinstance(node, nodes.And) else AnyOf
                return kind((*_parts(left, kind), *_parts(right, kind)))
            case nodes.Not():
                inner = self._condition(node.node)
                return None if inner is None else Negation(inner)
            case nodes.Compare(expr=expr, ops=[operand]):
                return self._comparison(node, expr, operand)
            case nodes.Getattr():
                name = self.field(node)
                return None if name is None else Given(name)
        self._not_literal(node)
        return None

    def _comparison(
        self, node: nodes.Compare, expr: nodes.Expr, operand: nodes.Operand
    ) -> Condition | None:
        other = operand.expr
        if operand.op in ("eq", "ne") and is_text(expr):
            expr, other = other, expr
        literals = literals_of(other, several=operand.op in ("in", "notin"))
        if literals is None or operand.op not in ("eq", "ne", "in", "notin"):
            self._not_literal(node)
            return None
        name = self.field(expr)
        if name is None:
            return None
        found = OneOf(name, tuple(sorted(set(literals))))
        return found if operand.op in ("eq", "in") else Negation(found)

    def _not_literal(self, node: nodes.Node) -> None:
        self.fault(
            node, "compares a field of the supporter with something that is no text in quotes",
            'Write {% if supporter.country == "MD" %} or {% if supporter.country in ("MD", "RO") %}',
        )  # fmt: skip


def _parts(condition: Condition, kind: type[AllOf | AnyOf]) -> tuple[Condition, ...]:
    return condition.parts if isinstance(condition, kind) else (condition,)
