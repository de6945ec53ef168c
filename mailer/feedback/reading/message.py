"""Take a message apart into parts of readable text, whatever is wrong with it.

In: the octets of a message as a mail system left them. Out: a tree of `Part`s; never an exception,
and a bounded amount of work. The standard library's parser raises on some real bounces and grows
slow on hostile ones, so this one reads less of the standards and refuses nothing. Standards:
RFC 5322 §2.2 (fields), RFC 2045 and RFC 2046 (parts), RFC 6522 (multipart/report), RFC 6532.
"""

from __future__ import annotations

import binascii
import codecs
import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.entities import html5

#: What is read of a message. A report has what it is about within its first pages; what follows is
#: the body of the returned mail, and of no use to us.
_CHARACTERS_READ = 128 * 1024
#: Line ends count once, whatever they are.
OCTETS_READ = 2 * _CHARACTERS_READ
#: Deeper parts are left as the text they are.
_DEEPEST = 8
_MOST_PARTS = 64
_MOST_FIELDS = 400
_MOST_FIELD_LINES = 2000
_LONGEST_HTML = 64 * 1024
_LONGEST_FIELD = 4000

_FIELD = re.compile(r"([!-9;-~]{1,76})[ \t]*:")
_PARAMETER = re.compile(r";\s*([\w*-]{1,40})\s*=\s*(\"[^\"]{0,400}\"|[^\s;\"]{1,400})")
#: Boundaries that a header forgot to name stand before lines that say what a part is.
_LOST_BOUNDARY = re.compile(r"(?m)^--(\S{4,100})\n(?=Content-[A-Za-z-]{1,40}:)", re.IGNORECASE)
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_ENCODED_WORD = re.compile(r"=\?([\w.:-]{1,40})(?:\*[\w-]{0,20})?\?([BbQq])\?([^?\s]{0,2000})\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s{1,80}(=\?)")
#: Only codecs of character sets: Python has others, among them slow ones.
_CHARACTER_SETS = re.compile(
    r"(?:utf|iso|cp|koi8|ascii|latin|gb|big5|euc|shift|mac|ks|hz|johab|tis|ptcp)[\w-]*"
)
_ASCII = frozenset({"ascii", "us-ascii", "iso8859-1", "cp1252", ""})
_HIDDEN_HTML = re.compile(r"<(/?)(?:style|script|head)\b", re.IGNORECASE)
_TAG_OF_LINE = re.compile(r"<(?:/?(?:p|div|tr|li|h[1-6]|pre|table|blockquote)\b|br)[^<>]*>", re.I)
_TAG = re.compile(r"</?[A-Za-z!?][^<>@]*>")
#: Characters by number or name. The standard library's reader of them takes long over false ones.
_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9A-Fa-f]{1,6})|([A-Za-z]{2,8}[0-9]{0,2}));")


@dataclass(frozen=True)
class Part:
    """A message, or a part of one."""

    #: "text/plain"; small letters.
    kind: str
    #: Of Content-Type, names in small letters.
    parameters: Mapping[str, str]
    #: Names in small letters, values unfolded and decoded, in their order.
    fields: tuple[tuple[str, str], ...]
    #: What is in it, decoded; "" where it holds parts.
    text: str = ""
    #: Its parts, or the one message in it.
    parts: tuple[Part, ...] = ()

    def values(self, name: str) -> list[str]:
        """Return the values of a field."""
        return [value for named, value in self.fields if named == name]

    def value(self, name: str) -> str:
        """Return the first value of a field; "" when there is none."""
        return next(iter(self.values(name)), "")

    def walk(self) -> Iterator[Part]:
        """Yield this part and all below it, but nothing of a message that is carried in it."""
        yield self
        for part in self.parts:
            if self.kind.startswith("message/"):
                return
            yield from part.walk()


def parse(raw: bytes) -> Part:
    """Return a message as parts.

    Args:
        raw: as it came, with any line ends, at most `OCTETS_READ` of it are looked at.
    """
    text = with_line_feeds(bytes(raw[:OCTETS_READ]).decode("latin-1"))[:_CHARACTERS_READ].lstrip(
        "\n"
    )
    if text.startswith(("From ", ">From ")):
        # RFC 4155: the line that a mailbox file puts before a mail.
        text = text.partition("\n")[2]
    return _Budget().message(text.removeprefix("\xef\xbb\xbf"), 0)


def parse_text(text: str) -> Part:
    """Return what stands in a text as a message: one that was returned without a part of its own."""
    return _Budget().message(text.lstrip("\n"), _DEEPEST)


def with_line_feeds(text: str) -> str:
    """Return text with LF for every line end, CR, CRLF and the CRCRLF of clumsy relays."""
    return text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")


