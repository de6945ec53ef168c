"""A plan stays readable where people live in every zone there is."""

from datetime import UTC, datetime
from zoneinfo import available_timezones

from mailer.app.clocks import Clocks
from mailer.cli.clocks import named, planned_document, print_clocks
from mailer.cli.common import console
from mailer.model.timing import Timing
from mailer.schedule.openings import plan_shares
from mailer.zones import canonical_zone


def test_hundreds_of_zones_take_a_screen_and_json_has_them_all():
    """Zones that fall due together share a line; the numbers add up."""
    people = {canonical_zone(name): 10 for name in available_timezones()}
    now = datetime(2026, 11, 1, tzinfo=UTC)
    timing = Timing(recipient_time=True, local_hour=datetime(2026, 12, 1, 9))
    shares = tuple(plan_shares(timing, people, now))
    clocks = Clocks(timing, "UTC", shares[0].due_at, shares)
    with console.capture() as caught:
        print_clocks(clocks)
    lines = [line for line in caught.get().splitlines() if "2026-12-01 09:00 " in line]
    assert 30 <= len(lines) <= 61
    assert len(people) > 400
    assert " more" in caught.get()
    assert sorted(people) == sorted(one["zone"] for one in planned_document(clocks)["shares"])


def test_a_few_zones_are_named_and_the_others_counted():
    """Three by name."""
    assert "A, B, C" == named(["A", "B", "C"])
    assert "A, B, C and 2 more" == named(["A", "B", "C", "D", "E"])
