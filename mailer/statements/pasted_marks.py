"""Read how word processors say in HTML what is bold, hidden, deleted, an item or a note.

In: elements as Word, Google Docs and LibreOffice write them. Out: what each means for the text inside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from lxml import etree

_CLASS_RULE = re.compile(r"\.([A-Za-z][\w-]{0,60})\s*\{([^{}]{0,2000})\}")
#: More rules than this are read by nobody.
_LONGEST_STYLE = 400_000
_BOLD = re.compile(r"(?<![\w-])font-weight\s*:\s*(?:bold|bolder|[6-9]00)")
_NOT_BOLD = re.compile(r"(?<![\w-])font-weight\s*:\s*(?:normal|lighter|[1-5]00)")
_ITALIC = re.compile(r"(?<![\w-])font-style\s*:\s*(?:italic|oblique)")
_NOT_ITALIC = re.compile(r"(?<![\w-])font-style\s*:\s*normal")
_STRUCK = re.compile(r"text-decoration(?:-line)?\s*:[^;]*line-through")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all")
_LIST_LEVEL = re.compile(r"mso-list\s*:\s*l\d+\s+level(\d)")
_IGNORED = re.compile(r"mso-list\s*:\s*ignore")
_COMMENT = re.compile(
    r"mso-element\s*:\s*comment|mso-comment-reference|mso-special-character\s*:\s*comment"
)
_COMMENT_LINK = re.compile(r"#_?(?:msocom_|cmnt(?:_ref)?)\d+")
_NUMBERED = re.compile(r"\(?(\d{1,9}|[a-zA-Z]{1,4})[.)]")
_NOTE = re.compile(
    r"#_?(?:ftn|edn|sdfootnote|sdendnote|ftnt|footnote-|endnote-)(\d+|[ivxlc]+)(?:sym)?$"
)
_BACK = re.compile(
    r"#_?(?:(?:ftnref|ednref|ftnt_ref|footnote-ref-|endnote-ref-)(\d+|[ivxlc]+)"
    r"|sd(?:footnote|endnote)(\d+|[ivxlc]+)anc)$"
)


@dataclass(frozen=True)
class Marks:
    """How the text inside an element is set, and what becomes of it."""

    bold: bool = False
    italic: bool = False
    #: Where it leads; "" when it is no link.
    address: str = ""
    struck: bool = False
    deleted: bool = False
    inserted: bool = False
    #: Whether it was inserted because something around it was.
    inserted_before: bool = False
    hidden: bool = False
    #: A bullet or number that Word writes out, beside saying that it is a list.
    ignored: bool = False


def local_name(element: etree._Element) -> str:
    """Return an element's name in lower case, without what stands before a colon; "" for none."""
    return element.tag.rpartition(":")[2].lower() if isinstance(element.tag, str) else ""


def class_styles(root: etree._Element) -> dict[str, str]:
    """Return what the document's own style sheets say of classes: class → declarations."""
    styles: dict[str, str] = {}
    read = 0
    for element in root.iter("style"):
        text = (element.text or "")[: _LONGEST_STYLE - read]
        read += len(text)
        for found in _CLASS_RULE.finditer(text):
            styles[found[1]] = f"{styles.get(found[1], '')};{found[2].lower()}"
    return styles


def deepest(root: etree._Element) -> int:
    """Return how many elements stand within one another, counted without recursion."""
    depth = most = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        most = max(most, depth)
    return most


def marks_of(element: etree._Element, name: str, marks: Marks, styles: dict[str, str]) -> Marks:
    """Return how the text inside an element is set, by how it is set outside."""
    classes = (element.get("class") or "").split()
    own = (element.get("style") or "").lower()
    style = ";".join([*(styles.get(one, "") for one in classes), own])
    lower = {one.lower() for one in classes}
    bold = marks.bold or name in ("b", "strong")
    italic = marks.italic or name in ("i", "em", "cite", "dfn", "var")
    # Google Docs wraps all it copies in <b style="font-weight:normal">.
    bold = (bold or bool(_BOLD.search(style))) and not _NOT_BOLD.search(style)
    italic = (italic or bool(_ITALIC.search(style))) and not _NOT_ITALIC.search(style)
    return replace(
        marks,
        bold=bold,
        italic=italic,
        struck=marks.struck or name in ("s", "strike") or bool(_STRUCK.search(style)),
        deleted=name == "del" or "msodel" in lower,
        inserted=marks.inserted or name == "ins" or "msoins" in lower,
        inserted_before=marks.inserted,
        hidden=bool(_HIDDEN.search(style)) or element.get("hidden") is not None,
        ignored=bool(_IGNORED.search(style)),
    )


def is_comment(element: etree._Element) -> bool:
    """Tell whether an element is a reviewer's comment, or the mark that leads to one."""
    style = (element.get("style") or "").lower()
    classes = (element.get("class") or "").lower().split()
    if _COMMENT.search(style) or {"msocommentreference", "msocommenttext"} & set(classes):
        return True
    if local_name(element) == "a":
        return bool(_COMMENT_LINK.search(element.get("href") or ""))
    # Google Docs lists the comments as paragraphs at the end, each with a link back.
    return local_name(element) == "p" and any(
        re.fullmatch(r"cmnt\d+", one.get("id") or "") for one in element.iter("a")
    )


def list_line(element: etree._Element) -> tuple[int, int | None] | None:
    """Return level and number of a paragraph that Word shows in a list; None for others."""
    found = _LIST_LEVEL.search((element.get("style") or "").lower())
    if found is None:
        return None
    written = next(
        (
            "".join(one.itertext()).strip()
            for one in element.iter("span")
            if _IGNORED.search((one.get("style") or "").lower())
        ),
        "",
    )
    numbered = _NUMBERED.fullmatch(written)
    if numbered is None:
        return int(found[1]), None
    return int(found[1]), int(numbered[1]) if numbered[1].isascii() and numbered[1].isdigit() else 1


def note_number(href: str) -> tuple[str, bool]:
    """Return the number of the footnote that a link inside the document is about.

    Returns:
        The number, "" when it is about none; and whether it is the mark in the text, which leads to
        the note, and not the link back.
    """
    note, back = _NOTE.search(href), _BACK.search(href)
    if note:
        return note[1], True
    return (back[1] or back[2], False) if back else ("", False)
