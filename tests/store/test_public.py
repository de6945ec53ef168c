"""Which revision of a statement the public sees, and from when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mailer.model.statement import Edition, Revision, StatementKind
from mailer.store.documents import with_digest
from mailer.store.public import PublicRevision, public_revision
from mailer.store.statements import publish, save_revision
from tests.support.subscriptions import NOON, Subscriptions, define_list

HOUR = timedelta(hours=1)


@pytest.fixture
def world(store):
    """What makes mailings."""
    return Subscriptions(store)


def _revision(body: str) -> Revision:
    edition = Edition("en", "Title", "Subject", "", "", "", "", body, "0" * 12)
    return with_digest(
        Revision(
            slug="a-statement",
            kind=StatementKind.STATEMENT,
            source_language="en",
            published=NOON - HOUR,
            supports=(),
            hashtags=(),
            related=(),
            signatories=(),
            and_others=False,
            editions={"en": edition},
        )
    )


def _load(store, body: str):
    with store.write() as connection:
        return save_revision(connection, _revision(body), NOON)


def _seen(store, at=NOON, slug="a-statement"):
    with store.read() as connection:
        return public_revision(connection, slug, at)


def test_loading_alone_shows_nothing(store):
    """A statement that was only loaded is as unknown as one that never was."""
    _load(store, "first")

    assert _seen(store) is None
    assert _seen(store, slug="never-was") is None


def test_a_mailing_that_is_to_start_shows_nothing(store, world):
    """A scheduled mailing does not make its revision public, a started one does."""
    first = _load(store, "first")
    world.start_mailing("a-statement", first.statement_id, first.revision_id, 1, None)
    assert _seen(store) is None

    world.start_mailing("a-statement", first.statement_id, first.revision_id, 2, NOON)

    assert PublicRevision(first.revision_id, ()) == _seen(store)
    assert _seen(store, NOON - HOUR) is None


def test_the_last_started_mailing_counts_and_a_later_load_does_not(store, world):
    """The revision of the mailing that started last is shown until another starts."""
    first = _load(store, "first")
    second = _load(store, "second")
    world.start_mailing("a-statement", first.statement_id, second.revision_id, 1, NOON - HOUR)
    world.start_mailing("a-statement", first.statement_id, first.revision_id, 2, NOON)
    _load(store, "third")

    assert first.revision_id == _seen(store).revision_id
    assert second.revision_id == _seen(store, NOON - HOUR / 2).revision_id


def test_what_was_fixed_for_publication_wins_from_its_hour_on(store, world):
    """Until the hour of publication the mailing's revision is shown, then the fixed one."""
    first = _load(store, "first")
    second = _load(store, "second")
    with store.write() as connection:
        publish(connection, "a-statement", second.revision_id, NOON)
    assert _seen(store, NOON - HOUR) is None
    world.start_mailing("a-statement", first.statement_id, first.revision_id, 1, NOON - HOUR)

    assert first.revision_id == _seen(store, NOON - HOUR).revision_id
    assert second.revision_id == _seen(store, NOON).revision_id


def test_the_lists_of_the_last_mailing_give_the_chain(store, world):
    """Languages that the lists try are told in the order of the lists, each once."""
    first = _load(store, "first")
    targets = (
        define_list("letters", "harbor", ("ru", "en")),
        define_list("network", "lantern", ("en", "ro")),
    )
    world.start_mailing("a-statement", first.statement_id, first.revision_id, 1, NOON, targets)

    assert PublicRevision(first.revision_id, ("ru", "en", "ro")) == _seen(store)


def test_another_statements_mailing_shows_only_that(store, world):
    """A slug leads to its own statement's revisions alone."""
    first = _load(store, "first")
    with store.write() as connection:
        other = save_revision(
            connection, with_digest(replace(_revision("other"), slug="another")), NOON
        )
    world.start_mailing("another", other.statement_id, other.revision_id, 1, NOON)

    assert _seen(store) is None
    assert other.revision_id == _seen(store, slug="another").revision_id
    assert first.revision_id != other.revision_id
