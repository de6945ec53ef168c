"""Make a statement's body of HTML that somebody pasted from Word, Google Docs or LibreOffice.

In: HTML, of anybody. Out: Markdown with headings, bold, italics, links, lists and quotations, and what
did not come along. Nothing is fetched and nothing is run; what Jinja would read stays plain text. The
work is bounded by size and depth.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

from lxml import etree

from mailer.model.worded import worded
from mailer.statements.inline_markdown import usable_address
from mailer.statements.pasted import (
    Block,
    Heading,
    Listing,
    Losses,
    LossKind,
    Paragraph,
    Pasted,
    Quotation,
    Rule,
    Run,
    plain,
)
from mailer.statements.pasted_lists import ListLine, folded, parted
from mailer.statements.pasted_marks import (
    Marks,
    class_styles,
    deepest,
    is_comment,
    list_line,
    local_name,
    marks_of,
    note_number,
)
from mailer.statements.to_markdown import to_markdown

#: Pasted pictures come as text; more than this is no statement.
MAX_HTML_BYTES = 5_000_000
#: Word processors nest a few dozen elements at most.
MAX_DEPTH = 120
#: Twenty times a long statement; more would keep the program busy for seconds.
MAX_CHARACTERS = 100_000
MAX_ELEMENTS = 20_000
_BLOCKS = frozenset(
    {"p", "div", "section", "article", "header", "footer", "main", "aside", "nav", "address", "pre"}
    | {"dl", "dt", "dd", "figure", "figcaption", "center", "form", "fieldset", "legend", "body"}
    | {
        "table",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "td",
        "th",
        "caption",
        "details",
        "summary",
        "html",
    }
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_DROPPED = frozenset(
    {"script", "style", "head", "title", "meta", "link", "base", "template", "noscript", "iframe"}
    | {"frame", "frameset", "object", "embed", "applet", "param", "svg", "math", "canvas", "audio"}
    | {"video", "source", "track", "map", "area", "input", "select", "option", "textarea", "button"}
    | {"xml", "colgroup", "col", "datalist", "progress", "meter", "dialog"}
)
_PICTURES = frozenset({"img", "image", "svg", "picture", "canvas", "object", "embed", "video"})
# U+200C and U+200D shape letters of Persian, U+200E and U+200F are honest marks of direction.
_UNSEEN = re.compile("[\u00ad\u200b\u2060\ufeff\ufffe\uffff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_SAID_BY = re.compile(r"^\s*[—–―]\s*(\S.{0,148})$", re.DOTALL)
_JINJA = re.compile(r"\{[{%#]")
_TITLE_CLASSES = {"msotitle": 1, "msosubtitle": 2, "title": 1, "subtitle": 2}


class NotReadable(Exception):
    """A pasted or uploaded text that cannot be read; carries what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}. {remedy}.")


def from_html(html: str, losses: Losses | None = None) -> Pasted:
    """Return HTML as a statement's body.

    Args:
        html: What the clipboard or a converter gave.
        losses: What was lost on the way here.

    Raises:
        NotReadable: when it is too large, too long or nested too deeply.
    """
    losses = losses or Losses()
    root = _parsed(html)
    if root is None:
        return Pasted("", losses.told())
    reader = _Reader(losses, class_styles(root))
    blocks = reader.read(root)
    return Pasted(to_markdown(blocks, losses), losses.told())


def _parsed(html: str) -> etree._Element | None:
    # Half a surrogate pair can come out of a form, and no encoder takes it.
    content = html.encode("utf-8", "ignore")
    if len(content) > MAX_HTML_BYTES:
        limit = MAX_HTML_BYTES // 1_000_000
        raise NotReadable(
            worded("It has more than %(limit)s MB", limit=limit),
            "Take a part of it, without pictures",
        )
    content = _CONTROL.sub("", content.decode()).encode()
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError:
        return None
    # Where libxml2 gives up in the middle, the rest would be lost unsaid.
    cut = any("depth" in one.message.lower() for one in parser.error_log)
    if cut or (root is not None and deepest(root) > MAX_DEPTH):
        raise NotReadable("It is nested too deeply", "Paste it as plain text")
    if root is not None:
        elements = sum(1 for _ in root.iter())
        # What stands between elements counts too; white space of the source does not.
        letters = sum(len(" ".join(text.split())) for text in root.itertext())
        if elements > MAX_ELEMENTS or letters > MAX_CHARACTERS:
            raise NotReadable("It is longer than a statement can be", "Take a part of it")
    return root


