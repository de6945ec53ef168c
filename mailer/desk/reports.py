"""Tell what became of a mailing: figures, pictures that read without color, and files of them.

In: a mailing. Out: a page, the same for printing, CSV and JSON; and each of them as partner
organisations may see it, with small counts hidden. Nothing is known of opens and clicks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from markupsafe import Markup
from starlette.responses import Response

from mailer.app.reporting import (
    STATES,
    MailingReport,
    as_csv,
    as_document,
    note_export,
    report_of,
)
from mailer.app.segment_report import NAME as SEGMENT
from mailer.app.segment_report import segment_report
from mailer.app.small_counts import FigureTable, Hidden
from mailer.audience.segments import saved_segments
from mailer.desk.charts import Bar, Line, Words, bars, lines_over_time
from mailer.desk.ground import Desk
from mailer.desk.mailings import list_names, mailing_of
from mailer.desk.phrases import mark
from mailer.desk.routes import ALL_STAFF, MAKERS, Method, Route
from mailer.desk.visit import Visit
from mailer.desk.words import DELIVERY_STATES, SKIP_REASONS, mailing_state, provider
from mailer.model.tallies import HourEvent, start_of
from mailer.statements.languages import language_name
from mailer.store.statements import load_text

#: Name of a table → its caption, and what its first column is called.
_TABLES: Mapping[str, tuple[str, str]] = {
    "outcome": (mark("Outcomes"), mark("Outcome")),
    "language": (mark("By language of the edition"), mark("Language")),
    "list": (mark("By list"), mark("List")),
    "reason not mailed": (mark("On the lists, and not mailed"), mark("Why")),
    "reply": (mark("Refused, by what the relay said"), mark("Code")),
    "relay": (mark("Attempts, by relay"), mark("Relay")),
    "domain class": (mark("By mail provider"), mark("Provider")),
    "hour": (mark("By hour"), mark("Hour")),
    "segment": (mark("By saved segment, as people match it now"), mark("Segment")),
}
#: Column of a table → what it is called.
_COLUMNS: Mapping[str, str] = {
    "not mailed": mark("not mailed"),
    "deferred attempts": mark("deferred attempts"),
    "bounced": mark("came back"),
    "complained": mark("complained"),
    "unsubscribed": mark("unsubscribed"),
    "accepted": mark("accepted"),
    "refused": mark("refused"),
    "in_doubt": mark("in doubt"),
    "deferred": mark("deferred"),
}
_EVENTS: Mapping[HourEvent, str] = {
    HourEvent.HARD_BOUNCE: mark("came back: nobody there"),
    HourEvent.SOFT_BOUNCE: mark("came back for now"),
    HourEvent.COMPLAINT: mark("complained"),
    HourEvent.UNSUBSCRIBED: mark("unsubscribed"),
}
_STATES = {state.value: words for state, words in DELIVERY_STATES.items()}
_REASONS = {reason.value: words for reason, words in SKIP_REASONS.items()}
#: Of tables whose rows have no names.
NO_NAMES: Mapping[str, str] = MappingProxyType({})
#: Hours that a picture shows one by one; more are drawn by the day.
_MOST_HOURS = 72


class Reports:
    """The routes of reports."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        at = "/mailings/{key}/report"
        return (
            Route(Method.SEE, at, "mailing-report", self.show, ALL_STAFF),
            Route(Method.CHANGE, f"{at}/file", "export-report", self.export, MAKERS),
        )

    def show(self, visit: Visit) -> Response:
        """Show the report, whole or as partners may see it, on a page or made for printing."""
        mailing = mailing_of(visit)
        made = report_of(self._desk.workspace, mailing.key)
        for_partners = visit.query("for") == "partners"
        tables = self._tables(made, for_partners=for_partners, segments=visit.query("segments"))
        names: dict[str, Mapping[str, str]] = {
            "list": {
                target.definition.key: name
                for target, name in zip(mailing.targets, list_names(visit, mailing), strict=True)
            }
        }
        if visit.query("segments"):
            names[SEGMENT] = self._segment_names()
        with self._desk.store.read() as connection:
            revision = load_text(connection, mailing.revision_id)
        return visit.page(
            "report_print.html" if visit.query("print") else "mailing_report.html",
            mailing=mailing,
            state_words=mailing_state(visit, mailing.state),
            title=revision.editions[revision.source_language].title,
            title_language=revision.source_language,
            at=visit.shown(mailing.due_at, mailing.time_zone),
            finished=visit.shown(mailing.finished_at),
            figures=made.figures,
            for_partners=for_partners,
            tables=[
                shown_table(visit, one, names.get(one.name, NO_NAMES))
                for one in tables
                if one.rows and one.columns
            ],
            pictures=[] if for_partners else self._pictures(visit, made),
            may_export=visit.may(*MAKERS),
            now=visit.shown(visit.now),
        )

    def _tables(
        self, made: MailingReport, *, for_partners: bool, segments: str
    ) -> tuple[FigureTable, ...]:
        tables = made.tables_for_partners() if for_partners else made.tables()
        if not segments:
            return tables
        # Only where it was asked for: it takes seconds.
        found = segment_report(self._desk.workspace.reread(), made.mailing)
        return (*tables, found.for_partners() if for_partners else found.table)

    def _segment_names(self) -> dict[str, str]:
        saved = saved_segments(self._desk.workspace.config.lists_dir)
        return {key: one.name for key, one in saved.by_key.items()}

    def _pictures(self, visit: Visit, made: MailingReport) -> list[Markup]:
        """Return what is drawn; the charts escape whatever they are handed."""
        number = visit.catalog.number
        figures = made.figures
        states = [
            Bar(visit.say(DELIVERY_STATES[state]), count, number(count))
            for state in STATES
            if (count := figures.by_state.get(state, 0))
        ]
        drawn = []
        if states:
            words = Words(
                "outcomes",
                visit.say("Outcomes"),
                visit.say("A bar for each outcome, as long as there are people."),
                visit.say("Outcome"),
            )
            drawn.append(bars(words, states, visit.say("People")))
        over_time = self._over_time(visit, made)
        if over_time:
            drawn.append(over_time)
        # The charts are HTML of our own making.
        return [Markup(one) for one in drawn]  # noqa: S704

    def _over_time(self, visit: Visit, made: MailingReport) -> str:
        events = made.figures.over_time
        hours = sorted(
            hour for hour, found in events.items() if any(one in _EVENTS for one in found)
        )
        if not hours:
            return ""
        by_day = hours[-1] - hours[0] >= _MOST_HOURS
        step = 24 if by_day else 1
        spans = range(hours[0] // step, hours[-1] // step + 1)
        lines = [
            Line(
                visit.say(words),
                [
                    sum(
                        events.get(hour, {}).get(event, 0)
                        for hour in range(span * step, (span + 1) * step)
                    )
                    for span in spans
                ],
            )
            for event, words in _EVENTS.items()
        ]
        words = Words(
            "over-time",
            visit.say("What came back, and who left"),
            visit.say("A line for each, over time."),
            visit.say("Day") if by_day else visit.say("Hour"),
        )
        points = [_moment(visit, start_of(span * step), by_day=by_day) for span in spans]
        return lines_over_time(words, points, lines)

    def export(self, visit: Visit) -> Response:
        """Give the figures as a file; that it was taken is on record."""
        mailing = mailing_of(visit)
        made = report_of(self._desk.workspace, mailing.key)
        for_partners = visit.form.text("for") == "partners"
        wanted = visit.form.text("segments")
        tables = self._tables(made, for_partners=for_partners, segments=wanted)
        kind = "json" if visit.form.text("kind") == "json" else "csv"
        note_export(self._desk.workspace, visit.actor, mailing.key, kind, for_partners=for_partners)
        if kind == "json":
            content = json.dumps(as_document(made, tables), ensure_ascii=False, indent=2)
            media_type = "application/json"
        else:
            # Spreadsheets take UTF-8 for something else unless a mark stands before it.
            content, media_type = "\ufeff" + as_csv(tables), "text/csv; charset=utf-8"
        name = f"{mailing.key}-report{'-partners' if for_partners else ''}.{kind}"
        return Response(
            content.encode(),
            media_type=media_type,
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
            },
        )


