"""Write blocks of text as a statement's body.

In: headings, paragraphs, lists and quotations (see `mailer.statements.pasted`). Out: Markdown. Headings
begin at the second level; a quotation wants the name of who said it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mailer.statements.inline_markdown import inline_markdown
from mailer.statements.pasted import (
    Block,
    Heading,
    Listing,
    Losses,
    LossKind,
    Paragraph,
    Quotation,
    Rule,
)


def to_markdown(blocks: Sequence[Block], losses: Losses) -> str:
    """Return the blocks as a body; what could not be written as it was goes into `losses`."""
    return "\n\n".join(_Writer(losses).blocks(_leveled(blocks)))


def _leveled(blocks: Sequence[Block]) -> list[Block]:
    """Let the highest heading be of level two and none skip a level: the title is level one."""
    highest = min((one.level for one in blocks if isinstance(one, Heading)), default=1)
    before = 1
    leveled: list[Block] = []
    for one in blocks:
        if isinstance(one, Heading):
            before = min(one.level - highest + 2, before + 1, 6)
            leveled.append(replace(one, level=before))
        else:
            leveled.append(one)
    return leveled


class _Writer:
    def __init__(self, losses: Losses) -> None:
        self._losses = losses

    def blocks(self, blocks: Sequence[Block]) -> list[str]:
        """Return the text of each block that has any."""
        written: list[str] = []
        alternate = False
        before: Block | None = None
        for block in blocks:
            if isinstance(block, Listing):
                # Two lists in a row would be read as one, but for another kind of mark.
                alternate = _are_alike(before, block) and not alternate
                text = self._listing(block, alternate=alternate)
            else:
                text = self._block(block)
            if text:
                written.append(text)
                before = block
        return written

    def _block(self, block: Block) -> str:
        match block:
            case Paragraph(runs):
                return inline_markdown(runs, self._losses)
            case Heading(level, runs):
                flat = [replace(run, text=run.text.replace("\n", " "), bold=False) for run in runs]
                text = inline_markdown(flat, self._losses, before=f"{'#' * level} ")
                return f"{'#' * level} {text}" if text else ""
            case Quotation():
                return self._quotation(block)
            case Rule():
                return "---"
            case Listing():
                return self._listing(block, alternate=False)

    def _quotation(self, quotation: Quotation) -> str:
        inner = self.blocks(quotation.blocks)
        if not inner:
            return ""
        said_by = quotation.attribution
        if not said_by:
            self._losses.note(LossKind.ATTRIBUTION, inner[0])
        colons = ":" * (3 + _quotation_height(quotation.blocks))
        head = f"{colons} quote\nattribution: {said_by}".rstrip()
        return "\n\n".join([head, *inner]) + f"\n{colons}"

    def _listing(self, listing: Listing, *, alternate: bool) -> str:
        flat = [_flat(item) for item in listing.items]
        items = [texts for texts in map(self.blocks, flat) if texts]
        tight = all(map(_is_tight, flat))
        lines: list[str] = []
        for number, texts in enumerate(items, listing.start or 0):
            mark = "*" if alternate else "-"
            if listing.start is not None:
                mark = f"{number}{')' if alternate else '.'}"
            indent = " " * (len(mark) + 1)
            text = ("\n" if tight else "\n\n").join(texts)
            indented = "\n".join(f"{indent}{line}" if line else "" for line in text.split("\n"))
            lines.append(f"{mark} {indented[len(indent) :]}")
        return ("\n" if tight else "\n\n").join(lines)


def _quotation_height(blocks: Iterable[Block]) -> int:
    heights = [1 + _quotation_height(one.blocks) for one in blocks if isinstance(one, Quotation)]
    return max(heights, default=0)


def _are_alike(before: Block | None, listing: Listing) -> bool:
    return isinstance(before, Listing) and (before.start is None) == (listing.start is None)


def _is_tight(item: Sequence[Block]) -> bool:
    """Tell whether an item is one line, maybe with a list that may follow it without a gap."""
    match item:
        case [] | [_] | [Paragraph(), Listing(start=None | 1)]:
            return True
        case _:
            return False


def _flat(item: Sequence[Block]) -> list[Block]:
    """Return what may stand in a list: headings as bold paragraphs, quotations as paragraphs."""
    flat: list[Block] = []
    for block in item:
        match block:
            case Heading(_, runs):
                flat.append(Paragraph(tuple(replace(run, bold=True) for run in runs)))
            case Quotation(blocks):
                flat += _flat(blocks)
            case Rule():
                continue
            case _:
                flat.append(block)
    return flat
