"""Import a file that staff upload: keep it sealed, let them say what its columns are, try it, import it.

In: a workspace, who does it, a list and the bytes of a file. Out: an `Upload` that goes from one step to
the next, and in the end an import like any other. Each step may be done by another process than the
last; who clicks twice does it once. Standards: RFC 4180.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mailer.app.importing import import_file
from mailer.app.workspace import Workspace
from mailer.audience.imports import ProgressCallback
from mailer.audience.mapping import Sample, check_targets, look_at
from mailer.audience.results import ImportResult, LineTold
from mailer.audience.uploads import NAME, TABLE, FileInMemory, SealedFile, sealed_chunks
from mailer.events import warn
from mailer.model.audit import AuditAction
from mailer.model.characters import printable
from mailer.model.faults import Fault, FaultsFound, kept_fault
from mailer.model.staff import Actor
from mailer.model.uploads import Upload, UploadState
from mailer.model.worded import to_document, worded
from mailer.store import uploads as rows
from mailer.store.audit import write_audit
from mailer.store.engine import take_ids

#: Octets of a file that is taken; a larger one is for the command line.
MOST_OCTETS = 32 * 1024 * 1024
#: Chunks of one transaction: under 50 ms of write lock.
_CHUNKS = 8
#: Lines of each reason that are named.
_LINES_NAMED = 20
_REASONS_NAMED = 50
_MOST_SHOWN = 50
#: How often whoever reads a file says how far they are.
_TELL_EVERY = timedelta(seconds=1)
_LONGEST_NAME = 120


class UploadGone(Exception):
    """There is no such file, or it is deleted: it was imported, or a day has passed."""

    def __init__(self, upload_id: int) -> None:
        self.upload_id = upload_id
        super().__init__(f"The upload {upload_id} is not there.")


def receive(workspace: Workspace, actor: Actor, list_key: str, name: str, content: bytes) -> Upload:
    """Keep a file sealed, if it can be read as one of people.

    Args:
        workspace: the workspace.
        actor: who uploads it.
        list_key: of the list its people are to go on.
        name: what it is called where it comes from; hostile text.
        content: the file.

    Raises:
        FaultsFound: when there is no such list, or it cannot be read, or is too large.
    """
    workspace.list_of(list_key)
    name = printable(name.replace("\\", "/").rpartition("/")[2])[:_LONGEST_NAME] or "people.csv"
    if len(content) > MOST_OCTETS:
        problem = worded("is larger than %(limit)s MB", limit=MOST_OCTETS // 1024 // 1024)
        raise FaultsFound([Fault(name, 0, "", problem, "Cut it in two, or use: mailer import")])
    definition = workspace.list_of(list_key)
    sample = look_at(FileInMemory(name, content), definition)
    keys, now = workspace.seal_keys, workspace.clock.now()
    with workspace.store.write() as connection:
        upload_id = take_ids(connection, TABLE, 1)
        rows.write_upload(
            connection,
            {
                "id": upload_id,
                "list_key": list_key,
                "name_sealed": keys.seal(name, TABLE, NAME, upload_id),
                "uploaded_by": str(actor),
                "uploaded_at": now,
                "state": UploadState.WAITING,
                "encoding": sample.encoding,
                "separator": sample.separator,
                "lines": sample.lines,
                "moved_at": now,
            },
        )
    chunks = list(sealed_chunks(keys, content, upload_id))
    for first in range(0, len(chunks), _CHUNKS):
        with workspace.store.write(patient=True) as connection:
            rows.write_chunks(connection, upload_id, first, chunks[first : first + _CHUNKS])
    return upload_of(workspace, upload_id)


def upload_of(workspace: Workspace, upload_id: int) -> Upload:
    """Return what is known of an uploaded file.

    Raises:
        UploadGone: when it is not there any more.
    """
    with workspace.store.read() as connection:
        row = rows.find_upload(connection, upload_id)
    if row is None:
        raise UploadGone(upload_id)
    return _upload(workspace, row)


def uploads(workspace: Workspace) -> list[Upload]:
    """Return the files there are, the latest first."""
    with workspace.store.read() as connection:
        found = rows.uploads_of(connection, _MOST_SHOWN)
    return [_upload(workspace, row) for row in found]


def _upload(workspace: Workspace, row: Any) -> Upload:  # noqa: ANN401  (A row.)
    return Upload(
        upload_id=row.id,
        list_key=row.list_key,
        name=workspace.seal_keys.unseal(row.name_sealed, TABLE, NAME, row.id),
        uploaded_by=row.uploaded_by,
        uploaded_at=row.uploaded_at,
        state=row.state,
        encoding=row.encoding,
        separator=row.separator,
        lines=row.lines,
        targets=None if row.targets is None else tuple(row.targets),
        done=row.done,
        moved_at=row.moved_at,
        result=row.result,
        batch=row.batch_id or 0,
    )


def sample_of(workspace: Workspace, upload: Upload) -> Sample:
    """Return the columns of a file with the first cells of each, and what each is likely to be.

    Raises:
        FaultsFound: when its list is gone, or it cannot be read any more.
    """
    definition = workspace.list_of(upload.list_key)
    return look_at(_file(workspace, upload), definition, upload.encoding, upload.separator)


def choose_columns(workspace: Workspace, upload: Upload, targets: Sequence[str]) -> None:
    """Note what each column is; a dry run of before is forgotten.

    Raises:
        FaultsFound: when the file cannot be imported by that.
        UploadGone: when it is being imported, or was.
    """
    sample = sample_of(workspace, upload)
    check_targets(len(sample.columns), targets, workspace.list_of(upload.list_key))
    open_states = (UploadState.WAITING, UploadState.CHECKED, UploadState.FAILED)
    with workspace.store.write() as connection:
        changed = rows.change_upload(
            connection, upload.upload_id, open_states,
            targets=list(targets), state=UploadState.WAITING, result=None,
        )  # fmt: skip
    if not changed:
        raise UploadGone(upload.upload_id)


def begin_check(workspace: Workspace, upload_id: int) -> bool:
    """Claim a file for its dry run; tell whether it is ours. Then call `check`."""
    states = (UploadState.WAITING, UploadState.CHECKED, UploadState.FAILED)
    return _claim(workspace, upload_id, states, UploadState.CHECKING)


def begin_import(workspace: Workspace, actor: Actor, upload_id: int) -> bool:
    """Claim a file that was checked for its import; tell whether it is ours. Then call `bring_in`."""
    upload = upload_of(workspace, upload_id)
    begun = _claim(workspace, upload_id, (UploadState.CHECKED,), UploadState.IMPORTING)
    if begun:
        with workspace.store.write() as connection:
            write_audit(
                connection, actor, AuditAction.IMPORT_STARTED, upload.list_key,
                workspace.clock.now(), upload=upload_id, file=upload.name,
            )  # fmt: skip
    return begun


def _claim(
    workspace: Workspace, upload_id: int, states: Sequence[UploadState], state: UploadState
) -> bool:
    with workspace.store.write() as connection:
        row = rows.find_upload(connection, upload_id)
        if row is None or row.targets is None:
            raise UploadGone(upload_id)
        return rows.claim_upload(connection, upload_id, states, state, workspace.clock.now())


def check(workspace: Workspace, actor: Actor, upload_id: int) -> None:
    """Do the dry run that `begin_check` claimed, to its end; nothing of anybody is written."""
    told = _Told()
    _read(workspace, actor, upload_id, UploadState.CHECKING, UploadState.CHECKED, told)


def bring_in(workspace: Workspace, actor: Actor, upload_id: int) -> None:
    """Do the import that `begin_import` claimed, to its end, and delete the file."""
    done = _read(workspace, actor, upload_id, UploadState.IMPORTING, UploadState.DONE, None)
    if done:
        _drop_content(workspace, upload_id)


def _read(
    workspace: Workspace,
    actor: Actor,
    upload_id: int,
    reading: UploadState,
    then: UploadState,
    told: _Told | None,
) -> bool:
    upload = upload_of(workspace, upload_id)
    result: ImportResult | None = None
    try:
        result = import_file(
            workspace,
            actor,
            _file(workspace, upload),
            workspace.list_of(upload.list_key),
            dry_run=told is not None,
            encoding=upload.encoding,
            separator=upload.separator,
            progress=_progress(workspace, upload_id, reading),
            told=told.take if told else None,
            targets=upload.targets,
        )
    except FaultsFound as found:
        document: dict[str, object] = {
            "faults": [str(one) for one in found.faults],
            "told": [kept_fault(one) for one in found.faults],
        }
    except Exception:
        # Whatever it is, whoever waits for it is to see that it is over.
        _end(workspace, upload_id, reading, UploadState.FAILED, {"faults": []}, 0)
        warn("an uploaded file could not be imported", upload=upload_id)
        raise
    else:
        document = {"result": result.to_document(), "reasons": told.document() if told else []}
    state = then if result is not None else UploadState.FAILED
    _end(workspace, upload_id, reading, state, document, result.batch if result else 0)
    return result is not None


def _end(
    workspace: Workspace,
    upload_id: int,
    reading: UploadState,
    state: UploadState,
    document: dict[str, object],
    batch: int,
) -> None:
    with workspace.store.write() as connection:
        rows.change_upload(
            connection, upload_id, (reading,), state=state, result=document,
            batch_id=batch or None, moved_at=workspace.clock.now(),
        )  # fmt: skip


def _progress(workspace: Workspace, upload_id: int, reading: UploadState) -> ProgressCallback:
    next_at = workspace.clock.now() + _TELL_EVERY

    def tell(done: int, _total: int) -> None:
        nonlocal next_at
        now = workspace.clock.now()
        if now < next_at:
            return
        next_at = now + _TELL_EVERY
        with workspace.store.write(patient=True) as connection:
            rows.change_upload(connection, upload_id, (reading,), done=done, moved_at=now)

    return tell


@dataclass
class _Told:
    """What becomes of the lines, by what and why, with the first of them."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    lines: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def take(self, one: LineTold) -> None:
        """Take note of a line."""
        if not one.reason and one.what in ("added", "updated", "unchanged"):
            return
        key = (one.what, one.reason)
        self.counts[key] += 1
        named = self.lines.setdefault(key, [])
        if len(named) < _LINES_NAMED:
            named.append(one.line)

    def document(self) -> list[dict[str, object]]:
        """Return it as JSON can hold it, what occurs most first."""
        return [
            {
                "what": what,
                "reason": reason,
                "words": to_document(reason),
                "lines": self.lines[what, reason],
                "count": count,
            }
            for (what, reason), count in self.counts.most_common(_REASONS_NAMED)
        ]


def discard(workspace: Workspace, upload_id: int) -> None:
    """Delete a file that nobody reads, and what is known of it."""
    idle = (UploadState.WAITING, UploadState.CHECKED, UploadState.FAILED, UploadState.DONE)
    with workspace.store.write() as connection:
        if not rows.change_upload(connection, upload_id, idle, moved_at=workspace.clock.now()):
            return
    _drop_content(workspace, upload_id)
    with workspace.store.write() as connection:
        rows.drop_upload(connection, upload_id)


def _drop_content(workspace: Workspace, upload_id: int) -> None:
    gone = _CHUNKS
    while gone == _CHUNKS:
        with workspace.store.write(patient=True) as connection:
            gone = rows.drop_chunks(connection, upload_id, _CHUNKS)


def _file(workspace: Workspace, upload: Upload) -> SealedFile:
    return SealedFile(workspace.store, workspace.seal_keys, upload.upload_id, upload.name)
