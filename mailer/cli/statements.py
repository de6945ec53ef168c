"""`mailer statements`: check, load, list and show what is said, publish it, unlist or withdraw it.

In: folders with `statement.toml` and one `<language>.md` per edition. Out: faults by file, line and
field; immutable revisions in the database.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from mailer.app import publishing
from mailer.app.checking import check_statement_folder, statement_folders
from mailer.app.publishing import save_revision
from mailer.app.workspace import Workspace
from mailer.cli.common import (
    NOT_DONE,
    WRONG_USE,
    Yes,
    console,
    errors,
    fail,
    folder_meant,
    meant,
    open_workspace,
    plain_errors,
    print_json,
    report_faults,
    shown,
    terminal_actor,
)
from mailer.model.faults import errors_in
from mailer.model.statement import Revision, StoredRevision, Visibility, localized
from mailer.statements.changes import ChangeKind, source_changes
from mailer.statements.editions import SHORT_HASH
from mailer.statements.source import read_folder
from mailer.store import statements as store_statements
from mailer.store.archive import visibility_of
from mailer.store.documents import revision_to_document
from mailer.store.public import public_revision

Slug = Annotated[str, typer.Argument(metavar="SLUG", help='Its slug, like "her-rights".')]
Number = Annotated[
    int | None,
    typer.Option("--revision", metavar="N", help="Number of the revision; the latest if left out."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(
    help=(
        "Statements: check and load them from their folders, see what there is, publish."
        "\n\nExample: mailer statements check"
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _revision(workspace: Workspace, slug: str, number: int | None) -> StoredRevision:
    try:
        with workspace.store.read() as connection:
            return store_statements.find_revision(connection, slug, number)
    except store_statements.StatementNotFound as error:
        fail(str(error))


@app.command(no_args_is_help=True)
@plain_errors
def load(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the statement.")],
    as_json: AsJson = False,
) -> None:
    """Store a statement with all its editions and pictures as a new revision, if it has no fault.

    What is stored never changes, and loading changes nothing that is public. A statement that is
    stored already is not stored twice.

    Example: mailer statements load templates/statements/her-rights
    """
    workspace = open_workspace()
    revision, faults = check_statement_folder(
        workspace, folder_meant(workspace, "statements", folder)
    )
    report_faults(faults)
    if errors_in(faults) or revision is None:
        fail("Nothing was loaded.", "Mend what stands above, then load it again.")
    saved = save_revision(workspace, terminal_actor(), revision)
    stored, known = saved.stored, saved.already_stored
    if as_json:
        print_json({**_document(stored), "already_stored": known})
        return
    said = "is stored already as" if known else "is now"
    languages = ", ".join(revision.languages)
    console.print(f"{revision.slug} {said} revision {stored.number}, in {languages}.", markup=False)
    console.print(f"Next: mailer mailings coverage --statement {revision.slug} --list KEY")


@app.command()
@plain_errors
def check(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Folders of statements; all of them if left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Name every fault of statements, with file, line and field; nothing is stored.

    Example: mailer statements check templates/statements/her-rights
    """
    workspace = open_workspace()
    places = [
        folder_meant(workspace, "statements", one) for one in folders or ()
    ] or statement_folders(workspace)
    # What several statements share, a catalog say, is told once.
    faults = sorted(
        {fault for place in places for fault in check_statement_folder(workspace, place)[1]}
    )
    wrong = len(errors_in(faults))
    if as_json:
        print_json(faults)
    else:
        report_faults(faults)
        checked = f"{len(places)} statement{'' if len(places) == 1 else 's'} checked"
        console.print(f"{checked}: {wrong} to mend, {len(faults) - wrong} worth a look.")
    if wrong:
        raise typer.Exit(NOT_DONE)


@app.command()
@plain_errors
def changes(
    slug: Slug,
    language: Annotated[str, typer.Argument(metavar="LANGUAGE", help="Tag of the translation.")],
    as_json: AsJson = False,
) -> None:
    """Show what changed in the source edition since an edition was translated from it.

    Example: mailer statements changes her-rights ru
    """
    workspace = open_workspace()
    folder = read_folder(folder_meant(workspace, "statements", Path(slug)), workspace.config.root)
    translation = folder.editions.get(language)
    source = folder.editions.get(folder.source_language)
    if translation is None or source is None:
        report_faults(errors_in(folder.faults))
        fail(f'"{slug}" has no readable edition in "{language}" or no readable source edition.')
    write = f"translated_from: {source.content_hash[:SHORT_HASH]}"
    if language == source.language:
        fail(f"{language} is the source edition itself.", "Name a translation.")
    if translation.translated_from and source.content_hash.startswith(translation.translated_from):
        if as_json:
            print_json({"source": source.language, "hash": source.content_hash, "changes": []})
        else:
            console.print("Nothing has changed since it was translated.")
        return
    before = None
    if translation.translated_from:
        with workspace.store.read() as connection:
            before = store_statements.find_source_edition(
                connection, slug, translation.translated_from
            )
    if before is None:
        fail(
            "The text it was translated from was never loaded, so the two cannot be compared.",
            f"Read the translation against {source.language}.md, then write {write}",
        )
    if as_json:
        lines = [{"kind": one.kind, "text": one.text} for one in source_changes(before, source)]
        print_json({"source": source.language, "hash": source.content_hash, "changes": lines})
        return
    styles = {ChangeKind.REMOVED: "red", ChangeKind.ADDED: "green"}
    for change in source_changes(before, source):
        line = f"{change.kind.value} {change.text}".rstrip()
        console.print(line, markup=False, style=styles.get(change.kind))
    errors.print(f"When the translation says the same, write {write}", markup=False)


