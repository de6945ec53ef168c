"""By which relay mails go: the first of a sender's that can take them."""

from datetime import UTC, date, datetime

from mailer.model.relays import SenderChoice
from mailer.model.routing import RelayTerms, Routing

ROUTING = Routing(
    {key: RelayTerms(key) for key in ("main", "spare", "other")},
    {"harbor": ("main", "spare"), "lantern": ("other", "main")},
    ("main",),
    time_zone="Europe/Chisinau",
)
ALL = frozenset(ROUTING.relays)


def test_each_relay_takes_the_senders_whose_first_it_is():
    """The first of the file also takes who names none, or is gone; the spare waits."""
    assert SenderChoice(frozenset({"lantern"}), others=True) == ROUTING.go_by("main", ALL, ALL)
    assert SenderChoice(frozenset({"lantern"})) == ROUTING.go_by("other", ALL, ALL)
    assert SenderChoice(frozenset()) == ROUTING.go_by("spare", ALL, ALL)


def test_the_next_one_takes_over():
    """While the first is aside or full; who names no other waits for it."""
    able = ALL - {"main"}
    assert SenderChoice(frozenset({"harbor"})) == ROUTING.go_by("spare", ALL, able)
    assert SenderChoice(frozenset()) == ROUTING.go_by("main", ALL, able)


def test_a_relay_that_is_not_verified_takes_nothing_over():
    """With all that could aside, the mails wait."""
    ready = ALL - {"spare"}
    able = ALL - {"main"}
    assert SenderChoice(frozenset()) == ROUTING.go_by("spare", ready, able)
    assert SenderChoice(frozenset()) == ROUTING.go_by("main", ready, able)


def test_where_none_is_verified_the_first_has_them_held():
    """Also when it is aside: a person has to verify one."""
    ready = frozenset({"other"})
    assert SenderChoice(frozenset({"lantern"}), others=True) == ROUTING.go_by("main", ready, ready)


def test_what_was_claimed_may_go_by_any_relay_of_its_sender():
    """Whichever relay is the first one a moment later."""
    assert SenderChoice(frozenset({"harbor"})) == ROUTING.may_go_by("spare")
    assert SenderChoice(frozenset(), others=True) == ROUTING.may_go_by("main")


def test_a_day_is_one_of_the_workspaces_zone():
    """At ten in the evening UTC it is the next one in Chișinău."""
    assert date(2026, 12, 2) == ROUTING.day_of(datetime(2026, 12, 1, 22, 30, tzinfo=UTC))
