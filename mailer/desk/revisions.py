"""Revisions of a statement: save one, see what differs between two, and what the public sees of them.

In: forms. Out: revisions stored for good, pages, and what the public pages make of a statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from starlette.responses import Response

from mailer.app.publishing import GoneUntilThen, IsWithdrawn, publish, set_visibility
from mailer.app.writing_revisions import (
    NotSaved,
    RevisionMeanwhile,
    compare_copy,
    compare_revisions,
    save_as_revision,
)
from mailer.desk.ground import Desk
from mailer.desk.routes import ALL_STAFF, AUTHORS, Method, Route
from mailer.desk.statements import Statements
from mailer.desk.visit import Visit
from mailer.desk.writers import refusing, statement_of, told, version_of, writer_of
from mailer.model.statement import Visibility
from mailer.statements.diffing import EditionDiff, RevisionDiff
from mailer.statements.languages import language_name
from mailer.store.statements import StatementNotFound


class Revisions:
    """The routes of revisions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._statements = Statements(desk)

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        at = "/statements/{slug}"
        change = Method.CHANGE
        return (
            Route(change, f"{at}/revisions", "save-revision", self.save, AUTHORS),
            Route(Method.SEE, f"{at}/compare", "compare-statement", self.compare, ALL_STAFF),
            Route(change, f"{at}/publish", "publish-statement", self.publish, AUTHORS),
            Route(change, f"{at}/visibility", "statement-visibility", self.set_visibility, AUTHORS),
        )

    def save(self, visit: Visit) -> Response:
        """Save what is being written as a revision, or show every fault that keeps it from being one."""
        slug, over = visit.path["slug"], version_of(visit, "over")
        try:
            with refusing(visit):
                saved = save_as_revision(
                    self._desk.workspace.reread(), slug, writer_of(visit), over=over
                )
        except NotSaved as error:
            return visit.page(
                "statement_not_saved.html",
                HTTPStatus.UNPROCESSABLE_ENTITY,
                slug=slug,
                faults=told(visit, slug, error.faults),
            )
        except RevisionMeanwhile as error:
            return visit.page(
                "statement_meanwhile.html",
                HTTPStatus.CONFLICT,
                slug=slug,
                newer=error.number,
                at=visit.shown(error.loaded_at),
            )
        said = "revision-known" if saved.already_stored else "revision-saved"
        return visit.go("statement", said=said, place="revisions", slug=slug)

    def compare(self, visit: Visit) -> Response:
        """Show what differs between two revisions, or between one and what is being written."""
        found = statement_of(visit)
        slug = visit.path["slug"]
        before, after = visit.query("before"), visit.query("after")
        if not _is_number(before) or not (_is_number(after) or not after):
            raise visit.not_found()
        numbers = [one.number for one in found.revisions]
        difference: RevisionDiff | None
        with refusing(visit):
            if after:
                difference = compare_revisions(self._desk.workspace, slug, int(before), int(after))
            elif numbers and int(before) == numbers[0]:
                difference = compare_copy(self._desk.workspace.reread(), slug)
            else:
                raise visit.not_found()
        return visit.page(
            "statement_compare.html",
            slug=slug,
            numbers=numbers,
            before=int(before),
            after=int(after) if after else None,
            difference=difference,
            editions=[_edition(visit, one) for one in difference.editions] if difference else [],
        )

    def publish(self, visit: Visit) -> Response:
        """Fix the revision that the public page shows."""
        slug, number = visit.path["slug"], version_of(visit, "number")
        try:
            with refusing(visit):
                done = publish(self._desk.workspace, visit.actor, slug, number)
        except IsWithdrawn:
            return visit.go("statement", said="not-any-more", slug=slug)
        except GoneUntilThen as error:
            words = visit.say(
                "It is public now. By this revision it would be gone until %(hour)s: "
                "change that hour first.",
                hour=visit.shown(error.at),
            )
            return self._statements.page(visit, {"number": words})
        said = "to-be-public" if done.is_planned else "made-public"
        return visit.go("statement", said=said, place="public", slug=slug)

    def set_visibility(self, visit: Visit) -> Response:
        """List a statement, take it off the list, or withdraw it."""
        slug = visit.path["slug"]
        wanted = {one.value: one for one in Visibility}.get(visit.form.text("visibility"))
        corrected_by = visit.form.text("corrected_by")
        if wanted is None:
            raise visit.not_found()
        try:
            set_visibility(self._desk.workspace, visit.actor, slug, wanted, corrected_by)
        except StatementNotFound as error:
            if error.slug == slug:
                raise visit.not_found() from error
            words = visit.say("There is no statement of that short name.")
            return self._statements.page(visit, {"corrected_by": words})
        return visit.go("statement", said="saved", place="public", slug=slug)


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 10


def _edition(visit: Visit, one: EditionDiff) -> dict[str, object]:
    return {**vars(one), "name": language_name(one.language, visit.language)}
