"""Keep what came by a pipe and could not be read: one file for each message, for a person to look at.

In: octets. Out: a file that only its owner reads, named by what is in it: the same message again is
the same file. Nothing here deletes one.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from mailer.durable import sync_folder, write_private

_SUFFIX = ".eml"


def keep_unread(folder: Path, raw: bytes) -> None:
    """Have a message on the disk.

    Raises:
        OSError: when it cannot be written; nothing is left behind then.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = hashlib.sha256(raw).hexdigest()
    # The mail server gave it twice: it did not hear that the first was kept.
    with contextlib.suppress(FileExistsError):
        write_private(folder / f"{name}{_SUFFIX}", raw)
    sync_folder(folder)


def count_unread(folder: Path) -> int:
    """Return how many are kept."""
    return sum(1 for _ in folder.glob(f"*{_SUFFIX}"))
