"""Read the HTML of a mail as a tree: see that slots stand where they may, and nothing is remote.

In: HTML with markers. Out: its tree, what is wrong in it, its links, and the HTML again, compact.
A slot may stand in text only; the unsubscribe address may also be a link's whole target. Standards:
HTML; RFC 2392 for `cid:`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from mailer.compose.ledger import UNSUBSCRIBE_URL, Ledger, Slot
from mailer.compose.links import ascii_address

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


def parse_document(html: str) -> etree._Element:
    """Return the root of a whole HTML document."""
    parser = etree.HTMLParser(no_network=True, remove_pis=True)
    root = etree.fromstring(html, parser)
    if root is None:
        raise ValueError("the HTML is empty")
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


def misplaced_slots(root: etree._Element, ledger: Ledger) -> list[Slot]:
    """Return the slots that stand where no value may go: in attributes, comments, styles, title."""
    found: list[Slot] = []
    for element in root.iter():
        if not isinstance(element.tag, str) or element.tag in _NOT_TEXT:
            found += ledger.slots_in(element.text or "")
        if not isinstance(element.tag, str):
            continue
        for name, value in element.attrib.items():
            slots = ledger.slots_in(value)
            whole_link = element.tag == "a" and name == "href" and ledger.is_marker(value)
            if slots and not (whole_link and slots == [UNSUBSCRIBE_URL]):
                found += slots
    return list(dict.fromkeys(found))


def text_slots(root: etree._Element, ledger: Ledger) -> list[Slot]:
    """Return the slots that stand in text, each as often as it does."""
    return [slot for text in root.itertext(with_tail=True) for slot in ledger.slots_in(str(text))]


def remote_parts(root: etree._Element) -> Iterator[str]:
    """Yield what of a document would be fetched, run or sent, in words."""
    for element in root.iter(etree.Element):
        if element.tag in _FORBIDDEN:
            yield f"the element <{element.tag}>"
        for name, value in element.attrib.items():
            if name in _FETCHING and not value.strip().lower().startswith("cid:"):
                yield f'{name} of <{element.tag}>, which is not "cid:"'
            elif name.startswith("on"):
                yield f"{name} of <{element.tag}>"
            elif name == "style" and _REMOTE_STYLE.search(value):
                yield f"url() in a style of <{element.tag}>"
            elif name == "href" and value.strip().lower().startswith(("javascript:", "data:")):
                yield f"a script as the address of <{element.tag}>"
        if element.tag == "style" and _REMOTE_STYLE.search(element.text or ""):
            yield "url() or @import in the style sheet"


def is_remote_style(css: str) -> bool:
    """Tell whether a style sheet would fetch something."""
    return _REMOTE_STYLE.search(css) is not None


def web_links(root: etree._Element) -> frozenset[str]:
    """Return the web addresses that a document's links lead to."""
    return frozenset(
        element.get("href", "")
        for element in root.iter("a")
        if element.get("href", "").startswith(("http://", "https://"))
    )


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
