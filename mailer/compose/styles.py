"""Put a style sheet into a mail, so that programs that read only style attributes show it too.

In: the HTML of a mail as a tree and its style sheet. Out: the tree with the plain rules inlined by
premailer, and what no attribute can say (dark mode, narrow screens, Outlook's own selectors,
hovering) in one style element that premailer does not touch: it would strip `!important` and drop
`@supports` and `[data-ogsc]`. Nothing is ever fetched.
"""

from __future__ import annotations

import logging
import re
import sys
from functools import cache, lru_cache
from types import ModuleType
from typing import Any

from lxml import etree

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_SPACE = re.compile(r"\s+")
#: Selectors that only a style element can hold: states, and Outlook's marks of its dark mode.
_ONLY_IN_SHEET = re.compile(r":(?!(?:first|last)-child\b)|\[data-ogs[cb]\]")


def split_style(css: str) -> tuple[str, str]:
    """Return the rules that can be inlined, and those that stay in a style element.

    Args:
        css: A style sheet; comments are dropped.

    Raises:
        ValueError: when its braces do not match.
    """
    inlined: list[str] = []
    kept: list[str] = []
    for selector, block in rules_of(_COMMENT.sub(" ", css)):
        rule = f"{selector}{{{block}}}"
        stays = selector.startswith("@") or _ONLY_IN_SHEET.search(selector)
        (kept if stays else inlined).append(_SPACE.sub(" ", rule))
    return "\n".join(inlined), "\n".join(kept)


def rules_of(css: str) -> list[tuple[str, str]]:
    """Return the top-level rules of a sheet: what stands before the braces, and in them.

    Raises:
        ValueError: when its braces do not match.
    """
    rules = []
    depth = 0
    start = block_start = 0
    for position, character in enumerate(css):
        if character == "{":
            if depth == 0:
                block_start = position
            depth += 1
        elif character == "}":
            depth -= 1
            if depth < 0:
                raise ValueError("a brace is closed that was never opened")
            if depth == 0:
                rules.append((css[start:block_start].strip(), css[block_start + 1 : position]))
                start = position + 1
    if depth or css[start:].strip():
        raise ValueError("a brace is not closed")
    return rules


@lru_cache(maxsize=16)
def _split(css: str) -> tuple[str, str]:
    return split_style(css)


@cache
def _inliner() -> Any:  # noqa: ANN401  (premailer has no types.)
    """Import premailer without the web client it brings, when the first message is compiled.

    A mail is made of nothing that is fetched: what cannot fetch need not be told so, and six
    megabytes of every sender are spared.
    """
    client = "requests"
    spared = client not in sys.modules
    if spared:
        sys.modules[client] = ModuleType(client)
    try:
        from premailer import Premailer
    finally:
        if spared:
            del sys.modules[client]
    return Premailer


def add_style(root: etree._Element, css: str) -> None:
    """Inline the style sheet into the tree of a whole HTML document.

    Raises:
        ValueError: when the style sheet's braces do not match.
    """
    inlined, kept = _split(css)
    head = root.find("head")
    if head is None:
        head = etree.Element("head")
        root.insert(0, head)
    for text, attributes in ((inlined, {}), (kept, {"data-premailer": "ignore"})):
        if text:
            style = etree.SubElement(head, "style", attributes)
            style.text = text
    _inliner()(
        root,
        allow_network=False,
        allow_loading_external_files=False,
        disable_leftover_css=True,
        disable_validation=True,
        disable_link_rewrites=True,
        # Sizes are said in styles; as attributes "100%" and "auto" mean other things.
        disable_basic_attributes=["width", "height"],
        align_floating_images=False,
        cssutils_logging_level=logging.CRITICAL,
    ).transform()
