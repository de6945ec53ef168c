"""What becomes of a mailing whose hour has come."""

from datetime import UTC, datetime, timedelta

from mailer.model.mailing import Mailing, Sender
from mailer.model.states import MailingState
from mailer.model.timing import Timing
from mailer.schedule.lateness import Hold, Start, Wait, when_due, when_frozen

DUE = datetime(2026, 12, 1, 7, tzinfo=UTC)


def _mailing(**changes):
    values = {
        "row_id": 1, "key": "s-1", "state": MailingState.SCHEDULED, "revision_id": 1,
        "design_id": 1, "targets": (), "segment": "", "exclude": "", "due_at": DUE,
        "time_zone": "UTC", "grace_s": 7200, "confirmed_count": 100, "digest": "",
        "sender": Sender("k", "o", {"en": "K"}, "k@example.org", "", "https://e.example.org", "b.example.org"),
    }  # fmt: skip
    return Mailing(**{**values, **changes})


def test_before_its_hour_it_waits():
    """A second early is early."""
    assert when_due(_mailing(), DUE - timedelta(seconds=1)) == Wait()


def test_at_its_hour_it_starts():
    """On the very second it goes."""
    assert when_due(_mailing(), DUE) == Start()


def test_within_grace_it_starts():
    """A restart that took as long as the grace does not stop it."""
    assert when_due(_mailing(), DUE + timedelta(seconds=7200)) == Start()


def test_later_than_grace_it_is_held_and_says_how_late():
    """A missed hour is not made up for silently."""
    decision = when_due(_mailing(), DUE + timedelta(seconds=7260))
    assert decision == Hold("Its hour passed 121 minutes ago; up to 120 were allowed.")


def test_a_person_may_release_a_late_one():
    """Once released, lateness holds it no more."""
    assert when_due(_mailing(released=True), DUE + timedelta(days=1)) == Start()


def test_two_percent_more_people_are_allowed():
    """A few who joined since the confirmation do not hold it."""
    assert when_frozen(_mailing(), 102, DUE) == Start()


def test_more_than_two_percent_is_held():
    """A list that grew since the confirmation needs a person's word."""
    decision = when_frozen(_mailing(), 103, DUE)
    assert decision == Hold("It would go to 103 people; 100 were confirmed.")


def test_one_that_was_released_for_being_late_may_not_be_larger():
    """The number of people was not known yet when a person released it."""
    decision = when_frozen(_mailing(released=True), 103, DUE)
    assert decision == Hold("It would go to 103 people; 100 were confirmed.")


def test_one_that_was_frozen_too_late_is_held():
    """It says how late and how large it is; where each share is judged alone, it is not late."""
    after = DUE + timedelta(days=1)
    late = "Its hour passed 1440 minutes ago; up to 120 were allowed."
    assert Hold(late) == when_frozen(_mailing(), 100, after)
    both = f"{late} It would go to 200 people; 100 were confirmed."
    assert Hold(both) == when_frozen(_mailing(), 200, after)
    assert Start() == when_frozen(_mailing(timing=Timing(recipient_time=True)), 100, after)
    assert Start() == when_frozen(_mailing(released=True), 100, after)
