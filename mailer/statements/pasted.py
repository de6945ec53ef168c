"""What is kept of a text that was pasted or uploaded, and what of it was lost.

In: nothing. Out: frozen dataclasses: paragraphs, headings, lists, quotations and rules made of runs of
text; and `Loss`, which says what did not come along, for a person to look after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mailer.model.worded import worded


class LossKind(StrEnum):
    """What of a text did not come along, or came along otherwise."""

    #: A picture: it is added by itself, with words for those who do not see it.
    PICTURE = "picture"
    #: A table: its cells became paragraphs.
    TABLE = "table"
    #: A footnote: its mark became [1], its text stands at the end.
    FOOTNOTE = "footnote"
    #: A comment of a reviewer: left out.
    COMMENT = "comment"
    #: Text marked as deleted by tracked changes: left out.
    DELETED = "deleted"
    #: Text marked as inserted by tracked changes: taken in.
    INSERTED = "inserted"
    #: Text that was struck out by hand: taken in as plain text.
    STRUCK = "struck"
    #: Text that nobody saw: left out.
    HIDDEN = "hidden"
    #: Soft hyphens and other unseen characters: taken out.
    UNSEEN = "unseen"
    #: Text that would have been read as a slot or a condition: kept as plain text.
    SLOT = "slot"
    #: A link that leads nowhere a mail could lead: its words were kept.
    LINK = "link"
    #: A link through a page that counts clicks: made to lead straight.
    TRACKED_LINK = "tracked_link"
    #: A quotation of which it is not known who said it: the name must be written.
    ATTRIBUTION = "attribution"
    #: Bold or italics that Markdown has no way to write: the words were kept.
    EMPHASIS = "emphasis"


_TEXTS = {
    LossKind.PICTURE: "pictures were left out: add each by itself, and say what it shows",
    LossKind.TABLE: "tables became paragraphs, one for each cell",
    LossKind.FOOTNOTE: "footnotes became [1], with their text at the end: put it where it belongs",
    LossKind.COMMENT: "comments were left out",
    LossKind.DELETED: "passages marked as deleted were left out",
    LossKind.INSERTED: "passages marked as inserted were taken in",
    LossKind.STRUCK: "struck-out passages were taken in as plain text: see if they are to stay",
    LossKind.HIDDEN: "hidden passages were left out",
    LossKind.UNSEEN: "unseen characters were taken out",
    LossKind.SLOT: "braces were kept as plain text: a slot has to be written here",
    LossKind.LINK: "links lead nowhere a mail could lead; their words were kept",
    LossKind.TRACKED_LINK: "links counted who follows them; they lead straight now",
    LossKind.ATTRIBUTION: "quotations do not say who said it: write it after attribution:",
    LossKind.EMPHASIS: "passages lost bold or italics, which cannot be written there",
}


@dataclass(frozen=True)
class Loss:
    """One kind of thing that did not come along."""

    kind: LossKind
    #: How often.
    count: int
    #: Words of the first, to find it by; may be "".
    example: str = ""

    def __str__(self) -> str:
        """Return what to tell a person, in one sentence without a full stop."""
        return self.words

    @property
    def words(self) -> str:
        """Return the same, for who says it in another language."""
        what = worded(_TEXTS[self.kind])
        if not self.example:
            return worded("%(count)s× %(what)s", count=self.count, what=what)
        return worded(
            '%(count)s× %(what)s ("%(example)s")',
            count=self.count,
            what=what,
            example=self.example,
        )


class Losses:
    """Counts what is lost while a text is read."""

    def __init__(self) -> None:
        self._counts: Counter[LossKind] = Counter()
        self._examples: dict[LossKind, str] = {}

    def note(self, kind: LossKind, example: str = "", count: int = 1) -> None:
        """Note something lost."""
        self._counts[kind] += count
        words = " ".join(example.split())
        self._examples[kind] = self._examples.get(kind) or words[:_LONGEST_EXAMPLE]

    def told(self) -> tuple[Loss, ...]:
        """Return what was lost, in the order of the kinds."""
        return tuple(
            Loss(kind, self._counts[kind], self._examples[kind])
            for kind in LossKind
            if self._counts[kind]
        )


_LONGEST_EXAMPLE = 60


@dataclass(frozen=True)
class Run:
    """Text that is set one way; a line feed in it is a line that was broken on purpose."""

    text: str
    bold: bool = False
    italic: bool = False
    #: Where it leads; "" when it is no link.
    address: str = ""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Heading:
    """A heading of any level, 1 the highest."""

    level: int
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Rule:
    """A line across."""


@dataclass(frozen=True)
class Quotation:
    """Words of somebody else."""

    blocks: tuple[Block, ...]
    #: Who said it; "" when that is not known.
    attribution: str = ""


@dataclass(frozen=True)
class Listing:
    """A list; each item is a row of blocks."""

    items: tuple[tuple[Block, ...], ...]
    #: Number of the first item; None for a list without numbers.
    start: int | None = None


Block = Paragraph | Heading | Rule | Quotation | Listing


@dataclass(frozen=True)
class Pasted:
    """A text made fit for a statement's body."""

    markdown: str
    losses: tuple[Loss, ...] = field(default=())


def plain(runs: Sequence[Run]) -> str:
    """Return the words of runs, without what they are set in."""
    return "".join(run.text for run in runs)
