"""`mailer feedback`: take a message that came back, or explain it.

In: a message on standard input, as a mail server hands it over. Out: nothing when it was dealt with,
and an exit status of sysexits(3), by which a mail server knows whether to try again. With `--explain`
what it says of whom, as JSON; then nothing is stored or changed, and the database is not opened.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mailer.cli.common import (
    WRONG_USE,
    Command,
    errors,
    fail,
    open_workspace,
    plain_errors,
    print_json,
    workspace_folder,
)
from mailer.config import load_config
from mailer.config.sections import CONFIG_FILE
from mailer.events import scrub
from mailer.feedback.intake.handling import OCTETS_FETCHED, NotNow
from mailer.feedback.reading.matching import MatchReaders
from mailer.feedback.reading.reader import read
from mailer.keys import load_service_keys
from mailer.tokens import ServiceTokens, Tokens

#: sysexits(3), EX_TEMPFAIL: the mail server keeps the message and tries again.
TRY_AGAIN = 75
_CHUNK = 65_536


@plain_errors
def feedback_command(
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Print what it says of whom as JSON, and change nothing."),
    ] = False,
    recipients: Annotated[
        list[str] | None,
        typer.Option(
            "--recipient",
            metavar="ADDRESS",
            envvar="ORIGINAL_RECIPIENT",
            help="Whom the mail server has it for; may be given more than once.",
        ),
    ] = None,
) -> None:
    """Take a bounce, a complaint or another answer from standard input, as a mail server calls it.

    It prints nothing when all is well. Status 75 asks the mail server to keep the message and try
    again later.

    Example: mailer feedback --recipient "$ORIGINAL_RECIPIENT" < message

    Example: mailer feedback --explain < message
    """
    if _is_typed():
        fail(
            "Nothing was read: a mail server calls this, with a message on standard input.",
            "To see what a message means: mailer feedback --explain < message",
            WRONG_USE,
        )
    raw = _fetched()
    if explain:
        _explain(raw, recipients or [])
        return
    try:
        _take(raw, recipients or [])
    except NotNow as error:
        errors.print(f"4.3.0 Not now: {error.reason}", markup=False)
        raise typer.Exit(TRY_AGAIN) from None
    except Exception as error:  # noqa: BLE001  (Any other status and the mail server gives it up.)
        reason = f"{type(error).__name__}: {scrub(str(error))}"
        errors.print(f"4.3.0 Not taken, and to be tried again: {reason}", markup=False)
        raise typer.Exit(TRY_AGAIN) from None


def _is_typed() -> bool:
    return sys.stdin.isatty()


def _fetched() -> bytes:
    """Return the beginning of the message, all of it being read: who writes it waits for that."""
    source = sys.stdin.buffer
    raw = source.read(OCTETS_FETCHED)
    while source.read(_CHUNK):
        pass
    return raw


def _take(raw: bytes, recipients: list[str]) -> None:
    from mailer.app.intake import Intake

    workspace = open_workspace()
    try:
        Intake(workspace).handle_piped(raw, recipients)
    finally:
        # Closed only if it was opened.
        if "store" in vars(workspace):
            workspace.store.close()


def _explain(raw: bytes, recipients: list[str]) -> None:
    feedback = read(raw, _readers(), recipients)
    print_json(
        [
            {
                "recipient": one.recipient,
                "class": one.kind,
                "reason": one.reason,
                "status": one.status,
                "smtp_code": one.smtp_code or None,
                "diagnostic": one.diagnostic,
                "original_recipient": one.original_recipient,
                "matched_by": feedback.matched_by(one),
            }
            for one in feedback.findings
        ]
    )


def _readers() -> MatchReaders | None:
    """Return what reads this workspace's tokens; None where there is no workspace."""
    folder = workspace_folder()
    if not (folder / CONFIG_FILE).exists():
        errors.print("No workspace is here, so no token of ours can be read.", markup=False)
        return None
    # The keys without the database: that they belong together is a matter for those who change it.
    keys = load_service_keys(load_config(folder).service_key_path)
    return MatchReaders(Tokens(keys), ServiceTokens(keys))


COMMANDS = (Command("feedback", feedback_command),)
