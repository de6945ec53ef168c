"""Read every journal that survived a lost database, and say what it proves.

In: the folder of the journals, and since when the database knows nothing. Out: the last word on
each delivery, and whether silence is a proof. It is one only where the folder is the very one the
backup knew, and every journal written since ends in order or belongs to this boot: else a mark may
have been lost with the power, and a delivery without one may have been sent.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from mailer.delivery.journal import (
    KEPT_SUFFIX,
    SUFFIX,
    JournalReply,
    boot_id,
    is_owned,
    replay,
)
from mailer.durable import write_private

#: Names the folder, so that another one is not taken for it.
FOLDER_ID = "folder.id"
#: The instant before which kept journals were cleared away.
CLEARED_UNTIL = "cleared.until"


@dataclass
class Survivors:
    """What the surviving journals say."""

    #: A delivery that is in none of them was never ended.
    silence_proves: bool = False
    #: Delivery id → number of its last attempt, and the reply; None for a mark without one.
    last: dict[int, tuple[int, JournalReply | None]] = field(default_factory=dict)
    #: How many journals were read.
    files: int = 0


def folder_id(folder: Path) -> str:
    """Return the name of a folder of journals, giving it one at the first time."""
    path = folder / FOLDER_ID
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = secrets.token_hex(8)
    try:
        write_private(path, name.encode())
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    return name


def note_cleared(folder: Path, until: datetime) -> None:
    """Write, before any kept journal is deleted, up to when the folder is not whole any more."""
    fresh = folder / f"{CLEARED_UNTIL}.new"
    fresh.write_text(until.isoformat(), encoding="ascii")
    fresh.replace(folder / CLEARED_UNTIL)


def _was_cleared_since(folder: Path, since: datetime) -> bool:
    try:
        until = (folder / CLEARED_UNTIL).read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return datetime.fromisoformat(until) > since


def journal_files(folder: Path) -> list[Path]:
    """Return the journals of a folder, those kept included."""
    return sorted(path for path in folder.glob("*") if path.suffix in (SUFFIX, KEPT_SUFFIX))


def living_senders(folder: Path) -> int:
    """Count the sender processes that write a journal in this folder now."""
    return sum(is_owned(path) for path in folder.glob(f"*{SUFFIX}"))


def read_survivors(folder: Path, known_id: str, since: datetime) -> Survivors:
    """Read what was written since; `known_id` is the folder's name as the backup has it.

    Raises:
        OSError: when a journal is there and cannot be read.
    """
    found = Survivors()
    if not folder.is_dir():
        return found
    whole = not _was_cleared_since(folder, since)
    for path in journal_files(folder):
        if datetime.fromtimestamp(path.stat().st_mtime, UTC) < since:
            continue
        said = replay(path.read_bytes(), path.stem)
        found.files += 1
        whole = whole and (said.closed or said.header.boot_id == boot_id() != "")
        for (delivery_id, attempt), reply in said.marked.items():
            before = found.last.get(delivery_id, (0, None))
            # A part that was written anew begins with marks whose replies may stand in it only.
            if (attempt, reply is not None) >= (before[0], before[1] is not None):
                found.last[delivery_id] = (attempt, reply)
    named = folder / FOLDER_ID
    found.silence_proves = (
        whole
        and known_id != ""
        and named.is_file()
        and named.read_text(encoding="ascii").strip() == known_id
    )
    return found
