"""The editor of an edition: write it, keep it while one writes, translate beside the source.

In: forms, and what a small program of ours sends by itself. Out: saved editions; or both texts, theirs and
ours, where somebody was faster. Nothing that was typed is lost by any answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import JSONResponse, Response

from mailer.app.holding import HeldByAnother, let_go
from mailer.app.translating import mark_translated, source_changes
from mailer.app.workspace import Workspace
from mailer.app.writing import OpenEdition, read_edition, read_head, save_edition, text_of
from mailer.app.writing_rights import may_write_edition
from mailer.desk.faults import plain
from mailer.desk.ground import Desk
from mailer.desk.routes import ADMINISTRATORS, WRITERS, Method, Route
from mailer.desk.visit import Visit
from mailer.desk.writers import (
    by_field,
    draft_of,
    language_of,
    refusing,
    said_of_lock,
    version_of,
    writer_of,
)
from mailer.model.faults import FaultsFound
from mailer.statements.diffing import EDITION_FIELDS, FieldDiff, text_diff
from mailer.statements.drafts import EditionDraft, read_edition_draft
from mailer.statements.editions import is_edition_tag
from mailer.statements.languages import language_name
from mailer.statements.pictures import is_picture_name
from mailer.statements.writing import CannotBeWritten
from mailer.store import working
from mailer.store.working import Clash, WorkingFile


@dataclass(frozen=True)
class Refused:
    """Why an edition was not saved, for the person and for the program that keeps it."""

    problems: Mapping[str, str]
    #: The version that stands there now, where somebody was faster.
    theirs: WorkingFile | None = None
    is_clash: bool = False


class Editing:
    """The routes of the editor."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        at = "/statements/{slug}/editions/{language}"
        change, enders = Method.CHANGE, WRITERS | ADMINISTRATORS
        return (
            Route(Method.SEE, at, "edition", self.show, WRITERS),
            Route(change, at, "edition", self.save, WRITERS),
            Route(change, f"{at}/keep", "keep-edition", self.keep, WRITERS),
            Route(change, f"{at}/let-go", "let-go-edition", self.let_go, enders),
            Route(change, f"{at}/mark", "mark-translated", self.mark, WRITERS),
        )

    @property
    def _workspace(self) -> Workspace:
        return self._desk.workspace

    def show(self, visit: Visit) -> Response:
        """Show the editor as the edition was saved last."""
        return self._page(visit)

    def save(self, visit: Visit) -> Response:
        """Save an edition, faults and all."""
        refused = self._save(visit)
        if isinstance(refused, Refused):
            return self._page(visit, draft_of(visit), refused)
        language, slug = language_of(visit), visit.path["slug"]
        return visit.go("edition", said="saved", slug=slug, language=language)

    def keep(self, visit: Visit) -> Response:
        """Save an edition while it is being written; answer with its version, or why it was not."""
        saved = self._save(visit)
        if isinstance(saved, Refused):
            words = " ".join(map(plain, saved.problems.values()))
            return JSONResponse({"problem": words}, HTTPStatus.CONFLICT)
        return JSONResponse({"version": saved.version})

    def _save(self, visit: Visit) -> WorkingFile | Refused:
        slug, language = visit.path["slug"], language_of(visit)
        try:
            with refusing(visit):
                return save_edition(
                    self._workspace, slug, language, draft_of(visit), version_of(visit),
                    writer_of(visit),
                )  # fmt: skip
        except CannotBeWritten as error:
            return Refused({error.field: visit.told(error.problem, error.remedy).html})
        except FaultsFound as error:
            return Refused(dict(by_field(visit, error.faults)))
        except HeldByAnother as error:
            words = said_of_lock(visit, error.lock)
            return Refused({"": words + " " + visit.say("What you wrote is not saved.")})
        except Clash as error:
            by = error.theirs.saved_by.partition(":")[2] if error.theirs else ""
            words = visit.say(
                "%(name)s saved this meanwhile. What you wrote stands below and is not saved: "
                "saving it now goes over theirs.",
                name=by,
            )
            return Refused({"": words}, error.theirs, is_clash=True)

    def let_go(self, visit: Visit) -> Response:
        """Let go of an edition, so that another may write it."""
        slug, language = visit.path["slug"], language_of(visit)
        with refusing(visit):
            let_go(self._workspace, slug, language, writer_of(visit))
        if not may_write_edition(visit.user, language):
            return visit.go("statement", slug=slug)
        return visit.go("edition", slug=slug, language=language)

    def mark(self, visit: Visit) -> Response:
        """Say that a translation says what the source says as it is now."""
        slug, language = visit.path["slug"], language_of(visit)
        seen, source_seen = version_of(visit), version_of(visit, "source_seen")
        try:
            with refusing(visit):
                mark_translated(
                    self._workspace, slug, language, seen or 0, source_seen or 0, writer_of(visit)
                )
        except (Clash, FaultsFound):
            return visit.go("edition", said="not-any-more", slug=slug, language=language)
        except HeldByAnother as error:
            return self._page(visit, None, Refused({"": said_of_lock(visit, error.lock)}))
        return visit.go("edition", said="saved", slug=slug, language=language)

    def _page(
        self, visit: Visit, draft: EditionDraft | None = None, refused: Refused | None = None
    ) -> Response:
        slug, language = visit.path["slug"], language_of(visit)
        if not may_write_edition(visit.user, language):
            raise visit.forbidden()
        with refusing(visit):
            opened = read_edition(self._workspace, slug, language)
        seen = opened.version
        if refused is not None and refused.is_clash:
            # Only who was shown what stands there now may go over it.
            seen = refused.theirs.version if refused.theirs else None
        elif draft is not None:
            seen = version_of(visit)
        values = self._values(visit, opened, draft, refused)
        return visit.page(
            "edition.html",
            HTTPStatus.OK
            if refused is None
            else HTTPStatus.CONFLICT
            if refused.is_clash
            else HTTPStatus.UNPROCESSABLE_ENTITY,
            slug=slug,
            edition_language=language,
            edition_name=language_name(language, visit.language),
            problems=refused.problems if refused else {},
            notes=refused.problems if refused else by_field(visit, opened.faults),
            seen=seen if seen is not None else "",
            **values,
            **self._source(slug, language),
        )

    def _values(
        self,
        visit: Visit,
        opened: OpenEdition,
        draft: EditionDraft | None,
        refused: Refused | None,
    ) -> dict[str, object]:
        lock, theirs = opened.lock, refused.theirs if refused else None
        ours = theirs_diff(theirs, draft) if theirs and draft else ()
        with self._desk.store.read() as connection:
            facts = working.file_facts(connection, visit.path["slug"])
        held = said_of_lock(visit, lock)
        mine = lock is not None and lock.holder.user_id == visit.user.user_id
        return {
            "draft": draft or opened.draft,
            "is_there": opened.file is not None,
            "lost": () if draft else opened.lost,
            "held": held,
            "holds": lock is not None and not held,
            "may_let_go": mine or visit.may(*ADMINISTRATORS),
            # What was typed stays where it can be changed, even while it cannot be saved.
            "is_fixed": bool(held) and draft is None,
            "against_theirs": ours,
            "pictures": [one.name for one in facts if is_picture_name(one.name)],
            "can_add_pictures": may_write_edition(visit.user, ""),
        }

    def _source(self, slug: str, language: str) -> dict[str, object]:
        """Return the source beside a translation, and what changed in it since."""
        head = read_head(self._workspace, slug).draft
        source = head.source_language if head else ""
        if not is_edition_tag(source) or source == language:
            return {"source": None, "source_language": source, "changes": None}
        opened = read_edition(self._workspace, slug, source)
        return {
            "source": opened.draft,
            "source_language": source,
            "changes": source_changes(self._workspace, slug, language),
        }


def theirs_diff(theirs: WorkingFile, ours: EditionDraft) -> tuple[FieldDiff, ...]:
    """Return what saving ours would change in theirs, field by field."""
    there = read_edition_draft(text_of(theirs)).draft
    return tuple(
        FieldDiff(name, text_diff(getattr(there, name), getattr(ours, name)))
        for name in EDITION_FIELDS
        if getattr(there, name) != getattr(ours, name)
    )
