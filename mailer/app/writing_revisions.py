"""Make revisions of what was written: check a working copy, save it, list and compare what was saved.

In: a working copy, see `mailer.app.writing`. Out: a revision, stored once and never changed, or every
fault with file, line and field; and what differs between two revisions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from mailer.app.checking import check_statement_folder
from mailer.app.workspace import Workspace
from mailer.app.writing_rights import Writer, require_statement
from mailer.model.audit import AuditAction
from mailer.model.faults import Fault, Severity, errors_in
from mailer.model.statement import Picture, Revision, StoredRevision
from mailer.statements.diffing import RevisionDiff, revision_diff
from mailer.statements.pictures import UnusablePicture, is_picture_name, known_picture
from mailer.store import working
from mailer.store.audit import write_audit
from mailer.store.statements import (
    RevisionSummary,
    StatementNotFound,
    find_revision,
    list_revisions,
    save_revision,
)
from mailer.store.working import WorkingCopy, WorkingFile


class NotSaved(Exception):
    """A working copy that has errors is saved as no revision; carries all of its faults."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))


class RevisionMeanwhile(Exception):
    """A newer revision than the one that the working copy is based on was loaded meanwhile."""

    def __init__(self, slug: str, number: int, loaded_at: datetime) -> None:
        self.slug = slug
        self.number = number
        self.loaded_at = loaded_at
        super().__init__(
            f"Revision {number} of {slug} was loaded meanwhile. See what differs, then save over it."
        )


@dataclass(frozen=True)
class CheckedCopy:
    """A working copy as all checks see it; faults name its files by their bare names."""

    #: None as long as anything stops the work.
    revision: Revision | None
    faults: tuple[Fault, ...]
    #: What was checked: name → version.
    versions: Mapping[str, int]


@dataclass(frozen=True)
class SavedRevision:
    """What saving came to."""

    stored: StoredRevision
    #: Whether these very words were stored before.
    already_stored: bool
    #: Warnings.
    faults: tuple[Fault, ...]


def check_copy(workspace: Workspace, slug: str) -> CheckedCopy:
    """Check a working copy as files are checked: as text, and each edition as a mail.

    Raises:
        NoWorkingCopy: when the statement was not opened.
    """
    with workspace.store.read() as connection:
        working.find_copy(connection, slug)
        files = working.read_files(connection, slug)
    return _checked(workspace, slug, files)


def _checked(workspace: Workspace, slug: str, files: Mapping[str, WorkingFile]) -> CheckedCopy:
    pictures, faults = _pictures(files)
    # For its owner alone, as mkdtemp makes them, and gone when it was read.
    with tempfile.TemporaryDirectory(prefix="mailer-statement-") as place:
        folder = Path(place) / slug
        folder.mkdir(mode=0o700)
        for name, file in files.items():
            if not is_picture_name(name):
                (folder / name).write_bytes(file.content)
        revision, found = check_statement_folder(workspace, folder, encoded=pictures)
    faults += [_bare(fault, slug, files) for fault in found]
    faults += _unused(revision, pictures)
    return CheckedCopy(
        None if errors_in(faults) else revision,
        tuple(sorted(set(faults))),
        {name: file.version for name, file in files.items()},
    )


def _pictures(files: Mapping[str, WorkingFile]) -> tuple[dict[str, Picture], list[Fault]]:
    pictures: dict[str, Picture] = {}
    faults: list[Fault] = []
    for name, file in files.items():
        if is_picture_name(name):
            try:
                pictures[name] = known_picture(name, file.content)
            except UnusablePicture as error:
                faults.append(Fault(name, 0, "picture", error.problem, error.remedy))
    return pictures, faults


def _bare(fault: Fault, slug: str, files: Mapping[str, WorkingFile]) -> Fault:
    """Return a fault that names a file of the working copy as its writers know it."""
    folder, _, name = fault.file.rpartition("/")
    ours = folder.rpartition("/")[2] == slug
    known = name in files or name == "statement.toml"
    return replace(fault, file=name) if ours and known else fault


def _unused(revision: Revision | None, pictures: Mapping[str, Picture]) -> list[Fault]:
    if revision is None:
        return []
    return [
        Fault(name, 0, "picture", "stands in no edition", "Name it in a text, or take it away",
              severity=Severity.WARNING)
        for name in pictures
        if name not in revision.pictures
    ]  # fmt: skip


def save_as_revision(
    workspace: Workspace, slug: str, writer: Writer, *, over: int | None = None
) -> SavedRevision:
    """Save a working copy as a revision, when nothing in it is wrong; nothing public changes.

    Args:
        workspace: its store, catalogs, mail templates and lists.
        slug: of the statement.
        writer: in whose name; authors only.
        over: number of a newer revision that the person has seen and means to go over.

    Raises:
        NotSaved: with every fault.
        RevisionMeanwhile: when a newer revision was loaded that they have not seen.
        MayNotWrite: for all but authors.
        NoWorkingCopy: when the statement was not opened.
    """
    require_statement(writer, "revisions")
    with workspace.store.read() as connection:
        copy = working.find_copy(connection, slug)
        files = working.read_files(connection, slug)
    _refuse_newer(workspace, copy, over)
    checked = _checked(workspace, slug, files)
    if checked.revision is None:
        raise NotSaved(checked.faults)
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        # Locked first, so that of two who save at once the second sees what the first did.
        _refuse_newer(workspace, working.lock_copy(connection, slug), over)
        stored = save_revision(connection, checked.revision, now)
        working.rebase_copy(connection, slug, stored.revision_id)
        known = stored.loaded_at != now
        write_audit(
            connection, writer.actor, AuditAction.STATEMENT_REVISED, slug, now,
            revision=stored.number, digest=stored.revision.digest,
            languages=list(stored.revision.languages),
        )  # fmt: skip
    return SavedRevision(stored, known, checked.faults)


def _refuse_newer(workspace: Workspace, copy: WorkingCopy, over: int | None) -> None:
    latest = copy.latest_number
    if latest is None or latest in (copy.based_on_number, over):
        return
    revisions = {one.number: one for one in revisions_of(workspace, copy.slug)}
    raise RevisionMeanwhile(copy.slug, latest, revisions[latest].loaded_at)


def revisions_of(workspace: Workspace, slug: str) -> tuple[RevisionSummary, ...]:
    """Return the revisions of a statement, the newest first."""
    with workspace.store.read() as connection:
        return list_revisions(connection, slug)


def compare_revisions(workspace: Workspace, slug: str, before: int, after: int) -> RevisionDiff:
    """Return what differs between two revisions, by their numbers.

    Raises:
        StatementNotFound: when there is no such revision.
    """
    with workspace.store.read() as connection:
        old = find_revision(connection, slug, before).revision
        new = find_revision(connection, slug, after).revision
    return revision_diff(old, new)


def compare_copy(workspace: Workspace, slug: str) -> RevisionDiff | None:
    """Return what differs between the latest revision and the working copy.

    Returns:
        None as long as the working copy has errors, or nothing was saved yet.
    """
    checked = check_copy(workspace, slug)
    if checked.revision is None:
        return None
    try:
        with workspace.store.read() as connection:
            latest = find_revision(connection, slug).revision
    except StatementNotFound:
        return None
    return revision_diff(latest, checked.revision)
