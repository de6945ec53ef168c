"""Check a template and take out of it what differs from supporter to supporter.

In: the source of a mail template or of an edition's body, and a schema of what it may name. Out: a
compiled template, whose slots became markers and whose conditions became plain truths, both noted
in a `Ledger`; or every fault with its line. What is not on the lists here is refused: arithmetic,
calls but of phrases, subscripts, assignments, macros, loops over anything but the statement's
lists. So nothing can be reached that is not meant to, and the work is bounded before it starts.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from types import CodeType
from typing import TypeAlias, cast

from jinja2 import TemplateSyntaxError, nodes

from mailer.compose.conditions import AllOf, AnyOf, Condition, Given, Negation, OneOf
from mailer.compose.environment import (
    FILTERS,
    LOOP_FIELDS,
    MAX_SOURCE_CHARACTERS,
    MailEnvironment,
)
from mailer.compose.ledger import MAIL_FIELDS, Ledger, Place, Slot, SlotKind
from mailer.model.faults import Fault, FaultsFound
from mailer.statements.catalog import placeholders

#: The word templates use for the person.
SUPPORTER = "supporter"
#: How deep blocks may stand in each other.
_MAX_DEPTH = 12
_PHRASES = frozenset({"_", "ngettext"})


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
    #: The template it may extend; "" for none.
    parent: str = ""
    #: Names of the blocks it may fill; None when it makes blocks itself.
    blocks: frozenset[str] | None = None


@dataclass
class Lifted:
    """A template, checked and lifted."""

    code: CodeType
    #: Phrases it speaks: msgid, and plural msgid or "".
    phrases: list[tuple[str, str]] = field(default_factory=list)
    #: Names of the blocks it has.
    blocks: frozenset[str] = frozenset()
    #: Whether it stands in a layout.
    extends: bool = False


@dataclass(frozen=True)
class Source:
    """The text of a template and where it comes from."""

    text: str
    #: What the loader knows it by: "statement/message.html".
    name: str
    #: The file faults send a person to: "templates/mail/statement/message.html".
    file: str
    #: The line of the file on which the text begins.
    first_line: int = 1


def lift(source: Source, environment: MailEnvironment, scene: Scene, ledger: Ledger) -> Lifted:
    """Check a template, take its slots and conditions out, and compile it.

    Args:
        source: The template.
        environment: For HTML or for plain text; in HTML slots are isolated by `<bdi>`.
        scene: What it may name and use.
        ledger: Takes the slots and conditions.

    Raises:
        FaultsFound: with everything wrong in it.
    """
    tree = parse(source, environment)
    lifter = _Lifter(source, environment, scene, ledger)
    with _bounded(source):
        lifter.template(tree)
        if lifter.faults:
            raise FaultsFound(lifter.faults)
        tree.set_environment(environment)
        code = environment.compile(tree, source.name, source.file)
    return Lifted(code, lifter.phrases, frozenset(lifter.blocks), lifter.extends)


def parse(source: Source, environment: MailEnvironment) -> nodes.Template:
    """Return the tree of a template; nothing of it is run or computed.

    Raises:
        FaultsFound: when it is too large or is not a template.
    """
    if len(source.text) > MAX_SOURCE_CHARACTERS:
        problem = f"is longer than {MAX_SOURCE_CHARACTERS:,} characters"
        raise FaultsFound([Fault(source.file, 0, "", problem, "Make it shorter")])
    with _bounded(source):
        return environment.parse(source.text, source.name, source.file)


@contextmanager
def _bounded(source: Source) -> Iterator[None]:
    """Turn what Jinja2 says of a source into a fault with its line."""
    try:
        yield
    except TemplateSyntaxError as error:
        problem = (error.message or "is not a template").rstrip(".")
        line = error.lineno + source.first_line - 1
        raise FaultsFound([Fault(source.file, line, "", problem, _ONLY)]) from error
    except (RecursionError, ValueError, OverflowError) as error:
        # Brackets in brackets are read by functions that call themselves, figures by int().
        problem = "is nested too deeply or holds too long a figure"
        raise FaultsFound([Fault(source.file, 0, "", problem, "Simplify it")]) from error


class _Lifter:
    """Walks one template's tree once, noting faults and putting markers in the place of slots."""

    def __init__(
        self, source: Source, environment: MailEnvironment, scene: Scene, ledger: Ledger
    ) -> None:
        self._file = source.file
        self._offset = source.first_line - 1
        self._html = bool(environment.autoescape)
        self._scene = scene
        self._ledger = ledger
        self._fields = None if scene.fields is None else scene.fields | MAIL_FIELDS
        self._scopes: list[dict[str, Schema]] = [dict(scene.schema)]
        #: Fields that have a value wherever the walk is: a set for each `if` around it.
        self._given: list[frozenset[str]] = []
        self._depth = 0
        self.faults: list[Fault] = []
        self.phrases: list[tuple[str, str]] = []
        self.blocks: set[str] = set()
        self.extends = False

    def _fault(self, node: nodes.Node, problem: str, remedy: str = "", field: str = "") -> None:
        fault = Fault(self._file, node.lineno + self._offset, field, problem, remedy)
        if fault not in self.faults:
            self.faults.append(fault)

    # Statements

    def template(self, tree: nodes.Template) -> None:
        for node in tree.body:
            if isinstance(node, nodes.Extends):
                self._extends(node)
            elif self.extends and not isinstance(node, nodes.Block) and not _is_blank(node):
                self._fault(
                    node, "stands outside every block, where nothing is shown",
                    "Put it into a {% block %} of the layout",
                )  # fmt: skip
            else:
                self._statement(node)

    def _extends(self, node: nodes.Extends) -> None:
        named = node.template.value if isinstance(node.template, nodes.Const) else None
        if not self._scene.parent or named != self._scene.parent:
            remedy = f'Write {{% extends "{self._scene.parent}" %}}' if self._scene.parent else ""
            self._fault(node, "extends a template that it cannot", remedy)
        elif self.extends:
            self._fault(node, "extends a second time", "Take one of them out")
        self.extends = True

    def _body(self, body: Iterable[nodes.Node]) -> None:
        self._depth += 1
        for node in body:
            if self._depth > _MAX_DEPTH:
                self._fault(node, "stands in too many blocks", "Simplify the template")
                break
            self._statement(node)
        self._depth -= 1

    def _statement(self, node: nodes.Node) -> None:
        match node:
            case nodes.Output():
                node.nodes = [self._printed(child) for child in node.nodes]
            case nodes.If():
                self._if(node)
            case nodes.For():
                self._for(node)
            case nodes.Block():
                self._block(node)
            case _:
                self._fault(node, f"a template cannot {_words(node)}", _ONLY)

    def _if(self, node: nodes.If) -> None:
        for branch in (node, *node.elif_):
            test = cast("nodes.Expr", branch.test)
            given = _given_where(test)
            branch.test = self._test(test)
            self._given.append(given)
            self._body(branch.body)
            self._given.pop()
        self._body(node.else_)

    def _for(self, node: nodes.For) -> None:
        if node.recursive or node.test is not None or not isinstance(node.target, nodes.Name):
            self._fault(
                node, "is a loop of a kind that is not allowed", "Write {% for x in list %}"
            )
            return
        if _names_supporter(node.iter):
            self._fault(node, "loops over a field of the supporter", "Only print or compare it")
            return
        if not isinstance(node.iter, nodes.Name | nodes.Getattr):
            self._fault(node, "loops over something that is no list of the statement", _ONLY)
            return
        item = self._resolve(node.iter)
        if item is None:
            return
        if not isinstance(item, tuple):
            self._fault(node, f"{_path(node.iter)} is no list", "See what templates can name")
            return
        loop: dict[str, Schema] = {
            name: Leaf.TEXT if name == "index" else Leaf.FLAG for name in LOOP_FIELDS
        }
        self._scopes.append({node.target.name: item[0], "loop": loop})
        self._body(node.body)
        self._scopes.pop()
        self._body(node.else_)

    def _block(self, node: nodes.Block) -> None:
        known = self._scene.blocks
        if known is not None and node.name not in known:
            there = ", ".join(sorted(known))
            self._fault(node, f'the layout has no block "{node.name}"', f"It has: {there}")
        if node.required:
            self._fault(node, "a block cannot be required", "Take that word out")
        self.blocks.add(node.name)
        # A block does not see the variables of the loops around it.
        scopes, self._scopes = self._scopes, self._scopes[:1]
        self._body(node.body)
        self._scopes = scopes

    # What is printed

    def _printed(self, node: nodes.Expr) -> nodes.Expr:
        """Check an expression that is printed; return what is put in its place."""
        match node:
            case nodes.TemplateData():
                return node
            case nodes.CondExpr():
                node.test = self._test(node.test)
                node.expr1 = self._printed(node.expr1)
                if node.expr2 is None:
                    self._fault(node, "has no else", 'Write {{ "a" if … else "b" }}')
                else:
                    node.expr2 = self._printed(node.expr2)
                return node
            case nodes.Call():
                return self._call(node)
            case nodes.Const(value=value) if isinstance(value, str):
                return node
        if _names_supporter(node):
            return self._slot(node)
        if isinstance(node, nodes.Filter):
            return self._filter(node)
        if isinstance(node, nodes.Name | nodes.Getattr):
            found = self._resolve(node)
            if found is not None and found is not Leaf.TEXT:
                self._fault(node, f"{_path(node)} is no text that can be printed", _ONLY)
            return node
        self._fault(node, f"a template cannot {_words(node)}", _ONLY)
        return node

    def _slot(self, node: nodes.Expr) -> nodes.Expr:
        asked = node
        default = ""
        if isinstance(node, nodes.Filter) and node.node is not None:
            if node.name != "default":
                self._fault(
                    node, f'a field of the supporter takes no filter but default, not "{node.name}"',
                    'Write {{ supporter.name | default("…") }}',
                )  # fmt: skip
                return node
            literal = node.args[0] if len(node.args) == 1 and not _has_more(node) else None
            if not isinstance(literal, nodes.Const) or not isinstance(literal.value, str):
                self._fault(
                    node, "default takes one text in quotes",
                    'Write {{ supporter.name | default("…") }}',
                )  # fmt: skip
                return node
            asked, default = node.node, literal.value
        name = self._field(asked)
        if name is None:
            return node
        slot = Slot(SlotKind.FIELD, name, default)
        if not default and not any(name in given for given in self._given):
            place = Place(slot, self._file, node.lineno + self._offset)
            if place not in self._ledger.bare:
                self._ledger.bare.append(place)
        marker = self._ledger.marker(slot, self._file, node.lineno + self._offset)
        # A body is Markdown, which would show the tags: there they are added afterwards.
        return nodes.MarkSafe(
            nodes.Const(self._ledger.isolate(marker) if self._html else marker, lineno=node.lineno),
            lineno=node.lineno,
        )

    def _field(self, node: nodes.Expr) -> str | None:
        """Return the field that `supporter.x` names; note a fault for everything else."""
        if not _is_field(node):
            self._fault(
                node, "uses the supporter in a way that is not allowed",
                'Write {{ supporter.name }} or {% if supporter.name == "…" %}',
            )  # fmt: skip
            return None
        name = cast("nodes.Getattr", node).attr
        if self._fields is not None and name not in self._fields:
            self._fault(
                node,
                "no list declares this field",
                _nearest(name, self._fields) or "Declare it in the list's file, or mend the name",
                field=f"{SUPPORTER}.{name}",
            )
            return None
        return name

    def _call(self, node: nodes.Call) -> nodes.Expr:
        name = node.node.name if isinstance(node.node, nodes.Name) else ""
        function = {
            "_": self._scene.phrase_function,
            "ngettext": self._scene.plural_function,
        }.get(name, "")
        if not function or node.dyn_args is not None or node.dyn_kwargs is not None:
            self._fault(node, "a template cannot call anything but a phrase", 'Write {{ _("…") }}')
            return node
        wanted = 1 if name == "_" else 3
        msgids = [
            cast("nodes.Const", one).value
            for one in node.args[: 1 if name == "_" else 2]
            if _is_text(one)
        ]
        if len(node.args) != wanted or len(msgids) != (1 if name == "_" else 2):
            self._fault(
                node, "a phrase is one text in quotes, with its values by name",
                'Write {{ _("Hello %(name)s,", name=supporter.name) }}',
            )  # fmt: skip
            return node
        self.phrases.append((msgids[0], msgids[1] if len(msgids) > 1 else ""))
        self._values(node, msgids)
        node.node = nodes.Name(function, "load", lineno=node.lineno)
        node.args = [
            one if isinstance(one, nodes.Const) else self._printed(one) for one in node.args
        ]
        for keyword in node.kwargs:
            keyword.value = self._printed(keyword.value)
        return node

    def _values(self, node: nodes.Call, msgids: Sequence[str]) -> None:
        """Check that a phrase is given what it names, and a plural something that counts."""
        given = {keyword.key for keyword in node.kwargs}
        if len(msgids) > 1:
            given.add("count")
            if not _is_number(node.args[2]):
                self._fault(
                    node, "counts by something that is no number", "Write loop.index or a figure"
                )
        for name in sorted(frozenset().union(*map(placeholders, msgids)) - given):
            self._fault(
                node, f"the phrase wants a value for {name}",
                'Write {{ _("Hello %(name)s,", name=supporter.name) }}',
            )  # fmt: skip

    def _filter(self, node: nodes.Filter) -> nodes.Expr:
        if node.name not in FILTERS or node.node is None:
            there = ", ".join(sorted(FILTERS))
            self._fault(node, f'there is no filter "{node.name}"', f"There are: {there}")
            return node
        if self._html:
            self._fault(node, f'the filter "{node.name}" is for plain text', "Take it out")
        if not all(map(_is_text, node.args)) or len(node.args) > 1 or _has_more(node):
            self._fault(node, "a filter takes one text in quotes only", _ONLY)
        node.node = self._printed(node.node)
        return node

    def _resolve(self, node: nodes.Expr) -> Schema | None:
        """Return what a name or path stands for; note a fault when it stands for nothing."""
        if isinstance(node, nodes.Name):
            for scope in reversed(self._scopes):
                if node.name in scope:
                    return scope[node.name]
            names = {name for scope in self._scopes for name in scope}
            self._fault(
                node, "is not a variable that templates know",
                _nearest(node.name, names | {SUPPORTER}), field=node.name,
            )  # fmt: skip
            return None
        if not isinstance(node, nodes.Getattr):
            self._fault(node, f"a template cannot {_words(node)}", _ONLY)
            return None
        table = self._resolve(node.node)
        if table is None:
            return None
        if not isinstance(table, Mapping) or node.attr not in table:
            names = set(table) if isinstance(table, Mapping) else set()
            self._fault(
                node, "is not a variable that templates know",
                _nearest(node.attr, names), field=_path(node),
            )  # fmt: skip
            return None
        return table[node.attr]

    # Conditions

    def _test(self, node: nodes.Expr) -> nodes.Expr:
        """Check what is asked in an `if`; lift what is asked of the supporter."""
        if _names_supporter(node):
            if _names_only_supporter(node):
                condition = self._condition(node)
                if condition is None:
                    return node
                return nodes.Name(self._ledger.name_of(condition), "load", lineno=node.lineno)
            match node:
                case nodes.And() | nodes.Or():
                    node.left = self._test(node.left)
                    node.right = self._test(node.right)
                case nodes.Not():
                    node.node = self._test(node.node)
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
                if not _is_text(operand.expr):
                    self._fault(node, "compares with something that is no text in quotes", _ONLY)
                self._resolve(expr)
            case nodes.Name() | nodes.Getattr():
                self._resolve(node)
            case _:
                self._fault(node, f"a condition cannot {_words(node)}", _ONLY)

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
                name = self._field(node)
                return None if name is None else Given(name)
        self._not_literal(node)
        return None

    def _comparison(
        self, node: nodes.Compare, expr: nodes.Expr, operand: nodes.Operand
    ) -> Condition | None:
        other = operand.expr
        if operand.op in ("eq", "ne") and _is_text(expr):
            expr, other = other, expr
        literals = _literals(other, several=operand.op in ("in", "notin"))
        if literals is None or operand.op not in ("eq", "ne", "in", "notin"):
            self._not_literal(node)
            return None
        name = self._field(expr)
        if name is None:
            return None
        found = OneOf(name, tuple(sorted(set(literals))))
        return found if operand.op in ("eq", "in") else Negation(found)

    def _not_literal(self, node: nodes.Node) -> None:
        self._fault(
            node, "compares a field of the supporter with something that is no text in quotes",
            'Write {% if supporter.country == "MD" %} or {% if supporter.country in ("MD", "RO") %}',
        )  # fmt: skip


