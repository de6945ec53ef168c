"""Say how many would get a mailing that has no hour yet, and in which language.

In: a mailing that waits. Out: a part of a page, fetched apart since counting a million takes a second
or two, or the same as a page of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from mailer.app.planning import Plan, plan_draft
from mailer.desk.faults import joined
from mailer.desk.ground import Desk
from mailer.desk.mailings import mailing_of
from mailer.desk.routes import ALL_STAFF, Method, Route
from mailer.desk.visit import Visit
from mailer.desk.words import skip_reason
from mailer.model.faults import FaultsFound
from mailer.model.states import ForbiddenTransition
from mailer.statements.languages import language_name


class Counting:
    """The route of counting."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        return (Route(Method.SEE, "/mailings/{key}/count", "mailing-count", self.count, ALL_STAFF),)

    def count(self, visit: Visit) -> Response:
        """Count, and show what came out."""
        mailing = mailing_of(visit)
        plan, problem = None, ""
        try:
            plan = plan_draft(self._desk.workspace.reread(), mailing)
        except FaultsFound as error:
            problem = joined(visit.fault(one).html for one in error.faults)
        except ForbiddenTransition:
            return visit.go("mailing", key=mailing.key)
        template = "_count.html" if visit.query("part") else "mailing_count.html"
        return visit.page(
            template, mailing=mailing, problem=problem, counted=counted(visit, plan) if plan else {}
        )


def counted(visit: Visit, plan: Plan) -> dict[str, object]:
    """Return the figures of a plan as pages show them."""
    covered = plan.coverage
    by_language = sorted(covered.by_language.items(), key=lambda pair: -pair[1])
    return {
        "count": plan.count,
        "first": covered.first,
        "later": covered.later,
        "fallback": covered.fallback,
        "expired": plan.expired,
        "not_mailed": [
            (skip_reason(visit, reason), count)
            for reason, count in sorted(covered.not_mailed.items())
            if count
        ],
        "by_language": [(language_name(tag, visit.language), count) for tag, count in by_language],
        "missing": [(language_name(tag, visit.language), count) for tag, count in covered.missing],
    }
