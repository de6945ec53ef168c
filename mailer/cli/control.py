"""Commands about a mailing that exists: pause, resume, cancel, release, report, deliveries."""

from __future__ import annotations

import contextlib
import csv
import sys
from collections.abc import Callable, Iterator
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from mailer.app import stopping
from mailer.app.documents import outcomes_of, report_document, shares_document
from mailer.app.workspace import Workspace
from mailer.audience.cells import disarmed
from mailer.cli.breaker import print_paused
from mailer.cli.clocks import (
    print_shares,
    release_held_shares,
)
from mailer.cli.coming_back import print_returned
from mailer.cli.common import (
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
from mailer.cli.concern import print_concern
from mailer.cli.resolving import print_doubts
from mailer.model.mailing import Mailing
from mailer.model.states import (
    OPEN_STATES,
    DeliveryState,
    ForbiddenTransition,
    MailingState,
    Settlement,
    SkipReason,
)
from mailer.store.mailings import find_mailing
from mailer.store.reports import Progress, Report, deliveries, report
from mailer.store.shares import share_figures, shares_of
from mailer.zones import canonical_zone

Key = Annotated[str, typer.Argument(metavar="MAILING", help='Its key, like "her-rights-1".')]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_WORDS = {
    DeliveryState.ACCEPTED: "accepted by the relay",
    DeliveryState.REFUSED: "refused",
    DeliveryState.IN_DOUBT: "in doubt: the reply was lost",
    DeliveryState.DUE: "due",
    DeliveryState.SENDING: "being sent",
    DeliveryState.DEFERRED: "deferred, to be tried again",
    DeliveryState.CANCELLED: "cancelled",
    DeliveryState.SKIPPED: "not mailed",
}
#: Reasons that do not say by themselves what they mean.
_REASONS = {
    SkipReason.DUPLICATE_ADDRESS: "duplicate address, mailed by another list",
    SkipReason.DISCREET_NOT_READY: "marked discreet, for which there is no mail yet",
    SkipReason.NO_ACCEPTABLE_EDITION: "no edition in a language they accept",
    SkipReason.NO_CONSENT: "no consent on record",
    SkipReason.EXPIRED: "their hour had passed",
    SkipReason.ONLY_URGENT: "they want urgent appeals only",
    SkipReason.TOPIC_NOT_CHOSEN: "they chose other topics",
}
#: What a person may want instead, by the state a mailing is in.
_NEXT = {
    MailingState.DRAFT: "Give it an hour: mailer schedule --draft, or drop it: mailer cancel",
    MailingState.PAUSED: "Let it go on: mailer resume, or end it: mailer cancel",
    MailingState.HELD: "Let it go: mailer release, or end it: mailer cancel",
    MailingState.RUNNING: "Stop it: mailer pause, or end it: mailer cancel",
    MailingState.SCHEDULED: "It goes at its hour. Stop it: mailer pause, or end it: mailer cancel",
    MailingState.FINISHED: "See what became of it: mailer report",
    MailingState.CANCELLED: "See what became of it: mailer report",
}


@contextlib.contextmanager
def _changing(key: str, done: str) -> Iterator[None]:
    """Say in plain words why a mailing cannot be paused, resumed, cancelled or released now."""
    try:
        yield
    except ForbiddenTransition as error:
        state = MailingState(error.current)
        fail(
            f"{key} is {state.value.replace('_', ' ')}: it cannot be {done}.", _NEXT.get(state, "")
        )


@plain_errors
def pause(key: Key) -> None:
    """Stop a mailing; what is being sent is finished, the rest waits for `resume`.

    Example: mailer pause her-rights-1
    """
    with _changing(key, "paused"):
        stopping.pause(open_workspace(), terminal_actor(), key)
    console.print(f"{key} is paused. Go on with: mailer resume {key}")


@plain_errors
def resume(
    key: Key,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Although it paused by itself; it is judged anew.")
    ] = False,
) -> None:
    """Let a paused mailing go on where it stood.

    One that paused by itself, since too many were refused, goes on with --anyway.

    Example: mailer resume her-rights-1
    """
    with _changing(key, "resumed"):
        done = stopping.resume(open_workspace(), terminal_actor(), key, anyway=anyway)
    if done.reason:
        console.print(f"It had paused by itself: {done.reason}.", markup=False)
        console.print("What was counted so far is held against it no more.")
    console.print(f"{key} is {done.mailing.state.value} again.")


