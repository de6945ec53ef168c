"""Tell what became of a mailing by saved segment.

In: a mailing. Out: a part of its report, fetched apart since looking a million people up takes seconds, or
the same as a page of its own; and as partner organisations may see it.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from mailer.app.segment_report import segment_report
from mailer.desk.ground import Desk
from mailer.desk.mailings import mailing_of
from mailer.desk.reports import shown_table
from mailer.desk.routes import ALL_STAFF, MAKERS, Method, Route
from mailer.desk.visit import Visit
from mailer.model.faults import FaultsFound


class ReportSegments:
    """The route of a report by segment."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        path = "/mailings/{key}/report/segments"
        return (Route(Method.SEE, path, "report-segments", self.show, ALL_STAFF),)

    def show(self, visit: Visit) -> Response:
        """Count, and show what came out."""
        mailing, for_partners = mailing_of(visit), visit.query("for") == "partners"
        table, found, problem = None, None, ""
        try:
            found = segment_report(self._desk.workspace.reread(), mailing)
            table = found.for_partners() if for_partners else found.table
        except FaultsFound as error:
            problem = " ".join(f"{one.problem}. {one.remedy}" for one in error.faults)
        return visit.page(
            "_segments.html" if visit.query("part") else "mailing_segments.html",
            mailing=mailing,
            problem=problem,
            for_partners=for_partners,
            found=found,
            tables=[shown_table(visit, table, found.names)]
            if found and table and table.rows and table.columns
            else [],
            may_export=visit.may(*MAKERS),
        )
