"""Why a backup, a restore, an upgrade or a schedule was refused; apart, so that nothing else loads.

In: what went wrong and what to do. Out: errors that a command prints as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Commands that look at nothing do not wait for all that a look needs.
    from mailer.app.preflight.findings import Finding


class BackupFailed(Exception):
    """No backup was written; carries what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}. {remedy}.")


class RestoreRefused(Exception):
    """Nothing was restored, and nothing was changed; carries what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}. {remedy}. Nothing was changed.")


class ProcessesRun(Exception):
    """The workspace is at work, and what was asked for wants it to stand still."""

    def __init__(self, who: str) -> None:
        self.who = who
        super().__init__(f"{who} is at work. Stop `mailer run` first; nothing was changed.")


class PreflightBlocks(Exception):
    """A mailing cannot be scheduled; holds what has to be mended first."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        codes = ", ".join(dict.fromkeys(one.code.value for one in self.findings))
        super().__init__(f"It cannot be scheduled: {codes}. See: mailer preflight --help")
