"""Check a template and take out of it what differs from supporter to supporter.

In: the source of a mail template or of an edition's body, and a schema of what it may name. Out: a
compiled template, whose slots became markers and whose conditions became plain truths, both noted
in a `Ledger`; or every fault with its line. What is not on the lists here is refused: arithmetic,
calls but of phrases, subscripts, assignments, macros, loops over anything but the statement's
lists. So nothing can be reached that is not meant to, and the work is bounded before it starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import cast

from jinja2 import nodes

from mailer.compose.environment import FILTERS, LOOP_FIELDS, MailEnvironment
from mailer.compose.ledger import Ledger, Place, Slot, SlotKind
from mailer.compose.naming import Leaf, Names, Scene, Schema
from mailer.compose.tree import (
    ONLY,
    Source,
    bounded,
    given_where,
    has_more,
    is_blank,
    is_number,
    is_text,
    names_supporter,
    parse,
    path_of,
    words_for,
)
from mailer.model.faults import FaultsFound
from mailer.statements.catalog import placeholders

#: How deep blocks may stand in each other.
_MAX_DEPTH = 12


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
    with bounded(source):
        lifter.template(tree)
        if lifter.names.faults:
            raise FaultsFound(lifter.names.faults)
        tree.set_environment(environment)
        code = environment.compile(tree, source.name, source.file)
    return Lifted(code, lifter.phrases, frozenset(lifter.blocks), lifter.extends)


class _Lifter:
    """Walks one template's tree once, noting faults and putting markers in the place of slots."""

    def __init__(
        self, source: Source, environment: MailEnvironment, scene: Scene, ledger: Ledger
    ) -> None:
        self._file = source.file
        self._html = bool(environment.autoescape)
        self._scene = scene
        self._ledger = ledger
        #: Fields that have a value wherever the walk is: a set for each `if` around it.
        self._given: list[frozenset[str]] = []
        self._depth = 0
        #: What is put in the place of `_` and of `ngettext` where the walk is.
        self._speaking = (scene.phrase_function, scene.plural_function)
        self.names = Names(source, scene, ledger)
        self.phrases: list[tuple[str, str]] = []
        self.blocks: set[str] = set()
        self.extends = False

    # Statements

    def template(self, tree: nodes.Template) -> None:
        for node in tree.body:
            if isinstance(node, nodes.Extends):
                self._extends(node)
            elif self.extends and not isinstance(node, nodes.Block) and not is_blank(node):
                self.names.fault(
                    node, "stands outside every block, where nothing is shown",
                    "Put it into a {% block %} of the layout",
                )  # fmt: skip
            else:
                self._statement(node)

    def _extends(self, node: nodes.Extends) -> None:
        named = node.template.value if isinstance(node.template, nodes.Const) else None
        if not self._scene.parent or named != self._scene.parent:
            parent = self._scene.parent
            right = f'Write {{% extends "{parent}" %}}' if parent else "Take the line out"
            self.names.fault(node, "extends a template that it cannot", right)
        elif self.extends:
            self.names.fault(node, "extends a second time", "Take one of them out")
        self.extends = True

    def _body(self, body: Iterable[nodes.Node]) -> None:
        self._depth += 1
        for node in body:
            if self._depth > _MAX_DEPTH:
                self.names.fault(node, "stands in too many blocks", "Simplify the template")
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
                self.names.fault(node, f"a template cannot {words_for(node)}", ONLY)

    def _if(self, node: nodes.If) -> None:
        for branch in (node, *node.elif_):
            test = cast("nodes.Expr", branch.test)
            given = given_where(test)
            branch.test = self.names.test(test)
            self._given.append(given)
            self._body(branch.body)
            self._given.pop()
        self._body(node.else_)

    def _for(self, node: nodes.For) -> None:
        if node.recursive or node.test is not None or not isinstance(node.target, nodes.Name):
            self.names.fault(
                node, "is a loop of a kind that is not allowed", "Write {% for x in list %}"
            )
            return
        if names_supporter(node.iter):
            self.names.fault(
                node, "loops over a field of the supporter", "Only print or compare it"
            )
            return
        if not isinstance(node.iter, nodes.Name | nodes.Getattr):
            self.names.fault(node, "loops over something that is no list of the statement", ONLY)
            return
        item = self.names.resolve(node.iter)
        if item is None:
            return
        if not isinstance(item, tuple):
            self.names.fault(
                node, f"{path_of(node.iter)} is no list", "See what templates can name"
            )
            return
        loop: dict[str, Schema] = {
            name: Leaf.TEXT if name == "index" else Leaf.FLAG for name in LOOP_FIELDS
        }
        with self.names.within({node.target.name: item[0], "loop": loop}):
            self._body(node.body)
        self._body(node.else_)

    def _block(self, node: nodes.Block) -> None:
        known = self._scene.blocks
        if known is not None and node.name not in known:
            there = ", ".join(sorted(known))
            self.names.fault(node, f'the layout has no block "{node.name}"', f"It has: {there}")
        if node.required:
            self.names.fault(node, "a block cannot be required", "Take that word out")
        self.blocks.add(node.name)
        around, self._speaking = self._speaking, self._scene.apart.get(node.name, self._speaking)
        with self.names.outside_loops():
            self._body(node.body)
        self._speaking = around

    # What is printed

    def _printed(self, node: nodes.Expr) -> nodes.Expr:
        """Check an expression that is printed; return what is put in its place."""
        match node:
            case nodes.TemplateData():
                return node
            case nodes.CondExpr():
                node.test = self.names.test(node.test)
                node.expr1 = self._printed(node.expr1)
                if node.expr2 is None:
                    self.names.fault(node, "has no else", 'Write {{ "a" if … else "b" }}')
                else:
                    node.expr2 = self._printed(node.expr2)
                return node
            case nodes.Call():
                return self._call(node)
            case nodes.Const(value=value) if isinstance(value, str):
                return node
        if names_supporter(node):
            return self._slot(node)
        if isinstance(node, nodes.Filter):
            return self._filter(node)
        if isinstance(node, nodes.Name | nodes.Getattr):
            found = self.names.resolve(node)
            if found is not None and found is not Leaf.TEXT:
                self.names.fault(node, f"{path_of(node)} is no text that can be printed", ONLY)
            return node
        self.names.fault(node, f"a template cannot {words_for(node)}", ONLY)
        return node

    def _slot(self, node: nodes.Expr) -> nodes.Expr:
        asked = node
        default = ""
        if isinstance(node, nodes.Filter) and node.node is not None:
            if node.name != "default":
                self.names.fault(
                    node, f'a field of the supporter takes no filter but default, not "{node.name}"',
                    'Write {{ supporter.name | default("…") }}',
                )  # fmt: skip
                return node
            literal = node.args[0] if len(node.args) == 1 and not has_more(node) else None
            if not isinstance(literal, nodes.Const) or not isinstance(literal.value, str):
                self.names.fault(
                    node, "default takes one text in quotes",
                    'Write {{ supporter.name | default("…") }}',
                )  # fmt: skip
                return node
            asked, default = node.node, literal.value
        name = self.names.field(asked)
        if name is None:
            return node
        slot = Slot(SlotKind.FIELD, name, default)
        if not default and not any(name in given for given in self._given):
            place = Place(slot, self._file, self.names.line(node))
            if place not in self._ledger.bare:
                self._ledger.bare.append(place)
        marker = self._ledger.marker(slot, self._file, self.names.line(node))
        # A body is Markdown, which would show the tags: there they are added afterwards.
        return nodes.MarkSafe(
            nodes.Const(self._ledger.isolate(marker) if self._html else marker, lineno=node.lineno),
            lineno=node.lineno,
        )

    def _call(self, node: nodes.Call) -> nodes.Expr:
        name = node.node.name if isinstance(node.node, nodes.Name) else ""
        function = dict(zip(("_", "ngettext"), self._speaking, strict=True)).get(name, "")
        if not function or node.dyn_args is not None or node.dyn_kwargs is not None:
            self.names.fault(
                node, "a template cannot call anything but a phrase", 'Write {{ _("…") }}'
            )
            return node
        wanted = 1 if name == "_" else 3
        msgids = [
            cast("nodes.Const", one).value
            for one in node.args[: 1 if name == "_" else 2]
            if is_text(one)
        ]
        if len(node.args) != wanted or len(msgids) != (1 if name == "_" else 2):
            self.names.fault(
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
            if not is_number(node.args[2]):
                self.names.fault(
                    node, "counts by something that is no number", "Write loop.index or a figure"
                )
        for name in sorted(frozenset().union(*map(placeholders, msgids)) - given):
            self.names.fault(
                node, f"the phrase wants a value for {name}",
                'Write {{ _("Hello %(name)s,", name=supporter.name) }}',
            )  # fmt: skip

    def _filter(self, node: nodes.Filter) -> nodes.Expr:
        if node.name not in FILTERS or node.node is None:
            there = ", ".join(sorted(FILTERS))
            self.names.fault(node, f'there is no filter "{node.name}"', f"There are: {there}")
            return node
        if self._html:
            self.names.fault(node, f'the filter "{node.name}" is for plain text', "Take it out")
        if not all(map(is_text, node.args)) or len(node.args) > 1 or has_more(node):
            self.names.fault(node, "a filter takes one text in quotes only", ONLY)
        node.node = self._printed(node.node)
        return node
