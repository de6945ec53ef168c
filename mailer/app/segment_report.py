"""Tell what became of a mailing by saved segment: of the people who match it now.

In: a mailing. Out: a table with a row for each saved segment that can be asked of the mailing's lists, and
which cannot be. For partner organisations small counts are hidden, and what would tell them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mailer.app.reporting import STATES
from mailer.app.small_counts import FigureTable, hide_in_overlapping, table_of
from mailer.app.workspace import Workspace
from mailer.audience.mentions import mention_faults
from mailer.audience.segments import Expression, Place, read_expression, saved_segments
from mailer.model.faults import FaultsFound
from mailer.model.mailing import Mailing
from mailer.model.states import DeliveryState
from mailer.store.reports import progress
from mailer.store.retention import deliveries_gone_at
from mailer.store.segment_figures import count_by_segment

#: Of the table.
NAME = "segment"
_NOT_MAILED = "not mailed"


@dataclass(frozen=True)
class SegmentReport:
    """Deliveries of a mailing by segment and outcome."""

    table: FigureTable
    #: What a column counts over all people of the mailing.
    totals: Mapping[str, int]
    #: What people call a segment, by key; "" for nothing.
    names: Mapping[str, str]
    #: Keys of the segments that cannot be asked of these lists, or ask what is not known any more.
    unasked: tuple[str, ...] = ()
    #: The deliveries are cleared away: nobody can be looked up.
    is_gone: bool = False

    def for_partners(self) -> FigureTable:
        """Return the table as partner organisations may see it."""
        return hide_in_overlapping(self.table, self.totals)


def segment_report(workspace: Workspace, mailing: Mailing) -> SegmentReport:
    """Count the deliveries of a mailing by saved segment; takes seconds where there are a million.

    Raises:
        FaultsFound: when the file of segments cannot be read.
    """
    saved = saved_segments(workspace.config.lists_dir)
    attributes = {
        name: one
        for target in mailing.targets
        for name, one in target.definition.attributes.items()
    }
    asked: dict[str, Expression] = {}
    for key in saved.by_key:
        try:
            asked[key] = read_expression(key, attributes, Place(key), saved)
        except FaultsFound:
            # It asks for a field that these lists do not have.
            continue
    counts = count_by_segment(
        workspace.store, mailing.row_id, {key: one.segment for key, one in asked.items()}
    )
    with workspace.store.read() as connection:
        # After the counting: deliveries may be deleted meanwhile, and their mark is set with the first.
        is_gone = deliveries_gone_at(connection, mailing.row_id) is not None
        known = [key for key, one in asked.items() if not mention_faults(connection, one.mentions)]
        totals = _columns(progress(connection, mailing.row_id).by_state)
    rows = {key: dict.fromkeys(totals, 0) | _columns(counts[key]) for key in known}
    return SegmentReport(
        table_of(NAME, {} if is_gone else rows),
        totals,
        {key: one.name for key, one in saved.by_key.items()},
        tuple(key for key in saved.by_key if key not in known),
        is_gone,
    )


def _columns(by_state: Mapping[DeliveryState, int]) -> dict[str, int]:
    """Return counts by the names of their columns, in the order in which they are told."""
    found = dict(by_state)
    due = found.get(DeliveryState.DUE, 0) + found.pop(DeliveryState.SENDING, 0)
    if due:
        found[DeliveryState.DUE] = due
    columns = {one.value: found[one] for one in STATES if found.get(one)}
    if found.get(DeliveryState.SKIPPED):
        columns[_NOT_MAILED] = found[DeliveryState.SKIPPED]
    return columns
