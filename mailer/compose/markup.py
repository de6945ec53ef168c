"""Read the HTML of a mail as a tree: see that slots stand where they may, and nothing is remote.

In: HTML with markers. Out: its tree, what is wrong in it, what it shows, and the HTML again, compact.
A slot may stand in text only; the unsubscribe address may also be a link's whole target. Standards:
HTML; RFC 2392 for `cid:`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from mailer.compose.ledger import PERSONAL_LINKS, Ledger, Place, Slot
from mailer.compose.links import ascii_address

#: XML 1.0 §2.2 (2): what is no character there; the tree is built by its rules.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPACE = re.compile(r"[ \t\r\n]+")
_NOT_TEXT = frozenset({"style", "script", "title", "textarea"})
_AS_WRITTEN = frozenset({"style", "script", "pre", "textarea"})
#: Elements that fetch, run or send something.
_FORBIDDEN = frozenset(
    {"applet", "audio", "base", "embed", "form", "frame", "iframe", "input", "link", "object"}
    | {"script", "source", "svg", "video"}
)
_FETCHING = frozenset({"background", "data", "poster", "src", "srcset", "xlink:href"})
_REMOTE_STYLE = re.compile(r"url\s*\(|@import|expression\s*\(", re.IGNORECASE)
DOCTYPE = "<!DOCTYPE html>"


def unfit_characters(text: str) -> list[str]:
    """Return the characters of a text that may stand in no tree, each once."""
    return list(dict.fromkeys(_UNFIT.findall(text)))


class EmptyDocument(ValueError):
    """There is nothing in the HTML but blanks and comments."""


def parse_document(html: str) -> etree._Element:
    """Return the root of a whole HTML document.

    Raises:
        EmptyDocument: when it holds no element and no text.
    """
    parser = etree.HTMLParser(no_network=True, remove_pis=True)
    root = etree.fromstring(html, parser)
    if root is None:
        raise EmptyDocument("the HTML is empty")
    return root


def parse_fragment(html: str) -> etree._Element:
    """Return the body that holds a fragment of HTML."""
    body = parse_document(f"<html><body>{html}</body></html>").find("body")
    if body is None:
        raise ValueError("the HTML has no body")
    return body


def serialize_document(root: etree._Element) -> str:
    """Return a document's HTML, its doctype first."""
    return f"{DOCTYPE}\n{etree.tostring(root, method='html', encoding='unicode')}\n"


def misplaced_slots(root: etree._Element, ledger: Ledger) -> list[Place]:
    """Return the slots that stand where no value may go: in attributes, comments, styles, title."""
    found: list[Place] = []
    for element in root.iter():
        if not isinstance(element.tag, str) or element.tag in _NOT_TEXT:
            found += ledger.places_in(element.text or "")
        if not isinstance(element.tag, str):
            continue
        for name, value in element.attrib.items():
            if not (
                element.tag == "a" and name == "href" and _slot(value, ledger) in PERSONAL_LINKS
            ):
                found += ledger.places_in(value)
    return list(dict.fromkeys(found))


def text_slots(root: etree._Element, ledger: Ledger) -> list[Place]:
    """Return the slots that stand in text, each as often as it does."""
    return [one for text in root.itertext(with_tail=True) for one in ledger.places_in(str(text))]


def has_link_of_slot(root: etree._Element, ledger: Ledger, slot: Slot) -> bool:
    """Tell whether a link of the document leads to where a slot says, for each person elsewhere."""
    return any(_slot(element.get("href", ""), ledger) == slot for element in root.iter("a"))


def _slot(target: str, ledger: Ledger) -> Slot | None:
    """Return the slot that is the whole of a link's target."""
    return ledger.places_in(target)[0].slot if ledger.is_marker(target) else None


def has_link(root: etree._Element, address: str) -> bool:
    """Tell whether a link of the document leads to an address."""
    return any(element.get("href") == address for element in root.iter("a"))


def shown_text(root: etree._Element) -> str:
    """Return the text of a document that readers may see: no title, comment or style."""
    found: list[str] = []
    for element in root.iter():
        if isinstance(element.tag, str) and element.tag not in _NOT_TEXT:
            found.append(element.text or "")
        found.append(element.tail or "")
    return "".join(found)


def remote_parts(root: etree._Element) -> Iterator[tuple[str, str]]:
    """Yield what of a document would be fetched, run or sent: the element's tag, and words."""
    for element in root.iter(etree.Element):
        tag = str(element.tag)
        if tag in _FORBIDDEN:
            yield tag, f"the element <{tag}>"
        for name, value in element.attrib.items():
            if name in _FETCHING and not value.strip().lower().startswith("cid:"):
                yield tag, f'{name} of <{tag}>, which is not "cid:"'
            elif name.startswith("on"):
                yield tag, f"{name} of <{tag}>"
            elif name == "style" and _REMOTE_STYLE.search(value):
                yield tag, f"url() in a style of <{tag}>"
            elif name == "href" and value.strip().lower().startswith(("javascript:", "data:")):
                yield tag, f"a script as the address of <{tag}>"
        if tag == "style" and _REMOTE_STYLE.search(element.text or ""):
            yield tag, "url() or @import in the style sheet"


def is_remote_style(css: str) -> bool:
    """Tell whether a style sheet would fetch something."""
    return _REMOTE_STYLE.search(css) is not None


def ascii_links(root: etree._Element) -> None:
    """Write the target of every link in ASCII: serializing would percent-encode its host."""
    for element in root.iter("a"):
        address = element.get("href")
        if address and not address.isascii():
            element.set("href", ascii_address(address))


def compact(root: etree._Element) -> None:
    """Make every run of blanks and line ends in the text one blank or one line end.

    Less is sent, and a body without runs of blanks is its own relaxed form (RFC 6376 §3.4.4).
    """
    for element in root.iter():
        if isinstance(element.tag, str) and element.tag not in _AS_WRITTEN and element.text:
            element.text = _SPACE.sub(_shorter, element.text)
        if element.tail and not any(
            isinstance(one.tag, str) and one.tag in _AS_WRITTEN for one in element.iterancestors()
        ):
            element.tail = _SPACE.sub(_shorter, element.tail)


def _shorter(run: re.Match[str]) -> str:
    return "\n" if "\n" in run[0] else " "
