"""Tell translators what changed in the source, and note what a translation was made from.

In: a working copy, see `mailer.app.writing`. Out: the fields of the source edition that differ, word by
word; and `translated_from`, which people who write files by hand write themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mailer.app.holding import hold_or_refuse
from mailer.app.workspace import Workspace
from mailer.app.writing import source_edition, text_of
from mailer.app.writing_rights import Writer, require_edition
from mailer.model.faults import Fault, FaultsFound
from mailer.model.statement import Edition
from mailer.statements.diffing import FieldDiff, edition_diff
from mailer.statements.drafts import read_edition_draft
from mailer.statements.editions import edition_name, unchecked_edition
from mailer.statements.writing import write_edition
from mailer.store import working
from mailer.store.engine import Connection
from mailer.store.statements import find_source_edition
from mailer.store.working import Clash, WorkingFile


@dataclass(frozen=True)
class SourceChanges:
    """What changed in the source edition since a translation was made from it."""

    #: Tag of the source edition.
    source_language: str
    #: Version of the source's file, to hand back when the translation is marked.
    source_version: int
    #: Whether the translation says it was made from the source as it is now.
    up_to_date: bool
    #: Whether the text it was made from is known; without it nothing can be compared.
    known: bool
    fields: tuple[FieldDiff, ...] = ()


def mark_translated(
    workspace: Workspace, slug: str, language: str, seen: int, source_seen: int, writer: Writer
) -> WorkingFile:
    """Say that a translation says what the source edition says as it is now.

    Args:
        workspace: its store.
        slug: of the statement.
        language: tag of the translation.
        seen: version of the translation's file.
        source_seen: version of the source's file that it was compared with.
        writer: in whose name.

    Raises:
        Clash: when either was changed meanwhile.
        FaultsFound: when the source edition cannot be read, or there is no such translation.
        MayNotWrite: when it is not theirs to write.
    """
    require_edition(writer, language)
    name = edition_name(language)
    with workspace.store.read() as connection:
        file = working.read_file(connection, slug, name)
        source = source_edition(connection, slug)
    if source is None or file is None or source[0].language == language:
        raise FaultsFound(
            [Fault(name, 0, "translated_from", "has no source to be marked as translated from",
                   "Write the source edition first")]
        )  # fmt: skip
    edition, source_file = source
    if source_file.version != source_seen:
        raise Clash(source_file.name, source_file, b"")
    draft = replace(read_edition_draft(text_of(file)).draft, translated_from=edition.content_hash)
    content = write_edition(draft).encode()
    with workspace.store.write() as connection:
        hold_or_refuse(workspace, connection, slug, language, content, writer)
        now = workspace.clock.now()
        working.keep_source(connection, slug, edition.content_hash, source_file.content, now)
        return working.save_file(connection, slug, name, content, seen, writer.actor, now)


def source_changes(workspace: Workspace, slug: str, language: str) -> SourceChanges | None:
    """Return what changed in the source since a translation was made; None without a source."""
    with workspace.store.read() as connection:
        source = source_edition(connection, slug)
        file = working.read_file(connection, slug, edition_name(language))
        if source is None or source[0].language == language:
            return None
        now, source_file = source
        said = read_edition_draft(text_of(file)).draft.translated_from if file else ""
        if said and now.content_hash.startswith(said):
            return SourceChanges(now.language, source_file.version, up_to_date=True, known=True)
        before = _source_before(connection, slug, now.language, said) if said else None
    fields = edition_diff(before, now) if before else ()
    return SourceChanges(
        now.language, source_file.version, up_to_date=False, known=before is not None, fields=fields
    )


def _source_before(
    connection: Connection, slug: str, language: str, content_hash: str
) -> Edition | None:
    """Return the source edition of a hash: as it was marked, else as it stands in a revision."""
    kept = working.kept_source(connection, slug, content_hash)
    if kept is not None:
        edition = unchecked_edition(kept.decode(), language)
        if edition is not None:
            return edition
    return find_source_edition(connection, slug, content_hash)
