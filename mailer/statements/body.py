"""Write a statement's body as HTML for mails and pages, and as plain text.

In: Markdown in which slots are already letters and digits. Out: an HTML fragment, sanitized by an
allow-list of tags, attributes and classes; or the plain-text twin, written from the same tokens
(see `mailer.statements.plain_text`). The classes a style sheet may count on: `quote` (with
`quote-italic` or, for scripts without italics, `quote-bar`), `quote-text`, `quote-attribution`,
`demand`, `note`, `hashtag`, `picture`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from typing import Any

import nh3
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from mailer.model.statement import Hashtag, Picture
from mailer.statements.languages import MalformedTag, direction, has_italics
from mailer.statements.links import link_problem
from mailer.statements.markdown import parse_body, parser_options, quote_field
from mailer.statements.plain_text import body_to_text

#: A mail is this wide; a wider picture is shown at it, its pixels two for one.
SHOWN_WIDTH_PX = 600

_TAGS = frozenset(
    {"a", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img"}
    | {"li", "ol", "p", "span", "strong", "ul"}
)
_ATTRIBUTES = {
    "a": {"href", "title"},
    "blockquote": {"lang", "dir"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "span": {"dir"},
}
_CLASSES = {
    "a": {"hashtag"},
    "blockquote": {"quote-text"},
    "div": {"quote", "quote-italic", "quote-bar", "demand", "note"},
    "img": {"picture"},
    "p": {"quote-attribution"},
    "span": {"hashtag"},
}
_CONTEXT = "mailer"


@dataclass(frozen=True)
class _Context:
    picture_address: Callable[[str], str]
    language: str
    hashtags: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)


def body_to_html(
    markdown: str,
    *,
    picture_address: Callable[[str], str],
    language: str = "",
    hashtags: Sequence[Hashtag] = (),
    pictures: Mapping[str, Picture] | None = None,
) -> str:
    """Return the body as a sanitized HTML fragment.

    Args:
        markdown: The body; Jinja has been through it, slots are letters and digits.
        picture_address: From a picture's name to where it is: "cid:…" or an address.
        language: Tag of the edition: decides how quotes that say no language are set.
        hashtags: Those of the statement; where one stands in the body it leads to its address.
        pictures: By name; what is known of them is shown at the right size by every program.
    """
    context = _Context(
        picture_address,
        language,
        {hashtag.tag.casefold(): hashtag.address for hashtag in hashtags},
        pictures or {},
    )
    written = _renderer().render(parse_body(markdown), parser_options(), {_CONTEXT: context})
    return nh3.clean(
        written,
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        url_schemes={"https", "http", "mailto", "cid"},
        link_rel=None,
        attribute_filter=_filter_attribute,
    ).strip()


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    # The pages of a workspace that is not live are http on loopback, so pictures may be.
    if tag == "a" and name == "href" and link_problem(value) is not None:
        return None
    return value


class _Renderer(RendererHTML):
    """Writes our blocks, pictures and hashtags; everything else as markdown-it does."""

    def container_quote_open(
        self,
        tokens: Sequence[Token],
        index: int,
        _options: OptionsDict,
        env: MutableMapping[str, Any],
    ) -> str:
        said = quote_field(tokens[index], "language")
        context: _Context = env[_CONTEXT]
        script_class = "quote-italic" if _italic(said or context.language) else "quote-bar"
        return f'<div class="quote {script_class}">\n<blockquote class="quote-text"{_lang(said)}>\n'

    def container_quote_close(
        self,
        tokens: Sequence[Token],
        index: int,
        _options: OptionsDict,
        _env: MutableMapping[str, Any],
    ) -> str:
        opening = _opening(tokens, index)
        said_by = escape(quote_field(opening, "attribution"), quote=False)
        source = quote_field(opening, "source")
        if said_by and source:
            said_by = f'<a href="{escape(source)}">{said_by}</a>'
        line = f'<p class="quote-attribution">— {said_by}</p>\n' if said_by else ""
        return f"</blockquote>\n{line}</div>\n"

    def container_demand_open(self, *_: object) -> str:
        return '<div class="demand">\n'

    def container_demand_close(self, *_: object) -> str:
        return "</div>\n"

    def container_note_open(self, *_: object) -> str:
        return '<div class="note">\n'

    def container_note_close(self, *_: object) -> str:
        return "</div>\n"

    def hashtag(
        self,
        tokens: Sequence[Token],
        index: int,
        _options: OptionsDict,
        env: MutableMapping[str, Any],
    ) -> str:
        tag = tokens[index].content
        context: _Context = env[_CONTEXT]
        address = context.hashtags.get(tag.casefold())
        # A direction of its own keeps the number sign before the word in text that runs otherwise.
        word = f'<span class="hashtag" dir="{_direction_of(tag)}">{escape(tag)}</span>'
        return f'<a class="hashtag" href="{escape(address)}">{word}</a>' if address else word

    def image(
        self,
        tokens: Sequence[Token],
        index: int,
        options: OptionsDict,
        env: MutableMapping[str, Any],
    ) -> str:
        token = tokens[index]
        context: _Context = env[_CONTEXT]
        name = str(token.attrGet("src") or "")
        alt = " ".join(self.renderInlineAsText(token.children or [], options, env).split())
        size = ""
        picture = context.pictures.get(name)
        if picture is not None:
            width = min(picture.width_px, SHOWN_WIDTH_PX)
            height = round(picture.height_px * width / picture.width_px)
            # Outlook reads no max-width: it shows a picture as wide as these say.
            size = f' width="{width}" height="{height}"'
        address = escape(context.picture_address(name))
        return f'<img class="picture" src="{address}" alt="{escape(alt)}"{size}>'


@lru_cache(maxsize=1)
def _renderer() -> _Renderer:
    return _Renderer()


def _opening(tokens: Sequence[Token], index: int) -> Token:
    """Return the token that opened what the token at `index` closes."""
    closing = tokens[index]
    return next(
        token
        for token in reversed(tokens[:index])
        if token.level == closing.level and token.type == "container_quote_open"
    )


def _italic(language: str) -> bool:
    try:
        return not language or has_italics(language)
    except MalformedTag:
        return True


def _lang(language: str) -> str:
    try:
        return f' lang="{escape(language)}" dir="{direction(language)}"' if language else ""
    except MalformedTag:
        return ""


def _direction_of(text: str) -> str:
    """Return the direction of the first letter that has one."""
    for letter in text:
        kind = unicodedata.bidirectional(letter)
        if kind in ("L", "R", "AL"):
            return "ltr" if kind == "L" else "rtl"
    return "ltr"


__all__ = ["SHOWN_WIDTH_PX", "body_to_html", "body_to_text"]
