"""Have files on the disk, and not only in the memory of the system, before anything goes on.

In: a path and what stands in it. Out: a file that a power cut leaves whole, or not there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_or_gone(path: Path) -> Iterator[None]:
    """Take a new file away again when the block fails: half of it would be taken for the whole."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that only its owner reads, and wait until the disk has it.

    Raises:
        FileExistsError: when it is there already; nothing is changed then.
        OSError: when it cannot be written; there is no such file then.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with whole_or_gone(path), os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder: a new file is lost without.

    Raises:
        OSError: when it cannot be synced.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
