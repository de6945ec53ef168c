"""Find the addresses in a mail: those a reader follows, and those a mail program loads by itself.

In: HTML or plain text as it was received. Out: addresses. It reads what a stranger may have
written, and refuses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urlsplit

_URL = re.compile(r"https?://[^\s<>\"'()\[\]]+", re.IGNORECASE)
# Browsers leave line ends and tabs in an address out, and take a backslash for a slash.
_LEFT_OUT = re.compile(r"[\t\r\n]")
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//[^\s<>\"'(),;]+", re.IGNORECASE)
_IN_ITSELF = re.compile(r"(?:data|cid):[^\s\"')]*", re.IGNORECASE)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CSS_ESCAPE = re.compile(r"\\([0-9a-f]{1,6})\s?", re.IGNORECASE)
_REMOTE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
_FOLLOWED = frozenset({"a", "area", "form"})
#: Attributes for people to read, which may speak of an address.
_READ = frozenset({"alt", "title", "label", "summary"})


class _Reader(HTMLParser):
    """Collects addresses."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.followed: list[str] = []
        self.loaded: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the addresses of one element."""
        self._in_style = tag == "style"
        for name, value in attrs:
            if not value:
                continue
            if name in ("href", "action") and tag in _FOLLOWED:
                address = _LEFT_OUT.sub("", value).replace("\\", "/").strip()
                if _REMOTE.match(address):
                    self.followed.append(address)
            elif name == "style":
                self._load_css(value)
            elif name not in _READ and not name.startswith(("xmlns", "aria-")):
                # Which attributes load something differs from program to program: none has to.
                self._load(value)

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a style sheet."""
        if tag == "style":
            self._in_style = False

    def handle_data(self, data: str) -> None:
        """Take the addresses of a style sheet."""
        if self._in_style:
            self._load_css(data)

    def handle_comment(self, data: str) -> None:
        """Take the addresses of what one program alone reads: <!--[if mso]>…<![endif]-->."""
        if data.lstrip().startswith("["):
            inner = _read(data.replace("<!--", ""))
            self.followed += inner.followed
            self.loaded += inner.loaded

    def _load(self, value: str) -> None:
        text = _LEFT_OUT.sub("", value).replace("\\", "/")
        self.loaded += _ADDRESS.findall(_IN_ITSELF.sub("", text))

    def _load_css(self, text: str) -> None:
        text = _CSS_COMMENT.sub("", text)
        self._load(_CSS_ESCAPE.sub(lambda found: chr(int(found[1], 16) % 0x11_0000), text))


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def host_of(address: str) -> str:
    """Return the host an address leads to; "?" when it cannot be told."""
    try:
        return urlsplit(address).hostname or "?"
    except ValueError:
        return "?"


def links_in_html(html: str) -> Iterator[str]:
    """Yield the addresses that a reader of an HTML part can follow."""
    yield from _read(html).followed


def remote_parts(html: str) -> Iterator[str]:
    """Yield the addresses that a mail program would load to show an HTML part."""
    yield from _read(html).loaded


def links_in_text(text: str) -> Iterator[str]:
    """Yield the addresses in a plain-text part."""
    for found in _URL.findall(text):
        yield found.rstrip(".,;:!?»“”’")
