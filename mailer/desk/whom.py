"""Narrow an audience: whom of its lists a person means, and whom of those not.

In: a form or an address, in which each of the two is a saved segment that was chosen or an expression
that was written. Out: the expression each comes to, what is wrong, and how the controls stand then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mailer.app.audience import EXCLUDE, SEGMENT
from mailer.app.segments import attributes_of
from mailer.app.workspace import Workspace
from mailer.audience.segments import Place, SavedSegments, read_expression, saved_segments
from mailer.desk.visit import Visit
from mailer.model.faults import Fault, FaultsFound

#: Before the name of a control by which a saved segment is chosen.
_SAVED = "saved_"


@dataclass(frozen=True)
class Narrowed:
    """One of the two questions as it was answered."""

    #: Key of a saved segment; "" for none.
    saved: str = ""
    #: An expression, or a key that somebody typed; "" for none.
    written: str = ""

    @property
    def text(self) -> str:
        """Return what it comes to: an expression, or a key; "" where nothing was asked."""
        return self.written or self.saved


@dataclass(frozen=True)
class Whom:
    """Whom of the lists, and whom of those not."""

    segment: Narrowed = field(default_factory=Narrowed)
    exclude: Narrowed = field(default_factory=Narrowed)

    def faults(self, visit: Visit) -> list[Fault]:
        """Return what cannot be meant: a segment and an expression for the same question."""
        problem = visit.say("Choose a saved segment, or write an expression: not both")
        return [
            Fault("", 0, f"--{name}", problem)
            for name, one in ((SEGMENT, self.segment), (EXCLUDE, self.exclude))
            if one.saved and one.written
        ]


def whom_from(sent: Callable[[str], str]) -> Whom:
    """Return what was answered; `sent` gives what stands in a control, "" where there is none."""
    return Whom(*(Narrowed(sent(_SAVED + name), sent(name)) for name in (SEGMENT, EXCLUDE)))


def saved_of(workspace: Workspace) -> tuple[SavedSegments, tuple[Fault, ...]]:
    """Return the saved segments, and what keeps their file from being read."""
    try:
        return saved_segments(workspace.config.lists_dir), ()
    except FaultsFound as error:
        return SavedSegments(), error.faults


def as_saved(workspace: Workspace, segment: str, exclude: str) -> Whom:
    """Return the answers that give these expressions; a mailing holds saved segments written out."""
    saved, _ = saved_of(workspace)
    attributes = attributes_of(list(workspace.lists[0].values()))
    keys = {}
    for key in saved.by_key if segment or exclude else ():
        try:
            keys[read_expression(key, attributes, Place(SEGMENT), saved).text] = key
        except FaultsFound:
            # What is wrong with it is told where segments are.
            continue
    return Whom(
        *(
            Narrowed(saved=text) if text in saved.by_key
            else Narrowed(saved=keys[text]) if text in keys
            else Narrowed(written=text)
            for text in (segment, exclude)
        )
    )  # fmt: skip


def segment_choices(workspace: Workspace) -> Sequence[tuple[str, str]]:
    """Return the saved segments to choose from: key, and what people call it."""
    saved, _ = saved_of(workspace)
    return [(key, one.name or key) for key, one in saved.by_key.items()]
