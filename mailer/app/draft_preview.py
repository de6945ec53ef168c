"""Show an edition as a mail while it is being written: what the composer would make of it now.

In: a working copy, a language, and what stands in the editor. Out: a mail to an invented reader, made by
what makes every mail; or the faults that keep it from being made. Nothing is stored.
"""

from __future__ import annotations

from dataclasses import replace

from mailer.app.preview import READER_ADDRESS, Preview, invented_reader
from mailer.app.workspace import Workspace
from mailer.app.writing import text_of
from mailer.compose.composer import CannotCompose, MailingComposer
from mailer.compose.design import read_design
from mailer.model.audience import LanguageChoice, LanguageStep
from mailer.model.faults import Fault, FaultsFound
from mailer.model.statement import Edition, Picture, Revision, StatementKind
from mailer.model.worded import worded
from mailer.statements.body_checks import check_body
from mailer.statements.collecting import FaultCollector
from mailer.statements.declaration import FILE_NAME, Declaration, parse_declaration
from mailer.statements.drafts import EditionDraft, read_edition_draft
from mailer.statements.editions import edition_name
from mailer.statements.pictures import UnusablePicture, is_picture_name, known_picture
from mailer.store import working
from mailer.store.working import WorkingFile

#: Stands where a mail must have something and nothing was written yet.
_NOTHING_YET = "…"


def preview_draft(
    workspace: Workspace, slug: str, language: str, draft: EditionDraft | None = None
) -> Preview:
    """Compose the mail that an edition of a working copy would be.

    Args:
        workspace: its mail templates, lists, senders and keys.
        slug: of the statement.
        language: tag of the edition.
        draft: what stands in the editor; None for what was saved last.

    Raises:
        FaultsFound: when no mail can be made of it as it is.
        NoWorkingCopy: when the statement was not opened.
    """
    with workspace.store.read() as connection:
        working.find_copy(connection, slug)
        files = working.read_files(connection, slug)
    if draft is None:
        file = files.get(edition_name(language))
        draft = read_edition_draft(text_of(file)).draft if file else EditionDraft()
    revision = _revision(slug, language, draft, files)
    definition = next(iter(workspace.lists[0].values()), None)
    sender = workspace.config.sender(definition.sender) if definition else None
    if definition is None or sender is None:
        problem = "there is no list yet, and so nobody it could come from"
        raise FaultsFound([Fault("", 0, "", problem, "Make a list first")])
    design = read_design(workspace.config.templates_dir, revision.kind, workspace.catalogs)
    # Not signed: nobody is sent it.
    composer = MailingComposer(revision, design, sender, [definition], workspace.tokens, ())
    choice = LanguageChoice(language, LanguageStep.FIRST, language)
    reader = invented_reader(READER_ADDRESS, definition.key, choice)
    try:
        return Preview(composer.compose(reader, workspace.clock.now()).content, choice)
    except CannotCompose as error:
        raise FaultsFound([Fault(edition_name(language), 0, "", error.problem)]) from error


def _revision(
    slug: str, language: str, draft: EditionDraft, files: dict[str, WorkingFile]
) -> Revision:
    head = files.get(FILE_NAME)
    said = parse_declaration(text_of(head), slug, FaultCollector("")) if head else None
    edition = Edition(
        language=language,
        title=draft.title or _NOTHING_YET,
        subject=draft.subject or draft.title or _NOTHING_YET,
        preheader=draft.preheader,
        discreet_subject=draft.discreet_subject,
        discreet_preheader=draft.discreet_preheader,
        translated_from="",
        body=draft.body.strip() or _NOTHING_YET,
        content_hash="",
    )
    bare = Revision(
        slug, StatementKind.STATEMENT, language, None, (), (), (), (), False, {language: edition}
    )
    revision = replace(bare, pictures=_pictures(edition, files))
    return _with_head(revision, said) if said is not None else revision


def _with_head(revision: Revision, said: Declaration) -> Revision:
    return replace(
        revision,
        kind=said.kind,
        published=said.published,
        supports=said.supports,
        hashtags=said.hashtags,
        related=said.related,
        signatories=said.signatories,
        and_others=said.and_others,
        appeal=said.appeal,
        topics=said.topics,
    )


def _pictures(edition: Edition, files: dict[str, WorkingFile]) -> dict[str, Picture]:
    """Return the pictures that a text names.

    Raises:
        FaultsFound: when one of them is not there.
    """
    pictures: dict[str, Picture] = {}
    faults: list[Fault] = []
    name = edition_name(edition.language)
    for use in check_body(edition.body, 1, edition.language, FaultCollector("")):
        file = files.get(use.name) if is_picture_name(use.name) else None
        if file is None:
            problem = worded('there is no picture "%(name)s"', name=use.name)
            faults.append(Fault(name, use.line, "picture", problem, "Add it, or mend the name"))
            continue
        try:
            pictures[use.name] = known_picture(use.name, file.content)
        except UnusablePicture as error:
            faults.append(Fault(name, use.line, "picture", error.problem, error.remedy))
    if faults:
        raise FaultsFound(faults)
    return pictures
