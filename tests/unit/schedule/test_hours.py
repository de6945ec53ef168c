"""Hours as people write them become instants by one rule."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.model.faults import FaultsFound
from mailer.schedule.hours import instant_at


def test_an_ordinary_hour_is_read_in_its_zone():
    """Nine in Chișinău in winter is seven in UTC."""
    expected = datetime(2026, 12, 1, 7, tzinfo=UTC)
    assert instant_at("2026-12-01T09:00", "Europe/Chisinau") == expected


@pytest.mark.parametrize("hour", ["2026-03-29T02:00", "2026-03-29T02:30", "2026-03-29T02:59"])
def test_a_skipped_hour_becomes_the_next_that_exists(hour):
    """Brussels has no 02:00 to 02:59 on the last Sunday of March: 03:00 is meant."""
    assert instant_at(hour, "Europe/Brussels") == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_of_a_repeated_hour_the_first_is_meant():
    """02:30 comes twice in Brussels on the last Sunday of October; summer time comes first."""
    expected = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert instant_at("2026-10-25T02:30", "Europe/Brussels") == expected


def test_a_gap_of_half_an_hour_ends_where_it_ends():
    """Lord Howe Island moves its clocks by half an hour only."""
    zone = ZoneInfo("Australia/Lord_Howe")
    instant = instant_at("2026-10-04T02:15", "Australia/Lord_Howe")
    assert instant.astimezone(zone).strftime("%H:%M") == "02:30"


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from(
        ["Europe/Kyiv", "Europe/Chisinau", "Asia/Bishkek", "Asia/Tehran", "Europe/Brussels"]
    ),
)
def test_what_exists_is_kept_and_what_does_not_moves_forward(local, zone):
    """The instant shows the hour asked for, or a later one on the same day."""
    local = local.replace(microsecond=0)
    shown = instant_at(local.isoformat(), zone).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert shown >= local
    assert (shown - local).total_seconds() <= 3600


def test_both_faults_are_named_at_once():
    """A wrong hour and a wrong zone are reported together, by their options."""
    with pytest.raises(FaultsFound) as caught:
        instant_at("tomorrow", "Mars/Olympus")
    assert [fault.field for fault in caught.value.faults] == ["--at", "--timezone"]


def test_an_hour_with_its_own_offset_is_refused():
    """Two zones for one hour would contradict each other."""
    with pytest.raises(FaultsFound) as caught:
        instant_at("2026-12-01T09:00+02:00", "Europe/Kyiv")
    assert [fault.field for fault in caught.value.faults] == ["--at"]


@pytest.mark.parametrize("text", ["9999-12-31T23:30", "0001-01-01T00:30"])
def test_a_year_that_no_calendar_reaches_is_refused(text):
    """A slip of the finger, and nothing that could be counted on from."""
    with pytest.raises(FaultsFound, match="is too far off"):
        instant_at(text, "Europe/Chisinau")


@pytest.mark.parametrize(
    "text", ["2026-12-01", "2026-12-01T09", "09:00", "tomorrow", "20261201T0900"]
)
def test_an_hour_is_written_in_full(text):
    """A day alone is not midnight: it is asked for again."""
    with pytest.raises(FaultsFound) as raised:
        instant_at(text, "Europe/Chisinau")
    assert [fault.field for fault in raised.value.faults] == ["--at"]