def shown_table(
    visit: Visit, table: FigureTable, names: Mapping[str, str] = NO_NAMES
) -> dict[str, object]:
    """Return a table as pages show it.

    Args:
        visit: in whose language.
        table: the figures.
        names: what people call a row, by its key, where it has a name.
    """
    caption, first = _TABLES[table.name]
    return {
        "caption": visit.say(caption),
        "first": visit.say(first),
        "columns": [_column(visit, one) for one in table.columns],
        "rows": [
            (
                names.get(key) or _row(visit, table.name, key),
                [
                    visit.catalog.number(cell) if isinstance(cell, int) else _hidden(visit, cell)
                    for cell in cells
                ],
            )
            for key, cells in table.rows.items()
        ],
    }


def _hidden(visit: Visit, cell: Hidden) -> str:
    return cell.value if cell is Hidden.SMALL else visit.say("hidden")


def _column(visit: Visit, name: str) -> str:
    words = _COLUMNS.get(name) or _STATES.get(name)
    return visit.say(words) if words else name


def _row(visit: Visit, table: str, key: str) -> str:
    if table == "language" and key:
        return language_name(key, visit.language)
    if table == "reason not mailed" and key in _REASONS:
        return visit.say(_REASONS[key])
    if table == "domain class":
        return provider(visit, key)
    if table == "outcome":
        return visit.say("People")
    return key


def _moment(visit: Visit, at: datetime, *, by_day: bool) -> str:
    shown = visit.shown(at)
    return shown.rpartition(",")[0] if by_day else shown
