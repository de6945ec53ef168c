"""Print what a look at a relay, a domain or a mail found, for people."""

from __future__ import annotations

from collections.abc import Iterable

from mailer.cli.common import console
from mailer.model.characters import printable
from mailer.model.findings import Finding, Grade

_STYLES = {Grade.OK: "green", Grade.ADVICE: "yellow", Grade.WRONG: "red", Grade.UNKNOWN: "yellow"}


def print_findings(findings: Iterable[Finding]) -> None:
    """Print findings one a line, and below each that wants something what to do."""
    for one in findings:
        console.print(f"  {one.grade.value:8}", end="", style=_STYLES[one.grade])
        # A relay, a zone or a mail may say anything; none of it commands the terminal.
        console.print(printable(f"{one.subject}: {one.text}."), markup=False)
        if one.remedy:
            console.print(f"          {one.remedy}.", markup=False)
