"""`mailer backup`, `mailer restore` and `mailer upgrade`: keep a workspace, and move it."""

from __future__ import annotations

import contextlib
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mailer.alerts import backup_failed, backup_made
from mailer.app.backup import (
    PRIVATE_KEY,
    PUBLIC_KEY,
    Backup,
    Manifest,
    check_backup,
    make_backup,
)
from mailer.app.failures import BackupFailed
from mailer.app.quiet import check_quiet
from mailer.app.restore import Restored, Survived, accept_lost_unsubscribes, restore
from mailer.app.workspace import Workspace
from mailer.box import create_backup_keys, load_private_key
from mailer.cli.common import (
    WRONG_USE,
    Command,
    console,
    fail,
    open_workspace,
    plain_errors,
    print_json,
    terminal_actor,
    workspace_folder,
)
from mailer.clock import SYSTEM_CLOCK
from mailer.keys import KeyFileError
from mailer.model.audit import AuditAction
from mailer.store.audit import write_audit
from mailer.store.copying import CopyFailed
from mailer.store.engine import NEWEST, Connection, StoreUnavailable, check_version, known_version
from mailer.store.engine import upgrade as upgrade_tables

Key = Annotated[
    Path | None,
    typer.Option("--key", help="The backup.key that opens it; the one beside the backup if not."),
]


def _key_file(key: Path | None, backup: Path) -> Path:
    if key is not None:
        return key
    beside = backup.parent / PRIVATE_KEY
    return beside if beside.exists() else workspace_folder() / PRIVATE_KEY


def _told(workspace: Workspace, out: Path | None, keep: int) -> Backup:
    """Write a backup; staff are told when it cannot be written, since a timer may have asked."""
    target = out.name if out else "data/backups"
    try:
        done = make_backup(workspace, terminal_actor(), out, keep)
    except (BackupFailed, CopyFailed, KeyFileError) as error:
        with contextlib.suppress(StoreUnavailable), workspace.store.write() as connection:
            backup_failed(connection, target, str(error), workspace.clock.now())
        raise
    with contextlib.suppress(StoreUnavailable), workspace.store.write() as connection:
        backup_made(connection, workspace.clock.now())
    return done