@plain_errors
def cancel(
    key: Key,
    share: Annotated[
        str, typer.Option("--share", metavar="ZONE", help="Give up this share alone.")
    ] = "",
) -> None:
    """End a mailing for good, or one share of it; who has not been mailed will not be.

    Example: mailer cancel her-rights-1
    """
    workspace = open_workspace()
    if share:
        zone = canonical_zone(share) or share
        stopping.give_up_share(workspace, terminal_actor(), key, zone)
        console.print(f"The share {zone} of {key} is given up. What was sent: mailer report {key}")
        return
    with _changing(key, "cancelled"):
        done = stopping.cancel(workspace, terminal_actor(), key)
    if done.before is MailingState.DRAFT:
        console.print(f"The draft {key} is dropped.")
        return
    console.print(f"{key} is cancelled. What was sent before: mailer report {key}")


@plain_errors
def release(
    key: Key,
    share: Annotated[
        str, typer.Option("--share", metavar="ZONE", help="Only the held share of this zone.")
    ] = "",
    ask: Annotated[
        bool, typer.Option("--ask", help="Release nothing; alert staff that you ask for it.")
    ] = False,
) -> None:
    """Let a held mailing, or its held shares, go although late, or larger than confirmed.

    Example: mailer release her-rights-1 --share Asia/Bishkek

    Example: mailer release her-rights-1 --ask
    """
    workspace = open_workspace()
    if ask:
        _ask(workspace, key)
        return
    zone = (canonical_zone(share) or share) if share else None
    if release_held_shares(workspace, key, zone):
        return
    with _changing(key, "released"):
        done = stopping.release(workspace, terminal_actor(), key)
    if done.reason:
        console.print(f"It was held: {done.reason}", markup=False)
    console.print(f"{key} is {done.mailing.state.value}.")


def _ask(workspace: Workspace, key: str) -> None:
    """Alert staff that somebody wants what waits of a mailing to go."""
    try:
        stopping.ask_for_release(workspace, terminal_actor(), key)
    except stopping.NothingWaits as error:
        fail(str(error), _NEXT.get(error.state, ""))
    alerts = workspace.config.alerts
    if not (alerts.addresses or alerts.command):
        fail(f"{key} waits, but nobody is told.", "Fill in [alerts] in config.toml")
    console.print(f"Staff are asked to release {key}.")


@plain_errors
def report_command(key: Key, as_json: AsJson = False) -> None:
    """Show what became of a mailing: by outcome, by language, by reason not mailed.

    Example: mailer report her-rights-1 --json
    """
    workspace = open_workspace()
    with workspace.store.read() as connection:
        mailing = find_mailing(connection, key)
        figures = report(connection, mailing.row_id)
        shares = shares_of(connection, mailing.row_id)
        counted = share_figures(connection, mailing.row_id)
    if as_json:
        document = report_document(mailing, figures)
        print_json({**document, "shares": shares_document(shares, counted)})
    else:
        print_report(mailing, figures, workspace.config.workspace.time_zone)
        print_shares(mailing, shares, counted)


@plain_errors
def deliveries_command(
    key: Key,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV; nobody's address.")] = False,
    as_json: AsJson = False,
) -> None:
    """List a mailing's deliveries one by one, without anybody's name or address.

    Example: mailer deliveries her-rights-1 --csv > deliveries.csv
    """
    workspace = open_workspace()
    with workspace.store.read() as connection:
        mailing = find_mailing(connection, key)
        rows = deliveries(connection, mailing.row_id)
        if as_json:
            print_json(list(rows))
            return
        header = ("delivery", "list", "language", "state", "reason", "attempts", "relay", "code",
                  "enhanced_code", "finished_at")  # fmt: skip
        if as_csv:
            writer = csv.writer(sys.stdout)
            writer.writerow(header)
        table = Table(*header, box=None, header_style="bold")
        for row in rows:
            cells = (
                str(row.delivery_id), row.list_key, row.language, row.state.value, row.reason,
                str(row.attempts), row.relay, str(row.code or ""), row.enhanced_code,
                row.finished_at.isoformat(timespec="seconds") if row.finished_at else "",
            )  # fmt: skip
            if as_csv:
                writer.writerow([disarmed(one) for one in cells])
            else:
                table.add_row(*cells)
    if not as_csv:
        console.print(table)


