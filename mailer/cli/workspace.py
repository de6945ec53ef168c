"""`mailer init` and `mailer check`: make a workspace, and say everything wrong with one."""

from __future__ import annotations

import shutil
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mailer.app.backup import PRIVATE_KEY, PUBLIC_KEY
from mailer.app.checking import check_files, check_workspace
from mailer.app.workspace import Workspace
from mailer.box import create_backup_keys
from mailer.cli.common import (
    NOT_DONE,
    WRONG_USE,
    Command,
    console,
    fail,
    open_workspace,
    plain_errors,
    print_json,
    report_faults,
    terminal_actor,
    workspace_folder,
)
from mailer.config import CONFIG_FILE, share_dir
from mailer.durable import whole_or_gone
from mailer.keys import (
    create_seal_key,
    create_service_key,
    load_seal_keys,
    load_service_keys,
)
from mailer.model.audit import AuditAction
from mailer.model.faults import FaultsFound, errors_in
from mailer.store.audit import write_audit
from mailer.store.engine import Connection, open_store
from mailer.store.engine import upgrade as upgrade_tables

_IGNORED = """\
# Keys, the database and real lists of people never go into a repository or an upload.
*.key
/data/
/lists/*.csv
"""


def _copy_what_is_missing(source: Path, target: Path) -> None:
    """Copy the files of a folder that are not there yet: what a person wrote is never written over."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir(exist_ok=True)
        elif not copy.exists():
            with whole_or_gone(copy):
                shutil.copyfile(path, copy)


def make_workspace(folder: Path) -> Workspace:
    """Make a workspace at `folder`: config, templates, example lists, keys, database.

    Files that are there already stay as they are. Where it fails there is no config.toml, so that
    it can be tried again.

    Raises:
        FileExistsError: when there is a config.toml already; nothing is changed then.
        KeyFileError: when a key file is there that cannot be used.
        OSError: when something cannot be written.
    """
    if (folder / CONFIG_FILE).exists():
        raise FileExistsError(folder / CONFIG_FILE)
    share = share_dir()
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("templates", "lists"):
        _copy_what_is_missing(share / name, folder / name)
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text(_IGNORED, encoding="utf-8")
    (folder / "data").mkdir(mode=0o700, exist_ok=True)
    for name, create in (("seal.key", create_seal_key), ("service.key", create_service_key)):
        if not (folder / name).exists():
            create(folder / name)
    if not (folder / PUBLIC_KEY).exists() and not (folder / PRIVATE_KEY).exists():
        create_backup_keys(folder / PRIVATE_KEY, folder / PUBLIC_KEY)
    # Keys that were there already are read before anything says that this is a workspace.
    load_seal_keys(folder / "seal.key")
    load_service_keys(folder / "service.key")
    with whole_or_gone(folder / CONFIG_FILE):
        shutil.copyfile(share / "config.example.toml", folder / CONFIG_FILE)
        workspace = Workspace.open(folder)
        store = open_store(workspace.config.database_url)
        upgrade_tables(store, then=partial(_note_made, workspace.clock.now()))
        store.close()
        # Both key files are tied to the database now, before anything is sealed with them.
        _ = workspace.seal_keys, workspace.service_keys
        return workspace


def _note_made(now: datetime, connection: Connection) -> None:
    write_audit(connection, terminal_actor(), AuditAction.WORKSPACE_MADE, "workspace", now)


@plain_errors
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make it in.")],
) -> None:
    """Make a workspace: config.toml, templates, example lists, keys and an empty database.

    Example: mailer init campaign
    """
    try:
        workspace = make_workspace(folder)
    except FileExistsError:
        if not (folder / CONFIG_FILE).exists():
            fail(f"{folder} is there and is no folder.", "Name another one.", WRONG_USE)
        fail(
            f"{folder / CONFIG_FILE} is there already; nothing was changed.",
            f"Name another folder, or work on this one: mailer -w {folder} check",
            WRONG_USE,
        )
    root = workspace.config.root
    console.print(f"Made a workspace in {root}", markup=False)
    console.print("  config.toml          settings; nothing leaves this machine until live = true")
    console.print("  templates/           statements, how mails look, fixed phrases")
    console.print("  lists/               lists of supporters, with invented examples")
    console.print("  seal.key             opens addresses and names")
    console.print("  service.key          makes the links in mails")
    console.print("  backup.key           opens backups; backup.pub closes them")
    console.print("  data/                the database")
    console.print("Copy seal.key and service.key to a safe place away from this machine: without")
    console.print("them addresses cannot be read and unsubscribe links stop working.")
    console.print("Move backup.key there too: nothing here needs it until a backup is put back.")
    console.print(f"Next: cd {folder} && mailer check", markup=False)


@plain_errors
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print the faults as JSON.")] = False,
) -> None:
    """Name everything wrong with config, templates, statements, lists and relay, at once.

    Example: mailer check
    """
    try:
        faults = check_workspace(open_workspace())
    except FaultsFound as error:
        if not (workspace_folder() / CONFIG_FILE).exists():
            raise
        faults = [*error.faults, *check_files(workspace_folder())]
    if as_json:
        print_json(faults)
    else:
        report_faults(faults)
        wrong = len(errors_in(faults))
        advice = len(faults) - wrong
        if faults:
            console.print(f"{wrong} to mend, {advice} worth a look.")
        else:
            console.print("Nothing is wrong.")
    if errors_in(faults):
        raise typer.Exit(NOT_DONE)


COMMANDS = (
    Command("init", init, needs_arguments=True),
    Command("check", check),
)
