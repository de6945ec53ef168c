"""`mailer supporters`: look at, stop, allow again and erase one person.

In: one address, from a prompt or standard input and never from the command line, where it would
stay in the shell's history. Out: what is on record, or what was done; the address is not printed.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mailer.app.barring import (
    LIFTABLE,
    NoSuchOrganisation,
    Scope,
    erase_person,
    lift_from_person,
    scope_of,
    suppress_person,
)
from mailer.app.people import note_shown
from mailer.app.workspace import Workspace
from mailer.audience.addresses import BadAddress, normalize_address
from mailer.audience.consent import opened_source
from mailer.audience.merging import opened_fields
from mailer.cli.coming_back import evidence_document, print_evidence
from mailer.cli.common import (
    WRONG_USE,
    Yes,
    console,
    errors,
    fail,
    meant,
    open_workspace,
    plain_errors,
    print_json,
    shown,
    terminal_actor,
)
from mailer.store import supporters as rows
from mailer.store.audience import organisation_scope
from mailer.store.feedback import evidence_of
from mailer.store.suppressions import standing

#: What came back of a person, the latest first: so much is shown.
_SHOWN_EVIDENCE = 20

app = typer.Typer(
    help=(
        "Look at, stop, allow again and erase one person. The address is asked for, or read from "
        "standard input.\n\nExample: mailer supporters show"
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
)
Address = Annotated[
    str | None,
    typer.Argument(
        metavar="",
        hidden=True,
        help="Nothing: the address is asked for, or read from standard input.",
    ),
]
Organisation = Annotated[
    str, typer.Option("--organisation", help="Only for this organisation; all when not named.")
]


def digest_asked_for(workspace: Workspace, given: str | None) -> bytes:
    """Return the digest of the address that is typed or piped in."""
    if given is not None:
        fail(
            "The address does not belong on the command line: it would stay in the shell's history",
            "Run the command without it; you are asked for it, or pipe it in. "
            "Then clear that line from the history.",
            WRONG_USE,
        )
    typed = typer.prompt("Address", err=True) if sys.stdin.isatty() else sys.stdin.readline()
    try:
        address = normalize_address(typed)
    except BadAddress as error:
        fail(f"Standard input: {error.problem}.", "Give one address, alone on its line.")
    return workspace.service_keys.address_digest(address.normal_form)


def _scope(workspace: Workspace, key: str) -> Scope:
    """Return what `--organisation` names, or end with wrong use."""
    try:
        return scope_of(workspace, key)
    except NoSuchOrganisation as error:
        fail(str(error), f"There are: {', '.join(error.known) or 'none'}", WRONG_USE)


@app.command(
    "show", help="Show all that is on record of one person.\n\nExample: mailer supporters show"
)
@plain_errors
def show_command(
    address: Address = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show lists, languages, consent, suppressions and mailings of one person."""
    workspace = open_workspace()
    digest = digest_asked_for(workspace, address)
    note_shown(workspace, terminal_actor(), digest)
    document = _document(workspace, digest)
    if as_json:
        print_json(document)
    else:
        _print_person(document)


def _document(workspace: Workspace, digest: bytes) -> dict[str, list[dict[str, object]]]:
    keys, zone = workspace.seal_keys, workspace.config.workspace.time_zone
    with workspace.store.read() as connection:
        names = {organisation_scope(one): key for key, one in
                 rows.organisation_ids(connection).items()}  # fmt: skip
        people = [
            {
                "organisation": row.organisation,
                **opened_fields(keys, row.fields_sealed, row.id),
                "languages": row.languages,
                "never_languages": row.never,
                "country": row.country,
                "time_zone": row.time_zone,
                "discreet": row.discreet,
                "only_urgent": row.only_urgent,
                "text_only": row.text_only,
                "paused_until": shown(row.paused_until, zone) if row.paused_until else "",
                "tags": ", ".join(rows.tags_of(connection, row.id)),
                "lists": [
                    {
                        "list": one.key,
                        "state": str(one.state) if one.is_live or one.left_at else "not yet",
                        "consent": one.consent_basis or "none",
                        "source": opened_source(
                            keys, one.consent_source_sealed, one.list_id, row.id
                        ),
                        "since": shown(one.added_at, zone),
                        "topics": rows.topics_of(connection, row.id, one.list_id),
                    }
                    for one in rows.memberships_of(connection, row.id)
                ],
            }
            for row in rows.rows_of_person(connection, digest)
        ]
        barred: list[dict[str, object]] = [
            {
                "for": names.get(one.scope, one.scope),
                "reason": str(one.reason),
                "source": one.source,
                "since": shown(one.since, zone),
            }
            for one in standing(connection, digest)
        ]
        mailings: list[dict[str, object]] = [
            {
                "mailing": one.key,
                "language": one.language or "",
                "outcome": str(one.skip_reason or one.state),
                "at": shown(one.finished_at, zone) if one.finished_at else "",
            }
            for one in rows.mailings_of(connection, digest)
        ]
        evidence = evidence_document(evidence_of(connection, digest, _SHOWN_EVIDENCE), zone)
    return {
        "people": people,
        "suppressions": barred,
        "came_back": evidence,
        "mailings": mailings,
    }


