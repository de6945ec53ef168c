"""`mailer preflight`: everything that could be wrong with a mailing, before it is scheduled."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from mailer.app.domains import resolver_at
from mailer.app.planning import Wish
from mailer.app.preflight import (
    Finding,
    Preflight,
    Weight,
    When,
    ask_domain,
    ask_links,
    preflight,
)
from mailer.app.preflight.subject import subject_of
from mailer.app.preflight.words import say
from mailer.app.workspace import Workspace
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
)
from mailer.cli.concern import Urgent
from mailer.cli.plans import AsJson, ExcludeText, Lists, SegmentText, SenderKey, Slug
from mailer.model.characters import printable
from mailer.model.mailing import Mailing
from mailer.schedule.hours import instant_at
from mailer.store.mailings import find_mailing

_NONE: list[str] = []
_STYLES = {Weight.BLOCKING: "red", Weight.ADVISORY: "yellow"}


@plain_errors
def preflight_command(
    key: Annotated[
        str, typer.Argument(metavar="[MAILING]", help="A mailing on record; or name the options.")
    ] = "",
    statement: Slug = "",
    lists: Lists = _NONE,
    sender: SenderKey = "",
    segment: SegmentText = "",
    exclude: ExcludeText = "",
    urgent: Urgent = False,
    at: Annotated[str, typer.Option("--at", help="The hour it is to go: 2026-12-01T09:00.")] = "",
    timezone: Annotated[str, typer.Option("--timezone", help="Its zone; the workspace's.")] = "",
    links: Annotated[
        bool, typer.Option("--ask-links", help="Ask the servers that the links lead to.")
    ] = False,
    domain: Annotated[
        bool, typer.Option("--ask-domain", help="Ask the DNS about the sender's domains.")
    ] = False,
    dns: Annotated[str, typer.Option("--dns", help="DNS server to ask: 192.0.2.53.")] = "",
    as_json: AsJson = False,
) -> None:
    """Look at everything that could be wrong with a mailing before it is scheduled.

    What blocks comes first: `mailer schedule` refuses it. The rest is worth a look. Servers of links
    and the DNS are asked only with --ask-links and --ask-domain; what they said last is told with its
    time. The status is 1 when something blocks.

    Example: mailer preflight --statement her-rights --list harbor-news
    """
    workspace = open_workspace()
    wish = Wish(statement, tuple(lists), sender, segment, exclude, urgent)
    asked = _asked(workspace, key, wish)
    zone = timezone or workspace.config.workspace.time_zone
    when = (
        When(instant_at(at, zone), zone, workspace.config.schedule.grace_s)
        if at and not key
        else None
    )
    _ask(workspace, asked, links=links, domain=domain, dns=dns)
    found = preflight(workspace, asked, when)
    if as_json:
        print_json(preflight_document(found))
    else:
        print_preflight(found)
    if found.blocking:
        raise typer.Exit(NOT_DONE)


def _asked(workspace: Workspace, key: str, wish: Wish) -> Wish | Mailing:
    """Return what is to be looked at; end with wrong use for half of each."""
    given = bool(wish.slug or wish.lists)
    if bool(key) is given or (given and not (wish.slug and wish.lists)):
        fail(
            "Name a mailing, or --statement and --list.", "See: mailer preflight --help", WRONG_USE
        )
    if not key:
        return wish
    with workspace.store.read() as connection:
        return find_mailing(connection, key)


def _ask(
    workspace: Workspace, asked: Wish | Mailing, *, links: bool, domain: bool, dns: str
) -> None:
    """Ask others, where a person wants it."""
    if not (links or domain):
        return
    subject = subject_of(workspace, asked)
    if domain and subject.sender is not None:
        ask_domain(workspace, subject.sender, resolver_at(dns))
    if links and subject.stored is not None:
        errors.print("Asking the servers of the links.")
        base_url = subject.sender.base_url if subject.sender else ""
        ask_links(workspace, subject.stored.revision, base_url)


def preflight_document(found: Preflight) -> dict[str, object]:
    """Return it as other programs read it."""
    covered = found.coverage
    return {
        "blocking": len(found.blocking),
        "advisory": len(found.advisory),
        "to_mail": covered.to_mail if covered else None,
        "findings": [
            {
                "code": one.code,
                "weight": one.weight,
                "place": {name: value for name, value in asdict(one.place).items() if value},
                "values": dict(one.values),
                "text": say(one).text,
                "remedy": say(one).remedy,
            }
            for one in found.findings
        ],
        "mails": list(found.mails),
    }


def print_preflight(found: Preflight) -> None:
    """Print what was found for people: what blocks first, and where each is."""
    for one in found.findings:
        print_finding(one)
    for mail in found.mails:
        html, whole = (size / 1000 for size in (mail.html_bytes, mail.whole_bytes))
        console.print(f"  mail in {mail.language}: {html:.0f} kB of HTML, {whole:.0f} kB in all")
    if found.coverage is not None:
        console.print(f"  {found.coverage.to_mail} people would be mailed")
    blocking, advisory = len(found.blocking), len(found.advisory)
    console.print(f"{blocking} blocking, {advisory} worth a look.", style="bold")


def print_finding(finding: Finding, to: Console = console) -> None:
    """Print one finding, with its place and what to do below it."""
    said = say(finding)
    to.print(f"  {finding.weight.value:9}", end="", style=_STYLES[finding.weight])
    # A server, a zone or a text may say anything; none of it commands the terminal.
    to.print(printable(said.text), markup=False)
    where = finding.place.file
    if finding.place.line:
        where += f":{finding.place.line}"
    for line in (where, said.remedy):
        if line:
            to.print(f"           {printable(line)}", markup=False)


COMMANDS = (Command("preflight", preflight_command, needs_arguments=True),)
