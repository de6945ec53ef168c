"""Show what came back: of a mailing, of a person, and of the last day.

In: counts and findings. Out: lines and documents. Diagnostic texts are of strangers: they are printed
as they were scrubbed, never as markup.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailer.cli.common import console, shown
from mailer.model.feedback import FeedbackClass
from mailer.store.feedback import CameBack, Evidence, ReturnedMails

_KINDS = {
    FeedbackClass.HARD: "came back, and the address is dead",
    FeedbackClass.SOFT: "came back, and the address may be alive",
}


def print_returned(found: ReturnedMails) -> None:
    """Print what came back of a mailing, for people; nothing where nothing did."""
    for kind, reasons in found.bounces.items():
        told = ", ".join(
            f"{count} {reason.value.replace('_', ' ')}" for reason, count in reasons.items()
        )
        console.print(f"  {_KINDS[kind]}: {sum(reasons.values())} ({told})", markup=False)
    if found.complaints:
        console.print(f"  reported as abuse: {found.complaints}")
    if found.opt_outs:
        console.print(f"  left by a report or an answer: {found.opt_outs}")


def evidence_document(found: Sequence[Evidence], zone: str) -> list[dict[str, object]]:
    """Return what came back of a person, the latest first."""
    return [
        {
            "at": shown(one.happened_at, zone),
            "by": one.source,
            "class": one.kind.value,
            "reason": one.reason.value,
            "status": one.status,
            "smtp_code": one.smtp_code or None,
            "diagnostic": one.diagnostic,
            "matched_by": one.matched_by.value,
            "effect": one.effect.value,
        }
        for one in found
    ]


def print_evidence(found: Sequence[dict[str, object]]) -> None:
    """Print what came back of a person, as `evidence_document` gives it."""
    for one in found:
        names = ("class", "reason", "status")
        said = " ".join(str(one[name]).replace("_", " ") for name in names if one[name])
        tied = f", tied by {one['matched_by']}".replace("_", " ") if one["matched_by"] else ""
        effect = str(one["effect"]).replace("_", " ")
        console.print(f"Came back {one['at']} by {one['by']}: {said}{tied}; {effect}", markup=False)
        if one["diagnostic"]:
            console.print(f"  {one['diagnostic']}", markup=False, highlight=False)


def came_back_line(found: CameBack) -> str:
    """Return what came back in the last day, in a line; "" where nothing did."""
    parts = [
        f"{count} {kind.value.replace('_', ' ')}" for kind, count in sorted(found.by_kind.items())
    ]
    for count, words in (
        (found.unmatched, "tied to no mail"),
        (found.unread, "not understood"),
        (found.waiting, "waiting"),
    ):
        if count:
            parts.append(f"{count} {words}")
    return ", ".join(parts)
