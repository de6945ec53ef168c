"""`mailer resolve`: a person says what becomes of deliveries in doubt.

In: a mailing, deliveries of it, and whether they are sent again or taken as sent. Out: what is
known and what each choice can cost, then what was done; nothing is changed before it is confirmed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from mailer.app.settling_doubts import settle_doubts
from mailer.app.workspace import Workspace
from mailer.cli.common import (
    WRONG_USE,
    Command,
    Yes,
    console,
    fail,
    meant,
    open_workspace,
    plain_errors,
    shown,
    terminal_actor,
)
from mailer.model.mailing import Mailing
from mailer.model.states import MailingState, Settlement
from mailer.model.timing import ShareState
from mailer.store.corrections import corrections_of
from mailer.store.doubts import (
    Doubt,
    check_resend,
    choose_doubts,
)
from mailer.store.mailings import find_mailing
from mailer.store.shares import shares_of

#: Deliveries in doubt that the terminal names; `mailer report --json` has them all.
_SHOWN = 20
#: What sending again means for a mailing, by where it stands.
_THEN = {
    MailingState.FINISHED: "It is finished: it runs again until they are sent, and ends again.",
    MailingState.PAUSED: "It is paused: they wait until it goes on. mailer resume {key}",
    MailingState.HELD: "It is held: they wait until it is let go. mailer release {key}",
}


@plain_errors
def resolve(
    key: Annotated[str, typer.Argument(metavar="MAILING", help='Its key, like "her-rights-1".')],
    ids: Annotated[
        list[int] | None,
        typer.Option("--delivery", metavar="ID", help="Only this one; again for more of them."),
    ] = None,
    resend: Annotated[bool, typer.Option("--resend", help="Send them again.")] = False,
    take_as_sent: Annotated[
        bool, typer.Option("--take-as-sent", help="Count them as accepted; send nothing.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Settle what is in doubt: deliveries for which the relay's reply was lost.

    Sent again, with the same Message-ID, whoever got the first mail gets a second copy. Taken as
    sent, whoever did not get it gets nothing. Who decided, and when, is kept.

    Example: mailer resolve her-rights-1 --resend

    Example: mailer resolve her-rights-1 --delivery 17 --delivery 42 --take-as-sent
    """
    if resend is take_as_sent:
        fail("Name one of --resend and --take-as-sent.", "See: mailer resolve --help", WRONG_USE)
    decision = Settlement.RESEND if resend else Settlement.TAKE_AS_SENT
    workspace = open_workspace()
    with workspace.store.read() as connection:
        found = find_mailing(connection, key)
        chosen = choose_doubts(connection, found, set(ids or ()))
        corrections = corrections_of(connection, found.row_id)
        if resend:
            check_resend(connection, found, chosen)
    if not chosen:
        fail(f"{key} has nothing in doubt: there is nothing to settle.")
    print_doubts(chosen, workspace.config.workspace.time_zone)
    _print_message_ids(workspace, chosen)
    if resend:
        _print_resending(found, corrections)
        meant(f"Send {_counted(len(chosen))} again?", yes=yes)
    else:
        console.print("  Nothing is sent. Who did not get the mail stays without it.")
        meant(f"Take {_counted(len(chosen))} as sent?", yes=yes)
    settled = settle_doubts(workspace, terminal_actor(), found, chosen, decision)
    _print_done(workspace, found, [one for one in chosen if one.delivery_id in settled], decision)
    if len(settled) < len(chosen):
        left = len(chosen) - len(settled)
        console.print(f"{_counted(left)} settled meanwhile, and left as they are.")


def _counted(count: int) -> str:
    return f"{count} deliver{'y' if count == 1 else 'ies'}"


def print_doubts(found: Sequence[Doubt], zone: str) -> None:
    """Show deliveries in doubt: when, by which relay, and why nobody knows."""
    table = Table("In doubt", box=None, header_style="bold")
    for heading in ("Since", "Relay", "What is known"):
        table.add_column(heading)
    for one in found[:_SHOWN]:
        since = shown(one.since, zone) if one.since else "not known"
        table.add_row(
            f"delivery {one.delivery_id}", since, one.relay or "not known", escape(one.why)
        )
    console.print(table)
    if len(found) > _SHOWN:
        console.print(f"  and {len(found) - _SHOWN} more; see: mailer report --json")
    console.print("  The relay may have taken each of these mails or not; no reply was read.")


def _print_message_ids(workspace: Workspace, chosen: Sequence[Doubt]) -> None:
    """Say how the relay's log may know these mails."""
    console.print("  Its log may tell. There the Message-ID begins with:")
    for one in chosen[:_SHOWN]:
        console.print(
            f"    delivery {one.delivery_id}: {workspace.tokens.message_id(one.delivery_id)}"
        )


def _print_resending(found: Mailing, corrections: Sequence[str]) -> None:
    """Say what sending again can cost, and what the mailing does then."""
    console.print(
        "  They are sent again with the same Message-ID. Who got the first gets a second copy."
    )
    if found.state in _THEN:
        console.print(f"  {_THEN[found.state].format(key=found.key)}")
    if found.timing.window or str(found.timing.quiet_days):
        console.print("  Its window and quiet days hold, as they do for everybody.")
    if corrections:
        console.print(
            f"  {', '.join(corrections)} corrects it: they may get the text that was corrected last.",
            style="yellow",
        )


def _print_done(
    workspace: Workspace, found: Mailing, settled: Sequence[Doubt], decision: Settlement
) -> None:
    count = _counted(len(settled))
    if decision is Settlement.TAKE_AS_SENT:
        console.print(f"{count} of {found.key} taken as sent.")
        return
    console.print(f"{count} of {found.key} due again. `mailer run` sends what is due.")
    concerned = {one.share_id for one in settled}
    with workspace.store.read() as connection:
        shares = shares_of(connection, found.row_id)
    for share in shares:
        if share.row_id in concerned and share.state is ShareState.HELD:
            console.print(
                f"The share of {share.zone} is held. Let it go: mailer release {found.key} "
                f"--share {share.zone}"
            )


COMMANDS = (Command("resolve", resolve),)