_ONLY = "Templates print, choose by {% if %} and repeat by {% for %}; see docs/templates.md"
_WORDS: Mapping[type[nodes.Node], str] = {
    nodes.Assign: "set a variable",
    nodes.AssignBlock: "set a variable",
    nodes.BinExpr: "calculate",
    nodes.UnaryExpr: "calculate",
    nodes.Call: "call anything but a phrase",
    nodes.Concat: "join texts",
    nodes.Const: "use a figure or a truth by itself",
    nodes.Dict: "make a table",
    nodes.Extends: "extend another here",
    nodes.Filter: "filter that",
    nodes.FromImport: "import another",
    nodes.Getitem: "use a subscript",
    nodes.Import: "import another",
    nodes.Include: "include another",
    nodes.List: "make a list",
    nodes.Macro: "define a macro",
    nodes.Test: 'use "is"',
    nodes.Tuple: "make a list",
    nodes.Compare: "compare like that",
}


def _words(node: nodes.Node) -> str:
    for kind, words in _WORDS.items():
        if isinstance(node, kind):
            return words
    return f"use {type(node).__name__.lower()}"


def _parts(condition: Condition, kind: type[AllOf | AnyOf]) -> tuple[Condition, ...]:
    return condition.parts if isinstance(condition, kind) else (condition,)


