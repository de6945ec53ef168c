"""Zones are known by the name that is used today."""

from zoneinfo import ZoneInfo, available_timezones

import pytest

from mailer.zones import canonical_zone


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("Europe/Kiev", "Europe/Kyiv"),
        ("Europe/Kyiv", "Europe/Kyiv"),
        ("Asia/Calcutta", "Asia/Kolkata"),
        ("US/Eastern", "America/New_York"),
        ("Europe/Amsterdam", "Europe/Amsterdam"),
        ("Zulu", "UTC"),
        ("Etc/UTC", "UTC"),
        ("UTC", "UTC"),
        ("Mars/Olympus", None),
        ("europe/kyiv", None),
        ("", None),
    ],
)
def test_a_zone_has_one_name(name, canonical):
    """An older name means today's; a place keeps its own; what is no zone has none."""
    assert canonical == canonical_zone(name)


def test_every_zone_keeps_its_time_by_its_canonical_name():
    """Both names read the same rules, and the canonical name is its own."""
    for name in available_timezones():
        canonical = canonical_zone(name)
        assert canonical is not None
        assert canonical == canonical_zone(canonical)
        assert ZoneInfo(canonical) is not None
