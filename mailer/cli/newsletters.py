"""`mailer newsletters`: what recurs, what the next issue would hold, and drafting it by hand.

In: folders with `newsletter.toml` and one `<language>.md` per language. Out: newsletters in the
database, and drafts that wait for a person.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from mailer.app import newsletters as app_newsletters
from mailer.app.checking import check_newsletter_folder
from mailer.app.planning import Plan
from mailer.app.workspace import Workspace
from mailer.cli.common import (
    console,
    fail,
    folder_meant,
    open_workspace,
    plain_errors,
    print_json,
    report_faults,
    shown,
    terminal_actor,
)
from mailer.cli.plans import coverage_document, print_coverage
from mailer.model.faults import errors_in
from mailer.model.mailing import Mailing
from mailer.model.newsletter import StoredNewsletter
from mailer.model.statement import Revision
from mailer.model.states import MailingState
from mailer.schedule.cron import Recurrence
from mailer.statements.issues import items_elsewhere, items_in
from mailer.store import newsletters as store_newsletters
from mailer.store.mailings import list_mailings

Slug = Annotated[str, typer.Argument(metavar="SLUG", help='Its slug, like "harbor-letters".')]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(
    help=(
        "Newsletters: issues that are drafted at set hours and wait for a person to release them."
        "\n\nExample: mailer newsletters list"
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _find(workspace: Workspace, slug: str) -> StoredNewsletter:
    try:
        with workspace.store.read() as connection:
            return store_newsletters.find_newsletter(connection, slug)
    except store_newsletters.NewsletterNotFound as error:
        fail(str(error))


def _next_hour(one: StoredNewsletter, now: datetime) -> datetime:
    return Recurrence(one.newsletter.cron, one.newsletter.time_zone).after(now)


def _drafts(workspace: Workspace, slug: str) -> list[Mailing]:
    with workspace.store.read() as connection:
        issues = store_newsletters.issues_of(
            connection, store_newsletters.find_newsletter(connection, slug).row_id
        )
        drafts = list_mailings(connection, [MailingState.DRAFT])
    keys = {issue.mailing for issue in issues}
    return [one for one in drafts if one.key in keys]


@app.command(no_args_is_help=True)
@plain_errors
def load(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the newsletter.")],
    as_json: AsJson = False,
) -> None:
    """Store a newsletter as its files say it, if they have no fault: it is drafted from now on.

    Load it again after a change. Hours that passed before are not made up for.

    Example: mailer newsletters load templates/newsletters/harbor-letters
    """
    workspace = open_workspace()
    newsletter, faults = check_newsletter_folder(
        workspace, folder_meant(workspace, "newsletters", folder)
    )
    report_faults(faults)
    if errors_in(faults) or newsletter is None:
        fail("Nothing was loaded.", "Mend what stands above, then load it again.")
    stored = app_newsletters.load_newsletter(workspace, newsletter, terminal_actor())
    following = _next_hour(stored, workspace.clock.now())
    if as_json:
        print_json(
            {
                "newsletter": newsletter.slug,
                "languages": list(newsletter.intros),
                "next_at": following,
            }
        )
        return
    languages = ", ".join(newsletter.intros)
    console.print(f"{newsletter.slug} is loaded, in {languages}.", markup=False)
    console.print(f"Its next issue is drafted on {shown(following, newsletter.time_zone)}.")
    console.print(f"What it would hold: mailer newsletters preview {newsletter.slug}")


@app.command("list")
@plain_errors
def list_command(as_json: AsJson = False) -> None:
    """List the newsletters, when the next issue of each is drafted, and the drafts that wait.

    Example: mailer newsletters list
    """
    workspace = open_workspace()
    now = workspace.clock.now()
    with workspace.store.read() as connection:
        found = store_newsletters.list_newsletters(connection)
    drafts = {one.newsletter.slug: _drafts(workspace, one.newsletter.slug) for one in found}
    if as_json:
        print_json(
            [
                {
                    "newsletter": one.newsletter.slug,
                    "cron": one.newsletter.cron,
                    "time_zone": one.newsletter.time_zone,
                    "lists": list(one.newsletter.lists),
                    "next_at": None if one.stopped_at else _next_hour(one, now),
                    "stopped_at": one.stopped_at,
                    "drafts": [draft.key for draft in drafts[one.newsletter.slug]],
                }
                for one in found
            ]
        )
        return
    if not found:
        console.print("No newsletter has been loaded. Run: mailer newsletters load DIR")
        return
    table = Table("Newsletter", "Next issue", "Lists", "Drafts that wait", box=None)
    for one in found:
        newsletter = one.newsletter
        following = "stopped"
        if one.stopped_at is None:
            following = shown(_next_hour(one, now), newsletter.time_zone)
        waiting = ", ".join(draft.key for draft in drafts[newsletter.slug])
        table.add_row(newsletter.slug, following, ", ".join(newsletter.lists), waiting)
    console.print(table)
    first = next((key.key for keys in drafts.values() for key in keys), "")
    if first:
        console.print(f"Release a draft: mailer schedule --draft {first} --at HOUR --timezone ZONE")


@app.command(no_args_is_help=True)
@plain_errors
def preview(slug: Slug, as_json: AsJson = False) -> None:
    """Show what the next issue would hold by language, and who would get which language.

    Nothing is written. It is as things stand now: more may come until its hour.

    Example: mailer newsletters preview harbor-letters
    """
    workspace = open_workspace()
    now = workspace.clock.now()
    one = _find(workspace, slug)
    # It bears the day of its hour; a stopped one has none but today.
    hour = None if one.stopped_at else _next_hour(one, now)
    issue = app_newsletters.next_issue(workspace, one, now, hour)
    plan = app_newsletters.plan_issue(workspace, one.newsletter, issue)
    if as_json:
        print_json(
            {
                "newsletter": slug,
                "number": issue.number,
                "next_at": hour,
                "not_public": list(issue.not_public),
                "editions": _editions_document(issue.revision),
                "coverage": coverage_document(plan) if plan else None,
            }
        )
        return
    _print_hours(one, now)
    if issue.revision is None or plan is None:
        told = "in its languages" if issue.sources else "since the last issue"
        console.print(f"Nothing new has become public {told}: no issue would be drafted.")
    else:
        _print_issue(issue.revision, plan)
    for name in issue.not_public:
        console.print(
            f"  {name} has a revision that is not public yet: it comes when it is mailed or "
            f"published (mailer statements publish {name})",
            markup=False,
        )


def _print_hours(one: StoredNewsletter, now: datetime) -> None:
    newsletter = one.newsletter
    if one.stopped_at is not None:
        console.print(f"{newsletter.slug} is stopped.")
        return
    following = shown(_next_hour(one, now), newsletter.time_zone)
    console.print(f"{newsletter.slug}: the next issue is drafted on {following}")


def _print_issue(revision: Revision, plan: Plan) -> None:
    by_language = dict(plan.coverage.by_language)
    for edition in revision.editions.values():
        people = by_language.get(edition.language, 0)
        console.print(f"{edition.language}: {edition.subject}", style="bold", markup=False)
        for item in items_in(revision, edition.language):
            console.print(f"  {item.title}", markup=False)
        for item in items_elsewhere(revision, edition.language):
            console.print(f"  only named: {item.title} ({item.language})", markup=False)
        console.print(f"  {people} people would get it in this language")
    print_coverage(plan)
    report_faults(plan.warnings)


def _editions_document(revision: Revision | None) -> dict[str, object]:
    if revision is None:
        return {}
    return {
        language: {
            "subject": edition.subject,
            "items": [one.slug for one in items_in(revision, language)],
            "named": [one.slug for one in items_elsewhere(revision, language)],
        }
        for language, edition in revision.editions.items()
    }


@app.command(no_args_is_help=True)
@plain_errors
def draft(slug: Slug, as_json: AsJson = False) -> None:
    """Draft an issue of what is new now, without waiting for the hour; it waits for a person.

    Example: mailer newsletters draft harbor-letters
    """
    workspace = open_workspace()
    try:
        made = app_newsletters.draft_issue(
            workspace, _find(workspace, slug), None, terminal_actor()
        )
    except store_newsletters.TurnPassed as error:
        fail(str(error), "See: mailer newsletters list")
    if as_json:
        print_json({"newsletter": slug, "mailing": made.key if made else None})
        return
    if made is None:
        console.print("Nothing new has become public since the last issue: no draft was made.")
        console.print(f"See: mailer newsletters preview {slug}")
        return
    console.print(f"Drafted {made.key}; nothing is sent before you release it.")
    console.print(f"  look at it:  mailer preview {made.key} --language LANGUAGE --out preview")
    console.print(
        f"  release it:  mailer schedule --draft {made.key} --at 2026-12-01T09:00 "
        f"--timezone {made.time_zone}"
    )
    console.print(f"  drop it:     mailer cancel {made.key}")


@app.command(no_args_is_help=True)
@plain_errors
def stop(slug: Slug) -> None:
    """Draft no more issues of a newsletter; what was drafted stays. `load` lets it go on.

    Example: mailer newsletters stop harbor-letters
    """
    workspace = open_workspace()
    try:
        app_newsletters.stop_newsletter(workspace, slug, terminal_actor())
    except store_newsletters.NewsletterNotFound as error:
        fail(str(error))
    console.print(f"{slug} is stopped. Drafts that wait: mailer mailings list")


GROUPS = {"newsletters": app}
