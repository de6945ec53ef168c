"""`mailer test-send`: the mail of a statement to staff, as a supporter would get it."""

from __future__ import annotations

from typing import Annotated

import typer

from mailer.app.staff_sends import StaffPlan, StaffResult, StaffWish, plan_staff_send, send_to_staff
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
    terminal_actor,
)
from mailer.delivery.journal import JournalFull
from mailer.model.states import DeliveryState

_WORDS = {
    DeliveryState.ACCEPTED: "accepted",
    DeliveryState.DEFERRED: "deferred, `mailer run` tries again",
    DeliveryState.REFUSED: "refused",
    DeliveryState.IN_DOUBT: "in doubt: the reply was lost",
    DeliveryState.CANCELLED: "not handed over, and not tried again",
    DeliveryState.SENDING: "handed over, without a reply so far",
}


@plain_errors
def staff_send(
    statement: Annotated[str, typer.Option("--statement", help="Slug of the statement.")] = "",
    as_mailing: Annotated[
        str,
        typer.Option(
            "--as-mailing",
            metavar="KEY",
            help="Send what this mailing pins instead: its text, design and sender.",
        ),
    ] = "",
    language: Annotated[
        str, typer.Option("--language", help="The reader's; the statement's own if not given.")
    ] = "",
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="ADDRESS", help="Somebody in staff of [workspace]; all if not given."
        ),
    ] = None,
    list_key: Annotated[
        str, typer.Option("--list", help="Key of the list it comes by; the first if not given.")
    ] = "",
    relay: Annotated[
        str,
        typer.Option(
            "--relay", help="Key of the relay it goes by; else the sender's relays in order."
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; nobody's address.")] = False,
) -> None:
    """Send a statement to staff at once, exactly as a supporter would get it.

    It goes by the real relay even while the workspace is not live, to the addresses in `staff` of
    [workspace] and nobody else. The supporter is invented, and the link to unsubscribe shows the
    page but unsubscribes nobody.

    Example: mailer test-send --statement her-rights --language ru
    """
    if bool(statement) == bool(as_mailing):
        fail("Say what to send.", "Write either --statement or --as-mailing.", WRONG_USE)
    workspace = open_workspace()
    wish = StaffWish(statement, as_mailing, language, list_key, tuple(to or ()), relay)
    plan = plan_staff_send(workspace, wish)
    if not as_json:
        _print_plan(plan)
    try:
        results = send_to_staff(workspace, terminal_actor(), plan)
    except JournalFull as error:
        fail(f"Nothing was sent: {error}.", "Make room on the disk of the data folder.")
    if as_json:
        print_json([_document(number, one) for number, one in enumerate(results, 1)])
    else:
        for one in results:
            _print_result(one, plan.relays[0].key)
        keys = [one.key for one in plan.relays if one.key != "sandbox"]
        if any(one.unreachable for one in results) and keys:
            errors.print(f"See at which step it fails: mailer relay check {keys[0]}")
    if any(one.row.state is not DeliveryState.ACCEPTED for one in results):
        raise typer.Exit(NOT_DONE)


def _print_plan(plan: StaffPlan) -> None:
    edition = plan.revision.editions[plan.choice.language or plan.revision.source_language]
    console.print(f"{edition.subject}", style="bold", markup=False)
    console.print(f"  by the list {plan.definition.key}, in {edition.language}")
    if plan.choice.notice:
        console.print(f"  with the notice that there is no edition in {plan.choice.wanted}")
    first, *others = plan.relays
    console.print(f"  by the relay {first.key} at {first.host} port {first.port}")
    if others:
        keys = ", then ".join(one.key for one in others)
        console.print(f"  and where that cannot be reached by {keys}")
    if first.key == "sandbox":
        errors.print("There is no relay in config.toml: the sandbox takes it.", style="yellow")
    console.print("  Its link to unsubscribe shows the page and unsubscribes nobody.")
    if not plan.sender.base_url.startswith("https://"):
        errors.print(
            "Its links are not https yet: one click in a mail program will not work.",
            style="yellow",
        )


def _print_result(one: StaffResult, first: str) -> None:
    # To staff about themselves, on their own terminal: no supporter's address is ever here.
    # The text begins with the enhanced code where there is one.
    said = str(one.row.code or "")
    reply = " ".join(part for part in (said, one.row.reply or one.unreachable) if part)
    style = "green" if one.row.state is DeliveryState.ACCEPTED else "yellow"
    console.print(
        f"  {one.address}: {_WORDS.get(one.row.state, one.row.state.value)}"
        + (f" by {one.row.relay}" if one.row.relay != first else "")
        + (f": {reply}" if reply else ""),
        markup=False,
        style=style,
    )


def _document(number: int, one: StaffResult) -> dict[str, object]:
    return {
        # In the order of --to, or of staff.
        "number": number,
        "state": one.row.state,
        "relay": one.row.relay,
        "code": one.row.code,
        "enhanced_code": one.row.enhanced_code,
        "reply": one.row.reply or one.unreachable,
    }


COMMANDS = (Command("test-send", staff_send, needs_arguments=True),)
