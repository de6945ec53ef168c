"""`mailer demo`: the main job from end to end on this machine, with its report and links."""

from __future__ import annotations

import contextlib
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from mailer.app import demo as steps
from mailer.app.workspace import Workspace
from mailer.cli.common import NOT_DONE, Command, console, errors, fail, plain_errors, shown
from mailer.cli.control import print_report, progress_bar
from mailer.cli.plans import print_plan
from mailer.cli.workspace import make_workspace
from mailer.model.mailing import Mailing

#: Codes that the terminal shows of each of the demo's users.
_SHOWN_CODES = 3
#: How long the demo waits for somebody who wants to watch, in seconds.
_SIGN_IN_S = 60.0


@plain_errors
def demo(
    once: Annotated[bool, typer.Option("--once", help="End by itself after the report.")] = False,
    folder: Annotated[
        Path,
        typer.Option("--dir", help="Where to make its workspace; an earlier demo is replaced."),
    ] = Path("demo"),
) -> None:
    """Show the main job: workspace, statement, lists, a mailing to the sandbox, its report.

    Example: mailer demo --once
    """
    # Also when it was started in the background, where Ctrl-C is ignored, or its window is closed.
    for told in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(told, _interrupt)
    try:
        with steps.claimed(folder):
            complete = _show(folder, once=once)
    except steps.FolderInUse as error:
        fail(str(error))
    if not complete:
        raise typer.Exit(NOT_DONE)


def _show(folder: Path, *, once: bool) -> bool:
    """Show every step; return whether each delivery is accounted for."""
    make_workspace(folder).store.close()
    steps.adapt_config(folder)
    steps.give_topic(folder)
    workspace = Workspace.open(folder)
    console.print(f"1. A workspace in {workspace.config.root}", markup=False)
    number = steps.load_sample(workspace)
    console.print(
        f'2. The statement "{steps.SLUG}" is loaded, revision {number}, about "{steps.TOPIC}"',
        markup=False,
    )
    console.print("3. Lists of two organisations, some people on more than one:")
    for key, result in steps.import_samples(workspace):
        console.print(f"   {key}: {result.summary()}", markup=False)
    console.print(f"   The rows that were rejected, and why: {folder}/data/rejects/", markup=False)
    chosen = steps.make_choices(workspace)
    console.print(
        f"   Of {steps.LISTS[0]}, {chosen.topics} people chose topics, {chosen.text_only} plain text, "
        f"{chosen.paused} a pause, and {chosen.only_urgent} urgent appeals only",
        markup=False,
    )
    staff = steps.make_staff(workspace)
    log = workspace.config.data_dir / "run.log"
    errors.print("   Starting ...")
    with steps.running(workspace, log) as process:
        # Worked out while the processes start.
        plan = steps.plan_mailing(workspace)
        if not steps.await_listening(workspace, process):
            fail(f"The program did not come up within {steps.STARTING_S:.0f} s.", f"Its log: {log}")
        console.print("4. Scheduler, sender, pages, desk and sandbox are running on 127.0.0.1")
        _print_staff(workspace, staff)
        if not once:
            _wait_for_enter()
        mailing = steps.schedule_mailing(workspace, plan)
        console.print(f"5. {mailing.key} is due {shown(mailing.due_at, mailing.time_zone)}:")
        print_plan(plan)
        _watch(workspace, mailing)
        accounts = steps.accounts(workspace, mailing)
        console.print("6. The report:")
        print_report(accounts.mailing, accounts.report, workspace.config.workspace.time_zone)
        _print_links(workspace, mailing)
        _print_accounts(accounts)
        if not once:
            console.print("Serving until Ctrl-C.")
            _until_interrupted(process)
        errors.print("Stopping ...")
    return accounts.complete


def _print_staff(workspace: Workspace, staff: list[steps.DemoUser]) -> None:
    """Say where the desk is, and how to sign in."""
    console.print(f"   The desk: {workspace.config.desk.address}/desk", markup=False)
    for one in staff:
        roles = ", ".join(role.value for role in one.roles)
        console.print(f"   {one.login} ({roles}), password {one.password}", markup=False)
        console.print(f"     codes, each once: {' '.join(one.codes[:_SHOWN_CODES])}", markup=False)


def _wait_for_enter() -> None:
    """Give a person the time to sign in before the mailing begins."""
    if not sys.stdin.isatty():
        return
    errors.print("   Sign in to watch the mailing go out. Enter starts it; else in a minute.")
    select.select([sys.stdin], [], [], _SIGN_IN_S)


def _print_accounts(accounts: steps.Accounts) -> None:
    if accounts.complete:
        console.print(
            f"Accounted for: {accounts.memberships_on_lists} entries on the lists are "
            f"{accounts.addresses_on_lists} people, with {accounts.report.people} deliveries, "
            "none open.",
            style="green",
        )
    else:
        errors.print("Not every delivery is accounted for; see the report.", style="red")


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _watch(workspace: Workspace, mailing: Mailing) -> None:
    with progress_bar() as show:
        for current, figures in steps.watch(workspace, mailing):
            show(current, figures)


def _print_links(workspace: Workspace, mailing: Mailing) -> None:
    links = steps.links(workspace, mailing)
    console.print("7. Look at it:")
    watch = f"{workspace.config.desk.address}/desk/mailings/{mailing.key}/watch"
    console.print(f"   the mailing at the desk {watch}", markup=False)
    console.print(f"   the sandbox's inbox   {links.inbox}", markup=False)
    console.print(f"   one mail's web view   {links.web_view}", markup=False)
    console.print(f"   all statements        {links.archive}", markup=False)
    console.print(f"   one unsubscribe link  {links.unsubscribe}", markup=False)


def _until_interrupted(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        while process.poll() is None:
            time.sleep(0.5)


COMMANDS = (Command("demo", demo),)
