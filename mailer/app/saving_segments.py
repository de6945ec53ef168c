"""Save a segment under a key, change it, take it away: in the file that the command line reads.

In: a workspace, an actor, a key and an expression. Out: `lists/segments.toml` written anew, with an
entry in the audit log. Two who save at once take turns; who saves over what they have not seen is told.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mailer.app.segments import attributes_of
from mailer.app.workspace import Workspace
from mailer.audience.lists import SEGMENTS_FILE
from mailer.audience.saving import with_segment, without_segment
from mailer.audience.segments import (
    Expression,
    Place,
    SavedSegment,
    SavedSegments,
    read_expression,
    saved_segments,
)
from mailer.durable import sync_folder
from mailer.model.audit import AuditAction
from mailer.model.faults import Fault, FaultsFound
from mailer.model.staff import Actor
from mailer.model.toml_lines import not_utf8
from mailer.model.worded import worded
from mailer.store.audit import write_audit

_ALONE = "segments"


def save_segment(
    workspace: Workspace, actor: Actor, key: str, name: str, text: str, seen: str = ""
) -> Expression:
    """Save an expression under a key, and return it as it was read.

    Args:
        workspace: the workspace.
        actor: who saves it.
        key: of the segment.
        name: what people call it; "" for nothing.
        text: the expression.
        seen: the expression that stood there when they began; "" where none of that key did.

    Raises:
        FaultsFound: with what is wrong with it, or that somebody else changed it meanwhile.
    """
    attributes = attributes_of(list(workspace.lists[0].values()))
    with workspace.store.alone(_ALONE):
        saved = saved_segments(workspace.config.lists_dir)
        known = saved.by_key.get(key)
        if (known.text if known else "") != seen:
            problem = (
                "somebody else saved it meanwhile"
                if known
                else "somebody else removed it meanwhile"
            )
            raise FaultsFound([Fault("", 0, "key", problem, "Look at it, then save yours again")])
        expression = read_expression(text, attributes, Place("expression"), saved)
        # It may name itself by way of others; read in the place where it will stand, that shows.
        _refuse_circle(workspace, key, text)
        _change(workspace, actor, AuditAction.SEGMENT_SAVED, key,
                lambda before, file: with_segment(before, key, name, text, file))  # fmt: skip
    return expression


def remove_segment(workspace: Workspace, actor: Actor, key: str) -> None:
    """Take a saved segment away; mailings have it written out and are not touched.

    Raises:
        FaultsFound: when there is none, or another segment names it.
    """
    with workspace.store.alone(_ALONE):
        saved = saved_segments(workspace.config.lists_dir)
        naming = [
            one.key for one in saved.by_key.values() if one.key != key and _names(one.text, key)
        ]
        if naming:
            problem = worded("is named by %(keys)s", keys=", ".join(sorted(naming)))
            raise FaultsFound([Fault("", 0, "key", problem, "Change that segment first")])
        _change(workspace, actor, AuditAction.SEGMENT_REMOVED, key,
                lambda before, file: without_segment(before, key, file))  # fmt: skip


def _names(text: str, key: str) -> bool:
    compact = "".join(text.split()).lower().replace("'", '"')
    return f"segment({key.lower()})" in compact or f'segment("{key.lower()}")' in compact


def _refuse_circle(workspace: Workspace, key: str, text: str) -> None:
    attributes = attributes_of(list(workspace.lists[0].values()))
    saved = saved_segments(workspace.config.lists_dir)
    place = Place("expression")
    changed = {**saved.by_key, key: SavedSegment(key, "", text, place)}
    read_expression(f"segment({key})", attributes, place, SavedSegments(changed, saved.faults))


def _change(
    workspace: Workspace,
    actor: Actor,
    action: AuditAction,
    key: str,
    change: Callable[[str, str], str],
) -> None:
    path = workspace.config.lists_dir / SEGMENTS_FILE
    file = f"{path.parent.name}/{path.name}"
    after = change(_text_of(path, file), file)
    fresh = path.with_name(f".{path.name}.new")
    try:
        _write(fresh, after, path)
        with workspace.store.write() as connection:
            write_audit(connection, actor, action, key, workspace.clock.now())
            # In the transaction: where it cannot be written, nothing was done and nothing is said.
            fresh.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        problem = worded("cannot be written: %(reason)s", reason=error.strerror)
        raise FaultsFound([Fault(file, 0, "", problem, "Check its owner")]) from error
    finally:
        fresh.unlink(missing_ok=True)


def _text_of(path: Path, file: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise FaultsFound([not_utf8(file, error)]) from error


def _write(fresh: Path, text: str, like: Path) -> None:
    """Write a file that can be read by whoever may read the one it takes the place of."""
    mode = like.stat().st_mode & 0o777 if like.exists() else 0o644
    with fresh.open("w", encoding="utf-8", newline="") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