@app.command("list")
@plain_errors
def list_command(as_json: AsJson = False) -> None:
    """List the statements that were loaded, and which revision is public.

    Example: mailer statements list
    """
    workspace = open_workspace()
    with workspace.store.read() as connection:
        found = store_statements.list_statements(connection)
    if as_json:
        print_json(found)
        return
    if not found:
        console.print("No statement has been loaded. Run: mailer statements load DIR")
        return
    table = Table(box=None)
    for heading in ("statement", "revision", "loaded", "editions", "public", "title"):
        table.add_column(heading)
    zone = workspace.config.workspace.time_zone
    for one in found:
        public = "" if one.published is None else f"revision {one.published}"
        if one.visibility is not Visibility.LISTED:
            public = f"{public}, {one.visibility}" if public else one.visibility.value
        loaded = shown(one.loaded_at, zone)
        table.add_row(
            one.slug, str(one.latest), loaded, ", ".join(one.languages), public, one.title
        )
    console.print(table)


@app.command(no_args_is_help=True)
@plain_errors
def publish(slug: Slug, number: Number = None, as_json: AsJson = False) -> None:
    """Fix the revision that the public page shows, until another one is published.

    Where the statement names an hour under `published` that is still to come, the page opens then.

    Example: mailer statements publish her-rights --revision 2
    """
    workspace = open_workspace()
    zone = workspace.config.workspace.time_zone
    try:
        done = publishing.publish(workspace, terminal_actor(), slug, number)
    except store_statements.StatementNotFound as error:
        fail(str(error))
    except publishing.IsWithdrawn as error:
        fail(str(error), f"Take that back first: mailer statements relist {slug}")
    except publishing.GoneUntilThen as error:
        fail(
            f"{slug} is public now, and revision {error.number} only from {shown(error.at, zone)}: "
            "until then the page would be gone. Nothing was changed.",
            "Publish it when that hour has come, or write an earlier one under published.",
        )
    stored, at = done.stored, done.at
    if as_json:
        print_json({"slug": slug, "revision": stored.number, "public_from": at})
        return
    begin = "is public now" if not done.is_planned else f"will be public from {shown(at, zone)}"
    console.print(f"{slug}, revision {stored.number}, {begin}.", markup=False)
    console.print(f"  {workspace.config.web.base_url}/w/{slug}", markup=False)


@app.command(no_args_is_help=True)
@plain_errors
def unlist(slug: Slug, yes: Yes = False, as_json: AsJson = False) -> None:
    """Take a statement off the archive and its feeds; who knows its address can read it still.

    Do so before its first mailing, and it is never listed. Search engines are told to forget it.

    Example: mailer statements unlist her-rights
    """
    _decide(slug, Visibility.UNLISTED, yes=yes, as_json=as_json)


