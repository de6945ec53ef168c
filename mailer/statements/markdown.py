"""Parse the Markdown of a statement's body into tokens that HTML, text and checks all read.

In: a body. Out: markdown-it tokens. CommonMark without raw HTML, without code blocks, and without
underlined headings, so that a line of hyphens is a rule wherever it stands. Beside it three blocks,
each between a line of colons with its name and a line of colons:

    ::: quote
    attribution: Nadia Orlan, lawyer
    source: https://archive.example.org/hearing
    language: ru

    The words that were said.
    :::

    ::: demand
    Give the files back.
    :::

    ::: note
    How this text came about.
    :::

The fields of a quote stand on its first lines. `attribution` must be there; `source` (where it was
said or published) and `language` (when it is another than the edition's) may be. A block that holds
another has more colons than the inner one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from mdit_py_plugins.container import container_plugin

from mailer.statements.front_matter import unquote

#: The blocks there are.
BLOCKS = ("quote", "demand", "note")
#: The fields a quote may begin with.
QUOTE_FIELDS = ("attribution", "source", "language")
#: Type of the inline token made of a word that begins with a number sign.
HASHTAG = "hashtag"
_FIELD = re.compile(r"([a-z_]+)\s*:(?:\s+(.*)|\s*)")
_TAG = re.compile(r"(?<![\w&/#])#(?!\d+\b)\w+")
_SLOT = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


@dataclass(frozen=True)
class QuoteField:
    """A field on one of the first lines of a quote."""

    name: str
    value: str
    #: Line within the body, counted from 0.
    line: int


def quote_fields(token: Token) -> tuple[QuoteField, ...]:
    """Return the fields of a quote by its opening token, in the order written."""
    fields: tuple[QuoteField, ...] = token.meta.get("fields", ())
    return fields


def quote_field(token: Token, name: str) -> str:
    """Return one field of a quote; "" when it has none."""
    return next((field.value for field in quote_fields(token) if field.name == name), "")


def parse_body(body: str) -> list[Token]:
    """Return the tokens of a body."""
    return _parser().parse(body)


def parser_options() -> OptionsDict:
    """Return the parser's options, which a renderer is handed too."""
    return _parser().options


def without_slots(body: str, fill: str = "x") -> str:
    """Return the body with what Jinja would replace filled up, every other letter in its place.

    What prints a value becomes that many `fill`; conditions become blanks. Lines stay lines.
    """

    def filled(found: re.Match[str]) -> str:
        letter = fill if found[0].startswith("{{") else " "
        return "".join("\n" if one == "\n" else letter for one in found[0])

    return _SLOT.sub(filled, body)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False})
    parser.disable(["code", "fence", "html_block", "html_inline", "lheading"])
    for name in BLOCKS:
        container_plugin(parser, name, validate=_named(name))
    parser.core.ruler.after("block", "quote_fields", _take_quote_fields)
    parser.core.ruler.push("hashtags", _split_hashtags)
    # Bad links stay links, so that the check can name them; rendering refuses them once more.
    parser.validateLink = _any_link  # type: ignore[method-assign]
    return parser


def _any_link(url: str) -> bool:  # noqa: ARG001  (markdown-it's signature.)
    return True


def _named(name: str) -> Callable[[str, str], bool]:
    def is_named(params: str, _markup: str) -> bool:
        return params.strip() == name

    return is_named


def _take_quote_fields(state: StateCore) -> None:
    """Move the fields on a quote's first lines from its text to its opening token."""
    tokens = state.tokens
    position = 0
    while position < len(tokens):
        opening = tokens[position]
        position += 1
        if opening.type != "container_quote_open":
            continue
        following = tokens[position : position + 2]
        if [token.type for token in following] != ["paragraph_open", "inline"]:
            continue
        inline = following[1]
        lines = inline.content.split("\n")
        first = inline.map[0] if inline.map else 0
        fields: list[QuoteField] = []
        for offset, line in enumerate(lines):
            found = _FIELD.fullmatch(line.strip())
            if found is None:
                break
            fields.append(QuoteField(found[1], unquote(found[2] or ""), first + offset))
        # "remember: …" begins a sentence unless it stands among fields that we know.
        if not any(field.name in QUOTE_FIELDS for field in fields):
            continue
        opening.meta["fields"] = tuple(fields)
        if len(fields) == len(lines):
            del tokens[position : position + 3]
            continue
        inline.content = "\n".join(lines[len(fields) :])
        for token in following:
            if token.map:
                token.map = [token.map[0] + len(fields), token.map[1]]


def _split_hashtags(state: StateCore) -> None:
    """Make words that begin with a number sign tokens of their own, outside of links."""
    for token in state.tokens:
        if token.type != "inline" or not token.children:
            continue
        children: list[Token] = []
        link_depth = 0
        for child in token.children:
            link_depth += child.nesting if child.type in ("link_open", "link_close") else 0
            if child.type != "text" or link_depth or "#" not in child.content:
                children.append(child)
                continue
            children.extend(_split(child))
        token.children = children


def _split(token: Token) -> list[Token]:
    parts: list[Token] = []
    end = 0
    for found in _TAG.finditer(token.content):
        parts.append(_text("text", token.content[end : found.start()], token.level))
        parts.append(_text(HASHTAG, found[0], token.level))
        end = found.end()
    parts.append(_text("text", token.content[end:], token.level))
    return [part for part in parts if part.content]


def _text(kind: str, content: str, level: int) -> Token:
    return Token(kind, "", 0, content=content, level=level)
