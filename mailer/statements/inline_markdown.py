"""Write runs of text as one paragraph of Markdown that reads back as exactly these words.

In: runs (see `mailer.statements.pasted`). Out: Markdown in which every character that Markdown, our blocks
or Jinja would read is written so that it stays a character. It is parsed again: where bold or italics
would come back otherwise, they are given up, never a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from markdown_it.token import Token

from mailer.statements.links import link_problem
from mailer.statements.markdown import HASHTAG, parse_body
from mailer.statements.pasted import Losses, LossKind, Run, plain

#: What Jinja would read; a body that is pasted never holds any of it.
JINJA_OPENING = re.compile(r"\{[{%#]")
_WHITE = re.compile(r"[ \t\r\n\f\v\u00a0\u2007\u202f\u3000]+")
_ENTITY = re.compile(r"&#?\w+;")
_LIST_MARK = re.compile(r"(?:[-+]|(\d{1,9})[.)])(?=\s|$)")
_HEADING_MARK = re.compile(r"#{1,6}(?=\s|$)")
_RULE = re.compile(r"-[ \t]*(?:-[ \t]*){2,}$")
#: In an address these would end it, or be read as something else.
_UNSAFE_IN_ADDRESS = re.compile(r"[\s<>()\\{}|^`\"\x00-\x1f\x7f]")
_AUTOLINK = re.compile(r"https?://[^\s<>]+")


@dataclass(frozen=True)
class _Cell:
    """One character with how it is set."""

    text: str
    bold: bool
    italic: bool
    address: str


def inline_markdown(runs: Sequence[Run], losses: Losses, before: str = "") -> str:
    """Return runs as one paragraph of Markdown, read as it follows `before` on its line."""
    cells = _trimmed(_cells(runs))
    if not cells:
        return ""
    if JINJA_OPENING.search("".join(cell.text for cell in cells)):
        losses.note(LossKind.SLOT, plain(runs))
    for attempt, kept in enumerate(_ways(cells)):
        text = _write(kept)
        if _reads_back(f"{before}{text}", kept):
            if attempt:
                losses.note(LossKind.EMPHASIS, plain(runs))
            return text
    # Not met in any test: every character of ASCII punctuation can be escaped.
    return _plainest(cells)


def _cells(runs: Sequence[Run]) -> Iterator[_Cell]:
    """Yield the characters; white space comes as one blank, or one line feed, or one tied blank."""
    waiting: _Cell | None = None
    for run in runs:
        address = run.address
        for letter in run.text:
            cell = _Cell(letter, run.bold, run.italic, address)
            if not _WHITE.fullmatch(letter):
                if waiting is not None:
                    yield waiting
                waiting = None
                yield cell
            elif waiting is None:
                waiting = cell
            else:
                # Tied blanks are kept where each stands alone between two words.
                broken = "\n" in (waiting.text, letter)
                waiting = replace(waiting, text="\n" if broken else " ")


def _trimmed(cells: Iterable[_Cell]) -> list[_Cell]:
    kept = list(cells)
    while kept and _WHITE.fullmatch(kept[0].text):
        kept.pop(0)
    for name in ("bold", "italic", "address"):
        kept = _without_edges(kept, name)
    return kept


def _without_edges(cells: list[_Cell], name: str) -> list[_Cell]:
    """Take off the edges of a span what would keep its marks from being read as marks."""
    changed = list(cells)
    end = 0
    for value, group in groupby(cells, key=lambda cell: getattr(cell, name)):
        start, end = end, end + len(list(group))
        if not value:
            continue
        first, last = start, end
        outside_before = cells[start - 1].text if start else " "
        outside_after = cells[end].text if end < len(cells) else " "
        # CommonMark: marks open a span unless they stand between a letter and punctuation.
        while first < last and _is_edge(cells[first].text, outside_before, name):
            first += 1
        while last > first and _is_edge(cells[last - 1].text, outside_after, name):
            last -= 1
        plain_value = "" if name == "address" else False
        for place in (*range(start, first), *range(last, end)):
            changed[place] = replace(changed[place], **{name: plain_value})
    return changed


def _is_edge(letter: str, outside: str, name: str) -> bool:
    if _WHITE.fullmatch(letter):
        return True
    return name != "address" and _is_punctuation(letter) and outside.isalnum()


def _is_punctuation(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "PS"


def _ways(cells: list[_Cell]) -> Iterator[list[_Cell]]:
    """Yield the characters as they are, then with ever less that could be read otherwise."""
    yield cells
    yield [replace(cell, italic=False) if cell.bold else cell for cell in cells]
    cells = [replace(cell, italic=False) for cell in cells]
    yield cells
    cells = [replace(cell, bold=False) for cell in cells]
    yield cells
    yield [replace(cell, address="") for cell in cells]


def _write(cells: list[_Cell]) -> str:
    escaped = _escaped(cells)
    parts: list[str] = []
    position = 0
    for address, group in groupby(zip(cells, escaped, strict=True), key=lambda one: one[0].address):
        pairs = list(group)
        words = "".join(cell.text for cell, _ in pairs)
        if address and words == address and _AUTOLINK.fullmatch(words):
            parts.append(f"<{words}>")
        elif address:
            parts.append(f"[{_emphasized(pairs)}]({safe_address(address)})")
        else:
            parts.append(_emphasized(pairs))
        position += len(pairs)
    return "".join(parts)


def _emphasized(pairs: list[tuple[_Cell, str]]) -> str:
    parts: list[str] = []
    for bold, bold_group in groupby(pairs, key=lambda one: one[0].bold):
        inner: list[str] = []
        for italic, group in groupby(bold_group, key=lambda one: one[0].italic):
            text = "".join(written for _, written in group)
            inner.append(f"*{text}*" if italic else text)
        parts.append(f"**{''.join(inner)}**" if bold else "".join(inner))
    return "".join(parts)


def _escaped(cells: list[_Cell]) -> list[str]:
    text = "".join(cell.text for cell in cells)
    written = [_letter(text, place, cells) for place in range(len(text))]
    for start in (0, *(found.end() for found in re.finditer("\n", text))):
        line = text[start:].split("\n", 1)[0]
        mark = _LIST_MARK.match(line)
        at = start + (len(mark[1]) if mark and mark[1] else 0)
        begins = (
            _HEADING_MARK.match(line) or _RULE.match(line) or line.startswith((">", ":::", "["))
        )
        if (mark or begins) and not written[at].startswith("\\"):
            written[at] = f"\\{written[at]}"
    return written


def _letter(text: str, place: int, cells: list[_Cell]) -> str:
    """Return one character as it is written, wherever on the line it stands."""
    letter = text[place]
    before = text[place - 1] if place else " "
    after = text[place + 1] if place + 1 < len(text) else " "
    in_link = bool(cells[place].address)
    match letter:
        case "\n":
            return "\\\n"
        case "\\" | "`" | "*":
            special = True
        case "_":
            special = not (before.isalnum() and after.isalnum())
        case "[":
            special = in_link
        case "]":
            special = in_link or after in "([:"
        case "<":
            special = after.isalpha()
        case "&":
            special = _ENTITY.match(text, place) is not None
        case "!":
            special = place + 1 < len(cells) and bool(cells[place + 1].address) and not in_link
        case "{" | "%" | "#":
            # Jinja reads {{, {% and {#; with a backslash between them it does not.
            special = before == "{" or (letter == "{" and after in "{%#")
        case _:
            special = False
    # A heading loses number signs at its end.
    special = special or (letter == "#" and place + 1 == len(text))
    return f"\\{letter}" if special else letter


def safe_address(address: str) -> str:
    """Return an address as it can stand in `[words](address)`, a character that cannot as %xx."""
    encoded = _UNSAFE_IN_ADDRESS.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), address.strip()
    )
    return _ENTITY.sub(lambda found: f"&amp;{found[0][1:]}", encoded)


def _reads_back(markdown: str, cells: list[_Cell]) -> bool:
    """Tell whether a block of Markdown is read as these characters, set in this way."""
    if JINJA_OPENING.search(markdown):
        return False
    tokens = parse_body(markdown)
    if len(tokens) != 3 or tokens[1].type != "inline":
        return False
    read = [
        (letter, bold, italic, linked)
        for letter, bold, italic, linked in _read_cells(tokens[1].children or [])
        if not _WHITE.fullmatch(letter)
    ]
    meant = [
        (cell.text, cell.bold, cell.italic, bool(cell.address))
        for cell in cells
        if not _WHITE.fullmatch(cell.text)
    ]
    return read == meant and _breaks(tokens[1].children or []) == _breaks_meant(cells)


def _breaks(children: Sequence[Token]) -> int:
    return sum(child.type == "hardbreak" for child in children)


def _breaks_meant(cells: Sequence[_Cell]) -> int:
    return sum(cell.text == "\n" for cell in cells)


def _read_cells(children: Sequence[Token]) -> Iterator[tuple[str, bool, bool, bool]]:
    depth = dict.fromkeys(("strong", "em", "link"), 0)
    for child in children:
        name = child.type.removesuffix("_open").removesuffix("_close")
        if name in depth and child.nesting:
            depth[name] += child.nesting
            continue
        content = child.content if child.type in ("text", HASHTAG) else ""
        if child.type not in ("text", HASHTAG, "softbreak", "hardbreak"):
            content = "\ufffd"
        for letter in content:
            yield letter, depth["strong"] > 0, depth["em"] > 0, depth["link"] > 0


def _plainest(cells: Sequence[_Cell]) -> str:
    return "".join(
        f"\\{cell.text}" if cell.text.isascii() and _is_punctuation(cell.text) else cell.text
        for cell in cells
        if cell.text != "\n"
    )


def usable_address(address: str) -> bool:
    """Tell whether an address may stand in a body as a link; of http the check says more."""
    if not address.lower().startswith(("https://", "http://", "mailto:")):
        return False
    secure = re.sub(r"(?i)^http:", "https:", address)
    return link_problem(safe_address(secure)) is None
