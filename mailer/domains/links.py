"""Find the addresses in a mail: those a reader follows, and those a mail program loads by itself.

In: HTML or plain text as it was received. Out: addresses. It reads what a stranger may have
written, and refuses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

_URL = re.compile(r"https?://[^\s<>\"'()\[\]]+", re.IGNORECASE)
_CSS_URL = re.compile(r"url\(\s*[\"']?(https?:[^)\"'\s]+|//[^)\"'\s]+)", re.IGNORECASE)
_CSS_IMPORT = re.compile(r"@import\s+[\"'](https?:[^\"']+|//[^\"']+)", re.IGNORECASE)
_REMOTE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
_FOLLOWED = frozenset({"a", "area", "form"})
_LOADING = frozenset({"src", "srcset", "background", "poster", "data", "lowsrc", "dynsrc"})


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
                if _REMOTE.match(value):
                    self.followed.append(value.strip())
            elif name == "href" and tag in ("link", "image", "use"):
                self._load(value)
            elif name in _LOADING:
                for one in value.split(",") if name == "srcset" else [value]:
                    self._load(one)
            elif name == "style":
                self._load_css(value)

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a style sheet."""
        if tag == "style":
            self._in_style = False

    def handle_data(self, data: str) -> None:
        """Take the addresses of a style sheet."""
        if self._in_style:
            self._load_css(data)

    def _load(self, value: str) -> None:
        if _REMOTE.match(value):
            self.loaded.append(value.strip().split()[0])

    def _load_css(self, text: str) -> None:
        self.loaded += [*_CSS_URL.findall(text), *_CSS_IMPORT.findall(text)]


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


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
