"""Say by what people choose whether they get a mailing: that it is urgent, and its topics.

In: what a person asked for, or a mailing has. Out: lines for a person, a document for other programs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from mailer.cli.common import console
from mailer.model.mailing import Concern

Urgent = Annotated[
    bool,
    typer.Option("--urgent", help="It goes to those, too, who want urgent appeals only."),
]


def print_concern(concern: Concern) -> None:
    """Say whom it reaches, and whom it does not, by what they chose."""
    if concern.urgent:
        console.print("  urgent: also to those who want urgent appeals only", style="bold")
    if concern.topics:
        topics = ", ".join(concern.topics)
        console.print(f"  about {topics}: not to those who chose other topics only")
