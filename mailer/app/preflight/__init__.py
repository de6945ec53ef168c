"""Look at everything that could be wrong with a mailing before it is scheduled.

In: a workspace, and a wish, a plan or a mailing. Out: a `Preflight` of findings. Nothing is changed,
nothing is sent, and nobody outside is asked: the DNS and the servers of links are asked by
`ask_domain` and `ask_links`, when a person wants it, and what they said is told here with its time.
"""

from __future__ import annotations

from collections.abc import Iterable

from mailer.app.failures import PreflightBlocks
from mailer.app.planning import Plan, Wish
from mailer.app.preflight.editions import edition_findings
from mailer.app.preflight.fetching import LinkAsker
from mailer.app.preflight.findings import (
    Finding,
    FindingCode,
    Place,
    Preflight,
    Weighed,
    Weight,
)
from mailer.app.preflight.leaving import ask_domain, leaving_findings
from mailer.app.preflight.links import ask_links, link_findings
from mailer.app.preflight.mails import mail_findings
from mailer.app.preflight.people import people_findings
from mailer.app.preflight.subject import Subject, When, counted, subject_of
from mailer.app.preflight.timing import timing_findings
from mailer.app.workspace import Workspace
from mailer.keys import KeyFileError
from mailer.model.mailing import Mailing
from mailer.store.engine import WrongKeys


def preflight(
    workspace: Workspace,
    asked: Wish | Plan | Mailing,
    when: When | None = None,
    *,
    count: bool = True,
) -> Preflight:
    """Return what is wrong with a mailing to be, and what is worth a look.

    Args:
        workspace: where it is to be sent from, its files as they are now.
        asked: a wish has the newest revision looked at, a draft its own with lists, sender and
            design as they are now, any other mailing what it pinned.
        when: the hour, where what is asked has none of its own.
        count: people are counted, which takes seconds for very many. Without it nothing is said of
            people; a plan has its numbers already.
    """
    subject = subject_of(workspace, asked)
    if when is not None:
        subject.when = when
    if count:
        counted(workspace, subject)
    mails: tuple[Weighed, ...] = ()
    found = [*edition_findings(workspace, subject)]
    try:
        of_mails, mails = mail_findings(workspace, subject)
        found += of_mails
    except (KeyFileError, WrongKeys):
        # That a key cannot be used is told with what keeps the mails from leaving.
        pass
    found += leaving_findings(workspace, subject)
    found += link_findings(workspace, subject)
    found += timing_findings(workspace, subject)
    found += people_findings(subject)
    return Preflight(_in_order([*subject.findings, *found]), mails, subject.coverage)


def refuse_blocking(workspace: Workspace, plan: Plan, when: When | None = None) -> None:
    """Make sure that nothing stops a plan from being scheduled.

    That nobody would be mailed is refused by whoever asks a person for the number.

    Args:
        workspace: where it is to be sent from.
        plan: what a person was shown.
        when: the hour it is to go.

    Raises:
        PreflightBlocks: with what does.
    """
    found = [
        one
        for one in preflight(workspace, plan, when).blocking
        if one.code is not FindingCode.NOBODY
    ]
    if found:
        raise PreflightBlocks(found)


def _in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings, each once, what blocks first, by theme, else in the order found."""
    themes = list(FindingCode)
    return tuple(
        sorted(
            dict.fromkeys(findings),
            key=lambda one: (one.weight is not Weight.BLOCKING, themes.index(one.code)),
        )
    )


__all__ = [
    "Finding",
    "FindingCode",
    "LinkAsker",
    "Place",
    "Preflight",
    "PreflightBlocks",
    "Subject",
    "Weighed",
    "Weight",
    "When",
    "ask_domain",
    "ask_links",
    "preflight",
    "refuse_blocking",
]
