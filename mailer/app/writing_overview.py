"""Say where statements stand that are written: by the list of them, and edition by edition.

In: a workspace. Out: facts for a page, read from what was saved last. Nothing is checked here, since
checks take seconds: see `mailer.app.writing_revisions`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mailer.app.workspace import Workspace
from mailer.model.audit import AuditAction, AuditFilter
from mailer.model.staff import Actor
from mailer.model.statement import StatementKind
from mailer.statements.declaration import FILE_NAME
from mailer.statements.drafts import EditionDraft, read_edition_draft, read_head_draft
from mailer.statements.editions import content_hash
from mailer.store import working
from mailer.store.audit import EntryUnreadable, entries_before
from mailer.store.edition_locks import EditionLock, edition_locks
from mailer.store.engine import Connection
from mailer.store.statements import RevisionSummary, StatementSummary, list_revisions, summaries_of
from mailer.store.working import FileFacts, NoWorkingCopy, WorkingCopy
from mailer.store.written import slugs_after, texts_of

_SUFFIX = ".md"
#: Nobody saves more revisions of one statement.
_MOST_ENTRIES = 500


class Standing(StrEnum):
    """Where an edition stands against the source edition."""

    #: The source itself.
    SOURCE = "source"
    #: It says that it was made from the source as it is now.
    CURRENT = "current"
    #: The source was changed since.
    STALE = "stale"
    #: It does not say what it was made from, or there is no source.
    UNMARKED = "unmarked"
    #: There is none, and there must be: the source edition.
    MISSING = "missing"


@dataclass(frozen=True)
class EditionFacts:
    """One edition of a working copy, as a list of them shows it."""

    language: str
    standing: Standing
    title: str
    #: Whether title, subject and text are there; what is wrong with them is said by checks.
    is_whole: bool
    #: None for one that is missing.
    file: FileFacts | None
    #: None when nobody is writing it now.
    lock: EditionLock | None = None


@dataclass(frozen=True)
class Written:
    """A statement as a list of them shows it."""

    slug: str
    kind: StatementKind | None
    title: str
    #: None before the first revision.
    summary: StatementSummary | None
    #: None when nobody has opened it to write.
    copy: WorkingCopy | None
    editions: tuple[EditionFacts, ...]
    languages: tuple[str, ...]
    #: Whether there is something written that no revision has.
    has_changes: bool

    @property
    def stale(self) -> tuple[str, ...]:
        """Return the languages of translations that the source has left behind."""
        return tuple(one.language for one in self.editions if one.standing is Standing.STALE)


@dataclass(frozen=True)
class WrittenStatement:
    """A statement as its own page shows it."""

    written: Written
    #: The newest first.
    revisions: tuple[RevisionSummary, ...]
    #: Of `statement.toml`; None when nobody is writing it now.
    head_lock: EditionLock | None
    #: Who saved which revision, as the audit log has it: 3 → "staff:ana".
    saved_by: Mapping[int, Actor]


def list_written(workspace: Workspace, after: str, limit: int) -> tuple[Written, ...]:
    """Return statements in the order of their slugs, those after one."""
    with workspace.store.read() as connection:
        slugs = slugs_after(connection, after, limit)
        summaries = {one.slug: one for one in summaries_of(connection, slugs)}
        copies = {one.slug: one for one in working.list_copies(connection) if one.slug in slugs}
        texts = texts_of(connection, slugs)
    return tuple(
        _written(slug, summaries.get(slug), copies.get(slug), texts.get(slug, {}), {})
        for slug in slugs
    )


def look_at_statement(workspace: Workspace, slug: str) -> WrittenStatement | None:
    """Return where one statement stands; None when there is none of that slug."""
    with workspace.store.read() as connection:
        summary = next(iter(summaries_of(connection, [slug])), None)
        try:
            copy = working.find_copy(connection, slug)
        except NoWorkingCopy:
            copy = None
        if summary is None and copy is None:
            return None
        texts = texts_of(connection, [slug]).get(slug, {})
        now = workspace.clock.now()
        locks = {one.language: one for one in edition_locks(connection, slug, now)}
        revisions = list_revisions(connection, slug)
        saved_by = _saved_by(connection, slug)
    written = _written(slug, summary, copy, texts, locks)
    return WrittenStatement(written, revisions, locks.get(""), saved_by)


def _saved_by(connection: Connection, slug: str) -> dict[int, Actor]:
    """Return who saved which revision first; a log that was tampered with names nobody."""
    wanted = AuditFilter(subject=slug, actions=frozenset({AuditAction.STATEMENT_REVISED}))
    try:
        entries = entries_before(connection, None, _MOST_ENTRIES, wanted)
    except EntryUnreadable:
        return {}
    return {
        number: one.actor for one in entries if isinstance(number := one.facts.get("revision"), int)
    }


def _written(
    slug: str,
    summary: StatementSummary | None,
    copy: WorkingCopy | None,
    texts: Mapping[str, tuple[FileFacts, bytes]],
    locks: Mapping[str, EditionLock],
) -> Written:
    if copy is None:
        kind = summary.kind if summary else None
        title, languages = (summary.title, summary.languages) if summary else ("", ())
        return Written(slug, kind, title, summary, None, (), languages, has_changes=False)
    head = read_head_draft(_text(texts[FILE_NAME][1])) if FILE_NAME in texts else None
    source = head.draft.source_language if head else ""
    editions = edition_facts(source, texts, locks)
    title = next((one.title for one in editions if one.title), summary.title if summary else "")
    kinds = {one.value: one for one in StatementKind}
    kind = kinds.get(head.draft.kind) if head else None
    there = tuple(one.language for one in editions if one.file is not None)
    return Written(slug, kind, title, summary, copy, editions, there, _has_changes(summary, copy))


def edition_facts(
    source: str,
    texts: Mapping[str, tuple[FileFacts, bytes]],
    locks: Mapping[str, EditionLock],
) -> tuple[EditionFacts, ...]:
    """Return the editions among the files of a working copy, the source first, then by tag."""
    drafts = {
        name.removesuffix(_SUFFIX): (facts, read_edition_draft(_text(content)).draft)
        for name, (facts, content) in texts.items()
        if name.endswith(_SUFFIX)
    }
    known = drafts.get(source)
    hashed = _hash(known[1]) if known else ""
    found = [] if known or not source else [_missing(source, locks)]
    for language in sorted(drafts, key=lambda one: (one != source, one)):
        facts, draft = drafts[language]
        if language == source:
            standing = Standing.SOURCE
        elif not draft.translated_from or not hashed:
            standing = Standing.UNMARKED
        elif hashed.startswith(draft.translated_from):
            standing = Standing.CURRENT
        else:
            standing = Standing.STALE
        whole = bool(draft.title and draft.subject and draft.body.strip())
        lock = locks.get(language)
        found.append(EditionFacts(language, standing, draft.title, whole, facts, lock))
    return tuple(found)


def _missing(language: str, locks: Mapping[str, EditionLock]) -> EditionFacts:
    return EditionFacts(language, Standing.MISSING, "", False, None, locks.get(language))


def _hash(draft: EditionDraft) -> str:
    return content_hash(draft.title, draft.subject, draft.preheader, draft.body)


def _text(content: bytes) -> str:
    text = content.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", text)


def _has_changes(summary: StatementSummary | None, copy: WorkingCopy) -> bool:
    if summary is None or copy.based_on_number is None:
        return True
    # Saving a revision is no change of the working copy, and opening one neither.
    return copy.updated_at > max(copy.created_at, summary.loaded_at)
