"""Change the keys of a workspace while it goes on working.

In: a workspace. Out: a new sealing key that everything is sealed with in the end, or a new root for
tokens. Processes that began with the old file read it again when they meet a key they do not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mailer.app.backup import PRIVATE_KEY, PUBLIC_KEY
from mailer.app.quiet import check_quiet
from mailer.app.workspace import Workspace, hand_out_box_key
from mailer.box import SmallBoxes, create_backup_keys
from mailer.keyfiles import (
    add_seal_key,
    add_token_key,
    forget_previous,
    put_previous_back,
    remove_seal_key,
)
from mailer.keys import KeyFileError, SealKeys, load_seal_keys, load_service_keys
from mailer.model.audit import AuditAction, Fact
from mailer.model.staff import Actor
from mailer.store.audit import write_audit
from mailer.store.resealing import box_counts, close_boxes_anew, key_ids, reseal_all
from mailer.store.settings import write_setting

#: What an error calls a box that does not open.
_RAW = "a message that came back"


@dataclass(frozen=True)
class KeysInUse:
    """Which keys there are, and how much depends on them."""

    seal_current: int
    #: Id of each sealing key, in the file or in use, → values sealed with it.
    sealed: dict[int, int]
    token_current: str
    tokens: tuple[str, ...]


def keys_in_use(workspace: Workspace) -> KeysInUse:
    """Return the ids of all keys; counts every sealed value."""
    seal = load_seal_keys(workspace.config.seal_key_path)
    service = load_service_keys(workspace.config.service_key_path)
    used = _used(workspace, seal)
    return KeysInUse(
        seal.current,
        {number: used.get(number, 0) for number in sorted({*seal.ciphers, *used})},
        service.current_token,
        tuple(sorted(service.token_roots)),
    )


def rotate_seal(workspace: Workspace, actor: Actor) -> int:
    """Make a new sealing key the current one and return its id; `reseal` uses it for the rest."""
    _ = workspace.seal_keys
    number = add_seal_key(workspace.config.seal_key_path)
    hand_out_box_key(workspace.store, load_seal_keys(workspace.config.seal_key_path))
    _note(workspace, actor, AuditAction.KEY_ROTATED, workspace.config.seal_key_path, key=number)
    return number


def reseal(workspace: Workspace, actor: Actor, told: Callable[[int], None] | None = None) -> int:
    """Seal everything with the current key that is not yet; return how many values.

    Raises:
        WrongSealKey: at a value that no key in the file opens; what is done stays done.
    """
    _ = workspace.seal_keys
    keys = load_seal_keys(workspace.config.seal_key_path)

    def anew(sealed: bytes, table: str, column: str, row_id: int) -> bytes:
        return keys.seal(keys.unseal(sealed, table, column, row_id), table, column, row_id)

    hand_out_box_key(workspace.store, keys)
    total = reseal_all(workspace.store, keys.current, anew, told)
    boxes = {number: SmallBoxes.of_secret(one) for number, one in keys.box_secret_of.items()}
    current = boxes.pop(keys.current)
    for old in boxes.values():
        total += close_boxes_anew(workspace.store, old.key_id, partial(_anew, old, current))
    _note(
        workspace, actor, AuditAction.RESEALED, workspace.config.seal_key_path,
        key=keys.current, values=total,
    )  # fmt: skip
    return total


def _note(
    workspace: Workspace, actor: Actor, action: AuditAction, file: Path, **facts: Fact
) -> None:
    """Write what was done to a key file: it is done before, since a file knows no transaction."""
    with workspace.store.write() as connection:
        write_audit(connection, actor, action, file.name, workspace.clock.now(), **facts)


def _anew(old: SmallBoxes, current: SmallBoxes, box: bytes) -> bytes:
    return current.close(old.open(box, _RAW))


def retire_seal(workspace: Workspace, actor: Actor, number: int) -> None:
    """Take a sealing key out of the file once nothing is sealed with it.

    Raises:
        KeyFileError: when something is, or the key is not there.
        ProcessesRun: when a process is at work that might still seal with it.
    """
    check_quiet(workspace, workspace.store)
    path = workspace.config.seal_key_path
    _ = workspace.seal_keys
    keys = load_seal_keys(path)
    _check_unused(workspace, keys, number)
    with workspace.store.write() as connection:
        # The database is tied to a key that stays: the old file fits as well as the new one.
        write_setting(connection, "seal_key", keys.fingerprint_of[keys.current])
    remove_seal_key(path, number)
    try:
        # An import that was at work may have written with it between the look and the new file.
        _check_unused(workspace, keys, number)
    except KeyFileError:
        put_previous_back(path)
        raise
    forget_previous(path)
    _note(workspace, actor, AuditAction.KEY_RETIRED, path, key=number)


def _used(workspace: Workspace, keys: SealKeys) -> dict[int, int]:
    """Return how many values and boxes each key is needed for."""
    with workspace.store.read() as connection:
        used, boxes = key_ids(connection), box_counts(connection)
    for number, secret in keys.box_secret_of.items():
        count = boxes.get(SmallBoxes.of_secret(secret).key_id, 0)
        if count:
            used[number] = used.get(number, 0) + count
    return used


def _check_unused(workspace: Workspace, keys: SealKeys, number: int) -> None:
    used = _used(workspace, keys).get(number, 0)
    if used:
        raise KeyFileError(
            workspace.config.seal_key_path,
            f"{used} values are still sealed with key {number}",
            "Run: mailer keys reseal",
        )


def rotate_tokens(workspace: Workspace, actor: Actor) -> str:
    """Make a new root for tokens the current one and return its id; old links go on working."""
    _ = workspace.service_keys
    path = workspace.config.service_key_path
    number = add_token_key(path)
    # Nothing is ever taken out of this file: the new one holds all that the old one held.
    forget_previous(path)
    _note(workspace, actor, AuditAction.KEY_ROTATED, path, key=number)
    return number


def make_backup_keys(workspace: Workspace, actor: Actor) -> None:
    """Make the pair that closes and opens backups.

    Raises:
        FileExistsError: when there is one of them already; nothing is changed.
    """
    root = workspace.config.root
    # A database that cannot take the entry is found before a key is made.
    _ = workspace.store
    create_backup_keys(root / PRIVATE_KEY, root / PUBLIC_KEY)
    _note(workspace, actor, AuditAction.KEY_MADE, root / PRIVATE_KEY)
