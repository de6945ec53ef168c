"""Change the key files of a workspace: add a key, or take an old one out.

In: a key file that can be read. Out: the file written anew in one step, with the file as it was
kept beside it until the change is done. A key that is lost opens nothing: no step here removes one
before the new file is on the disk.
"""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Mapping
from pathlib import Path

from mailer.durable import sync_folder, write_private
from mailer.keys import (
    KEY_BYTES,
    SEAL_HEADER,
    SERVICE_HEADER,
    KeyFileError,
    load_seal_keys,
    load_service_keys,
    read_key_file,
)

_LARGEST_SEAL_ID = 255
#: What a token may begin with: it is read in any case, and is no digit that looks like a letter.
_TOKEN_IDS = string.ascii_lowercase


def previous(path: Path) -> Path:
    """Return where the file as it was before a change is kept: `seal.previous.key`."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def add_seal_key(path: Path) -> int:
    """Add a sealing key and make it the current one; return its id.

    Raises:
        KeyFileError: when the file cannot be used or written, or has no id left.
    """
    load_seal_keys(path)
    keys = {str(name): str(key) for name, key in _part(read_key_file(path), "keys").items()}
    number = max(int(name) for name in keys) + 1
    if number > _LARGEST_SEAL_ID:
        raise KeyFileError(path, "has no id left for a new key", "Retire old keys first")
    _replace(path, _seal_text({**keys, str(number): _fresh()}, number))
    return number


def remove_seal_key(path: Path, number: int) -> None:
    """Take a sealing key out; the caller has made sure that nothing is sealed with it.

    Raises:
        KeyFileError: when it is the current one, is not there, or the file cannot be written.
    """
    current = load_seal_keys(path).current
    keys = {str(name): str(key) for name, key in _part(read_key_file(path), "keys").items()}
    if number == current or str(number) not in keys:
        problem = "seals with this key now" if number == current else f"has no key {number}"
        raise KeyFileError(path, problem, "See the ids with: mailer keys list")
    del keys[str(number)]
    _replace(path, _seal_text(keys, current))


def forget_previous(path: Path) -> None:
    """Remove the file as it was before the last change: that change is done."""
    previous(path).unlink(missing_ok=True)


def put_previous_back(path: Path) -> None:
    """Undo the last change."""
    previous(path).replace(path)
    sync_folder(path.parent)


def add_token_key(path: Path) -> str:
    """Add a root for tokens and make it the current one; return its id. Old links go on working.

    Raises:
        KeyFileError: when the file cannot be used or written, or has no id left.
    """
    load_service_keys(path)
    data = read_key_file(path)
    roots = {str(name): str(key) for name, key in _part(data, "tokens").items()}
    free = [name for name in _TOKEN_IDS if name not in roots]
    if not free:
        raise KeyFileError(path, "has no id left for a new key", "Keep the keys it has")
    roots[free[0]] = _fresh()
    lines = "".join(f'{name} = "{key}"\n' for name, key in roots.items())
    index = f'index = "{data["index"]}"\ncurrent_token = "{free[0]}"\n'
    _replace(path, f"{SERVICE_HEADER}{index}\n[tokens]\n{lines}")
    return free[0]


def _part(data: Mapping[str, object], name: str) -> dict[str, object]:
    part = data[name]
    return part if isinstance(part, dict) else {}


def _fresh() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _seal_text(keys: Mapping[str, str], current: int) -> str:
    lines = "".join(f'{name} = "{key}"\n' for name, key in keys.items())
    return f"{SEAL_HEADER}current = {current}\n\n[keys]\n{lines}"


def _replace(path: Path, text: str) -> None:
    """Write a key file anew: the disk has either the old one or the new one, whatever happens."""
    fresh = path.with_name(f"{path.stem}.new{path.suffix}")
    kept = previous(path)
    try:
        fresh.unlink(missing_ok=True)
        write_private(fresh, text.encode())
        kept.unlink(missing_ok=True)
        write_private(kept, path.read_bytes())
        fresh.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or "input or output error"
        raise KeyFileError(
            path, f"cannot be written: {reason}", "Mend that, then try again; nothing was changed"
        ) from error
