"""Show who would get a mailing, and have the number of people confirmed.

In: a plan. Out: lines for a person, a document for other programs, or the end of the command.
"""

from __future__ import annotations

import re
from typing import Annotated

import typer
from rich.prompt import Prompt
from rich.table import Table

from mailer.app.documents import concern_document
from mailer.app.planning import CorrectionPlan, Plan
from mailer.cli.common import WRONG_USE, console, errors, fail, report_faults
from mailer.cli.concern import print_concern
from mailer.cli.control import reason_in_words
from mailer.model.statement import localized
from mailer.model.states import SkipReason

Slug = Annotated[str, typer.Option("--statement", help="Slug of the statement.")]
Lists = Annotated[list[str], typer.Option("--list", help="Key of a list; may be repeated.")]
SenderKey = Annotated[
    str, typer.Option("--sender", help="Who it comes from; needed when the lists' senders differ.")
]


def _not_empty(context: typer.Context, param: typer.CallbackParam, text: str) -> str:
    """Refuse an expression that is given and empty: a shell's unset variable would mail everyone."""
    source = context.get_parameter_source(param.name or "")
    if not text and source is not None and source.name == "COMMANDLINE":
        raise typer.BadParameter(
            "it is empty. To mean everyone on the lists, leave the option out."
        )
    return text


SegmentText = Annotated[
    str,
    typer.Option(
        "--segment",
        callback=_not_empty,
        help="Only these: 'country in (MD, UA) and \"press\" in tags'.",
    ),
]
ExcludeText = Annotated[
    str, typer.Option("--exclude", callback=_not_empty, help="But not these; same language.")
]
Yes = Annotated[
    int | None,
    typer.Option("--yes", metavar="N", help="Confirm that N people are to be mailed."),
]
Override = Annotated[
    str,
    typer.Option(
        "--override",
        metavar="REASON",
        callback=_not_empty,
        help="Go without the approval that is wanted; the reason is on record for good.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def duration_s(text: str) -> int:
    """Return the seconds of "90m", "2h" or "1d"; end with wrong use for anything else."""
    found = re.fullmatch(r"([1-9]\d{0,5})([smhd])", text)
    if not found:
        fail(f'--grace: "{text}" is not a duration.', "Write 30m, 2h or 1d.", WRONG_USE)
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]


def print_plan(plan: Plan) -> None:
    """Say who would get what, how many they are, and from whom it comes."""
    revision = plan.stored.revision
    edition = revision.editions[revision.source_language]
    console.print(f"{edition.title}", style="bold", markup=False)
    console.print(
        f"  statement {revision.slug}, revision {plan.stored.number}, "
        f"in {', '.join(revision.languages)}"
    )
    name = localized(plan.sender.name, revision.source_language, "en")
    console.print(f"  from {name} ({plan.sender.key})", markup=False)
    console.print(f"  to {', '.join(one.key for _, one in plan.lists)}")
    if plan.correction:
        _print_correction(plan.correction)
    if plan.wish.segment:
        console.print(f"  only {plan.wish.segment}", markup=False)
    if plan.wish.exclude:
        console.print(f"  but not {plan.wish.exclude}", markup=False)
    print_concern(plan.concern)
    print_coverage(plan)
    report_faults(plan.warnings)


def _print_correction(correction: CorrectionPlan) -> None:
    """Say what is corrected and whom that one reached."""
    corrects, got = correction.corrects, correction.reached
    console.print(f"  corrects {corrects.key} of {corrects.day}, in the language they got it in")
    doubts = f", {got.in_doubt} of them in doubt: they may not have got it" if got.in_doubt else ""
    console.print(f"  that one reached {got.people} people{doubts}; all others are left out")
    if got.left:
        console.print(f"  {got.left} of them have left those lists since and are not mailed")
    if correction.sent_before:
        console.print("  who has this revision by another correction is left out too")


def print_coverage(plan: Plan) -> None:
    """Say how many get their first language, a later one, a fallback, none, and what is missing."""
    covered = plan.coverage
    table = Table(box=None, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("in their first language", str(covered.first))
    table.add_row("in a later one of their languages", str(covered.later))
    table.add_row("in a fallback language", str(covered.fallback))
    table.add_row("to be mailed in all", str(plan.count), style="bold")
    if plan.expired:
        table.add_row(f"not mailed: {reason_in_words(SkipReason.EXPIRED)}", str(plan.expired))
    for reason, count in sorted(covered.not_mailed.items()):
        if count:
            table.add_row(f"not mailed: {reason_in_words(reason)}", str(count))
    console.print(table)
    for language, count in covered.missing:
        who = "person" if count == 1 else "people"
        console.print(f"  {count} {who} would want an edition in {language}")


def coverage_document(plan: Plan) -> dict[str, object]:
    """Return the coverage as other programs read it."""
    covered = plan.coverage
    return {
        "statement": plan.wish.slug,
        "corrects": plan.correction.corrects.key if plan.correction else None,
        "lists": list(plan.wish.lists),
        **concern_document(plan.concern),
        "first_language": covered.first,
        "later_language": covered.later,
        "fallback": covered.fallback,
        "to_mail": plan.count,
        "not_mailed": {
            **{reason.value: count for reason, count in covered.not_mailed.items()},
            **({SkipReason.EXPIRED.value: plan.expired} if plan.expired else {}),
        },
        "by_language": dict(covered.by_language),
        "missing_editions": [
            {"language": language, "people": count} for language, count in covered.missing
        ],
    }


def confirm(plan: Plan, yes: int | None) -> None:
    """Ask for the number of people to be typed, or compare it with `--yes`; end unless it agrees."""
    if plan.count == 0:
        fail("Nobody would be mailed; nothing was scheduled.", "See who is left out above.")
    if yes is None:
        try:
            answer = Prompt.ask(
                f"Type {plan.count} to confirm, anything else to stop",
                console=errors,
                default="",
                show_default=False,
            )
        except EOFError:
            answer = ""
        yes = int(answer) if re.fullmatch(r"\s*[0-9]{1,12}\s*", answer) else -1
    if yes != plan.count:
        fail(f"Not confirmed: it would go to {plan.count} people. Nothing was scheduled.")
