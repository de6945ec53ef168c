"""Name every fault of a statement's body, with the line of the file it stands on.

In: a body as it is written, slots and all. Out: faults, and the pictures the body names. Nothing is
looked up: a link is judged by its form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markdown_it.token import Token

from mailer.cldr import is_language
from mailer.model.faults import FaultKind
from mailer.model.worded import worded
from mailer.statements.collecting import FaultCollector
from mailer.statements.hosts import host_problem, shown_address
from mailer.statements.languages import normalize_tag
from mailer.statements.letters import letter_faults
from mailer.statements.links import link_problem, web_address_problem
from mailer.statements.markdown import (
    BLOCKS,
    QUOTE_FIELDS,
    parse_body,
    quote_field,
    quote_fields,
    without_slots,
)

_QUOTE_FORM = "Write ::: quote, then attribution: who said it, an empty line, the words, then :::"
_LEFT_OVER_BLOCK = re.compile(r":::+\s*(\w*)")
_LEFT_OVER_LINK = re.compile(r"!?\[[^\[\]]+\]\s*[(\[]")
_HTML = re.compile(r"</?[A-Za-z][A-Za-z0-9]*[\s>/]|<!--")
_BARE_ADDRESS = re.compile(r"(?:https?://|\bwww\.)\S+")
#: What ends a sentence, and no address.
_ENDS_SENTENCE = ".,;:!?…»“”)'"
#: What is no prose: addresses, link targets, entities. Blanked out before letters are looked at.
_NO_PROSE = re.compile(r"https?://[^\s)>]*|\]\([^)]*\)|<[^<>\s]+>|\S+@\S+|&#?\w+;")


@dataclass(frozen=True)
class PictureUse:
    """A picture as a body names it."""

    name: str
    #: Line of the file.
    line: int
    #: What is said to who does not see it; "" when nothing is.
    alternative: str = ""


def check_body(
    body: str, first_line: int, language: str, found: FaultCollector
) -> tuple[PictureUse, ...]:
    """Check a body; what is wrong goes into `found`.

    Args:
        body: Markdown as written.
        first_line: Line of the file the body begins on.
        language: Tag of the edition.
        found: Takes the faults.

    Returns:
        The pictures it names, in order, each use of them.
    """
    tokens = parse_body(without_slots(body))
    lines = body.split("\n")
    _check_blocks(tokens, lines, first_line, found)
    pictures: list[PictureUse] = []
    for token in tokens:
        if token.type == "inline":
            start = first_line + (token.map[0] if token.map else 0)
            pictures.extend(_check_inline(token.children or [], start, found))
    _check_letters(body, tokens, first_line, language, found)
    return tuple(pictures)


def _check_blocks(
    tokens: Sequence[Token], lines: Sequence[str], first_line: int, found: FaultCollector
) -> None:
    level = 1
    for position, token in enumerate(tokens):
        line = first_line + (token.map[0] if token.map else 0)
        if token.type == "heading_open":
            level = _check_heading(int(token.tag[1:]), level, line, found)
        elif token.type == "blockquote_open":
            found.error(line, "quote", "a quote with > has no attribution", _QUOTE_FORM)
        elif token.type.startswith("container_") and token.nesting == 1:
            name = token.type.removeprefix("container_").removesuffix("_open")
            _check_closed(token, name, lines, line, found)
            if tokens[position + 1].type == f"container_{name}_close":
                found.error(
                    line,
                    name,
                    worded("the %(name)s is empty", name=name),
                    "Write it, or take it out",
                )
            if name == "quote":
                _check_quote(token, first_line, line, found)


def _check_heading(level: int, before: int, line: int, found: FaultCollector) -> int:
    if level == 1:
        remedy = "Begin with ## instead: the title is the only heading of the first level"
        found.error(line, "heading", "a heading with a single #", remedy)
        return before
    if level > before + 1:
        right = "#" * (before + 1)
        found.warning(
            line,
            "heading",
            worded("skips from level %(before)s to %(level)s", before=before, level=level),
            worded("Write %(right)s", right=right),
        )
    return level


def _check_closed(
    token: Token, name: str, lines: Sequence[str], line: int, found: FaultCollector
) -> None:
    end = token.map[1] if token.map else 0
    last = lines[end].strip() if end < len(lines) else ""
    if len(last) < len(token.markup) or last.strip(":"):
        found.error(
            line,
            name,
            worded("the %(name)s is never closed", name=name),
            worded("Close it with a line %(markup)s", markup=token.markup),
        )


def _check_quote(token: Token, first_line: int, line: int, found: FaultCollector) -> None:
    seen: set[str] = set()
    for field in quote_fields(token):
        at = first_line + field.line
        name = f"quote.{field.name}"
        if field.name not in QUOTE_FIELDS:
            known = ", ".join(QUOTE_FIELDS)
            found.error(
                at, name, "is not a field of a quote", worded("There are: %(known)s", known=known)
            )
        elif field.name in seen:
            found.error(at, name, "is given twice", "Keep one of them")
        elif not field.value:
            found.error(at, name, "is empty", "Write it, or take the line out")
        elif field.name == "source":
            problem = web_address_problem(field.value) or host_problem(field.value)
            if problem is not None:
                found.error(at, name, problem.problem, problem.remedy)
        elif field.name == "language" and (
            not is_language(field.value) or normalize_tag(field.value) != field.value
        ):
            problem_text = worded('"%(tag)s" is not a language', tag=field.value)
            found.error(at, name, problem_text, "Write a tag like en, ru or sr-Latn")
        seen.add(field.name)
    if "attribution" not in seen:
        found.error(line, "quote.attribution", "a quote with no attribution", _QUOTE_FORM)


def _check_inline(
    children: Sequence[Token], line: int, found: FaultCollector
) -> Iterator[PictureUse]:
    target = ""
    for position, child in enumerate(children):
        if child.type in ("softbreak", "hardbreak"):
            line += 1
        elif child.type == "link_open":
            target = str(child.attrGet("href") or "")
            _check_link(target, children[position + 1], line, found)
        elif child.type == "link_close":
            target = ""
        elif child.type == "text":
            _check_text(child.content, line, found)
            _check_bare_addresses(child.content, target, line, found)
        elif child.type == "image":
            name = str(child.attrGet("src") or "")
            alternative = _alternative(child.children or []).strip()
            if not alternative:
                found.error(
                    line,
                    "picture",
                    worded('"%(name)s" has no alternative text', name=name),
                    worded("Say what it shows: ![a harbor at dawn](%(name)s)", name=name),
                    kind=FaultKind.PICTURE,
                )
            yield PictureUse(name, line, alternative)
            line += child.content.count("\n")


def _alternative(children: Sequence[Token]) -> str:
    return "".join(child.content + _alternative(child.children or []) for child in children)


def _check_link(address: str, following: Token, line: int, found: FaultCollector) -> None:
    problem = link_problem(address) or host_problem(address)
    if problem is not None:
        mail = address.lower().startswith("mailto:")
        # A person's address has no place in an error, and a link may hold one.
        shown = worded("the mail link") if mail else f'"{shown_address(address)}"'
        found.error(
            line,
            "link",
            worded("%(shown)s %(problem)s", shown=shown, problem=worded(problem.problem)),
            problem.remedy,
        )
    if following.type == "link_close":
        found.error(line, "link", "a link without words", "Write the words between [ and ]")


def _check_text(text: str, line: int, found: FaultCollector) -> None:
    block = _LEFT_OVER_BLOCK.search(text)
    if block:
        known = ", ".join(BLOCKS)
        if block[1] and block[1] not in BLOCKS:
            found.error(
                line,
                block[1],
                "is not a block known here",
                worded("There are: %(known)s", known=known),
            )
        else:
            remedy = "Give ::: a line of its own, as many colons at the end as at the beginning"
            found.error(line, "block", "a line of ::: opens or closes nothing", remedy)
    if _LEFT_OVER_LINK.search(text):
        remedy = "Write [words](https://…) without a space between"
        found.error(line, "link", "a broken link: it leads nowhere", remedy)
    if _HTML.search(text):
        found.error(
            line, "text", "HTML is shown as it stands", "Write Markdown: **bold**, [words](…)"
        )


def _check_bare_addresses(text: str, target: str, line: int, found: FaultCollector) -> None:
    """Check the addresses that readers see as they are.

    Args:
        text: Without line ends.
        target: Where the link leads that the text stands in; "" outside of links.
        line: Line of the file.
        found: Takes the faults.
    """
    for bare in _BARE_ADDRESS.findall(text):
        address = bare.rstrip(_ENDS_SENTENCE)
        problem = host_problem(address if "://" in address else f"https://{address}")
        # Of a link to the same host it was said already.
        if problem is not None and not (target and host_problem(target)):
            found.error(
                line,
                "link",
                worded(
                    "%(shown)s %(problem)s", shown=f'"{address}"', problem=worded(problem.problem)
                ),
                problem.remedy,
            )
        elif not target:
            remedy = worded("Write [words](https://…), or %(form)s", form="<https://…>")
            found.warning(
                line,
                "link",
                worded('the address "%(address)s" is no link', address=address),
                remedy,
            )


def _check_letters(
    body: str, tokens: Sequence[Token], first_line: int, language: str, found: FaultCollector
) -> None:
    languages = _languages_of_lines(tokens, language)
    prose = _NO_PROSE.sub(lambda cut: " " * len(cut[0]), without_slots(body, fill=" "))
    for number, line in enumerate(prose.split("\n")):
        for fault in letter_faults(line, languages.get(number, language)):
            note = found.warning if fault.doubtful else found.error
            note(
                first_line + number, "text", fault.problem, fault.remedy,
                column=fault.start + 1, kind=FaultKind.LETTERS,
            )  # fmt: skip


def _languages_of_lines(tokens: Sequence[Token], language: str) -> dict[int, str]:
    """Return the language of the lines that stand in a quote, fields left out."""
    found: dict[int, str] = {}
    for token in tokens:
        if token.type == "container_quote_open" and token.map:
            fields = {field.line for field in quote_fields(token)}
            said_in = quote_field(token, "language") or language
            found.update({line: said_in for line in range(*token.map) if line not in fields})
    return found
