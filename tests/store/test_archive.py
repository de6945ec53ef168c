"""Which statements the archive lists by itself, since when, and what staff may decide."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailer.model.breaker import Ending
from mailer.model.statement import StatementKind, Visibility
from mailer.model.states import MailingState
from mailer.store.archive import (
    listed_statements,
    not_listed,
    open_mailings_of,
    set_visibility,
    visibility_of,
)
from mailer.store.audience import mark_discreet
from mailer.store.statements import StatementNotFound, save_revision
from tests.support.archive import DISCREET, OPEN, a_statement, decide, mail_out
from tests.support.newsletters import harbor_issue, make_public
from tests.support.subscriptions import NOON

HOUR = timedelta(hours=1)


def _listed(store, at=NOON):
    with store.read() as connection:
        return listed_statements(connection, at)


def _slugs(store, at=NOON):
    return [one.slug for one in _listed(store, at)]


def test_what_was_published_or_mailed_is_listed_the_newest_first(store):
    """Loading lists nothing; publishing does from its hour on, a mailing once a mail went."""
    with store.write() as connection:
        save_revision(connection, a_statement("loaded"), NOON)
    make_public(store, a_statement("older"), NOON - 2 * HOUR)
    mail_out(store, a_statement("mailed"), NOON - HOUR)
    make_public(store, a_statement("to-come"), NOON + HOUR)

    assert ["mailed", "older"] == _slugs(store)
    assert ["to-come", "mailed", "older"] == _slugs(store, NOON + HOUR)


@pytest.mark.parametrize(
    ("what", "listed"),
    [
        ({"rehearsal": True}, False),
        ({"ending": None}, False),
        ({"ending": Ending.REFUSED}, False),
        ({"ending": Ending.IN_DOUBT}, True),
        ({}, True),
    ],
)
def test_only_a_mailing_in_earnest_that_reached_somebody_lists(store, what, listed):
    """A rehearsal does not, nor a mailing that was stopped before any mail was taken."""
    mail_out(store, a_statement("letter"), NOON, **what)

    assert listed == (_slugs(store) == ["letter"])


def test_what_went_to_discreet_lists_only_is_not_listed_by_itself(store):
    """One list that is not discreet is enough; publishing lists it whatever it was mailed to."""
    mail_out(store, a_statement("quiet"), NOON, DISCREET)
    mail_out(store, a_statement("both"), NOON, DISCREET, OPEN)
    assert ["both"] == _slugs(store)

    make_public(store, a_statement("quiet"), NOON)
    assert {"both", "quiet"} == set(_slugs(store))


def test_a_list_that_is_marked_discreet_later_counts_as_discreet(store):
    """Whatever it was when the mailing was scheduled."""
    mail_out(store, a_statement("letter"), NOON)
    with store.write() as connection:
        mark_discreet(connection, [OPEN.key], NOON)

    assert [] == _slugs(store)


def test_it_is_dated_by_when_it_came_to_be_public_and_when_that_changed(store):
    """A second mailing of the same text changes nothing, a newer text does."""
    first = a_statement("letter")
    mail_out(store, first, NOON - 3 * HOUR)
    mail_out(store, first, NOON - 2 * HOUR)
    (one,) = _listed(store)
    assert (NOON - 3 * HOUR, NOON - 3 * HOUR) == (one.since, one.changed_at)

    mail_out(store, a_statement("letter", "en", "ru"), NOON - HOUR)
    (newer,) = _listed(store)
    assert (NOON - 3 * HOUR, NOON - HOUR) == (newer.since, newer.changed_at)
    assert newer.revision_id != one.revision_id


def test_a_newsletter_is_as_new_as_its_last_issue(store):
    """Its page shows that issue, and it stands in the list where the issue does."""
    mail_out(store, harbor_issue(), NOON - 3 * HOUR)
    mail_out(store, a_statement("between"), NOON - 2 * HOUR)
    mail_out(store, harbor_issue(harbor_issue().items[:2]), NOON - HOUR)

    first, _ = _listed(store)
    assert ("harbor-letters", NOON - HOUR) == (first.slug, first.since)


def test_unlisting_takes_it_off_and_relisting_puts_it_back(store):
    """At once, and before a mailing as well as after one."""
    mail_out(store, a_statement("letter"), NOON)
    decide(store, "letter", Visibility.UNLISTED)
    assert [] == _slugs(store)
    with store.read() as connection:
        assert {"letter"} == not_listed(connection, frozenset({"letter", "other"}))

    decide(store, "letter", Visibility.LISTED, NOON + HOUR)
    (again,) = _listed(store, NOON + HOUR)
    assert (NOON, NOON + HOUR) == (again.since, again.changed_at)


def test_what_is_withdrawn_stays_known_if_it_was_listed(store):
    """Feeds tell of it; but never of what had been unlisted, nor of what nobody could see."""
    for slug in ("listed", "unlisted"):
        mail_out(store, a_statement(slug), NOON - HOUR)
    with store.write() as connection:
        save_revision(connection, a_statement("loaded"), NOON)
    decide(store, "unlisted", Visibility.UNLISTED)
    for slug in ("listed", "unlisted", "loaded"):
        decide(store, slug, Visibility.WITHDRAWN)

    (one,) = _listed(store)
    assert ("listed", Visibility.WITHDRAWN) == (one.slug, one.visibility)
    assert (NOON, NOON) == (one.changed_at, one.decided_at)
    decide(store, "listed", Visibility.WITHDRAWN, NOON, "unlisted")
    assert ["listed"] == _slugs(store)


def test_a_decision_about_nothing_is_refused(store):
    """Neither the statement nor what corrects it may be unknown, and then nothing changes."""
    make_public(store, a_statement("letter"), NOON)
    for slug, corrected_by in (("nothing", ""), ("letter", "nothing")):
        with pytest.raises(StatementNotFound, match="nothing"):
            decide(store, slug, Visibility.WITHDRAWN, NOON, corrected_by)
    with store.read() as connection:
        assert Visibility.LISTED is visibility_of(connection, "letter")
        with pytest.raises(StatementNotFound):
            visibility_of(connection, "nothing")


def test_mailings_that_go_on_are_named(store):
    """Those of the statement itself that are not over."""
    running = mail_out(store, a_statement("letter"), NOON)
    mail_out(store, a_statement("other"), NOON)
    assert running
    with store.write() as connection:
        set_visibility(connection, "letter", Visibility.WITHDRAWN, NOON)
        assert (("letter-1", MailingState.RUNNING),) == open_mailings_of(connection, "letter")


def test_the_kind_does_not_matter(store):
    """Appeals are listed as statements are."""
    make_public(store, a_statement("appeal", kind=StatementKind.APPEAL), NOON)
    assert ["appeal"] == _slugs(store)
