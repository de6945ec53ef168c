"""Write statements: open a working copy, read and save its files.

In: a workspace, a slug, and a `Writer`, whose rights are looked at here. Out: drafts for a page to show,
saved files, and errors that carry what would have been lost. What becomes of a working copy is told in
`mailer.app.writing_revisions`, of translations in `mailer.app.translating`, of files and pictures in
`mailer.app.writing_files`, of locks in `mailer.app.holding`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace

from mailer.app.holding import HEAD, HeldByAnother, hold_or_refuse, lock_of
from mailer.app.workspace import Workspace
from mailer.app.writing_rights import (
    MayNotWrite,
    Writer,
    may_open,
    require_edition,
    require_statement,
)
from mailer.model.faults import Fault, FaultsFound
from mailer.model.statement import Edition, Revision, StatementKind
from mailer.model.worded import worded
from mailer.statements.collecting import FaultCollector
from mailer.statements.declaration import FILE_NAME, is_slug, parse_declaration
from mailer.statements.drafts import (
    EditionDraft,
    HeadDraft,
    edition_draft,
    head_draft,
    read_edition_draft,
    read_head_draft,
)
from mailer.statements.editions import (
    check_translation,
    edition_name,
    is_edition_tag,
    parse_edition,
    unchecked_edition,
)
from mailer.statements.source import MAX_FILE_BYTES
from mailer.statements.writing import write_edition, write_head
from mailer.store import edition_locks, working
from mailer.store.edition_locks import EditionLock
from mailer.store.engine import Connection
from mailer.store.statements import find_revision, has_slug
from mailer.store.working import NoWorkingCopy, WorkingCopy, WorkingFile


class NotWritten(Exception):
    """A statement that nobody writes: the program makes it by itself."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        super().__init__(
            f'"{slug}" is an issue of a newsletter, which the program makes by itself.'
        )


@dataclass(frozen=True)
class OpenFile:
    """A file of a working copy as its editor is shown it."""

    #: Version to hand back when saving; None where there is no such file yet.
    version: int | None
    #: None as well.
    file: WorkingFile | None
    #: Lines or keys that the form does not hold, and that saving it takes away.
    lost: tuple[str, ...]
    #: What is wrong with it by itself; the checks before a revision see more.
    faults: tuple[Fault, ...]
    #: Who is writing it now; None when nobody is.
    lock: EditionLock | None


@dataclass(frozen=True)
class OpenEdition(OpenFile):
    """An edition to be written."""

    language: str
    draft: EditionDraft


@dataclass(frozen=True)
class OpenHead(OpenFile):
    """`statement.toml` to be written."""

    #: None when the file is no TOML: its text is in `file`, what is wrong in `faults`.
    draft: HeadDraft | None


def open_statement(workspace: Workspace, slug: str, writer: Writer) -> WorkingCopy:
    """Return the working copy of a statement; the first one who asks begins it.

    Raises:
        StatementNotFound: when no statement has that slug.
        NotWritten: when it is an issue of a newsletter.
        MayNotWrite: when they may write none of it.
    """
    if writer.user is not None and not may_open(writer.user):
        raise MayNotWrite(writer.user.login, slug)
    with workspace.store.read() as connection:
        try:
            return working.find_copy(connection, slug)
        except NoWorkingCopy:
            stored = find_revision(connection, slug)
    if stored.revision.kind is StatementKind.NEWSLETTER:
        raise NotWritten(slug)
    files = files_of(stored.revision)
    now = workspace.clock.now()
    try:
        with workspace.store.write() as connection:
            return working.create_copy(
                connection, slug, files, writer.actor, now, based_on=stored.revision_id
            )
    except working.SlugTaken:
        # Somebody else opened it between the two.
        with workspace.store.read() as connection:
            return working.find_copy(connection, slug)


def files_of(revision: Revision) -> dict[str, bytes]:
    """Return a revision as the files of `templates/statements/<slug>/`."""
    files = {FILE_NAME: write_head(head_draft(revision)).encode()}
    for language, edition in revision.editions.items():
        files[edition_name(language)] = write_edition(edition_draft(edition)).encode()
    return files | {name: picture.content for name, picture in revision.pictures.items()}