def print_report(mailing: Mailing, figures: Report, zone: str) -> None:
    """Print a report for people."""
    console.print(f"{mailing.key}: {mailing.state.value}", style="bold")
    console.print(f"  due {shown(mailing.due_at, mailing.time_zone)}")
    if mailing.corrects:
        console.print(f"  corrects {mailing.corrects.key} of {mailing.corrects.day}")
    print_concern(mailing.concern)
    if mailing.held_reason:
        console.print(f"  held: {mailing.held_reason}", style="yellow", markup=False)
    print_paused(mailing, zone)
    if mailing.finished_at:
        console.print(f"  ended {shown(mailing.finished_at, zone)}")
    outcomes = Table("Outcome", box=None, header_style="bold", title_justify="left")
    outcomes.add_column("People", justify="right")
    counts = outcomes_of(figures)
    for state, words in _WORDS.items():
        if state in counts:
            outcomes.add_row(words, str(counts[state]))
        if state is DeliveryState.ACCEPTED and figures.taken_as_sent:
            outcomes.add_row("taken as sent by a person", str(figures.taken_as_sent))
    outcomes.add_row("to be mailed in all", str(figures.to_mail), style="bold")
    console.print()
    console.print(outcomes)
    languages = Table("Language", box=None, header_style="bold")
    for heading in ("Accepted", "Refused", "In doubt", "Open"):
        languages.add_column(heading, justify="right")
    for language, row in figures.by_language.items():
        languages.add_row(
            language,
            str(row.get(DeliveryState.ACCEPTED, 0)),
            str(row.get(DeliveryState.REFUSED, 0)),
            str(row.get(DeliveryState.IN_DOUBT, 0)),
            str(sum(row.get(state, 0) for state in OPEN_STATES)),
        )
    if figures.by_language:
        console.print()
        console.print(languages)
    reasons = Table("Not mailed", box=None, header_style="bold")
    reasons.add_column("Entries", justify="right")
    for reason, count in sorted(figures.not_mailed.items()):
        reasons.add_row(reason_in_words(reason), str(count))
    if figures.not_mailed:
        console.print()
        console.print(reasons)
    console.print()
    for relay, answers in sorted(figures.by_relay.items()):
        told = ", ".join(
            f"{count} {outcome.replace('_', ' ')}" for outcome, count in sorted(answers.items())
        )
        console.print(f"  attempts at {relay}: {told}", markup=False)
    for reply, count in sorted(figures.refusals.items()):
        console.print(f"  refused with {reply}: {count}", markup=False)
    resent = figures.settled.get(Settlement.RESEND)
    if resent:
        console.print(f"  in doubt, and sent again as a person said: {resent}")
    reported = figures.settled.get(Settlement.REPORTED)
    if reported:
        console.print(f"  in doubt, until a report showed that it was taken: {reported}")
    print_returned(figures.returned)
    if figures.in_doubt:
        console.print()
        print_doubts(figures.in_doubt, zone)
        console.print("  They are not sent again unasked. Settle them, all or by --delivery ID:")
        console.print(f"    mailer resolve {mailing.key} --resend")
        console.print(f"    mailer resolve {mailing.key} --take-as-sent")
        console.print()
    if figures.gone_at:
        console.print(
            f"  Counts only: the deliveries were cleared away {figures.gone_at:%Y-%m-%d}."
        )
    if mailing.state is MailingState.FINISHED and figures.open == 0:
        console.print("  Everyone on the lists was mailed or has a reason above.")


def reason_in_words(reason: SkipReason) -> str:
    """Return why somebody is not mailed, as people read it."""
    return _REASONS.get(reason, reason.value.replace("_", " "))


@contextlib.contextmanager
def progress_bar() -> Iterator[Callable[[Mailing, Progress], None]]:
    """Show a mailing's progress with rate and remaining time; give what is called with it."""
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=errors) as bar:
        task = bar.add_task("scheduled", total=None, rate="")

        def show(mailing: Mailing, figures: Progress) -> None:
            speed = bar.tasks[0].speed
            bar.update(
                task,
                description=mailing.state.value,
                completed=figures.done,
                total=figures.total or None,
                rate=f"{speed:.0f}/s" if speed else "",
            )

        yield show


COMMANDS = (
    Command("pause", pause, needs_arguments=True),
    Command("resume", resume, needs_arguments=True),
    Command("cancel", cancel, needs_arguments=True),
    Command("release", release, needs_arguments=True),
    Command("report", report_command, needs_arguments=True),
    Command("deliveries", deliveries_command, needs_arguments=True),
)