def _print_person(document: dict[str, list[dict[str, object]]]) -> None:
    if not any(document.values()):
        console.print("Nothing is on record of this address.")
    for person in document["people"]:
        lists = person["lists"]
        for name, value in person.items():
            if name != "lists" and value not in ("", False):
                console.print(f"{name}: {'yes' if value is True else value}", markup=False)
        for one in lists if isinstance(lists, list) else []:
            source = f" ({one['source']})" if one["source"] else ""
            topics = f"; topics: {', '.join(one['topics'])}" if one["topics"] else ""
            console.print(
                f"  list {one['list']}: {one['state']} since {one['since']}; "
                f"consent: {one['consent']}{source}{topics}",
                markup=False,
            )
    for barred in document["suppressions"]:
        console.print(
            "Not mailed by {for}: {reason}, from {source}, since {since}".format(**barred),
            markup=False,
        )
    print_evidence(document["came_back"])
    for sent in document["mailings"]:
        console.print("{mailing}: {outcome} {language} {at}".format(**sent).rstrip(), markup=False)


@app.command(
    "suppress", help="Mail one person no more, be they known or not.\n\n"
    "Example: mailer supporters suppress",
)  # fmt: skip
@plain_errors
def suppress_command(address: Address = None, organisation: Organisation = "") -> None:
    """Mail one person no more."""
    workspace = open_workspace()
    digest = digest_asked_for(workspace, address)
    where = _scope(workspace, organisation)
    changed = suppress_person(workspace, terminal_actor(), digest, where)
    console.print(
        "This address is mailed no more." if changed else "This address was not mailed before."
    )


@app.command("lift", help="Allow mails to one person again.\n\nExample: mailer supporters lift")
@plain_errors
def lift_command(
    address: Address = None,
    organisation: Organisation = "",
    wish: Annotated[
        bool,
        typer.Option(
            "--they-asked-for-it",
            help="The person themselves asked to be mailed again: lift an unsubscription, a "
            "complaint or an erasure too.",
        ),
    ] = False,
    yes: Yes = False,
) -> None:
    """Allow mails to one person again; lists they left stay left."""
    workspace = open_workspace()
    digest = digest_asked_for(workspace, address)
    where = _scope(workspace, organisation)
    with workspace.store.read() as connection:
        found = standing(connection, digest, [where.scope] if organisation else None)
    if not found:
        fail("No suppression of this address is on record.")
    liftable = [one for one in found if wish or one.reason in LIFTABLE]
    for one in found:
        if one not in liftable:
            errors.print(
                f"Stays: {one.reason}. It is the person's own word; "
                "--they-asked-for-it lifts it when they take it back.",
                markup=False, style="yellow",
            )  # fmt: skip
    if not liftable:
        fail("Nothing was lifted.")
    meant(f"Lift {', '.join(str(one.reason) for one in liftable)}?", yes=yes)
    reason = "they asked for it" if wish else ""
    lifted = lift_from_person(workspace, terminal_actor(), digest, liftable, reason)
    console.print(f"Lifted: {lifted}. Lists this person left stay left.")


@app.command(
    "erase", help="Delete all that is on record of one person; the address is never mailed "
    "again.\n\nExample: mailer supporters erase",
)  # fmt: skip
@plain_errors
def erase_command(
    address: Address = None, organisation: Organisation = "", yes: Yes = False
) -> None:
    """Delete one person; what stays is a digest that is never mailed again."""
    workspace = open_workspace()
    digest = digest_asked_for(workspace, address)
    where = _scope(workspace, organisation)
    meant("Everything on record of this person is deleted, and cannot be put back.", yes=yes)
    erased = erase_person(workspace, terminal_actor(), digest, where)
    console.print(f"Erased in {erased} organisation(s). The address is never mailed again.")
    console.print(
        "Not reached: backups, exports, files you imported from and files in data/rejects/."
    )


GROUPS = {"supporters": app}
