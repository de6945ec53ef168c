"""`mailer schedule`, `mailer send`, `mailer mailings list|coverage`: from a plan to a mailing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated

import typer
from rich.prompt import Prompt
from rich.table import Table

from mailer.app.clocks import Hours, make_clocks, read_hours
from mailer.app.correcting import plan_correction
from mailer.app.planning import (
    CorrectionPlan,
    Plan,
    Wish,
    make_plan,
    plan_draft,
    schedule_draft,
)
from mailer.app.planning import schedule as write_mailing
from mailer.app.sending import check_ready, sandbox_answers, send_now
from mailer.app.workspace import Workspace
from mailer.cli.clocks import (
    OVER,
    Late,
    QuietDaysText,
    RecipientTime,
    WindowText,
    planned_document,
    print_clocks,
    print_rules,
    print_shares,
    refuse_undecided,
    shares_document,
    timing_document,
)
from mailer.cli.common import (
    NOT_DONE,
    WRONG_USE,
    Command,
    console,
    errors,
    fail,
    open_workspace,
    plain_errors,
    print_json,
    report_faults,
    shown,
)
from mailer.cli.control import print_report, progress_bar, reason_in_words, report_document
from mailer.model.mailing import Mailing
from mailer.model.statement import localized
from mailer.model.states import MailingState, SkipReason
from mailer.schedule.hours import instant_at
from mailer.store.mailings import find_mailing, list_mailings, load_mailing
from mailer.store.reports import progress, report
from mailer.store.shares import held_shares, share_figures, shares_of

Slug = Annotated[str, typer.Option("--statement", help="Slug of the statement.")]
Lists = Annotated[list[str], typer.Option("--list", help="Key of a list; may be repeated.")]
SenderKey = Annotated[
    str, typer.Option("--sender", help="Who it comes from; needed when the lists' senders differ.")
]
SegmentText = Annotated[
    str, typer.Option("--segment", help="Only these: 'country in (MD, UA) and \"press\" in tags'.")
]
ExcludeText = Annotated[str, typer.Option("--exclude", help="But not these; same language.")]
Yes = Annotated[
    int | None,
    typer.Option("--yes", metavar="N", help="Confirm that N people are to be mailed."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_NONE: list[str] = []

group = typer.Typer(
    help=("Mailings: what there is, and who would be reached.\n\nExample: mailer mailings list"),
    no_args_is_help=True,
    rich_markup_mode=None,
)


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


def refuse_passed(workspace: Workspace, due_at: datetime, zone: str, grace_s: int) -> None:
    """End when an hour is further back than the mailing may be late."""
    if (workspace.clock.now() - due_at).total_seconds() > grace_s:
        fail(f"{shown(due_at, zone)} has passed.", "Name an hour to come, or: mailer send")


@plain_errors
def schedule(
    at: Annotated[str, typer.Option("--at", help="Date and hour: 2026-12-01T09:00.")],
    timezone: Annotated[str, typer.Option("--timezone", help="Its zone: Europe/Chisinau.")] = "",
    statement: Slug = "",
    lists: Lists = _NONE,
    correct: Annotated[
        str,
        typer.Option(
            "--correct",
            metavar="MAILING",
            help="Correct this mailing: the newest revision, to those whom it reached.",
        ),
    ] = "",
    draft: Annotated[
        str, typer.Option("--draft", metavar="MAILING", help="A draft instead: release it.")
    ] = "",
    sender: SenderKey = "",
    segment: SegmentText = "",
    exclude: ExcludeText = "",
    grace: Annotated[
        str, typer.Option("--grace", help="Later than this it waits for a person: 2h.")
    ] = "",
    recipient_time: RecipientTime = False,
    window: WindowText = "",
    quiet_days: QuietDaysText = "",
    late: Late = None,
    yes: Yes = None,
    as_json: AsJson = False,
) -> None:
    """Schedule a mailing of a statement's newest revision, after showing who gets it and when.

    With --correct it goes to exactly those whom an earlier mailing reached, in the language they
    got it in, and says that it corrects; statement, lists and sender are those of that mailing.

    With --draft it releases a draft that waits, an issue of a newsletter say.

    Example: mailer schedule --statement her-rights --list harbor-news
    --at 2026-12-01T09:00 --timezone Europe/Chisinau
    """
    workspace = open_workspace()
    hours = Hours(at, timezone, recipient_time, window, quiet_days, late)
    timing, zone = read_hours(
        hours, workspace.config.workspace.time_zone, workspace.config.schedule.quiet_days
    )
    grace_s = duration_s(grace) if grace else workspace.config.schedule.grace_s
    if not recipient_time:
        refuse_passed(workspace, instant_at(at, zone), zone, grace_s)
    wish = Wish(statement, tuple(lists), sender, segment, exclude)
    plan, waiting = _plan(workspace, wish, correct, draft)
    check_ready(workspace, plan.sender)
    now = workspace.clock.now()
    clocks = make_clocks(timing, zone, plan.coverage.by_zone, plan.lists, now).decided(late, now)
    plan = replace(plan, clocks=clocks)
    passed = ", which has passed: it starts at once" if clocks.due_at <= now else ""
    if not as_json:
        print_plan(plan)
        if not recipient_time:
            console.print(f"  on {shown(clocks.due_at, zone)}{passed}")
        print_clocks(clocks)
    refuse_undecided(clocks, late)
    confirm(plan, yes)
    write = partial(write_mailing, workspace, plan)
    if waiting is not None:
        write = partial(schedule_draft, workspace, plan, waiting)
    mailing = write(due_at=clocks.due_at, time_zone=zone, grace_s=grace_s)
    if as_json:
        print_json(
            {
                "mailing": mailing.key,
                "due_at": mailing.due_at,
                **coverage_document(plan),
                **planned_document(clocks),
            }
        )
    else:
        console.print(f"Scheduled {mailing.key} for {shown(mailing.due_at, zone)}.")
        console.print("`mailer run` sends it. To stop it: mailer cancel " + mailing.key)


def _plan(
    workspace: Workspace, wish: Wish, correct: str, draft: str
) -> tuple[Plan, Mailing | None]:
    """Return the plan of a mailing, of a correction, or of a draft that waits, and that draft.

    Ends with wrong use for half of each.
    """
    options = {
        "--statement": wish.slug,
        "--list": wish.lists,
        "--sender": wish.sender,
        "--segment": wish.segment,
        "--exclude": wish.exclude,
    }
    given = [option for option, value in options.items() if value]
    if correct and draft:
        fail("--correct and --draft: choose one of them.", "", WRONG_USE)
    if given and (correct or draft):
        fail(
            f"{', '.join(given)}: cannot be chosen with --{'correct' if correct else 'draft'}.",
            f"They are those of {correct or draft}. Leave them out.",
            WRONG_USE,
        )
    if correct:
        return plan_correction(workspace, correct), None
    if draft:
        return _plan_draft(workspace, draft)
    missing = [option for option in ("--statement", "--list") if not options[option]]
    if missing:
        fail(
            f"{' and '.join(missing)} must be named, or --correct or --draft MAILING.",
            "",
            WRONG_USE,
        )
    return make_plan(workspace, wish), None


def _plan_draft(workspace: Workspace, draft: str) -> tuple[Plan, Mailing]:
    with workspace.store.read() as connection:
        mailing = find_mailing(connection, draft)
    if mailing.state is not MailingState.DRAFT:
        state = mailing.state.value.replace("_", " ")
        fail(f"{draft} is {state}, and no draft any more.", "See: mailer mailings list")
    return plan_draft(workspace, mailing), mailing


@plain_errors
def send(
    statement: Slug,
    lists: Lists,
    sender: SenderKey = "",
    segment: SegmentText = "",
    exclude: ExcludeText = "",
    yes: Yes = None,
    as_json: AsJson = False,
) -> None:
    """Send a statement now, in the foreground, with its progress.

    Example: mailer send --statement her-rights --list harbor-news --segment 'country = MD'
    """
    workspace = open_workspace()
    plan = make_plan(workspace, Wish(statement, tuple(lists), sender, segment, exclude))
    check_ready(workspace, plan.sender)
    if not (workspace.config.workspace.live or sandbox_answers(workspace)):
        fail(
            "The workspace is not live, and its sandbox does not run: nobody would take the mails.",
            "Start it in another terminal: mailer run",
        )
    if not as_json:
        print_plan(plan)
    confirm(plan, yes)
    now = workspace.clock.now()
    mailing = write_mailing(
        workspace,
        plan,
        due_at=now,
        time_zone=workspace.config.workspace.time_zone,
        grace_s=workspace.config.schedule.grace_s,
    )
    errors.print(f"Sending {mailing.key}. Ctrl-C stops it; `mailer run` goes on with it.")
    with progress_bar() as show:
        ended = send_now(workspace, mailing.row_id, show)
    with workspace.store.read() as connection:
        mailing = load_mailing(connection, mailing.row_id)
        figures = report(connection, mailing.row_id)
    if as_json:
        print_json(report_document(mailing, figures))
    else:
        print_report(mailing, figures, workspace.config.workspace.time_zone)
    if not ended:
        raise typer.Exit(NOT_DONE)


@group.command("list")
@plain_errors
def list_command(as_json: AsJson = False) -> None:
    """List the mailings, the latest first.

    Example: mailer mailings list
    """
    workspace = open_workspace()
    with workspace.store.read() as connection:
        rows = [
            (mailing, progress(connection, mailing.row_id)) for mailing in list_mailings(connection)
        ]
        held = {one.row_id: len(held_shares(connection, one.row_id)) for one, _ in rows}
    if as_json:
        print_json(
            [
                {
                    "mailing": one.key,
                    "state": one.state,
                    "due_at": None if one.state is MailingState.DRAFT else one.due_at,
                    "confirmed": one.confirmed_count,
                    "done": figures.done,
                    "held_reason": one.held_reason,
                    "held_shares": held[one.row_id],
                }
                for one, figures in rows
            ]
        )
        return
    if not rows:
        console.print("No mailing yet. See: mailer schedule --help")
        return
    table = Table("Mailing", "State", "Due", box=None, header_style="bold")
    table.add_column("Done", justify="right")
    table.add_column("To mail", justify="right")
    for one, figures in rows:
        planned = str(figures.total or one.confirmed_count)
        style = "yellow" if one.state is MailingState.HELD else ""
        due = shown(one.due_at, one.time_zone)
        if one.state is MailingState.DRAFT:
            # It has no hour before a person gives it one.
            due, planned, style = "when you release it", "", "yellow"
        table.add_row(one.key, one.state.value, due, str(figures.done), planned, style=style)
        if one.held_reason:
            table.add_row("", "", one.held_reason, "", "", style="yellow")
        if held[one.row_id] and one.state not in OVER:
            words = (
                "1 share is held"
                if held[one.row_id] == 1
                else (f"{held[one.row_id]} shares are held")
            )
            told = f"{words}. See: mailer mailings show {one.key}"
            table.add_row("", "", told, "", "", style="yellow")
    console.print(table)


@group.command("coverage", no_args_is_help=True)
@plain_errors
def coverage_command(
    statement: Slug,
    lists: Lists,
    sender: SenderKey = "",
    segment: SegmentText = "",
    exclude: ExcludeText = "",
    as_json: AsJson = False,
) -> None:
    """Say before sending who would be reached in which language, and which editions are missing.

    Example: mailer mailings coverage --statement her-rights --list harbor-news
    """
    workspace = open_workspace()
    plan = make_plan(workspace, Wish(statement, tuple(lists), sender, segment, exclude))
    if as_json:
        print_json(coverage_document(plan))
    else:
        print_plan(plan)


@group.command("show", no_args_is_help=True)
@plain_errors
def show_command(
    key: Annotated[str, typer.Argument(metavar="MAILING", help='Its key, like "her-rights-1".')],
    as_json: AsJson = False,
) -> None:
    """Show what a mailing pins: statement, lists, sender, hour, and where it stands.

    Example: mailer mailings show her-rights-1
    """
    workspace = open_workspace()
    with workspace.store.read() as connection:
        one = find_mailing(connection, key)
        shares, figures = shares_of(connection, one.row_id), share_figures(connection, one.row_id)
    if as_json:
        print_json(
            {
                "mailing": one.key,
                "state": one.state,
                "held_reason": one.held_reason,
                "due_at": None if one.state is MailingState.DRAFT else one.due_at,
                "time_zone": one.time_zone,
                "grace_s": one.grace_s,
                "sender": one.sender.key,
                "lists": [target.definition.key for target in one.targets],
                "corrects": one.corrects.key if one.corrects else None,
                "segment": one.segment,
                "exclude": one.exclude,
                "confirmed": one.confirmed_count,
                "digest": one.digest,
                **timing_document(one.timing),
                "shares": shares_document(shares, figures),
            }
        )
        return
    console.print(f"{one.key}: {one.state.value}", style="bold")
    if one.state is MailingState.DRAFT:
        console.print(f"  no hour yet. Give it one: mailer schedule --draft {one.key}")
    else:
        due = shown(one.due_at, one.time_zone)
        console.print(f"  due {due}, grace {one.grace_s // 60} minutes")
        print_rules(one.timing)
    console.print(f"  from {one.sender.key}, to {', '.join(t.definition.key for t in one.targets)}")
    if one.corrects:
        console.print(f"  corrects {one.corrects.key} of {one.corrects.day}")
    if one.segment:
        console.print(f"  only {one.segment}", markup=False)
    if one.exclude:
        console.print(f"  but not {one.exclude}", markup=False)
    if one.state is not MailingState.DRAFT:
        console.print(f"  {one.confirmed_count} people were confirmed")
    console.print(f"  digest of what it pins: {one.digest}")
    if one.held_reason:
        console.print(
            f"  held: {one.held_reason} Let it go: mailer release {one.key}", markup=False
        )
    print_shares(one, shares, figures)


GROUPS = {"mailings": group}
COMMANDS = (
    Command("schedule", schedule, needs_arguments=True),
    Command("send", send, needs_arguments=True),
)
