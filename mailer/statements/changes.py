"""Show a translator what changed in the source since they translated it.

In: the source edition that was translated, and the one there is now. Out: lines that were taken
out and put in.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from mailer.model.statement import Edition


class ChangeKind(StrEnum):
    """What happened to a line."""

    #: It is no longer there.
    REMOVED = "-"
    #: It is new.
    ADDED = "+"
    #: It stands around a change, for orientation.
    KEPT = " "
    #: Lines between two changes are left out.
    GAP = "…"


@dataclass(frozen=True)
class Change:
    """One line of a comparison."""

    kind: ChangeKind
    text: str


def source_changes(before: Edition, now: Edition) -> Iterator[Change]:
    """Yield the lines that differ between two states of an edition, with one around each."""
    compared = difflib.unified_diff(_lines(before), _lines(now), n=1, lineterm="")
    for position, line in enumerate(compared):
        # The first two lines name files, which these are not.
        if position < 2:
            continue
        if line.startswith("@@"):
            if position > 2:
                yield Change(ChangeKind.GAP, "")
        else:
            yield Change(ChangeKind(line[0]), line[1:])


def _lines(edition: Edition) -> list[str]:
    return [
        f"title: {edition.title}",
        f"subject: {edition.subject}",
        f"preheader: {edition.preheader}",
        "",
        *edition.body.split("\n"),
    ]