@app.command(no_args_is_help=True)
@plain_errors
def withdraw(
    slug: Slug,
    corrected_by: Annotated[
        str,
        typer.Option(
            "--corrected-by", metavar="SLUG", help="Statement that its page then leads to."
        ),
    ] = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Show no word or picture of a statement any more: its page says that it was withdrawn.

    Mails that went out stay where they are, and a mailing that runs goes on: it is named here, with
    the command that stops it.

    Example: mailer statements withdraw her-rights --corrected-by her-rights-again
    """
    _decide(slug, Visibility.WITHDRAWN, corrected_by, yes=yes, as_json=as_json)


@app.command(no_args_is_help=True)
@plain_errors
def relist(slug: Slug, yes: Yes = False, as_json: AsJson = False) -> None:
    """Take back that a statement was unlisted or withdrawn.

    Example: mailer statements relist her-rights
    """
    _decide(slug, Visibility.LISTED, yes=yes, as_json=as_json)


#: What is asked before, and what is said after.
_QUESTIONS = {
    Visibility.LISTED: "Everybody will be able to find and read {slug}.",
    Visibility.UNLISTED: "The archive and its feeds will not name {slug}.",
    Visibility.WITHDRAWN: "Nobody will be able to read {slug} on its page.",
}
_DONE = {
    Visibility.LISTED: "{slug} is shown and listed again, as far as it is public.",
    Visibility.UNLISTED: "{slug} is not listed. Its page is there for who knows the address:",
    Visibility.WITHDRAWN: "{slug} is withdrawn. Its page says so, and shows nothing else of it:",
}


def _decide(
    slug: str, visibility: Visibility, corrected_by: str = "", *, yes: bool, as_json: bool
) -> None:
    workspace = open_workspace()
    before = _visibility(workspace, slug)
    awaited = bool(corrected_by) and _is_awaited(workspace, slug, corrected_by)
    if before is visibility and visibility is not Visibility.WITHDRAWN:
        fail(f"{slug} is {visibility} already. Nothing was changed.")
    meant(_QUESTIONS[visibility].format(slug=slug), yes=yes)
    running = publishing.set_visibility(workspace, terminal_actor(), slug, visibility, corrected_by)
    if as_json:
        mailings = [{"key": key, "state": state} for key, state in running]
        print_json({"slug": slug, "visibility": visibility, "open_mailings": mailings})
        return
    console.print(_DONE[visibility].format(slug=slug), markup=False)
    console.print(f"  {workspace.config.web.base_url}/w/{slug}", markup=False)
    console.print("Copies that others keep may be shown for five minutes more, pictures for a day.")
    if awaited:
        console.print(f"It leads to {corrected_by} once that is public.", markup=False)
    if visibility is Visibility.WITHDRAWN:
        for key, state in running:
            errors.print(
                f"{key} is {state.value} and is not stopped by this. Stop it: mailer cancel {key}",
                markup=False,
                style="yellow",
            )


def _visibility(workspace: Workspace, slug: str) -> Visibility:
    try:
        with workspace.store.read() as connection:
            return visibility_of(connection, slug)
    except store_statements.StatementNotFound as error:
        fail(str(error))


def _is_awaited(workspace: Workspace, slug: str, corrected_by: str) -> bool:
    """Tell whether what takes a statement's place is still to become public; refuse what cannot."""
    if corrected_by == slug:
        fail("A statement that is withdrawn cannot correct itself.", "Name another one.", WRONG_USE)
    if _visibility(workspace, corrected_by) is Visibility.WITHDRAWN:
        fail(f"{corrected_by} was withdrawn too. Nothing was changed.", "Name another one.")
    with workspace.store.read() as connection:
        return public_revision(connection, corrected_by, workspace.clock.now()) is None


@app.command(no_args_is_help=True)
@plain_errors
def show(slug: Slug, number: Number = None, as_json: AsJson = False) -> None:
    """Show a loaded revision: its editions, who signs it, its pictures.

    Example: mailer statements show her-rights
    """
    workspace = open_workspace()
    stored = _revision(workspace, slug, number)
    if as_json:
        print_json({**_document(stored), "document": revision_to_document(stored.revision)})
        return
    _print_revision(stored, workspace.config.workspace.time_zone)


def _document(stored: StoredRevision) -> dict[str, object]:
    revision = stored.revision
    return {
        "slug": revision.slug,
        "revision": stored.number,
        "loaded_at": stored.loaded_at,
        "digest": revision.digest,
        "languages": list(revision.languages),
    }


def _print_revision(stored: StoredRevision, zone: str) -> None:
    revision = stored.revision
    source = revision.editions[revision.source_language]
    console.print(source.title, style="bold", markup=False)
    console.print(
        f"  {revision.slug}, revision {stored.number}, loaded {shown(stored.loaded_at, zone)}",
        markup=False,
    )
    if revision.published is not None:
        console.print(f"  published from {shown(revision.published, zone)}")
    for edition in revision.editions.values():
        mark = " (source)" if edition.language == revision.source_language else ""
        console.print(f"  {edition.language}{mark}: {edition.subject}", markup=False)
    console.print(f"  translations of it: translated_from: {source.content_hash[:SHORT_HASH]}")
    _print_names(revision)
    for picture in revision.pictures.values():
        size = f"{picture.width_px} × {picture.height_px}, {len(picture.content) // 1000} kB"
        console.print(f"  picture {picture.name}: {size}", markup=False)


def _print_names(revision: Revision) -> None:
    source = revision.source_language
    for supported in revision.supports:
        console.print(f"  supports {localized(supported.name, source, source)}", markup=False)
    for signatory in revision.signatories:
        name = localized(signatory.name, source, source)
        console.print(f"  signed by {name} ({signatory.country})", markup=False)
    if revision.and_others:
        console.print("  and others")


GROUPS = {"statements": app}