@dataclass
class _Open:
    """Blocks that are being gathered, and the runs of the one that is open."""

    blocks: list[Block | ListLine] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    heading: int = 0
    line: tuple[int, int | None] | None = None


class _Reader:
    """Walks the tree and gathers blocks."""

    def __init__(self, losses: Losses, styles: dict[str, str]) -> None:
        self._losses = losses
        self._styles = styles
        self._open = _Open()

    def read(self, root: etree._Element) -> list[Block]:
        """Return the blocks of a whole document."""
        return self._gathered(root, Marks())

    def _gathered(self, element: etree._Element, marks: Marks) -> list[Block]:
        """Return the blocks inside an element, by themselves."""
        outer, self._open = self._open, _Open()
        self._inside(element, marks)
        self._close()
        gathered = list(folded(self._open.blocks))
        self._open = outer
        return gathered

    def _close(self) -> None:
        """End the block that is open."""
        now = self._open
        runs, now.runs = tuple(now.runs), []
        for part in parted(runs):
            if now.line is not None:
                now.blocks.append(ListLine(*now.line, part))
            elif now.heading:
                now.blocks.append(Heading(now.heading, part))
            else:
                now.blocks.append(Paragraph(part))

    def _inside(self, element: etree._Element, marks: Marks) -> None:
        self._text(element.text, marks)
        for child in element:
            self._walk(child, marks)
            self._text(child.tail, marks)

    def _text(self, text: str | None, marks: Marks) -> None:
        if not text:
            return
        seen, unseen = _UNSEEN.subn("", text)
        if unseen:
            self._losses.note(LossKind.UNSEEN, count=unseen)
        if marks.struck and seen.strip():
            self._losses.note(LossKind.STRUCK, seen)
        # A line end in HTML is a blank; only <br> breaks a line.
        seen = re.sub(r"[ \t\r\n\f]+", " ", seen)
        if seen:
            self._open.runs.append(Run(seen, marks.bold, marks.italic, marks.address))

    def _walk(self, element: etree._Element, marks: Marks) -> None:
        name = local_name(element)
        if name in _PICTURES:
            self._losses.note(LossKind.PICTURE, element.get("alt", ""))
        if name in _PICTURES or name in _DROPPED or not name:
            return
        marks = marks_of(element, name, marks, self._styles)
        if marks.ignored or self._is_left_out(element, marks):
            return
        if name == "br":
            self._open.runs.append(Run("\n"))
        elif "Apple-converted-space" in (element.get("class") or ""):
            # A browser ties blanks so that they are not lost; nobody meant them tied.
            self._open.runs.append(Run(" ", marks.bold, marks.italic, marks.address))
        elif name == "a":
            self._anchor(element, marks)
        elif name in ("ul", "ol", "menu", "dir"):
            self._list(element, name, marks)
        elif name == "blockquote":
            self._quotation(element, marks)
        elif name == "hr":
            self._close()
            self._open.blocks.append(Rule())
        elif name in _BLOCKS or name in _HEADINGS or name == "li":
            self._block(element, name, marks)
        else:
            self._inside(element, marks)

    def _is_left_out(self, element: etree._Element, marks: Marks) -> bool:
        if marks.inserted and not marks.inserted_before:
            self._losses.note(LossKind.INSERTED, _words(element))
        for left_out, kind in (
            (marks.deleted, LossKind.DELETED),
            (marks.hidden, LossKind.HIDDEN),
            (is_comment(element), LossKind.COMMENT),
        ):
            if left_out:
                if _words(element).strip():
                    self._losses.note(kind, _words(element))
                return True
        return False

    def _block(self, element: etree._Element, name: str, marks: Marks) -> None:
        if name == "table":
            self._losses.note(LossKind.TABLE)
        self._close()
        before = self._open.heading, self._open.line
        self._open.heading = _heading_level(element, name) or self._open.heading
        found = list_line(element)
        self._open.line = (found[0], found[1]) if found else self._open.line
        self._inside(element, marks)
        self._close()
        self._open.heading, self._open.line = before

    def _anchor(self, element: etree._Element, marks: Marks) -> None:
        href = (element.get("href") or "").strip()
        if href.startswith("#") or "#_ftn" in href or "#_edn" in href:
            number, is_mark = note_number(href)
            if not number:
                self._inside(element, marks)
                return
            if is_mark:
                self._losses.note(LossKind.FOOTNOTE)
            if "↑" not in _words(element):
                self._open.runs.append(Run(f"[{number}] " if not is_mark else f"[{number}]"))
            return
        address, tracked = _straight(href)
        if tracked:
            self._losses.note(LossKind.TRACKED_LINK, address)
        if href and not usable_address(address):
            self._losses.note(LossKind.LINK, _words(element))
            address = ""
        self._inside(element, replace(marks, address=address if href else marks.address))

    def _list(self, element: etree._Element, name: str, marks: Marks) -> None:
        self._close()
        items: list[tuple[Block, ...]] = []
        for child in element:
            child_name = local_name(child)
            if not child_name or child_name in _DROPPED:
                continue
            child_marks = marks_of(child, child_name, marks, self._styles)
            if child_marks.ignored or self._is_left_out(child, child_marks):
                continue
            if child_name in ("ul", "ol"):
                # Google Docs puts an inner list beside the item that it belongs to.
                outer, self._open = self._open, _Open()
                self._list(child, child_name, child_marks)
                inner = tuple(folded(self._open.blocks))
                self._open = outer
                items[-1:] = [(*(items[-1] if items else ()), *inner)]
            else:
                items.append(tuple(self._gathered(child, child_marks)))
        kept = tuple(item for item in items if item)
        if kept:
            start = _number(element.get("start"), 1) if name == "ol" else None
            self._open.blocks.append(Listing(kept, start))

    def _quotation(self, element: etree._Element, marks: Marks) -> None:
        self._close()
        blocks = self._gathered(element, marks)
        said_by = ""
        last = blocks[-1] if len(blocks) > 1 else None
        if isinstance(last, Paragraph):
            found = _SAID_BY.match(plain(last.runs).strip())
            said = " ".join(found[1].split()) if found else ""
            # A field is taken as it is written, so what Jinja would read cannot stand there.
            if said and not _JINJA.search(said):
                said_by, blocks = said, blocks[:-1]
        if blocks:
            self._open.blocks.append(Quotation(tuple(blocks), said_by))


def _heading_level(element: etree._Element, name: str) -> int:
    if name in _HEADINGS:
        return _HEADINGS[name]
    if element.get("role") == "heading":
        return min(max(_number(element.get("aria-level"), 2), 1), 6)
    classes = (element.get("class") or "").lower().split()
    return next((_TITLE_CLASSES[one] for one in classes if one in _TITLE_CLASSES), 0)


def _number(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch(r"[0-9]{1,9}", text) else default


def _straight(address: str) -> tuple[str, bool]:
    """Return where an address leads in the end, and whether it led there by a counter of clicks."""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").lower()
    except ValueError:
        return address, False
    name = ""
    if host in ("www.google.com", "google.com") and parts.path == "/url":
        name = "q"
    elif host.endswith(".safelinks.protection.outlook.com"):
        name = "url"
    found = parse_qs(parts.query).get(name, [""])[0] if name else ""
    return (found, True) if found.startswith(("https://", "http://")) else (address, False)


def _words(element: etree._Element) -> str:
    return "".join(element.itertext())[:400]
