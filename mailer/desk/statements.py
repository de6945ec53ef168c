"""Statements: their list, beginning one, and the page from which each is written.

In: forms. Out: pages; working copies begun, thrown away, checked. Editions are written in
`mailer.desk.editing`, all that belongs to every edition in `mailer.desk.heads`, revisions are saved and
shown in `mailer.desk.revisions`, files come and go in `mailer.desk.statement_files`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response

from mailer.app.holding import HeldByAnother
from mailer.app.writing import NotWritten, discard, new_statement, open_statement, remove_edition
from mailer.app.writing_files import import_statement
from mailer.app.writing_overview import EditionFacts, Standing, Written, list_written
from mailer.app.writing_revisions import check_copy
from mailer.app.writing_rights import may_open, may_write_edition, may_write_statement
from mailer.desk.ground import Desk
from mailer.desk.mailings import problems_of
from mailer.desk.phrases import mark
from mailer.desk.routes import ALL_STAFF, AUTHORS, WRITERS, Method, Route, Upload
from mailer.desk.visit import Visit
from mailer.desk.writers import (
    language_of,
    refusing,
    said_of_lock,
    statement_of,
    told,
    usable_languages,
    version_of,
    writer_of,
)
from mailer.model.faults import FaultsFound
from mailer.model.statement import StatementKind
from mailer.statements.editions import is_edition_tag
from mailer.statements.languages import language_name
from mailer.statements.writing import CannotBeWritten, one_line
from mailer.store.working import Clash, SlugTaken

#: Statements on one page of the list.
PAGE = 25
#: What an author sends at once; see `mailer.app.writing_files`.
UPLOAD = Upload(most_octets=61_000_000, most_files=200)
KINDS: Mapping[StatementKind, str] = {
    StatementKind.STATEMENT: mark("Statement"),
    StatementKind.APPEAL: mark("Appeal"),
    StatementKind.NEWSLETTER: mark("Newsletter"),
}
STANDINGS: Mapping[Standing, str] = {
    Standing.SOURCE: mark("original"),
    Standing.CURRENT: mark("up to date"),
    Standing.STALE: mark("the original has changed since"),
    Standing.UNMARKED: mark("not compared with the original yet"),
    Standing.MISSING: mark("missing"),
}


@dataclass(frozen=True)
class NewStatement:
    """The form of a new statement as it was filled in."""

    title: str = ""
    slug: str = ""
    kind: str = StatementKind.STATEMENT.value
    source_language: str = ""


class Statements:
    """The routes of statements as such."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        see, change = Method.SEE, Method.CHANGE
        at = "/statements/{slug}"
        return (
            Route(see, "/statements", "statements", self.show_all, ALL_STAFF),
            # Not below /statements: a statement may be called "new".
            Route(see, "/new-statement", "new-statement", self.ask_new, AUTHORS),
            Route(change, "/new-statement", "new-statement", self.make, AUTHORS),
            Route(change, "/new-statement/files", "new-from-files", self.bring, AUTHORS, UPLOAD),
            Route(see, at, "statement", self.show, ALL_STAFF),
            Route(change, f"{at}/open", "open-statement", self.open, WRITERS),
            Route(change, f"{at}/discard", "discard-statement", self.discard, AUTHORS),
            Route(see, f"{at}/checks", "statement-checks", self.check, ALL_STAFF),
            Route(change, f"{at}/editions", "add-edition", self.add, WRITERS),
            Route(
                change, f"{at}/editions/{{language}}/remove", "remove-edition", self.remove, AUTHORS
            ),
        )

    def show_all(self, visit: Visit) -> Response:
        """Show statements by slug, a page of them."""
        found = list_written(self._desk.workspace, visit.query("after"), PAGE + 1)
        return visit.page(
            "statements.html",
            lines=[self._line(visit, one) for one in found[:PAGE]],
            after=found[PAGE - 1].slug if len(found) > PAGE else "",
            can_make=may_write_statement(visit.user),
        )

    def _line(self, visit: Visit, one: Written) -> dict[str, object]:
        return {
            "slug": one.slug,
            "title": one.title,
            "kind": visit.say(KINDS[one.kind]) if one.kind else "",
            "languages": [language_name(tag, visit.language) for tag in one.languages],
            "stale": [language_name(tag, visit.language) for tag in one.stale],
            "latest": one.summary.latest if one.summary else None,
            "has_changes": one.has_changes,
        }

    def ask_new(self, visit: Visit) -> Response:
        """Show the empty form."""
        return self._new_page(visit, NewStatement(source_language=visit.language))

    def make(self, visit: Visit) -> Response:
        """Begin a statement, and go on to its source edition."""
        form = visit.form
        filled = NewStatement(
            one_line(form.lines("title")),
            form.text("slug"),
            form.text("kind"),
            form.text("source_language"),
        )
        kind = next((one for one in KINDS if one.value == filled.kind), StatementKind.STATEMENT)
        if not filled.title:
            return self._new_page(visit, filled, {"title": visit.say("Write a title.")})
        try:
            with refusing(visit):
                new_statement(
                    self._desk.workspace, filled.slug, kind, filled.source_language, filled.title,
                    writer_of(visit),
                )  # fmt: skip
        except FaultsFound as error:
            fields = {name: name for name in vars(filled)}
            return self._new_page(visit, filled, problems_of(visit, error.faults, fields))
        except CannotBeWritten as error:
            return self._new_page(
                visit, filled, {"title": visit.told(error.problem, error.remedy).html}
            )
        except SlugTaken:
            return self._new_page(visit, filled, {"slug": _taken(visit)})
        return visit.go("edition", slug=filled.slug, language=filled.source_language)

    def bring(self, visit: Visit) -> Response:
        """Begin a statement with the files that somebody has of it."""
        sent = visit.form.files.get("files", ())
        blank = NewStatement(source_language=visit.language)
        if not sent:
            return self._new_page(visit, blank, {"files": visit.say("Choose its files.")})
        try:
            with refusing(visit):
                files = {one.name: one.content for one in sent}
                copy = import_statement(self._desk.workspace, files, writer_of(visit))
        except FaultsFound as error:
            return self._new_page(visit, blank, problems_of(visit, error.faults, {"slug": "files"}))
        except SlugTaken:
            return self._new_page(visit, blank, {"files": _taken(visit)})
        return visit.go("statement", said="brought-in", slug=copy.slug)

    def _new_page(
        self, visit: Visit, filled: NewStatement, problems: dict[str, str] | None = None
    ) -> Response:
        if problems and "" in problems:
            # What belongs to no field of the form came with the files.
            problems["files"] = problems.pop("")
        return visit.page(
            "statement_new.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            filled=filled,
            problems=problems or {},
            kinds=[
                (one.value, visit.say(words))
                for one, words in KINDS.items()
                if one is not StatementKind.NEWSLETTER
            ],
            languages=usable_languages(self._desk, visit.language),
        )

    def show(self, visit: Visit) -> Response:
        """Show where a statement stands, and what can be done with it."""
        return self.page(visit)

    def page(self, visit: Visit, problems: Mapping[str, str] | None = None) -> Response:
        """Show a statement, with what could not be done."""
        found = statement_of(visit)
        written = found.written
        there = set(written.languages)
        return visit.page(
            "statement.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            problems=problems or {},
            written=written,
            kind=visit.say(KINDS[written.kind]) if written.kind else "",
            editions=[self._edition(visit, one) for one in written.editions],
            addable=[
                one
                for one in usable_languages(self._desk, visit.language)
                if one[0] not in there and may_write_edition(visit.user, one[0])
            ],
            head_lock=said_of_lock(visit, found.head_lock),
            can_open=may_open(visit.user) and written.kind is not StatementKind.NEWSLETTER,
            can_write=may_write_statement(visit.user),
            revisions=[
                {
                    "number": one.number,
                    "at": visit.shown(one.loaded_at),
                    "by": found.saved_by[one.number].name if one.number in found.saved_by else "",
                    "languages": ", ".join(
                        language_name(tag, visit.language) for tag in one.languages
                    ),
                }
                for one in found.revisions
            ],
            published=visit.shown(written.summary.published_at) if written.summary else "",
        )

    def _edition(self, visit: Visit, one: EditionFacts) -> dict[str, object]:
        return {
            "language": one.language,
            "name": language_name(one.language, visit.language),
            "title": one.title,
            "standing": visit.say(STANDINGS[one.standing]),
            "is_stale": one.standing in (Standing.STALE, Standing.UNMARKED),
            "is_missing": one.standing is Standing.MISSING,
            "is_source": one.standing is Standing.SOURCE,
            "is_whole": one.is_whole,
            "saved": visit.shown(one.file.saved_at) if one.file else "",
            "by": one.file.saved_by.partition(":")[2] if one.file else "",
            "version": one.file.version if one.file else "",
            "lock": said_of_lock(visit, one.lock),
            "can_write": may_write_edition(visit.user, one.language),
        }

    def open(self, visit: Visit) -> Response:
        """Open a statement that there is already, to be written."""
        try:
            with refusing(visit):
                open_statement(self._desk.workspace, visit.path["slug"], writer_of(visit))
        except NotWritten as error:
            raise visit.not_found() from error
        return visit.go("statement", slug=visit.path["slug"])

    def discard(self, visit: Visit) -> Response:
        """Throw away what was not saved as a revision."""
        slug = visit.path["slug"]
        try:
            with refusing(visit):
                discard(self._desk.workspace, slug, writer_of(visit))
        except HeldByAnother as error:
            return self.page(visit, {"": said_of_lock(visit, error.lock)})
        return visit.go("statements", said="dropped")

    def check(self, visit: Visit) -> Response:
        """Show every fault of a working copy, on a page or as a part of one."""
        with refusing(visit):
            checked = check_copy(self._desk.workspace.reread(), visit.path["slug"])
        faults = told(visit, visit.path["slug"], checked.faults)
        template = "_statement_faults.html" if visit.query("part") else "statement_checks.html"
        return visit.page(template, slug=visit.path["slug"], faults=faults)

    def add(self, visit: Visit) -> Response:
        """Go on to the editor of an edition that there is not yet; it is there once it is saved."""
        with refusing(visit):
            statement_of(visit)
        language = visit.form.text("language")
        if not is_edition_tag(language):
            return self.page(visit, {"language": visit.say("Choose a language.")})
        if not may_write_edition(visit.user, language):
            raise visit.forbidden()
        return visit.go("edition", slug=visit.path["slug"], language=language)

    def remove(self, visit: Visit) -> Response:
        """Take an edition away; revisions keep it."""
        language, seen = language_of(visit), version_of(visit)
        try:
            with refusing(visit):
                slug = visit.path["slug"]
                remove_edition(self._desk.workspace, slug, language, seen or 0, writer_of(visit))
        except HeldByAnother as error:
            return self.page(visit, {"": said_of_lock(visit, error.lock)})
        except Clash:
            return visit.go("statement", said="not-any-more", slug=visit.path["slug"])
        return visit.go("statement", said="edition-removed", slug=visit.path["slug"])


def _taken(visit: Visit) -> str:
    return visit.say("There is a statement of that short name already. Choose another.")


__all__ = ["PAGE", "UPLOAD", "Statements"]