def fields_of(text: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return the fields that a text begins with, and the text behind them."""
    fields: list[tuple[str, str]] = []
    at = 0
    for _ in range(_MOST_FIELD_LINES):
        if at >= len(text) or len(fields) >= _MOST_FIELDS:
            break
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at : min(end, at + _LONGEST_FIELD)]
        if not line.strip():
            at = end + 1
            break
        if line[0] in " \t" and fields:
            name, value = fields[-1]
            if len(value) < _LONGEST_FIELD:
                fields[-1] = (name, f"{value} {line.strip()}")
        else:
            found = _FIELD.match(line)
            if not found:
                break
            fields.append((found[1].lower(), line[found.end() :].strip()))
        at = end + 1
    return tuple((name, decode_words(value)) for name, value in fields), text[at:]


def decode_words(value: str) -> str:
    """Return a field's value with its encoded-words read (RFC 2047), and UTF-8 where it is some."""
    if not value.isascii():
        with contextlib.suppress(UnicodeError):
            value = value.encode("latin-1").decode("utf-8")
    if "=?" not in value:
        return value
    return _ENCODED_WORD.sub(_decoded_word, _BETWEEN_WORDS.sub(r"\1\2", value))


def _decoded_word(found: re.Match[str]) -> str:
    octets = found[3].encode("utf-8")
    if found[2] in "Qq":
        octets = binascii.a2b_qp(octets.replace(b"_", b" "))
    else:
        octets = _from_base64(octets)
    return with_line_feeds(_decoded(octets, found[1])).replace("\n", " ")


@dataclass
class _Budget:
    """Parts that may still be made."""

    parts_left: int = field(default=_MOST_PARTS)

    def message(self, text: str, depth: int) -> Part:
        """Return a message, or a part, of which `text` is fields and body."""
        self.parts_left -= 1
        fields, body = fields_of(text)
        written = next((value for name, value in fields if name == "content-type"), "")
        kind = written.partition(";")[0].strip().lower() or "text/plain"
        parameters = {
            found[1].lower().rstrip("*"): found[2].strip('"')
            for found in _PARAMETER.finditer(written)
        }
        encoding = next(
            (value.lower() for name, value in fields if name == "content-transfer-encoding"), ""
        )
        whole = Part(kind, parameters, fields)
        may_go_on = depth < _DEEPEST and self.parts_left > 0
        if kind.startswith("multipart/") and may_go_on:
            pieces = _pieces(body, parameters.get("boundary", ""))
            if pieces:
                return self._of_parts(whole, pieces, depth)
        if kind.startswith("message/") and "report" not in kind and "status" not in kind:
            carried = _decoded_body(body, encoding, "latin-1")
            inner = (self.message(carried.lstrip("\n"), depth + 1),) if may_go_on else ()
            return Part(kind, parameters, fields, carried, inner)
        content = _decoded_body(body, encoding, parameters.get("charset", ""))
        if kind == "text/html":
            content = text_of_html(content)
        return Part(kind, parameters, fields, content)

    def _of_parts(self, whole: Part, pieces: list[str], depth: int) -> Part:
        parts = []
        for piece in pieces:
            if self.parts_left <= 0:
                break
            # RFC 2046 §5.1: a part without fields begins with an empty line.
            parts.append(self.message(piece, depth + 1))
        return Part(whole.kind, whole.parameters, whole.fields, "", tuple(parts))


def _pieces(body: str, boundary: str) -> list[str]:
    """Return what is between the boundaries; the text before the first where that says something."""
    found = _split(body, boundary) if boundary else []
    if len(found) < 2:
        lost = _LOST_BOUNDARY.search(body)
        found = _split(body, lost[1]) if lost else []
    if len(found) < 2:
        return []
    before, *between = found
    # RFC 2046 §5.1.1: to be ignored. But reports that lost the fields of their first part have it there.
    return ["\n" + before, *between] if "@" in before else between


def _split(body: str, boundary: str) -> list[str]:
    # What follows the last boundary is an epilogue, and what a relay added.
    return re.split(
        rf"(?m)^--{re.escape(boundary)}(?:--)?[ \t]*(?:\n|\Z)", body, maxsplit=_MOST_PARTS
    )


def _decoded_body(body: str, encoding: str, charset: str) -> str:
    octets = body.encode("latin-1", "replace")
    if "base64" in encoding:
        octets = _from_base64(octets)
    elif "quoted" in encoding:
        octets = binascii.a2b_qp(octets)
    return with_line_feeds(_decoded(octets, charset))


def _from_base64(octets: bytes) -> bytes:
    clean = _NO_BASE64.sub(b"", octets)
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    try:
        return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))
    except binascii.Error:
        return octets


def _decoded(octets: bytes, charset: str) -> str:
    try:
        name = codecs.lookup(charset.strip("'\" ")[:40]).name if charset else ""
    except (LookupError, ValueError):
        name = ""
    if not _CHARACTER_SETS.fullmatch(name) or name in _ASCII:
        # Said to be ASCII, and it is not: what is fit to be UTF-8 is UTF-8.
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError:
            return octets.decode("latin-1")
    try:
        return octets.decode(name, "replace")
    except (LookupError, ValueError):
        return octets.decode("latin-1")


def text_of_html(markup: str) -> str:
    """Return the words of HTML, a line for each block."""
    shown = "".join(_shown_html(markup[:_LONGEST_HTML]))
    return _ENTITY.sub(_character, _TAG.sub("", _TAG_OF_LINE.sub("\n", shown))).replace("\xa0", " ")


def _character(found: re.Match[str]) -> str:
    if found[3]:
        return html5.get(f"{found[3]};", found[0])
    point = int(found[1]) if found[1] else int(found[2], 16)
    return chr(point) if 0 < point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF else "\ufffd"


def _shown_html(markup: str) -> Iterator[str]:
    """Yield what is outside of head, style and script."""
    at, depth = 0, 0
    for found in _HIDDEN_HTML.finditer(markup):
        if not depth:
            yield markup[at : found.start()]
        at = found.start()
        depth = max(0, depth - 1) if found[1] else depth + 1
    yield markup[at:]
