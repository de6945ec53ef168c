"""The report of a mailing as tables, CSV and JSON, and what partners may see of it."""

import csv
import io
import json
from dataclasses import replace

import pytest

from mailer.app.reporting import MailingReport, as_csv, as_document, tables_of
from mailer.app.small_counts import Hidden
from mailer.model.states import DeliveryState
from mailer.model.tallies import HourEvent
from mailer.store.mailings import find_mailing
from mailer.store.reports import report


@pytest.fixture
def made(sqlite_ground):
    """The report of a mailing to fifteen people, of whom two refused and one waits."""
    ground = sqlite_ground
    ground.add_list()
    mailing = ground.add_mailing(["harbor-news"])
    states = [DeliveryState.ACCEPTED] * 12 + [DeliveryState.REFUSED] * 2 + [DeliveryState.SENDING]
    for number, state in enumerate(states):
        person = ground.add_supporter(f"p{number}@example.org", "harbor-news")
        code = {"code": 550, "enhanced_code": "5.1.1"} if state is DeliveryState.REFUSED else {}
        ground.add_delivery(mailing, person, state, **code)
    with ground.store.read() as connection:
        return MailingReport(
            find_mailing(connection, mailing.key), report(connection, mailing.row_id)
        )


def rows_of(text):
    """Return the lines of a CSV."""
    return list(csv.reader(io.StringIO(text)))


def test_every_count_is_a_line_of_the_csv(made):
    """With the table it is of, its row and its column."""
    rows = rows_of(as_csv(made.tables()))
    assert rows[0] == ["table", "row", "column", "count"]
    assert ["outcome", "all", "accepted", "12"] in rows
    assert ["outcome", "all", "due", "1"] in rows
    assert ["language", "en", "refused", "2"] in rows
    assert ["reply", "550 5.1.1", "refused", "2"] in rows


def test_no_cell_is_a_formula(made):
    """A spreadsheet works none of them out, whatever a relay or a list is called."""
    figures = replace(made.figures, by_relay={"=1+1": {"accepted": 12}})
    rows = rows_of(as_csv(tables_of(figures)))
    assert ["relay", "'=1+1", "accepted", "12"] in rows


def test_the_document_is_json_with_the_same_counts(made):
    """By table, row and column."""
    document = json.loads(json.dumps(as_document(made, made.tables())))
    assert document["mailing"] == made.mailing.key
    assert document["tables"]["list"]["harbor-news"]["accepted"] == 12


def test_partners_see_no_count_below_ten(made):
    """Neither in the tables nor in what is exported of them."""
    tables = made.tables_for_partners()
    outcome = dict(zip(tables[0].columns, tables[0].rows["all"], strict=True))
    assert outcome["refused"] is Hidden.SMALL
    counts = [int(row[3]) for row in rows_of(as_csv(tables))[1:] if row[3].isdigit()]
    assert counts
    assert min(counts) >= 10
    cells = as_document(made, tables)["tables"]["outcome"]["all"]
    assert json.loads(json.dumps(cells))["refused"] == "< 10"


def test_hours_tell_hard_and_soft_bounces_together(made):
    """As the domain classes do: else their difference would tell a small count."""
    hour = {HourEvent.HARD_BOUNCE: 3, HourEvent.SOFT_BOUNCE: 4, HourEvent.UNSUBSCRIBED: 2}
    table = tables_of(replace(made.figures, over_time={0: hour}))[-1]
    assert table.columns == ("bounced", "unsubscribed")
    assert dict(table.rows) == {"1970-01-01T00:00Z": (7, 2)}
