"""Why a workspace could not be backed up, put back or upgraded; apart, so that nothing else loads.

In: what went wrong and what to do. Out: errors that a command prints as they are.
"""

from __future__ import annotations


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
