"""Change the keys of a workspace while it goes on working.

In: a workspace. Out: a new sealing key that everything is sealed with in the end, or a new root for
tokens. Processes that began with the old file read it again when they meet a key they do not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailer.app.quiet import check_quiet
from mailer.app.workspace import Workspace
from mailer.keyfiles import (
    add_seal_key,
    add_token_key,
    forget_previous,
    put_previous_back,
    remove_seal_key,
)
from mailer.keys import KeyFileError, load_seal_keys, load_service_keys
from mailer.store.resealing import key_ids, reseal_all
from mailer.store.settings import write_setting


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
    with workspace.store.read() as connection:
        used = key_ids(connection)
    return KeysInUse(
        seal.current,
        {number: used.get(number, 0) for number in sorted({*seal.ciphers, *used})},
        service.current_token,
        tuple(sorted(service.token_roots)),
    )


def rotate_seal(workspace: Workspace) -> int:
    """Make a new sealing key the current one and return its id; `reseal` uses it for the rest."""
    _ = workspace.seal_keys
    return add_seal_key(workspace.config.seal_key_path)


def reseal(workspace: Workspace, told: Callable[[int], None] | None = None) -> int:
    """Seal everything with the current key that is not yet; return how many values.

    Raises:
        WrongSealKey: at a value that no key in the file opens; what is done stays done.
    """
    _ = workspace.seal_keys
    keys = load_seal_keys(workspace.config.seal_key_path)

    def anew(sealed: bytes, table: str, column: str, row_id: int) -> bytes:
        return keys.seal(keys.unseal(sealed, table, column, row_id), table, column, row_id)

    return reseal_all(workspace.store, keys.current, anew, told)


def retire_seal(workspace: Workspace, number: int) -> None:
    """Take a sealing key out of the file once nothing is sealed with it.

    Raises:
        KeyFileError: when something is, or the key is not there.
        ProcessesRun: when a process is at work that might still seal with it.
    """
    check_quiet(workspace, workspace.store)
    path = workspace.config.seal_key_path
    _ = workspace.seal_keys
    keys = load_seal_keys(path)
    _check_unused(workspace, number)
    with workspace.store.write() as connection:
        # The database is tied to a key that stays: the old file fits as well as the new one.
        write_setting(connection, "seal_key", keys.fingerprint_of[keys.current])
    remove_seal_key(path, number)
    try:
        # An import that was at work may have written with it between the look and the new file.
        _check_unused(workspace, number)
    except KeyFileError:
        put_previous_back(path)
        raise
    forget_previous(path)


def _check_unused(workspace: Workspace, number: int) -> None:
    with workspace.store.read() as connection:
        used = key_ids(connection).get(number, 0)
    if used:
        raise KeyFileError(
            workspace.config.seal_key_path,
            f"{used} values are still sealed with key {number}",
            "Run: mailer keys reseal",
        )


def rotate_tokens(workspace: Workspace) -> str:
    """Make a new root for tokens the current one and return its id; old links go on working."""
    _ = workspace.service_keys
    path = workspace.config.service_key_path
    number = add_token_key(path)
    # Nothing is ever taken out of this file: the new one holds all that the old one held.
    forget_previous(path)
    return number
