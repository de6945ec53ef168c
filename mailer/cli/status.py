"""`mailer status`: everything at a glance, and what needs a person."""

from __future__ import annotations

import textwrap
from datetime import datetime
from typing import Annotated

import typer

from mailer.app.status import AlertStatus, IntakeStatus, MailingStatus, RelayStatus, Status, look_at
from mailer.cli.coming_back import came_back_line
from mailer.cli.common import (
    NOT_DONE,
    Command,
    console,
    open_workspace,
    plain_errors,
    print_json,
    shown,
)
from mailer.cli.relay import slowed_line
from mailer.model.states import DeliveryState, MailingState

#: Columns of a terminal that nobody has widened.
_WIDTH = 79
_INDENT = " " * 11
#: Mailings to come that are named.
_SHOWN_NEXT = 3
#: Mailings with deliveries in doubt that are named.
_SHOWN_DOUBTS = 5


@plain_errors
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say how everything is, on one screen; status 1 when something needs a person.

    Example: mailer status
    """
    workspace = open_workspace()
    seen = look_at(workspace)
    if as_json:
        print_json(seen)
    else:
        _print(seen, workspace.config.workspace.time_zone)
    if seen.needs:
        raise typer.Exit(NOT_DONE)


def _print(seen: Status, zone: str) -> None:
    mode = "live" if seen.live else "not live: no supporter can be reached"
    console.print(f"{seen.workspace}, {mode}", style="bold", markup=False)
    if seen.needs:
        console.print()
        for need in seen.needs:
            _say("!", need, style="yellow")
    else:
        console.print("Nothing needs a person.", style="green")
    console.print()
    _say("running", _processes(seen))
    for number, line in enumerate(_mailings(seen, zone)):
        _say("" if number else "mailings", line)
    for number, relay in enumerate(seen.relays):
        _say("" if number else "relays", _relay(relay, zone))
        for line in _limits(relay, zone):
            _say("", f"  {line}")
    doubts = [f"{key} {count}" for key, count in seen.in_doubt.items()]
    if doubts:
        more = [f"{len(doubts) - _SHOWN_DOUBTS} more"] if len(doubts) > _SHOWN_DOUBTS else []
        _say("in doubt", ", ".join([*doubts[:_SHOWN_DOUBTS], *more]))
    waiting = _waiting(seen)
    if waiting:
        _say("to staff", waiting)
    for number, place in enumerate(seen.intake):
        _say("" if number else "intake", _intake(place, zone))
    returned = came_back_line(seen.came_back)
    if returned:
        _say("returned", f"in the last day: {returned}")
    for number, alert in enumerate(seen.alerts):
        _say("" if number else "alerts", _alert(alert, zone))
    if not seen.alerts:
        _say("alerts", "none so far")
    wrong = [f"{name} {problem}" for name, problem in seen.keys.items() if problem]
    _say("keys", ", ".join(wrong) or "both are there")
    free = f"{seen.free_mb / 1000:.1f} GB free on its disk" if seen.free_mb is not None else ""
    _say("database", ", ".join(part for part in (f"{seen.database_mb:.1f} MB", free) if part))
    backup = f"last made {_at(seen.last_backup_at, zone)}" if seen.last_backup_at else "none so far"
    _say("backup", backup)
    _say("times", f"are those of {zone}")


def _say(name: str, text: str, style: str = "") -> None:
    """Print a line under its name, wrapped and indented, as a column of its own."""
    head = "  ! " if name == "!" else f"  {name:<9}"
    lines = textwrap.wrap(
        text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    for line in lines:
        console.print(line, markup=False, style=style)


def _at(moment: datetime | None, zone: str) -> str:
    return shown(moment, zone).removesuffix(f" {zone}") if moment else ""


def _processes(seen: Status) -> str:
    senders = f"{seen.senders} sender" if seen.senders == 1 else f"{seen.senders} senders"
    if seen.sender_numbers:
        # A gap is one that died and is not back yet.
        senders += f" ({' '.join(map(str, seen.sender_numbers))})"
    parts = [("scheduler", seen.scheduler), (senders, seen.senders), ("pages", seen.web)]
    up = [name for name, runs in parts if runs]
    down = [name.removeprefix("0 ") for name, runs in parts if not runs]
    said = ", ".join(up) or "nothing"
    return f"{said}; not: {', '.join(down)}" if down and up else said


def _mailings(seen: Status, zone: str) -> list[str]:
    lines = []
    to_come = [one for one in seen.mailings if one.state is MailingState.SCHEDULED]
    for one in seen.mailings:
        if one not in to_come:
            lines.append(_mailing(one, zone))
            if one.held_reason:
                lines.append(f"  {one.held_reason}")
    lines += [
        f"{one.key} to come, {_at(one.due_at, zone)}, {one.to_mail} people"
        for one in to_come[:_SHOWN_NEXT]
    ]
    if len(to_come) > _SHOWN_NEXT:
        lines.append(f"and {len(to_come) - _SHOWN_NEXT} more; see: mailer mailings list")
    return lines or ["none under way, none to come"]


def _mailing(one: MailingStatus, zone: str) -> str:
    said = f"{one.key} {one.state.value}, {one.done} of {one.to_mail}"
    if one.pause_reason:
        return f"{said}, by itself"
    if not one.canary or one.state is not MailingState.RUNNING:
        return said
    until = f" until {_at(one.canary_until, zone)}" if one.canary_until else ""
    return f"{said}; {one.canary} go first, the rest waits{until}"


def _relay(one: RelayStatus, zone: str) -> str:
    parts = [one.key if one.verified else f"{one.key}, not verified"]
    if one.connected_at:
        parts.append(f"last answered {_at(one.connected_at, zone)}")
    if one.failing:
        parts.append(f"failing since then, last {_at(one.failed_at, zone)}")
    if not one.connected_at and not one.failing:
        parts.append("not tried yet")
    return ", ".join(parts)


def _intake(one: IntakeStatus, zone: str) -> str:
    if one.place == "pipe":
        return f"{one.unread} could not be read and are kept in data/unread"
    parts = [one.place, f"last read {_at(one.read_at, zone)}" if one.read_at else "not read yet"]
    if one.unread:
        parts.append(f"{one.unread} could not be read")
    return ", ".join(parts)


#: Slowed providers and domains that are named.
_SHOWN_SLOWED = 5


def _limits(one: RelayStatus, zone: str) -> list[str]:
    """Return what keeps a relay from taking everything now."""
    limits = one.limits
    if limits is None:
        return []
    lines = []
    if limits.aside_until:
        lines.append(f"aside, tried again {_at(limits.aside_until, zone)}")
    if limits.cap is not None:
        lines.append(f"{limits.today} of {limits.cap} mails today")
    lines += [slowed_line(slowed, zone) for slowed in limits.slowed[:_SHOWN_SLOWED]]
    if len(limits.slowed) > _SHOWN_SLOWED:
        more = len(limits.slowed) - _SHOWN_SLOWED
        lines.append(f"and {more} more slowed; see: mailer relay limits")
    return lines


def _waiting(seen: Status) -> str:
    """Return the service mails that wait, are in doubt or were refused, in words."""
    telling = (
        DeliveryState.DUE, DeliveryState.SENDING, DeliveryState.DEFERRED, DeliveryState.IN_DOUBT,
        DeliveryState.REFUSED,
    )  # fmt: skip
    parts = []
    for name, count in seen.service_mails.items():
        purpose, _, state = name.partition(" ")
        if state in telling:
            kind = purpose.replace("_", " ")
            parts.append(f"{count} {kind}{'s' if count > 1 else ''} {state.replace('_', ' ')}")
    return ", ".join(parts)


def _alert(one: AlertStatus, zone: str) -> str:
    told = []
    if one.mailed is not None:
        told.append("mailed" if one.mailed else "not mailed")
    if one.commanded:
        told.append("command told")
    elif one.command_failure:
        told.append(f"command failed, {one.command_failure}")
    elif one.commanded is not None:
        told.append("command not told yet")
    lasts = ", lasts" if one.lasting else ""
    said = "; ".join(told) or "told to nobody: [alerts] is empty"
    return f"{_at(one.raised_at, zone)} {one.headline}{lasts} ({said})"


COMMANDS = (Command("status", status),)