def new_statement(
    workspace: Workspace,
    slug: str,
    kind: StatementKind,
    source_language: str,
    title: str,
    writer: Writer,
) -> WorkingCopy:
    """Begin a statement that there is not yet: its head, and its source edition with a title.

    Raises:
        FaultsFound: when slug, kind or language cannot be used, each with its field.
        SlugTaken: when there is one.
        MayNotWrite: for all but authors.
    """
    require_statement(writer, "new statements")
    faults = []
    if kind is StatementKind.NEWSLETTER:
        faults.append(Fault("", 0, "kind", "is newsletter", "Its files say what an issue is"))
    if not is_edition_tag(source_language):
        problem = worded('"%(tag)s" is not a language', tag=source_language)
        faults.append(Fault("", 0, "source_language", problem, "Write a tag like en or sr-Latn"))
    if faults:
        raise FaultsFound(faults)
    head = HeadDraft(slug, kind=kind.value, source_language=source_language)
    edition = EditionDraft(title=title, subject=title)
    files = {
        FILE_NAME: write_head(head).encode(),
        edition_name(source_language): write_edition(edition).encode(),
    }
    return begin(workspace, slug, files, writer)


def begin(workspace: Workspace, slug: str, files: dict[str, bytes], writer: Writer) -> WorkingCopy:
    """Begin a working copy of a slug that nothing has yet; raises as `new_statement`."""
    if not is_slug(slug):
        problem = worded('"%(slug)s" cannot stand in an address', slug=slug)
        remedy = "Use lower-case letters, digits and single hyphens, at most 80"
        raise FaultsFound([Fault("", 0, "slug", problem, remedy)])
    # Both would have one page.
    taken = (workspace.config.templates_dir / "newsletters" / slug).is_dir()
    with workspace.store.write() as connection:
        if taken or has_slug(connection, slug):
            raise working.SlugTaken(slug)
        return working.create_copy(connection, slug, files, writer.actor, workspace.clock.now())


def read_edition(workspace: Workspace, slug: str, language: str) -> OpenEdition:
    """Return an edition to be written; one that there is not yet is empty.

    Raises:
        NoWorkingCopy: when the statement was not opened.
        FaultsFound: when that is no language.
    """
    name = edition_name(language)
    with workspace.store.read() as connection:
        working.find_copy(connection, slug)
        file = working.read_file(connection, slug, name)
        source = source_edition(connection, slug)
        lock = lock_of(workspace, connection, slug, language)
    if file is None:
        return OpenEdition(None, None, (), (), lock, language, EditionDraft())
    text = text_of(file)
    found = FaultCollector(name)
    read = parse_edition(text, language, found)
    if read is not None and source is not None:
        source_name = edition_name(source[0].language)
        check_translation(read, source[0], slug, source_name, found)
    draft = read_edition_draft(text)
    return OpenEdition(
        file.version, file, draft.lost, tuple(sorted(found.faults)), lock, language, draft.draft
    )


def read_head(workspace: Workspace, slug: str) -> OpenHead:
    """Return `statement.toml` to be written.

    Raises:
        NoWorkingCopy: when the statement was not opened.
    """
    with workspace.store.read() as connection:
        working.find_copy(connection, slug)
        file = working.read_file(connection, slug, FILE_NAME)
        lock = lock_of(workspace, connection, slug, HEAD)
    if file is None:
        return OpenHead(None, None, (), (), lock, HeadDraft(slug))
    text = text_of(file)
    found = FaultCollector(FILE_NAME)
    parse_declaration(text, slug, found)
    draft = read_head_draft(text)
    lost = draft.lost if draft else ()
    faults = tuple(sorted(found.faults))
    return OpenHead(file.version, file, lost, faults, lock, draft.draft if draft else None)


