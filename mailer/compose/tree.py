"""Read a template into a tree, and say of its nodes what they are.

In: the text of a template or of an edition's body. Out: Jinja2's tree of it, nothing of which was
run or computed; what a node is, in kind and in words for a fault.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from jinja2 import TemplateSyntaxError, nodes

from mailer.compose.environment import MAX_SOURCE_CHARACTERS, MailEnvironment
from mailer.model.faults import Fault, FaultsFound

#: The word templates use for the person.
SUPPORTER = "supporter"
#: What to do about anything that is refused without another way to write it.
ONLY = "Templates print, choose by {% if %} and repeat by {% for %}; see docs/templates.md"
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


def parse(source: Source, environment: MailEnvironment) -> nodes.Template:
    """Return the tree of a template; nothing of it is run or computed.

    Raises:
        FaultsFound: when it is too large or is not a template.
    """
    if len(source.text) > MAX_SOURCE_CHARACTERS:
        problem = f"is longer than {MAX_SOURCE_CHARACTERS:,} characters"
        raise FaultsFound([Fault(source.file, 0, "", problem, "Make it shorter")])
    with bounded(source):
        return environment.parse(source.text, source.name, source.file)


@contextmanager
def bounded(source: Source) -> Iterator[None]:
    """Turn what Jinja2 says of a source into a fault with its line."""
    try:
        yield
    except TemplateSyntaxError as error:
        problem = (error.message or "is not a template").rstrip(".")
        line = error.lineno + source.first_line - 1
        raise FaultsFound([Fault(source.file, line, "", problem, ONLY)]) from error
    except (RecursionError, ValueError, OverflowError) as error:
        # Brackets in brackets are read by functions that call themselves, figures by int().
        problem = "is nested too deeply or holds too long a figure"
        raise FaultsFound([Fault(source.file, 0, "", problem, "Simplify it")]) from error


def words_for(node: nodes.Node) -> str:
    """Say what a node would do, for a fault: "a template cannot …"."""
    for kind, words in _WORDS.items():
        if isinstance(node, kind):
            return words
    return f"use {type(node).__name__.lower()}"


def is_text(node: nodes.Node) -> bool:
    """Tell whether a node is a text in quotes."""
    return isinstance(node, nodes.Const) and isinstance(node.value, str)


def is_number(node: nodes.Expr) -> bool:
    """Tell whether a node is a figure, or the place in a loop."""
    if isinstance(node, nodes.Const):
        return isinstance(node.value, int) and not isinstance(node.value, bool)
    return path_of(node) == "loop.index"


def literals_of(node: nodes.Expr, *, several: bool) -> tuple[str, ...] | None:
    """Return the texts in quotes that a node is: one, or with `several` those of a list."""
    if not several:
        return (cast("nodes.Const", node).value,) if is_text(node) else None
    if isinstance(node, nodes.Tuple | nodes.List) and node.items and all(map(is_text, node.items)):
        return tuple(cast("nodes.Const", item).value for item in node.items)
    return None


def given_where(test: nodes.Expr) -> frozenset[str]:
    """Return the supporter's fields that are known to have a value where the test holds."""
    match test:
        case nodes.And():
            return given_where(test.left) | given_where(test.right)
        case nodes.Or():
            return given_where(test.left) & given_where(test.right)
        case nodes.Compare(expr=expr, ops=[operand]) if operand.op in ("eq", "in"):
            return given_where(expr)
        case nodes.Getattr() if is_field(test):
            return frozenset({test.attr})
    return frozenset()


def has_more(node: nodes.Filter) -> bool:
    """Tell whether a filter is given more than plain arguments."""
    return bool(node.kwargs) or node.dyn_args is not None or node.dyn_kwargs is not None


def is_blank(node: nodes.Node) -> bool:
    """Tell whether a node prints blanks and line ends only."""
    return isinstance(node, nodes.Output) and all(
        isinstance(child, nodes.TemplateData) and not child.data.strip() for child in node.nodes
    )


def is_field(node: nodes.Node) -> bool:
    """Tell whether a node is `supporter.x`."""
    return (
        isinstance(node, nodes.Getattr)
        and isinstance(node.node, nodes.Name)
        and node.node.name == SUPPORTER
    )


def names_supporter(node: nodes.Node) -> bool:
    """Tell whether the supporter is named in a node."""
    return any(name.name == SUPPORTER for name in _names(node))


def names_only_supporter(node: nodes.Node) -> bool:
    """Tell whether nothing but the supporter is named in a node."""
    return all(name.name == SUPPORTER for name in _names(node))


def _names(node: nodes.Node) -> Sequence[nodes.Name]:
    own = [node] if isinstance(node, nodes.Name) else []
    return [*own, *node.find_all(nodes.Name)]


def path_of(node: nodes.Expr) -> str:
    """Return a name with its dots as it was written; "…" where it is none."""
    if isinstance(node, nodes.Getattr):
        return f"{path_of(node.node)}.{node.attr}"
    return node.name if isinstance(node, nodes.Name) else "…"


def nearest(name: str, known: Collection[str]) -> str:
    """Return a remedy for a name that is not known: the one most like it, else all there are."""
    close = difflib.get_close_matches(name, known, 1)
    if close:
        return f'Did you mean "{close[0]}"'
    return f"There are: {', '.join(sorted(known))}" if known else ""
