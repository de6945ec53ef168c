"""Put the paragraphs of pasted text together: what two breaks part, and the lines of Word's lists.

In: runs, and blocks among which are paragraphs that Word shows as items. Out: paragraphs and lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailer.statements.pasted import Block, Heading, Listing, Paragraph, Run, plain


@dataclass(frozen=True)
class ListLine:
    """A paragraph that Word shows as an item of a list."""

    level: int
    #: Its number; None for a bullet.
    number: int | None
    runs: tuple[Run, ...]


def parted(runs: Sequence[Run]) -> Iterator[tuple[Run, ...]]:
    """Yield the paragraphs of one element: two breaks in a row part them."""
    part: list[Run] = []
    breaks = 0
    for run in runs:
        if run.text == "\n":
            breaks += 1
            part.append(run)
            continue
        if breaks > 1 and run.text.strip():
            yield tuple(part)
            part = []
        breaks = 0 if run.text.strip() else breaks
        part.append(run)
    if plain(part).strip():
        yield tuple(part)


def folded(blocks: Sequence[Block | ListLine]) -> Iterator[Block]:
    """Yield the blocks, rows of Word's list lines folded into lists."""
    lines: list[ListLine] = []
    for block in blocks:
        if isinstance(block, ListLine):
            lines.append(block)
            continue
        yield from _lists_of(lines)
        lines = []
        # White space between elements is no paragraph.
        if not isinstance(block, Paragraph | Heading) or plain(block.runs).strip():
            yield block
    yield from _lists_of(lines)


def _lists_of(lines: Sequence[ListLine]) -> Iterator[Listing]:
    while lines:
        first = lines[0]
        ordered = first.number is not None
        items: list[tuple[Block, ...]] = []
        position = 0
        while position < len(lines) and lines[position].level >= first.level:
            one = lines[position]
            if one.level == first.level and (one.number is not None) != ordered:
                break
            inner_end = position + 1
            while inner_end < len(lines) and lines[inner_end].level > one.level:
                inner_end += 1
            inner = _lists_of(lines[position + 1 : inner_end])
            items.append((Paragraph(one.runs), *inner))
            position = inner_end
        yield Listing(tuple(items), first.number)
        lines = lines[position:]
