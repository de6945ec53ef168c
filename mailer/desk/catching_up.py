"""Make a mailing to those who had no edition when a statement went out.

In: a mailing that is over. Out: a page that says whom an edition was missing for, and a draft to exactly
those. How many of them would have one now is counted on the draft's own page.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from starlette.responses import Response

from mailer.app.catching_up import CatchingUp, catching_up
from mailer.app.planning import make_plan
from mailer.app.scheduling import make_draft
from mailer.desk.faults import joined
from mailer.desk.ground import Desk
from mailer.desk.mailings import mailing_of, problems_of
from mailer.desk.routes import MAKERS, Method, Route
from mailer.desk.visit import Visit
from mailer.model.faults import FaultsFound
from mailer.statements.languages import language_name

#: Faults are about the mailing whose page it is, and need not say so.
_FIELDS = {"mailing": "mailing"}


class CatchUp:
    """The routes of catching up."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        path = "/mailings/{key}/catch-up"
        return (
            Route(Method.SEE, path, "catch-up", self.ask, MAKERS),
            Route(Method.CHANGE, path, "catch-up", self.make, MAKERS),
        )

    def ask(self, visit: Visit) -> Response:
        """Say whom an edition was missing for."""
        return self._page(visit)

    def _page(self, visit: Visit, problems: dict[str, str] | None = None) -> Response:
        mailing = mailing_of(visit)
        found: CatchingUp | None = None
        problem = ""
        try:
            found = catching_up(self._desk.workspace.reread(), mailing)
        except FaultsFound as error:
            problem = joined(problems_of(visit, error.faults, _FIELDS).values())
        return visit.page(
            "catch_up.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            mailing=mailing,
            found=found,
            problem=problem,
            problems=problems or {},
            added=[language_name(tag, visit.language) for tag in found.added] if found else [],
        )

    def make(self, visit: Visit) -> Response:
        """Make the draft."""
        mailing, workspace = mailing_of(visit), self._desk.workspace.reread()
        try:
            found = catching_up(workspace, mailing, with_fallback=visit.form.has("with_fallback"))
            plan = make_plan(workspace, found.wish, counted=False)
            made = make_draft(workspace, visit.actor, plan)
        except FaultsFound as error:
            return self._page(
                visit, {"": joined(problems_of(visit, error.faults, _FIELDS).values())}
            )
        return visit.go("mailing", key=made.key)
