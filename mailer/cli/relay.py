"""`mailer relay`: see whether relays can be reached, and verify that they leave mails alone."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mailer.app.domains import resolver_at
from mailer.app.limits import RelayLimits, SlowedStatus, relay_limits
from mailer.app.relays import (
    LARGEST_MAIL,
    check_relay_steps,
    one_relay,
    relays_named,
    verify_relay,
)
from mailer.cli.common import (
    NOT_DONE,
    WRONG_USE,
    console,
    errors,
    fail,
    open_workspace,
    plain_errors,
    print_json,
    shown,
    terminal_actor,
)
from mailer.cli.findings import print_findings
from mailer.model.findings import Grade, passes

app = typer.Typer(
    help=(
        "Relays, the servers that take our mail: can they be reached, do they leave mails alone."
        "\n\nExample: mailer relay check"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("check")
@plain_errors
def check_command(
    key: Annotated[
        str, typer.Argument(metavar="[RELAY]", help="Its key in config.toml; all when not named.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Connect to relays, encrypt, log in and read what they offer; no mail is sent.

    Example: mailer relay check main
    """
    workspace = open_workspace()
    found = {one.key: check_relay_steps(workspace, one) for one in relays_named(workspace, key)}
    good = all(passes(findings) for findings in found.values())
    if as_json:
        print_json(found)
    else:
        for name, findings in found.items():
            console.print(f"Relay {name}", style="bold", markup=False)
            print_findings(findings)
            if passes(findings):
                console.print("  It can be reached. Nothing was sent.")
    if not good:
        raise typer.Exit(NOT_DONE)


@app.command("verify")
@plain_errors
def verify_command(
    key: Annotated[
        str, typer.Argument(metavar="[RELAY]", help="Its key; may be left out when there is one.")
    ] = "",
    dns: Annotated[
        str, typer.Option("--dns", help="Ask this DNS server, ADDRESS or ADDRESS:PORT.")
    ] = "",
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what is looked at and why, and do nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare a mail that came through a relay with what we sent; only then may it be used live.

    Send yourself a mail with `mailer test-send`, save it from your mailbox with its whole source,
    and give it to this command.

    Example: mailer relay verify main < received.eml
    """
    if explain:
        console.print(_EXPLAINED, markup=False)
        return
    workspace = open_workspace()
    section = one_relay(workspace, key)
    if sys.stdin.isatty():
        fail(
            "Give it the received mail on standard input.",
            f"mailer relay verify {section.key} < received.eml",
            WRONG_USE,
        )
    saved = sys.stdin.buffer.read(LARGEST_MAIL + 1)
    if not saved.strip() or len(saved) > LARGEST_MAIL:
        fail("That is no mail: it is empty, or larger than any of ours.", status=NOT_DONE)
    found = verify_relay(workspace, terminal_actor(), section, saved, resolver_at(dns))
    good = passes(found)
    if as_json:
        print_json({"relay": section.key, "verified": good, "findings": found})
    else:
        console.print(f"Relay {section.key}", style="bold", markup=False)
        print_findings(found)
        if good:
            console.print("The relay leaves our mails alone. `live = true` is accepted with it.")
        elif any(one.grade is Grade.UNKNOWN for one in found):
            errors.print("Not verified: something could not be asked. Try again later.")
        else:
            errors.print("Not verified: mend what is wrong, send another test mail, try again.")
    if not good:
        raise typer.Exit(NOT_DONE)


@app.command("limits")
@plain_errors
def limits_command(as_json: AsJson = False) -> None:
    """Show what limits hold for relays now, and what is aside, paused or slowed.

    Example: mailer relay limits
    """
    workspace = open_workspace()
    found = relay_limits(workspace)
    if as_json:
        print_json(found)
        return
    zone = workspace.config.workspace.time_zone
    for one in found:
        console.print(f"Relay {one.key}", style="bold", markup=False)
        for line in _limits(one, zone):
            console.print(f"  {line}", markup=False)
        for slowed in one.slowed:
            console.print(f"  {slowed_line(slowed, zone)}", style="yellow", markup=False)


def _limits(one: RelayLimits, zone: str) -> list[str]:
    cap = f"of {one.cap} " if one.cap is not None else ""
    senders = "sender process" if one.processes == 1 else "sender processes"
    lines = [
        f"today        {one.today} {cap}mails",
        f"a second     {f'{one.per_second:g} mails' if one.per_second else 'no limit'}",
        f"connections  {one.connections}, shared by {one.processes} {senders}",
    ]
    if not one.verified:
        lines.append("It is not verified: no mailing goes by it.")
    if one.aside_until:
        lines.append(f"Aside: it could not be used. Tried again {shown(one.aside_until, zone)}")
    if one.cap is not None and one.today >= one.cap:
        lines.append("Its cap of today is reached: mails go by the next relay, or tomorrow.")
    return lines


def slowed_line(one: SlowedStatus, zone: str) -> str:
    """Return in words what is paused or goes slower."""
    name = "everything" if one.domains == "all" else one.domains
    rate = f"{one.per_second:g} a second"
    if one.paused_until:
        return f"{name} paused until {shown(one.paused_until, zone)}, then {rate} ({one.said})"
    return f"{name} slowed to {rate} ({one.said})"


_EXPLAINED = """\
What `mailer relay verify` looks at, and why:
  header       From, Subject, Date and the List-Unsubscribe fields are there once each, and the
               mail is not older than five days.
  links        Each leads where we wrote it. A relay that counts clicks puts its own address
               before it, and then knows who opened what.
  pictures     Nothing is loaded from anywhere. A relay that counts openings adds an invisible
               picture.
  unsubscribe  One address, ours, so that one click in the mail program stops the mails.
  DKIM         A signature that is valid and counts for the From address. It covers the
               unsubscribe fields, or mail programs show no button.
  DMARC        The From domain has a record, and the mail passes by it.
  added        Fields that were added on the way are named, for a person to judge.
A relay that passes is noted as verified, as it is configured now. Another host, port, login or
profile has to be verified again."""

GROUPS = {"relay": app}