def save_edition(
    workspace: Workspace,
    slug: str,
    language: str,
    draft: EditionDraft,
    seen: int | None,
    writer: Writer,
) -> WorkingFile:
    """Save an edition over the version that was seen, faults and all; whoever saves holds it on.

    Raises:
        MayNotWrite: when it is not theirs to write.
        Clash: when somebody saved it meanwhile; both texts are in it.
        HeldByAnother: when somebody else is writing it; the text is in it.
        CannotBeWritten: when a field cannot hold what was typed.
        FaultsFound: when that is no language, or the text is too long.
        NoWorkingCopy: when the statement was not opened.
    """
    require_edition(writer, language)
    name = edition_name(language)
    with workspace.store.read() as connection:
        file = working.read_file(connection, slug, name)
        source = source_edition(connection, slug)
    new = None
    if file is not None:
        # Which source it says what that says is changed by marking it, and by nothing else.
        said = read_edition_draft(text_of(file)).draft.translated_from
        draft = replace(draft, translated_from=said)
    elif source is not None and source[0].language != language:
        draft, new = replace(draft, translated_from=source[0].content_hash), source
    return _save(workspace, slug, language, write_edition(draft), seen, writer, new)


def save_head(
    workspace: Workspace, slug: str, draft: HeadDraft, seen: int | None, writer: Writer
) -> WorkingFile:
    """Save `statement.toml` over the version that was seen; raises as `save_edition`."""
    require_statement(writer, FILE_NAME)
    # Its slug is the working copy's: another one would be another statement.
    return _save(workspace, slug, HEAD, write_head(replace(draft, slug=slug)), seen, writer)


def _save(
    workspace: Workspace,
    slug: str,
    language: str,
    text: str,
    seen: int | None,
    writer: Writer,
    source: tuple[Edition, WorkingFile] | None = None,
) -> WorkingFile:
    name = edition_name(language) if language else FILE_NAME
    content = unicodedata.normalize("NFC", text).encode("utf-8", "replace")
    if len(content) > MAX_FILE_BYTES:
        raise FaultsFound([Fault(name, 0, "body", "is larger than 1 MB", "Take a part of it out")])
    with workspace.store.write() as connection:
        hold_or_refuse(workspace, connection, slug, language, content, writer)
        now = workspace.clock.now()
        if source is not None:
            edition, file = source
            working.keep_source(connection, slug, edition.content_hash, file.content, now)
        return working.save_file(connection, slug, name, content, seen, writer.actor, now)


def remove_edition(
    workspace: Workspace, slug: str, language: str, seen: int, writer: Writer
) -> None:
    """Take an edition away; revisions keep it. Raises as `save_edition`; authors only."""
    require_statement(writer, f"the removal of {language}")
    with workspace.store.write() as connection:
        hold_or_refuse(workspace, connection, slug, language, b"", writer)
        now = workspace.clock.now()
        name = edition_name(language)
        working.delete_file(connection, slug, name, seen, writer.actor, now)
        edition_locks.let_go(connection, slug, language)


def discard(workspace: Workspace, slug: str, writer: Writer) -> None:
    """Throw a working copy away with all that was not saved as a revision; authors only."""
    require_statement(writer, slug)
    with workspace.store.write() as connection:
        for lock in edition_locks.edition_locks(connection, slug, workspace.clock.now()):
            if not lock.holder.is_same(writer.holder):
                raise HeldByAnother(lock, b"")
        working.drop_copy(connection, slug)


def source_edition(connection: Connection, slug: str) -> tuple[Edition, WorkingFile] | None:
    """Return the source edition of a working copy with its file; None when it cannot be read."""
    head = working.read_file(connection, slug, FILE_NAME)
    draft = read_head_draft(text_of(head)) if head else None
    if draft is None or not is_edition_tag(draft.draft.source_language):
        return None
    language = draft.draft.source_language
    file = working.read_file(connection, slug, edition_name(language))
    edition = unchecked_edition(text_of(file), language) if file else None
    return (edition, file) if edition is not None and file is not None else None


def text_of(file: WorkingFile) -> str:
    """Return a file's text, as the checks read it."""
    text = file.content.decode("utf-8-sig", "replace")
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
