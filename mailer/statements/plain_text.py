"""Write a statement's body as the plain-text twin of its HTML.

In: Markdown in which slots are already letters and digits. Out: text that reads well by itself:
one line per paragraph, since every program wraps to its own screen; a link as its words and then its
address in angle brackets, as RFC 3986 appendix C advises; a picture as its alternative text; a
quote in the quotation marks of its language with its attribution below; demands between asterisks,
the old mail sign for bold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from markdown_it.tree import SyntaxTreeNode

from mailer.model.tags import MalformedTag, parse_tag
from mailer.statements.links import link_problem
from mailer.statements.markdown import HASHTAG, parse_body, quote_field

#: Opening and closing quotation marks by base language, as its printers use them.
_QUOTATION_MARKS = {
    **dict.fromkeys(("ru", "uk", "be", "ky", "fa", "ps", "kk", "tg", "fr", "hy"), ("«", "»")),
    **dict.fromkeys(("de", "bg", "cs", "sk", "ka", "lt"), ("„", "“")),
    **dict.fromkeys(("ro", "pl", "hu", "sr", "hr"), ("„", "”")),
}
_ENGLISH_MARKS = ("“", "”")
_ALL_MARKS = '«„“"”»'
_RULE = "* * *"
_LONGEST_UNDERLINE = 60


def body_to_text(markdown: str, *, language: str = "") -> str:
    """Return the body as plain text, paragraphs parted by an empty line.

    Args:
        markdown: The body; Jinja has been through it, slots are letters and digits.
        language: Tag of the edition: decides the quotation marks of quotes that say no language.
    """
    root = SyntaxTreeNode(parse_body(markdown))
    return "\n\n".join(_Writer(language).blocks(root.children))


class _Writer:
    """Writes blocks; knows the edition's language and whether it is inside a demand."""

    def __init__(self, language: str, *, in_demand: bool = False) -> None:
        self._language = language
        self._in_demand = in_demand

    def blocks(self, nodes: Sequence[SyntaxTreeNode]) -> list[str]:
        """Return the text of each block that has any."""
        return [text for text in map(self.block, nodes) if text]

    def block(self, node: SyntaxTreeNode) -> str:
        """Return the text of one block."""
        match node.type:
            case "paragraph":
                text = self.inline(node)
                return f"*{text}*" if text and self._in_demand else text
            case "heading":
                text = self.inline(node)
                mark = "=" if node.tag == "h1" else "-"
                return f"{text}\n{mark * min(len(text), _LONGEST_UNDERLINE)}"
            case "bullet_list":
                return self._list(node, ("-" for _ in node.children))
            case "ordered_list":
                first = int(node.attrs.get("start", 1))
                numbers = range(first, first + len(node.children))
                return self._list(node, (f"{number}." for number in numbers))
            case "container_quote":
                return self._quote(node)
            case "container_demand":
                demand = _Writer(self._language, in_demand=True)
                return "\n\n".join(demand.blocks(node.children))
            case "hr":
                return _RULE
            case "inline":
                return self.inline(node)
            case _:
                return "\n\n".join(self.blocks(node.children))

    def _list(self, node: SyntaxTreeNode, marks: Iterable[str]) -> str:
        items: list[str] = []
        for mark, item in zip(marks, node.children, strict=True):
            indent = " " * (len(mark) + 1)
            lines = "\n".join(self.blocks(item.children)).split("\n")
            items.append("\n".join([f"{mark} {lines[0]}", *(indent + line for line in lines[1:])]))
        return "\n".join(items)

    def _quote(self, node: SyntaxTreeNode) -> str:
        opening = node.nester_tokens.opening if node.nester_tokens else None
        if opening is None:
            return "\n\n".join(self.blocks(node.children))
        said_in = quote_field(opening, "language")
        text = "\n\n".join(_Writer(said_in or self._language).blocks(node.children))
        attribution = quote_field(opening, "attribution")
        source = quote_field(opening, "source")
        said_by = " ".join(part for part in (attribution, f"<{source}>" if source else "") if part)
        quoted = _in_quotation_marks(text, said_in or self._language)
        return f"{quoted}\n— {said_by}" if said_by else quoted

    def inline(self, node: SyntaxTreeNode) -> str:
        """Return the text of what stands inside a block."""
        return "".join(self._span(child) for child in node.children)

    def _span(self, node: SyntaxTreeNode) -> str:
        match node.type:
            case "text" | "code_inline" | "text_special":
                return node.content
            case _ if node.type == HASHTAG:
                return node.content
            case "softbreak":
                return " "
            case "hardbreak":
                return "\n"
            case "strong":
                text = self.inline(node)
                # Inside a demand everything is bold already.
                return text if self._in_demand else f"*{text}*"
            case "image":
                return f"[{_alternative_text(node)}]"
            case "link":
                return self._link(node)
            case _:
                return self.inline(node)

    def _link(self, node: SyntaxTreeNode) -> str:
        words = self.inline(node).strip()
        address = str(node.attrs.get("href", ""))
        if link_problem(address) is not None:
            return words
        shown = address
        if address.lower().startswith("mailto:"):
            shown = unquote(address[len("mailto:") :].partition("?")[0])
        # RFC 3986 appendix C: angle brackets part an address from the text around it.
        return f"<{shown}>" if words in ("", address, shown) else f"{words} <{shown}>"


def _alternative_text(node: SyntaxTreeNode) -> str:
    return "".join(
        child.content if child.content else " " if child.type == "softbreak" else ""
        for child in node.walk(include_self=False)
        if not child.children
    )


def _in_quotation_marks(text: str, language: str) -> str:
    if not text or text[0] in _ALL_MARKS:
        return text
    try:
        base = parse_tag(language).language if language else ""
    except MalformedTag:
        base = ""
    opening, closing = _QUOTATION_MARKS.get(base, _ENGLISH_MARKS)
    return f"{opening}{text}{closing}"
