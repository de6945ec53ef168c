"""The report of a mailing, for the desk, for programs and for the command line.

In: a mailing's key. Out: its figures, as tables to show, as CSV or as JSON; and for partner
organisations the same tables with small counts hidden. Nobody's name or address is in any of it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailer.app.small_counts import FigureTable, hide_small_counts, table_of
from mailer.app.workspace import Workspace
from mailer.audience.cells import disarmed
from mailer.model.audit import AuditAction
from mailer.model.mailing import Mailing
from mailer.model.staff import Actor
from mailer.model.states import DeliveryState
from mailer.model.tallies import HourEvent, start_of
from mailer.store.audit import write_audit
from mailer.store.mailings import find_mailing
from mailer.store.reports import Report, report

#: What came of deliveries, in the order in which it is told; what is sending counts as due.
STATES = (
    DeliveryState.ACCEPTED,
    DeliveryState.REFUSED,
    DeliveryState.IN_DOUBT,
    DeliveryState.DEFERRED,
    DeliveryState.DUE,
    DeliveryState.CANCELLED,
)
#: Attempts and deliveries that were deferred are different things.
_ATTEMPTS = {"deferred": "deferred attempts"}
#: Hard and soft are told apart nowhere else: together they are what the domain classes count.
_BOUNCES = {HourEvent.HARD_BOUNCE: "bounced", HourEvent.SOFT_BOUNCE: "bounced"}
_NAMES = _BOUNCES | {HourEvent.COMPLAINT: "complained"}


@dataclass(frozen=True)
class MailingReport:
    """A mailing and what became of it."""

    mailing: Mailing
    figures: Report

    def tables(self) -> tuple[FigureTable, ...]:
        """Return all figures as tables."""
        return tables_of(self.figures)

    def tables_for_partners(self) -> tuple[FigureTable, ...]:
        """Return them as partner organisations may see them."""
        return hide_small_counts(self.tables())


def report_of(workspace: Workspace, key: str) -> MailingReport:
    """Return the report of a mailing.

    Raises:
        MailingNotFound: when there is no mailing of that key.
    """
    with workspace.store.read() as connection:
        found = find_mailing(connection, key)
        return MailingReport(found, report(connection, found.row_id))


def tables_of(figures: Report) -> tuple[FigureTable, ...]:
    """Return the figures of a report as tables, in the order in which they are told.

    A column of one name counts the same things in every table that has it.
    """
    by_state = dict(figures.by_state)
    # As in the other tables, or the difference would tell how many are sending.
    due = by_state.get(DeliveryState.DUE, 0) + by_state.pop(DeliveryState.SENDING, 0)
    if due:
        by_state[DeliveryState.DUE] = due
    skipped = {reason.value: {"not mailed": n} for reason, n in sorted(figures.not_mailed.items())}
    return (
        table_of("outcome", _by_state({"all": by_state})),
        table_of("language", _by_state(figures.by_language)),
        table_of("list", _by_state(figures.by_list)),
        table_of("reason not mailed", skipped),
        table_of("reply", {reply: {"refused": n} for reply, n in sorted(figures.refusals.items())}),
        table_of("relay", _by_ending(figures.by_relay)),
        table_of("domain class", _by_ending(figures.by_domain_class)),
        table_of("hour", _by_hour(figures.over_time)),
    )


def _by_state(table: Mapping[str, Mapping[DeliveryState, int]]) -> dict[str, dict[str, int]]:
    """Return counts by state in their order; what was not mailed is told by its reasons."""
    return {
        key: {one.value: row[one] for one in STATES if one in row} for key, row in table.items()
    }


def _by_ending(table: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    return {
        key: {_ATTEMPTS.get(ending, ending): count for ending, count in row.items()}
        for key, row in sorted(table.items())
    }


def _by_hour(table: Mapping[int, Mapping[HourEvent, int]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for hour, events in table.items():
        row = found.setdefault(start_of(hour).strftime("%Y-%m-%dT%H:00Z"), {})
        for event, count in events.items():
            name = _NAMES.get(event, event.value)
            row[name] = row.get(name, 0) + count
    return found


def as_csv(tables: Sequence[FigureTable]) -> str:
    """Return tables as CSV: a line for each count; no cell is a formula to a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("table", "row", "column", "count"))
    for table in tables:
        for key, cells in table.rows.items():
            for column, cell in zip(table.columns, cells, strict=True):
                shown = str(cell) if isinstance(cell, int) else cell.value
                writer.writerow([disarmed(one) for one in (table.name, key, column, shown)])
    return text.getvalue()


def as_document(made: MailingReport, tables: Sequence[FigureTable]) -> dict[str, Any]:
    """Return tables as JSON: a count, or why it is hidden, by table, row and column."""
    return {
        "mailing": made.mailing.key,
        "state": made.mailing.state.value,
        "tables": {
            table.name: {
                key: dict(zip(table.columns, cells, strict=True))
                for key, cells in table.rows.items()
            }
            for table in tables
        },
    }


def note_export(
    workspace: Workspace, actor: Actor, key: str, kind: str, *, for_partners: bool
) -> None:
    """Put on record that a report left the program as a file.

    Args:
        workspace: where it is.
        actor: who took it.
        key: of the mailing.
        kind: "csv" or "json".
        for_partners: small counts were hidden.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        write_audit(
            connection,
            actor,
            AuditAction.REPORT_EXPORTED,
            key,
            now,
            kind=kind,
            for_partners=for_partners,
        )
