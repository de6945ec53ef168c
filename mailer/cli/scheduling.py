"""`mailer schedule` and `mailer send`: from a plan that a person confirms to a mailing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated

import typer

from mailer.app.clocks import Hours, make_clocks, read_hours
from mailer.app.correcting import plan_correction
from mailer.app.documents import breaker_document, report_document
from mailer.app.newsletters import refuse_unreleased
from mailer.app.planning import (
    BEFORE_SCHEDULING,
    Plan,
    Wish,
    make_plan,
    pinned_breaker,
    plan_draft,
)
from mailer.app.preflight import PreflightBlocks, When, refuse_blocking
from mailer.app.scheduling import schedule as write_mailing
from mailer.app.scheduling import schedule_draft
from mailer.app.senders import send_now
from mailer.app.sending import check_ready, sandbox_answers
from mailer.app.workspace import Workspace
from mailer.cli.breaker import CanaryText, print_breaker
from mailer.cli.clocks import (
    Late,
    QuietDaysText,
    RecipientTime,
    WindowText,
    planned_document,
    print_clocks,
    refuse_undecided,
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
    shown,
    terminal_actor,
)
from mailer.cli.concern import Urgent
from mailer.cli.control import print_report, progress_bar
from mailer.cli.plans import (
    AsJson,
    ExcludeText,
    Lists,
    Override,
    SegmentText,
    SenderKey,
    Slug,
    Yes,
    confirm,
    coverage_document,
    duration_s,
    print_plan,
)
from mailer.cli.preflight import print_finding
from mailer.model.mailing import Mailing
from mailer.schedule.hours import instant_at
from mailer.store.mailings import find_mailing, load_mailing
from mailer.store.reports import report

_NONE: list[str] = []


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
    canary: CanaryText = None,
    urgent: Urgent = False,
    override: Override = "",
    yes: Yes = None,
    as_json: AsJson = False,
) -> None:
    """Schedule a mailing of a statement's newest revision, after showing who gets it and when.

    With --correct it goes to exactly those whom an earlier mailing reached, in the language they
    got it in, and says that it corrects; statement, lists and sender are those of that mailing, and
    it is urgent where that one was.

    With --draft it releases a draft that waits, an issue of a newsletter say, or a mailing that was
    approved at the desk. Where [approval] wants that, nothing else is scheduled without --override.

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
    wish = Wish(statement, tuple(lists), sender, segment, exclude, urgent)
    plan, waiting = _plan(workspace, wish, correct, draft)
    check_ready(workspace, plan.sender)
    now = workspace.clock.now()
    clocks = make_clocks(timing, zone, plan.coverage.by_zone, plan.lists, now).decided(late, now)
    plan = replace(plan, clocks=clocks)
    breaker = pinned_breaker(workspace, canary, plan.count)
    plan = replace(plan, breaker=breaker)
    passed = ", which has passed: it starts at once" if clocks.due_at <= now else ""
    if not as_json:
        print_plan(plan)
        if not recipient_time:
            console.print(f"  on {shown(clocks.due_at, zone)}{passed}")
        print_clocks(clocks)
        print_breaker(breaker, plan.count)
    refuse_undecided(clocks, late)
    _refuse_blocked(workspace, plan, When(clocks.due_at, zone, grace_s, clocks.timing))
    confirm(plan, yes)
    write = partial(write_mailing, workspace, terminal_actor(), plan)
    if waiting is not None:
        write = partial(schedule_draft, workspace, terminal_actor(), plan, waiting)
    mailing = write(due_at=clocks.due_at, time_zone=zone, grace_s=grace_s, override=override)
    if as_json:
        print_json(
            {
                "mailing": mailing.key,
                "due_at": mailing.due_at,
                **coverage_document(plan),
                **planned_document(clocks),
                "breaker": breaker_document(breaker),
            }
        )
    else:
        console.print(f"Scheduled {mailing.key} for {shown(mailing.due_at, zone)}.")
        console.print("`mailer run` sends it. To stop it: mailer cancel " + mailing.key)


def _refuse_blocked(workspace: Workspace, plan: Plan, when: When) -> None:
    """End when preflight finds what must be mended first."""
    try:
        refuse_blocking(workspace, plan, when)
    except PreflightBlocks as error:
        for one in error.findings:
            print_finding(one, to=errors)
        fail("Nothing was scheduled.", "See: mailer preflight --help")


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
        "--urgent": wish.urgent,
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
    return _plan_statement(workspace, wish), None


def _plan_statement(workspace: Workspace, wish: Wish) -> Plan:
    plan = make_plan(workspace, wish)
    refuse_unreleased(workspace, plan)
    return plan


def _plan_draft(workspace: Workspace, draft: str) -> tuple[Plan, Mailing]:
    with workspace.store.read() as connection:
        mailing = find_mailing(connection, draft)
    if mailing.state not in BEFORE_SCHEDULING:
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
    canary: CanaryText = None,
    urgent: Urgent = False,
    override: Override = "",
    yes: Yes = None,
    as_json: AsJson = False,
) -> None:
    """Send a statement now, in the foreground, with its progress.

    Example: mailer send --statement her-rights --list harbor-news --segment 'country = MD'
    """
    workspace = open_workspace()
    wish = Wish(statement, tuple(lists), sender, segment, exclude, urgent)
    plan = _plan_statement(workspace, wish)
    breaker = pinned_breaker(workspace, canary, plan.count)
    plan = replace(plan, breaker=breaker)
    check_ready(workspace, plan.sender)
    if not (workspace.config.workspace.live or sandbox_answers(workspace)):
        fail(
            "The workspace is not live, and its sandbox does not run: nobody would take the mails.",
            "Start it in another terminal: mailer run",
        )
    if not as_json:
        print_plan(plan)
        print_breaker(breaker, plan.count)
    zone, grace_s = workspace.config.workspace.time_zone, workspace.config.schedule.grace_s
    _refuse_blocked(workspace, plan, When(workspace.clock.now(), zone, grace_s))
    confirm(plan, yes)
    now = workspace.clock.now()
    mailing = write_mailing(
        workspace,
        terminal_actor(),
        plan,
        due_at=now,
        time_zone=workspace.config.workspace.time_zone,
        grace_s=workspace.config.schedule.grace_s,
        override=override,
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


COMMANDS = (
    Command("schedule", schedule, needs_arguments=True),
    Command("send", send, needs_arguments=True),
)