@plain_errors
def backup(
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; in data/backups/ if not named.")
    ] = None,
    keep: Annotated[
        int, typer.Option("--keep", min=0, help="Leave so many backups there; 0 leaves all.")
    ] = 0,
    check: Annotated[
        Path | None, typer.Option("--check", help="Read this backup to its end; write none.")
    ] = None,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Write the workspace into one encrypted file, while it goes on working; its keys are not in it.

    Example: mailer backup --out /media/stick/harbor.backup

    Example: mailer backup --check harbor.backup --key backup.key
    """
    if check is not None:
        manifest, sizes = check_backup(check, load_private_key(_key_file(key, check)))
        _print_checked(check, manifest, sizes, as_json=as_json)
        return
    workspace = open_workspace()
    done = _told(workspace, out, keep)
    if as_json:
        print_json(done)
        return
    console.print(f"Wrote {done.path} ({done.size / 1_000_000:.1f} MB).", markup=False)
    if done.pruned:
        console.print(f"Removed {len(done.pruned)} older.")
    config = workspace.config
    console.print(
        f"In it: database, config.toml, templates, lists/*.toml, suppressions.log, journals. "
        f"Not in it: {config.keys.seal}, {config.keys.service}, DKIM keys, passwords, lists/*.csv.",
        markup=False,
    )
    if (config.root / PRIVATE_KEY).exists():
        console.print(f"{PRIVATE_KEY} opens it: keep that away from this machine, and from it.")


def _print_checked(path: Path, manifest: Manifest, sizes: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        print_json({"manifest": manifest, "files": sizes})
        return
    console.print(f"{path.name} is whole: {len(sizes)} files.", markup=False)
    console.print(f"  state of    {manifest.at:%Y-%m-%d %H:%M:%S} UTC")
    console.print(f"  database    {manifest.database}, {sizes['database'] / 1_000_000:.1f} MB")
    console.print(f"  written by  mailer {manifest.program}", markup=False)


@plain_errors
def restore_command(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The backup.", show_default=False)
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR", help="An empty folder, or a dead workspace.", show_default=False
        ),
    ] = None,
    key: Key = None,
    journals: Annotated[
        Path | None,
        typer.Option("--journals", help="Surviving data/journal; the one in DIR if not named."),
    ] = None,
    suppressions: Annotated[
        Path | None,
        typer.Option("--suppressions", help="Surviving suppressions.log; in DIR if not named."),
    ] = None,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept-lost-unsubscribes",
            help="Let it be live although unsubscriptions may be lost; alone, for this workspace.",
        ),
    ] = False,
) -> None:
    """Put a workspace back from a backup: unfinished mailings are held, nothing is sent again.

    Example: mailer restore harbor.backup campaign --key backup.key

    Example: mailer restore --accept-lost-unsubscribes
    """
    if file is None and accept:
        since = accept_lost_unsubscribes(open_workspace(), terminal_actor())
        if since is None:
            console.print("No unsubscriptions are known to be lost.")
        else:
            console.print(
                f"Accepted: unsubscriptions since {since:%Y-%m-%d %H:%M} UTC may be lost."
            )
        return
    if file is None or folder is None:
        fail(
            "Name the backup and a folder.",
            "For example: mailer restore harbor.backup campaign --key backup.key",
            WRONG_USE,
        )
    done = restore(
        file,
        load_private_key(_key_file(key, file)),
        folder,
        SYSTEM_CLOCK,
        Survived(journals, suppressions),
        actor=terminal_actor(),
        accept_lost=accept,
    )
    _print_restored(done, folder)


def _print_restored(done: Restored, folder: Path) -> None:
    console.print(f"Put back into {folder} as of {done.made_at:%Y-%m-%d %H:%M} UTC.", markup=False)
    if done.aside:
        console.print(f"What was there is in {done.aside.name}/.", markup=False)
    console.print(f"Mailings held until a person releases them: {done.held}.")
    if done.settled:
        states = ", ".join(
            f"{count} {state.replace('_', ' ')}" for state, count in sorted(done.settled.items())
        )
        console.print(f"Deliveries that were open in the backup: {states}.")
    if done.silence_proves:
        console.print("The journals survived whole: what is due was not sent since.")
    elif done.journals:
        console.print("Journals survived in part: what they say nothing of is in doubt.")
    else:
        console.print("No journal of the time since survived: what was open is in doubt.")
    if done.replayed:
        console.print(f"Replayed from suppressions.log: {done.replayed.entries} entries.")
        if done.replayed.widened:
            console.print(
                f"  {done.replayed.widened} of people or lists that came after the backup; "
                "they are suppressed for the whole organisation.",
            )
    if done.lost_since:
        console.print(
            f"Unsubscriptions since {done.lost_since:%Y-%m-%d %H:%M} UTC may be lost: no "
            "suppressions.log of that time is there. It cannot be live until you run: "
            "mailer restore --accept-lost-unsubscribes",
            style="yellow",
        )
    console.print("Imports, statements and mailings of the time since the backup are not in it.")
    for name in done.missing_keys:
        console.print(f"Put {name} from your copy into {folder}.", markup=False)
    console.print("Put back DKIM keys and password files too, where config.toml names them.")
    console.print(f"Next: cd {folder} && mailer check && mailer mailings list", markup=False)


@plain_errors
def upgrade(
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help="Change the database without a backup of it.")
    ] = False,
) -> None:
    """Bring the database of an older version up to this program's, with a backup before.

    Example: mailer upgrade
    """
    workspace = open_workspace()
    store = workspace.store_of_any_version()
    version = known_version(store)
    if version == NEWEST:
        console.print("The database is up to date.")
        return
    if version is not None and version > NEWEST:
        check_version(store)
    if version is not None:
        check_quiet(workspace, store)
    backup_name = ""
    if version is not None and not no_backup:
        root = workspace.config.root
        if not (root / PUBLIC_KEY).exists():
            create_backup_keys(root / PRIVATE_KEY, root / PUBLIC_KEY)
            console.print(f"Made {PRIVATE_KEY}, which opens backups: move it to a safe place.")
        done = make_backup(workspace, terminal_actor())
        backup_name = done.path.name
        console.print(f"A backup is in {done.path}", markup=False)
    now = workspace.clock.now()
    upgrade_tables(store, then=partial(_note_upgraded, version or "", backup_name, now))
    store.close()
    console.print("The database is up to date.")


def _note_upgraded(version: str, backup_name: str, now: datetime, connection: Connection) -> None:
    write_audit(
        connection, terminal_actor(), AuditAction.UPGRADED, "database", now,
        before=version, after=NEWEST, backup=backup_name,
    )  # fmt: skip


COMMANDS = (
    Command("backup", backup),
    Command("restore", restore_command, needs_arguments=True),
    Command("upgrade", upgrade),
)