def _is_text(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) and isinstance(node.value, str)


def _is_number(node: nodes.Expr) -> bool:
    if isinstance(node, nodes.Const):
        return isinstance(node.value, int) and not isinstance(node.value, bool)
    return _path(node) == "loop.index"


def _literals(node: nodes.Expr, *, several: bool) -> tuple[str, ...] | None:
    if not several:
        return (cast("nodes.Const", node).value,) if _is_text(node) else None
    if isinstance(node, nodes.Tuple | nodes.List) and node.items and all(map(_is_text, node.items)):
        return tuple(cast("nodes.Const", item).value for item in node.items)
    return None


def _given_where(test: nodes.Expr) -> frozenset[str]:
    """Return the supporter's fields that are known to have a value where the test holds."""
    match test:
        case nodes.And():
            return _given_where(test.left) | _given_where(test.right)
        case nodes.Or():
            return _given_where(test.left) & _given_where(test.right)
        case nodes.Compare(expr=expr, ops=[operand]) if operand.op in ("eq", "in"):
            return _given_where(expr)
        case nodes.Getattr() if _is_field(test):
            return frozenset({test.attr})
    return frozenset()


def _has_more(node: nodes.Filter) -> bool:
    return bool(node.kwargs) or node.dyn_args is not None or node.dyn_kwargs is not None


def _is_blank(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Output) and all(
        isinstance(child, nodes.TemplateData) and not child.data.strip() for child in node.nodes
    )


def _is_field(node: nodes.Node) -> bool:
    return (
        isinstance(node, nodes.Getattr)
        and isinstance(node.node, nodes.Name)
        and node.node.name == SUPPORTER
    )


def _names_supporter(node: nodes.Node) -> bool:
    return any(name.name == SUPPORTER for name in _names(node))


def _names_only_supporter(node: nodes.Node) -> bool:
    return all(name.name == SUPPORTER for name in _names(node))


def _names(node: nodes.Node) -> Sequence[nodes.Name]:
    own = [node] if isinstance(node, nodes.Name) else []
    return [*own, *node.find_all(nodes.Name)]


def _path(node: nodes.Expr) -> str:
    if isinstance(node, nodes.Getattr):
        return f"{_path(node.node)}.{node.attr}"
    return node.name if isinstance(node, nodes.Name) else "…"


def _nearest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    if close:
        return f'Did you mean "{close[0]}"?'.rstrip("?")
    return f"There are: {', '.join(sorted(known))}" if known else ""
