"""`mailer feedback`: read a message that came back.

In: a message on standard input. Out: what it says of whom, as JSON. Nothing is stored or changed, and
the database is not opened.
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
    plain_errors,
    print_json,
    workspace_folder,
)
from mailer.config import load_config
from mailer.config.sections import CONFIG_FILE
from mailer.feedback.reading.matching import MatchReaders
from mailer.feedback.reading.message import OCTETS_READ
from mailer.feedback.reading.reader import read
from mailer.keys import load_service_keys
from mailer.tokens import ServiceTokens, Tokens


@plain_errors
def feedback_command(
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Print what it says of whom as JSON, and change nothing."),
    ] = False,
) -> None:
    """Read a bounce, a complaint or another answer from standard input.

    Example: mailer feedback --explain < message
    """
    if not explain:
        fail("Say what to do with it.", "There is: mailer feedback --explain", WRONG_USE)
    if sys.stdin.isatty():
        fail(
            "Nothing was read.",
            "Hand a message to standard input: mailer feedback --explain < message",
            WRONG_USE,
        )
    feedback = read(sys.stdin.buffer.read(OCTETS_READ), _readers())
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
